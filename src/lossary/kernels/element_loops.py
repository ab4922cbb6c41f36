"""The loops of elementwise kernels: one per number of inputs and of gradients.

Written for numba, which compiles them with :mod:`lossary.kernels.compiled` around an expression: ``body`` is a
placeholder for it. What is ``None`` is left out of the machine code. Slices of blocks, and sums in float32 within a
block, are what lets the compiler use vector instructions; float64 between blocks keeps the sum exact.
"""


# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BLOCK", "one", "pair", "three", "two"]

BLOCK = 2048
"""Elements of a block: it stays in the first-level cache with all that is read and written."""

f4 = np.float32
body: Any = None
"""The expression; set where a loop is compiled."""


def one(x, gx, values, weight, mask, factor, parameters, start, stop):
    """One input, and its gradient."""
    total = 0.0
    for o in range(start, stop, BLOCK):
        e = min(o + BLOCK, stop)
        xs = x[o:e]
        if gx is not None:
            gxs = gx[o:e]
        if values is not None:
            vs = values[o:e]
        if weight is not None:
            ws = weight[o:e]
        if mask is not None:
            ms = mask[o:e]
        part = f4(0.0)
        for i in range(xs.size):
            value, dx = body(xs[i], *parameters)
            if weight is not None:
                value = value * ws[i]
                dx = dx * ws[i]
            if mask is not None:
                value = value if ms[i] else f4(0.0)
                dx = dx if ms[i] else f4(0.0)
            part += value
            if gx is not None:
                gxs[i] = dx * factor
            if values is not None:
                vs[i] = value
        total += part
    return total


def two(x, y, gx, values, weight, mask, factor, parameters, start, stop):
    """Two inputs, and the gradient of the first."""
    total = 0.0
    for o in range(start, stop, BLOCK):
        e = min(o + BLOCK, stop)
        xs, ys = x[o:e], y[o:e]
        if gx is not None:
            gxs = gx[o:e]
        if values is not None:
            vs = values[o:e]
        if weight is not None:
            ws = weight[o:e]
        if mask is not None:
            ms = mask[o:e]
        part = f4(0.0)
        for i in range(xs.size):
            value, dx = body(xs[i], ys[i], *parameters)
            if weight is not None:
                value = value * ws[i]
                dx = dx * ws[i]
            if mask is not None:
                value = value if ms[i] else f4(0.0)
                dx = dx if ms[i] else f4(0.0)
            part += value
            if gx is not None:
                gxs[i] = dx * factor
            if values is not None:
                vs[i] = value
        total += part
    return total


def pair(x, y, gx, gy, values, weight, mask, factor, parameters, start, stop):
    """Two inputs, and the gradients of both."""
    total = 0.0
    for o in range(start, stop, BLOCK):
        e = min(o + BLOCK, stop)
        xs, ys = x[o:e], y[o:e]
        if gx is not None:
            gxs = gx[o:e]
        if gy is not None:
            gys = gy[o:e]
        if values is not None:
            vs = values[o:e]
        if weight is not None:
            ws = weight[o:e]
        if mask is not None:
            ms = mask[o:e]
        part = f4(0.0)
        for i in range(xs.size):
            value, dx, dy = body(xs[i], ys[i], *parameters)
            if weight is not None:
                value = value * ws[i]
                dx = dx * ws[i]
                dy = dy * ws[i]
            if mask is not None:
                value = value if ms[i] else f4(0.0)
                dx = dx if ms[i] else f4(0.0)
                dy = dy if ms[i] else f4(0.0)
            part += value
            if gx is not None:
                gxs[i] = dx * factor
            if gy is not None:
                gys[i] = dy * factor
            if values is not None:
                vs[i] = value
        total += part
    return total


def three(x, y, z, gx, gz, values, weight, mask, factor, parameters, start, stop):
    """Three inputs, and the gradients of the first and the last."""
    total = 0.0
    for o in range(start, stop, BLOCK):
        e = min(o + BLOCK, stop)
        xs, ys, zs = x[o:e], y[o:e], z[o:e]
        if gx is not None:
            gxs = gx[o:e]
        if gz is not None:
            gzs = gz[o:e]
        if values is not None:
            vs = values[o:e]
        if weight is not None:
            ws = weight[o:e]
        if mask is not None:
            ms = mask[o:e]
        part = f4(0.0)
        for i in range(xs.size):
            value, dx, dz = body(xs[i], ys[i], zs[i], *parameters)
            if weight is not None:
                value = value * ws[i]
                dx = dx * ws[i]
                dz = dz * ws[i]
            if mask is not None:
                value = value if ms[i] else f4(0.0)
                dx = dx if ms[i] else f4(0.0)
                dz = dz if ms[i] else f4(0.0)
            part += value
            if gx is not None:
                gxs[i] = dx * factor
            if gz is not None:
                gzs[i] = dz * factor
            if values is not None:
                vs[i] = value
        total += part
    return total
