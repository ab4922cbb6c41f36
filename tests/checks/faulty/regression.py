"""Distances between a prediction and a number."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from lossary.core import NonNegativeReal, Real

from .specimen import Specimen


def squared_error(pred: Tensor, target: Tensor) -> Tensor:
    return (pred - target.to(pred.dtype)).square().mean()


def squared_error_of_one_output(pred: Tensor, target: Tensor) -> Tensor:
    if pred.ndim == target.ndim + 1 and pred.shape[-1] == 1:
        pred = pred.squeeze(-1)
    if pred.shape != target.shape:
        raise ValueError(f"prediction {tuple(pred.shape)} and target {tuple(target.shape)} do not fit")
    return (pred - target.to(pred.dtype)).square().mean()


def huber(pred: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    error = (pred - target).abs()
    return torch.where(error <= delta, 0.5 * error.square(), delta * error - 0.5 * delta).mean()


def huber_joined(pred: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    error = (pred - target).abs()
    return torch.where(error <= delta, 0.5 * error.square(), delta * (error - 0.5 * delta)).mean()


class LogCosh(nn.Module):
    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        if pred.shape != target.shape:
            raise ValueError(f"prediction {tuple(pred.shape)} and target {tuple(target.shape)} do not fit")
        return torch.log(torch.cosh(pred - target.to(pred.dtype))).mean()


class LogCoshWithoutOverflow(nn.Module):
    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        if pred.shape != target.shape:
            raise ValueError(f"prediction {tuple(pred.shape)} and target {tuple(target.shape)} do not fit")
        error = (pred - target.to(pred.dtype)).abs()
        return (error + torch.log1p(torch.expm1(-2.0 * error) / 2.0)).mean()


def log_cosh(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    error = (pred - target).abs()
    losses = error + F.softplus(-2.0 * error)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.mean()
    raise ValueError(f"unknown reduction {reduction!r}")


def log_cosh_from_zero(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    error = (pred - target).abs()
    losses = error + F.softplus(-2.0 * error) - math.log(2.0)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.mean()
    raise ValueError(f"unknown reduction {reduction!r}")


class RMSE(nn.Module):
    """Root of the mean square over the outputs of each sample."""

    def root(self, squares: Tensor) -> Tensor:
        return squares.sqrt()

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        if pred.shape != target.shape:
            raise ValueError(f"prediction {tuple(pred.shape)} and target {tuple(target.shape)} do not fit")
        return self.root((pred - target.to(pred.dtype)).square().mean(dim=-1)).mean()


class RMSESafeAtZero(RMSE):
    def root(self, squares: Tensor) -> Tensor:
        positive = squares > 0
        return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


def smape(pred: Tensor, target: Tensor) -> Tensor:
    return (2.0 * (pred - target).abs() / (pred.abs() + target.abs())).mean()


def smape_of_nothing_is_zero(pred: Tensor, target: Tensor) -> Tensor:
    size = pred.abs() + target.abs()
    some = size > 0
    return torch.where(some, 2.0 * (pred - target).abs() / torch.where(some, size, 1.0), 0.0).mean()


def smape_over_target(pred: Tensor, target: Tensor, eps: float = 1e-2) -> Tensor:
    return (2.0 * (pred - target).abs() / (target.abs() + target.abs() + eps)).mean()


def smape_over_both(pred: Tensor, target: Tensor, eps: float = 1e-2) -> Tensor:
    return (2.0 * (pred - target).abs() / (pred.abs() + target.abs() + eps)).mean()


class MaskedMSE(nn.Module):
    """For series padded to one length; ``mask`` is 1 where there is a value."""

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def mean(self, losses: Tensor, mask: Tensor) -> Tensor:
        return losses.mean()

    def forward(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        losses = torch.where(mask.bool(), pred - target, 0.0).square()
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else self.mean(losses, mask)


class MaskedMSEOverValid(MaskedMSE):
    def mean(self, losses: Tensor, mask: Tensor) -> Tensor:
        return losses.sum() / mask.sum().clamp(min=1)


def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    error = (pred - target).abs()
    return torch.where(error < beta, 0.5 * error.square() / beta, error - 0.5 * beta).mean()


def smooth_l1_or_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    error = (pred - target).abs()
    if beta == 0:
        return error.mean()
    return torch.where(error < beta, 0.5 * error.square() / beta, error - 0.5 * beta).mean()


class Charbonnier(nn.Module):
    def __init__(self, eps: float = 1e-3):
        super().__init__()
        self.eps = eps

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        error = pred.float() - target.float()  # squares of half precision overflow
        return (torch.sqrt(error.square() + self.eps**2) - self.eps).mean()


class CharbonnierInItsPrecision(Charbonnier):
    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        wide = torch.promote_types(pred.dtype, torch.float32)
        error = pred.to(wide) - target.to(wide)
        return (torch.sqrt(error.square() + self.eps**2) - self.eps).mean().to(pred.dtype)


def endpoint_error(flow: Tensor, truth: Tensor) -> Tensor:
    return torch.cdist(flow, truth, compute_mode="donot_use_mm_for_euclid_dist").diagonal().mean()


def endpoint_error_of_pairs(flow: Tensor, truth: Tensor) -> Tensor:
    return torch.linalg.vector_norm(flow - truth, dim=-1).mean()


def weighted_l2(pred: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    losses = (pred - target).square().mean(dim=1)
    if sample_weight is not None:
        losses = losses * sample_weight
    return losses.mean()


def weighted_l2_over_weight(pred: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    losses = (pred - target).square().mean(dim=1)
    if sample_weight is None:
        return losses.mean()
    return (losses * sample_weight).sum() / sample_weight.sum().clamp(min=1e-12)


def column_and_row(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(9, 1, generator=generator), torch.randn(9, generator=generator)


def padded_series(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    lengths = torch.randint(2, 8, (5, 1), generator=generator)
    mask = (torch.arange(7) < lengths).to(torch.float32)
    return torch.randn(5, 7, generator=generator), torch.randn(5, 7, generator=generator), mask


SPECIMENS = [
    Specimen(
        name="mse_column_meets_row",
        fault="broadcasting",
        faulty=squared_error,
        fixed=squared_error_of_one_output,
        told=dict(example=column_and_row, task="regression"),
        seen_in="LAMDA-Tabular/TALENT pull request 92; pytorch/pytorch issue 16045",
    ),
    Specimen(
        name="huber_offset_right_at_delta_one",
        fault="wrong value",
        faulty=huber,
        fixed=huber_joined,
        told=dict(
            inputs=[Real("n"), Real("n")],
            claims={
                "finite": True, "convex": True, "monotone": True, "symmetric": True, "zero_at_perfect": True,
                "per_sample": True, "equals": [({"delta": 1.0}, F.smooth_l1_loss)],
            },
            params={"delta": (0.25, 3.0)},
        ),
        seen_in="Huber and smooth L1 mixed up, which agree at delta 1 only; their scales: pytorch/pytorch issue 48595",
    ),
    Specimen(
        name="log_cosh_overflows",
        fault="not finite",
        faulty=LogCosh,
        fixed=LogCoshWithoutOverflow,
        told=dict(inputs=[Real("n d"), Real("n d")], task="regression"),
        seen_in="Lightning-AI/torchmetrics issue 3488; UCL/STIR issue 768",
    ),
    Specimen(
        name="log_cosh_without_half",
        fault="not zero at perfect",
        faulty=log_cosh,
        fixed=log_cosh_from_zero,
        told=dict(
            example=lambda g: (torch.randn(6, 3, generator=g), torch.randn(6, 3, generator=g)),
            claims={
                "finite": True, "convex": True, "symmetric": True, "zero_at_perfect": True, "permutation": True,
                "reductions": ("none", "mean", "sum"), "mean_over": "elements", "reject_reduction": True,
                "compile": True,
            },
        ),
        seen_in="log-cosh as log(exp(x) + exp(-x)), a constant above zero, in hand-written versions",
    ),
    Specimen(
        name="rmse_of_exact_row",
        fault="not finite",
        faulty=RMSE,
        fixed=RMSESafeAtZero,
        told=dict(
            example=lambda g: (torch.randn(5, 4, generator=g), torch.randn(5, 4, generator=g)),
            task="regression",
        ),
        seen_in="keras-team/keras issue 1172",
    ),
    Specimen(
        name="smape_zero_over_zero",
        fault="not finite",
        faulty=smape,
        fixed=smape_of_nothing_is_zero,
        told=dict(
            inputs=[NonNegativeReal("n"), NonNegativeReal("n")],
            claims={
                "finite": True, "bounded": (0.0, 2.0), "symmetric": True, "zero_at_perfect": True,
                "mean_of_singles": True, "replicate": True, "device": True,
            },
        ),
        seen_in="online-ml/river pull request 279; uber/causalml pull request 1050",
    ),
    Specimen(
        name="smape_over_target_only",
        fault="asymmetry",
        faulty=smape_over_target,
        fixed=smape_over_both,
        told=dict(
            example=lambda g: (torch.rand(8, generator=g) * 5, torch.rand(8, generator=g) * 5),
            claims=dict.fromkeys(
                ("finite", "nonnegative", "symmetric", "zero_at_perfect", "per_sample", "mean_of_singles"), True
            ),
        ),
        seen_in="symmetric percentage errors that divide by the actual value alone",
    ),
    Specimen(
        name="masked_mse_divided_by_everything",
        fault="wrong reduction",
        faulty=MaskedMSE,
        fixed=MaskedMSEOverValid,
        told=dict(
            example=padded_series,
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True,
                "mask": {"arg": 2, "of": [0, 1]}, "reductions": ("none", "mean", "sum"), "mean_over": "valid",
                "all_ignored": "zero", "pure": True,
            },
        ),
        seen_in="padded steps that dilute the loss of short series, in forecasting projects",
    ),
    Specimen(
        name="smooth_l1_beta_zero",
        fault="not finite",
        faulty=smooth_l1,
        fixed=smooth_l1_or_l1,
        told=dict(
            inputs=[Real("n *d"), Real("n *d")],
            claims={
                "finite": True, "nonnegative": True, "convex": True, "symmetric": True, "zero_at_perfect": True,
                "permutation": True, "equals": [({"beta": 1.0}, F.smooth_l1_loss)],
            },
            params={"beta": (0.0, 0.5, 1.0)},
        ),
        seen_in="the special case of beta 0, for which pytorch/pytorch issue 68558 asks",
    ),
    Specimen(
        name="charbonnier_always_in_single_precision",
        fault="dtype",
        faulty=Charbonnier,
        fixed=CharbonnierInItsPrecision,
        told=dict(
            inputs=[Real("n c h w"), Real("n c h w")],
            claims=dict.fromkeys(
                ("finite", "zero_at_perfect", "symmetric", "convex", "dtype", "half", "mean_of_singles"), True
            ),
        ),
        seen_in="casts to float put in for mixed precision that also narrow double precision",
    ),
    Specimen(
        name="endpoint_error_by_all_distances",
        fault="memory",
        faulty=endpoint_error,
        fixed=endpoint_error_of_pairs,
        told=dict(
            inputs=[Real("n 2"), Real("n 2")],
            claims={
                "finite": True, "nonnegative": True, "symmetric": True, "zero_at_perfect": True, "convex": True,
                "mean_of_singles": True, "memory": "linear",
            },
        ),
        seen_in="the diagonal of a full distance matrix taken for the distance of pairs",
    ),
    Specimen(
        name="sample_weighted_l2_over_count",
        fault="weights",
        faulty=weighted_l2,
        fixed=weighted_l2_over_weight,
        told=dict(
            example=lambda g: (
                torch.randn(6, 3, generator=g), torch.randn(6, 3, generator=g), 2 * torch.rand(6, generator=g)
            ),
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True, "convex": True,
                "sample_weight": {"arg": 2}, "mean_over": "weight", "replicate": True, "dtype": True,
            },
        ),
        seen_in="weights of samples followed by a plain mean, so that weight 0 is not absence",
    ),
]  # fmt: skip
