"""Losses of the overlap of regions: what is hit, what is predicted in excess, what is missed."""

from typing import Any, Literal

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    ClassWeight,
    NonNegative,
    PairLoss,
    Positive,
    Probability,
    Weighted,
    When,
    loss,
    reduce,
)
from lossary.kernels.regions import Areas, Regions

from .areas import Absent, Area, areas_of, dice_by_area, pixels, reduce_by_class, seen, share

__all__ = [
    "BatchDiceLoss", "DiceLoss", "FocalTverskyLoss", "GeneralizedDiceLoss", "JaccardLoss", "MCCLoss", "TverskyLoss",
    "batch_dice_loss", "dice_loss", "focal_tversky_loss", "generalized_dice_loss", "jaccard_loss", "mcc_loss",
    "tversky_loss",
]  # fmt: skip

_WEIGHT = torch.tensor([0.5, 1.0, 2.0])


def _dice(
    areas: Areas, *, smooth: float, absent: Absent, class_weight: Tensor | None, **how: Unpack[Weighted]
) -> Tensor:
    return reduce_by_class(dice_by_area(areas, smooth), areas, absent, class_weight, **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", When("at_most_one", "class_weight is None"), "zero_at_target", "monotone", "smooth",
                When("symmetric", "absent == 'count'"), "permutation_invariant"},
        formula=r"1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}",
        source='arXiv:1606.04797, section 3 (area="squared"); arXiv:1608.04117, section 2 (area="linear")',
        settings=[{"area": "squared", "smooth": 0.0}, {"absent": "skip", "class_weight": _WEIGHT}],
        tune={"smooth": (1e-5, 1.0)},
        good_at={"region overlap", "class imbalance", "small regions"},
        bad_at={"boundary accuracy", "calibrated probabilities", "smooth optimisation"},
        known_as=("soft Dice", "Dice", "F1 overlap", "Sørensen-Dice", "DSC"),
        elsewhere={
            "MONAI": 'DiceLoss; smooth_nr = smooth_dr = 1e-5 by default; squared_pred is area="squared"; takes logits'
                     " with sigmoid=True or softmax=True; batch=True is batch_dice_loss",
            "segmentation-models-pytorch": "DiceLoss; sums over the batch, as batch_dice_loss; an absent class gives 0 "
                                           "and stays in the mean",
            "keras": "Dice; one value for all samples and classes together unless axis is given",
            "kornia": "dice_loss; takes logits and class indices",
        },
    ),
    kernel=Regions(_dice, squares={"area": "squared"}),
)  # fmt: skip
def dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    smooth: NonNegative = 1.0,
    area: Area = "linear",
    absent: Absent = "count",
    class_weight: ClassWeight | None = None,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Missing overlap of a region, one value per sample and class: however much background there is, it is not seen.

    A class with no pixel in the target costs 0 where nothing is predicted and nearly 1 once more than ``smooth`` pixels
    are; ``absent="skip"`` leaves it out. For targets between 0 and 1 the smallest value is at the target with
    ``area="squared"`` alone. Dice of classes given by their index takes ``one_hot(index, c).movedim(-1, 1)``, and what
    is ignored there goes into ``mask``.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, or a probability between, the same shape.
        smooth: Added above and below the fraction, in pixels. At 0 an absent class costs 1 unless nothing at all is
            predicted.
        area: How the size of a region is measured: "linear" sums its values, "squared" their squares.
        absent: What a class without a pixel in the target does: it may "count", or be left out of the mean ("skip").
        class_weight: One weight per class, ``(c,)``; with 0 for class 0 the background does not count.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> dice_loss(torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]), smooth=0.0)
    tensor(0.3333)
    """
    areas = areas_of(probs, target, mask, area)
    return _dice(areas, smooth=smooth, absent=absent, class_weight=class_weight, **how)


class DiceLoss(PairLoss, of=dice_loss):
    """Module form of :func:`dice_loss`."""

    smooth: NonNegative = 1.0
    area: Area = "linear"
    absent: Absent = "count"
    class_weight: ClassWeight | None = None


def _batch_dice(areas: Areas, **options: Any) -> Tensor:
    hit, excess, missed, target, pixels = areas
    of_all = pixels if isinstance(pixels, int) else pixels.sum(0)
    return _dice(Areas(hit.sum(0), excess.sum(0), missed.sum(0), target.sum(0), of_all), **options)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="c",
        mask="n c *d",
        claims={"nonnegative", When("at_most_one", "class_weight is None"), "zero_at_target", "monotone", "smooth",
                When("symmetric", "absent == 'count'"), "permutation_invariant"},
        formula=r"1 - \frac{2 \sum_{n,i} p_{ni} t_{ni} + s}{\sum_{n,i} p_{ni} + \sum_{n,i} t_{ni} + s}",
        source="arXiv:1809.10486, L_dice, whose sums run over the pixels of the batch",
        settings=[{"area": "squared", "smooth": 0.0}, {"absent": "skip", "class_weight": _WEIGHT}],
        samples="interacting",
        tune={"smooth": (1e-5, 1.0)},
        good_at={"region overlap", "class imbalance", "small regions", "rare classes"},
        bad_at={"boundary accuracy", "calibrated probabilities", "small batches"},
        known_as=("batch Dice", "batch-aggregated Dice", "micro Dice"),
        elsewhere={
            "MONAI": "DiceLoss(batch=True)",
            "segmentation-models-pytorch": "DiceLoss; its only form",
            "pytorch-toolbelt": "DiceLoss; its only form",
            "pytorch_optimizer": "DiceLoss; its only form",
        },
    ),
    kernel=Regions(_batch_dice, squares={"area": "squared"}, over_batch=True),
)  # fmt: skip
def batch_dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    smooth: NonNegative = 1.0,
    area: Area = "linear",
    absent: Absent = "count",
    class_weight: ClassWeight | None = None,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice of the batch taken as one image, one value per class: a class absent from one sample does no harm.

    The samples interact: the losses of two halves of a batch do not add up to the loss of the whole.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, or a probability between, the same shape.
        smooth: Added above and below the fraction, in pixels.
        area: How the size of a region is measured: "linear" sums its values, "squared" their squares.
        absent: What a class without a pixel in the batch does: it may "count", or be left out of the mean ("skip").
        class_weight: One weight per class, ``(c,)``.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> batch_dice_loss(torch.ones(2, 1, 4), torch.tensor([[[1.0, 1, 1, 1]], [[0.0, 0, 0, 0]]]), smooth=0.0)
    tensor(0.3333)
    """
    areas = areas_of(probs, target, mask, area)
    return _batch_dice(areas, smooth=smooth, absent=absent, class_weight=class_weight, **how)


class BatchDiceLoss(PairLoss, of=batch_dice_loss):
    """Module form of :func:`batch_dice_loss`."""

    smooth: NonNegative = 1.0
    area: Area = "linear"
    absent: Absent = "count"
    class_weight: ClassWeight | None = None


Weighting = Literal["inverse square", "inverse", "uniform"]
_POWERS: dict[str, float] = {"inverse square": 2.0, "inverse": 1.0, "uniform": 0.0}


def _generalized_dice(areas: Areas, *, smooth: float, weighting: Weighting, **how: Unpack[Weighted]) -> Tensor:
    there = areas.target > 0
    smallest = torch.where(there, areas.target, torch.inf).amin(1, keepdim=True)
    smallest = torch.where(smallest.isinf(), 1.0, smallest)
    weight = (smallest / torch.where(there, areas.target, smallest)) ** _POWERS[weighting]
    wrong = (weight * (areas.excess + areas.missed)).sum(1)
    values = share(wrong, 2 * (weight * areas.hit).sum(1) + wrong + smooth)
    counted = seen(areas)
    return reduce(values, mask=None if counted is None else counted.any(1), **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n",
        mask="n c *d",
        claims={"nonnegative", "at_most_one", "zero_at_target", "monotone", "smooth", "permutation_invariant"},
        formula=r"1 - 2 \frac{\sum_c w_c \sum_i p_{ci} t_{ci}}{\sum_c w_c \sum_i (p_{ci} + t_{ci})},"
                r" \quad w_c = \Big(\sum_i t_{ci}\Big)^{-2}",
        source="arXiv:1707.03237, GDL",
        settings=[{"weighting": "inverse", "smooth": 1.0}],
        good_at={"region overlap", "class imbalance", "small regions", "rare classes"},
        bad_at={"boundary accuracy", "calibrated probabilities", "unstable training"},
        known_as=("Generalized Dice", "generalised Dice", "GDL"),
        elsewhere={
            "MONAI": 'GeneralizedDiceLoss; w_type "square", "simple", "uniform"; its smooth_nr = smooth_dr = 1e-5 stand'
                     " beside weights of 1/area^2 and take over where regions are large; here smooth is in pixels of"
                     " the rarest class",
        },
    ),
    kernel=Regions(_generalized_dice),
)  # fmt: skip
def generalized_dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    smooth: NonNegative = 0.0,
    weighting: Weighting = "inverse square",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice of all classes together, each weighing the less the larger it is: one value per sample.

    A class absent from a sample weighs there as much as the smallest one present. A sample with no class at all costs 1
    unless nothing is predicted.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, or a probability between, the same shape.
        smooth: Added above and below the fraction, in pixels of the smallest class present.
        weighting: How a class weighs by its area in the target: "inverse square" (the paper), "inverse", "uniform".
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> generalized_dice_loss(torch.ones(1, 2, 4), torch.tensor([[[1.0, 1, 1, 1], [0, 0, 0, 1]]]))  # 3 / 5.5
    tensor(0.5455)
    """
    return _generalized_dice(areas_of(probs, target, mask), smooth=smooth, weighting=weighting, **how)


class GeneralizedDiceLoss(PairLoss, of=generalized_dice_loss):
    """Module form of :func:`generalized_dice_loss`."""

    smooth: NonNegative = 0.0
    weighting: Weighting = "inverse square"


def _jaccard(
    areas: Areas, *, smooth: float, absent: Absent, class_weight: Tensor | None, **how: Unpack[Weighted]
) -> Tensor:
    wrong = areas.excess + areas.missed
    return reduce_by_class(share(wrong, areas.hit + wrong + smooth), areas, absent, class_weight, **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", When("at_most_one", "class_weight is None"), "zero_at_target", "monotone", "smooth",
                When("symmetric", "absent == 'count'"), "permutation_invariant"},
        formula=r"1 - \frac{\sum_i p_i t_i + s}{\sum_i (p_i + t_i - p_i t_i) + s}",
        source="doi:10.1007/978-3-319-50835-1_22, L_IoU",
        settings=[{"smooth": 0.0}, {"absent": "skip", "class_weight": _WEIGHT}],
        tune={"smooth": (1e-5, 1.0)},
        good_at={"region overlap", "class imbalance", "small regions"},
        bad_at={"boundary accuracy", "calibrated probabilities", "smooth optimisation"},
        known_as=("soft Jaccard", "soft IoU", "Soft Jaccard / IoU (segmentation)"),
        elsewhere={
            "MONAI": "DiceLoss(jaccard=True); its smoothing counts half: smooth_nr = smooth_dr = 2 * smooth",
            "segmentation-models-pytorch": "JaccardLoss; sums over the batch",
        },
    ),
    kernel=Regions(_jaccard),
)  # fmt: skip
def jaccard_loss(
    probs: Tensor,
    target: Tensor,
    *,
    smooth: NonNegative = 1.0,
    absent: Absent = "count",
    class_weight: ClassWeight | None = None,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Intersection missing from the union of a region, one value per sample and class; it ranks as Dice does.

    Absent classes are treated as by :func:`dice_loss`. A Dice loss of d is a Jaccard loss of 2d / (1 + d).

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, or a probability between, the same shape.
        smooth: Added above and below the fraction, in pixels.
        absent: What a class without a pixel in the target does: it may "count", or be left out of the mean ("skip").
        class_weight: One weight per class, ``(c,)``.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> jaccard_loss(torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]), smooth=0.0)
    tensor(0.5000)
    """
    areas = areas_of(probs, target, mask)
    return _jaccard(areas, smooth=smooth, absent=absent, class_weight=class_weight, **how)


class JaccardLoss(PairLoss, of=jaccard_loss):
    """Module form of :func:`jaccard_loss`."""

    smooth: NonNegative = 1.0
    absent: Absent = "count"
    class_weight: ClassWeight | None = None


def _tversky_values(areas: Areas, false_positive: float, false_negative: float, smooth: float) -> Tensor:
    wrong = false_positive * areas.excess + false_negative * areas.missed
    return share(wrong, areas.hit + wrong + smooth)


def _tversky(
    areas: Areas,
    *,
    false_positive: float,
    false_negative: float,
    smooth: float,
    absent: Absent,
    class_weight: Tensor | None,
    **how: Unpack[Weighted],
) -> Tensor:
    values = _tversky_values(areas, false_positive, false_negative, smooth)
    return reduce_by_class(values, areas, absent, class_weight, **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", When("at_most_one", "class_weight is None"), "zero_at_target", "monotone", "smooth",
                When("symmetric", "absent == 'count' and false_positive == false_negative"), "permutation_invariant"},
        formula=r"1 - \frac{TP + s}{TP + w_{FP}\,FP + w_{FN}\,FN + s}",
        source="arXiv:1706.05721, T(alpha, beta)",
        settings=[{"false_positive": 0.5, "false_negative": 0.5, "smooth": 0.0},
                  {"absent": "skip", "class_weight": _WEIGHT}],
        tune={"false_negative": (0.3, 0.5, 0.7, 0.9)},
        good_at={"region overlap", "class imbalance", "small regions", "rare classes"},
        bad_at={"boundary accuracy", "calibrated probabilities"},
        known_as=("Tversky", "Tversky index"),
        elsewhere={
            "MONAI": "TverskyLoss; alpha is false_positive, beta is false_negative (both 0.5 by default)",
            "segmentation-models-pytorch, pytorch_optimizer": "TverskyLoss; alpha is false_positive, beta is "
                                                              "false_negative; sums over the batch",
            "kornia": "tversky_loss; alpha is false_positive, beta is false_negative; takes logits and class indices",
            "keras": "Tversky; its documentation calls alpha the weight of false positives, and what it computes with "
                     "it is false_negative; beta is false_positive",
            "catalyst": "TverskyLoss; alpha is false_negative",
        },
    ),
    kernel=Regions(_tversky),
)  # fmt: skip
def tversky_loss(
    probs: Tensor,
    target: Tensor,
    *,
    false_positive: NonNegative = 0.3,
    false_negative: NonNegative = 0.7,
    smooth: NonNegative = 1.0,
    absent: Absent = "count",
    class_weight: ClassWeight | None = None,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Missing overlap of a region where misses and false alarms weigh differently; one value per sample and class.

    More weight on false negatives finds more of a small region, at the price of false alarms. Weights of 0.5 give Dice,
    weights of 1 Jaccard. Absent classes are treated as by :func:`dice_loss`.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, or a probability between, the same shape.
        false_positive: What predicting a pixel that is not in the target weighs; the paper's alpha.
        false_negative: What missing a pixel of the target weighs; the paper's beta.
        smooth: Added above and below the fraction, in pixels.
        absent: What a class without a pixel in the target does: it may "count", or be left out of the mean ("skip").
        class_weight: One weight per class, ``(c,)``.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> half, target = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    >>> tversky_loss(half, target, smooth=0.0), tversky_loss(target, half, smooth=0.0)
    (tensor(0.4118), tensor(0.2308))
    """
    return _tversky(
        areas_of(probs, target, mask),
        false_positive=false_positive,
        false_negative=false_negative,
        smooth=smooth,
        absent=absent,
        class_weight=class_weight,
        **how,
    )


class TverskyLoss(PairLoss, of=tversky_loss):
    """Module form of :func:`tversky_loss`."""

    false_positive: NonNegative = 0.3
    false_negative: NonNegative = 0.7
    smooth: NonNegative = 1.0
    absent: Absent = "count"
    class_weight: ClassWeight | None = None


def _focal_tversky(
    areas: Areas,
    *,
    gamma: float,
    false_positive: float,
    false_negative: float,
    smooth: float,
    absent: Absent,
    class_weight: Tensor | None,
    **how: Unpack[Weighted],
) -> Tensor:
    wrong = _tversky_values(areas, false_positive, false_negative, smooth)
    perfect = wrong == 0  # where the slope of the power would be infinite
    values = torch.where(perfect, 0.0, torch.where(perfect, 1.0, wrong) ** (1 / gamma))
    return reduce_by_class(values, areas, absent, class_weight, **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", When("at_most_one", "class_weight is None"), "zero_at_target", "monotone", "smooth",
                "permutation_invariant"},
        formula=r"\Big(1 - \frac{TP + s}{TP + w_{FP}\,FP + w_{FN}\,FN + s}\Big)^{1/\gamma}",
        source="arXiv:1810.07842, FTL_c",
        settings=[{"gamma": 0.5, "smooth": 0.0}, {"absent": "skip", "class_weight": _WEIGHT}],
        tune={"gamma": (1.0, 4 / 3, 2.0)},
        good_at={"region overlap", "class imbalance", "small regions", "rare classes"},
        bad_at={"boundary accuracy", "calibrated probabilities"},
        known_as=("Focal Tversky", "FTL"),
        elsewhere={
            "segmentation-models-pytorch": "TverskyLoss(gamma=...); its gamma is 1/gamma here, and is applied to the "
                                           "mean over the classes; alpha is false_positive; the gradient at a perfect "
                                           "prediction is NaN below gamma=1",
            "pytorch_optimizer": "FocalTverskyLoss; its gamma is 1/gamma here; alpha is false_positive; takes logits",
            "unified-focal-loss": "FocalTverskyLoss; its gamma is 1/gamma here; delta is false_negative, 1 - delta"
                                  " false_positive; sums over the batch",
        },
    ),
    kernel=Regions(_focal_tversky),
)  # fmt: skip
def focal_tversky_loss(
    probs: Tensor,
    target: Tensor,
    *,
    gamma: Positive = 4 / 3,
    false_positive: NonNegative = 0.3,
    false_negative: NonNegative = 0.7,
    smooth: NonNegative = 1.0,
    absent: Absent = "count",
    class_weight: ClassWeight | None = None,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Tversky loss to the power 1/gamma: above 1, regions that are nearly right pull relatively harder.

    The slope grows without bound towards a perfect region where gamma is above 1; at a perfect region it is taken as 0.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, or a probability between, the same shape.
        gamma: The power is its inverse, as in the paper. Others call the power itself gamma: 0.75 there is 4/3 here.
        false_positive: What predicting a pixel that is not in the target weighs; the paper's beta.
        false_negative: What missing a pixel of the target weighs; the paper's alpha.
        smooth: Added above and below the fraction, in pixels.
        absent: What a class without a pixel in the target does: it may "count", or be left out of the mean ("skip").
        class_weight: One weight per class, ``(c,)``.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> half, target = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    >>> focal_tversky_loss(half, target, gamma=2.0, smooth=0.0)  # the root of the Tversky loss, 0.4118
    tensor(0.6417)
    """
    return _focal_tversky(
        areas_of(probs, target, mask),
        gamma=gamma,
        false_positive=false_positive,
        false_negative=false_negative,
        smooth=smooth,
        absent=absent,
        class_weight=class_weight,
        **how,
    )


class FocalTverskyLoss(PairLoss, of=focal_tversky_loss):
    """Module form of :func:`focal_tversky_loss`."""

    gamma: Positive = 4 / 3
    false_positive: NonNegative = 0.3
    false_negative: NonNegative = 0.7
    smooth: NonNegative = 1.0
    absent: Absent = "count"
    class_weight: ClassWeight | None = None


def _mcc(areas: Areas, **how: Unpack[Weighted]) -> Tensor:
    number = pixels(areas)
    # With shares instead of areas TP TN - FP FN is E[pt] - E[p]E[t], and nothing overflows on a large volume.
    both, wrong = areas.hit / number, areas.excess + areas.missed
    p, t = both + areas.excess / number, both + areas.missed / number
    square = p * (1 - p) * t * (1 - t)
    defined = square > 0
    correlation = torch.where(defined, (both - p * t) / torch.where(defined, square, 1.0).sqrt(), 0.0)
    values = torch.where(~defined & (wrong == 0), 0.0, 1 - correlation)
    return reduce(values, mask=seen(areas), **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", "zero_at_target", "symmetric", "smooth", "permutation_invariant"},
        formula=r"1 - \frac{TP \cdot TN - FP \cdot FN}{\sqrt{(TP + FP)(TP + FN)(TN + FP)(TN + FN)}}",
        source="doi:10.1109/ISBI48211.2021.9433782, eq. 3-5",
        good_at={"class imbalance", "small regions", "region overlap"},
        bad_at={"boundary accuracy", "calibrated probabilities"},
        known_as=("Matthews correlation coefficient loss", "MCC", "phi coefficient"),
        elsewhere={
            "MONAI": "MCCLoss; adds smooth_dr = 1e-5 under the root",
            "segmentation-models-pytorch": "MCCLoss; sums over the batch, adds eps = 1e-5 to each of the four areas",
        },
    ),
    kernel=Regions(_mcc),
)  # fmt: skip
def mcc_loss(probs: Tensor, target: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """One minus the correlation of region and target, which counts true negatives too; per sample and class, up to 2.

    Where target or prediction is empty or full the coefficient is undefined and taken as 0, so the loss is 1 and has no
    gradient; a prediction that is exactly right costs 0 there too.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> mcc_loss(torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]), torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]))
    tensor(1.)
    """
    return _mcc(areas_of(probs, target, mask), **how)


class MCCLoss(PairLoss, of=mcc_loss):
    """Module form of :func:`mcc_loss`."""
