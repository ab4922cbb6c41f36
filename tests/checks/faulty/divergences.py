"""Distances between distributions, and distillation by them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Logit, LogSimplex, Simplex

from .specimen import Specimen


def log_of(p: Tensor) -> Tensor:
    return p.clamp(min=1e-30).log()


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (log_of(p) - log_of(q))).sum(-1)


def js_of_mixture_to_parts(p: Tensor, q: Tensor) -> Tensor:
    m = (p + q) / 2
    to_p = F.kl_div(log_of(p), m, reduction="none")
    to_q = F.kl_div(log_of(q), m, reduction="none")
    return (0.5 * to_p + 0.5 * to_q).sum(1).mean()


def js(p: Tensor, q: Tensor) -> Tensor:
    m = log_of((p + q) / 2)
    return (0.5 * p * (log_of(p) - m) + 0.5 * q * (log_of(q) - m)).sum(1).mean()


class JensenShannon(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def halves(self, p: Tensor, q: Tensor, m: Tensor) -> Tensor:
        return 0.5 * kl(p, m) + 0.5 * kl(p, m)

    def forward(self, p: Tensor, q: Tensor) -> Tensor:
        p, q = F.softmax(p, dim=-1), F.softmax(q, dim=-1)
        losses = self.halves(p, q, (p + q) / 2)
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else losses.mean()


class JensenShannonOfBoth(JensenShannon):
    def halves(self, p: Tensor, q: Tensor, m: Tensor) -> Tensor:
        return 0.5 * kl(p, m) + 0.5 * kl(q, m)


def distil(student: Tensor, teacher: Tensor, temperature: float = 2.0, reduction: str = "mean") -> Tensor:
    log_q = F.log_softmax(student / temperature, dim=1)
    log_p = F.log_softmax(teacher.detach() / temperature, dim=1)
    losses = temperature**2 * F.kl_div(log_q, log_p, reduction="none", log_target=True)
    if reduction == "mean":
        return losses.mean()
    losses = losses.sum(1)
    return losses.sum() if reduction == "sum" else losses


def distil_per_sample(student: Tensor, teacher: Tensor, temperature: float = 2.0, reduction: str = "mean") -> Tensor:
    log_q = F.log_softmax(student / temperature, dim=1)
    log_p = F.log_softmax(teacher.detach() / temperature, dim=1)
    losses = temperature**2 * F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses


def soft_labels(logits: Tensor, target: Tensor) -> Tensor:
    """Divergence of the prediction from soft labels."""
    return -(target * F.log_softmax(logits, dim=1)).sum(1).mean()


def soft_labels_less_entropy(logits: Tensor, target: Tensor) -> Tensor:
    entropy = torch.special.entr(target).sum(1)
    return (-(target * F.log_softmax(logits, dim=1)).sum(1) - entropy).mean()


def match_teacher(log_q: Tensor, p: Tensor) -> Tensor:
    p = p.detach()
    return (p * (p.log() - log_q)).sum(1).mean()


def match_teacher_that_is_certain(log_q: Tensor, p: Tensor) -> Tensor:
    p = p.detach()
    return (-torch.special.entr(p) - p * log_q).sum(1).mean()


def with_teacher(student: Tensor, teacher: Tensor, temperature: float = 3.0) -> Tensor:
    log_q, log_p = F.log_softmax(student / temperature, dim=1), F.log_softmax(teacher / temperature, dim=1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(1).mean()


def with_frozen_teacher(student: Tensor, teacher: Tensor, temperature: float = 3.0) -> Tensor:
    return with_teacher(student, teacher.detach(), temperature)


def dark_knowledge(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """In float32, as half precision is too coarse for a temperature."""
    q = F.log_softmax(student.float() / temperature, dim=1)
    p = F.log_softmax(teacher.float() / temperature, dim=1)
    return (F.kl_div(q, p, reduction="batchmean", log_target=True) * temperature**2).to(student.dtype)


def dark_knowledge_at_least_single(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    at_least = torch.promote_types(student.dtype, torch.float32)
    q = F.log_softmax(student.to(at_least) / temperature, dim=1)
    p = F.log_softmax(teacher.to(at_least) / temperature, dim=1)
    return (F.kl_div(q, p, reduction="batchmean", log_target=True) * temperature**2).to(student.dtype)


def two_logits(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(6, 5, generator=g), torch.randn(6, 5, generator=g)


def matching_logits(g: torch.Generator) -> tuple[Tensor, Tensor]:
    target = torch.randn(5, 4, generator=g).softmax(1)
    return target.log() + 1.0, target


SPECIMENS: list[Specimen] = [
    Specimen(
        name="js_from_the_mixture_to_its_parts", fault="wrong value",
        faulty=js_of_mixture_to_parts, fixed=js,
        told={
            "inputs": [Simplex("n c"), Simplex("n c")],
            "claims": {"finite": True, "nonnegative": True, "bounded": (0.0, 0.6932), "symmetric": True,
                       "permutation": True, "mean_of_singles": True, "pure": True},
        },
        seen_in="Jeryi-Sun/REDEeP-ICLR #2, pytorch/pytorch #57459",
    ),
    Specimen(
        name="js_takes_the_first_half_twice", fault="asymmetry",
        faulty=JensenShannon, fixed=JensenShannonOfBoth,
        told={
            "example": two_logits,
            "claims": {"finite": True, "nonnegative": True, "symmetric": True, "permutation": True, "replicate": True,
                       "reductions": ("none", "mean", "sum"), "mean_over": "batch"},
        },
        seen_in="reports of Jensen-Shannon losses that change when student and teacher change places",
    ),
    Specimen(
        name="distil_mean_over_classes_too", fault="wrong reduction",
        faulty=distil, fixed=distil_per_sample,
        told={
            "inputs": [Logit("n c"), Logit("n c", constant=True)],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "shift_invariant": True, "reductions": ("none", "mean", "sum"), "mean_over": "batch"},
        },
        seen_in="yuanli2333/Teacher-free-Knowledge-Distillation #41, HikariTJU/LD #74",
    ),
    Specimen(
        name="soft_labels_keep_their_entropy", fault="not zero at perfect",
        faulty=soft_labels, fixed=soft_labels_less_entropy,
        told={
            "inputs": [Logit("n c"), Simplex("n c")], "perfect": matching_logits,
            "claims": {"nonnegative": True, "zero_at_perfect": True, "convex": True, "permutation": True,
                       "mean_of_singles": True, "differentiable": (0,)},
        },
        seen_in="reports of distillation by cross-entropy that never reaches 0, taken for a divergence",
    ),
    Specimen(
        name="kl_of_a_certain_teacher", fault="not finite",
        faulty=match_teacher, fixed=match_teacher_that_is_certain,
        told={"inputs": [LogSimplex("n c"), Simplex("n c", constant=True)], "task": "distillation"},
        seen_in="reports of NaN from p log p where a one-hot target has a probability of 0",
    ),
    Specimen(
        name="distil_trains_the_teacher", fault="wrong gradient",
        faulty=with_teacher, fixed=with_frozen_teacher,
        told={
            "inputs": [Logit("n c"), Logit("n c", constant=True)], "params": {"temperature": (1.0, 5.0)},
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "shift_invariant": True, "differentiable": (0,)},
        },
        seen_in="reports of a teacher that drifts, as its logits were not detached",
    ),
    Specimen(
        name="distil_in_single_precision", fault="dtype",
        faulty=dark_knowledge, fixed=dark_knowledge_at_least_single,
        told={
            "example": two_logits,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "dtype": True, "half": True, "compile": True},
        },
        seen_in="reports of gradcheck failing where a loss casts to float32 for mixed precision",
    ),
]  # fmt: skip
