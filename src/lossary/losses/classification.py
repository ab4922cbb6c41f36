"""Losses for a class, a label, or several labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    ClassIndex,
    ClassWeight,
    Fraction,
    Logit,
    LogSimplex,
    PairLoss,
    Probability,
    Reduce,
    Simplex,
    When,
    loss,
    reduce,
    reduce_classes,
)

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MultiLabelSoftMarginLoss", "NLLLoss",
    "bce_loss", "bce_with_logits_loss", "cross_entropy_loss", "multi_label_soft_margin_loss", "nll_loss",
]  # fmt: skip


@loss(
    Card(
        task=("binary classification", "multi-label classification"),
        inputs=[Probability("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "smooth", "proper"},
        formula=r"-y \log p - (1 - y) \log(1 - p)",
        source="Good, Rational Decisions (1952)",
        good_at={"calibrated probabilities"},
        bad_at={"label noise", "class imbalance"},
        known_as=("binary cross-entropy", "BCE", "log loss"),
    )
)
def bce_loss(probs: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Binary cross-entropy of probabilities. From logits, :func:`bce_with_logits_loss` is more exact.

    Logarithms are held at -100 or above, so that a certain mistake costs 100 and not infinity; the gradient there is
    large and finite.

    Args:
        probs: Probability of label 1, in [0, 1], any shape ``(*n)``.
        target: 0 or 1, or a probability between, the same shape.

    >>> bce_loss(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931, 0.0000])
    """
    return reduce(F.binary_cross_entropy(probs, target, reduction="none"), **how)


class BCELoss(PairLoss, of=bce_loss):
    """Module form of :func:`bce_loss`."""


@loss(
    Card(
        task=("binary classification", "multi-label classification"),
        inputs=[Logit("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "bounded_gradient",
                "smooth", When("proper", "pos_weight is None")},
        formula=r"\mathrm{softplus}(z) - y z",
        source="doi:10.1111/j.2517-6161.1958.tb00292.x",
        settings=[{"pos_weight": torch.tensor([0.5, 1.0, 4.0])}],
        good_at={"calibrated probabilities", "smooth optimisation"},
        bad_at={"label noise", "class imbalance"},
        known_as=("binary cross-entropy with logits", "BCE with logits", "logistic loss", "sigmoid cross-entropy"),
    )
)  # fmt: skip
def bce_with_logits_loss(
    logits: Tensor, target: Tensor, *, pos_weight: Tensor | None = None, **how: Unpack[Reduce]
) -> Tensor:
    """Binary cross-entropy of logits: the logistic loss, exact however large the logits are.

    Args:
        logits: Log-odds of label 1, any shape ``(*n)``.
        target: 0 or 1, or a probability between, the same shape.
        pos_weight: What label 1 weighs against label 0; broadcast over the last dimensions of ``logits``. It multiplies
            the loss and not the denominator, as in torch.

    >>> bce_with_logits_loss(torch.tensor([0.0, 1000.0]), torch.tensor([1.0, 0.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    return reduce(F.binary_cross_entropy_with_logits(logits, target, pos_weight=pos_weight, reduction="none"), **how)


class BCEWithLogitsLoss(PairLoss, of=bce_with_logits_loss):
    """Module form of :func:`bce_with_logits_loss`."""

    pos_weight: Tensor | None = None


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ") | Simplex("n c *d | c")],
        values="n *d | ",
        claims={"nonnegative", When("zero_at_target", "label_smoothing == 0"), "convex",
                "bounded_gradient", "smooth", When("shift_invariant", "class_weight is None or label_smoothing == 0"),
                When("proper", "class_weight is None and label_smoothing == 0")},
        formula=r"-w_y \log \frac{e^{z_y}}{\sum_k e^{z_k}}",
        source="Bridle, Training stochastic model recognition algorithms (NIPS 1989), eq. 7",
        settings=[{"label_smoothing": 0.1}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])},
                  {"class_weight": torch.tensor([0.5, 1.0, 2.0]), "label_smoothing": 0.2}],
        tune={"label_smoothing": (0.0, 0.1)},
        good_at={"calibrated probabilities", "smooth optimisation", "many classes"},
        bad_at={"label noise", "class imbalance", "overconfidence"},
        known_as=("softmax cross-entropy", "categorical cross-entropy", "CE", "log loss", "soft-target cross-entropy",
                  "label-smoothing cross-entropy"),
    )
)  # fmt: skip
def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    label_smoothing: Fraction = 0.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy of the softmax of logits.

    The mean divides by the total weight of the classes of the targets. A batch in which every target is ignored gives 0
    and a zero gradient, where ``torch.nn`` gives NaN. With probabilities as targets it divides by the number of
    samples, and nothing is ignored.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``, or a probability for each class, the shape of ``logits``.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1].

    >>> cross_entropy_loss(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, -100]))
    tensor(0.1269)
    """
    if target.is_floating_point():
        values = F.cross_entropy(logits, target, weight=class_weight, label_smoothing=label_smoothing, reduction="none")
        return reduce(values, **how)

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, weight=class_weight, label_smoothing=label_smoothing, reduction="none")

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class CrossEntropyLoss(PairLoss, of=cross_entropy_loss):
    """Module form of :func:`cross_entropy_loss`."""

    class_weight: ClassWeight | None = None
    ignore_index: int = -100
    label_smoothing: Fraction = 0.0


@loss(
    Card(
        task="multi-class classification",
        inputs=[LogSimplex("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "smooth", "bounded_gradient",
                When("proper", "class_weight is None")},
        formula=r"-w_y \log p_y",
        source="Good, Rational Decisions (1952)",
        settings=[{"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"calibrated probabilities"},
        bad_at={"label noise", "class imbalance"},
        known_as=("negative log-likelihood", "NLL", "negative log-likelihood on log-probs"),
    )
)  # fmt: skip
def nll_loss(
    log_probs: Tensor,
    target: Tensor,
    *,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Negative log-likelihood of the target's class. Expects ``log_softmax`` outputs, not logits.

    The mean divides by the total weight of the classes of the targets; where every target is ignored it is 0.

    Args:
        log_probs: Logarithms of the class probabilities, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> nll_loss(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([1]))
    tensor(0.2877)
    """

    def values_of(log_probs: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(log_probs, target, weight=class_weight, reduction="none")

    return reduce_classes(values_of, log_probs, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class NLLLoss(PairLoss, of=nll_loss):
    """Module form of :func:`nll_loss`."""

    class_weight: ClassWeight | None = None
    ignore_index: int = -100


@loss(
    Card(
        task="multi-label classification",
        inputs=[Logit("n c"), Binary("n c")],
        values="n",
        claims={"nonnegative", "zero_at_target", "convex", "monotone", "bounded_gradient", "smooth"},
        formula=r"\frac1C \sum_{k=1}^C w_k \big(\mathrm{softplus}(z_k) - y_k z_k\big)",
        source="torch.nn.MultiLabelSoftMarginLoss",
        settings=[{"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"calibrated probabilities"},
        bad_at={"class imbalance", "rare classes"},
        known_as=("multi-label BCE", "multi-label binary cross-entropy"),
    )
)  # fmt: skip
def multi_label_soft_margin_loss(
    logits: Tensor,
    target: Tensor,
    *,
    class_weight: ClassWeight | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    """Binary cross-entropy of each label, averaged over the labels: one value per sample.

    Args:
        logits: Log-odds of each label, ``(n, c)``.
        target: 0 or 1 for each label, ``(n, c)``.
        class_weight: One weight per label, ``(c,)``; it multiplies the loss and not the denominator, as in torch.

    >>> multi_label_soft_margin_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 1.0]]))
    tensor(0.6931)
    """
    values = F.binary_cross_entropy_with_logits(logits, target, weight=class_weight, reduction="none")
    return reduce(values.mean(-1), **how)


class MultiLabelSoftMarginLoss(PairLoss, of=multi_label_soft_margin_loss):
    """Module form of :func:`multi_label_soft_margin_loss`."""

    class_weight: ClassWeight | None = None
