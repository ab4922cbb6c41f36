"""Cross-entropies that fade where a sample is already clear, so that many easy ones do not drown a few hard ones."""

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
    Fraction,
    Logit,
    NonNegative,
    PairLoss,
    Reduce,
    When,
    Within,
    loss,
    reduce,
    reduce_classes,
)
from lossary.kernels import Element, Elementwise, exp_of_negative, expm1, log, logistic, maximum
from lossary.kernels.rows import Likelihood

__all__ = [
    "AsymmetricLoss", "AsymmetricSingleLabelLoss", "Poly1SigmoidFocalLoss", "SigmoidFocalLoss", "SoftmaxFocalLoss",
    "asymmetric_loss", "asymmetric_single_label_loss", "poly1_sigmoid_focal_loss", "sigmoid_focal_loss",
    "softmax_focal_loss",
]  # fmt: skip


def _focal(
    z: Element, y: Element, gamma: Element, epsilon: Element, positive: Element, negative: Element
) -> tuple[Element, ...]:
    rest, p, q = logistic(z)
    missed, raised = maximum(-z, 0.0) + rest, maximum(z, 0.0) + rest  # -log p and -log(1 - p)
    fading, faded = exp_of_negative(-gamma * raised), exp_of_negative(-gamma * missed)
    if_one, if_none = missed + epsilon * q, raised + epsilon * p
    rising = fading * (gamma * p * if_one + q + epsilon * q * p)
    falling = faded * (gamma * q * if_none + p + epsilon * q * p)
    a, b = positive * y, negative * (1.0 - y)
    return a * fading * if_one + b * faded * if_none, b * falling - a * rising


def _sides(gamma: float, alpha: float | None, epsilon: float = 0.0) -> tuple[float, ...]:
    return (gamma, epsilon, 1.0, 1.0) if alpha is None else (gamma, epsilon, alpha, 1.0 - alpha)


@loss(
    Card(
        task=("binary classification", "multi-label classification", "detection"),
        inputs=[Logit("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "monotone", "bounded_gradient", "smooth",
                When("positive_off_target", "alpha not in (0, 1)"), When("convex", "gamma == 0"),
                When("proper", "gamma == 0 and alpha in (None, 0.5)")},
        formula=r"-\alpha_t (1 - p_t)^\gamma \log p_t",
        source="arXiv:1708.02002, eq. 5",
        settings=[{"alpha": None}, {"gamma": 0.0}, {"gamma": 0.5}, {"gamma": 0.0, "alpha": None}],
        tune={"gamma": (1.0, 2.0, 3.0)},
        good_at={"class imbalance", "rare classes", "hard examples"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("focal", "sigmoid focal", "binary focal", "binary focal cross-entropy", "RetinaNet loss"),
        elsewhere={
            "torchvision, fvcore, kornia": "the same value; no reduction by default, and alpha=-1 (kornia: None) is"
            " None here",
            "MONAI": "FocalLoss; the same value with alpha=0.25, but alpha is None by default",
            "keras": "BinaryFocalCrossentropy; takes probabilities unless from_logits=True, and alpha counts only with"
            " apply_class_balancing=True",
            "segmentation-models-pytorch": "FocalLoss('binary'); the same value with alpha=0.25, but alpha is None by"
            " default",
            "pytorch_optimizer": "BCEFocalLoss is this of probabilities; FocalLoss multiplies both labels by alpha",
        },
    ),
    kernel=Elementwise(_focal, parameters=_sides),
)  # fmt: skip
def sigmoid_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: NonNegative = 2.0,
    alpha: Fraction | None = 0.25,
    **how: Unpack[Reduce],
) -> Tensor:
    """Binary cross-entropy that fades where the label is already clear: focal loss.

    Where most of a batch is easy, as background is in detection, the few hard elements decide the gradient. The mean is
    over all elements; detectors divide by the number of objects instead: give that as ``denominator``.

    Args:
        logits: Log-odds of label 1, any shape ``(*n)``.
        target: 0 or 1, the same shape; a number between is a mixture of both.
        gamma: How fast the loss fades; 0 gives the weighted binary cross-entropy.
        alpha: Weight of label 1, in [0, 1]; label 0 weighs 1 - alpha. ``None`` weighs both by 1.

    >>> sigmoid_focal_loss(torch.zeros(2), torch.tensor([1.0, 0.0]), reduction="none")  # 0.25 and 0.75 of 0.5^2 log 2
    tensor([0.0433, 0.1300])
    """
    return reduce(_sigmoid_focal(logits, target, gamma, alpha, epsilon=0.0), **how)


class SigmoidFocalLoss(PairLoss, of=sigmoid_focal_loss):
    """Module form of :func:`sigmoid_focal_loss`."""

    gamma: NonNegative = 2.0
    alpha: Fraction | None = 0.25


@loss(
    Card(
        task=("binary classification", "multi-label classification", "detection"),
        inputs=[Logit("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "monotone", "bounded_gradient", "smooth",
                When("proper", "gamma == 0 and epsilon == 0 and alpha in (None, 0.5)")},
        formula=r"\alpha_t \big(-(1 - p_t)^\gamma \log p_t + \epsilon (1 - p_t)^{\gamma + 1}\big)",
        source="arXiv:2204.12511, section 4.3",
        settings=[{"alpha": 0.25}, {"epsilon": 1.0}, {"gamma": 0.5, "epsilon": 2.0}],
        tune={"epsilon": (-1.0, -0.5, 1.0)},
        good_at={"class imbalance", "rare classes", "hard examples"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("Poly-1 focal", "Poly-1 sigmoid focal", "poly focal"),
        elsewhere={"timm": "PolyBinaryCrossEntropy with its gamma, which is 0 by default, as is alpha=None"},
    ),
    kernel=Elementwise(_focal, parameters=_sides),
)  # fmt: skip
def poly1_sigmoid_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: NonNegative = 2.0,
    alpha: Fraction | None = None,
    epsilon: Annotated[float, Within(-1.0)] = -1.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Focal loss with another first term in its expansion in powers of 1 - p.

    Args:
        logits: Log-odds of label 1, any shape ``(*n)``.
        target: 0 or 1, the same shape; a number between is a mixture of both.
        gamma: How fast the loss fades.
        alpha: Weight of label 1, in [0, 1]; label 0 weighs 1 - alpha. ``None`` weighs both by 1.
        epsilon: What is added to the first coefficient, at least -1, which removes that term and is the paper's choice
            for detection; 0 gives :func:`sigmoid_focal_loss`.

    >>> poly1_sigmoid_focal_loss(torch.zeros(1), torch.ones(1), epsilon=1.0)  # 0.5^2 log 2 + 0.5^3
    tensor(0.2983)
    """
    return reduce(_sigmoid_focal(logits, target, gamma, alpha, epsilon), **how)


class Poly1SigmoidFocalLoss(PairLoss, of=poly1_sigmoid_focal_loss):
    """Module form of :func:`poly1_sigmoid_focal_loss`."""

    gamma: NonNegative = 2.0
    alpha: Fraction | None = None
    epsilon: Annotated[float, Within(-1.0)] = -1.0


def _fading_likelihood(nll: Element, gamma: Element) -> tuple[Element, Element]:
    rest = maximum(-expm1(-nll), 1e-37)  # 1 - p
    fading = exp_of_negative(gamma * log(rest))
    return fading * nll, fading * (1.0 + gamma * (1.0 - rest) * (nll / rest))


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "bounded_gradient", "smooth", "shift_invariant",
                When("convex", "gamma == 0"), When("proper", "gamma == 0 and class_weight is None")},
        formula=r"-w_y (1 - p_y)^\gamma \log p_y,\quad p = \mathrm{softmax}(z)",
        source="arXiv:1708.02002, section 3 (for more than two classes)",
        settings=[{"gamma": 0.0}, {"gamma": 0.5}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"gamma": (1.0, 2.0, 3.0)},
        good_at={"class imbalance", "rare classes", "hard examples"},
        bad_at={"calibrated probabilities", "label noise"},
        known_as=("softmax focal", "categorical focal", "categorical focal cross-entropy", "multi-class focal",
                  "focal cross-entropy"),
        elsewhere={
            "keras": "CategoricalFocalCrossentropy; alpha is 0.25 for every class by default, which only scales the"
            " loss; the same value with alpha=1",
            "kornia": "FocalLoss; its mean is over the classes too: a c-th of this. alpha weighs the first class by"
            " 1 - alpha and all others by alpha",
            "MONAI": "FocalLoss(use_softmax=True, to_onehot_y=True); its mean is over the classes too: a c-th of this."
            " alpha as in kornia, or one number per class, which does not enter the denominator",
            "segmentation-models-pytorch": "softmax_focal_loss_with_logits is this; FocalLoss('multiclass') is the mean"
            " of one sigmoid focal loss per class",
            "pytorch-toolbelt": "CrossEntropyFocalLoss; fades by the softmax what is a sum of binary cross-entropies",
            "catalyst": "FocalLossMultiClass; the sum of one sigmoid focal loss per class, with alpha 0.25; of images"
            " it pairs logits with the wrong pixels",
        },
    ),
    kernel=Likelihood(_fading_likelihood),
)  # fmt: skip
def softmax_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: NonNegative = 2.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy that fades where the class is already clear: focal loss for one class of many.

    One value per sample, of its own class alone. The paper's alpha is ``class_weight``: one number for all classes
    would only scale the loss. The mean divides by the total weight of the targets' classes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        gamma: How fast the loss fades; 0 gives the cross-entropy.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Samples with this target do not count.

    >>> softmax_focal_loss(torch.zeros(1, 2), torch.tensor([0]))  # 0.5^2 log 2
    tensor(0.1733)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        nll = F.cross_entropy(logits, target, reduction="none")
        values = faded_share(nll, gamma) * nll
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class SoftmaxFocalLoss(PairLoss, of=softmax_focal_loss):
    """Module form of :func:`softmax_focal_loss`."""

    gamma: NonNegative = 2.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


@loss(
    Card(
        task=("multi-label classification", "binary classification"),
        inputs=[Logit("*n"), Binary("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "monotone", "bounded_gradient",
                When("smooth", "margin == 0 or gamma_negative > 0")},
        formula=r"\begin{cases} -(1 - p)^{\gamma_+} \log p & y = 1 \\ -p_m^{\gamma_-} \log(1 - p_m) & y = 0"
                r" \end{cases},\quad p_m = \max(p - m, 0)",
        source="arXiv:2009.14119, eq. 7",
        settings=[{"margin": 0.0}, {"gamma_positive": 0.0}, {"gamma_positive": 0.5, "gamma_negative": 0.5},
                  {"margin": 0.0, "gamma_negative": 0.0}],
        tune={"gamma_negative": (2.0, 4.0)},
        good_at={"class imbalance", "rare classes", "hard examples", "label noise"},
        bad_at={"calibrated probabilities"},
        known_as=("ASL", "asymmetric multi-label", "asymmetric loss (multi / single label)"),
        elsewhere={
            "timm": "AsymmetricLossMultiLabel; sums over the labels and averages over the samples by default",
            "Alibaba-MIIL/ASL": "AsymmetricLoss; the sum over all elements; AsymmetricLossOptimized with"
            " disable_torch_grad_focal_loss=True holds the fading factor constant in the gradient",
        },
    )
)  # fmt: skip
def asymmetric_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma_positive: NonNegative = 1.0,
    gamma_negative: NonNegative = 4.0,
    margin: Annotated[float, Within(0.0, 1.0, below=True)] = 0.05,
    **how: Unpack[Reduce],
) -> Tensor:
    """Focal loss that fades faster for absent labels, and is 0 for one whose probability is below ``margin``.

    For samples with few labels of many: the easy absent ones count for nothing, and absent ones with a very high
    probability, often labels that were forgotten, count for less.

    Args:
        logits: Log-odds of label 1, any shape ``(*n)``.
        target: 0 or 1, the same shape; a number between is a mixture of both.
        gamma_positive: How fast the loss of a present label fades.
        gamma_negative: How fast the loss of an absent label fades.
        margin: What is taken off the probability of an absent label, in [0, 1).

    >>> values = asymmetric_loss(torch.zeros(2), torch.tensor([1.0, 0.0]), reduction="none")
    >>> values  # 0.5 log 2 and -0.45^4 log 0.55
    tensor([0.3466, 0.0245])
    """
    missed = -F.logsigmoid(logits)
    # -log((1 - p) + m) in logarithms, exact also where 1 - p is too small for a float. Where p is below m, it is below
    # 0 and fades to nothing.
    raised = -torch.logaddexp(F.logsigmoid(-logits), torch.full_like(logits, margin).log())
    present = faded_share(missed, gamma_positive) * missed
    absent = faded_share(raised, gamma_negative) * raised
    return reduce(target * present + (1.0 - target) * absent, **how)


class AsymmetricLoss(PairLoss, of=asymmetric_loss):
    """Module form of :func:`asymmetric_loss`."""

    gamma_positive: NonNegative = 1.0
    gamma_negative: NonNegative = 4.0
    margin: Annotated[float, Within(0.0, 1.0, below=True)] = 0.05


@loss(
    Card(
        task="multi-class classification",
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="n *d | ",
        claims={"nonnegative", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"-w_y \sum_k y_k\, \phi_k \log p_k,\quad \phi_k = \begin{cases} (1 - p_k)^{\gamma_+} & k = y \\"
                r" p_k^{\gamma_-} & k \ne y \end{cases},\quad"
                r" y_k = (1 - s) [k = y] + \tfrac{s}{C}",
        source="arXiv:2009.14119 (in its code alone: ASLSingleLabel)",
        settings=[{"gamma_positive": 1.0}, {"gamma_positive": 0.5, "gamma_negative": 0.0},
                  {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"class imbalance", "overconfidence"},
        bad_at={"calibrated probabilities"},
        known_as=("ASL single label", "asymmetric softmax", "single-label asymmetric"),
        elsewhere={
            "timm": "AsymmetricLossSingleLabel; gamma_pos is 1 by default, eps is `label_smoothing`",
            "Alibaba-MIIL/ASL": "ASLSingleLabel; gamma_pos is 0 by default, eps is `label_smoothing`",
        },
    )
)  # fmt: skip
def asymmetric_single_label_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma_positive: NonNegative = 0.0,
    gamma_negative: NonNegative = 4.0,
    label_smoothing: Fraction = 0.1,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Reduce],
) -> Tensor:
    """Smoothed cross-entropy in which the wrong classes' part fades: :func:`asymmetric_loss` for one class of many.

    The wrong classes enter through ``label_smoothing`` alone: without it ``gamma_negative`` does nothing. The mean
    divides by the total weight of the targets' classes.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        gamma_positive: How fast the target's class fades.
        gamma_negative: How fast the other classes fade.
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1].
        class_weight: One weight per class, ``(c,)``; it weighs the whole value of a sample of that class.
        ignore_index: Samples with this target do not count.

    >>> asymmetric_single_label_loss(torch.zeros(1, 2), torch.tensor([0]))  # (0.95 + 0.05 * 0.5^4) log 2
    tensor(0.6607)
    """

    def values_of(logits: Tensor, target: Tensor) -> Tensor:
        axis = min(1, target.ndim)
        nll = -logits.log_softmax(axis)
        even = label_smoothing / logits.shape[axis]
        right = torch.zeros_like(nll, dtype=torch.bool).scatter(axis, target.unsqueeze(axis), True)
        fading = torch.where(right, faded_share(nll, gamma_positive), torch.exp(-gamma_negative * nll))
        values = (torch.where(right, 1.0 - label_smoothing + even, even) * fading * nll).sum(axis)
        return values if class_weight is None else values * class_weight[target]

    return reduce_classes(values_of, logits, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class AsymmetricSingleLabelLoss(PairLoss, of=asymmetric_single_label_loss):
    """Module form of :func:`asymmetric_single_label_loss`."""

    gamma_positive: NonNegative = 0.0
    gamma_negative: NonNegative = 4.0
    label_smoothing: Fraction = 0.1
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def faded_share(nll: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma of p = exp(-nll). Where p is 1 or more it is 0 with a gradient of 0, also for gamma below 1."""
    rest = -torch.expm1(-nll)
    certain = rest <= 0
    return torch.where(certain, 0.0, torch.where(certain, 1.0, rest).pow(gamma))


def _sigmoid_focal(logits: Tensor, target: Tensor, gamma: float, alpha: float | None, epsilon: float) -> Tensor:
    """The values of the focal loss, and ``epsilon`` times the first term of their expansion."""
    sides = []
    for nll in (-F.logsigmoid(logits), -F.logsigmoid(-logits)):
        sides.append(faded_share(nll, gamma) * (nll - epsilon * torch.expm1(-nll)))
    positive, negative = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
    return positive * target * sides[0] + negative * (1.0 - target) * sides[1]
