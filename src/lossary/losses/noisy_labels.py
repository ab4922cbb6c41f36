"""Losses for labels of which some are wrong: a sample far from its label pulls less, or not at all."""

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    AtLeastOne,
    Card,
    ClassIndex,
    ClassWeight,
    Fraction,
    Logit,
    NonNegative,
    PairLoss,
    Reduce,
    When,
    Within,
    loss,
    reduce_classes,
)
from lossary.kernels import Element, exp_of_negative, expm1
from lossary.kernels.rows import Likelihood

__all__ = [
    "BiTemperedLogisticLoss", "GeneralizedCrossEntropyLoss", "SymmetricCrossEntropyLoss", "bi_tempered_logistic_loss",
    "generalized_cross_entropy_loss", "symmetric_cross_entropy_loss",
]  # fmt: skip


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "bounded_gradient", "smooth", "shift_invariant",
                When("zero_at_target", "t2 == 1 and label_smoothing == 0"), When("convex", "t1 == 1 and t2 == 1"),
                When("proper", "t2 == 1 and label_smoothing == 0 and class_weight is None")},
        formula=r"w_y \sum_k \Big(y_k (\log_{t_1} y_k - \log_{t_1} p_k)"
                r" - \frac{y_k^{2 - t_1} - p_k^{2 - t_1}}{2 - t_1}\Big),\quad p_k = \exp_{t_2}(z_k - \lambda),\quad"
                r" \log_t u = \frac{u^{1 - t} - 1}{1 - t}",
        source="arXiv:1906.03361",
        settings=[{"t1": 0.5, "t2": 4.0}, {"t1": 0.7, "t2": 1.0}, {"t1": 1.0, "t2": 1.0}, {"t1": 0.0, "t2": 1.5},
                  {"label_smoothing": 0.1, "class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"t1": (0.2, 0.5, 0.8), "t2": (1.0, 1.2, 2.0, 4.0)},
        good_at={"label noise", "outliers"},
        bad_at={"vanishing gradient", "speed"},
        known_as=("bi-tempered", "bi-tempered logistic", "bi-tempered cross-entropy"),
        elsewhere={
            "google/bi-tempered-loss": "bi_tempered_logistic_loss; five steps of a fixed-point iteration, which leave"
            " the gradient 3% to 7% off for a hundred widely spread logits at t2=2; label_smoothing is spread over the"
            " wrong classes alone",
            "pytorch_optimizer, pytorch-toolbelt": "BiTemperedLogisticLoss; as the above, which they translate",
        },
    )
)  # fmt: skip
def bi_tempered_logistic_loss(
    logits: Tensor,
    target: Tensor,
    *,
    t1: Fraction = 0.8,
    t2: AtLeastOne = 1.2,
    label_smoothing: Fraction = 0.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy with a tempered logarithm, which bounds it, and a tempered softmax, whose tails are heavy.

    ``t1`` below 1 bounds what a mislabelled sample far away can cost; ``t2`` above 1 lets go of mislabelled samples
    near the boundary, and makes the loss near 0 slowly, as a power of the logits. Both at 1 give the cross-entropy. The
    normaliser of the tempered softmax is exact to rounding, whatever ``t2`` and the number of classes. The mean divides
    by the total weight of the targets' classes.

    Args:
        logits: Scores before the tempered softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        t1: Temperature of the logarithm, in [0, 1].
        t2: Temperature of the exponential, at least 1.
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1].
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> bi_tempered_logistic_loss(torch.zeros(1, 2), torch.tensor([0]), t1=0.0, t2=2.0)  # sum of squares over 2
    tensor(0.2500)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        classes = logits.shape[axis]
        log_probs = _log_tempered_softmax(logits, t2, axis)
        costs = -_tempered_log(log_probs, t1)
        even = label_smoothing / classes
        own = costs.gather(axis, target.unsqueeze(axis)).squeeze(axis)
        cross = even * costs.sum(axis) + (1.0 - label_smoothing) * own
        power = torch.exp((2.0 - t1) * log_probs).sum(axis) / (2.0 - t1)
        least = _self_cost(1.0 - label_smoothing + even, t1) + (classes - 1) * _self_cost(even, t1)
        values = cross + power - least
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class BiTemperedLogisticLoss(PairLoss, of=bi_tempered_logistic_loss):
    """Module form of :func:`bi_tempered_logistic_loss`."""

    t1: Fraction = 0.8
    t2: AtLeastOne = 1.2
    label_smoothing: Fraction = 0.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def _tempered_log(log: Tensor, t: float) -> Tensor:
    """log_t of u, from log u."""
    return log if t == 1 else torch.expm1((1.0 - t) * log) / (1.0 - t)


def _log_tempered_exp(x: Tensor, t: float) -> Tensor:
    """log of exp_t(x), for t of at least 1."""
    return x if t == 1 else torch.log1p((1.0 - t) * x) / (1.0 - t)


def _self_cost(share: float, t: float) -> float:
    """What a class of target ``share`` would cost at p = share: minus its part of the tempered entropy."""
    if share == 0:
        return 0.0
    log = math.log(share) if t == 1 else math.expm1((1.0 - t) * math.log(share)) / (1.0 - t)
    return math.pow(share, 2.0 - t) / (2.0 - t) - share * log


_NEWTON_STEPS = 10  # in thousands of trials, of 2 to 20,000 classes and t up to 11, eight were always enough


def _log_tempered_softmax(logits: Tensor, t: float, axis: int) -> Tensor:
    """log exp_t(z - λ), where λ makes the probabilities add up to 1.

    Newton's method for log_t of their sum being 0. That falls in λ and is convex, so that steps from the left never
    overshoot; it is linear, and one step exact, for the softmax and for equal logits. The last two steps are
    differentiated, which makes the first and the second derivative exact.
    """
    shifted = logits - logits.detach().amax(axis, keepdim=True)
    normaliser = torch.zeros_like(shifted.detach().amax(axis, keepdim=True))
    for step in range(_NEWTON_STEPS):
        scores = shifted if step >= _NEWTON_STEPS - 2 else shifted.detach()
        logs = _log_tempered_exp(scores - normaliser, t)
        total = torch.logsumexp(logs, axis, keepdim=True)
        slope = torch.logsumexp(t * logs, axis, keepdim=True) - t * total
        normaliser = normaliser + _tempered_log(total, t) * torch.exp(-slope)
    return _log_tempered_exp(shifted - normaliser, t)


def _generalized(nll: Element, q: Element) -> tuple[Element, Element]:
    return -expm1(-q * nll) / q, exp_of_negative(-q * nll)


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "bounded_gradient", "smooth", "shift_invariant",
                When("at_most_one", "q == 1 and class_weight is None")},
        formula=r"w_y \frac{1 - p_y^q}{q}",
        source="arXiv:1805.07836, eq. 6",
        settings=[{"q": 1.0}, {"q": 0.1}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"q": (0.3, 0.5, 0.7)},
        good_at={"label noise"},
        bad_at={"vanishing gradient", "many classes", "calibrated probabilities"},
        known_as=("GCE", "generalized cross-entropy", "Lq loss"),
        elsewhere={
            "keras": "CategoricalGeneralizedCrossEntropy; q 0.5 by default, takes class indices, for all its name, and"
            " probabilities; its gradient is NaN where one is 0",
        },
    ),
    kernel=Likelihood(_generalized),
)  # fmt: skip
def generalized_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    q: Annotated[float, Within(0.0, 1.0, above=True)] = 0.7,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Between cross-entropy and the absolute error of the probability: a wrong label costs at most 1 / q.

    A sample whose own class has almost no probability has almost no gradient. The mean divides by the total weight of
    the targets' classes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        q: How far from cross-entropy, which is the limit of 0, to the absolute error, 1.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> generalized_cross_entropy_loss(torch.zeros(1, 4), torch.tensor([0]), q=0.5)  # (1 - 0.25^0.5) / 0.5
    tensor(1.)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        values = -torch.expm1(-q * F.cross_entropy(logits, target, reduction="none")) / q
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class GeneralizedCrossEntropyLoss(PairLoss, of=generalized_cross_entropy_loss):
    """Module form of :func:`generalized_cross_entropy_loss`."""

    q: Annotated[float, Within(0.0, 1.0, above=True)] = 0.7
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def _symmetric(nll: Element, alpha: Element, beta: Element, log_zero: Element) -> tuple[Element, Element]:
    reverse = -beta * log_zero
    return alpha * nll - reverse * expm1(-nll), alpha + reverse * exp_of_negative(-nll)


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"w_y \big(-\alpha \log p_y - \beta A (1 - p_y)\big)",
        source="arXiv:1908.06112, section 3",
        settings=[{"alpha": 1.0, "beta": 0.5}, {"alpha": 0.0}, {"log_zero": -2.0},
                  {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"alpha": (0.1, 0.5, 1.0)},
        good_at={"label noise"},
        bad_at={"calibrated probabilities"},
        known_as=("SCE", "symmetric cross-entropy", "symmetric cross-entropy learning"),
        elsewhere={
            "authors' code": "clips the one-hot target at 1e-4, so A = log(1e-4) = -9.21",
            "catalyst": "SymmetricCrossEntropyLoss; takes probabilities, alpha 1 and beta 1 by default, A = log(1e-4);"
            " its cross-entropy too is with the clipped target, and so has 1e-4 of every wrong class",
        },
    ),
    kernel=Likelihood(_symmetric),
)  # fmt: skip
def symmetric_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: NonNegative = 0.1,
    beta: NonNegative = 1.0,
    log_zero: Annotated[float, Within(high=0.0, below=True)] = -4.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy plus the cross-entropy the other way round, which is bounded and tolerates wrong labels.

    The reverse part, of the target under the prediction, needs the logarithm of the 0 in a one-hot target, and takes
    ``log_zero`` for it: it is ``-log_zero * (1 - p)``, with -2 the absolute error. The mean divides by the total weight
    of the targets' classes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        alpha: Weight of the cross-entropy.
        beta: Weight of the reverse cross-entropy.
        log_zero: What stands for log 0, below 0; the paper's A.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> symmetric_cross_entropy_loss(torch.zeros(1, 2), torch.tensor([0]))  # 0.1 log 2 + 4 * 0.5
    tensor(2.0693)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        nll = F.cross_entropy(logits, target, reduction="none")
        values = alpha * nll + beta * log_zero * torch.expm1(-nll)
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class SymmetricCrossEntropyLoss(PairLoss, of=symmetric_cross_entropy_loss):
    """Module form of :func:`symmetric_cross_entropy_loss`."""

    alpha: NonNegative = 0.1
    beta: NonNegative = 1.0
    log_zero: Annotated[float, Within(high=0.0, below=True)] = -4.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100
