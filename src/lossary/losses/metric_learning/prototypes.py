"""Losses against one learned vector per class: its prototype, also called its proxy, centre or weight vector."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    ClassIndex,
    ClassWeight,
    Embedding,
    LossInputError,
    NonNegative,
    PairLoss,
    Positive,
    Reduce,
    Reduction,
    Weighted,
    When,
    Within,
    loss,
    reduce,
    reduce_classes,
)
from lossary.core.constraints import require
from lossary.core.module import Call

from .similarity import kept_logsumexp, length, unit

__all__ = [
    "ArcFaceLoss", "CosFaceLoss", "NormFaceLoss", "ProxyAnchorLoss", "ProxyNCALoss",
    "arcface_loss", "cosface_loss", "normface_loss", "proxy_anchor_loss", "proxy_nca_loss",
]  # fmt: skip

Angle = Annotated[float, Within(0.0, math.pi, below=True)]
"""An angle in radians, from 0 to below pi."""

_WEIGHTS = torch.tensor([0.5, 1.0, 2.0])


class PrototypeLoss(PairLoss):
    """Abstract: losses of embeddings and their classes that learn one prototype per class.

    ``prototypes`` is the parameter, ``(num_classes, embedding_dim)``, drawn from a standard normal distribution: its
    directions are uniform, and only these matter.
    """

    def __init__(self, num_classes: int, embedding_dim: int, **hyperparameters: Any) -> None:
        for name, value in (("num_classes", num_classes), ("embedding_dim", embedding_dim)):
            require(Within(1, whole=True), type(self).__name__, name, value)
        super().__init__(**hyperparameters)
        self.prototypes = nn.Parameter(torch.randn(num_classes, embedding_dim))

    def forward(self, *tensors: Tensor, **call: Unpack[Call]) -> Tensor:
        return super().forward(*tensors, self.prototypes, **call)

    def extra_repr(self) -> str:
        num_classes, embedding_dim = self.prototypes.shape
        return f"num_classes={num_classes}, embedding_dim={embedding_dim}, {super().extra_repr()}"


def _angular_softmax(
    turned: Callable[[Tensor, Tensor], Tensor],
    embeddings: Tensor,
    target: Tensor,
    prototypes: Tensor,
    *,
    scale: float,
    class_weight: Tensor | None,
    ignore_index: int,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy over scaled cosines with the prototypes; to the own one the cosine is what ``turned`` says.

    ``turned`` is given the directions of the embeddings and of their own prototypes, row by row.
    """

    def values_of(embeddings: Tensor, target: Tensor) -> Tensor:
        direction, toward = unit(embeddings), unit(prototypes)
        own = turned(direction, toward[target])
        logits = scale * (direction @ toward.T).scatter(1, target.unsqueeze(1), own.unsqueeze(1))
        return F.cross_entropy(logits, target, weight=class_weight, reduction="none")

    return reduce_classes(values_of, embeddings, target, class_weight=class_weight, ignore_index=ignore_index, **how)


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n"), Embedding("c d")],
        values="n",
        claims={"nonnegative", "scale_invariant"},
        formula=r"-\log \frac{e^{s \cos \theta_y}}{\sum_j e^{s \cos \theta_j}}",
        source="arXiv:1704.06369, section 3",
        settings=[{"scale": 64.0, "class_weight": _WEIGHTS}],
        tune={"scale": (10.0, 20.0, 30.0, 64.0)},
        likelihood={"scale"},
        good_at={"many classes", "smooth optimisation"},
        bad_at={"large margins", "label noise"},
        known_as=("NormFace", "normalised softmax", "normalized softmax", "cosine softmax"),
        elsewhere={
            "pytorch-metric-learning": "NormalizedSoftmaxLoss(temperature=0.05); its scale is 1 / temperature, and by"
            " default the embeddings are normalised too",
        },
    )
)
def normface_loss(
    embeddings: Tensor,
    target: Tensor,
    prototypes: Tensor,
    *,
    scale: Positive = 20.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Softmax cross-entropy over the cosines of an embedding with one prototype per class; lengths don't matter.

    A zero vector has the cosine 0 with everything and gets no gradient.

    Args:
        embeddings: One vector per sample, ``(n, d)``.
        target: The class of each sample, in [0, c), ``(n,)``.
        prototypes: One vector per class, ``(c, d)``; :class:`NormFaceLoss` owns and learns them.
        scale: What the cosines are multiplied by. The smaller it is, the less the loss can approach 0.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> x = torch.tensor([[2.0, 0.0]])
    >>> normface_loss(x, torch.tensor([0]), torch.eye(2), scale=1.0)  # log(1 + exp(0 - 1))
    tensor(0.3133)
    """

    def same(direction: Tensor, own: Tensor) -> Tensor:
        return (direction * own).sum(-1)

    return _angular_softmax(
        same, embeddings, target, prototypes, scale=scale, class_weight=class_weight, ignore_index=ignore_index, **how
    )


class NormFaceLoss(PrototypeLoss, of=normface_loss):
    """Module form of :func:`normface_loss`, with its prototypes."""

    scale: Positive = 20.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        scale: float = 20.0,
        class_weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            scale=scale,
            class_weight=class_weight,
            ignore_index=ignore_index,
            reduction=reduction,
        )


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n"), Embedding("c d")],
        values="n",
        claims={"nonnegative", "scale_invariant"},
        formula=r"-\log \frac{e^{s (\cos \theta_y - m)}}"
                r"{e^{s (\cos \theta_y - m)} + \sum_{j \ne y} e^{s \cos \theta_j}}",
        source="arXiv:1801.09414, eq. 4; arXiv:1801.05599",
        settings=[{"margin": 0.2, "scale": 30.0, "class_weight": _WEIGHTS}],
        tune={"margin": (0.1, 0.2, 0.35), "scale": (30.0, 64.0)},
        good_at={"many classes", "large margins"},
        bad_at={"label noise", "small batches"},
        known_as=("CosFace", "AM-softmax", "CosFace / AM-softmax", "large margin cosine", "LMCL"),
        elsewhere={"pytorch-metric-learning": "CosFaceLoss; the same"},
    )
)  # fmt: skip
def cosface_loss(
    embeddings: Tensor,
    target: Tensor,
    prototypes: Tensor,
    *,
    margin: NonNegative = 0.35,
    scale: Positive = 64.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """:func:`normface_loss` that takes ``margin`` off the cosine with the own prototype.

    A zero vector has the cosine 0 with everything and gets no gradient.

    Args:
        embeddings: One vector per sample, ``(n, d)``.
        target: The class of each sample, in [0, c), ``(n,)``.
        prototypes: One vector per class, ``(c, d)``; :class:`CosFaceLoss` owns and learns them.
        margin: By how much the cosine with the own prototype must be the larger one.
        scale: What the cosines are multiplied by.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> x = torch.tensor([[2.0, 0.0]])
    >>> cosface_loss(x, torch.tensor([0]), torch.eye(2), margin=0.5, scale=1.0)  # log(1 + exp(0 - 0.5))
    tensor(0.4741)
    """

    def turned(direction: Tensor, own: Tensor) -> Tensor:
        return (direction * own).sum(-1) - margin

    return _angular_softmax(
        turned, embeddings, target, prototypes, scale=scale, class_weight=class_weight, ignore_index=ignore_index, **how
    )


class CosFaceLoss(PrototypeLoss, of=cosface_loss):
    """Module form of :func:`cosface_loss`, with its prototypes."""

    margin: NonNegative = 0.35
    scale: Positive = 64.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.35,
        scale: float = 64.0,
        class_weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            margin=margin,
            scale=scale,
            class_weight=class_weight,
            ignore_index=ignore_index,
            reduction=reduction,
        )


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n"), Embedding("c d")],
        values="n",
        claims={"nonnegative", "scale_invariant"},
        formula=r"-\log \frac{e^{s \cos(\theta_y + m)}}{e^{s \cos(\theta_y + m)} + \sum_{j \ne y} e^{s \cos \theta_j}}",
        source="arXiv:1801.07698, eq. 3",
        settings=[{"margin": 0.3, "scale": 30.0, "class_weight": _WEIGHTS}, {"beyond": "cosine"}, {"beyond": "easy"}],
        tune={"margin": (0.1, 0.3, 0.5), "scale": (30.0, 64.0)},
        good_at={"many classes", "large margins"},
        bad_at={"label noise", "small batches"},
        known_as=("ArcFace", "additive angular margin", "ArcFace (additive angular margin)", "AAM-softmax"),
        elsewhere={
            "pytorch-metric-learning": "ArcFaceLoss; margin in degrees, 28.6 by default; beyond='shifted'; the gradient"
            " is NaN at a cosine of exactly 1 or -1",
            "InsightFace": "margin in radians; beyond='shifted' in older versions, 'cosine' in later ones, and"
            " easy_margin=True is beyond='easy'",
        },
    )
)  # fmt: skip
def arcface_loss(
    embeddings: Tensor,
    target: Tensor,
    prototypes: Tensor,
    *,
    margin: Angle = 0.5,
    scale: Positive = 64.0,
    beyond: Literal["shifted", "cosine", "easy"] = "shifted",
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """:func:`normface_loss` that widens the angle to the own prototype by ``margin``.

    Computed without an arc cosine, from the sine and the cosine of the angle, so that value and gradient are exact up
    to angles of 0 and pi. At these two the direction of the pull is undefined and its part of the gradient is 0. A zero
    vector gets no gradient.

    Args:
        embeddings: One vector per sample, ``(n, d)``.
        target: The class of each sample, in [0, c), ``(n,)``.
        prototypes: One vector per class, ``(c, d)``; :class:`ArcFaceLoss` owns and learns them.
        margin: What is added to the angle, in radians, in [0, pi).
        scale: What the cosines are multiplied by.
        beyond: What replaces cos(angle + margin) where it would rise again, at angles above pi - margin. "shifted":
            cos(angle) - margin * sin(margin), as in the authors' first code, so that a larger angle always costs more;
            the value jumps there. "cosine": nothing, as in the paper's equation. "easy": the bare cosine already above
            an angle of pi / 2, so that the margin is asked only of samples that are nearly right.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> x = torch.tensor([[2.0, 0.0]])
    >>> arcface_loss(x, torch.tensor([0]), torch.eye(2), margin=torch.pi / 3, scale=1.0)  # log(1 + exp(0 - 0.5))
    tensor(0.4741)
    """

    def turned(direction: Tensor, own: Tensor) -> Tensor:
        cosine = (direction * own).sum(-1)
        # Of the chords to both ends of the diameter: near 0 and pi the root of 1 - cosine^2 has half the digits and an
        # infinite slope.
        sine = 0.5 * length(direction - own) * length(direction + own)
        m = torch.as_tensor(margin, dtype=cosine.dtype, device=cosine.device)
        widened = cosine * m.cos() - sine * m.sin()
        if beyond == "shifted":
            return torch.where(cosine > -m.cos(), widened, cosine - m * m.sin())
        return torch.where(cosine > 0, widened, cosine) if beyond == "easy" else widened

    return _angular_softmax(
        turned, embeddings, target, prototypes, scale=scale, class_weight=class_weight, ignore_index=ignore_index, **how
    )


class ArcFaceLoss(PrototypeLoss, of=arcface_loss):
    """Module form of :func:`arcface_loss`, with its prototypes."""

    margin: Angle = 0.5
    scale: Positive = 64.0
    beyond: Literal["shifted", "cosine", "easy"] = "shifted"
    class_weight: ClassWeight | None = None
    ignore_index: int = -100

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.5,
        scale: float = 64.0,
        beyond: Literal["shifted", "cosine", "easy"] = "shifted",
        class_weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            margin=margin,
            scale=scale,
            beyond=beyond,
            class_weight=class_weight,
            ignore_index=ignore_index,
            reduction=reduction,
        )


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n"), Embedding("c d")],
        values="n",
        claims={When("nonnegative", "include_own"), "scale_invariant"},
        formula=r"-\log \frac{e^{-s\, d(x, p_y)}}{\sum_{z \ne y} e^{-s\, d(x, p_z)}},\quad"
                r" d(x, p) = \Big\|\frac{x}{\|x\|} - \frac{p}{\|p\|}\Big\|^2",
        source="arXiv:1703.07464, algorithm 1; with include_own arXiv:2004.01113",
        settings=[{"include_own": True, "scale": 9.0}, {"class_weight": _WEIGHTS}],
        tune={"scale": (1.0, 3.0, 9.0)},
        good_at={"many classes"},
        bad_at={"label noise", "large margins"},
        known_as=("Proxy-NCA", "ProxyNCA", "ProxyNCA++"),
        elsewhere={
            "pytorch-metric-learning": "ProxyNCALoss(softmax_scale=1); include_own=True, although named for the paper"
            " that leaves it out; leaves out of the mean what underflows to a probability of 0",
            "authors of ProxyNCA++": "include_own=True, scale 9 (their factor 3 multiplies the vectors)",
        },
    )
)  # fmt: skip
def proxy_nca_loss(
    embeddings: Tensor,
    target: Tensor,
    prototypes: Tensor,
    *,
    scale: Positive = 1.0,
    include_own: bool = False,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Neighbourhood component analysis against proxies: near the own one by the odds against all the others.

    The own proxy is not among those compared with, so the loss goes below 0 where it is clearly the nearest. A zero
    vector is equally far from all and gets no gradient.

    Args:
        embeddings: One vector per sample, ``(n, d)``.
        target: The class of each sample, in [0, c), ``(n,)``.
        prototypes: One proxy per class, ``(c, d)``; :class:`ProxyNCALoss` owns and learns them.
        scale: What the squared distances of the unit vectors are multiplied by, the inverse of a temperature.
        include_own: Whether the own proxy is in the denominator too, as in ProxyNCA++. The loss is then a cross-entropy
            and at least 0.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    Raises:
        LossInputError: if there is only one proxy and nothing to compare it with.

    >>> x = torch.tensor([[2.0, 0.0]])
    >>> proxy_nca_loss(x, torch.tensor([0]), torch.eye(2))  # 0 - 2
    tensor(-2.)
    """
    if not include_own and len(prototypes) < 2:
        raise LossInputError(f"proxy_nca_loss: `prototypes` must have at least 2 rows, got {len(prototypes)}.")

    def values_of(embeddings: Tensor, target: Tensor) -> Tensor:
        near = 2.0 * scale * unit(embeddings) @ unit(prototypes).T  # a constant less the squared distance
        if include_own:
            return F.cross_entropy(near, target, weight=class_weight, reduction="none")
        own = target.unsqueeze(1)
        values = near.scatter(1, own, -torch.inf).logsumexp(1) - near.gather(1, own).squeeze(1)
        return values if class_weight is None else class_weight[target] * values

    return reduce_classes(values_of, embeddings, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class ProxyNCALoss(PrototypeLoss, of=proxy_nca_loss):
    """Module form of :func:`proxy_nca_loss`, with its proxies."""

    scale: Positive = 1.0
    include_own: bool = False
    class_weight: ClassWeight | None = None
    ignore_index: int = -100

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        scale: float = 1.0,
        include_own: bool = False,
        class_weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            scale=scale,
            include_own=include_own,
            class_weight=class_weight,
            ignore_index=ignore_index,
            reduction=reduction,
        )


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("n d"), ClassIndex("n"), Embedding("c d")],
        values="",
        mask="n",
        samples="interacting",
        claims={"nonnegative", "permutation_invariant", "scale_invariant"},
        formula=r"\frac1{|P^+|} \sum_{p \in P^+} \log\Big(1 + \sum_{x \in p} e^{-s (\cos(x, p) - m)}\Big)"
                r" + \frac1{|P|} \sum_p \log\Big(1 + \sum_{x \notin p} e^{s (\cos(x, p) + m)}\Big)",
        source="arXiv:2003.13911, eq. 4",
        settings=[{"margin": 0.3, "scale": 10.0}],
        tune={"scale": (16.0, 32.0, 64.0)},
        good_at={"many classes", "hard negatives"},
        bad_at={"label noise"},
        known_as=("Proxy-anchor", "proxy anchor"),
        elsewhere={"pytorch-metric-learning": "ProxyAnchorLoss(margin, alpha); the same, alpha being the scale"},
    )
)  # fmt: skip
def proxy_anchor_loss(
    embeddings: Tensor,
    target: Tensor,
    prototypes: Tensor,
    *,
    margin: NonNegative = 0.1,
    scale: Positive = 32.0,
    ignore_index: int = -100,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Each proxy is an anchor that pulls the samples of its class and pushes all others, the hardest ones most.

    One value for the batch. Proxies without a sample in the batch only push.

    Args:
        embeddings: One vector per sample, ``(n, d)``.
        target: The class of each sample, in [0, c), ``(n,)``.
        prototypes: One proxy per class, ``(c, d)``; :class:`ProxyAnchorLoss` owns and learns them.
        margin: Samples are asked for a cosine above it with their own proxy, and below its negative with the others.
        scale: What the cosines are multiplied by; the larger it is, the more the hardest samples count.
        ignore_index: Samples with this target take no part.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[2.0, 0.0]])
    >>> proxy_anchor_loss(x, torch.tensor([0]), torch.eye(2), margin=0.0, scale=1.0)  # log(1 + 1/e) + log(2) / 2
    tensor(0.6598)
    """
    here = target != ignore_index if mask is None else mask & (target != ignore_index)
    similarity = unit(torch.where(here.unsqueeze(1), embeddings, 0.0)) @ unit(prototypes).T
    own = target.unsqueeze(1) == torch.arange(len(prototypes), device=target.device)
    positives, negatives = own & here.unsqueeze(1), ~own & here.unsqueeze(1)
    pull = F.softplus(kept_logsumexp(-scale * (similarity - margin), positives, 0))
    push = F.softplus(kept_logsumexp(scale * (similarity + margin), negatives, 0))
    pulling = positives.any(0).sum().clamp(min=1)
    return reduce(pull.sum() / pulling + push.sum() / max(len(prototypes), 1), **how)


class ProxyAnchorLoss(PrototypeLoss, of=proxy_anchor_loss):
    """Module form of :func:`proxy_anchor_loss`, with its proxies."""

    margin: NonNegative = 0.1
    scale: Positive = 32.0
    ignore_index: int = -100

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.1,
        scale: float = 32.0,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            num_classes, embedding_dim, margin=margin, scale=scale, ignore_index=ignore_index, reduction=reduction
        )
