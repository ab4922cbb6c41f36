"""Lengths, directions and distances of embeddings, and which of a batch are compared: what the losses here share.

A zero vector has no direction and equal vectors have no line between them. There the functions give 0 with a zero
gradient, which is finite and is one of the subgradients.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

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


def distance_order(x: Tensor, distance: Distance) -> Tensor:
    """A matrix that orders the rows of ``x`` by their distance from each row, as the distance does. No gradient."""
    x = x.detach()
    if distance == "cosine":
        return -unit(x) @ unit(x).T
    # Not from the inner products, which lose the distances of near neighbours far from the origin.
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")


def pairs(target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Which samples (columns) are positives and which are negatives of each sample (row), itself being neither."""
    same = target[:, None] == target
    here = torch.ones_like(same) if mask is None else mask[:, None] & mask
    itself = torch.eye(len(target), dtype=torch.bool, device=target.device)
    return same & here & ~itself, ~same & here


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


def choice(logits: Tensor, mask: Tensor | None, barred: Tensor | None = None) -> Tensor:
    """Cross-entropy of each row's choice of its own column, on the diagonal, among those that ``mask`` keeps.

    ``barred`` is True where a row must not choose a column.
    """
    other = ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    if mask is not None:
        other = other & mask
    if barred is not None:
        other = other & ~barred
    # As log(1 + sum of the others over the own), which a sum of all has too few digits for where the loss is small.
    return F.softplus(kept_logsumexp(logits - logits.diagonal().unsqueeze(1), other))
