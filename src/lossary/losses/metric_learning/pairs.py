"""Losses of given pairs and triplets: what is compared with what is said by the caller."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    Embedding,
    NonNegative,
    NonNegativeReal,
    OneOf,
    PairLoss,
    Positive,
    Reduce,
    Sign,
    TripletLoss,
    When,
    Within,
    loss,
    reduce,
)
from lossary.kernels import Element, maximum, sqrt, where
from lossary.kernels.vectors import Vectors

from .similarity import DISTANCES, Distance, cosine, length

__all__ = [
    "ContrastiveLoss", "CosineEmbeddingLoss", "HingeEmbeddingLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss", "contrastive_loss", "cosine_embedding_loss", "hinge_embedding_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


@dataclass(frozen=True)
class _NameOrFunction(OneOf):
    """One of a few names, or a function of your own."""

    def allows(self, value: Any) -> bool:
        return callable(value) or super().allows(value)

    def __str__(self) -> str:
        return f"{super().__str__()}, or a function"


DistanceFunction = Annotated[
    Distance | Callable[[Tensor, Tensor], Tensor], _NameOrFunction(("euclidean", "squared_euclidean", "cosine"))
]
"""A distance by its name, or a function of two tensors ``(*n, d)`` that returns ``(*n)``."""


def _inverse(x: Element) -> Element:
    return where(x == 0.0, 0.0, 1.0 / where(x == 0.0, 1.0, x))


def _contrastive(square: Element, target: Element, margin: Element) -> tuple[Element, Element]:
    distance = sqrt(square)
    lacking = maximum(margin - distance, 0.0)
    value = 0.5 * (target * square + (1.0 - target) * lacking * lacking)
    return value, target - (1.0 - target) * lacking * _inverse(distance)


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("*n d"), Embedding("*n d"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "symmetric"},
        formula=r"\tfrac12\, y\, d^2 + \tfrac12 (1 - y) \max(0, m - d)^2,\quad d = \|x_1 - x_2\|",
        source="Hadsell et al., Dimensionality reduction by learning an invariant mapping (CVPR 2006), eq. 4",
        settings=[{"margin": 4.0}],
        tune={"margin": (0.5, 1.0, 2.0)},
        good_at={"small batches", "memory"},
        bad_at={"label noise", "hard negatives"},
        known_as=("contrastive (pair margin)", "pair contrastive", "siamese contrastive", "margin contrastive"),
        elsewhere={
            "sentence-transformers": "ContrastiveLoss; the same value, on cosine distance unless told otherwise, margin"
            " 0.5",
            "catalyst": "ContrastiveEmbeddingLoss; target 1 means different, and only reduction='mean' has the factor"
            " 1/2",
            "pytorch-metric-learning": "ContrastiveLoss; makes the pairs from labels, takes d instead of d^2 and no"
            " factor 1/2, and averages positives and negatives apart, each over those above 0",
            "TensorFlow Addons": "contrastive_loss; takes distances, no factor 1/2",
        },
    ),
    kernel=Vectors(_contrastive, of="difference", labelled=True),
)  # fmt: skip
def contrastive_loss(
    first: Tensor, second: Tensor, target: Tensor, *, margin: Positive = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    """Pulls the two of an equal pair together and pushes those of a different pair apart until ``margin``.

    At two equal vectors of a different pair, where the direction apart is undefined, the gradient is 0.

    Args:
        first: Embeddings ``(*n, d)``.
        second: The embeddings that they are paired with, the same shape.
        target: 1 where the two are of one kind and 0 where not, ``(*n)``. The paper's Y is 1 less this.
        margin: The distance, in units of the embeddings, beyond which a different pair costs nothing.

    >>> a = torch.zeros(3, 1)
    >>> contrastive_loss(a, a + 0.6, torch.tensor([1.0, 0.0, 0.0]), reduction="none")
    tensor([0.1800, 0.0800, 0.0800])
    """
    difference = first - second
    near = difference.square().sum(-1)
    far = F.relu(margin - length(difference)).square()
    return reduce(0.5 * (target * near + (1.0 - target) * far), **how)


class ContrastiveLoss(TripletLoss, of=contrastive_loss):
    """Module form of :func:`contrastive_loss`."""

    margin: Positive = 1.0


def _cosine_embedding(alike: Element, target: Element, margin: Element) -> tuple[Element, Element]:
    above = maximum(alike - margin, 0.0)
    return where(target > 0.0, 1.0 - alike, above), where(target > 0.0, -1.0, where(above <= 0.0, 0.0, 1.0))


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("*n d"), Embedding("*n d"), Sign("*n")],
        values="*n",
        claims={"nonnegative", "symmetric", "scale_invariant"},
        formula=r"\begin{cases} 1 - \cos(x_1, x_2) & y = 1 \\ \max(0, \cos(x_1, x_2) - m) & y = -1 \end{cases}",
        source="torch.nn.CosineEmbeddingLoss",
        settings=[{"margin": 0.5}, {"margin": -0.5}],
        tune={"margin": (0.0, 0.25, 0.5)},
        good_at={"small batches", "memory"},
        bad_at={"hard negatives"},
        known_as=("cosine embedding",),
    ),
    kernel=Vectors(_cosine_embedding, of="direction", labelled=True),
)  # fmt: skip
def cosine_embedding_loss(
    first: Tensor,
    second: Tensor,
    target: Tensor,
    *,
    margin: Annotated[float, Within(-1.0, 1.0)] = 0.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Turns the two of an equal pair to one direction, and those of a different pair to a cosine below ``margin``.

    The cosine with a zero vector is 0, with a zero gradient. (That of ``torch.nn`` is 0 too, with a gradient of up to
    a million.)

    Args:
        first: Embeddings ``(*n, d)``.
        second: The embeddings that they are paired with, the same shape.
        target: 1 where the two are of one kind and -1 where not, ``(*n)``.
        margin: The cosine below which a different pair costs nothing, in [-1, 1].

    >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    >>> cosine_embedding_loss(x, y, torch.tensor([1.0])), cosine_embedding_loss(x, y, torch.tensor([-1.0]))
    (tensor(0.4000), tensor(0.6000))
    """
    alike = cosine(first, second)
    return reduce(torch.where(target > 0, 1.0 - alike, F.relu(alike - margin)), **how)


class CosineEmbeddingLoss(TripletLoss, of=cosine_embedding_loss):
    """Module form of :func:`cosine_embedding_loss`."""

    margin: Annotated[float, Within(-1.0, 1.0)] = 0.0


@loss(
    Card(
        task="metric learning",
        inputs=[NonNegativeReal("*n"), Sign("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient"},
        formula=r"\begin{cases} x & y = 1 \\ \max(0, m - x) & y = -1 \end{cases}",
        source="torch.nn.HingeEmbeddingLoss",
        settings=[{"margin": 3.0}],
        tune={"margin": (0.5, 1.0, 2.0)},
        good_at={"outliers", "speed"},
        bad_at={"smooth optimisation"},
        known_as=("hinge embedding",),
    )
)
def hinge_embedding_loss(
    distance: Tensor, target: Tensor, *, margin: NonNegative = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    """A distance that is itself the loss of an equal pair; of a different pair, what it lacks of ``margin``.

    Args:
        distance: Distance of the two of each pair, at least 0, any shape ``(*n)``.
        target: 1 where the two are of one kind and -1 where not, the same shape.
        margin: The distance beyond which a different pair costs nothing.

    >>> hinge_embedding_loss(torch.tensor([0.3, 0.3]), torch.tensor([1.0, -1.0]), reduction="none")
    tensor([0.3000, 0.7000])
    """
    return reduce(torch.where(target > 0, distance, F.relu(margin - distance)), **how)


class HingeEmbeddingLoss(PairLoss, of=hinge_embedding_loss):
    """Module form of :func:`hinge_embedding_loss`."""

    margin: NonNegative = 1.0


def _triplet(near: Element, far: Element, margin: Element) -> tuple[Element, Element, Element]:
    near, far = sqrt(near), sqrt(far)
    value = maximum(near - far + margin, 0.0)
    return value, where(value <= 0.0, 0.0, _inverse(near)), where(value <= 0.0, 0.0, -_inverse(far))


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("*n d"), Embedding("*n d"), Embedding("*n d")],
        values="*n",
        claims={"nonnegative", "bounded_gradient"},
        formula=r"\max\big(0, \|a - p + \epsilon\|_p - \|a - n + \epsilon\|_p + m\big)",
        source="Balntas et al., Learning local feature descriptors with triplets and shallow CNNs (BMVC 2016)",
        settings=[{"margin": 0.2, "p": 1.0}, {"swap": True}],
        tune={"margin": (0.1, 0.3, 1.0)},
        good_at={"small batches", "memory", "large margins"},
        bad_at={"hard negatives", "label noise"},
        known_as=("triplet margin", "triplet", "triplet margin loss (incl. swap, custom distance)", "triplet hinge"),
        elsewhere={
            "optax": "triplet_margin_loss; the same; its eps is added to the sum of powers, inside the root",
            "pytorch-metric-learning": "TripletMarginLoss; margin 0.05, makes all triplets of a batch from labels,"
            " normalises the embeddings, and averages over the triplets above 0",
            "TensorFlow Similarity": "TripletLoss; mines in the batch, squared Euclidean or cosine distance",
        },
    ),
    kernel=Vectors(_triplet, of="triplet", shift="eps", only={"p": 2.0, "swap": False}),
)  # fmt: skip
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: Positive = 1.0,
    p: Positive = 2.0,
    eps: NonNegative = 1e-6,
    swap: bool = False,
    **how: Unpack[Reduce],
) -> Tensor:
    """Asks that the negative be farther from the anchor than the positive by ``margin``; silent once it is.

    FaceNet takes the squared distance of unit vectors: :func:`triplet_margin_with_distance_loss`.

    Args:
        anchor: Embeddings ``(*n, d)``.
        positive: For each anchor one of its kind, the same shape.
        negative: For each anchor one of another kind, the same shape.
        margin: By how much the negative must be farther, in units of the embeddings.
        p: Order of the norm; 2 is Euclidean, 1 sums the absolute differences.
        eps: Added to each difference, as in torch.
        swap: Whether the distance from negative to positive counts where it is the smaller one (Balntas's anchor swap).

    >>> triplet_margin_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2), margin=2.0)
    tensor(0.5858)
    """
    near = F.pairwise_distance(anchor, positive, p, eps)
    far = F.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = torch.minimum(far, F.pairwise_distance(positive, negative, p, eps))
    return reduce(F.relu(near - far + margin), **how)


class TripletMarginLoss(TripletLoss, of=triplet_margin_loss):
    """Module form of :func:`triplet_margin_loss`."""

    margin: Positive = 1.0
    p: Positive = 2.0
    eps: NonNegative = 1e-6
    swap: bool = False


@loss(
    Card(
        task="metric learning",
        inputs=[Embedding("*n d"), Embedding("*n d"), Embedding("*n d")],
        values="*n",
        claims={"nonnegative", When("symmetric", "swap"), When("bounded_gradient", "distance_function == 'euclidean'")},
        formula=r"\max\big(0, d(a, p) - d(a, n) + m\big)",
        source="arXiv:1503.03832, section 3.1; torch.nn.TripletMarginWithDistanceLoss",
        settings=[{"distance_function": "cosine", "swap": True}, {"distance_function": "squared_euclidean"}],
        tune={"margin": (0.1, 0.3, 1.0)},
        good_at={"small batches", "memory", "large margins"},
        bad_at={"hard negatives", "label noise"},
        known_as=("triplet with distance", "cosine triplet", "FaceNet triplet"),
        elsewhere={
            "torch": "TripletMarginWithDistanceLoss; takes a function only, by default PairwiseDistance, which adds"
            " 1e-6 to each difference",
            "FaceNet": "squared_euclidean on vectors of length 1, margin 0.2",
        },
    )
)  # fmt: skip
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: DistanceFunction = "euclidean",
    margin: Positive = 1.0,
    swap: bool = False,
    **how: Unpack[Reduce],
) -> Tensor:
    """The triplet loss under a distance of your choice: cosine, squared Euclidean, or a function.

    Between equal vectors the Euclidean distance has a zero gradient. A zero vector is at cosine distance 1 from all.

    Args:
        anchor: Embeddings ``(*n, d)``.
        positive: For each anchor one of its kind, the same shape.
        negative: For each anchor one of another kind, the same shape.
        distance_function: "euclidean", "squared_euclidean", "cosine" (1 less the cosine), or a function of two tensors
            ``(*n, d)`` that returns their distances ``(*n)``.
        margin: By how much the negative must be farther, in units of the distance.
        swap: Whether the distance from negative to positive counts where it is the smaller one.

    >>> a, n = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    >>> triplet_margin_with_distance_loss(a, 2 * a, n, distance_function="cosine")
    tensor(0.6000)
    """
    distance = distance_function if callable(distance_function) else DISTANCES[distance_function]
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return reduce(F.relu(near - far + margin), **how)


class TripletMarginWithDistanceLoss(TripletLoss, of=triplet_margin_with_distance_loss):
    """Module form of :func:`triplet_margin_with_distance_loss`."""

    distance_function: DistanceFunction = "euclidean"
    margin: Positive = 1.0
    swap: bool = False
