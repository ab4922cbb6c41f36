"""Cross-entropies: what the log-likelihood says of a class, a label, or several labels."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    ClassIndex,
    ClassWeight,
    Fits,
    Fraction,
    Logit,
    LogSimplex,
    PairLoss,
    Probability,
    Reduce,
    Simplex,
    When,
    Within,
    loss,
    reduce,
    reduce_classes,
)
from lossary.kernels import Element, Elementwise, expm1, log, log1p, logistic, maximum
from lossary.kernels.rows import Likelihood, LogLikelihood
from lossary.kernels.soft import CrossEntropy

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MultiLabelSoftMarginLoss", "NLLLoss",
    "Poly1BCEWithLogitsLoss", "Poly1CrossEntropyLoss", "bce_loss", "bce_with_logits_loss", "cross_entropy_loss",
    "multi_label_soft_margin_loss", "nll_loss", "poly1_bce_with_logits_loss", "poly1_cross_entropy_loss",
]  # fmt: skip

Epsilon = Annotated[float, Within(-1.0)]
"""What is added to the first coefficient of the polynomial, which is 1: below -1 the loss would fall with the error."""


def _bce(p: Element, y: Element) -> tuple[Element, ...]:
    value = -y * maximum(log(p), -100.0) - (1.0 - y) * maximum(log1p(-p), -100.0)
    return value, (p - y) / maximum(p * (1.0 - p), 1e-12)


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
        elsewhere={
            "torch": "BCELoss; `weight` is `sample_weight`, but its mean still divides by the number of elements: give"
            " that as `denominator`",
            "keras": "BinaryCrossentropy; probabilities are clipped to [1e-7, 1 - 1e-7], so a certain mistake costs"
            " 16.1 with a gradient of 0",
        },
    ),
    kernel=Elementwise(_bce),
)  # fmt: skip
def bce_loss(probs: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Binary cross-entropy of probabilities. From logits, :func:`bce_with_logits_loss` is more exact.

    Logarithms are held at -100 or above, so that a certain mistake costs 100 and not infinity; the gradient there is
    large and finite.

    Args:
        probs: Probability of label 1, in [0, 1], any shape ``(*n)``.
        target: 0 or 1, or a probability between, the same shape.

    >>> bce_loss(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0]), reduction="none")  # -log 0.5 and -log 0.75
    tensor([0.6931, 0.2877])
    """
    return reduce(F.binary_cross_entropy(probs, target, reduction="none"), **how)


class BCELoss(PairLoss, of=bce_loss):
    """Module form of :func:`bce_loss`."""


def _bce_with_logits(z: Element, y: Element, label_smoothing: Element) -> tuple[Element, ...]:
    soft = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    rest, p, _ = logistic(z)
    return maximum(z, 0.0) - z * soft + rest, p - soft


def _without_pos_weight(pos_weight: Tensor | None, label_smoothing: float) -> tuple[float, ...] | None:
    return (label_smoothing,) if pos_weight is None else None


@loss(
    Card(
        task=("binary classification", "multi-label classification"),
        inputs=[Logit("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "positive_off_target", "convex", "bounded_gradient", "smooth",
                When("zero_at_target", "label_smoothing == 0"), When("monotone", "label_smoothing == 0"),
                When("proper", "pos_weight is None and label_smoothing == 0")},
        formula=r"\mathrm{softplus}(z) - y z",
        source="doi:10.1111/j.2517-6161.1958.tb00292.x",
        settings=[{"pos_weight": torch.tensor([0.5, 1.0, 4.0])}, {"label_smoothing": 0.1}],
        good_at={"calibrated probabilities", "smooth optimisation"},
        bad_at={"label noise", "class imbalance"},
        known_as=("binary cross-entropy with logits", "BCE with logits", "logistic loss", "sigmoid cross-entropy",
                  "label-smoothing binary cross-entropy",
                  "binary cross-entropy / logistic (prob or logits)"),
        elsewhere={
            "torch": "BCEWithLogitsLoss; `weight` is `sample_weight`, but its mean still divides by the number of"
            " elements: give that as `denominator`",
            "keras": "BinaryCrossentropy(from_logits=True), with the same `label_smoothing`",
        },
    ),
    kernel=Elementwise(_bce_with_logits, parameters=_without_pos_weight),
)  # fmt: skip
def bce_with_logits_loss(
    logits: Tensor,
    target: Tensor,
    *,
    pos_weight: Annotated[Tensor, Fits("*")] | None = None,
    label_smoothing: Fraction = 0.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Binary cross-entropy of logits: the logistic loss, exact however large the logits are.

    Args:
        logits: Log-odds of label 1, any shape ``(*n)``.
        target: 0 or 1, or a probability between, the same shape.
        pos_weight: What label 1 weighs against label 0; broadcast over the last dimensions of ``logits``. It multiplies
            the loss and not the denominator, as in torch.
        label_smoothing: How far targets move towards one half, as a share of the way, in [0, 1].

    >>> bce_with_logits_loss(torch.tensor([0.0, 1000.0]), torch.tensor([1.0, 0.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    plain = isinstance(label_smoothing, float) and label_smoothing == 0.0  # and not a tensor that is learned
    soft = target if plain else target * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return reduce(F.binary_cross_entropy_with_logits(logits, soft, pos_weight=pos_weight, reduction="none"), **how)


class BCEWithLogitsLoss(PairLoss, of=bce_with_logits_loss):
    """Module form of :func:`bce_with_logits_loss`."""

    pos_weight: Annotated[Tensor, Fits("*")] | None = None
    label_smoothing: Fraction = 0.0


def _likelihood(nll: Element) -> tuple[Element, Element]:
    return nll, 1.0


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
        known_as=("softmax cross-entropy", "categorical cross-entropy", "CE", "multinomial log loss", "softmax loss",
                  "soft-target cross-entropy", "label-smoothing cross-entropy",
                  "label-smoothing cross-entropy (CE or BCE)"),
        elsewhere={
            "torch": "CrossEntropyLoss; `weight` is `class_weight`, and where every target is ignored it gives NaN",
            "keras": "CategoricalCrossentropy and SparseCategoricalCrossentropy; both expect probabilities unless"
            " from_logits=True",
            "optax": "softmax_cross_entropy and softmax_cross_entropy_with_integer_labels; no reduction",
            "torchium": "LabelSmoothingLoss; spreads the smoothing over the K - 1 wrong classes only, which is"
            " label_smoothing * K / (K - 1) here",
        },
    ),
    kernel=CrossEntropy(_likelihood),
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
        elsewhere={"torch": "NLLLoss; `weight` is `class_weight`, and where every target is ignored it gives NaN"},
    ),
    kernel=LogLikelihood(),
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
        elsewhere={"torch": "MultiLabelSoftMarginLoss; `weight` is `class_weight`"},
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


def _poly1(nll: Element, epsilon: Element) -> tuple[Element, Element]:
    falling = expm1(-nll)  # p - 1
    return nll - epsilon * falling, (1.0 + epsilon) + epsilon * falling


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "bounded_gradient", "smooth", "shift_invariant",
                When("convex", "epsilon == 0"), When("proper", "epsilon == 0 and class_weight is None")},
        formula=r"w_y \big(-\log p_y + \epsilon (1 - p_y)\big)",
        source="arXiv:2204.12511, section 4.3",
        settings=[{"epsilon": -1.0}, {"epsilon": 0.0}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"epsilon": (-1.0, 1.0, 2.0, 4.0)},
        good_at={"many classes", "smooth optimisation"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("PolyLoss", "Poly-1", "Poly-1 CE", "Poly-1 cross-entropy", "PolyLoss (Poly-1 CE / BCE / focal)"),
        elsewhere={
            "optax": "poly_loss_cross_entropy; epsilon 2 by default, targets as probabilities",
            "timm": "PolyCrossEntropy; epsilon 2 by default",
        },
    ),
    kernel=Likelihood(_poly1),
)  # fmt: skip
def poly1_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    epsilon: Epsilon = 1.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy with another first term in its expansion in powers of 1 - p, that of the absolute error.

    Above 0 it asks for more confidence, below 0 for less. The mean divides by the total weight of the targets' classes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        epsilon: What is added to the first coefficient, at least -1; 0 gives :func:`cross_entropy_loss`.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> poly1_cross_entropy_loss(torch.zeros(1, 2), torch.tensor([0]), epsilon=2.0)  # log 2 + 2 * 0.5
    tensor(1.6931)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        nll = F.cross_entropy(logits, target, reduction="none")
        values = nll - epsilon * torch.expm1(-nll)
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class Poly1CrossEntropyLoss(PairLoss, of=poly1_cross_entropy_loss):
    """Module form of :func:`poly1_cross_entropy_loss`."""

    epsilon: Epsilon = 1.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def _poly1_bce(z: Element, y: Element, epsilon: Element) -> tuple[Element, ...]:
    rest, p, q = logistic(z)
    value = maximum(z, 0.0) - z * y + rest + epsilon * (y * q + (1.0 - y) * p)
    return value, p - y + epsilon * (1.0 - 2.0 * y) * p * q


@loss(
    Card(
        task=("binary classification", "multi-label classification"),
        inputs=[Logit("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "monotone", "bounded_gradient", "smooth",
                When("positive_off_target", "epsilon > -1"), When("convex", "epsilon == 0"),
                When("proper", "epsilon == 0")},
        formula=r"-\log p_t + \epsilon (1 - p_t),\quad p_t = p \text{ if } y = 1 \text{ else } 1 - p",
        source="arXiv:2204.12511, section 4.3",
        settings=[{"epsilon": -1.0}, {"epsilon": 0.0}],
        tune={"epsilon": (-1.0, 1.0, 2.0, 4.0)},
        good_at={"smooth optimisation"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("Poly-1 BCE", "Poly-1 binary cross-entropy", "poly BCE"),
        elsewhere={"timm": "PolyBinaryCrossEntropy; epsilon 2 by default"},
    ),
    kernel=Elementwise(_poly1_bce),
)  # fmt: skip
def poly1_bce_with_logits_loss(
    logits: Tensor, target: Tensor, *, epsilon: Epsilon = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    """Binary cross-entropy with another first term in its expansion in powers of 1 - p.

    Args:
        logits: Log-odds of label 1, any shape ``(*n)``.
        target: 0 or 1, the same shape; a number between is a mixture of both.
        epsilon: What is added to the first coefficient, at least -1; 0 gives :func:`bce_with_logits_loss`.

    >>> poly1_bce_with_logits_loss(torch.zeros(1), torch.ones(1), epsilon=2.0)  # log 2 + 2 * 0.5
    tensor(1.6931)
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    miss = target * torch.sigmoid(-logits) + (1.0 - target) * torch.sigmoid(logits)
    return reduce(cross_entropy + epsilon * miss, **how)


class Poly1BCEWithLogitsLoss(PairLoss, of=poly1_bce_with_logits_loss):
    """Module form of :func:`poly1_bce_with_logits_loss`."""

    epsilon: Epsilon = 1.0
