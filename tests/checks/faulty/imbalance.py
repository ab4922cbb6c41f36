"""Focal and class-balanced losses, hard examples, and many labels of which few are set."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, ClassIndex, Count, Logit, NonNegativeReal

from .specimen import Specimen


def reduce(losses: Tensor, reduction: str, count: Tensor | int) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() / count if reduction == "mean" else losses.sum()


class FocalLoss(nn.Module):
    def __init__(self, gamma: float = 2.0):
        super().__init__()
        self.gamma = gamma

    def entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        entropy = self.entropy(logits, target)
        return ((1 - torch.exp(-entropy)) ** self.gamma * entropy).mean()


class FocalLossOfEach(FocalLoss):
    def entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, reduction="none")


def sigmoid_focal(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    p = torch.sigmoid(logits)
    positive = target * (1 - p) ** gamma * F.softplus(-logits)
    negative = (1 - target) * (1 - p) ** gamma * F.softplus(logits)
    return (positive + negative).mean()


def sigmoid_focal_by_own_probability(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    p = torch.sigmoid(logits)
    positive = target * (1 - p) ** gamma * F.softplus(-logits)
    negative = (1 - target) * p**gamma * F.softplus(logits)
    return (positive + negative).mean()


class WeightedFocal(nn.Module):
    def __init__(self, weight: Tensor | None = None, gamma: float = 2.0, reduction: str = "mean"):
        super().__init__()
        self.weight, self.gamma, self.reduction = weight, gamma, reduction

    def losses(self, logits: Tensor, target: Tensor) -> Tensor:
        entropy = F.cross_entropy(logits, target, weight=self.weight, reduction="none")
        return (1 - torch.exp(-entropy)) ** self.gamma * entropy

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        losses = self.losses(logits, target)
        return reduce(losses, self.reduction, losses.numel())


class WeightedFocalOfProbability(WeightedFocal):
    def losses(self, logits: Tensor, target: Tensor) -> Tensor:
        entropy = F.cross_entropy(logits, target, reduction="none")
        losses = (1 - torch.exp(-entropy)) ** self.gamma * entropy
        return losses if self.weight is None else losses * self.weight[target]


def binary_focal(logits: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    if logits.shape != target.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} do not fit")
    target = target.to(logits.dtype)
    margin = torch.where(target > 0, logits, -logits)
    balance = alpha * target + (1.0 - alpha) * (1.0 - target)
    return (balance * (1.0 - torch.sigmoid(margin)).pow(gamma) * F.softplus(-margin)).mean()


def binary_focal_by_logarithm(logits: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    if logits.shape != target.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} do not fit")
    target = target.to(logits.dtype)
    margin = torch.where(target > 0, logits, -logits)
    balance = alpha * target + (1.0 - alpha) * (1.0 - target)
    return (balance * torch.exp(gamma * F.logsigmoid(-margin)) * F.softplus(-margin)).mean()


def focal_with_frozen_factor(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    log_p = torch.log_softmax(logits, dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        factor = (1.0 - log_p.exp()) ** gamma
    return -(factor * log_p).mean()


def focal_with_its_factor(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    log_p = torch.log_softmax(logits, dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    return -((1.0 - log_p.exp()) ** gamma * log_p).mean()


def class_balanced(logits: Tensor, target: Tensor, counts: Tensor, beta: float = 0.99) -> Tensor:
    weight = (1.0 - beta) / (1.0 - torch.pow(beta, counts))
    weight = weight / weight.sum() * len(counts)
    return (F.cross_entropy(logits, target, reduction="none") * weight[target]).mean()


def class_balanced_over_present(logits: Tensor, target: Tensor, counts: Tensor, beta: float = 0.99) -> Tensor:
    present = counts > 0
    effective = -torch.expm1(torch.where(present, counts, 1.0) * math.log(beta))
    weight = torch.where(present, (1.0 - beta) / effective, 0.0)
    weight = weight / weight.sum().clamp(min=1e-12) * len(counts)
    return (F.cross_entropy(logits, target, reduction="none") * weight[target]).mean()


class LogitAdjusted(nn.Module):
    """Classes sorted by frequency, which falls as in Zipf's law."""

    def __init__(self, exponent: float = 1.0):
        super().__init__()
        self.exponent = exponent

    def log_prior(self, logits: Tensor) -> Tensor:
        return -self.exponent * torch.arange(1, logits.shape[1] + 1).log()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits + self.log_prior(logits), target)


class LogitAdjustedBesideLogits(LogitAdjusted):
    def log_prior(self, logits: Tensor) -> Tensor:
        rank = torch.arange(1, logits.shape[1] + 1, dtype=logits.dtype, device=logits.device)
        return -self.exponent * rank.log()


class AlphaFocal(nn.Module):
    def __init__(self, alpha: float = 0.25, gamma: float = 2.0):
        super().__init__()
        self.background, self.gamma = alpha, gamma
        self.alpha: Tensor | None = None

    def balance(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.alpha is None:
            self.alpha = torch.full_like(logits[:1].squeeze(0).detach(), 1.0 - self.background)
            self.alpha[0] = self.background
        self.alpha = self.alpha.gather(0, target)
        return self.alpha

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        entropy = F.cross_entropy(logits, target, reduction="none")
        balance = self.balance(logits, target)
        return (balance * (1.0 - torch.exp(-entropy)) ** self.gamma * entropy).mean()


class AlphaFocalKeepingAlpha(AlphaFocal):
    def balance(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.background + (1.0 - 2.0 * self.background) * (target != 0).to(logits.dtype)


class OnlineHardExamples(nn.Module):
    def __init__(self, keep: float = 0.5):
        super().__init__()
        self.keep = keep

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, target, reduction="none")
        return losses.topk(max(1, int(self.keep * losses.numel()))).values.mean()


class OnlineHardExamplesIfAny(OnlineHardExamples):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, target, reduction="none")
        if losses.numel() == 0:
            return losses.sum()
        return losses.topk(max(1, int(self.keep * losses.numel()))).values.mean()


def multilabel(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return losses.mean(dim=1) if reduction == "none" else reduce(losses, reduction, losses.numel())


def multilabel_elements(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return reduce(losses, reduction, losses.numel())


def weighted_multilabel(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if weight is None:
        return losses.mean()
    if weight.shape[0] != logits.shape[1]:
        weight = weight.unsqueeze(1)
    weight = weight.expand_as(losses)
    return (losses * weight).sum() / weight.sum().clamp(min=1e-12)


def weighted_multilabel_by_sample(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if weight is None:
        return losses.mean()
    weight = weight.unsqueeze(1).expand_as(losses)
    return (losses * weight).sum() / weight.sum().clamp(min=1e-12)


def tags(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(6, 4, generator=generator), torch.randint(2, (6, 4), generator=generator).to(torch.float32)


def labelled(generator: Generator) -> tuple[Tensor, Tensor]:
    return 2 * torch.randn(7, 4, generator=generator), torch.randint(4, (7,), generator=generator)


SPECIMENS = [
    Specimen(
        name="focal_factor_of_mean_entropy",
        fault="wrong value",
        faulty=FocalLoss,
        fixed=FocalLossOfEach,
        told=dict(
            example=labelled,
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True, "replicate": True,
                "mean_of_singles": True, "equals": [({"gamma": 0.0}, F.cross_entropy)],
            },
        ),
        seen_in="kaidic/LDAM-DRW issue 6; foamliu/InsightFace-v2 pull request 39",
    ),
    Specimen(
        name="focal_negatives_by_power_of_positives",
        fault="wrong value",
        faulty=sigmoid_focal,
        fixed=sigmoid_focal_by_own_probability,
        told=dict(
            inputs=[Logit("n"), Binary("n")],
            claims={
                "finite": True, "nonnegative": True, "monotone": True, "zero_at_perfect": True,
                "mean_of_singles": True, "equals": [({"gamma": 0.0}, F.binary_cross_entropy_with_logits)],
            },
        ),
        seen_in="yqyao/SSD_Pytorch issue 32",
    ),
    Specimen(
        name="focal_probability_from_weighted_entropy",
        fault="weights",
        faulty=WeightedFocal,
        fixed=WeightedFocalOfProbability,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "class_weight": "weight",
                "weight_scale": "linear", "reductions": ("none", "mean", "sum"), "mean_over": "batch",
                "per_sample": True,
            },
        ),
        seen_in="class weights given to the cross entropy whose exponential is then taken for the probability",
    ),
    Specimen(
        name="focal_root_at_certainty",
        fault="not finite",
        faulty=binary_focal,
        fixed=binary_focal_by_logarithm,
        told=dict(
            inputs=[Logit("n *d"), Binary("n *d")],
            task="binary classification",
            params={"gamma": (0.5, 4.0)},
        ),
        seen_in="NaN gradients of focal losses with gamma below 1, where a probability rounds to 1",
    ),
    Specimen(
        name="focal_factor_detached",
        fault="wrong gradient",
        faulty=focal_with_frozen_factor,
        fixed=focal_with_its_factor,
        told=dict(
            example=labelled,
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "differentiable": (0,),
                "shift_invariant": True, "mean_of_singles": True, "pure": True,
            },
        ),
        seen_in="modulating factors computed without gradient",
    ),
    Specimen(
        name="class_balanced_absent_class",
        fault="not finite",
        faulty=class_balanced,
        fixed=class_balanced_over_present,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n"), Count("c", constant=True)],
            claims=dict.fromkeys(("finite", "nonnegative", "permutation", "replicate", "mean_of_singles"), True),
        ),
        seen_in="fcakyon/balanced-loss pull request 12; vandit15/Class-balanced-loss-pytorch issue 5",
    ),
    Specimen(
        name="logit_adjustment_prior_on_cpu",
        fault="device",
        faulty=LogitAdjusted,
        fixed=LogitAdjustedBesideLogits,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims=dict.fromkeys(
                ("finite", "nonnegative", "device", "shift_invariant", "convex", "mean_of_singles", "permutation"),
                True,
            ),
        ),
        seen_in="vandit15/Class-balanced-loss-pytorch pull request 22; sacdallago/biotrainer issue 67",
    ),
    Specimen(
        name="focal_alpha_gathered_into_itself",
        fault="in place",
        faulty=AlphaFocal,
        fixed=AlphaFocalKeepingAlpha,
        told=dict(example=labelled, task="multi-class classification"),
        seen_in="yatengLG/Focal-Loss-Pytorch issue 9",
    ),
    Specimen(
        name="hard_examples_of_nothing",
        fault="empty batch",
        faulty=OnlineHardExamples,
        fixed=OnlineHardExamplesIfAny,
        told=dict(
            inputs=[Logit("n c"), ClassIndex("n")],
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True, "empty": "zero",
                "shift_invariant": True, "convex": True,
            },
        ),
        seen_in="online hard example mining without examples, as in Deci-AI/super-gradients pull request 1669",
    ),
    Specimen(
        name="multilabel_none_averages_labels",
        fault="wrong reduction",
        faulty=multilabel,
        fixed=multilabel_elements,
        told=dict(
            example=tags,
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True, "convex": True,
                "reductions": ("none", "mean", "sum"), "mean_over": "elements", "compile": True,
            },
        ),
        seen_in="the reductions of a multi-label loss: pytorch/pytorch issue 9301",
    ),
    Specimen(
        name="multilabel_weight_axis_guessed_by_size",
        fault="broadcasting",
        faulty=weighted_multilabel,
        fixed=weighted_multilabel_by_sample,
        told=dict(
            inputs=[Logit("n c"), Binary("n c"), NonNegativeReal("n")],
            claims={
                "finite": True, "nonnegative": True, "sample_weight": {"arg": 2}, "permutation": True,
                "replicate": True, "zero_at_perfect": True, "convex": True,
            },
        ),
        seen_in="weights of samples or labels, told apart by size: pytorch/pytorch issue 5157",
    ),
]  # fmt: skip
