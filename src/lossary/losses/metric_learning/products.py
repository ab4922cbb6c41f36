"""Sums over the inner products of all pairs of a batch, block by block: the n by n matrix is never there as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from lossary.core.blocks import Blockwise, block_rows

from .similarity import kept_logsumexp

_KEPT = 4
"""Up to so many blocks are kept for the backward pass; beyond, they are computed again."""


def log_sum_others(
    x: Tensor, y: Tensor, mask: Tensor | None, *, apart: Sequence[int] = (0,), both: bool = False
) -> Tensor:
    """Log-sum-exp of the inner products of each row of ``x`` with the rows of ``y``, its own left out.

    It is -inf, with a zero gradient, where nothing is left, and in the rows that ``mask`` drops.

    Args:
        x: Vectors, ``(n, d)``.
        y: Vectors, ``(n, d)``.
        mask: True at the rows of either that take part, ``(n,)``.
        apart: Which diagonals of the matrix of products are left out, by their offset.
        both: Whether to sum over the rows of ``x`` too, for each of ``y``.

    Returns:
        ``(1, n)``, or ``(2, n)`` if ``both``.
    """
    return _Products(mask, tuple(apart), both)(x, y)


def log_sum_other_cosines(x: Tensor, temperature: float, mask: Tensor | None, apart: Sequence[int] = (0,)) -> Tensor:
    """:func:`log_sum_others` of unit vectors with each other, the cosines divided by ``temperature``: ``(n,)``.

    The matrix is symmetric, so that half of it need be computed.
    """
    # Twice the bound of the exponents is how far apart they can be; the least must not vanish beside the largest.
    fits = not isinstance(temperature, Tensor) and 2.0 / temperature < -0.9 * math.log(torch.finfo(x.dtype).tiny)
    scaled = x / temperature**0.5
    if fits:
        return _SymmetricProducts(mask, tuple(apart), bound=1.0 / temperature)(scaled)
    return log_sum_others(scaled, scaled, mask, apart=apart)[0]


def choice(x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:
    """Cross-entropy of each row's choice of its own among the rows of ``y``, by their inner products."""
    # As log(1 + sum of the others over the own), which a sum of all has too few digits for where the loss is small.
    return F.softplus(log_sum_others(x, y, mask)[0] - (x * y).sum(-1))


def _others(n: int, apart: Sequence[int], mask: Tensor | None, like: Tensor) -> Tensor:
    """Which pairs are summed over, ``(n, n)``."""
    place = torch.arange(n, device=like.device)
    offset = place - place.unsqueeze(1)
    kept = torch.ones_like(offset, dtype=torch.bool) if mask is None else mask & mask.unsqueeze(1)
    for diagonal in apart:
        kept = kept & (offset != diagonal)
    return kept


@dataclass(eq=False)
class _Products(Blockwise):
    """The sums over rows of the matrix, and over columns if ``both``, a block of rows at a time."""

    mask: Tensor | None
    apart: tuple[int, ...]
    both: bool

    @override
    def plain(self, *tensors: Tensor) -> Tensor:
        x, y = tensors
        kept, products = _others(len(x), self.apart, self.mask, x), x @ y.T
        sums = [kept_logsumexp(products, kept)]
        if self.both:
            sums.append(kept_logsumexp(products.T, kept.T))
        return torch.stack(sums)

    @override
    def forward(self, tensors: Sequence[Tensor], keep: bool) -> tuple[Tensor, Sequence[Tensor]]:
        x, y = tensors
        dropped = None if self.mask is None else ~self.mask
        sums, blocks = x.new_full((1 + self.both, len(x)), -torch.inf), []
        keep_blocks = keep and len(x) <= _KEPT * block_rows(x.shape[1])
        for rows in _blocks(x):
            block = self._block(x, y, rows, dropped)
            torch.logsumexp(block, 1, out=sums[0, rows])
            if self.both:
                torch.logaddexp(sums[1], block.logsumexp(0), out=sums[1])
            if keep_blocks:
                blocks.append(block)
        return sums, ([sums, *blocks, *([] if dropped is None else [dropped])] if keep else [])

    @override
    def backward(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
        x, y = tensors
        dropped = None if self.mask is None else kept[-1]
        sums, blocks = torch.where(kept[0] == -torch.inf, torch.inf, kept[0]), kept[1:]  # exp(-inf) of an empty sum
        of_x, of_y = torch.empty_like(x), torch.zeros_like(y)
        again = len(x) > _KEPT * block_rows(x.shape[1])
        for i, rows in enumerate(_blocks(x)):
            block = self._block(x, y, rows, dropped) if again else blocks[i]
            weight = (block - sums[0, rows, None]).exp_().mul_(upstream[0, rows, None])
            if self.both:
                weight += (block - sums[1]).exp_().mul_(upstream[1])
            torch.mm(weight, y, out=of_x[rows])
            of_y.addmm_(weight.T, x[rows])
        return of_x, of_y

    def _block(self, x: Tensor, y: Tensor, rows: slice, dropped: Tensor | None) -> Tensor:
        block = x[rows] @ y.T
        for diagonal in self.apart:
            block.diagonal(rows.start + diagonal).fill_(-torch.inf)
        if dropped is not None:
            block.masked_fill_(dropped, -torch.inf).masked_fill_(dropped[rows, None], -torch.inf)
        return block


@dataclass(eq=False)
class _SymmetricProducts(Blockwise):
    """The sums over rows of a symmetric matrix, from its upper triangle; a block adds to its rows and its columns.

    No exponent is farther than ``bound`` from 0, so that one shift by it will do for all rows.
    """

    mask: Tensor | None
    apart: tuple[int, ...]
    bound: float

    @override
    def plain(self, *tensors: Tensor) -> Tensor:
        (x,) = tensors
        return kept_logsumexp(x @ x.T, _others(len(x), self.apart, self.mask, x))

    @override
    def forward(self, tensors: Sequence[Tensor], keep: bool) -> tuple[Tensor, Sequence[Tensor]]:
        (x,) = tensors
        here = x.new_ones(len(x)) if self.mask is None else self.mask.to(x.dtype)
        sums, blocks = torch.zeros_like(here), []
        keep_blocks = keep and len(x) <= _KEPT * block_rows(x.shape[1])
        for rows, columns in _triangle(x):
            block = self._block(x, rows, columns)
            sums[rows].addmv_(block, here[columns])
            if rows != columns:
                sums[columns].addmv_(block.T, here[rows])
            if keep_blocks:
                blocks.append(block)
        sums *= here
        return sums.log() + self.bound, ([here, sums, *blocks] if keep else [])

    @override
    def backward(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
        (x,) = tensors
        here, sums, *blocks = kept
        share = torch.where(sums == 0, 0.0, upstream / sums)
        of_x = torch.zeros_like(x)
        for i, (rows, columns) in enumerate(_triangle(x)):
            block = blocks[i] if blocks else self._block(x, rows, columns)
            # A pair pulls once as a term of its row and once as a term of its column.
            weight = block * torch.addr(torch.outer(share[rows], here[columns]), here[rows], share[columns])
            of_x[rows].addmm_(weight, x[columns])
            if rows != columns:
                of_x[columns].addmm_(weight.T, x[rows])
        return (of_x,)

    def _block(self, x: Tensor, rows: slice, columns: slice) -> Tensor:
        block = (x[rows] @ x[columns].T).sub_(self.bound).exp_()
        for diagonal in self.apart:
            block.diagonal(rows.start - columns.start + diagonal).zero_()
        return block


def _blocks(x: Tensor) -> Iterator[slice]:
    rows = block_rows(x.shape[1])
    return (slice(start, start + rows) for start in range(0, len(x), rows))


def _triangle(x: Tensor) -> Iterator[tuple[slice, slice]]:
    """The blocks of rows and columns on the diagonal of an n by n matrix and above, each smaller than ``x``."""
    n = len(x)
    rows = block_rows(math.isqrt(n * x.shape[1]))
    starts = range(0, n, rows)
    for i, start in enumerate(starts):
        for other in starts[i:]:
            yield slice(start, start + rows), slice(other, other + rows)
