"""Losses that ask the right score to lead by a margin, and are silent once it does."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    ClassIndex,
    ClassWeight,
    Domain,
    Logit,
    NonNegative,
    PairLoss,
    Reduce,
    Sign,
    Sizes,
    When,
    loss,
    reduce,
    reduce_classes,
)
from lossary.kernels import Element, Elementwise, logistic, maximum, where

__all__ = [
    "HingeLoss", "MultiLabelMarginLoss", "MultiMarginLoss", "MulticlassHingeLoss", "SoftMarginLoss", "SparsemaxLoss",
    "SquaredHingeLoss", "hinge_loss", "multi_label_margin_loss", "multi_margin_loss", "multiclass_hinge_loss",
    "soft_margin_loss", "sparsemax_loss", "squared_hinge_loss",
]  # fmt: skip


def _hinge(z: Element, y: Element, margin: Element) -> tuple[Element, ...]:
    lack = margin - y * z
    return maximum(lack, 0.0), where(lack > 0.0, -y, 0.0)


@loss(
    Card(
        task="binary classification",
        inputs=[Logit("*n"), Sign("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "convex", "monotone", "bounded_gradient"},
        formula=r"\max(0, m - y z)",
        source="doi:10.1007/BF00994018",
        settings=[{"margin": 0.3}, {"margin": 0.0}],
        good_at={"large margins", "speed"},
        bad_at={"calibrated probabilities", "smooth optimisation", "label noise"},
        known_as=("hinge", "SVM loss", "support vector machine loss"),
        elsewhere={
            "optax": "hinge_loss; targets -1 and 1 too, and perceptron_loss is margin=0",
            "keras": "Hinge; takes targets 0 and 1 for -1 and 1",
        },
    ),
    kernel=Elementwise(_hinge),
)  # fmt: skip
def hinge_loss(logits: Tensor, target: Tensor, *, margin: NonNegative = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Asks that the score have the sign of the target and a size of at least ``margin``; linear where it does not.

    The gradient at the kink is 0.

    Args:
        logits: Scores, any shape ``(*n)``; their sign is the prediction.
        target: -1 or 1, the same shape, as in the literature on support vector machines and in ``torch``'s losses of
            signs; from labels 0 and 1, ``2 * label - 1``.
        margin: The score from which the loss is 0; 0 gives the perceptron's loss.

    >>> hinge_loss(torch.tensor([0.5, 0.5, 2.0]), torch.tensor([1.0, -1.0, 1.0]), reduction="none")
    tensor([0.5000, 1.5000, 0.0000])
    """
    return reduce(F.relu(margin - target * logits), **how)


class HingeLoss(PairLoss, of=hinge_loss):
    """Module form of :func:`hinge_loss`."""

    margin: NonNegative = 1.0


def _squared_hinge(z: Element, y: Element, margin: Element) -> tuple[Element, ...]:
    lack = maximum(margin - y * z, 0.0)
    return lack * lack, -2.0 * lack * y


@loss(
    Card(
        task="binary classification",
        inputs=[Logit("*n"), Sign("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "convex", "monotone", "smooth"},
        formula=r"\max(0, m - y z)^2",
        source="doi:10.1023/A:1011215321374",
        settings=[{"margin": 0.3}],
        good_at={"large margins", "smooth optimisation", "speed"},
        bad_at={"calibrated probabilities", "label noise", "outliers"},
        known_as=("squared hinge", "L2-SVM loss"),
        elsewhere={"keras": "SquaredHinge; takes targets 0 and 1 for -1 and 1"},
    ),
    kernel=Elementwise(_squared_hinge),
)  # fmt: skip
def squared_hinge_loss(logits: Tensor, target: Tensor, *, margin: NonNegative = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """The square of :func:`hinge_loss`: no kink, and a pull that grows with the error.

    Args:
        logits: Scores, any shape ``(*n)``; their sign is the prediction.
        target: -1 or 1, the same shape.
        margin: The score from which the loss is 0.

    >>> squared_hinge_loss(torch.tensor([0.5, 0.5, 2.0]), torch.tensor([1.0, -1.0, 1.0]), reduction="none")
    tensor([0.2500, 2.2500, 0.0000])
    """
    return reduce(F.relu(margin - target * logits).square(), **how)


class SquaredHingeLoss(PairLoss, of=squared_hinge_loss):
    """Module form of :func:`squared_hinge_loss`."""

    margin: NonNegative = 1.0


def _soft_margin(z: Element, y: Element) -> tuple[Element, ...]:
    rest, _, missed = logistic(y * z)
    return maximum(-y * z, 0.0) + rest, -y * missed


@loss(
    Card(
        task="binary classification",
        inputs=[Logit("*n"), Sign("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "bounded_gradient",
                "smooth"},
        formula=r"\log(1 + e^{-y z})",
        source="doi:10.1214/aos/1016218223",
        good_at={"calibrated probabilities", "smooth optimisation"},
        bad_at={"label noise", "class imbalance"},
        known_as=("soft margin", "soft-margin logistic", "logistic loss of signs"),
        elsewhere={
            "torch": "SoftMarginLoss; overflows to inf where y z is below -709 (-88 in float32)",
            "optax": "sigmoid_binary_cross_entropy with labels 0 and 1 is the same loss",
        },
    ),
    kernel=Elementwise(_soft_margin),
)  # fmt: skip
def soft_margin_loss(logits: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Logistic loss of targets -1 and 1, exact however large the scores are, where ``torch.nn`` overflows.

    The same as :func:`~lossary.bce_with_logits_loss` of targets 0 and 1.

    Args:
        logits: Log-odds of target 1, any shape ``(*n)``.
        target: -1 or 1, the same shape.

    >>> soft_margin_loss(torch.tensor([0.0, -1000.0]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    return reduce(-F.logsigmoid(target * logits), **how)


class SoftMarginLoss(PairLoss, of=soft_margin_loss):
    """Module form of :func:`soft_margin_loss`."""


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "shift_invariant", When("bounded_gradient", "p == 1"),
                When("smooth", "p == 2")},
        formula=r"\frac{w_y}{C} \sum_{k \ne y} \max(0, m - z_y + z_k)^p",
        source="Weston and Watkins, Support vector machines for multi-class pattern recognition (ESANN 1999)",
        settings=[{"p": 2}, {"margin": 0.3}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"large margins", "speed"},
        bad_at={"calibrated probabilities", "label noise", "many classes"},
        known_as=("multi-margin", "Weston-Watkins", "Weston-Watkins hinge"),
        elsewhere={"torch": "MultiMarginLoss; `weight` is `class_weight`"},
    )
)  # fmt: skip
def multi_margin_loss(
    logits: Tensor,
    target: Tensor,
    *,
    p: Literal[1, 2] = 1,
    margin: NonNegative = 1.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Asks that the right class lead every other by ``margin``, and sums what each lacks: Weston and Watkins' hinge.

    Args:
        logits: Scores, ``(n, c, *d)``, or ``(c,)`` for one sample; the largest is the prediction.
        target: Index of the class in [0, c), ``(n, *d)``.
        p: Power of what is lacking: 1 as in the paper, or 2, which has no kink.
        margin: The lead from which a class costs nothing.
        class_weight: One weight per class, ``(c,)``; it multiplies the loss and not the denominator, as in torch.
        ignore_index: Samples with this target do not count.

    >>> multi_margin_loss(torch.tensor([[0.5, 0.0, -1.0]]), torch.tensor([0]))  # 0.5 from class 1, over 3 classes
    tensor(0.1667)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        values = _lacks(logits, target, margin).pow(p).sum(axis) / logits.shape[axis]
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=None, ignore_index=ignore_index, **how)


class MultiMarginLoss(PairLoss, of=multi_margin_loss):
    """Module form of :func:`multi_margin_loss`."""

    p: Literal[1, 2] = 1
    margin: NonNegative = 1.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "shift_invariant", "bounded_gradient"},
        formula=r"w_y \max\big(0, \max_{k \ne y} z_k + m - z_y\big)",
        source="Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines"
               " (JMLR 2001)",
        settings=[{"margin": 0.3}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"large margins", "speed", "many classes"},
        bad_at={"calibrated probabilities", "label noise", "smooth optimisation"},
        known_as=("multiclass hinge", "multi-class hinge", "Crammer-Singer", "Crammer-Singer hinge",
                  "multiclass hinge (Crammer-Singer / Weston-Watkins)", "categorical hinge"),
        elsewhere={
            "optax": "multiclass_hinge_loss; margin 1",
            "keras": "CategoricalHinge; another value where all wrong scores are below 0, for it takes the largest"
            " wrong score to be at least 0",
        },
    )
)  # fmt: skip
def multiclass_hinge_loss(
    logits: Tensor,
    target: Tensor,
    *,
    margin: NonNegative = 1.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Asks that the right class lead the best of the others by ``margin``: Crammer and Singer's hinge.

    Where several classes are equally ahead, they share the gradient. The mean divides by the total weight of the
    targets' classes.

    Args:
        logits: Scores, ``(n, c, *d)``, or ``(c,)`` for one sample; the largest is the prediction.
        target: Index of the class in [0, c), ``(n, *d)``.
        margin: The lead from which the loss is 0.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> multiclass_hinge_loss(torch.tensor([[0.5, 0.0, -1.0]]), torch.tensor([0]))
    tensor(0.5000)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        values = _lacks(logits, target, margin).amax(min(1, target.ndim))
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class MulticlassHingeLoss(PairLoss, of=multiclass_hinge_loss):
    """Module form of :func:`multiclass_hinge_loss`."""

    margin: NonNegative = 1.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def _lacks(logits: Tensor, target: Tensor, margin: float) -> Tensor:
    """By how much the target's class fails to lead each other class by ``margin``; 0 at itself."""
    at = target.unsqueeze(axis := min(1, target.ndim))
    lacks = F.relu(margin - logits.gather(axis, at) + logits)
    return lacks.scatter(axis, at, 0.0)


@dataclass(frozen=True)
class LabelList(Domain):
    """The classes of a sample, in any order, then -1 up to ``c``: integers."""

    floating: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        order = torch.rand(shape, generator=generator).argsort(-1)
        labels = torch.randint(shape[-1] + 1, (*shape[:-1], 1), generator=generator)
        return torch.where(torch.arange(shape[-1]) < labels, order, -1)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        every = torch.arange(sizes["c"][0]).expand_as(self.sample(sizes, generator))
        return {"no label": torch.full_like(every, -1), "all labels": every.clone()}


@loss(
    Card(
        task="multi-label classification",
        inputs=[Logit("n c | c"), LabelList("n c | c") | Binary("n c | c")],
        values="n | ",
        claims={"nonnegative", "zero_at_target", "convex", "bounded_gradient", "shift_invariant"},
        formula=r"\frac1C \sum_{j \in Y} \sum_{k \notin Y} \max(0, 1 - z_j + z_k)",
        source="torch.nn.MultiLabelMarginLoss",
        good_at={"large margins"},
        bad_at={"calibrated probabilities", "many classes", "memory"},
        known_as=("multi-label margin", "multi-label hinge"),
        elsewhere={"torch": "MultiLabelMarginLoss; takes lists of classes alone"},
    )
)  # fmt: skip
def multi_label_margin_loss(logits: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Asks that every label that applies lead every one that does not by 1, and sums what the pairs lack.

    With no label, or with all of them, there is no pair and the loss is 0. Memory grows with the square of c.

    Args:
        logits: Scores of the labels, ``(n, c)``, or ``(c,)`` for one sample.
        target: The labels that apply, the same shape: integers, their indices in any order and then -1 up to the end,
            as in torch (what follows the first -1 is not read, and an index given twice counts twice); or floats, 1
            for a label that applies and 0 for one that does not.

    >>> scores = torch.tensor([[0.1, 0.2, 0.4, 0.8]])
    >>> multi_label_margin_loss(scores, torch.tensor([[3, 0, -1, 1]]))  # (0.4 + 0.6 + 1.1 + 1.3) / 4
    tensor(0.8500)
    >>> multi_label_margin_loss(scores, torch.tensor([[1.0, 0.0, 0.0, 1.0]]))  # the same labels
    tensor(0.8500)
    """
    times = target if target.is_floating_point() else _times_listed(target).to(logits.dtype)
    applies = times > 0
    lacks = F.relu(1.0 - logits.unsqueeze(-1) + logits.unsqueeze(-2))
    against = torch.where(applies.unsqueeze(-2), 0.0, lacks).sum(-1)
    return reduce((times * against).mean(-1), **how)


class MultiLabelMarginLoss(PairLoss, of=multi_label_margin_loss):
    """Module form of :func:`multi_label_margin_loss`."""


def _times_listed(target: Tensor) -> Tensor:
    """How often each class stands before the first -1."""
    listed = (target >= 0).to(target.dtype).cumprod(-1)
    return torch.zeros_like(target).scatter_add(-1, target.clamp(min=0), listed)


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"w_y \Big(\tfrac12 + \sum_{k \in S} \tfrac12 (z_k^2 - \tau^2) - z_y\Big),\quad"
                r" S = \{k : z_k > \tau\},\ \sum_{k \in S} (z_k - \tau) = 1",
        source="arXiv:1602.02068, section 3",
        settings=[{"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"large margins", "smooth optimisation"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("sparsemax",),
        elsewhere={
            "entmax": "SparsemaxLoss; fails on targets of -100, its own ignore_index, as of any negative one",
            "optax": "multiclass_sparsemax_loss; sparsemax_loss is the binary form, of one score and a label 0 or 1",
            "TensorFlow Addons": "sparsemax_loss; takes the sparsemax as a second argument",
        },
    )
)  # fmt: skip
def sparsemax_loss(
    logits: Tensor,
    target: Tensor,
    *,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """What cross-entropy is to the softmax, for the sparsemax, the projection onto the simplex, which has exact zeros.

    It is 0 once the right class leads every other by 1. The gradient is the sparsemax less the one-hot target. The mean
    divides by the total weight of the targets' classes.

    Args:
        logits: Scores before the sparsemax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> sparsemax_loss(torch.tensor([[0.5, 0.0, -2.0]]), torch.tensor([0]))  # sparsemax (0.75, 0.25, 0)
    tensor(0.0625)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        chosen = logits.gather(axis, target.unsqueeze(axis))
        probs = _sparsemax(logits, axis)
        # In differences of scores, so that large ones do not cancel: sum(p z) - z_y = sum(p (z - z_y)).
        values = (probs * (logits - chosen) - 0.5 * probs.square()).sum(axis) + 0.5
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class SparsemaxLoss(PairLoss, of=sparsemax_loss):
    """Module form of :func:`sparsemax_loss`."""

    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def _sparsemax(logits: Tensor, axis: int) -> Tensor:
    """The nearest point of the simplex. The set of classes that it keeps is piecewise constant: no gradient."""
    shifted = logits - logits.detach().amax(axis, keepdim=True)
    ranked = shifted.detach().movedim(axis, -1).sort(-1, descending=True).values
    rank = torch.arange(1, ranked.shape[-1] + 1, device=logits.device)
    kept = (1.0 + rank * ranked > ranked.cumsum(-1)).sum(-1, keepdim=True)
    last = ranked.gather(-1, kept - 1).movedim(-1, axis)
    support = shifted >= last
    size = support.sum(axis, keepdim=True)
    threshold = (torch.where(support, shifted, 0.0).sum(axis, keepdim=True) - 1.0) / size
    return torch.where(support, shifted - threshold, 0.0)
