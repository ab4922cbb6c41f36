"""The same mathematics, fused: a loss and its gradient in one pass over memory."""

from .arithmetic import (
    Element,
    absolute,
    atan,
    exp,
    exp_of_negative,
    expm1,
    log,
    log1p,
    log1p_unit,
    logistic,
    maximum,
    minimum,
    sign,
    sqrt,
    tanh,
    where,
)
from .buffers import release
from .elementwise import Elementwise
from .settings import enabled
from .status import Status, status

__all__ = [
    "Element", "Elementwise", "Status", "absolute", "atan", "enabled", "exp", "exp_of_negative", "expm1", "log",
    "log1p", "log1p_unit", "logistic", "maximum", "minimum", "release", "sign", "sqrt", "status", "tanh", "where",
]  # fmt: skip
