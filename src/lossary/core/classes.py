"""Class weights and ignored targets, for every loss whose target is the index of a class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from typing_extensions import Unpack

from .reduction import Weighted, align, reduce


def reduce_classes(
    values_of: Callable[[Tensor, Tensor], Tensor],
    scores: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    class_weight: Tensor | None,
    ignore_index: int,
    **how: Unpack[Weighted],
) -> Tensor:
    """Reduce ``values_of(scores, target)`` where ignored targets do not count and values carry their class's weight.

    ``scores`` is ``(n, c, *d)`` or ``(c,)``, ``target`` is ``(n, *d)`` or ``()``. What is ignored reaches
    ``values_of`` as scores of 0 and class 0, so neither NaN scores nor an index out of range do harm. ``values_of`` has
    to multiply by ``class_weight`` itself; here it enters the denominator, so that the mean is the weighted mean.
    """
    counted = target != ignore_index
    if mask is not None:
        counted = counted & align(mask, target, "mask")
    safe = torch.where(counted, target, 0)
    values = values_of(torch.where(counted.unsqueeze(min(1, target.ndim)), scores, 0.0), safe)
    counts = None if class_weight is None else class_weight[safe]
    return reduce(values, mask=counted, counts=counts, **how)
