"""Lengths, directions and distances of embeddings, and which of a batch are compared: what the losses here share.

A zero vector has no direction and equal vectors have no line between them. There the functions give 0 with a zero
gradient, which is finite and is one of the subgradients.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lossary.core.blocks import block_rows

Distance = Literal["euclidean", "squared_euclidean", "cosine"]


def length(x: Tensor) -> Tensor:
    """Euclidean norm over the last dimension."""
    square = x.square().sum(-1)
    zero = square == 0  # and not the contrary of "above 0", which would make 0 of NaN
    return torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt())


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 in the direction of ``x``."""
    size = length(x).unsqueeze(-1)
    zero = size == 0
    return torch.where(zero, 0.0, x / torch.where(zero, 1.0, size))


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Cosine of the angle between ``x`` and ``y``, row by row."""
    return (unit(x) * unit(y)).sum(-1)


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "euclidean": lambda x, y: length(x - y),
    "squared_euclidean": lambda x, y: (x - y).square().sum(-1),
    "cosine": lambda x, y: 1.0 - cosine(x, y),
}
"""Distance of two embeddings, row by row, by name."""


def distance_order(x: Tensor, distance: Distance) -> Callable[[slice], Tensor]:
    """What orders the rows of ``x``, given as columns, by their distance from each of some rows. No gradient."""
    x = x.detach()
    if distance == "cosine":
        direction = unit(x)
        return lambda rows: -direction[rows] @ direction.T
    if x.dtype != torch.float32 or x.device.type != "cpu":
        # Not from the inner products, which lose the distances of near neighbours far from the origin.
        return lambda rows: torch.cdist(x[rows], x, compute_mode="donot_use_mm_for_euclid_dist")
    # In float64 they keep all that float32 can tell apart, and are much faster.
    wide = x.double()
    squares = wide.square().sum(1)
    return lambda rows: torch.addmm(squares, wide[rows], wide.T, alpha=-2.0).add_(squares[rows, None]).to(x.dtype)


def hardest(x: Tensor, target: Tensor, distance: Distance, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """For each row the farthest positive, the nearest negative, and whether it has both; found in blocks of rows."""
    order, found = distance_order(x, distance), []
    for start in range(0, max(len(x), 1), block_rows(x.shape[1])):
        rows = slice(start, start + block_rows(x.shape[1]))
        positives, negatives = pairs(target, mask, rows)
        near = order(rows)
        found.append((largest(near, positives)[1], largest(-near, negatives)[1], positives.any(1) & negatives.any(1)))
    positive, negative, both = (torch.cat(parts) for parts in zip(*found, strict=True))
    return positive, negative, both


def pairs(target: Tensor, mask: Tensor | None, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
    """Which samples (columns) are positives and which negatives of each sample of ``rows``, itself being neither."""
    same = target[rows, None] == target
    here = torch.ones_like(same) if mask is None else mask[rows, None] & mask
    place = torch.arange(len(target), device=target.device)
    return same & here & (place[rows, None] != place), ~same & here


def largest(x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Largest kept value of each row and its column; -inf and 0 in a row that keeps none."""
    # The extra column is for an empty batch, whose rows have no elements to take the largest of.
    value, column = F.pad(torch.where(keep, x, -torch.inf), (0, 1), value=-torch.inf).max(1)
    return value, torch.where(keep.any(1), column, 0)


def kept_logsumexp(x: Tensor, keep: Tensor, dim: int = -1) -> Tensor:
    """Log-sum-exp over what ``keep`` keeps; -inf with a zero gradient where that is nothing."""
    some = keep.any(dim, keepdim=True)
    filled = torch.where(keep | ~some, x, -torch.inf)  # an empty sum would have a NaN gradient
    return torch.where(some.squeeze(dim), filled.logsumexp(dim), -torch.inf)


def toward_class(x: Tensor, target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean inner product of each row with the others of its class, and how many these are: 0 where there is none.

    From the sum of each class, in place of the matrix of all pairs. Rows that ``mask`` drops have the number 0.
    """
    here = torch.ones_like(target) if mask is None else mask.to(target.dtype)
    ordered = target.sort().values
    place = torch.searchsorted(ordered, target)  # of the first of its class: one per class, whatever its name
    sums = torch.zeros_like(x).index_add(0, place, x * here.unsqueeze(1))
    number = torch.zeros_like(target).index_add(0, place, here).index_select(0, place) * here - here
    toward = (x * (sums.index_select(0, place) - x)).sum(-1) / number.clamp(min=1)
    return toward, number
