"""Losses that know how common each class is, and make up for it."""

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    ClassIndex,
    ClassWeight,
    Count,
    Logit,
    Loss,
    NonNegative,
    OpenFraction,
    Positive,
    Reduce,
    Reduction,
    Simplex,
    TripletLoss,
    Within,
    loss,
    reduce_classes,
)
from lossary.core.constraints import require

__all__ = [
    "BalancedSoftmaxLoss", "ClassBalancedCrossEntropyLoss", "LDAMLoss", "LogitAdjustedCrossEntropyLoss", "SeesawLoss",
    "balanced_softmax_loss", "class_balanced_cross_entropy_loss", "ldam_loss", "logit_adjusted_cross_entropy_loss",
    "seesaw_loss",
]  # fmt: skip


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | "), Count("c")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-w_y \log p_y,\quad w_k \propto \frac{1 - \beta}{1 - \beta^{N_k}},\quad \sum_k w_k = C",
        source="arXiv:1901.05555, section 4",
        settings=[{"beta": 0.5}],
        tune={"beta": (0.9, 0.99, 0.999, 0.9999)},
        good_at={"class imbalance", "rare classes"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("class-balanced", "class-balanced (effective number)", "class-balanced cross-entropy",
                  "effective number of samples", "CB loss"),
        elsewhere={
            "balanced-loss": "Loss('cross_entropy', class_balanced=True); the same, its mean over samples too;"
            " a class without samples gets an infinite weight, or with safe=True none",
            "torchium": "ClassBalancedLoss; focal with gamma=2 unless told otherwise, the same with gamma=0",
        },
    )
)  # fmt: skip
def class_balanced_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    counts: Tensor,
    *,
    beta: OpenFraction = 0.999,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy in which a class weighs the less the more samples it has, until more would say nothing new.

    The weight is one over the effective number of samples, (1 - beta^N) / (1 - beta), which grows like N at first and
    ends at 1 / (1 - beta). The mean is over the samples, not over their weights, as in the paper. The same weights as
    ``class_weight`` serve any other loss.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        counts: Number of samples of each class in the training data, ``(c,)``; 0 is taken as 1.
        beta: How many samples say something new, in (0, 1): about 1 / (1 - beta).
        ignore_index: Samples with this target do not count.

    >>> counts = torch.tensor([1.0, 2.0])  # effective numbers 1 and 1.5 at beta 0.5, so weights 1.2 and 0.8
    >>> class_balanced_cross_entropy_loss(torch.zeros(1, 2), torch.tensor([0]), counts, beta=0.5)
    tensor(0.8318)
    """
    effective = -torch.expm1(counts.clamp(min=1.0) * math.log(beta))
    weight = len(counts) / effective / (1.0 / effective).sum()

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, reduction="none") * weight[target]

    return reduce_classes(values_of, logits, target, class_weight=None, ignore_index=ignore_index, **how)


class ClassBalancedCrossEntropyLoss(TripletLoss, of=class_balanced_cross_entropy_loss):
    """Module form of :func:`class_balanced_cross_entropy_loss`."""

    beta: OpenFraction = 0.999
    ignore_index: int = -100


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | "), Count("c")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-w_y \log \frac{e^{s (z_y - m_y)}}{e^{s (z_y - m_y)} + \sum_{k \ne y} e^{s z_k}},\quad"
                r" m_k = m \Big(\frac{\min_j N_j}{N_k}\Big)^{1/4}",
        source="arXiv:1906.07413, section 3.2",
        settings=[{"margin": 0.2, "scale": 1.0}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"margin": (0.3, 0.5)},
        good_at={"class imbalance", "rare classes", "large margins"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("LDAM", "label-distribution-aware margin"),
        elsewhere={"pytorch_optimizer": "LDAMLoss; max_m is `margin`, s is `scale`, weight is `class_weight`"},
    )
)  # fmt: skip
def ldam_loss(
    logits: Tensor,
    target: Tensor,
    counts: Tensor,
    *,
    margin: NonNegative = 0.5,
    scale: Positive = 30.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy that asks a class to lead by a margin, the wider the rarer it is.

    The mean divides by the total weight of the targets' classes.

    Args:
        logits: Cosines of the features with the classes' weights, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        counts: Number of samples of each class in the training data, ``(c,)``; 0 is taken as 1.
        margin: The margin of the rarest class, in units of the logits; that of the others falls with the fourth root of
            their number.
        scale: What logits and margins are multiplied with before the softmax.
        class_weight: One weight per class, ``(c,)``, which the paper sets late in training.
        ignore_index: Samples with this target do not count.

    >>> counts = torch.tensor([16.0, 1.0])  # margins 0.25 and 0.5
    >>> ldam_loss(torch.tensor([[0.25, 0.0]]), torch.tensor([0]), counts)
    tensor(0.6931)
    """
    margins = margin * (counts.clamp(min=1.0) / counts.clamp(min=1.0).amin()) ** -0.25

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        shifted = logits.scatter_add(axis, target.unsqueeze(axis), -margins[target].unsqueeze(axis))
        return F.cross_entropy(scale * shifted, target, weight=class_weight, reduction="none")

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class LDAMLoss(TripletLoss, of=ldam_loss):
    """Module form of :func:`ldam_loss`."""

    margin: NonNegative = 0.5
    scale: Positive = 30.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | "), Simplex("c", constant=True)],
        values="n *d | ",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-w_y \log \frac{\pi_y^\tau e^{z_y}}{\sum_k \pi_k^\tau e^{z_k}}",
        source="arXiv:2007.07314, eq. 10",
        settings=[{"tau": 0.0}, {"tau": 2.0}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"tau": (0.5, 1.0, 1.5)},
        good_at={"class imbalance", "rare classes", "distribution shift"},
        bad_at={"label noise"},
        known_as=("logit adjustment", "logit-adjusted CE", "logit-adjusted softmax cross-entropy",
                  "PC-softmax / logit-adjusted CE", "PC-softmax", "probability-corrected softmax"),
        elsewhere={
            "CoinCheung/pytorch-loss": "PCSoftmaxCrossEntropyV1, after arXiv:1911.10688; leaves out the prior of the"
            " target's class, so it is larger by log(prior of y), which may make it negative; the gradient is that of"
            " tau=1",
        },
    )
)  # fmt: skip
def logit_adjusted_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    prior: Tensor,
    *,
    tau: NonNegative = 1.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy of logits to which the log-prior of each class is added in training, and not when predicting.

    What the logits then learn is how likely each class would be if all were equally common: their largest is the best
    guess under the balanced error. The mean divides by the total weight of the targets' classes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        prior: Share of each class in the training data, ``(c,)``, taken as constant; what is below the smallest normal
            float is taken as that.
        tau: How much of the prior is made up for; 0 gives the cross-entropy, 1 the balanced error.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> prior = torch.tensor([0.75, 0.25])
    >>> logit_adjusted_cross_entropy_loss(torch.zeros(1, 2), torch.tensor([1]), prior)  # -log 0.25
    tensor(1.3863)
    """
    shift = tau * prior.detach().clamp(min=torch.finfo(prior.dtype).tiny).log()

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        adjusted = logits + _per_class(shift, logits, min(1, target.ndim))
        return F.cross_entropy(adjusted, target, weight=class_weight, reduction="none")

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class LogitAdjustedCrossEntropyLoss(TripletLoss, of=logit_adjusted_cross_entropy_loss):
    """Module form of :func:`logit_adjusted_cross_entropy_loss`."""

    tau: NonNegative = 1.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | "), Count("c")],
        values="n *d | ",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-\log \frac{N_y e^{z_y}}{\sum_k N_k e^{z_k}}",
        source="arXiv:2007.10740, theorem 1",
        good_at={"class imbalance", "rare classes", "distribution shift"},
        bad_at={"label noise"},
        known_as=("balanced softmax", "balanced softmax cross-entropy"),
    )
)  # fmt: skip
def balanced_softmax_loss(
    logits: Tensor, target: Tensor, counts: Tensor, *, ignore_index: int = -100, **how: Unpack[Reduce]
) -> Tensor:
    """Cross-entropy of a softmax in which each class counts as often as it has samples.

    It is :func:`logit_adjusted_cross_entropy_loss` with the counts for a prior and ``tau=1``.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        counts: Number of samples of each class in the training data, ``(c,)``; 0 is taken as 1.
        ignore_index: Samples with this target do not count.

    >>> balanced_softmax_loss(torch.zeros(1, 2), torch.tensor([1]), torch.tensor([3.0, 1.0]))  # -log(1 / 4)
    tensor(1.3863)
    """
    shift = counts.clamp(min=1.0).log()

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits + _per_class(shift, logits, min(1, target.ndim)), target, reduction="none")

    return reduce_classes(values_of, logits, target, class_weight=None, ignore_index=ignore_index, **how)


class BalancedSoftmaxLoss(TripletLoss, of=balanced_softmax_loss):
    """Module form of :func:`balanced_softmax_loss`."""

    ignore_index: int = -100


@loss(
    Card(
        task=("multi-class classification", "detection"),
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | "), Count("c"), Simplex("n c *d | c", constant=True)],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-\log \frac{e^{z_y}}{e^{z_y} + \sum_{k \ne y} M_k C_k e^{z_k}},\quad"
                r" M_k = \min\Big(1, \frac{N_k}{N_y}\Big)^p,\quad C_k = \max\Big(1, \frac{\sigma_k}{\sigma_y}\Big)^q",
        source="arXiv:2008.10032, section 3.1",
        settings=[{"p": 0.0}, {"q": 1.0, "eps": 0.1}],
        tune={"p": (0.4, 0.8, 1.2), "q": (1.0, 2.0)},
        good_at={"class imbalance", "rare classes", "many classes"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("seesaw",),
        elsewhere={
            "mmdet": "SeesawLoss; the same, and a second loss that tells objects from background, which has two logits"
            " of its own",
        },
    )
)  # fmt: skip
def seesaw_loss(
    logits: Tensor,
    target: Tensor,
    counts: Tensor,
    probs: Tensor,
    *,
    p: NonNegative = 0.8,
    q: NonNegative = 2.0,
    eps: Annotated[float, Within(0.0, 1.0, above=True)] = 0.01,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy in which a sample of a common class pushes rarer classes down less, unless it is taken for one.

    The two factors are constants to the gradient, as in the paper: hence the probabilities are an input of their own.
    :class:`SeesawLoss` computes them, and counts the classes as training goes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        counts: Number of samples of each class so far, ``(c,)``; 0 is taken as 1.
        probs: The model's present probabilities, the softmax of ``logits``, of the same shape.
        p: How much less a rarer class is pushed down: by the ratio of the counts to this power.
        q: How much more a class is pushed down that has a higher probability than the target's.
        eps: The least probability of the target's class in that ratio, in (0, 1].
        ignore_index: Samples with this target do not count.

    >>> counts, logits = torch.tensor([16.0, 1.0]), torch.zeros(1, 2)
    >>> seesaw_loss(logits, torch.tensor([0]), counts, logits.softmax(1), p=0.5)  # log(1 + 16^-0.5)
    tensor(0.2231)
    """
    common = counts.clamp(min=1.0).log()
    likely = probs.detach()

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        own = likely.gather(axis, target.unsqueeze(axis)).clamp(min=eps)
        mitigation = (_per_class(common, logits, axis) - common[target].unsqueeze(axis)).clamp(max=0.0)
        compensation = (likely / own).clamp(min=1.0).log()
        return F.cross_entropy(logits + p * mitigation + q * compensation, target, reduction="none")

    return reduce_classes(values_of, logits, target, class_weight=None, ignore_index=ignore_index, **how)


class SeesawLoss(Loss, of=seesaw_loss):
    """Module form of :func:`seesaw_loss`, called with logits and targets; it counts the classes seen in training.

    Its buffer ``counts`` is part of the state. Targets that are masked or ignored are not counted, and in ``eval()``
    none is. Data-parallel processes count their own part each.

    >>> module = SeesawLoss(num_classes=3)
    >>> module(torch.zeros(2, 3), torch.tensor([0, 2]))  # both classes seen once
    tensor(1.0986)
    >>> module.counts
    tensor([1., 0., 1.])
    """

    p: NonNegative = 0.8
    q: NonNegative = 2.0
    eps: Annotated[float, Within(0.0, 1.0, above=True)] = 0.01
    ignore_index: int = -100

    def __init__(
        self,
        num_classes: int,
        *,
        p: float = 0.8,
        q: float = 2.0,
        eps: float = 0.01,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(p=p, q=q, eps=eps, ignore_index=ignore_index, reduction=reduction)
        require(Within(1, whole=True), type(self).__name__, "num_classes", num_classes)
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(num_classes))

    def forward(
        self,
        *tensors: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        logits, target = tensors
        if self.training:
            seen = target != self.ignore_index
            if mask is not None:
                seen = seen & mask
            found = torch.where(seen, target, 0).flatten()
            self.counts = self.counts.scatter_add(0, found, seen.flatten().to(self.counts.dtype))
        probs = logits.detach().softmax(min(1, target.ndim))
        return super().forward(
            logits, target, self.counts, probs, sample_weight=sample_weight, mask=mask, denominator=denominator
        )


def _per_class(values: Tensor, logits: Tensor, axis: int) -> Tensor:
    """One number per class, ``(c,)``, in a shape that is broadcast over ``logits``."""
    return values.reshape(-1, *[1] * (logits.ndim - axis - 1))
