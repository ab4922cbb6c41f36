"""Losses that tell the pairs of a batch from all else in it.

All similarities of a batch of n are an n by n matrix. But for SigLIP's it is computed block by block and never stored.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    ClassIndex,
    Embedding,
    PairLoss,
    Positive,
    PositiveReal,
    Real,
    Reduction,
    Weighted,
    When,
    Within,
    loss,
    reduce,
)
from lossary.core.constraints import require
from lossary.core.module import Call

from ..metric_learning.products import choice, log_sum_other_cosines, log_sum_others
from ..metric_learning.similarity import toward_class, unit

__all__ = [
    "CLIPLoss", "InfoNCELoss", "NTXentLoss", "SigLIPLoss", "SupConLoss", "clip_loss", "info_nce_loss",
    "nt_xent_loss", "siglip_loss", "sup_con_loss",
]  # fmt: skip


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("n d"), Embedding("n d")],
        values="n",
        samples="interacting",
        claims={"nonnegative", "symmetric", "permutation_invariant", "scale_invariant"},
        formula=r"\tfrac12 (\ell_{i,j} + \ell_{j,i}),\quad"
                r" \ell_{i,j} = -\log \frac{e^{\cos(z_i, z_j) / \tau}}{\sum_{k \ne i} e^{\cos(z_i, z_k) / \tau}}",
        source="arXiv:2002.05709, eq. 1",
        settings=[{"temperature": 0.5}],
        tune={"temperature": (0.05, 0.1, 0.2, 0.5)},
        good_at={"hard negatives"},
        bad_at={"small batches"},
        known_as=("NT-Xent", "SimCLR", "NT-Xent / SimCLR", "normalised temperature-scaled cross-entropy"),
        elsewhere={
            "pytorch-metric-learning": "NTXentLoss on labels, temperature 0.07; SelfSupervisedLoss(NTXentLoss()) on two"
            " views",
            "MONAI": "ContrastiveLoss, temperature 0.5; the same value, through an n by n by d tensor",
            "lightly": "NTXentLoss, temperature 0.5",
            "optax": "ntxent on labels, temperature 0.07",
        },
    )
)  # fmt: skip
def nt_xent_loss(
    first: Tensor,
    second: Tensor,
    *,
    temperature: Positive = 0.1,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Asks of each view that it be recognised as the other view of its sample among all views of the batch.

    One value per sample, the mean of its two views, so that the mean is the paper's over all 2n views.

    Args:
        first: One view of each sample, ``(n, d)``.
        second: The other view, the same shape.
        temperature: What the cosines are divided by; the lower it is, the more the most similar negatives count.
        mask: True where a sample takes part, ``(n,)``.

    >>> nt_xent_loss(torch.eye(2), torch.eye(2), temperature=1.0)  # log(1 + 2 exp(0 - 1))
    tensor(0.5514)
    """
    first, second = unit(first), unit(second)
    n, both = len(first), None if mask is None else mask.repeat(2)
    # Of the views of a sample, n rows apart, neither is a negative of the other.
    others = log_sum_other_cosines(torch.cat([first, second]), temperature, both, apart=(0, n, -n)).reshape(2, n)
    own = (first * second).sum(-1) / temperature
    return reduce(F.softplus(others - own).mean(0), mask=mask, **how)


class NTXentLoss(PairLoss, of=nt_xent_loss):
    """Module form of :func:`nt_xent_loss`."""

    temperature: Positive = 0.1


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("n d"), Embedding("n d")],
        values="n",
        samples="interacting",
        claims={"nonnegative", "permutation_invariant", When("scale_invariant", "similarity == 'cosine'"),
                When("smooth", "similarity == 'dot'")},
        formula=r"-\log \frac{e^{s(q_i, k_i) / \tau}}{\sum_j e^{s(q_i, k_j) / \tau}}",
        source="arXiv:1807.03748, eq. 4; arXiv:1705.00652, section 4.4",
        settings=[{"temperature": 0.5}, {"similarity": "dot", "temperature": 1.0}],
        tune={"temperature": (0.05, 0.1, 0.2)},
        good_at={"hard negatives"},
        bad_at={"small batches", "label noise"},
        known_as=("InfoNCE", "multiple negatives ranking", "MNRL", "InfoNCE / multiple-negatives ranking",
                  "in-batch negatives"),
        elsewhere={
            "info-nce-pytorch": "InfoNCE; the same, and can take other negatives than the batch's",
            "sentence-transformers": "MultipleNegativesRankingLoss(scale=20); the temperature is 1 / scale, 0.05",
        },
    )
)  # fmt: skip
def info_nce_loss(
    queries: Tensor,
    keys: Tensor,
    *,
    temperature: Positive = 0.1,
    similarity: Literal["cosine", "dot"] = "cosine",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Asks of each query that it pick its own key among all keys of the batch. The reverse is not asked.

    Its minimum bounds the mutual information of the two from below: that is at least log(n) less the loss.

    Args:
        queries: One vector per sample, ``(n, d)``.
        keys: The key of each query, the same shape.
        temperature: What the similarities are divided by.
        similarity: "cosine", or "dot" for the inner product.
        mask: True where a sample takes part, ``(n,)``.

    >>> info_nce_loss(torch.eye(2), torch.eye(2), temperature=1.0)  # log(1 + exp(0 - 1))
    tensor(0.3133)
    """
    if similarity == "cosine":
        queries, keys = unit(queries), unit(keys)
    return reduce(choice(queries / temperature, keys, mask), mask=mask, **how)


class InfoNCELoss(PairLoss, of=info_nce_loss):
    """Module form of :func:`info_nce_loss`."""

    temperature: Positive = 0.1
    similarity: Literal["cosine", "dot"] = "cosine"


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("n d"), Embedding("n d"), PositiveReal("")],
        values="n",
        samples="interacting",
        claims={"nonnegative", "symmetric", "permutation_invariant"},
        formula=r"-\tfrac12 \log \frac{e^{s \cos(x_i, y_i)}}{\sum_j e^{s \cos(x_i, y_j)}}"
                r" - \tfrac12 \log \frac{e^{s \cos(x_i, y_i)}}{\sum_j e^{s \cos(x_j, y_i)}}",
        source="arXiv:2103.00020, figure 3",
        good_at={"hard negatives"},
        bad_at={"small batches", "label noise"},
        known_as=("CLIP", "symmetric InfoNCE", "symmetric multiple negatives ranking", "image-text contrastive"),
        elsewhere={
            "open_clip": "ClipLoss; expects unit vectors and is given the scale at the call",
            "sentence-transformers": "MultipleNegativesSymmetricRankingLoss; the scale is fixed at 20",
        },
    )
)  # fmt: skip
def clip_loss(
    first: Tensor, second: Tensor, scale: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]
) -> Tensor:
    """Asks of each of two paired embeddings that it pick its partner among all of the batch, in both directions.

    Args:
        first: One embedding per pair, as of an image, ``(n, d)``.
        second: Its partner, as of the text, the same shape.
        scale: What the cosines are multiplied by, a number above 0, ``()``; :class:`CLIPLoss` owns and learns it.
        mask: True where a pair takes part, ``(n,)``.

    >>> clip_loss(torch.eye(2), torch.eye(2), torch.tensor(1.0))  # log(1 + exp(0 - 1))
    tensor(0.3133)
    """
    first, second = scale * unit(first), unit(second)
    others = log_sum_others(first, second, mask, both=True)
    return reduce(F.softplus(others - (first * second).sum(-1)).mean(0), mask=mask, **how)


class CLIPLoss(PairLoss, of=clip_loss):
    """Module form of :func:`clip_loss`, with its scale.

    ``log_scale`` is the parameter, whose exponential is the scale. CLIP holds the scale at 100 or below: call
    :meth:`limit_scale` after each step of the optimiser.
    """

    def __init__(self, *, scale: float = 1 / 0.07, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.log_scale = _log_parameter(self, "scale", scale)

    def forward(self, *tensors: Tensor, **call: Unpack[Call]) -> Tensor:
        return super().forward(*tensors, self.log_scale.exp(), **call)

    @torch.no_grad()
    def limit_scale(self, maximum: float = 100.0) -> None:
        """Lower the scale to ``maximum``, a number above 0, if it is above."""
        require(Within(0.0, above=True), "CLIPLoss.limit_scale", "maximum", maximum)
        self.log_scale.clamp_(max=math.log(maximum))


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("n d"), Embedding("n d"), PositiveReal(""), Real("")],
        values="n",
        samples="interacting",
        memory="quadratic",
        claims={"nonnegative", "permutation_invariant"},
        formula=r"\sum_j \mathrm{softplus}\big(-z_{ij} (s \cos(x_i, y_j) + b)\big),\quad"
                r" z_{ii} = 1,\ z_{ij} = -1 \text{ for } j \ne i",
        source="arXiv:2303.15343, algorithm 1",
        good_at={"small batches"},
        bad_at={"label noise"},
        known_as=("SigLIP", "SigLIP sigmoid", "sigmoid contrastive"),
        elsewhere={
            "open_clip": "SigLipLoss; expects unit vectors and is given scale and bias at the call; the same value",
        },
    )
)  # fmt: skip
def siglip_loss(
    first: Tensor, second: Tensor, scale: Tensor, bias: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]
) -> Tensor:
    """Asks of every pair of the batch, by itself, whether the two belong together: no softmax over the batch.

    The value of one sample sums over all that its first embedding is paired with, so the mean grows with the batch.

    Args:
        first: One embedding per pair, as of an image, ``(n, d)``.
        second: Its partner, as of the text, the same shape.
        scale: What the cosines are multiplied by, a number above 0, ``()``; :class:`SigLIPLoss` owns and learns it.
        bias: What is then added, ``()``; :class:`SigLIPLoss` owns and learns it.
        mask: True where a pair takes part, ``(n,)``.

    >>> x, zero = torch.eye(2), torch.tensor(0.0)
    >>> siglip_loss(x, x, torch.tensor(1.0), zero)  # log(1 + exp(-1)) + log(2)
    tensor(1.0064)
    """
    logits = scale * unit(first) @ unit(second).T + bias
    own = torch.eye(len(first), dtype=torch.bool, device=first.device)
    each = F.softplus(torch.where(own, -logits, logits))
    if mask is not None:
        each = torch.where(mask, each, 0.0)  # whole columns; the rows are the reduction's
    return reduce(each.sum(1), mask=mask, **how)


class SigLIPLoss(PairLoss, of=siglip_loss):
    """Module form of :func:`siglip_loss`, with its scale and bias.

    ``log_scale``, whose exponential is the scale, and ``bias`` are the parameters. They begin at a scale of 10 and a
    bias of -10, where the many negatives of a batch cost little.
    """

    def __init__(self, *, scale: float = 10.0, bias: float = -10.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.log_scale = _log_parameter(self, "scale", scale)
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, *tensors: Tensor, **call: Unpack[Call]) -> Tensor:
        return super().forward(*tensors, self.log_scale.exp(), self.bias, **call)


@loss(
    Card(
        task=("metric learning", "self-supervised learning"),
        inputs=[Embedding("n d"), ClassIndex("n")],
        values="n",
        samples="interacting",
        sizes={"n": (8,), "c": (2,)},
        claims={"nonnegative", "permutation_invariant", "scale_invariant"},
        formula=r"-\frac1{|P(i)|} \sum_{p \in P(i)} \log \frac{e^{\cos(z_i, z_p) / \tau}}"
                r"{\sum_{a \ne i} e^{\cos(z_i, z_a) / \tau}}",
        source="arXiv:2004.11362, eq. 2",
        settings=[{"temperature": 0.5}],
        tune={"temperature": (0.05, 0.1, 0.2)},
        good_at={"hard negatives"},
        bad_at={"small batches", "label noise"},
        known_as=("supervised contrastive", "SupCon"),
        elsewhere={
            "pytorch-metric-learning": "SupConLoss; the same, averaged over the anchors above 0",
            "catalyst": "SupervisedContrastiveLoss; by default the paper's eq. 3, with the sum over positives inside"
            " the logarithm; pos_aggregation='out' is eq. 2",
            "authors' code": "multiplies by temperature / base_temperature, 0.07 by default",
        },
    )
)  # fmt: skip
def sup_con_loss(
    embeddings: Tensor,
    target: Tensor,
    *,
    temperature: Positive = 0.1,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """:func:`nt_xent_loss` with labels: all samples of a class are each other's positives.

    For several views of each sample, concatenate the views and repeat the labels. An anchor without a positive in the
    batch has the value 0 and does not count in the mean.

    Args:
        embeddings: One vector per sample or view, of any length above 0, ``(n, d)``.
        target: The class of each, any integer, ``(n,)``.
        temperature: What the cosines are divided by.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> sup_con_loss(x, torch.tensor([0, 0, 1]), temperature=1.0)  # log(1 + exp(0 - 1))
    tensor(0.3133)
    """
    direction = unit(embeddings)
    toward, number = toward_class(direction, target, mask)
    others = log_sum_other_cosines(direction, temperature, mask)
    return reduce(others - toward / temperature, mask=number > 0, **how)


class SupConLoss(PairLoss, of=sup_con_loss):
    """Module form of :func:`sup_con_loss`."""

    temperature: Positive = 0.1


def _log_parameter(owner: nn.Module, name: str, value: float) -> nn.Parameter:
    require(Within(0.0, above=True), type(owner).__name__, name, value)
    return nn.Parameter(torch.tensor(math.log(value)))
