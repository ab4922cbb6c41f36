"""The arithmetic of kernels for numba, one element at a time in float32.

numba has no exponential or logarithm that it can vectorise without Intel's library, so these are polynomials (those of
the Cephes library, whose relative error in float32 is about 1e-7) on the bits of the number.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from . import arithmetic

__all__ = ["PRIMITIVES", "exactly", "f4"]

f4: Any = np.float32
exactly: Any = functools.partial(njit, fastmath={"nsz", "contract"}, error_model="numpy", nogil=True, forceinline=True)
"""Nothing is reordered: corrections of rounding errors must survive. A call would keep a loop from vectorising."""
_intrinsic: Any = intrinsic


@_intrinsic
def _float_of_bits(typingctx: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@_intrinsic
def _bits_of_float(typingctx: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@_intrinsic
def _nearest(typingctx: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [ir.FloatType()]), [arguments[0]])

    return types.float32(types.float32), generate


@_intrinsic
def _select(typingctx: Any, condition: Any, x: Any, y: Any) -> Any:
    """One instruction: of a branch the compiler would move what is computed for it inside, and no longer vectorise."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return types.float32(types.boolean, types.float32, types.float32), generate


@exactly
def _where(condition, x, y):
    return _select(condition, f4(x), f4(y))


@exactly
def _absolute(x):
    return abs(x)


@exactly
def _minimum(x, y):
    return _select(y < x, f4(y), f4(x))


@exactly
def _maximum(x, y):
    return _select(y > x, f4(y), f4(x))


@exactly
def _sqrt(x):
    return f4(math.sqrt(x))


@exactly
def _reduced(x):
    """x as n log 2 + r with a small r: exp(r) - 1 and 2^n."""
    x = f4(-87.0) if x < f4(-87.0) else (f4(88.37) if x > f4(88.37) else x)
    n = _nearest(x * f4(1.44269504))
    r = (x - n * f4(0.693359375)) + n * f4(2.12194440e-4)
    q = f4(1.9875691500e-4)
    q = q * r + f4(1.3981999507e-3)
    q = q * r + f4(8.3334519073e-3)
    q = q * r + f4(4.1665795894e-2)
    q = q * r + f4(1.6666665459e-1)
    q = q * r + f4(5.0000001201e-1)
    return q * r * r + r, _float_of_bits((np.int32(n) + np.int32(127)) << np.int32(23))


@exactly
def _exp(x):
    part, scale = _reduced(x)
    result = (part + f4(1.0)) * scale
    result = f4(np.inf) if x > f4(88.37) else result
    return f4(0.0) if x < f4(-87.0) else result


@exactly
def _expm1(x):
    part, scale = _reduced(x)
    result = part * scale + (scale - f4(1.0))
    return f4(np.inf) if x > f4(88.37) else result


@exactly
def _log(x):
    tiny = x < f4(1.1754944e-38)
    y = x * f4(8388608.0) if tiny else x
    bits = _bits_of_float(y)
    exponent = f4((bits >> np.int32(23)) - np.int32(126)) - (f4(23.0) if tiny else f4(0.0))
    m = _float_of_bits((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000))  # in [1/2, 1)
    low = m < f4(0.70710678)
    exponent = exponent - (f4(1.0) if low else f4(0.0))
    m = (m + m if low else m) - f4(1.0)
    z = m * m
    q = f4(7.0376836292e-2)
    q = q * m + f4(-1.1514610310e-1)
    q = q * m + f4(1.1676998740e-1)
    q = q * m + f4(-1.2420140846e-1)
    q = q * m + f4(1.4249322787e-1)
    q = q * m + f4(-1.6668057665e-1)
    q = q * m + f4(2.0000714765e-1)
    q = q * m + f4(-2.4999993993e-1)
    q = q * m + f4(3.3333331174e-1)
    result = (m * z * q + exponent * f4(-2.12194440e-4) - f4(0.5) * z + m) + exponent * f4(0.693359375)
    result = x if x == f4(np.inf) else result
    result = f4(-np.inf) if x == f4(0.0) else result
    return result if x >= f4(0.0) else f4(np.nan)


@exactly
def _log1p(x):
    one_more = f4(1.0) + x
    lost = x - (one_more - f4(1.0))  # what the addition rounded away
    correction = lost / one_more
    correction = correction if one_more > f4(0.0) else f4(0.0)
    correction = correction if x < f4(1e8) else f4(0.0)
    return _log(one_more) + correction


@exactly
def _log1p_unit(x):
    q = f4(0.005126102141)
    q = q * x + f4(-0.02907406468)
    q = q * x + f4(0.07751608674)
    q = q * x + f4(-0.1360224762)
    q = q * x + f4(0.1907688074)
    q = q * x + f4(-0.2483539899)
    q = q * x + f4(0.3331812171)
    q = q * x + f4(-0.4999944498)
    q = q * x + f4(0.9999999659)
    return q * x  # a fit of log(1 + x) / x at Chebyshev's points, off by 3e-8


@exactly
def _exp_of_negative(x):
    """exp(x) of x at most 0: without a limit above, and in one step, whose relative error grows to 5e-6 at -80."""
    scaled = _select(x < f4(-87.0), f4(-87.0), x) * f4(1.44269504)
    n = _nearest(scaled)
    r = scaled - n
    q = f4(0.001338130254)
    q = q * r + f4(0.009666368515)
    q = q * r + f4(0.05550381014)
    q = q * r + f4(0.2402234904)
    q = q * r + f4(0.6931471806)
    return _float_of_bits(_bits_of_float(q * r + f4(1.0)) + (np.int32(n) << np.int32(23)))


@exactly
def _tanh(x):
    q = _expm1(f4(-2.0) * abs(x))
    result = -q / (f4(2.0) + q)
    return result if x >= f4(0.0) else -result


@exactly
def _atan(x):
    a = abs(x)
    far, middle = a > f4(2.414213562), a > f4(0.4142135624)
    start = f4(1.5707963268) if far else (f4(0.7853981634) if middle else f4(0.0))
    y = f4(-1.0) / a if far else ((a - f4(1.0)) / (a + f4(1.0)) if middle else a)
    z = y * y
    q = f4(8.05374449538e-2)
    q = q * z + f4(-1.38776856032e-1)
    q = q * z + f4(1.99777106478e-1)
    q = q * z + f4(-3.33329491539e-1)
    result = start + (q * z * y + y)
    return result if x >= f4(0.0) else -result


PRIMITIVES: dict[Callable[..., Any], Any] = {
    arithmetic.absolute: _absolute,
    arithmetic.atan: _atan,
    arithmetic.exp: _exp,
    arithmetic.exp_of_negative: _exp_of_negative,
    arithmetic.expm1: _expm1,
    arithmetic.log: _log,
    arithmetic.log1p: _log1p,
    arithmetic.log1p_unit: _log1p_unit,
    arithmetic.maximum: _maximum,
    arithmetic.minimum: _minimum,
    arithmetic.sqrt: _sqrt,
    arithmetic.tanh: _tanh,
    arithmetic.where: _where,
}
"""By the name of :mod:`lossary.kernels.arithmetic`."""
