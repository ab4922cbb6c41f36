"""Pairs and lists of scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, Relevance, Score, Sign

from .specimen import Specimen


def list_mle(scores: Tensor, relevance: Tensor, mask: Tensor) -> Tensor:
    order = relevance.masked_fill(mask == 0, -1.0).argsort(dim=1, descending=True, stable=True)
    s, m = scores.gather(1, order), mask.gather(1, order)
    remaining = s.flip(1).logcumsumexp(1).flip(1)
    return torch.where(m > 0, remaining - s, 0.0).sum(1).mean()


def list_mle_of_real_documents(scores: Tensor, relevance: Tensor, mask: Tensor) -> Tensor:
    order = relevance.masked_fill(mask == 0, -1.0).argsort(dim=1, descending=True, stable=True)
    s, m = scores.gather(1, order), mask.gather(1, order)
    remaining = s.masked_fill(m == 0, -1e30).flip(1).logcumsumexp(1).flip(1)
    return torch.where(m > 0, remaining - s, 0.0).sum(1).mean()


class ListNet(nn.Module):
    """Cross-entropy of the top-one probabilities; one list per row."""

    def __init__(self, temperature: float = 1.0, dim: int = 0):
        super().__init__()
        self.temperature, self.dim = temperature, dim

    def forward(self, scores: Tensor, relevance: Tensor) -> Tensor:
        target = F.softmax(relevance / self.temperature, dim=self.dim)
        return -(target * F.log_softmax(scores / self.temperature, dim=self.dim)).sum(1).mean()


def list_net_along_documents(temperature: float = 1.0) -> ListNet:
    return ListNet(temperature, dim=1)


def ideal_dcg(relevance: Tensor, discount: Tensor) -> Tensor:
    return ((2.0**relevance - 1.0).sort(dim=1, descending=True).values * discount).sum(1)


def ndcg_of_sorted_scores(scores: Tensor, relevance: Tensor) -> Tensor:
    places = torch.arange(scores.shape[1], dtype=scores.dtype, device=scores.device)
    discount = 1.0 / torch.log2(places + 2.0)
    gains = (2.0**relevance - 1.0).gather(1, scores.argsort(dim=1, descending=True))
    ndcg = (gains * discount).sum(1) / ideal_dcg(relevance, discount).clamp(min=1e-8)
    return (1.0 - ndcg).mean() + 0.0 * scores.sum()


def approximate_ndcg(scores: Tensor, relevance: Tensor) -> Tensor:
    places = torch.arange(scores.shape[1], dtype=scores.dtype, device=scores.device)
    discount = 1.0 / torch.log2(places + 2.0)
    ahead = torch.sigmoid((scores.unsqueeze(1) - scores.unsqueeze(2)) / 0.5)
    rank = 0.5 + ahead.sum(2)  # half of it is the document against itself
    gains = (2.0**relevance - 1.0) / torch.log2(rank + 1.0)
    return (1.0 - gains.sum(1) / ideal_dcg(relevance, discount).clamp(min=1e-8)).mean()


class Logistic(torch.autograd.Function):
    @staticmethod
    def forward(ctx, margin):
        ctx.save_for_backward(margin)
        return F.softplus(-margin)

    @staticmethod
    def backward(ctx, grad):
        (margin,) = ctx.saved_tensors
        return -torch.sigmoid(-margin) * grad.flatten()[0]


class LogisticOfEach(Logistic):
    @staticmethod
    def backward(ctx, grad):
        (margin,) = ctx.saved_tensors
        return -torch.sigmoid(-margin) * grad


def ranknet(better: Tensor, worse: Tensor, confidence: Tensor) -> Tensor:
    return (Logistic.apply(better - worse) * confidence).mean()


def ranknet_with_each_gradient(better: Tensor, worse: Tensor, confidence: Tensor) -> Tensor:
    return (LogisticOfEach.apply(better - worse) * confidence).mean()


def hinge_rank(first: Tensor, second: Tensor, order: Tensor, margin: float = 0.5, reduction: str = "mean") -> Tensor:
    losses = F.relu(order * (first - second) + margin)
    return {"none": losses, "mean": losses.mean(), "sum": losses.sum()}[reduction]


def hinge_rank_first_above(
    first: Tensor, second: Tensor, order: Tensor, margin: float = 0.5, reduction: str = "mean"
) -> Tensor:
    losses = F.relu(-order * (first - second) + margin)
    return {"none": losses, "mean": losses.mean(), "sum": losses.sum()}[reduction]


def weighted_bpr(positive: Tensor, negative: Tensor, weight: Tensor) -> Tensor:
    weight = weight.clamp(min=0.05)
    return (weight * F.softplus(negative - positive)).sum() / weight.sum()


def weighted_bpr_down_to_zero(positive: Tensor, negative: Tensor, weight: Tensor) -> Tensor:
    return (weight * F.softplus(negative - positive)).sum() / weight.sum().clamp(min=1e-12)


def pair_logistic(scores: Tensor, relevance: Tensor) -> Tensor:
    better = relevance.unsqueeze(2) > relevance.unsqueeze(1)
    losses = F.softplus(scores.unsqueeze(1) - scores.unsqueeze(2)) * better
    return (losses.sum((1, 2)) / better.sum((1, 2))).mean()


def pair_logistic_with_ties(scores: Tensor, relevance: Tensor) -> Tensor:
    better = relevance.unsqueeze(2) > relevance.unsqueeze(1)
    losses = F.softplus(scores.unsqueeze(1) - scores.unsqueeze(2)) * better
    return (losses.sum((1, 2)) / better.sum((1, 2)).clamp(min=1)).mean()


class BPR(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def mean(self, losses: Tensor) -> Tensor:
        return losses.mean()

    def forward(self, positive: Tensor, negative: Tensor) -> Tensor:
        losses = -F.logsigmoid(positive - negative)
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else self.mean(losses)


class BPROfNone(BPR):
    def mean(self, losses: Tensor) -> Tensor:
        return losses.sum() / max(losses.numel(), 1)


class MarginRank(nn.Module):
    """Margin between two scores, which also takes the reductions of the library around it."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__()
        self.margin, self.reduction = margin, reduction

    def forward(self, positive: Tensor, negative: Tensor) -> Tensor:
        losses = F.relu(negative - positive + self.margin)
        if self.reduction == "mean":
            return losses.mean()
        if self.reduction == "sum":
            return losses.sum()
        return losses


class StrictMarginRank(MarginRank):
    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"unknown reduction {reduction!r}")
        super().__init__(margin, reduction)


def graded_lists(g: torch.Generator) -> tuple[Tensor, Tensor]:
    grades = torch.stack([torch.randperm(5, generator=g) for _ in range(4)])
    return torch.randn(4, 5, generator=g), grades.float()


def two_scores(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(7, generator=g), torch.randn(7, generator=g)


def two_scores_and_confidence(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    return *two_scores(g), 0.5 + torch.rand(7, generator=g)


SPECIMENS: list[Specimen] = [
    Specimen(
        name="list_mle_padding_in_normaliser", fault="wrong value",
        faulty=list_mle, fixed=list_mle_of_real_documents,
        told={
            "inputs": [Score("n k"), Relevance("n k"), Binary("n k")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True, "pure": True,
                       "mask": {"arg": 2, "of": [0, 1]}, "all_ignored": "zero"},
        },
        seen_in="huggingface/sentence-transformers pull 3827",
    ),
    Specimen(
        name="list_net_softmax_over_queries", fault="batch coupling",
        faulty=ListNet, fixed=list_net_along_documents,
        told={
            "example": graded_lists,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "replicate": True, "convex": True, "differentiable": (0,)},
        },
        seen_in="reports of softmax along the batch, once torch chose the dimension itself",
    ),
    Specimen(
        name="ndcg_of_sorted_scores_has_no_gradient", fault="wrong gradient",
        faulty=ndcg_of_sorted_scores, fixed=approximate_ndcg,
        told={
            "inputs": [Score("n k"), Relevance("n k")],
            "claims": {"finite": True, "permutation": True, "mean_of_singles": True, "pure": True,
                       "shift_invariant": True, "differentiable": (0,)},
        },
        seen_in="reports of ranking metrics used as losses whose gradient is 0 everywhere",
    ),
    Specimen(
        name="ranknet_function_takes_one_upstream_gradient", fault="wrong gradient",
        faulty=ranknet, fixed=ranknet_with_each_gradient,
        told={"example": two_scores_and_confidence, "task": "ranking"},
        seen_in="reports of custom autograd functions that are right only under an equal upstream gradient",
    ),
    Specimen(
        name="hinge_rank_pushes_the_better_down", fault="sign",
        faulty=hinge_rank, fixed=hinge_rank_first_above,
        told={
            "inputs": [Score("n"), Score("n"), Sign("n")],
            "perfect": lambda g: (torch.tensor([3.0, -2.0, 1.0]), torch.tensor([0.0, 2.0, -1.0]),
                                  torch.tensor([1.0, -1.0, 1.0])),
            "claims": {"finite": True, "nonnegative": True, "zero_at_perfect": True, "convex": True,
                       "permutation": True, "reductions": ("none", "mean", "sum"), "mean_over": "elements"},
        },
        seen_in="KevinMusgrave/pytorch-metric-learning #549 (there of a contrastive loss)",
    ),
    Specimen(
        name="bpr_weight_has_a_floor", fault="weights",
        faulty=weighted_bpr, fixed=weighted_bpr_down_to_zero,
        told={
            "example": two_scores_and_confidence,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True,
                       "sample_weight": {"arg": 2}, "convex": True, "differentiable": (0, 1)},
        },
        seen_in="reports of sample weights clamped away from 0 to keep their sum from being 0",
    ),
    Specimen(
        name="pair_logistic_list_of_one_grade", fault="not finite",
        faulty=pair_logistic, fixed=pair_logistic_with_ties,
        told={
            "inputs": [Score("n k"), Relevance("n k")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "shift_invariant": True, "dtype": True},
        },
        seen_in="reports of pairwise ranking losses that are NaN for a query whose documents have one grade",
    ),
    Specimen(
        name="bpr_of_no_pairs", fault="empty batch",
        faulty=BPR, fixed=BPROfNone,
        told={
            "inputs": [Score("n"), Score("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "empty": "zero", "reductions": ("none", "mean", "sum"), "mean_over": "elements"},
        },
        seen_in="reports of NaN from the last, empty batch of sampled negatives",
    ),
    Specimen(
        name="margin_rank_takes_any_reduction_for_none", fault="wrong reduction",
        faulty=MarginRank, fixed=StrictMarginRank,
        told={
            "example": two_scores,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "reductions": ("none", "mean", "sum"), "mean_over": "elements", "reject_reduction": True},
        },
        seen_in="reports of a misspelt reduction that silently means none",
    ),
]  # fmt: skip
