"""Partial likelihoods and hazards."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, PositiveReal, Score

from .specimen import Specimen


def log_risk_in_order(risk: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """The order of falling time, and in it the log of the summed hazards of those at risk, ties taken as they come."""
    order = time.argsort(descending=True, stable=True)
    return order, risk[order].logcumsumexp(0)


def log_risk(risk: Tensor, time: Tensor) -> Tensor:
    """Of each sample, everybody of the same or a later time (Breslow); needs memory for one number a sample."""
    order, total = log_risk_in_order(risk, time)
    falling = -time[order]
    last = torch.searchsorted(falling, -time, right=True) - 1
    return total[last]


def cox(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    return ((log_risk(risk, time) - risk) * event).sum() / event.sum()


def cox_of_any_events(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    return ((log_risk(risk, time) - risk) * event).sum() / event.sum().clamp(min=1)


def cox_of_risk_matrix(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    at_risk = time.unsqueeze(0) >= time.unsqueeze(1)
    total = torch.where(at_risk, risk.unsqueeze(0), -torch.inf).logsumexp(1)
    return ((total - risk) * event).sum() / event.sum().clamp(min=1)


class CoxPH(nn.Module):
    def forward(self, risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
        return ((log_risk(risk, time) - risk) * event).sum() / event.sum().clamp(min=1)


class StrictCoxPH(CoxPH):
    def forward(self, risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
        if not risk.shape == time.shape == event.shape or risk.dim() != 1:
            raise ValueError("risk, time, and event are one number for each sample")
        return super().forward(risk, time, event)


def cox_of_sorted(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    order, total = log_risk_in_order(risk, time)
    return ((total - risk[order]) * event[order]).sum() / event.sum().clamp(min=1)


def discrete_hazard(logits: Tensor, at_risk: Tensor, event: Tensor) -> Tensor:
    """Likelihood of an event in each interval that a subject enters."""
    losses = F.binary_cross_entropy_with_logits(logits, event, reduction="none")
    return ((losses * at_risk).sum(1) / at_risk.sum(1).clamp(min=1)).mean()


def discrete_hazard_of_nobody(logits: Tensor, at_risk: Tensor, event: Tensor) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, event, reduction="none")
    return ((losses * at_risk).sum(1) / at_risk.sum(1).clamp(min=1)).sum() / max(len(logits), 1)


def cohort(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    time = 1.5 + 9.0 * torch.rand(9, generator=g)
    return torch.randn(9, generator=g), time, (torch.rand(9, generator=g) < 0.6).float()


def cohort_in_whole_years(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    risk, time, event = cohort(g)
    return risk, 1.0 + (time / 3.0).floor(), event


def intervals(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    last = torch.randint(1, 6, (5, 1), generator=g)
    at_risk = (torch.arange(6) < last).float()
    event = (torch.arange(6) == last - 1).float() * torch.randint(0, 2, (5, 1), generator=g)
    return torch.randn(5, 6, generator=g), at_risk, event


SPECIMENS: list[Specimen] = [
    Specimen(
        name="cox_batch_without_an_event", fault="not finite",
        faulty=cox, fixed=cox_of_any_events,
        told={"inputs": [Score("n"), PositiveReal("n"), Binary("n")], "task": "survival"},
        seen_in="havakv/pycox #124, liupei101/TFDeepSurv #15",
    ),
    Specimen(
        name="cox_matrix_of_who_is_at_risk", fault="memory",
        faulty=cox_of_risk_matrix, fixed=cox_of_any_events,
        told={
            "inputs": [Score("n"), PositiveReal("n"), Binary("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "shift_invariant": True, "pure": True,
                       "convex": True, "memory": "linear"},
        },
        seen_in="reports of running out of memory from the n by n matrix of risk sets",
    ),
    Specimen(
        name="cox_event_as_a_column", fault="broadcasting",
        faulty=CoxPH, fixed=StrictCoxPH,
        told={
            "example": cohort,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "shift_invariant": True,
                       "strict_shape": True, "pure": True, "differentiable": (0,)},
        },
        seen_in="mahmoodlab/PathomicFusion pull 9",
    ),
    Specimen(
        name="cox_tied_times_as_they_come", fault="wrong value",
        faulty=cox_of_sorted, fixed=cox_of_any_events,
        told={
            "example": cohort_in_whole_years,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "shift_invariant": True,
                       "convex": True, "pure": True, "differentiable": (0,)},
        },
        seen_in="havakv/pycox #27",
    ),
    Specimen(
        name="discrete_hazard_of_nobody", fault="empty batch",
        faulty=discrete_hazard, fixed=discrete_hazard_of_nobody,
        told={
            "example": intervals,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "mask": {"arg": 1, "of": [0]}, "empty": "zero", "convex": True},
        },
        seen_in="reports of NaN for a stratum that no subject of the batch belongs to",
    ),
]  # fmt: skip
