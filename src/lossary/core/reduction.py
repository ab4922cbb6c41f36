"""From the values of a loss to its result. Weights, masks and means are defined here and nowhere else.

The mean is the sum of the weighted values over the sum of the weights. So an integer weight is the same as repeating
the value, what is masked might as well not be there, and a mean over nothing is 0 with a zero gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

import torch
from torch import Tensor

from .errors import LossInputError

Reduction = Literal["none", "mean", "sum"]
REDUCTIONS: tuple[Reduction, ...] = ("none", "mean", "sum")


class Weighted(TypedDict, total=False):
    """Options of every loss.

    sample_weight: How much each value counts, at least 0, in the shape of the values or of their leading dimensions.
    reduction: "none" gives the weighted values; "sum" adds them; "mean" divides their sum by the total weight.
    denominator: What "mean" divides by instead of the total weight. The total over all parts of a batch, given to
        each part, makes the parts add up to the loss of the whole: gradient accumulation and data parallelism are then
        exact.
    """

    sample_weight: Tensor | None
    reduction: Reduction
    denominator: Tensor | float | None


class Reduce(Weighted, total=False):
    """Options of a loss whose values correspond to its inputs, one to one.

    mask: True where a value counts. What is masked may be anything, even NaN, and gets no gradient.
    """

    mask: Tensor | None


REDUCE_OPTIONS = frozenset({"sample_weight", "reduction", "denominator", "mask"})


def reduce(
    values: Tensor,
    *,
    sample_weight: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: Reduction = "mean",
    denominator: Tensor | float | None = None,
    counts: Tensor | None = None,
) -> Tensor:
    """Weigh, mask and reduce ``values``.

    ``counts`` is what each value adds to the total weight by itself, where that is not 1: the weight of its class. The
    values carry it already. The other arguments are the options of every loss, :class:`Weighted` and :class:`Reduce`.
    """
    if reduction not in REDUCTIONS:
        raise LossInputError(f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}.")
    if denominator is not None and reduction != "mean":
        raise LossInputError(f'`denominator` must come with reduction="mean", got reduction={reduction!r}.')
    if sample_weight is not None:
        weight = align(sample_weight, values, "sample_weight").to(values.dtype)
        values = values * weight
        counts = weight if counts is None else counts * weight
    if mask is not None:
        kept = align(mask, values, "mask")
        values = torch.where(kept, values, 0.0)
        counts = kept.to(values.dtype) if counts is None else torch.where(kept, counts, 0.0)
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    if denominator is not None:
        return values.sum() / denominator
    if counts is None:
        return values.mean() if values.numel() else values.sum()
    total = counts.sum()
    return values.sum() / torch.where(total == 0, 1.0, total)


def masked_sum(x: Tensor, mask: Tensor | None, dim: int | tuple[int, ...]) -> Tensor:
    """Sum over ``dim`` what ``mask`` keeps: for losses that aggregate elements before they have a value."""
    return (x if mask is None else torch.where(mask, x, 0.0)).sum(dim)


def align(part: Tensor, values: Tensor, name: str) -> Tensor:
    """Expand ``part`` over ``values`` from the left: one number per sample, whatever follows."""
    if part.shape != values.shape[: part.ndim]:
        wanted, given = tuple(values.shape), tuple(part.shape)
        raise LossInputError(f"`{name}` must have the shape {wanted} of the values or its leading part, got {given}.")
    if name == "mask" and part.dtype != torch.bool:
        raise LossInputError(f"`mask` must be boolean, True where a value counts, got {part.dtype}.")
    return part.reshape(part.shape + (1,) * (values.ndim - part.ndim)).expand_as(values)


def fill_masked(tensor: Tensor, mask: Tensor, *, shape: Sequence[str], at: Sequence[str], neutral: float) -> Tensor:
    """Put ``neutral`` where ``mask`` (of pattern ``at``) is False, so that no masked NaN reaches value or gradient.

    ``shape`` is the pattern of ``tensor``. Dimensions that it has and the mask lacks are filled across; of those that
    the mask has beyond it, any that is True keeps an element.
    """
    if not set(shape) & set(at):
        return tensor
    finer = [i for i, name in enumerate(_each(at, mask.ndim)) if name not in shape]
    if finer:
        mask = mask.sum(finer) > 0
    for i, name in enumerate(_each(shape, tensor.ndim)):
        if name not in at:
            mask = mask.unsqueeze(i)
    return torch.where(mask, tensor, torch.as_tensor(neutral, dtype=tensor.dtype, device=tensor.device))


def _each(pattern: Sequence[str], ndim: int) -> list[str]:
    """The name of each of ``ndim`` dimensions: a starred one stands for as many as are left."""
    return [part for name in pattern for part in [name] * (ndim - len(pattern) + 1 if name.startswith("*") else 1)]
