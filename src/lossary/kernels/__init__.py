"""The same mathematics, fused: a loss and its gradient in one pass over memory."""

from .arithmetic import (
    absolute,
    atan,
    exp,
    expm1,
    log,
    log1p,
    log1p_unit,
    logistic,
    maximum,
    minimum,
    sqrt,
    tanh,
    where,
)
from .buffers import release
from .elementwise import Elementwise
from .settings import enabled

__all__ = [
    "Elementwise", "absolute", "atan", "enabled", "exp", "expm1", "log", "log1p", "log1p_unit", "logistic",
    "maximum", "minimum", "release", "sqrt", "tanh", "where",
]  # fmt: skip
