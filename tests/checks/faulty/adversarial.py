"""Critics, generators, and the penalty on a critic's gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, Logit, Real

from .specimen import Specimen


def penalty_per_pixel(gradient: Tensor, target: float = 1.0) -> Tensor:
    """``gradient``: of the critic's output with respect to its images."""
    return (torch.sqrt(gradient.pow(2).sum(dim=1) + 1e-12) - target).pow(2).mean()


def penalty_per_image(gradient: Tensor, target: float = 1.0) -> Tensor:
    return (torch.sqrt(gradient.flatten(1).pow(2).sum(dim=1) + 1e-12) - target).pow(2).mean()


def penalty_at_zero(gradient: Tensor) -> Tensor:
    norm = torch.sqrt(gradient.flatten(1).pow(2).sum(dim=1))
    return 10.0 * (norm - 1.0).pow(2).mean()


def penalty_above_zero(gradient: Tensor) -> Tensor:
    norm = torch.sqrt(gradient.flatten(1).pow(2).sum(dim=1) + 1e-12)
    return 10.0 * (norm - 1.0).pow(2).mean()


class OneSidedPenalty(nn.Module):
    def __init__(self, weight: float = 10.0):
        super().__init__()
        self.weight = weight

    def norm(self, gradient: Tensor) -> Tensor:
        return torch.sqrt(gradient.pow(2).sum() / len(gradient) + 1e-12)

    def forward(self, gradient: Tensor) -> Tensor:
        return self.weight * F.relu(self.norm(gradient) - 1.0).pow(2).mean()


class OneSidedPenaltyOfEach(OneSidedPenalty):
    def norm(self, gradient: Tensor) -> Tensor:
        return torch.sqrt(gradient.flatten(1).pow(2).sum(1) + 1e-12)


def smoothed_critic(logits: Tensor, is_real: Tensor, smoothing: float = 0.1) -> Tensor:
    """One-sided smoothing: real images are only 1 - ``smoothing`` real."""
    target = torch.where(is_real > 0, torch.full_like(is_real, 1.0 - smoothing), torch.zeros_like(is_real))
    return F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype))


def smoothed_critic_of_logits_dtype(logits: Tensor, is_real: Tensor, smoothing: float = 0.1) -> Tensor:
    target = (1.0 - smoothing) * (is_real > 0).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, target)


def hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1.0 + real).mean() + F.relu(1.0 - fake).mean()


def hinge_critic_raising_real(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def relativistic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(fake - real).mean()


def relativistic_pairs(real: Tensor, fake: Tensor) -> Tensor:
    if real.shape != fake.shape:
        raise ValueError(f"real {tuple(real.shape)} and fake {tuple(fake.shape)} are not pairs")
    return F.softplus(fake - real).mean()


def unit_gradients(g: torch.Generator) -> tuple[Tensor]:
    x = torch.randn(4, 3, 2, 2, generator=g, dtype=torch.float64)
    return (x / x.flatten(1).norm(dim=1).view(-1, 1, 1, 1),)


def image_gradients(g: torch.Generator) -> tuple[Tensor]:
    return (torch.randn(5, 2, 3, 3, generator=g),)


SPECIMENS: list[Specimen] = [
    Specimen(
        name="gradient_penalty_norm_over_channels", fault="wrong value",
        faulty=penalty_per_pixel, fixed=penalty_per_image,
        told={
            "example": image_gradients, "perfect": unit_gradients,
            "claims": {"finite": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True,
                       "mean_of_singles": True, "replicate": True, "differentiable": (0,)},
        },
        seen_in="caogang/wgan-gp #27, eriklindernoren/PyTorch-GAN #20, Zeleni9/pytorch-wgan #40",
    ),
    Specimen(
        name="gradient_penalty_root_at_zero", fault="not finite",
        faulty=penalty_at_zero, fixed=penalty_above_zero,
        told={
            "inputs": [Real("n c h w")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "pure": True, "dtype": True},
        },
        seen_in="keras-team/keras-io #910, pytorch/pytorch #2534",
    ),
    Specimen(
        name="gradient_penalty_of_the_whole_batch", fault="batch coupling",
        faulty=OneSidedPenalty, fixed=OneSidedPenaltyOfEach,
        told={
            "inputs": [Real("n c h w")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True,
                       "mean_of_singles": True, "convex": True, "differentiable": (0,)},
        },
        seen_in="reports of gradient penalties that take one norm over all images",
    ),
    Specimen(
        name="smoothed_target_has_the_labels_dtype", fault="dtype",
        faulty=smoothed_critic, fixed=smoothed_critic_of_logits_dtype,
        told={
            "inputs": [Logit("n"), Binary("n")], "params": {"smoothing": (0.0, 0.3)},
            "claims": {"finite": True, "nonnegative": True, "convex": True, "permutation": True,
                       "mean_of_singles": True, "dtype": True, "pure": True},
        },
        seen_in="reports of label smoothing that vanishes where the labels are integers",
    ),
    Specimen(
        name="hinge_critic_raises_the_fake", fault="sign",
        faulty=hinge_critic, fixed=hinge_critic_raising_real,
        told={
            "inputs": [Logit("n"), Logit("n")],
            "perfect": lambda g: (1.5 + torch.rand(5, generator=g), -1.5 - torch.rand(5, generator=g)),
            "claims": {"finite": True, "nonnegative": True, "zero_at_perfect": True, "convex": True,
                       "permutation": True, "mean_of_singles": True, "dtype": True},
        },
        seen_in="reports of hinge losses with real and fake in each other's place",
    ),
    Specimen(
        name="relativistic_column_against_row", fault="broadcasting",
        faulty=relativistic, fixed=relativistic_pairs,
        told={
            "inputs": [Logit("n"), Logit("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "strict_shape": True, "dtype": True, "differentiable": (0, 1)},
        },
        seen_in="reports of a critic's (N, 1) compared with (N,), which broadcasts to (N, N)",
    ),
]  # fmt: skip
