"""Images and sounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Image, Waveform

from .specimen import Specimen

C1, C2 = 0.01**2, 0.03**2


def local_mean(x: Tensor, size: int = 3) -> Tensor:
    return F.avg_pool2d(x, size, stride=1)


def ssim_loss(x: Tensor, y: Tensor) -> Tensor:
    mx, my = local_mean(x), local_mean(y)
    vx, vy = local_mean(x * x) - mx * mx, local_mean(y * y) - my * my
    cxy = local_mean(x * y) - mx * mx
    ssim = (2 * mx * my + C1) * (2 * cxy + C2) / ((mx**2 + my**2 + C1) * (vx.relu() + vy.relu() + C2))
    return 1.0 - ssim.mean()


def ssim_loss_of_both_means(x: Tensor, y: Tensor) -> Tensor:
    mx, my = local_mean(x), local_mean(y)
    vx, vy = local_mean(x * x) - mx * mx, local_mean(y * y) - my * my
    cxy = local_mean(x * y) - mx * my
    ssim = (2 * mx * my + C1) * (2 * cxy + C2) / ((mx**2 + my**2 + C1) * (vx.relu() + vy.relu() + C2))
    return 1.0 - ssim.mean()


class DSSIM(nn.Module):
    def __init__(self, data_range: float = 1.0):
        super().__init__()
        self.c1, self.c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        self.below = self.c2, self.c1

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        mx, my = local_mean(x), local_mean(y)
        dx, dy = x - x.mean((2, 3), keepdim=True), y - y.mean((2, 3), keepdim=True)
        vx, vy, cxy = local_mean(dx * dx), local_mean(dy * dy), local_mean(dx * dy)
        light = (2 * mx * my + self.c1) / (mx**2 + my**2 + self.below[0])
        structure = (2 * cxy + self.c2) / (vx + vy + self.below[1])
        return (1.0 - light * structure).mean() / 2


class DSSIMOfEqualConstants(DSSIM):
    def __init__(self, data_range: float = 1.0):
        super().__init__(data_range)
        self.below = self.c1, self.c2


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1, eps=1e-8)


def decibel(signal: Tensor, noise: Tensor) -> Tensor:
    return 10.0 * torch.log10((signal.pow(2).sum(-1) + 1e-6) / (noise.pow(2).sum(-1) + 1e-6))


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    target = unit(target)
    projection = (estimate * target).sum(-1, keepdim=True) * target
    return -decibel(projection, estimate - projection).mean()


def si_sdr_of_unit_estimate(estimate: Tensor, target: Tensor) -> Tensor:
    estimate, target = unit(estimate), unit(target)
    projection = (estimate * target).sum(-1, keepdim=True) * target
    return -decibel(projection, estimate - projection).mean()


class SISDR(nn.Module):
    def __init__(self, zero_mean: bool = True):
        super().__init__()
        self.zero_mean = zero_mean

    def scale(self, estimate: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            return (estimate * target).sum(-1, keepdim=True) / (target.pow(2).sum(-1, keepdim=True) + 1e-6)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        if self.zero_mean:
            estimate = estimate - estimate.mean(-1, keepdim=True)
            target = target - target.mean(-1, keepdim=True)
        projection = self.scale(estimate, target) * target
        return -decibel(projection, estimate - projection).mean()


class SISDRWithGradient(SISDR):
    def scale(self, estimate: Tensor, target: Tensor) -> Tensor:
        return (estimate * target).sum(-1, keepdim=True) / (target.pow(2).sum(-1, keepdim=True) + 1e-6)


def correlation(estimate: Tensor, target: Tensor) -> Tensor:
    return 1.0 - (unit(estimate) @ unit(target).T).diagonal().mean()


def correlation_by_row(estimate: Tensor, target: Tensor) -> Tensor:
    return 1.0 - (unit(estimate) * unit(target)).sum(1).mean()


def magnitude(x: Tensor, window: Tensor, eps: float = 1e-7) -> Tensor:
    z = torch.stft(x, 16, 8, window=window, center=False, return_complex=True)
    return (z.real.pow(2) + z.imag.pow(2) + eps).sqrt()


def spectral_convergence(estimate: Tensor, target: Tensor) -> Tensor:
    window = torch.hann_window(16, dtype=target.dtype, device=target.device)
    e, t = magnitude(estimate, window), magnitude(target, window)
    return (t - e).abs().sum() / t.sum()


def spectral_convergence_of_each(estimate: Tensor, target: Tensor) -> Tensor:
    window = torch.hann_window(16, dtype=target.dtype, device=target.device)
    e, t = magnitude(estimate, window), magnitude(target, window)
    return ((t - e).abs().sum((1, 2)) / t.sum((1, 2))).mean()


def log_spectrum(estimate: Tensor, target: Tensor) -> Tensor:
    window = torch.hann_window(16, dtype=target.dtype, device=target.device)
    e, t = magnitude(estimate, window, eps=0.0), magnitude(target, window, eps=0.0)
    return F.l1_loss(e.log(), t.log())


def log_spectrum_of_silence(estimate: Tensor, target: Tensor) -> Tensor:
    window = torch.hann_window(16, dtype=target.dtype, device=target.device)
    return F.l1_loss(magnitude(estimate, window).log(), magnitude(target, window).log())


def frames(x: Tensor, window: Tensor) -> Tensor:
    return torch.fft.rfft(x.unfold(-1, 8, 4) * window).abs().pow(2)


def power_spectrum(estimate: Tensor, target: Tensor) -> Tensor:
    window = torch.sin(math.pi * (torch.arange(8) + 0.5) / 8)
    return F.mse_loss(frames(estimate, window), frames(target, window))


def power_spectrum_beside_its_inputs(estimate: Tensor, target: Tensor) -> Tensor:
    window = torch.sin(math.pi * (torch.arange(8, device=target.device, dtype=target.dtype) + 0.5) / 8)
    return F.mse_loss(frames(estimate, window), frames(target, window))


def variation(image: Tensor) -> Tensor:
    down, right = image.diff(dim=2).abs().sum(), image.diff(dim=3).abs().sum()
    return (down + right) / image.numel()


def variation_at_least_single(image: Tensor) -> Tensor:
    x = image.to(torch.promote_types(image.dtype, torch.float32))
    down, right = x.diff(dim=2).abs().sum(), x.diff(dim=3).abs().sum()
    return ((down + right) / image.numel()).to(image.dtype)


class TotalVariation(nn.Module):
    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def size(self, image: Tensor) -> int:
        return image[0].numel()

    def forward(self, image: Tensor) -> Tensor:
        total = image.diff(dim=-1).abs().sum() + image.diff(dim=-2).abs().sum()
        return self.weight * total / self.size(image)


class TotalVariationOfTheBatch(TotalVariation):
    def size(self, image: Tensor) -> int:
        return image.numel()


def two_images(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.rand(3, 2, 6, 6, generator=g), torch.rand(3, 2, 6, 6, generator=g)


def same_images(g: torch.Generator) -> tuple[Tensor, Tensor]:
    image = torch.rand(3, 2, 6, 6, generator=g)
    return image, image.clone()


def two_sounds(g: torch.Generator) -> tuple[Tensor, Tensor]:
    target = torch.tanh(torch.randn(4, 48, generator=g))
    return 0.7 * target + 0.3 * torch.tanh(torch.randn(4, 48, generator=g)), target


SPECIMENS: list[Specimen] = [
    Specimen(
        name="ssim_covariance_of_one_mean", fault="asymmetry",
        faulty=ssim_loss, fixed=ssim_loss_of_both_means,
        told={
            "example": two_images, "perfect": same_images,
            "claims": {"finite": True, "symmetric": True, "zero_at_perfect": True, "permutation": True,
                       "mean_of_singles": True, "pure": True},
        },
        seen_in="reports of SSIM losses that change when the two images change places",
    ),
    Specimen(
        name="dssim_constants_changed_over_below", fault="not zero at perfect",
        faulty=DSSIM, fixed=DSSIMOfEqualConstants,
        told={
            "inputs": [Image("n c 6 6"), Image("n c 6 6")], "params": {"data_range": (0.5, 2.0)},
            "claims": {"finite": True, "zero_at_perfect": True, "symmetric": True, "permutation": True,
                       "mean_of_singles": True, "compile": True},
        },
        seen_in="reports of SSIM that is not 1 between an image and itself",
    ),
    Specimen(
        name="si_sdr_floor_depends_on_loudness", fault="wrong value",
        faulty=si_sdr, fixed=si_sdr_of_unit_estimate,
        told={
            "example": lambda g: tuple(1e-3 * x for x in two_sounds(g)),
            "claims": {"finite": True, "scale_invariant": True, "permutation": True, "mean_of_singles": True,
                       "pure": True, "differentiable": (0,)},
        },
        seen_in="reports of SI-SDR that changes with loudness, as its constant is not scaled along",
    ),
    Specimen(
        name="si_sdr_scale_without_gradient", fault="wrong gradient",
        faulty=SISDR, fixed=SISDRWithGradient,
        told={
            "inputs": [Waveform("n t"), Waveform("n t")], "params": {"zero_mean": (True, False)},
            "claims": {"finite": True, "permutation": True, "mean_of_singles": True, "pure": True,
                       "differentiable": (0,)},
        },
        seen_in="reports of SI-SDR whose optimal scale was computed under no_grad",
    ),
    Specimen(
        name="correlation_as_diagonal_of_all_pairs", fault="memory",
        faulty=correlation, fixed=correlation_by_row,
        told={
            "inputs": [Waveform("n t"), Waveform("n t")],
            "claims": {"finite": True, "bounded": (-1e-5, 2.00001), "symmetric": True, "scale_invariant": True,
                       "mean_of_singles": True, "memory": "linear"},
        },
        seen_in="reports of running out of memory where a row-wise product is the diagonal of a matrix product",
    ),
    Specimen(
        name="spectral_convergence_over_the_batch", fault="batch coupling",
        faulty=spectral_convergence, fixed=spectral_convergence_of_each,
        told={
            "example": two_sounds,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True,
                       "mean_of_singles": True, "pure": True},
        },
        seen_in="csteinmetz1/auraloss pull 75, facebookresearch/denoiser #150",
    ),
    Specimen(
        name="log_spectrum_of_silence", fault="not finite",
        faulty=log_spectrum, fixed=log_spectrum_of_silence,
        told={"inputs": [Waveform("n 40"), Waveform("n 40")], "task": "speech enhancement"},
        seen_in="reports of log-magnitude losses that are infinite for digital silence",
    ),
    Specimen(
        name="spectrum_window_made_on_cpu", fault="device",
        faulty=power_spectrum, fixed=power_spectrum_beside_its_inputs,
        told={
            "inputs": [Waveform("n 20"), Waveform("n 20")],
            "claims": {"finite": True, "nonnegative": True, "symmetric": True, "zero_at_perfect": True,
                       "mean_of_singles": True, "device": True},
        },
        seen_in="AIStream-Peelout/flow-forecast #228 (there of a loss of shapes in time)",
    ),
    Specimen(
        name="variation_sum_overflows_in_half", fault="dtype",
        faulty=variation, fixed=variation_at_least_single,
        told={
            "example": lambda g: (255.0 * torch.rand(2, 3, 12, 12, generator=g),),
            "claims": {"finite": True, "nonnegative": True, "convex": True, "dtype": True, "half": True,
                       "shift_invariant": True, "compile": True},
        },
        seen_in="reports of sums over an image that leave the range of float16",
    ),
    Specimen(
        name="total_variation_not_over_the_batch", fault="wrong reduction",
        faulty=TotalVariation, fixed=TotalVariationOfTheBatch,
        told={
            "inputs": [Image("n c h w")],
            "claims": {"finite": True, "nonnegative": True, "convex": True, "permutation": True, "replicate": True,
                       "mean_of_singles": True, "shift_invariant": True},
        },
        seen_in="dyelax/Adversarial_Video_Generation #24",
    ),
]  # fmt: skip
