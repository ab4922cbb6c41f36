"""Sums of the losses of several tasks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import NonNegativeReal, Real

from .specimen import Specimen


def uncertainty_sum(losses: Tensor, sigma: Tensor) -> Tensor:
    """Kendall's sum; ``sigma`` is learnt beside the model."""
    return (0.5 * losses / sigma.pow(2) + torch.log(sigma)).sum()


def uncertainty_sum_of_log_variance(losses: Tensor, sigma: Tensor) -> Tensor:
    """The same with ``sigma`` standing for the logarithm of the variance, which may be any number."""
    return (0.5 * losses * torch.exp(-sigma.clamp(-20.0, 20.0)) + 0.5 * sigma).sum()


def weighted_tasks(losses: Tensor, weights: Tensor) -> Tensor:
    """``losses``: of each task (rows) and sample (columns)."""
    return (losses * weights).sum(0).mean()


def weighted_tasks_by_row(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights.unsqueeze(1)).sum(0).mean()


def weighted_means(losses: Tensor, weights: Tensor) -> Tensor:
    return torch.stack([weight * task.mean() for weight, task in zip(weights, losses, strict=True)]).sum()


class CombinedLoss(nn.Module):
    """Depth and normals, kept by name for the log of training."""

    def __init__(self, alpha: float = 0.5, terms: list[Tensor] | None = None):
        super().__init__()
        self.alpha, self.terms = alpha, [] if terms is None else terms

    def start(self) -> None:
        """Nothing: the first batch finds the list empty."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.start()
        self.terms.append(self.alpha * F.smooth_l1_loss(prediction, target))
        self.terms.append((1.0 - self.alpha) * F.mse_loss(prediction.mean(1), target.mean(1)))
        return torch.stack(self.terms).sum()


class CombinedLossStartingAnew(CombinedLoss):
    def start(self) -> None:
        self.terms = []


SPECIMENS: list[Specimen] = [
    Specimen(
        name="uncertainty_log_of_a_negative_sigma", fault="not finite",
        faulty=uncertainty_sum, fixed=uncertainty_sum_of_log_variance,
        told={"inputs": [NonNegativeReal("k"), Real("k")], "task": "sum of the losses of tasks"},
        seen_in="QunBB/DeepLearning #1",
    ),
    Specimen(
        name="task_weights_along_the_samples", fault="broadcasting",
        faulty=weighted_tasks, fixed=weighted_tasks_by_row,
        told={
            "example": lambda g: (torch.rand(4, 4, generator=g), 0.2 + torch.rand(4, generator=g)),
            "claims": {"finite": True, "nonnegative": True, "pure": True, "dtype": True, "convex": True,
                       "equals": [({}, weighted_means)],
                       "differentiable": (0, 1)},
        },
        seen_in="reports of weights that broadcast over the wrong axis once there are as many samples as tasks",
    ),
    Specimen(
        name="combined_loss_keeps_terms_between_calls", fault="wrong value",
        faulty=CombinedLoss, fixed=CombinedLossStartingAnew,
        told={
            "example": lambda g: (torch.randn(5, 3, generator=g), torch.randn(5, 3, generator=g)),
            "task": "regression",
        },
        seen_in="reports of losses that grow from step to step, as a list of terms was never emptied",
    ),
]  # fmt: skip
