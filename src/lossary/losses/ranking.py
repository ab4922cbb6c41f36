"""Losses for the order of a list, of a pair, or of an item a user chose.

Lists are ``(n, l)``: ``n`` lists of up to ``l`` items; ``mask`` is False at the padding. Every list gives one value.
The order of the items in a list does not matter, except where a docstring says so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack, override

from lossary.core import (
    Card,
    NonNegative,
    PairLoss,
    Positive,
    PositiveInt,
    Reduce,
    Relevance,
    Score,
    Sign,
    TripletLoss,
    Weighted,
    loss,
    reduce,
)
from lossary.core.blocks import Blockwise, slices

__all__ = [
    "ApproxNDCGLoss", "BPRLoss", "LambdaLoss", "LambdaRankLoss", "ListMLELoss", "ListNetLoss", "MarginRankingLoss",
    "RankNetLoss",
    "approx_ndcg_loss", "bpr_loss", "lambda_loss", "lambdarank_loss", "listmle_loss", "listnet_loss",
    "margin_ranking_loss", "ranknet_loss",
]  # fmt: skip

Gain = Literal["exponential", "linear"]
"""What an item of relevance y is worth: 2^y - 1, or y."""


@loss(
    Card(
        task=("ranking", "metric learning"),
        inputs=[Score("*n"), Score("*n"), Sign("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient"},
        formula=r"\max\big(0, m - y (s_1 - s_2)\big)",
        source="Herbrich, Graepel and Obermayer, Large margin rank boundaries for ordinal regression (2000)",
        settings=[{"margin": 0.5}],
        tune={"margin": (0.0, 0.1, 1.0)},
        good_at={"speed"},
        bad_at={"smooth optimisation", "top of the ranking"},
        known_as=("margin ranking", "pairwise hinge", "ranking hinge", "RankSVM"),
        elsewhere={
            "torch": "MarginRankingLoss(margin=0), the same; a batch of no pairs gives NaN there and 0 here",
            "rax": "pairwise_hinge_loss: margin 1, over all pairs of a list",
        },
    )
)
def margin_ranking_loss(
    first_scores: Tensor,
    second_scores: Tensor,
    target: Tensor,
    *,
    margin: NonNegative = 0.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Asks of each pair that the better item score higher by ``margin``; silent once it does.

    The gradient of a pair exactly at the margin, where the loss has a kink, is that of a pair inside it, so that equal
    scores are driven apart also with a margin of 0.

    Args:
        first_scores: Scores of the first items, any shape ``(*n)``.
        second_scores: Scores of the second items, the same shape.
        target: 1 where the first item is the better one, -1 where the second is, the same shape.
        margin: By how much the better one should lead, in units of the scores.

    >>> margin_ranking_loss(torch.tensor([2.0, 2.0]), torch.tensor([0.0, 1.5]), torch.ones(2), margin=1.0)
    tensor(0.2500)
    """
    return reduce((margin - target * (first_scores - second_scores)).clamp(min=0.0), **how)


class MarginRankingLoss(TripletLoss, of=margin_ranking_loss):
    """Module form of :func:`margin_ranking_loss`."""

    margin: NonNegative = 0.0


@loss(
    Card(
        task=("recommendation", "ranking"),
        inputs=[Score("*n"), Score("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"-\log \sigma(s_+ - s_-)",
        source="arXiv:1205.2618, BPR-Opt",
        good_at={"smooth optimisation", "speed"},
        bad_at={"top of the ranking"},
        known_as=("BPR", "Bayesian personalised ranking", "Bayesian personalized ranking", "BPR-OPT"),
        elsewhere={
            "RecBole": "BPRLoss: -log(gamma + sigmoid), gamma=1e-10, so its gradient vanishes below about -23",
            "catalyst": "BPRLoss: the same as RecBole's",
        },
    )
)
def bpr_loss(positive_scores: Tensor, negative_scores: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Asks that the item a user chose score higher than one drawn from those not chosen: logistic in the difference.

    Exact however large the difference. The regulariser of the paper belongs to the optimizer, as weight decay.

    Args:
        positive_scores: Scores of the chosen items, any shape ``(*n)``.
        negative_scores: Scores of the items drawn against them, the same shape.

    >>> bpr_loss(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 101.0]), reduction="none")
    tensor([  0.6931, 100.0000])
    """
    return reduce(F.softplus(negative_scores - positive_scores), **how)


class BPRLoss(PairLoss, of=bpr_loss):
    """Module form of :func:`bpr_loss`."""


@loss(
    Card(
        task="ranking",
        inputs=[Score("n l"), Relevance("n l")],
        values="n",
        mask="n l",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"\sum_{i,j:\, y_i > y_j} \log\big(1 + e^{-(s_i - s_j)/T}\big)",
        source="doi:10.1145/1102351.1102363, eq. 3",
        settings=[{"temperature": 0.5}],
        good_at={"smooth optimisation"},
        bad_at={"top of the ranking", "memory"},
        known_as=("RankNet", "pairwise logistic", "Pairwise logistic (RankNet)"),
        elsewhere={
            "rax": "pairwise_logistic_loss: the mean over all pairs of the batch, so long lists weigh more",
            "allRank": "rankNet: the mean over all pairs of the batch",
            "Burges 2010": "sigma is 1 / temperature",
        },
    )
)  # fmt: skip
def ranknet_loss(
    scores: Tensor,
    target: Tensor,
    *,
    temperature: Positive = 1.0,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Logistic loss of every pair of items of different relevance, summed over each list.

    A list of l items has up to l (l - 1) / 2 such pairs: give ``sample_weight`` to make lists of different lengths
    count alike. Items of equal relevance are not compared; a list without a pair gives 0.

    Args:
        scores: What the model gives each item, larger is better, ``(n, l)``.
        target: Relevance, larger is better, ``(n, l)``; only its order counts.
        temperature: What differences of scores are divided by.
        mask: True where there is an item, ``(n, l)``.

    >>> ranknet_loss(torch.tensor([[1.0, 1.0, 3.0]]), torch.tensor([[1.0, 0.0, 0.0]]), reduction="none")
    tensor([2.8201])
    """
    values = _PairLogistic(target, mask)(scores / temperature)
    return reduce(values, mask=_lists(mask), **how)


class RankNetLoss(PairLoss, of=ranknet_loss):
    """Module form of :func:`ranknet_loss`."""

    temperature: Positive = 1.0


@loss(
    Card(
        task="ranking",
        inputs=[Score("n l"), Relevance("n l")],
        values="n",
        mask="n l",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-\sum_i p_i \log \frac{e^{s_i}}{\sum_j e^{s_j}}, \quad"
                r" p_i = \frac{e^{y_i}}{\sum_j e^{y_j}} \text{ or } \frac{y_i}{\sum_j y_j}",
        source="doi:10.1145/1273496.1273513",
        settings=[{"normalization": "sum"}],
        good_at={"smooth optimisation", "speed"},
        known_as=("ListNet", "softmax ranking", "ListNet / softmax ranking loss", "listwise softmax cross-entropy"),
        elsewhere={
            "rax, optax": 'softmax_loss, ranking_softmax_loss: p is the relevance itself, not normalised;'
                          ' normalization="sum" times the sum of the relevances of the list',
            "allRank": "listNet: the same, normalised by softmax",
            "TF-Ranking": 'SoftmaxLoss: normalization="sum", each list weighted by its sum of relevances',
        },
    )
)  # fmt: skip
def listnet_loss(
    scores: Tensor,
    target: Tensor,
    *,
    normalization: Literal["softmax", "sum"] = "softmax",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Cross-entropy between which item comes first by relevance and which by score.

    Its least value is the entropy of the target distribution, reached where the two distributions are equal. With
    "sum" and no relevant item in a list, the list gives 0.

    Args:
        scores: What the model gives each item, larger is better, ``(n, l)``.
        target: Relevance, larger is better, ``(n, l)``; at least 0 for "sum".
        normalization: How relevances become probabilities: "softmax" as in ListNet, or "sum", by their sum, as in the
            softmax cross-entropy of arXiv:1911.09798.
        mask: True where there is an item, ``(n, l)``.

    >>> listnet_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    kept = _kept(target, mask)
    if normalization == "softmax":
        wanted = torch.softmax(_without(target, mask), -1)
    else:
        total = torch.where(kept, target, 0.0).sum(-1, keepdim=True)
        wanted = target / torch.where(total == 0, 1.0, total)
    terms = wanted * torch.log_softmax(_without(scores, mask), -1)
    return reduce(-torch.where(kept, terms, 0.0).sum(-1), mask=_lists(mask), **how)


class ListNetLoss(PairLoss, of=listnet_loss):
    """Module form of :func:`listnet_loss`."""

    normalization: Literal["softmax", "sum"] = "softmax"


@loss(
    Card(
        task="ranking",
        inputs=[Score("n l"), Relevance("n l")],
        values="n",
        mask="n l",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"\sum_i \Big(\log \sum_{j \text{ not before } i} e^{s_j} - s_i\Big)",
        source="doi:10.1145/1390156.1390306",
        settings=[{"ties": "order"}],
        good_at={"smooth optimisation", "memory"},
        known_as=("ListMLE", "Plackett-Luce likelihood"),
        elsewhere={
            "rax": 'listmle_loss: ties="order", or at random where it is given a key',
            "allRank": "listMLE: ties at random, so that the same batch gives different values",
        },
    )
)
def listmle_loss(
    scores: Tensor,
    target: Tensor,
    *,
    ties: Literal["breslow", "order"] = "breslow",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Negative log-likelihood of the order by relevance, where each place is drawn by softmax from the items left.

    Relevance in grades has ties, about which the paper is silent. By "breslow" tied items compete with each other and
    with all that are less relevant, each as if it were the first of them: the order of the list does not matter. By
    "order" tied items are ranked as they stand in the list, which teaches the model that order. Without ties the two
    agree.

    Args:
        scores: What the model gives each item, larger is better, ``(n, l)``.
        target: Relevance, larger is better, ``(n, l)``; only its order counts.
        ties: What to do with items of equal relevance: "breslow" or "order".
        mask: True where there is an item, ``(n, l)``.

    >>> listmle_loss(torch.zeros(1, 3), torch.tensor([[2.0, 1.0, 0.0]]))  # log 3! = log 3 + log 2 + log 1
    tensor(1.7918)
    """
    place = -target if ties == "breslow" else _ranks(target, mask)
    left = log_sum_at_least(_without(scores, mask), place)
    return reduce(torch.where(_kept(target, mask), left - scores, 0.0).sum(-1), mask=_lists(mask), **how)


class ListMLELoss(PairLoss, of=listmle_loss):
    """Module form of :func:`listmle_loss`."""

    ties: Literal["breslow", "order"] = "breslow"


@loss(
    Card(
        task="ranking",
        inputs=[Score("n l"), Relevance("n l")],
        values="n",
        mask="n l",
        claims={"nonnegative", "bounded_gradient", "shift_invariant"},
        formula=r"\sum_{i,j:\, y_i > y_j} |\Delta \mathrm{NDCG}_{ij}| \log\big(1 + e^{-(s_i - s_j)/T}\big)",
        source="Burges, Ragno and Le, Learning to rank with nonsmooth cost functions (NIPS 2006)",
        settings=[{"k": 3}, {"gain": "linear", "temperature": 2.0}],
        good_at={"top of the ranking"},
        bad_at={"smooth optimisation", "memory"},
        known_as=("LambdaRank", "LambdaRank / LambdaLoss family", "LambdaMART objective", "lambdarank NDCG"),
        elsewhere={
            "rax": "pairwise_logistic_loss with dcg_lambdaweight(normalize=True): l times as much, and its default is"
                   " DCG, not NDCG",
            "allRank": "lambdaLoss with lambdaRank_scheme: in units of log 2, i.e. 1.4427 times as much; k drops the"
                       " pairs that have either item beyond k, here those that have both",
            "LightGBM": "lambdarank: k is lambdarank_truncation_level, and the weights are normalised again",
        },
    )
)  # fmt: skip
def lambdarank_loss(
    scores: Tensor,
    target: Tensor,
    *,
    temperature: Positive = 1.0,
    gain: Gain = "exponential",
    k: PositiveInt | None = None,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """RankNet with each pair weighted by how much NDCG would change if its two items changed places.

    The weights depend on the present ranking and are constants to the gradient, so that the gradient is LambdaRank's
    lambda; the value jumps where two items change places. Items of equal score rank as they stand in the list. A list
    without a relevant item gives 0.

    Args:
        scores: What the model gives each item, larger is better, ``(n, l)``.
        target: Relevance, at least 0, larger is better, ``(n, l)``.
        temperature: What differences of scores are divided by.
        gain: What an item of relevance y is worth: 2^y - 1 ("exponential") or y ("linear").
        k: Only the first k places count: NDCG@k. ``None`` counts all.
        mask: True where there is an item, ``(n, l)``.

    >>> lambdarank_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))  # (1 - 1 / log2(3)) log 2
    tensor(0.2558)
    """
    ranks = _ranks(scores, mask)
    discounts = 1.0 / torch.log2(1.0 + ranks)
    if k is not None:
        discounts = torch.where(ranks <= k, discounts, 0.0)
    gains = _relative_gains(target, gain, k, mask)

    def weights(rows: slice) -> Tensor:
        return (_differences(gains, rows) * _differences(discounts, rows)).abs()

    values = _PairLogistic(target, mask, weights)(scores / temperature)
    return reduce(values, mask=_lists(mask), **how)


class LambdaRankLoss(PairLoss, of=lambdarank_loss):
    """Module form of :func:`lambdarank_loss`."""

    temperature: Positive = 1.0
    gain: Gain = "exponential"
    k: PositiveInt | None = None


@loss(
    Card(
        task="ranking",
        inputs=[Score("n l"), Relevance("n l")],
        values="n",
        mask="n l",
        claims={"nonnegative", "bounded_gradient", "shift_invariant"},
        formula=r"\sum_{i,j:\, y_i > y_j} |G_i - G_j| \Big(\rho \Big|\tfrac{1}{D_{r_i}} - \tfrac{1}{D_{r_j}}\Big| + \mu"
                r" \Big|\tfrac{1}{D_{|r_i - r_j|}} - \tfrac{1}{D_{|r_i - r_j| + 1}}\Big|\Big)"
                r" \log\big(1 + e^{-(s_i - s_j)/T}\big)",
        source="doi:10.1145/3269206.3271784",
        settings=[{"rho": 0.0, "mu": 1.0}, {"gain": "linear", "temperature": 2.0}],
        tune={"mu": (1.0, 5.0, 10.0)},
        good_at={"top of the ranking"},
        bad_at={"smooth optimisation", "memory"},
        known_as=("LambdaLoss", "NDCG-Loss2", "NDCG-Loss2++"),
        elsewhere={
            "rax": "pairwise_logistic_loss with dcg2_lambdaweight(normalize=True): rho=0, mu=1, l times as much",
            "allRank": "lambdaLoss: ndcgLoss2_scheme is rho=0, mu=1, ndcgLoss2PP_scheme is rho=1, mu=10; both in units"
                       " of log 2 (1.4427 times as much) and, by its eps, silent beyond a loss of log2(1e10) per pair",
        },
    )
)  # fmt: skip
def lambda_loss(
    scores: Tensor,
    target: Tensor,
    *,
    rho: NonNegative = 1.0,
    mu: NonNegative = 10.0,
    temperature: Positive = 1.0,
    gain: Gain = "exponential",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """RankNet with pair weights that bound NDCG more tightly than LambdaRank's: NDCG-Loss2++, and NDCG-Loss2.

    ``rho`` weighs what LambdaRank weighs by, the change of NDCG if the two change places; ``mu`` the change by one
    place at their distance. The defaults are NDCG-Loss2++, ``rho=0, mu=1`` is NDCG-Loss2, ``mu=0`` is
    :func:`lambdarank_loss`. Natural logarithms, where the paper takes those of base 2: the values are 0.693 times the
    paper's. Weights are constants to the gradient; items of equal score rank as they stand in the list; a list without
    a relevant item gives 0.

    Args:
        scores: What the model gives each item, larger is better, ``(n, l)``.
        target: Relevance, at least 0, larger is better, ``(n, l)``.
        rho: Weight of the difference of the discounts at the two places.
        mu: Weight of the difference of the discounts at their distance and one further.
        temperature: What differences of scores are divided by.
        gain: What an item of relevance y is worth: 2^y - 1 ("exponential") or y ("linear").
        mask: True where there is an item, ``(n, l)``.

    >>> lambda_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))  # 11 (1 - 1 / log2(3)) log 2
    tensor(2.8140)
    """
    ranks = _ranks(scores, mask)
    discounts, gains = 1.0 / torch.log2(1.0 + ranks), _relative_gains(target, gain, None, mask)
    # By the distance of two places; an item is no pair with itself, and 1 keeps its logarithm off 0.
    distances = torch.arange(scores.shape[-1], device=scores.device).clamp(min=1).to(scores.dtype)
    nearer = 1.0 / torch.log2(1.0 + distances) - 1.0 / torch.log2(2.0 + distances)

    def weights(rows: slice) -> Tensor:
        apart = _differences(ranks, rows).abs().long()
        weight = rho * _differences(discounts, rows).abs() + mu * nearer[apart]
        return _differences(gains, rows).abs() * weight

    logistic = _PairLogistic(target, mask, weights)
    learned = isinstance(rho, Tensor) or isinstance(mu, Tensor)  # which the weights then hand a gradient to
    values = (logistic.plain if learned else logistic)(scores / temperature)
    return reduce(values, mask=_lists(mask), **how)


class LambdaLoss(PairLoss, of=lambda_loss):
    """Module form of :func:`lambda_loss`."""

    rho: NonNegative = 1.0
    mu: NonNegative = 10.0
    temperature: Positive = 1.0
    gain: Gain = "exponential"


@loss(
    Card(
        task="ranking",
        inputs=[Score("n l"), Relevance("n l")],
        values="n",
        mask="n l",
        claims={"nonnegative", "at_most_one", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"1 - \frac1Z \sum_i \frac{G_i}{\log_2(1 + \hat r_i)}, \quad"
                r" \hat r_i = 1 + \sum_{j \ne i} \sigma\Big(\frac{s_j - s_i}{T}\Big)",
        source="doi:10.1007/s10791-009-9124-x",
        settings=[{"temperature": 0.1}, {"gain": "linear"}],
        tune={"temperature": (0.01, 0.1, 1.0)},
        good_at={"top of the ranking"},
        bad_at={"vanishing gradient", "memory"},
        known_as=("ApproxNDCG", "approximate NDCG"),
        elsewhere={
            "rax": "approx_t12n(ndcg_metric, temperature): minus NDCG instead of 1 minus it",
            "allRank": "approxNDCGLoss: minus NDCG; its alpha is 1 / temperature",
            "TF-Ranking": "ApproxNDCGLoss: minus NDCG; its temperature is 0.1 by default",
        },
    )
)  # fmt: skip
def approx_ndcg_loss(
    scores: Tensor,
    target: Tensor,
    *,
    temperature: Positive = 1.0,
    gain: Gain = "exponential",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """One minus NDCG with smooth ranks: an item's rank counts each other item by the sigmoid of its lead.

    In [0, 1], and 0 only in the limit of a right ranking with wide gaps. A list without a relevant item gives 0.

    Args:
        scores: What the model gives each item, larger is better, ``(n, l)``.
        target: Relevance, at least 0, larger is better, ``(n, l)``.
        temperature: What differences of scores are divided by; towards 0 the ranks become exact and the gradient fades.
        gain: What an item of relevance y is worth: 2^y - 1 ("exponential") or y ("linear").
        mask: True where there is an item, ``(n, l)``.

    >>> approx_ndcg_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]))  # 1 - 1 / log2(3): the rank is 2
    tensor(0.3691)
    """
    kept = _kept(target, mask)
    leads = torch.where(kept.unsqueeze(-2), torch.sigmoid(-_differences(scores) / temperature), 0.0)
    ranks = 0.5 + leads.sum(-1)  # its lead over itself is 0, of which the sigmoid is the half that is missing to 1
    gains = _gains(target, gain, mask)
    ideal = _ideal_dcg(gains, None)
    ndcg = (gains / torch.log2(1.0 + ranks)).sum(-1) / torch.where(ideal == 0, 1.0, ideal)
    return reduce(torch.where(ideal == 0, 0.0, 1.0 - ndcg), mask=_lists(mask), **how)


class ApproxNDCGLoss(PairLoss, of=approx_ndcg_loss):
    """Module form of :func:`approx_ndcg_loss`."""

    temperature: Positive = 1.0
    gain: Gain = "exponential"


def log_sum_at_least(scores: Tensor, key: Tensor) -> Tensor:
    """For each i along the last dimension, log of the sum of exp(scores_j) over the j with key_j of at least key_i.

    Sorted once, then summed in about log2(l) doublings. ``torch.logcumsumexp`` would do it in one pass, but where the
    incoming gradient is 0 its second derivative is NaN.
    """
    ascending, order = torch.sort(key.detach(), dim=-1, stable=True)
    sums = scores.gather(-1, order)
    step, length = 1, scores.shape[-1]
    lowest = torch.finfo(scores.dtype).min  # and not -inf, which would make the gradient of an empty sum NaN
    while step < length:
        ahead = F.pad(sums[..., step:], (0, step), value=lowest)
        sums = torch.logsumexp(torch.stack((sums, ahead)), 0)
        step *= 2
    first = torch.searchsorted(ascending.contiguous(), key.detach().contiguous())
    return sums.gather(-1, first)


def _kept(target: Tensor, mask: Tensor | None) -> Tensor:
    return torch.ones_like(target, dtype=torch.bool) if mask is None else mask


def _lists(mask: Tensor | None) -> Tensor | None:
    """Which lists have an item."""
    return None if mask is None else mask.any(-1)


def _without(scores: Tensor, mask: Tensor | None) -> Tensor:
    """``scores`` where a masked item has no share in a softmax and ranks last."""
    return scores if mask is None else torch.where(mask, scores, torch.finfo(scores.dtype).min)


def _differences(x: Tensor, rows: slice = slice(None)) -> Tensor:
    """x_i - x_j at (..., i, j), for the i of ``rows``."""
    return x[..., rows].unsqueeze(-1) - x.unsqueeze(-2)


@dataclass(eq=False)
class _PairLogistic(Blockwise):
    """The weighted logistic loss of all pairs of each list, from its scores; the matrix of pairs a block at a time.

    A list has one value, so that its gradient is found along with it, but for a factor.
    """

    target: Tensor
    mask: Tensor | None
    weights: Callable[[slice], Tensor] | None = None
    """Of the pairs of some items with all, constant in the scores; 1 if ``None``."""

    @override
    def plain(self, *tensors: Tensor) -> Tensor:
        return self._losses(F.softplus(-_differences(tensors[0])), slice(None)).sum((-2, -1))

    @override
    def forward(self, tensors: Sequence[Tensor], keep: bool) -> tuple[Tensor, Sequence[Tensor]]:
        (scores,) = tensors
        values, gradient = scores.new_zeros(scores.shape[:-1]), torch.zeros_like(scores)
        for rows in slices(scores.shape[-1], scores.numel()):
            behind = -_differences(scores, rows)
            values += self._losses(F.softplus(behind), rows).sum((-2, -1))
            if keep:
                pull = self._losses(behind.sigmoid_(), rows)
                gradient += pull.sum(-2)
                gradient[..., rows] -= pull.sum(-1)
        return values, (gradient,)

    @override
    def backward(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
        return (kept[0] * upstream.unsqueeze(-1),)

    def _losses(self, each: Tensor, rows: slice) -> Tensor:
        """``each`` by its weight, where the item of a row is more relevant than that of a column; else 0."""
        kept = _kept(self.target, self.mask)
        pairs = self.target[..., rows].unsqueeze(-1) > self.target.unsqueeze(-2)
        pairs = pairs & kept[..., rows].unsqueeze(-1) & kept.unsqueeze(-2)
        return torch.where(pairs, each if self.weights is None else self.weights(rows) * each, 0.0)


def _ranks(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Places by score, 1 for the highest; ties as they stand, masked items last."""
    order = torch.sort(_without(scores.detach(), mask), dim=-1, descending=True, stable=True).indices
    return order.argsort(-1).to(scores.dtype) + 1.0


def _gains(target: Tensor, gain: Gain, mask: Tensor | None) -> Tensor:
    gains = torch.expm1(target * math.log(2.0)) if gain == "exponential" else target
    return torch.where(_kept(target, mask), gains, 0.0).detach()


def _ideal_dcg(gains: Tensor, k: int | None) -> Tensor:
    places = torch.arange(gains.shape[-1], device=gains.device, dtype=gains.dtype)
    return (gains.sort(-1, descending=True).values / torch.log2(2.0 + places))[..., :k].sum(-1)


def _relative_gains(target: Tensor, gain: Gain, k: int | None, mask: Tensor | None) -> Tensor:
    """The gains relative to the best DCG of the list; 0 where nothing is relevant."""
    gains = _gains(target, gain, mask)
    ideal = _ideal_dcg(gains, k)
    return gains / torch.where(ideal == 0, 1.0, ideal).unsqueeze(-1)
