"""What the least that a loss must do costs on this machine: reading and writing its tensors once, or its products.

Buffers are allocated beforehand and used again, so no page is touched for the first time within the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from .case import Drawn

NOTABLE = 4096
"""Tensors with fewer numbers are not read: their cost is that of the call."""


def one_pass(drawn: Drawn) -> Callable[[], None]:
    """Reads every input once and writes every gradient once."""
    waiting = [x for x in drawn.fixed if x.numel() >= NOTABLE]
    steps: list[Callable[[], object]] = []
    for leaf in drawn.leaves:
        values = leaf.detach()
        gradient = torch.zeros_like(values)
        partner = next((x for x in waiting if x.shape == leaf.shape and x.dtype == leaf.dtype), None)
        if partner is None:
            steps.append(partial(torch.neg, values, out=gradient))
        else:
            waiting = [x for x in waiting if x is not partner]
            steps.append(partial(torch.add, values, partner, out=gradient))
    steps += [partial(torch.sum, x) for x in waiting]

    def touch() -> None:
        for step in steps:
            step()

    return touch


def products(shapes: Callable[[Drawn], list[tuple[int, int, int]]]) -> Callable[[Drawn], Callable[[], None]]:
    """The matrix products alone, by the sizes ``(m, k, n)`` of each: ``(m, k) @ (k, n)``."""

    def floor(drawn: Drawn) -> Callable[[], None]:
        made: dict[tuple[str, int, int], Tensor] = {}

        def buffer(part: str, rows: int, columns: int) -> Tensor:
            return made.setdefault((part, rows, columns), torch.zeros(rows, columns))

        with torch.no_grad():
            work = [(buffer("left", m, k), buffer("right", k, n), buffer("out", m, n)) for m, k, n in shapes(drawn)]

        def multiply() -> None:
            for left, right, out in work:
                torch.mm(left, right, out=out)

        return multiply

    return floor
