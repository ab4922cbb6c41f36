"""Bounds of hyperparameters, written in their annotations: ``delta: Positive = 1.0`` is a float to every tool."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin

from torch import Tensor

from .errors import LossInputError


class Constraint(Protocol):
    """What one hyperparameter must be; its string completes the sentence "it must be ..."."""

    def allows(self, value: Any) -> bool: ...

    def __str__(self) -> str: ...


def require(constraint: Constraint, owner: str, name: str, value: object) -> None:
    """Raise :class:`LossInputError` unless ``constraint`` allows ``value``."""
    if not constraint.allows(value):
        raise LossInputError(f"{owner}: `{name}` must be {constraint}, got {value!r}.")


@dataclass(frozen=True)
class Within:
    """A number from ``low`` to ``high``, the ends included unless ``above`` or ``below``; whole if ``whole``.

    A tensor of one element passes unread: reading it would wait for the GPU, and a learned hyperparameter keeps its
    bounds by construction.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False

    def allows(self, value: Any) -> bool:
        if isinstance(value, Tensor):
            return value.ndim == 0 and not self.whole
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return (self.low < value if self.above else self.low <= value) and (
            value < self.high if self.below else value <= self.high
        )

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.low == -math.inf and self.high == math.inf:
            return kind
        if self.high == math.inf:
            return f"{kind} {'above' if self.above else 'of at least'} {self.low:g}"
        if self.low == -math.inf:
            return f"{kind} {'below' if self.below else 'of at most'} {self.high:g}"
        return f"{kind} in {'(' if self.above else '['}{self.low:g}, {self.high:g}{')' if self.below else ']'}"


@dataclass(frozen=True)
class OneOf:
    """One of a few values."""

    values: tuple[object, ...]

    def allows(self, value: Any) -> bool:
        return any(type(value) is type(known) and value == known for known in self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(value) for value in self.values)


@dataclass(frozen=True)
class Fits:
    """A tensor of the given shape, in the names of the inputs; ``"*"`` is any shape."""

    shape: str

    def allows(self, value: Any) -> bool:
        return isinstance(value, Tensor)

    def __str__(self) -> str:
        return "a tensor" if self.shape == "*" else f"a tensor of shape ({self.shape})"


@dataclass(frozen=True)
class Optional:
    """``None``, or what ``inner`` says."""

    inner: Constraint

    def allows(self, value: Any) -> bool:
        return value is None or self.inner.allows(value)

    def __str__(self) -> str:
        return f"{self.inner}, or None"


@dataclass(frozen=True)
class Several:
    """A tuple of which each part is what ``inner`` says."""

    inner: Constraint

    def allows(self, value: Any) -> bool:
        return isinstance(value, tuple) and len(value) > 0 and all(self.inner.allows(part) for part in value)

    def __str__(self) -> str:
        return f"a tuple, each part {self.inner}"


Positive = Annotated[float, Within(0.0, above=True)]
NonNegative = Annotated[float, Within(0.0)]
Fraction = Annotated[float, Within(0.0, 1.0)]
OpenFraction = Annotated[float, Within(0.0, 1.0, above=True, below=True)]
AtLeastOne = Annotated[float, Within(1.0)]
Number = Annotated[float, Within()]
PositiveInt = Annotated[int, Within(1, whole=True)]
ClassWeight = Annotated[Tensor, Fits("c")]
"""One weight per class, shape ``(c,)``."""


def constraints_of(function: Callable[..., Any]) -> Mapping[str, Constraint]:
    """The constraint of each parameter of ``function`` whose annotation implies one."""
    hints = inspect.get_annotations(function, eval_str=True)  # get_type_hints would take a fifth of the import time
    found = {name: _constraint(hint) for name, hint in hints.items() if name != "return"}
    return {name: constraint for name, constraint in found.items() if constraint is not None}


def _constraint(hint: Any) -> Constraint | None:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, (Within, OneOf, Fits)):
            return extra
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint))
    if hint is bool:
        return OneOf((True, False))
    if hint is int:
        return Within(whole=True)
    if hint is float:
        return Within()
    if hint is Tensor:
        return Fits("*")
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        each = _constraint(parts[0])
        return None if each is None else Several(each)
    if NoneType in parts:
        inner = [constraint for part in parts if (constraint := _constraint(part)) is not None]
        return Optional(inner[0]) if len(inner) == 1 else None
    return None
