"""Cross-entropies smoothed, weighted and with labels that do not count."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, ClassIndex, Logit

from .specimen import Specimen


def reduce(losses: Tensor, reduction: str, count: Tensor | int) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() / count if reduction == "mean" else losses.sum()


def smoothed(
    logits: Tensor, target: Tensor, label_smoothing: float = 0.1, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    log_probs = F.log_softmax(logits, dim=1)
    nll = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
    losses = (1 - label_smoothing) * nll - label_smoothing * log_probs.mean(dim=1)
    return reduce(losses, reduction, (target != ignore_index).sum().clamp(min=1))


def smoothed_where_valid(
    logits: Tensor, target: Tensor, label_smoothing: float = 0.1, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    log_probs = F.log_softmax(logits, dim=1)
    valid = target != ignore_index
    nll = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
    uniform = torch.where(valid, -log_probs.mean(dim=1), 0.0)
    return reduce((1 - label_smoothing) * nll + label_smoothing * uniform, reduction, valid.sum().clamp(min=1))


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, ignore_index=-100)


def token_loss_of_none(logits: Tensor, labels: Tensor) -> Tensor:
    total = F.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
    return total / (labels != -100).sum().clamp(min=1)


class WeightedCrossEntropy(nn.Module):
    def __init__(self, weight: Tensor | None = None, reduction: str = "mean"):
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def count(self, target: Tensor) -> Tensor | int:
        return target.numel()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, target, weight=self.weight, reduction="none")
        return reduce(losses, self.reduction, self.count(target))


class WeightedCrossEntropyOverWeight(WeightedCrossEntropy):
    def count(self, target: Tensor) -> Tensor | int:
        return target.numel() if self.weight is None else self.weight[target].sum().clamp(min=1e-12)


def weighted_ignoring(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    valid = target != ignore_index
    at = torch.where(valid, target, 0)
    weights = torch.ones_like(logits[:, 0]) if weight is None else weight[at]
    losses = -F.log_softmax(logits, dim=1).gather(1, at.unsqueeze(1)).squeeze(1) * weights
    return reduce(torch.where(valid, losses, 0.0), reduction, weights.sum())


def weighted_ignoring_in_both(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    valid = target != ignore_index
    at = torch.where(valid, target, 0)
    weights = torch.ones_like(logits[:, 0]) if weight is None else weight[at]
    weights = torch.where(valid, weights, 0.0)
    losses = -F.log_softmax(logits, dim=1).gather(1, at.unsqueeze(1)).squeeze(1) * weights
    return reduce(losses, reduction, weights.sum().clamp(min=1e-12))


class SmoothTargets(nn.Module):
    def __init__(self, smoothing: float = 0.0):
        super().__init__()
        self.smoothing = smoothing

    def soften(self, hot: Tensor, share: float) -> Tensor:
        return hot * (1.0 - share) + share

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        classes = logits.shape[1]
        soft = self.soften(F.one_hot(target, classes).to(logits.dtype), self.smoothing / classes)
        return -(soft * F.log_softmax(logits, dim=1)).sum(dim=1).mean()


class SmoothTargetsToOne(SmoothTargets):
    def soften(self, hot: Tensor, share: float) -> Tensor:
        return hot * (1.0 - self.smoothing) + share


def binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    if logits.shape != target.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} do not fit")
    target = target.to(logits.dtype)
    p = torch.sigmoid(logits)
    return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()


def binary_cross_entropy_of_logits(logits: Tensor, target: Tensor) -> Tensor:
    if logits.shape != target.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} do not fit")
    target = target.to(logits.dtype)
    return (target * F.softplus(-logits) + (1 - target) * F.softplus(logits)).mean()


class VoidCrossEntropy(nn.Module):
    """Labels below 0 are void."""

    def relabel(self, target: Tensor, void: Tensor) -> Tensor:
        target[void] = 0
        return target

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        void = target < 0
        losses = F.cross_entropy(logits, self.relabel(target, void), reduction="none")
        return (losses * ~void).sum() / (~void).sum().clamp(min=1)


class VoidCrossEntropyOnACopy(VoidCrossEntropy):
    def relabel(self, target: Tensor, void: Tensor) -> Tensor:
        return target.masked_fill(void, 0)


def dense_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    axis = 0 if logits.ndim in (0, 1, 3) else 1  # what softmax takes where none is named
    return F.nll_loss(torch.log_softmax(logits, dim=axis), target)


def dense_cross_entropy_over_classes(logits: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(torch.log_softmax(logits, dim=1), target)


def log_likelihood(logits: Tensor, target: Tensor) -> Tensor:
    return torch.log_softmax(logits, dim=-1).gather(-1, target.unsqueeze(-1)).squeeze(-1).mean()


def negative_log_likelihood(logits: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(torch.log_softmax(logits, dim=-1), target)


def compared_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    classes = torch.arange(logits.shape[1], device=logits.device)
    hot = (target.unsqueeze(1) == classes).to(logits.dtype)
    return -(hot * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


def compared_cross_entropy_of_classes(logits: Tensor, target: Tensor) -> Tensor:
    if ((target < 0) | (target >= logits.shape[1])).any():
        raise ValueError(f"labels must be at least 0 and below {logits.shape[1]}")
    return compared_cross_entropy(logits, target)


def smoothed_binary(logits: Tensor, target: Tensor, smoothing: float = 0.1) -> Tensor:
    target = (target * (1 - smoothing) + 0.5 * smoothing).to(target.dtype)
    return (F.softplus(logits) - target * logits).mean()


def smoothed_binary_as_logits(logits: Tensor, target: Tensor, smoothing: float = 0.1) -> Tensor:
    target = target.to(logits.dtype) * (1 - smoothing) + 0.5 * smoothing
    return (F.softplus(logits) - target * logits).mean()


class SigmoidEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(logits, target)
        return F.softplus(logits) - target * logits

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        logits, target = ctx.saved_tensors
        return upstream.mean() * (torch.sigmoid(logits) - target), None


class SigmoidEntropyOfEach(SigmoidEntropy):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        logits, target = ctx.saved_tensors
        return upstream * (torch.sigmoid(logits) - target), None


def sigmoid_entropy(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return reduce(SigmoidEntropy.apply(logits, target), reduction, logits.numel())


def sigmoid_entropy_of_each(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return reduce(SigmoidEntropyOfEach.apply(logits, target), reduction, logits.numel())


def branching(logits: Tensor, target: Tensor, ignore_index: int = -1) -> Tensor:
    if (target == ignore_index).all():
        return logits.sum() * 0.0
    return F.cross_entropy(logits, target, ignore_index=ignore_index)


def without_branch(logits: Tensor, target: Tensor, ignore_index: int = -1) -> Tensor:
    total = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="sum")
    return total / (target != ignore_index).sum().clamp(min=1)


def labels_with_void(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(8, 5, generator=generator), torch.randint(-1, 5, (8,), generator=generator)


def tags(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(6, 4, generator=generator), torch.randint(2, (6, 4), generator=generator).to(torch.float32)


SPECIMENS = [
    Specimen(
        name="smoothing_counts_ignored_labels",
        fault="wrong value",
        faulty=smoothed,
        fixed=smoothed_where_valid,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "permutation": True, "replicate": True, "ignore_index": -100,
                "reductions": ("none", "mean", "sum"), "mean_over": "valid", "all_ignored": "zero", "convex": True,
            },
            params={"label_smoothing": (0.0, 0.4)},
        ),
        seen_in="pytorch/pytorch issue 73205",
    ),
    Specimen(
        name="cross_entropy_of_ignored_labels_only",
        fault="all ignored",
        faulty=token_loss,
        fixed=token_loss_of_none,
        told=dict(
            example=lambda g: (torch.randn(7, 5, generator=g), torch.randint(5, (7,), generator=g)),
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "mean_of_singles": True, "convex": True,
                "ignore_index": -100, "all_ignored": "zero", "device": True,
            },
        ),
        seen_in="pytorch/pytorch issue 70348; OpenRLHF/OpenRLHF pull request 583",
    ),
    Specimen(
        name="class_weighted_cross_entropy_over_count",
        fault="weights",
        faulty=WeightedCrossEntropy,
        fixed=WeightedCrossEntropyOverWeight,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "class_weight": "weight",
                "weight_scale": "invariant", "reductions": ("none", "mean", "sum"), "mean_over": "weight",
                "permutation": True, "shift_invariant": True,
            },
        ),
        seen_in="mean of weighted losses that is no weighted mean: pytorch/pytorch issue 40560",
    ),
    Specimen(
        name="class_weight_of_ignored_in_denominator",
        fault="weights",
        faulty=weighted_ignoring,
        fixed=weighted_ignoring_in_both,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "ignore_index": -100, "class_weight": "weight",
                "weight_scale": "invariant", "permutation": True, "replicate": True, "convex": True,
            },
        ),
        seen_in="pytorch/pytorch issues 69339 and 91383",
    ),
    Specimen(
        name="smoothed_targets_above_one",
        fault="wrong value",
        faulty=SmoothTargets,
        fixed=SmoothTargetsToOne,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "mean_of_singles": True, "dtype": True, "shift_invariant": True,
                "equals": [
                    ({"smoothing": 0.0}, F.cross_entropy),
                    ({"smoothing": 0.2}, partial(F.cross_entropy, label_smoothing=0.2)),
                ],
            },
        ),
        seen_in="ildoonet/pytorch-randaugment issue 30",
    ),
    Specimen(
        name="binary_cross_entropy_of_saturated_sigmoid",
        fault="not finite",
        faulty=binary_cross_entropy,
        fixed=binary_cross_entropy_of_logits,
        told=dict(inputs=[Logit("n"), Binary("n")], task="binary classification"),
        seen_in="NaN from the logarithm of a sigmoid that reached 0 or 1; pytorch/pytorch pull request 1792",
    ),
    Specimen(
        name="void_labels_overwritten",
        fault="in place",
        faulty=VoidCrossEntropy,
        fixed=VoidCrossEntropyOnACopy,
        told=dict(
            example=labels_with_void,
            claims={
                "finite": True, "nonnegative": True, "ignore_index": -1, "pure": True, "permutation": True,
                "convex": True, "shift_invariant": True,
            },
        ),
        seen_in="open-mmlab/mmdetection pull request 173, which zeroed the caller's labels",
    ),
    Specimen(
        name="softmax_without_axis",
        fault="batch coupling",
        faulty=dense_cross_entropy,
        fixed=dense_cross_entropy_over_classes,
        told=dict(
            inputs=[Logit("n c *d"), ClassIndex("n *d")],
            claims=dict.fromkeys(
                ("finite", "nonnegative", "per_sample", "mean_of_singles", "permutation", "convex", "pure"), True
            ),
        ),
        seen_in="softmax without dim, which takes the batch of three-dimensional scores",
    ),
    Specimen(
        name="log_probability_not_negated",
        fault="sign",
        faulty=log_likelihood,
        fixed=negative_log_likelihood,
        told=dict(inputs=[Logit("n c"), ClassIndex("n")], task="multi-class classification"),
        seen_in="negative losses in forum posts, of log probabilities gathered and averaged",
    ),
    Specimen(
        name="labels_outside_the_classes_cost_nothing",
        fault="wrong value",
        faulty=compared_cross_entropy,
        fixed=compared_cross_entropy_of_classes,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims=dict.fromkeys(
                ("finite", "nonnegative", "zero_at_perfect", "mean_of_singles", "dtype", "domain_check"), True
            ),
        ),
        seen_in="one-hot labels by comparison, where an unmapped label 255 trains nothing",
    ),
    Specimen(
        name="smoothed_labels_cast_back_to_integers",
        fault="dtype",
        faulty=smoothed_binary,
        fixed=smoothed_binary_as_logits,
        told=dict(
            inputs=[Logit("n *d"), Binary("n *d")],
            claims=dict.fromkeys(("finite", "nonnegative", "dtype", "mean_of_singles", "convex", "vmap"), True),
        ),
        seen_in="soft labels cast to integers: srinidhiPY/SSL_CR_Histo issue 5",
    ),
    Specimen(
        name="sigmoid_entropy_averages_upstream",
        fault="wrong gradient",
        faulty=sigmoid_entropy,
        fixed=sigmoid_entropy_of_each,
        told=dict(
            example=tags,
            claims={
                "finite": True, "nonnegative": True, "convex": True, "mean_of_singles": True, "differentiable": (0,),
                "reductions": ("none", "mean", "sum"), "mean_over": "elements",
            },
        ),
        seen_in="autograd functions that hold for mean and sum but not for weights put on their losses",
    ),
    Specimen(
        name="cross_entropy_branches_on_all_ignored",
        fault="compile",
        faulty=branching,
        fixed=without_branch,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "ignore_index": -1, "all_ignored": "zero", "compile": True,
                "mean_of_singles": True, "convex": True,
            },
        ),
        seen_in="guards against batches without labels, which torch.compile cannot capture",
    ),
]  # fmt: skip
