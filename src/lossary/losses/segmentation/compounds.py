"""Overlap and pixel-wise losses added up: the one for small regions, the other for a gradient at every pixel."""

from typing import Any

import torch
from torch import Tensor
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
    Weighted,
    When,
    loss,
    reduce,
)
from lossary.kernels.class_regions import ClassRegions
from lossary.kernels.regions import Areas, LogitRegions
from lossary.losses.classification import bce_with_logits_loss, cross_entropy_loss
from lossary.losses.imbalance import sigmoid_focal_loss

from .areas import areas_of, dice_by_area, flat, pixels, seen
from .lovasz import counted_pixels, one_hot

__all__ = [
    "DiceBCELoss", "DiceCrossEntropyLoss", "DiceFocalLoss",
    "dice_bce_loss", "dice_cross_entropy_loss", "dice_focal_loss",
]  # fmt: skip


def _dice_cross_entropy(
    areas: Areas,
    entropy: Tensor,
    *,
    dice_weight: float,
    cross_entropy_weight: float,
    smooth: float,
    class_weight: Tensor | None,
    **how: Unpack[Weighted],
) -> Tensor:
    """From the mean cross-entropy of each sample."""
    dice = dice_by_area(areas, smooth)
    dice = dice.mean(1) if class_weight is None else (dice * class_weight).sum(1) / class_weight.sum()
    counted = seen(areas)
    values = dice_weight * dice + cross_entropy_weight * entropy
    return reduce(values, mask=None if counted is None else counted.any(1), **how)


def _by_class(areas: Areas, losses: Tensor, *, class_weight: Tensor | None, **options: Any) -> Tensor:
    """From the sums of the cross-entropies of each class's pixels, without their class's weight."""
    weight = losses.new_ones(()) if class_weight is None else class_weight
    total = (areas.target * weight).sum(1)
    entropy = (losses * weight).sum(1) / torch.where(total == 0, 1.0, total)
    return _dice_cross_entropy(areas, entropy, class_weight=class_weight, **options)


@loss(
    Card(
        task="segmentation",
        inputs=[Logit("n c *d"), ClassIndex("n *d")],
        values="n",
        mask="n *d",
        claims={"nonnegative", When("zero_at_target", "smooth > 0"), "shift_invariant", "smooth",
                "permutation_invariant"},
        formula=r"\lambda_D \operatorname{mean}_c L_\mathrm{Dice}(\mathrm{softmax}(z)_c, [y = c])"
                r" + \lambda_C \operatorname{mean}_i L_\mathrm{CE}(z_i, y_i)",
        source="arXiv:1809.10486, L_total",
        settings=[{"dice_weight": 0.5, "cross_entropy_weight": 2.0, "smooth": 0.0,
                   "class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        tune={"dice_weight": (0.5, 1.0, 2.0)},
        good_at={"region overlap", "class imbalance", "small regions", "smooth optimisation"},
        bad_at={"boundary accuracy", "label noise"},
        known_as=("Dice + CE", "DiceCE", "Dice cross-entropy", "Dice + CE / BCE compound"),
        elsewhere={"MONAI": "DiceCELoss(to_onehot_y=True, softmax=True); lambda_dice, lambda_ce; its cross-entropy is "
                            "averaged over all pixels of the batch, the same unless pixels are ignored or weighed",
                   "nnU-Net": "DC_and_CE_loss; batch Dice, which is negative"},
    ),
    kernel=ClassRegions(_by_class),
)  # fmt: skip
def dice_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weight: NonNegative = 1.0,
    cross_entropy_weight: NonNegative = 1.0,
    smooth: NonNegative = 1.0,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice plus cross-entropy for exclusive classes, one value per sample.

    The mean over the classes of :func:`dice_loss` plus the mean over the pixels of
    :func:`lossary.cross_entropy_loss`, both weighted by class where ``class_weight`` is given.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``.
        target: Index of the class in [0, c), ``(n, *d)``.
        dice_weight: What Dice is multiplied by.
        cross_entropy_weight: What cross-entropy is multiplied by.
        smooth: Added above and below the fraction of Dice, in pixels.
        class_weight: One weight per class, ``(c,)``.
        ignore_index: Pixels with this target do not count.
        mask: True at the pixels that count, ``(n, *d)`` or its leading dimensions.

    >>> dice_cross_entropy_loss(torch.zeros(1, 2, 2), torch.tensor([[0, 1]]))  # Dice 1/3, cross-entropy log 2
    tensor(1.0265)
    """
    counted = counted_pixels(target, mask, ignore_index)
    logits = torch.where(counted.unsqueeze(1), logits, 0.0)
    regions = one_hot(target, logits.shape[1]).to(logits.dtype)
    kept = counted.unsqueeze(1).expand_as(logits)
    areas = areas_of(logits.softmax(1), regions, kept)
    entropy = cross_entropy_loss(
        logits, target, class_weight=class_weight, ignore_index=ignore_index, mask=counted, reduction="none"
    )
    pixel_weight = counted.to(entropy.dtype)
    if class_weight is not None:
        pixel_weight = torch.where(counted, class_weight[torch.where(counted, target, 0)], 0.0)
    entropies, weights = (x.unsqueeze(-1).flatten(1).sum(1) for x in (entropy, pixel_weight))
    return _dice_cross_entropy(
        areas,
        entropies / torch.where(weights == 0, 1.0, weights),
        dice_weight=dice_weight,
        cross_entropy_weight=cross_entropy_weight,
        smooth=smooth,
        class_weight=class_weight,
        **how,
    )


class DiceCrossEntropyLoss(PairLoss, of=dice_cross_entropy_loss):
    """Module form of :func:`dice_cross_entropy_loss`."""

    dice_weight: NonNegative = 1.0
    cross_entropy_weight: NonNegative = 1.0
    smooth: NonNegative = 1.0
    class_weight: ClassWeight | None = None
    ignore_index: int = -100


def _dice_bce(
    areas: Areas, losses: Tensor, *, dice_weight: float, bce_weight: float, smooth: float, **how: Unpack[Weighted]
) -> Tensor:
    values = dice_weight * dice_by_area(areas, smooth) + bce_weight * (losses / pixels(areas))
    return reduce(values, mask=seen(areas), **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Logit("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", When("zero_at_target", "smooth > 0"), When("monotone", "smooth > 0"), "smooth",
                "permutation_invariant"},
        formula=r"\lambda_D L_\mathrm{Dice}(\sigma(z), t) + \lambda_B \operatorname{mean}_i L_\mathrm{BCE}(z_i, t_i)",
        source="arXiv:1809.10486, L_total, for classes that may overlap",
        settings=[{"dice_weight": 0.5, "bce_weight": 2.0, "smooth": 0.0}],
        tune={"dice_weight": (0.5, 1.0, 2.0)},
        good_at={"region overlap", "class imbalance", "small regions", "smooth optimisation"},
        bad_at={"boundary accuracy", "label noise"},
        known_as=("Dice + BCE", "BCE-Dice", "Dice BCE"),
        elsewhere={"MONAI": "DiceCELoss(sigmoid=True)", "nnU-Net": "DC_and_BCE_loss; batch Dice, which is negative"},
    ),
    kernel=LogitRegions(_dice_bce, bce_with_logits_loss),
)  # fmt: skip
def dice_bce_loss(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weight: NonNegative = 1.0,
    bce_weight: NonNegative = 1.0,
    smooth: NonNegative = 1.0,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice plus binary cross-entropy, for one region or for classes that may overlap; a value per sample and class.

    :func:`dice_loss` plus the mean over the pixels of :func:`lossary.bce_with_logits_loss`.

    Args:
        logits: Log-odds of each class at each pixel, ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        dice_weight: What Dice is multiplied by.
        bce_weight: What binary cross-entropy is multiplied by.
        smooth: Added above and below the fraction of Dice, in pixels.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> dice_bce_loss(torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]]))  # Dice 1/3, cross-entropy log 2
    tensor(1.0265)
    """
    areas = areas_of(logits.sigmoid(), target, mask)
    losses = flat(bce_with_logits_loss(logits, target, mask=mask, reduction="none")).sum(-1)
    return _dice_bce(areas, losses, dice_weight=dice_weight, bce_weight=bce_weight, smooth=smooth, **how)


class DiceBCELoss(PairLoss, of=dice_bce_loss):
    """Module form of :func:`dice_bce_loss`."""

    dice_weight: NonNegative = 1.0
    bce_weight: NonNegative = 1.0
    smooth: NonNegative = 1.0


def _dice_focal(
    areas: Areas,
    losses: Tensor,
    *,
    dice_weight: float,
    focal_weight: float,
    gamma: float,
    alpha: float | None,
    smooth: float,
    **how: Unpack[Weighted],
) -> Tensor:
    """The losses of the pixels know gamma and alpha."""
    values = dice_weight * dice_by_area(areas, smooth) + focal_weight * (losses / pixels(areas))
    return reduce(values, mask=seen(areas), **how)


@loss(
    Card(
        task="segmentation",
        inputs=[Logit("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", When("zero_at_target", "smooth > 0"), "smooth", "permutation_invariant"},
        formula=r"\lambda_D L_\mathrm{Dice}(\sigma(z), t) + \lambda_F \operatorname{mean}_i L_\mathrm{focal}(z_i, t_i)",
        source="arXiv:1808.05238, L",
        settings=[{"dice_weight": 0.5, "focal_weight": 2.0, "gamma": 1.5, "alpha": None, "smooth": 0.0}],
        tune={"gamma": (1.0, 2.0, 3.0)},
        good_at={"region overlap", "class imbalance", "small regions", "hard examples"},
        bad_at={"boundary accuracy", "label noise", "calibrated probabilities"},
        known_as=("Dice + focal", "Dice + focal compound"),
        elsewhere={"MONAI": "DiceFocalLoss(sigmoid=True); alpha=None by default"},
    ),
    kernel=LogitRegions(_dice_focal, sigmoid_focal_loss),
)
def dice_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weight: NonNegative = 1.0,
    focal_weight: NonNegative = 1.0,
    gamma: NonNegative = 2.0,
    alpha: Fraction | None = 0.25,
    smooth: NonNegative = 1.0,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice plus the focal loss: small regions, and their doubtful pixels; a value per sample and class.

    :func:`dice_loss` plus the mean over the pixels of :func:`lossary.sigmoid_focal_loss`.

    Args:
        logits: Log-odds of each class at each pixel, ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        dice_weight: What Dice is multiplied by.
        focal_weight: What the focal loss is multiplied by.
        gamma: How fast the focal loss fades where the class is clear.
        alpha: Weight of label 1 in the focal loss, and 1 - alpha of label 0; ``None`` weighs neither.
        smooth: Added above and below the fraction of Dice, in pixels.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> dice_focal_loss(torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]]), alpha=None)  # Dice 1/3, focal log 2 / 4
    tensor(0.5066)
    """
    areas = areas_of(logits.sigmoid(), target, mask)
    focal = sigmoid_focal_loss(logits, target, gamma=gamma, alpha=alpha, mask=mask, reduction="none")
    weights = {"dice_weight": dice_weight, "focal_weight": focal_weight}
    return _dice_focal(areas, flat(focal).sum(-1), gamma=gamma, alpha=alpha, smooth=smooth, **weights, **how)


class DiceFocalLoss(PairLoss, of=dice_focal_loss):
    """Module form of :func:`dice_focal_loss`."""

    dice_weight: NonNegative = 1.0
    focal_weight: NonNegative = 1.0
    gamma: NonNegative = 2.0
    alpha: Fraction | None = 0.25
    smooth: NonNegative = 1.0
