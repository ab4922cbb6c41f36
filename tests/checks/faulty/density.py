"""Likelihoods, quantiles and scores of distributions."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from lossary.core import Count, PositiveReal, Real

from .specimen import Specimen


def gaussian_nll(mean: Tensor, target: Tensor, variance: Tensor, reduction: str = "mean") -> Tensor:
    if variance.ndim < mean.ndim and variance.shape[-1] != mean.shape[-1]:
        variance = variance.unsqueeze(-1)
    losses = 0.5 * (variance.log() + (target - mean).square() / variance)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def gaussian_nll_by_sample(mean: Tensor, target: Tensor, variance: Tensor, reduction: str = "mean") -> Tensor:
    if variance.ndim < mean.ndim:
        variance = variance.unsqueeze(-1)
    losses = 0.5 * (variance.log() + (target - mean).square() / variance)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


class LaplaceNLL(nn.Module):
    def __init__(self, eps: float = 1e-6):
        super().__init__()
        self.eps = eps

    def floor(self, scale: Tensor) -> Tensor:
        if torch.any(scale < self.eps):
            scale = scale.clamp(min=self.eps)
        return scale

    def forward(self, location: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        scale = self.floor(scale)
        return ((2.0 * scale).log() + (target - location).abs() / scale).mean()


class LaplaceNLLWithoutBranch(LaplaceNLL):
    def floor(self, scale: Tensor) -> Tensor:
        return scale.clamp(min=self.eps)


class PoissonNLL(nn.Module):
    """With Stirling's approximation of the factorial for counts above 1."""

    def stirling(self, count: Tensor) -> Tensor:
        return (count > 1) * (count * count.log() - count + 0.5 * (2.0 * math.pi * count).log())

    def forward(self, rate: Tensor, count: Tensor) -> Tensor:
        if rate.shape != count.shape:
            raise ValueError(f"rate {tuple(rate.shape)} and count {tuple(count.shape)} do not fit")
        count = count.to(rate.dtype)
        return (rate - count * rate.log() + self.stirling(count)).mean()


class PoissonNLLOfZero(PoissonNLL):
    def stirling(self, count: Tensor) -> Tensor:
        many = torch.where(count > 1, count, 2.0)
        return torch.where(count > 1, many * many.log() - many + 0.5 * (2.0 * math.pi * many).log(), 0.0)


def pinball(pred: Tensor, target: Tensor, quantile: float = 0.5) -> Tensor:
    error = target - pred
    return torch.where(error >= 0, quantile * error, (1.0 - quantile) * error).mean()


def pinball_above_zero(pred: Tensor, target: Tensor, quantile: float = 0.5) -> Tensor:
    error = target - pred
    return torch.where(error >= 0, quantile * error, (quantile - 1.0) * error).mean()


class MixtureDensity(nn.Module):
    def mix(self, log_weights: Tensor, log_densities: Tensor) -> Tensor:
        return (log_weights.exp() * log_densities.exp()).sum(dim=-1).log()

    def forward(self, logits: Tensor, means: Tensor, log_scales: Tensor, target: Tensor) -> Tensor:
        standard = (target.unsqueeze(-1) - means) * torch.exp(-log_scales)
        log_densities = -0.5 * standard.square() - log_scales - 0.5 * math.log(2.0 * math.pi)
        return -self.mix(torch.log_softmax(logits, dim=-1), log_densities).mean()


class MixtureDensityByLogarithm(MixtureDensity):
    def mix(self, log_weights: Tensor, log_densities: Tensor) -> Tensor:
        return torch.logsumexp(log_weights + log_densities, dim=-1)


def gamma_deviance(log_rate: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    losses = 2.0 * (target * torch.exp(-log_rate) - 1.0 - target.log() + log_rate)
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    return losses


def gamma_deviance_of_known_reduction(log_rate: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"unknown reduction {reduction!r}")
    return gamma_deviance(log_rate, target, reduction)


class EnsembleCRPS(nn.Module):
    share = 1.0

    def forward(self, members: Tensor, target: Tensor) -> Tensor:
        error = (members - target.unsqueeze(1)).abs().mean(dim=1)
        spread = (members.unsqueeze(2) - members.unsqueeze(1)).abs().mean(dim=(1, 2))
        return (error - self.share * spread).mean()


class EnsembleCRPSOfHalfSpread(EnsembleCRPS):
    share = 0.5


def quantile_grid(pred: Tensor, target: Tensor) -> Tensor:
    levels = (torch.arange(pred.shape[-1], dtype=pred.dtype, device=pred.device) + 0.5) / pred.shape[-1]
    error = target - pred
    return torch.maximum(levels * error, (levels - 1.0) * error).mean()


def quantile_grid_of_one_target(pred: Tensor, target: Tensor) -> Tensor:
    if target.shape != pred.shape[:-1]:
        raise ValueError(f"target {tuple(target.shape)} does not fit quantiles {tuple(pred.shape)}")
    return quantile_grid(pred, target.to(pred.dtype).unsqueeze(-1))


class ExpectileFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, pred: Tensor, target: Tensor, level: float) -> Tensor:
        error = target - pred
        weight = torch.full_like(error, level).where(error >= 0, 1.0 - level)
        ctx.save_for_backward(error, weight)
        return weight * error.square()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        error, weight = ctx.saved_tensors
        slope = 2.0 * upstream * weight * error.abs()
        return -slope, slope, None


class ExpectileFunctionBothWays(ExpectileFunction):
    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        error, weight = ctx.saved_tensors
        slope = 2.0 * upstream * weight * error
        return -slope, slope, None


def expectile(pred: Tensor, target: Tensor, level: float = 0.7) -> Tensor:
    return ExpectileFunction.apply(pred, target, level).mean()


def expectile_both_ways(pred: Tensor, target: Tensor, level: float = 0.7) -> Tensor:
    return ExpectileFunctionBothWays.apply(pred, target, level).mean()


def mixtures(generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    logits, means, scales = torch.randn(3, 6, 4, generator=generator).unbind(0)
    target = torch.randn(6, generator=generator)
    target[0] = 60.0  # an outlier
    return logits, means, 0.3 * scales, target


def agreed_ensemble(generator: Generator) -> tuple[Tensor, Tensor]:
    target = torch.randn(5, generator=generator)
    return target.unsqueeze(1).repeat(1, 8), target


SPECIMENS = [
    Specimen(
        name="gaussian_variance_axis_guessed_by_size",
        fault="broadcasting",
        faulty=gaussian_nll,
        fixed=gaussian_nll_by_sample,
        told=dict(
            inputs=[Real("n d"), Real("n d"), PositiveReal("n")],
            claims={
                "finite": True, "per_sample": True, "mean_of_singles": True, "convex": True, "permutation": True,
                "reductions": ("none", "mean", "sum"), "mean_over": "elements", "differentiable": (0, 2),
            },
        ),
        seen_in="pytorch/pytorch issue 53392 and pull request 56469",
    ),
    Specimen(
        name="laplace_scale_floored_by_branch",
        fault="compile",
        faulty=LaplaceNLL,
        fixed=LaplaceNLLWithoutBranch,
        told=dict(
            inputs=[Real("n *d"), Real("n *d"), PositiveReal("n *d")],
            claims=dict.fromkeys(("finite", "convex", "compile", "vmap", "mean_of_singles", "permutation"), True),
        ),
        seen_in="pytorch/pytorch issue 194503",
    ),
    Specimen(
        name="poisson_factorial_of_zero",
        fault="not finite",
        faulty=PoissonNLL,
        fixed=PoissonNLLOfZero,
        told=dict(inputs=[PositiveReal("n"), Count("n")]),
        seen_in="Stirling's approximation where it does not hold; its bounds: PaddlePaddle/Paddle issue 56733",
    ),
    Specimen(
        name="pinball_negative_above_target",
        fault="sign",
        faulty=pinball,
        fixed=pinball_above_zero,
        told=dict(
            inputs=[Real("n"), Real("n")],
            claims=dict.fromkeys(
                ("finite", "nonnegative", "convex", "monotone", "zero_at_perfect", "mean_of_singles"), True
            ),
            params={"quantile": (0.1, 0.9)},
        ),
        seen_in="scikit-learn/scikit-learn issue 8087",
    ),
    Specimen(
        name="mixture_density_underflows",
        fault="not finite",
        faulty=MixtureDensity,
        fixed=MixtureDensityByLogarithm,
        told=dict(
            example=mixtures,
            claims=dict.fromkeys(("finite", "mean_of_singles", "permutation", "per_sample", "pure"), True),
        ),
        seen_in="mlberkeley/scae-pytorch pull request 4; keras-team/keras issue 1061",
    ),
    Specimen(
        name="gamma_deviance_of_unknown_reduction",
        fault="wrong reduction",
        faulty=gamma_deviance,
        fixed=gamma_deviance_of_known_reduction,
        told=dict(
            inputs=[Real("n", low=-10.0, high=10.0), PositiveReal("n")],
            claims={
                "finite": True, "convex": True, "reductions": ("none", "mean", "sum"), "mean_over": "elements",
                "reject_reduction": True, "permutation": True,
            },
        ),
        seen_in="misspelt reductions that fall through and return losses of every element",
    ),
    Specimen(
        name="crps_spread_not_halved",
        fault="wrong value",
        faulty=EnsembleCRPS,
        fixed=EnsembleCRPSOfHalfSpread,
        told=dict(
            example=lambda g: (torch.randn(5, 8, generator=g), torch.randn(5, generator=g)),
            perfect=agreed_ensemble,
            claims=dict.fromkeys(
                ("finite", "nonnegative", "zero_at_perfect", "mean_of_singles", "permutation", "dtype"), True
            ),
        ),
        seen_in="pairwise terms counted twice in ensemble scores",
    ),
    Specimen(
        name="quantiles_meet_square_batch",
        fault="broadcasting",
        faulty=quantile_grid,
        fixed=quantile_grid_of_one_target,
        told=dict(
            example=lambda g: (torch.randn(5, 5, generator=g), torch.randn(5, generator=g)),
            claims=dict.fromkeys(("finite", "nonnegative", "permutation", "per_sample", "convex", "replicate"), True),
        ),
        seen_in="as many quantiles as samples, the one shape in which a missing axis passes",
    ),
    Specimen(
        name="expectile_gradient_of_absolute_error",
        fault="wrong gradient",
        faulty=expectile,
        fixed=expectile_both_ways,
        told=dict(
            inputs=[Real("n *d"), Real("n *d")],
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "convex": True, "monotone": True,
                "differentiable": (0, 1),
            },
            params={"level": (0.5, 0.95)},
        ),
        seen_in="hand-written backward passes that lose the sign of the error",
    ),
]  # fmt: skip
