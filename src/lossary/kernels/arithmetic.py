"""The arithmetic in which a kernel's value and derivative are written, once for every backend.

An expression is a plain function of numbers that uses these names, ``+ - * /`` and comparisons, and no ``if``, no
``**`` and no calls of methods. Here the names work on tensors, so an expression can be read, run and held against
autograd in float64; ``single.py`` gives the same names to numba, element by element in float32.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = [
    "Element", "absolute", "atan", "exp", "exp_of_negative", "expm1", "log", "log1p", "log1p_unit", "logistic",
    "maximum", "minimum", "sign", "sqrt", "tanh", "where",
]  # fmt: skip

Element: TypeAlias = Any
"""What an expression is of: a tensor here, one number when compiled."""


def exp(x: Tensor) -> Tensor:
    """e to the power of x."""
    return x.exp()


def exp_of_negative(x: Tensor) -> Tensor:
    """exp(x) for x of at most 0, at half the cost; the smaller the result, the fewer of its digits hold."""
    return x.exp()


def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, exact near 0."""
    return x.expm1()


def log(x: Tensor) -> Tensor:
    """The natural logarithm; minus infinity at 0."""
    return x.log()


def log1p(x: Tensor) -> Tensor:
    """log(1 + x), exact near 0."""
    return x.log1p()


def log1p_unit(x: Tensor) -> Tensor:
    """log(1 + x) for x in [0, 1], at a quarter of the cost."""
    return x.log1p()


def sqrt(x: Tensor) -> Tensor:
    """The square root."""
    return x.sqrt()


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, exact near 0."""
    return x.tanh()


def atan(x: Tensor) -> Tensor:
    """The angle whose tangent is x."""
    return x.atan()


def absolute(x: Tensor) -> Tensor:
    """The distance from 0."""
    return x.abs()


def minimum(x: Tensor, y: Element) -> Tensor:
    """The smaller of both. NaN if ``x`` is: write what may be NaN first."""
    return x.minimum(torch.as_tensor(y, dtype=x.dtype, device=x.device))


def maximum(x: Tensor, y: Element) -> Tensor:
    """The larger of both. NaN if ``x`` is: write what may be NaN first."""
    return x.maximum(torch.as_tensor(y, dtype=x.dtype, device=x.device))


def where(condition: Tensor, x: Element, y: Element) -> Tensor:
    """``x`` where the condition holds and ``y`` elsewhere; both are computed."""
    x, y = (v if isinstance(v, Tensor) else torch.as_tensor(v, dtype=torch.float64) for v in (x, y))
    return torch.where(torch.as_tensor(condition), x, y)


def sign(x: Element) -> Element:
    """1, -1, or 0 at 0."""
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, 0.0))


def logistic(x: Element) -> tuple[Element, Element, Element]:
    """log(1 + exp(-|x|)), sigmoid(x) and sigmoid(-x), from one exponential: all three exact however large x is."""
    fading = exp_of_negative(-absolute(x))
    large = 1.0 / (1.0 + fading)
    small = fading * large
    return log1p_unit(fading), where(x >= 0.0, large, small), where(x >= 0.0, small, large)
