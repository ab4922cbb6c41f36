"""What the options of every loss come to in a kernel: a weight and a mask for each value, and a factor of the sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossary.core import REDUCTIONS, align

__all__ = ["Weighing", "weighing"]


@dataclass(frozen=True)
class Weighing:
    """How the values of a loss are weighed and reduced, as :func:`lossary.core.reduce` does it."""

    reduced: bool
    factor: float
    """What the sum of the weighted values is multiplied by; 1 where they are not reduced."""
    weight: Tensor | None
    """One float32 number per value, flat."""
    mask: Tensor | None
    """One boolean per value, flat."""


def weighing(
    shape: tuple[int, ...], options: Mapping[str, Any], mask: Tensor | None = None, counts: Tensor | None = None
) -> Weighing | None:
    """The options of a loss whose values have that shape; ``None`` where a gradient in one of them is wanted.

    ``mask`` takes the place of the one among the options, and ``counts`` is what each value adds to the denominator of
    the mean if that is not 1; the values carry it already.
    """
    reduction, denominator = options.get("reduction", "mean"), options.get("denominator")
    weight, mask = options.get("sample_weight"), options.get("mask") if mask is None else mask
    if reduction not in REDUCTIONS or (denominator is not None and reduction != "mean"):
        return None  # what the composition has a sentence for
    if any(isinstance(x, Tensor) and x.requires_grad for x in (weight, denominator)):
        return None
    if weight is not None:
        weight = align(weight, torch.empty(shape, device="meta"), "sample_weight").float().contiguous().view(-1)
    if mask is not None:
        mask = align(mask, torch.empty(shape, device="meta"), "mask").contiguous().view(-1)
    factor = 1.0
    if reduction == "mean":
        total = _total(math.prod(shape), weight, mask, counts) if denominator is None else float(denominator)
        if total == 0.0 and denominator is not None:
            return None
        factor = 1.0 / total if total != 0.0 else 1.0
    return Weighing(reduction != "none", factor, weight, mask)


def _total(count: int, weight: Tensor | None, mask: Tensor | None, counts: Tensor | None) -> float:
    if counts is not None:
        weight = counts if weight is None else counts * weight
    if weight is None:
        return float(count if mask is None else mask.sum())
    return float((weight if mask is None else torch.where(mask, weight, 0.0)).sum(dtype=torch.float64))
