"""What the losses of regions are made of: areas, and means over pixels and classes."""

from typing import Literal

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Weighted, masked_sum, reduce
from lossary.kernels.regions import Areas

Absent = Literal["count", "skip"]
Area = Literal["linear", "squared"]


def flat(x: Tensor) -> Tensor:
    """``(n, c, *d)`` as ``(n, c, pixels)``; a sample without spatial dimensions is one pixel."""
    return x.unsqueeze(-1).flatten(2)


def pixel_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of ``(n, c, *d)`` over the pixels that count, ``(n, c)``; 0 where none does."""
    x = flat(x)
    if mask is None:
        return x.mean(-1)
    kept = flat(mask)
    return masked_sum(x, kept, -1) / kept.sum(-1).clamp(min=1)


def any_pixel(mask: Tensor | None) -> Tensor | None:
    """Which ``(n, c)`` have a pixel that counts."""
    return None if mask is None else flat(mask).any(-1)


def areas_of(probs: Tensor, target: Tensor, mask: Tensor | None, area: Area = "linear") -> Areas:
    """What is hit, in excess, missed and there, by sample and class."""
    p, t = flat(probs), flat(target)
    kept = None if mask is None else flat(mask)
    if area == "linear":
        hit, excess, missed = (masked_sum(x, kept, -1) for x in (p * t, p * (1 - t), (1 - p) * t))
    else:
        hit, excess = masked_sum(p * t, kept, -1), masked_sum((p - t) ** 2, kept, -1)
        missed = torch.zeros_like(hit)
    return Areas(hit, excess, missed, masked_sum(t, kept, -1), p.shape[-1] if kept is None else kept.sum(-1))


def seen(areas: Areas) -> Tensor | None:
    """Which regions have a pixel that counts."""
    return None if isinstance(areas.pixels, int) else areas.pixels > 0


def pixels(areas: Areas) -> Tensor | int:
    """How many pixels count, and 1 where none does: what sums over pixels are divided by for their mean."""
    return max(areas.pixels, 1) if isinstance(areas.pixels, int) else areas.pixels.clamp(min=1)


_NOTHING = torch.finfo(torch.float32).tiny ** 0.5
"""An area below which the square in a gradient underflows to 0."""


def share(wrong: Tensor, total: Tensor) -> Tensor:
    """``wrong / total``; 0 where there is nothing at all.

    Losses are written as the wrong share and not as 1 minus the right one: exact near 0, and never below it.
    """
    nothing = total < _NOTHING
    return torch.where(nothing, 0.0, wrong) / torch.where(nothing, 1.0, total)


def reduce_by_class(
    values: Tensor, areas: Areas, absent: Absent, class_weight: Tensor | None, **how: Unpack[Weighted]
) -> Tensor:
    """Reduce values whose last dimension runs over the classes of ``areas``."""
    counted = seen(areas)
    if absent == "skip":
        present = areas.target > 0
        counted = present if counted is None else counted & present
    if class_weight is None:
        return reduce(values, mask=counted, **how)
    weight = class_weight.expand_as(values)
    return reduce(values * weight, mask=counted, counts=weight, **how)


def dice_by_area(areas: Areas, smooth: float) -> Tensor:
    """The values of Dice."""
    wrong = areas.excess + areas.missed
    return share(wrong, 2 * areas.hit + wrong + smooth)
