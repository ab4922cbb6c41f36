"""Losses of the centre lines of thin structures: vessels, roads, neurons."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    Fraction,
    NonNegative,
    PairLoss,
    PositiveInt,
    Probability,
    Weighted,
    loss,
    masked_sum,
    reduce,
)

from .areas import any_pixel, flat
from .regions import dice_loss

__all__ = ["ClDiceLoss", "DiceClDiceLoss", "cl_dice_loss", "dice_cl_dice_loss", "soft_skeleton"]


def soft_skeleton(probs: Tensor, *, iterations: int = 3) -> Tensor:
    """Centre lines of a region by repeated erosion: what an opening removes, gathered while the region shrinks.

    Differentiable; for a region of 0 and 1 the result is 0 and 1. Algorithm 1 of arXiv:2003.07311, with its authors'
    neighbourhoods: a cross for the erosion, a full square or cube for the dilation.

    Args:
        probs: Values in [0, 1], ``(n, c, *d)`` with any number of spatial dimensions.
        iterations: At least the largest radius of a structure, in pixels.

    >>> soft_skeleton(torch.tensor([[[0.0, 1.0, 1.0, 1.0, 0.0]]]), iterations=1)
    tensor([[[0., 0., 1., 0., 0.]]])
    """
    skeleton = F.relu(probs - _dilated(_eroded(probs)))
    for _ in range(iterations):
        probs = _eroded(probs)
        new = F.relu(probs - _dilated(_eroded(probs)))
        skeleton = skeleton + (1 - skeleton) * new
    return skeleton


def _eroded(x: Tensor) -> Tensor:
    """The least of each pixel and its neighbours along each axis: a cross."""
    result = x
    for axis in range(2, x.ndim):
        result = torch.minimum(result, _with_neighbours(torch.minimum, x, axis))
    return result


def _dilated(x: Tensor) -> Tensor:
    """The largest of each pixel and its neighbours, diagonal ones too."""
    for axis in range(2, x.ndim):
        x = _with_neighbours(torch.maximum, x, axis)
    return x


def _with_neighbours(pick: Callable[[Tensor, Tensor], Tensor], x: Tensor, axis: int) -> Tensor:
    """``pick`` among each pixel and the two beside it along ``axis``; outside the image there is nothing to pick."""
    length = x.shape[axis]
    padded = torch.cat([x.narrow(axis, 0, 1), x, x.narrow(axis, length - 1, 1)], axis)
    return pick(pick(padded.narrow(axis, 0, length), x), padded.narrow(axis, 2, length))


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", "at_most_one", "zero_at_target", "symmetric", "permutation_invariant"},
        formula=r"1 - \frac{2 P S}{P + S},"
                r" \quad P = \frac{\sum_i \mathrm{sk}(p)_i t_i + s}{\sum_i \mathrm{sk}(p)_i + s},"
                r" \quad S = \frac{\sum_i \mathrm{sk}(t)_i p_i + s}{\sum_i \mathrm{sk}(t)_i + s}",
        source="arXiv:2003.07311, algorithms 1 and 2",
        settings=[{"iterations": 1, "smooth": 0.0}],
        sizes={"*d": (6, 7)},
        good_at={"thin structures", "class imbalance"},
        bad_at={"region overlap", "boundary accuracy", "speed"},
        known_as=("soft-clDice", "clDice", "centreline Dice"),
        elsewhere={"MONAI": "SoftclDiceLoss; iter_ is iterations; sums over the classes of a sample; adds 1e-4 below"
                            " the harmonic mean, so that a perfect prediction costs 5e-5"},
    )
)  # fmt: skip
def cl_dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    iterations: PositiveInt = 3,
    smooth: NonNegative = 1.0,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice of centre lines: what of the predicted skeleton lies outside the target, and of the target's unpredicted.

    One value per sample and class. It keeps thin structures connected and says little of their width, so it is used
    with Dice: :func:`dice_cl_dice_loss`. A skeleton that is empty is taken to lie in anything.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        iterations: Erosions of the soft skeleton; at least the largest radius of a structure, in pixels.
        smooth: Added above and below both fractions, in pixels.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions; the others are background.

    >>> line = torch.tensor([[[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]]])
    >>> cl_dice_loss(line.roll(1, -2), line, smooth=1.0)  # 1/4 of each skeleton, all of it smooth, is in the other
    tensor(0.7500)
    """
    if mask is not None:
        probs, target = torch.where(mask, probs, 0.0), torch.where(mask, target, 0.0)
    kept = None if mask is None else flat(mask)

    def inside(skeleton: Tensor, region: Tensor) -> Tensor:
        hit, size = (masked_sum(flat(x), kept, -1) + smooth for x in (skeleton * region, skeleton))
        return torch.where(size == 0, 1.0, hit / torch.where(size == 0, 1.0, size))

    precision = inside(soft_skeleton(probs, iterations=iterations), target)
    sensitivity = inside(soft_skeleton(target, iterations=iterations), probs)
    both = precision + sensitivity
    values = 1 - 2 * precision * sensitivity / torch.where(both == 0, 1.0, both)
    return reduce(values, mask=any_pixel(mask), **how)


class ClDiceLoss(PairLoss, of=cl_dice_loss):
    """Module form of :func:`cl_dice_loss`."""

    iterations: PositiveInt = 3
    smooth: NonNegative = 1.0


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", "at_most_one", "zero_at_target", "symmetric", "permutation_invariant"},
        formula=r"(1 - \alpha) \, L_\mathrm{Dice} + \alpha \, L_\mathrm{clDice}",
        source="arXiv:2003.07311, L_c",
        settings=[{"alpha": 0.1, "iterations": 1}],
        sizes={"*d": (6, 7)},
        tune={"alpha": (0.1, 0.3, 0.5)},
        good_at={"thin structures", "region overlap", "class imbalance"},
        bad_at={"boundary accuracy", "speed"},
        known_as=("soft-clDice + Dice", "clDice + Dice", "Dice + clDice", "clDice / soft-clDice (+ Dice)"),
        elsewhere={"MONAI": "SoftDiceclDiceLoss; sums clDice over the classes of a sample"},
    )
)
def dice_cl_dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    alpha: Fraction = 0.5,
    iterations: PositiveInt = 3,
    smooth: NonNegative = 1.0,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Dice and clDice mixed, one value per sample and class: regions of the right width, and connected.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        alpha: Share of clDice, in [0, 1]; the paper goes to 0.5.
        iterations: Erosions of the soft skeleton; at least the largest radius of a structure, in pixels.
        smooth: Added above and below the fractions of both losses, in pixels.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> line = torch.tensor([[[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]]])
    >>> dice_cl_dice_loss(line.roll(1, -2), line)  # of Dice 1 - 1/7, of clDice 3/4
    tensor(0.8036)
    """
    dice = dice_loss(probs, target, smooth=smooth, mask=mask, reduction="none")
    lines = cl_dice_loss(probs, target, iterations=iterations, smooth=smooth, mask=mask, reduction="none")
    return reduce((1 - alpha) * dice + alpha * lines, mask=any_pixel(mask), **how)


class DiceClDiceLoss(PairLoss, of=dice_cl_dice_loss):
    """Module form of :func:`dice_cl_dice_loss`."""

    alpha: Fraction = 0.5
    iterations: PositiveInt = 3
    smooth: NonNegative = 1.0
