"""Losses of a labelled batch: each sample is an anchor, the others are its positives and negatives.

All similarities of a batch of n are one n by n matrix, and nothing larger is built. The batch-hard triplets and the
N-pairs of classes need it only block by block.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    ClassIndex,
    Embedding,
    Fraction,
    NonNegative,
    Number,
    PairLoss,
    Positive,
    TripletLoss,
    Weighted,
    When,
    loss,
    reduce,
)

from .products import choice
from .similarity import DISTANCES, Distance, hardest, kept_logsumexp, largest, pairs, unit

__all__ = [
    "BatchHardTripletLoss", "CircleLoss", "MultiSimilarityLoss", "NPairsLoss", "NPairsMultilabelLoss",
    "batch_hard_triplet_loss", "circle_loss", "multi_similarity_loss", "n_pairs_loss", "n_pairs_multilabel_loss",
]  # fmt: skip


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n")],
        values="n",
        samples="interacting",
        sizes={"n": (8,), "c": (2,)},
        claims={"nonnegative", "permutation_invariant", When("scale_invariant", "distance == 'cosine'")},
        formula=r"\max\Big(0, m + \max_{p \ne a,\, y_p = y_a} d(a, p) - \min_{y_n \ne y_a} d(a, n)\Big)",
        source="arXiv:1703.07737, eq. 5",
        settings=[{"margin": None}, {"distance": "cosine", "margin": 0.5}, {"distance": "squared_euclidean"}],
        tune={"margin": (0.1, 0.2, 0.5, 1.0)},
        good_at={"hard negatives", "large margins"},
        bad_at={"label noise", "small batches", "unstable training"},
        known_as=("batch-hard triplet", "batch hard", "TriHard", "batch-hard soft margin triplet"),
        elsewhere={
            "pytorch-metric-learning": "BatchHardMiner with TripletMarginLoss; normalises the embeddings and, unless"
            " given MeanReducer, averages over the anchors above 0",
            "catalyst": "TripletLoss; an anchor without a positive of its own counts, with distance 0",
            "sentence-transformers": "BatchHardTripletLoss, margin 5, and BatchHardSoftMarginTripletLoss; an anchor"
            " without positives counts, with distance 0",
        },
    )
)  # fmt: skip
def batch_hard_triplet_loss(
    embeddings: Tensor,
    target: Tensor,
    *,
    margin: NonNegative | None = 0.2,
    distance: Distance = "euclidean",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """The triplet of each anchor with its farthest positive and its nearest negative in the batch.

    An anchor that has no positive or no negative there has no triplet: its value is 0 and does not count in the mean.
    Which two are the hardest is found without a gradient; it then flows through their distances alone.

    Args:
        embeddings: One vector per sample, ``(n, d)``.
        target: The class of each sample, any integer, ``(n,)``.
        margin: By how much the negative must be farther, in units of the distance. ``None`` is the soft margin
            log(1 + exp(d(a, p) - d(a, n))), which never falls silent.
        distance: "euclidean", "squared_euclidean" or "cosine" (1 less the cosine).
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[0.0], [1.0], [4.0], [0.5]])
    >>> batch_hard_triplet_loss(x, torch.tensor([0, 0, 1, 1]), reduction="none")
    tensor([0.7000, 0.7000, 0.7000, 3.2000])
    """
    positive, negative, both = hardest(embeddings, target, distance, mask)
    apart = DISTANCES[distance]
    excess = apart(embeddings, embeddings[positive]) - apart(embeddings, embeddings[negative])
    values = F.softplus(excess) if margin is None else F.relu(excess + margin)
    return reduce(values, mask=both, **how)


class BatchHardTripletLoss(PairLoss, of=batch_hard_triplet_loss):
    """Module form of :func:`batch_hard_triplet_loss`."""

    margin: NonNegative | None = 0.2
    distance: Distance = "euclidean"


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n")],
        values="n",
        samples="interacting",
        memory="quadratic",
        sizes={"n": (8,), "c": (2,)},
        claims={"nonnegative", "permutation_invariant", "scale_invariant"},
        stops_gradient=True,
        formula=r"\log\Big(1 + \sum_n e^{\gamma\, [s_n + m]_+ (s_n - m)}"
                r" \sum_p e^{-\gamma\, [1 + m - s_p]_+ (s_p - 1 + m)}\Big)",
        source="arXiv:2002.10857, eq. 5 and 6",
        settings=[{"margin": 0.25, "scale": 10.0}],
        tune={"margin": (0.25, 0.4), "scale": (32.0, 80.0, 256.0)},
        good_at={"hard negatives", "large margins"},
        bad_at={"label noise", "small batches"},
        known_as=("circle",),
        elsewhere={
            "pytorch-metric-learning": "CircleLoss(m, gamma); the same, averaged over the anchors above 0",
            "keras": "Circle(gamma, margin); expects unit vectors; the weights are differentiated too, which makes"
            " the gradient about 1.5 times as long; counts every anchor",
            "catalyst": "CircleLoss(margin, gamma); one sum over all pairs of the batch, not one per anchor",
        },
    )
)  # fmt: skip
def circle_loss(
    embeddings: Tensor,
    target: Tensor,
    *,
    margin: Fraction = 0.4,
    scale: Positive = 80.0,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Compares all positives with all negatives of an anchor, and pulls harder at those farther from their optimum.

    A positive is at its optimum at the cosine 1 + m and a negative at -m; the distance to it weighs the pull. As in the
    paper the weights are constants to the gradient, so the gradient is not the slope of the value. An anchor without a
    positive or without a negative in the batch has the value 0 and does not count in the mean.

    Args:
        embeddings: One vector per sample, of any length above 0, ``(n, d)``.
        target: The class of each sample, any integer, ``(n,)``.
        margin: The relaxation m, in [0, 1]: positives are asked to be above 1 - m and negatives below m.
        scale: The factor gamma of the cosines. The paper has 256 for faces and 80 for retrieval.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> circle_loss(x, torch.tensor([0, 0, 1]), margin=0.5, scale=1.0)  # log(1 + exp(-0.25 - 0.25))
    tensor(0.4741)
    """
    positives, negatives = pairs(target, mask)
    direction = unit(embeddings)
    similarity = direction @ direction.T
    constant = similarity.detach()
    pull = -scale * F.relu(1.0 + margin - constant) * (similarity - 1.0 + margin)
    push = scale * F.relu(constant + margin) * (similarity - margin)
    values = F.softplus(kept_logsumexp(pull, positives) + kept_logsumexp(push, negatives))
    return reduce(values, mask=positives.any(1) & negatives.any(1), **how)


class CircleLoss(PairLoss, of=circle_loss):
    """Module form of :func:`circle_loss`."""

    margin: Fraction = 0.4
    scale: Positive = 80.0


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n")],
        values="n",
        samples="interacting",
        memory="quadratic",
        sizes={"n": (8,), "c": (2,)},
        claims={"nonnegative", "permutation_invariant", "scale_invariant"},
        formula=r"\tfrac1\alpha \log\Big(1 + \sum_p e^{-\alpha (s_p - \lambda)}\Big)"
                r" + \tfrac1\beta \log\Big(1 + \sum_n e^{\beta (s_n - \lambda)}\Big)",
        source="arXiv:1904.06627, eq. 15, pairs by eq. 11 and 12",
        settings=[{"mining_margin": None}, {"alpha": 1.0, "beta": 20.0, "threshold": 0.8}],
        tune={"beta": (20.0, 50.0), "threshold": (0.5, 1.0)},
        good_at={"hard negatives"},
        bad_at={"label noise", "small batches"},
        known_as=("multi-similarity", "MS loss"),
        elsewhere={
            "pytorch-metric-learning": "MultiSimilarityLoss(alpha, beta, base); mines only with MultiSimilarityMiner",
            "authors' code": "threshold and mining margin fixed at 0.5 and 0.1; takes unit vectors; drops positives of"
            " cosine above 1 - 1e-5",
            "TensorFlow Similarity": "MultiSimilarityLoss(alpha, beta, epsilon, lmda); the formula on distances",
        },
    )
)  # fmt: skip
def multi_similarity_loss(
    embeddings: Tensor,
    target: Tensor,
    *,
    alpha: Positive = 2.0,
    beta: Positive = 50.0,
    threshold: Number = 0.5,
    mining_margin: NonNegative | None = 0.1,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Weighs each pair by its own similarity and by how it stands among the others of its anchor.

    A negative enters if it is more similar than the least similar positive less ``mining_margin``, a positive if it is
    less similar than the most similar negative plus it. An anchor whose pairs all stay out has the value 0 and counts
    in the mean, as in the paper.

    Args:
        embeddings: One vector per sample, of any length above 0, ``(n, d)``.
        target: The class of each sample, any integer, ``(n,)``.
        alpha: How much the least similar positives dominate.
        beta: How much the most similar negatives dominate.
        threshold: The cosine lambda that positives should exceed and negatives not.
        mining_margin: The epsilon of the choice of pairs, a difference of cosines; ``None`` takes all pairs.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> multi_similarity_loss(x, torch.tensor([0, 0, 1]), threshold=1.0, mining_margin=None)  # log(2) / 2 of two in 3
    tensor(0.2310)
    """
    positives, negatives = pairs(target, mask)
    direction = unit(embeddings)
    similarity = direction @ direction.T
    if mining_margin is not None:
        known = similarity.detach()
        worst_positive = -largest(-known, positives)[0].unsqueeze(1)
        worst_negative = largest(known, negatives)[0].unsqueeze(1)
        # "Not below" and not "above", so that NaN stays in and shows.
        negatives = negatives & ~(known + mining_margin <= worst_positive)
        positives = positives & ~(known - mining_margin >= worst_negative)
    pull = F.softplus(kept_logsumexp(-alpha * (similarity - threshold), positives)) / alpha
    push = F.softplus(kept_logsumexp(beta * (similarity - threshold), negatives)) / beta
    return reduce(pull + push, mask=mask, **how)


class MultiSimilarityLoss(PairLoss, of=multi_similarity_loss):
    """Module form of :func:`multi_similarity_loss`."""

    alpha: Positive = 2.0
    beta: Positive = 50.0
    threshold: Number = 0.5
    mining_margin: NonNegative | None = 0.1


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), Embedding("n d")],
        values="n",
        samples="interacting",
        claims={"nonnegative", "permutation_invariant", "smooth"},
        formula=r"\log\Big(1 + \sum_{j \ne i} e^{a_i \cdot p_j - a_i \cdot p_i}\Big)",
        source="Sohn, Improved deep metric learning with multi-class N-pair loss objective (NIPS 2016), section 3.2",
        good_at={"hard negatives", "smooth optimisation"},
        bad_at={"label noise", "small batches"},
        known_as=("N-pairs", "N-pair-mc", "N-pairs loss (and multilabel)"),
        elsewhere={
            "pytorch-metric-learning": "NPairsLoss; finds one pair per class in a labelled batch",
            "TensorFlow Addons": "npairs_loss; takes labels, so that a class may have several pairs: here"
            " n_pairs_multilabel_loss on one-hot labels",
        },
    )
)  # fmt: skip
def n_pairs_loss(anchor: Tensor, positive: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """Softmax cross-entropy of each anchor's inner products with all positives of the batch, its own being the class.

    Each pair is taken to be of another class. The inner products grow with the lengths of the vectors; the paper keeps
    these in check by adding their mean square, with a small factor, to the loss.

    Args:
        anchor: One vector per pair, ``(n, d)``.
        positive: The other vector of each pair, the same shape.
        mask: True where a pair takes part, ``(n,)``.

    >>> n_pairs_loss(torch.eye(2), torch.eye(2))  # log(1 + exp(0 - 1))
    tensor(0.3133)
    """
    return reduce(choice(anchor, positive, mask), mask=mask, **how)


class NPairsLoss(PairLoss, of=n_pairs_loss):
    """Module form of :func:`n_pairs_loss`."""


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), Embedding("n d"), Binary("n l")],
        values="n",
        samples="interacting",
        memory="quadratic",
        claims={"nonnegative", "permutation_invariant", "smooth"},
        formula=r"-\sum_j \frac{t_i \cdot t_j}{\sum_k t_i \cdot t_k} \log \frac{e^{a_i \cdot p_j}}"
                r"{\sum_k e^{a_i \cdot p_k}}",
        source="tfa.losses.npairs_multilabel_loss, after Sohn (NIPS 2016)",
        good_at={"smooth optimisation"},
        bad_at={"label noise", "small batches"},
        known_as=("N-pairs multilabel", "multi-label N-pairs"),
        elsewhere={"TensorFlow Addons": "npairs_multilabel_loss; the same, labels as sparse tensors"},
    )
)  # fmt: skip
def n_pairs_multilabel_loss(
    anchor: Tensor, positive: Tensor, target: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]
) -> Tensor:
    """:func:`n_pairs_loss` where pairs may share labels: each anchor's target is spread by the number of labels shared.

    A pair without any label has the value 0 and does not count in the mean, but is a negative of the others.

    Args:
        anchor: One vector per pair, ``(n, d)``.
        positive: The other vector of each pair, the same shape.
        target: 1 for each label that a pair has and 0 for each other, ``(n, l)``. One-hot rows are plain classes.
        mask: True where a pair takes part, ``(n,)``.

    >>> n_pairs_multilabel_loss(torch.eye(2), torch.eye(2), torch.ones(2, 1))  # log(1 + e) - (1 + 0) / 2
    tensor(0.8133)
    """
    product = anchor @ positive.T
    keep = torch.ones_like(product, dtype=torch.bool) if mask is None else mask.expand_as(product)
    shared = torch.where(keep, target @ target.T, 0.0)
    total = shared.sum(1)
    toward = (shared * product).sum(1) / torch.where(total > 0, total, 1.0)
    labelled = target.sum(1) > 0
    values = kept_logsumexp(product, keep) - toward
    return reduce(values, mask=labelled if mask is None else labelled & mask, **how)


class NPairsMultilabelLoss(TripletLoss, of=n_pairs_multilabel_loss):
    """Module form of :func:`n_pairs_multilabel_loss`."""
