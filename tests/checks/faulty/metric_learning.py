"""Triplets, pairs, and margins on the softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import ClassIndex, Embedding, Logit

from .specimen import Specimen


class TripletByRoot(nn.Module):
    def __init__(self, margin: float = 1.0):
        super().__init__()
        self.margin = margin

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).pow(2).sum(1).sqrt()

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        hinge = self.distance(anchor, positive) - self.distance(anchor, negative) + self.margin
        return F.relu(hinge).mean()


class TripletBySafeRoot(TripletByRoot):
    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        squared = (a - b).pow(2).sum(1)
        apart = squared > 0
        return torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)


def arcface(embeddings: Tensor, weights: Tensor, labels: Tensor, s: float = 16.0, m: float = 0.5) -> Tensor:
    cosine = F.linear(F.normalize(embeddings), F.normalize(weights))
    sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(0.0, 1.0))
    shift = torch.tensor(m, dtype=cosine.dtype, device=cosine.device)
    phi = cosine * shift.cos() - sine * shift.sin()
    target = F.one_hot(labels, weights.shape[0]).to(cosine.dtype)
    return F.cross_entropy(s * (target * phi + (1.0 - target) * cosine), labels)


def arcface_kept_from_zero(
    embeddings: Tensor, weights: Tensor, labels: Tensor, s: float = 16.0, m: float = 0.5
) -> Tensor:
    cosine = F.linear(F.normalize(embeddings), F.normalize(weights))
    sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(1e-6, 1.0))
    shift = torch.tensor(m, dtype=cosine.dtype, device=cosine.device)
    phi = cosine * shift.cos() - sine * shift.sin()
    target = F.one_hot(labels, weights.shape[0]).to(cosine.dtype)
    return F.cross_entropy(s * (target * phi + (1.0 - target) * cosine), labels)


def batch_all(embeddings: Tensor, labels: Tensor, margin: float = 0.5) -> Tensor:
    n = labels.shape[0]
    other = ~torch.eye(n, dtype=torch.bool)
    squared = (embeddings.unsqueeze(1) - embeddings.unsqueeze(0)).pow(2).sum(-1)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    valid = (same & other).unsqueeze(2) & ~same.unsqueeze(1)
    hinge = F.relu(squared.unsqueeze(2) - squared.unsqueeze(1) + margin)
    return torch.where(valid, hinge, 0.0).sum() / valid.sum().clamp(min=1)


def batch_all_beside_its_inputs(embeddings: Tensor, labels: Tensor, margin: float = 0.5) -> Tensor:
    n = labels.shape[0]
    other = ~torch.eye(n, dtype=torch.bool, device=labels.device)
    squared = (embeddings.unsqueeze(1) - embeddings.unsqueeze(0)).pow(2).sum(-1)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    valid = (same & other).unsqueeze(2) & ~same.unsqueeze(1)
    hinge = F.relu(squared.unsqueeze(2) - squared.unsqueeze(1) + margin)
    return torch.where(valid, hinge, 0.0).sum() / valid.sum().clamp(min=1)


def cosface_on_callers_logits(cosine: Tensor, labels: Tensor, s: float = 8.0, m: float = 0.35) -> Tensor:
    rows = torch.arange(cosine.shape[0], device=cosine.device)
    cosine.data[rows, labels] -= m
    return F.cross_entropy(s * cosine, labels)


def cosface_on_a_copy(cosine: Tensor, labels: Tensor, s: float = 8.0, m: float = 0.35) -> Tensor:
    margin = m * F.one_hot(labels, cosine.shape[1]).to(cosine.dtype)
    return F.cross_entropy(s * (cosine - margin), labels)


def weighted_triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, sample_weight: Tensor | None = None, margin: float = 2.0
) -> Tensor:
    near = (anchor - positive).pow(2).sum(1)
    far = (anchor - negative).pow(2).sum(1)
    losses = F.softplus(near - far + margin)
    if sample_weight is not None:
        losses = losses * sample_weight
    return losses.mean()


def weighted_triplet_over_weight(
    anchor: Tensor, positive: Tensor, negative: Tensor, sample_weight: Tensor | None = None, margin: float = 2.0
) -> Tensor:
    near = (anchor - positive).pow(2).sum(1)
    far = (anchor - negative).pow(2).sum(1)
    losses = F.softplus(near - far + margin)
    if sample_weight is None:
        return losses.mean()
    return (losses * sample_weight).sum() / sample_weight.sum().clamp(min=1e-12)


class CosFace(nn.Module):
    def __init__(self, s: float = 4.0, m: float = 0.2, weight: Tensor | None = None, reduction: str = "mean"):
        super().__init__()
        self.s, self.m, self.weight, self.reduction = s, m, weight, reduction

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        margin = self.m * F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return F.cross_entropy(self.s * (logits - margin), labels, weight=self.weight, reduction="none")

    def mean(self, losses: Tensor, labels: Tensor) -> Tensor:
        return losses.mean()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = self.losses(logits, labels)
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else self.mean(losses, labels)


class CosFaceOverWeight(CosFace):
    def mean(self, losses: Tensor, labels: Tensor) -> Tensor:
        return losses.mean() if self.weight is None else losses.sum() / self.weight[labels].sum()


def batch_hard(embeddings: Tensor, labels: Tensor, margin: float = 0.3) -> Tensor:
    squared = (embeddings.unsqueeze(1) - embeddings.unsqueeze(0)).pow(2).sum(-1)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    has_negative = (~same).any(1)
    if not has_negative.any():
        return embeddings.sum() * 0.0
    hardest = torch.where(same, squared, -torch.inf).amax(1)
    nearest = torch.where(same, torch.inf, squared).amin(1)
    return F.relu(hardest - nearest + margin)[has_negative].mean()


def batch_hard_without_branch(embeddings: Tensor, labels: Tensor, margin: float = 0.3) -> Tensor:
    squared = (embeddings.unsqueeze(1) - embeddings.unsqueeze(0)).pow(2).sum(-1)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    has_negative = (~same).any(1)
    hardest = torch.where(same, squared, -torch.inf).amax(1)
    nearest = torch.where(same, torch.inf, squared).amin(1)
    nearest = torch.where(has_negative, nearest, 0.0)
    hinge = F.relu(hardest - nearest + margin)
    return torch.where(has_negative, hinge, 0.0).sum() / has_negative.sum().clamp(min=1)


def spread_by_class(embeddings: Tensor, labels: Tensor) -> Tensor:
    total = embeddings.new_zeros(())
    for label in labels.unique().tolist():
        members = embeddings[labels == label]
        total = total + (members - members.mean(0)).pow(2).sum()
    return total / len(embeddings)


def spread_by_matrix(embeddings: Tensor, labels: Tensor) -> Tensor:
    same = (labels.unsqueeze(0) == labels.unsqueeze(1)).to(embeddings.dtype)
    centres = same @ embeddings / same.sum(1, keepdim=True)
    return (embeddings - centres).pow(2).sum() / len(embeddings)


def active_triplets(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0) -> Tensor:
    hinge = F.relu((anchor - positive).pow(2).sum(1) - (anchor - negative).pow(2).sum(1) + margin)
    return hinge[hinge > 0].mean()


def active_triplets_if_any(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0) -> Tensor:
    hinge = F.relu((anchor - positive).pow(2).sum(1) - (anchor - negative).pow(2).sum(1) + margin)
    return hinge.sum() / (hinge > 0).sum().clamp(min=1)


def labelled_rows(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(8, 5, generator=g), torch.randint(0, 3, (8,), generator=g)


def triplet_rows(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    anchor = torch.randn(6, 4, generator=g)
    return anchor, anchor + 0.3 * torch.randn(6, 4, generator=g), anchor + 0.7 * torch.randn(6, 4, generator=g)


SPECIMENS: list[Specimen] = [
    Specimen(
        name="triplet_distance_root_at_identical_rows", fault="not finite",
        faulty=TripletByRoot, fixed=TripletBySafeRoot,
        told={"inputs": [Embedding("n d"), Embedding("n d"), Embedding("n d")], "task": "metric learning"},
        seen_in="reports of triplet losses whose gradient is NaN once an anchor and its positive coincide",
    ),
    Specimen(
        name="arcface_sine_at_cosine_one", fault="not finite",
        faulty=arcface, fixed=arcface_kept_from_zero,
        told={
            "inputs": [Embedding("n 4"), Embedding("c 4"), ClassIndex("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True, "pure": True,
                       "differentiable": (0, 1)},
        },
        seen_in="ronghuaiyang/arcface-pytorch #91",
    ),
    Specimen(
        name="batch_all_diagonal_made_on_cpu", fault="device",
        faulty=batch_all, fixed=batch_all_beside_its_inputs,
        told={
            "example": labelled_rows,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "pure": True, "dtype": True,
                       "shift_invariant": True, "device": True},
        },
        seen_in="NegatioN/OnlineMiningTripletLoss #6",
    ),
    Specimen(
        name="cosface_subtracts_margin_from_callers_logits", fault="in place",
        faulty=cosface_on_callers_logits, fixed=cosface_on_a_copy,
        told={
            "inputs": [Logit("n c"), ClassIndex("n")],
            "claims": {"finite": True, "nonnegative": True, "pure": True, "permutation": True, "mean_of_singles": True,
                       "shift_invariant": True, "convex": True},
        },
        seen_in="reports of margin heads that write the margin into the logits they were given",
    ),
    Specimen(
        name="triplet_weighted_mean_over_count", fault="weights",
        faulty=weighted_triplet, fixed=weighted_triplet_over_weight,
        told={
            "example": triplet_rows,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "sample_weight": {"arg": "sample_weight"}, "mean_over": "weight",
                       "differentiable": (0, 1, 2)},
        },
        seen_in="reports that removing a sample and giving it weight 0 train differently",
    ),
    Specimen(
        name="cosface_class_weight_in_plain_mean", fault="weights",
        faulty=CosFace, fixed=CosFaceOverWeight,
        told={
            "inputs": [Logit("n c"), ClassIndex("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True,
                       "class_weight": "weight", "weight_scale": "invariant", "differentiable": (0,)},
        },
        seen_in="reports that cross-entropy of reduction none, then mean, loses the division by the weights",
    ),
    Specimen(
        name="batch_hard_branches_on_a_tensor", fault="compile",
        faulty=batch_hard, fixed=batch_hard_without_branch,
        told={
            "example": labelled_rows,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "pure": True, "compile": True,
                       "dtype": True},
        },
        seen_in="reports of graph breaks from data-dependent branches in mining losses",
    ),
    Specimen(
        name="class_spread_loops_over_labels", fault="compile",
        faulty=spread_by_class, fixed=spread_by_matrix,
        told={
            "example": labelled_rows,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True, "convex": True,
                       "shift_invariant": True, "compile": True, "differentiable": (0,)},
        },
        seen_in="reports of graph breaks from loops over the classes of a batch",
    ),
    Specimen(
        name="triplet_mean_of_no_active_triplet", fault="not finite",
        faulty=active_triplets, fixed=active_triplets_if_any,
        told={
            "example": triplet_rows, "task": "metric learning",
            "perfect": lambda g: (torch.zeros(4, 3), torch.zeros(4, 3), torch.full((4, 3), 2.0)),
        },
        seen_in="alfonmedela/triplet-loss-pytorch #3",
    ),
]  # fmt: skip
