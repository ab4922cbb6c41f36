"""What a case of the benchmark is: inputs, the loss of this library, and those it is timed against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

Function = Callable[..., Tensor]
"""A loss: of the leaves, then of what is fixed."""


class Drawn(NamedTuple):
    """Inputs of one case: those that get a gradient, and the others."""

    leaves: tuple[Tensor, ...]
    fixed: tuple[Tensor, ...]

    @property
    def all(self) -> tuple[Tensor, ...]:
        return self.leaves + self.fixed


Step = Callable[[Drawn], object]
"""A forward and a backward pass: returns the value, leaves the gradients in ``leaf.grad``."""


def differentiated(function: Function) -> Step:
    """One forward and one backward pass of ``function``."""

    def step(drawn: Drawn) -> Tensor:
        for leaf in drawn.leaves:
            leaf.grad = None
        value = function(*drawn.all)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()

    return step


class Peer(NamedTuple):
    """The same loss in another library."""

    load: Callable[[], Step]
    """Imports it; an ``ImportError`` says that it is missing."""
    differs: str = ""
    """How its definition differs; empty where it is the same."""
    compiles: bool = False
    """Whether it calls ``torch.compile`` itself."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One loss at one size."""

    name: str
    group: str
    size: str
    """For readers."""
    draw: Callable[[float], Drawn]
    """Inputs, in single precision; sizes are multiplied by the argument, so that 1 is the size in full."""
    loss: Function
    eager: Function
    """The plain expression in torch, which in double precision is what all others are held against."""
    floor: Callable[[Drawn], Callable[[], object]]
    """What the machine needs for the least that any implementation must do, on buffers that are warm."""
    builtin: Function | None = None
    peers: Mapping[str, Peer] = field(default_factory=dict)
    small: bool = False
    """Whether it is timed on some 50 numbers too."""


def scaled(number: int, by: float, least: int = 2) -> int:
    """``number`` times ``by``, and no less than ``least``."""
    return max(least, round(number * by))
