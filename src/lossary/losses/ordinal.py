"""Losses for classes that have an order: a grade, a stage, an age.

The logits are of the thresholds between neighbouring classes, one fewer than there are classes.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, Domain, Fits, Logit, PairLoss, Reduce, Sizes, loss, reduce_classes, shape_of

__all__ = ["CoralLoss", "CornLoss", "coral_loss", "corn_loss"]


@dataclass(frozen=True)
class Rank(Domain):
    """The number of an ordered class, an integer from 0 to the size of ``k``, both included."""

    floating: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(sizes["k"][0] + 1, shape, generator=generator)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        shape = shape_of(self.pattern(), sizes)
        return {"all lowest": torch.zeros(shape, dtype=torch.long), "all highest": torch.full(shape, sizes["k"][0])}


@loss(
    Card(
        task="ordinal classification",
        inputs=[Logit("n k *d | k"), Rank("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"\sum_k \lambda_k \big(\mathrm{softplus}(z_k) - [y > k]\, z_k\big)",
        source="arXiv:1901.07884, section 3",
        settings=[{"threshold_weight": torch.tensor([0.5, 1.0, 2.0, 1.0])}],
        good_at={"ordered classes", "smooth optimisation"},
        bad_at={"class imbalance", "label noise"},
        known_as=("CORAL", "CORAL ordinal", "consistent rank logits"),
        elsewhere={
            "coral-pytorch": "coral_loss; takes the target as one 0 or 1 per threshold, and importance_weights for"
            " `threshold_weight`",
        },
    )
)  # fmt: skip
def coral_loss(
    logits: Tensor,
    target: Tensor,
    *,
    threshold_weight: Annotated[Tensor, Fits("k")] | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Binary cross-entropy of each question "is the class above k?", summed over the thresholds k.

    CORAL asks that the logits be one score plus one bias per threshold, which keeps the probabilities in order; the
    loss takes logits of any origin.

    Args:
        logits: Log-odds of a class above each threshold, ``(n, k, *d)``, or ``(k,)`` for one sample.
        target: Number of the class in [0, k], ``(n, *d)``: there is one class more than thresholds.
        threshold_weight: One weight per threshold, ``(k,)``; it multiplies the loss and not the denominator.
        ignore_index: Samples with this target do not count.

    >>> coral_loss(torch.zeros(1, 3), torch.tensor([2]))  # 3 log 2
    tensor(2.0794)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        above = (target.unsqueeze(axis) > _thresholds(logits, axis)).to(logits.dtype)
        values = F.binary_cross_entropy_with_logits(logits, above, reduction="none")
        if threshold_weight is not None:
            values = values * threshold_weight.reshape(-1, *[1] * (logits.ndim - axis - 1))
        return values.sum(axis)

    return reduce_classes(values_of, logits, target, class_weight=None, ignore_index=ignore_index, **how)


class CoralLoss(PairLoss, of=coral_loss):
    """Module form of :func:`coral_loss`."""

    threshold_weight: Annotated[Tensor, Fits("k")] | None = None
    ignore_index: int = -100


@loss(
    Card(
        task="ordinal classification",
        inputs=[Logit("n k *d | k"), Rank("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"\sum_{k \le y} \big(\mathrm{softplus}(z_k) - [y > k]\, z_k\big)",
        source="arXiv:2111.08851, section 3",
        good_at={"ordered classes", "calibrated probabilities", "smooth optimisation"},
        bad_at={"class imbalance", "label noise"},
        known_as=("CORN", "CORN ordinal", "conditional ordinal regression", "continuation-ratio log-likelihood"),
        elsewhere={
            "coral-pytorch": "corn_loss; divides the sum by the number of questions asked, as in the paper, and not by"
            " the number of samples",
        },
    )
)  # fmt: skip
def corn_loss(logits: Tensor, target: Tensor, *, ignore_index: int = -100, **how: Unpack[Reduce]) -> Tensor:
    """Negative log-likelihood of an ordered class, asked step by step: "if it is above k - 1, is it above k?".

    The probability of a class above k is the product of the sigmoids up to k, which is in order by itself. The paper
    divides by the number of questions that are asked in the batch, the sum of ``min(target + 1, k)``; that as
    ``denominator`` gives its mean.

    Args:
        logits: Log-odds of a class above each threshold if it is above the one before, ``(n, k, *d)``, or ``(k,)`` for
            one sample.
        target: Number of the class in [0, k], ``(n, *d)``: there is one class more than thresholds.
        ignore_index: Samples with this target do not count.

    >>> corn_loss(torch.zeros(3, 3), torch.tensor([0, 1, 3]), reduction="none")  # 1, 2 and 3 questions, log 2 each
    tensor([0.6931, 1.3863, 2.0794])
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        threshold = _thresholds(logits, axis)
        above = (target.unsqueeze(axis) > threshold).to(logits.dtype)
        values = F.binary_cross_entropy_with_logits(logits, above, reduction="none")
        return torch.where(target.unsqueeze(axis) >= threshold, values, 0.0).sum(axis)

    return reduce_classes(values_of, logits, target, class_weight=None, ignore_index=ignore_index, **how)


class CornLoss(PairLoss, of=corn_loss):
    """Module form of :func:`corn_loss`."""

    ignore_index: int = -100


def _thresholds(logits: Tensor, axis: int) -> Tensor:
    """0, 1, ... k - 1 in a shape that is broadcast over ``logits``."""
    threshold = torch.arange(logits.shape[axis], device=logits.device)
    return threshold.reshape(-1, *[1] * (logits.ndim - axis - 1))
