"""The loops of the losses of vectors: sums over a row, the loss from these, and the row again for its gradient.

A row is read twice, the second time from the cache. Long rows are summed in blocks, as in
:mod:`lossary.kernels.element_loops`; a masked row is not looked at.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["difference", "direction", "shifted", "triplet"]

BLOCK = 2048
"""Elements of a row that are summed in float32."""

f4 = np.float32
body: Any = None
"""The expression; set where a loop is compiled."""
apart: Any = None
"""The same for :func:`shifted`."""


def shifted(x, y, shift):
    """A difference and a little more, as an expression: in a loop the compiler might add the two small numbers last."""
    return x - y + shift


def difference(x, y, label, gx, gy, values, weight, mask, factor, shift, parameters, size, start, stop):
    """Pairs, by the squared length of ``x - y + shift``."""
    total = 0.0
    for r in range(start, stop):
        base = r * size
        if mask is not None and not mask[r]:
            if gx is not None:
                gx[base : base + size] = f4(0.0)
            if gy is not None:
                gy[base : base + size] = f4(0.0)
            if values is not None:
                values[r] = f4(0.0)
            continue
        square = 0.0
        for o in range(base, base + size, BLOCK):
            e = min(o + BLOCK, base + size)
            xs, ys = x[o:e], y[o:e]
            part = f4(0.0)
            for i in range(xs.size):
                gap = apart(xs[i], ys[i], shift)
                part += gap * gap
            square += part
        value, slope = body(f4(square), f4(0.0) if label is None else label[r], *parameters)
        if weight is not None:
            value, slope = value * weight[r], slope * weight[r]
        total += value
        if values is not None:
            values[r] = value
        slope = slope * factor
        if gx is not None:
            xs, ys, gs = x[base : base + size], y[base : base + size], gx[base : base + size]
            for i in range(xs.size):
                gs[i] = slope * apart(xs[i], ys[i], shift)
        if gy is not None:
            xs, ys, gs = x[base : base + size], y[base : base + size], gy[base : base + size]
            for i in range(xs.size):
                gs[i] = -slope * apart(xs[i], ys[i], shift)
    return total


def direction(x, y, label, gx, gy, values, weight, mask, factor, shift, parameters, size, start, stop):
    """Pairs, by the cosine of the angle between ``x`` and ``y``; a zero vector has the cosine 0 with any."""
    total = 0.0
    for r in range(start, stop):
        base = r * size
        if mask is not None and not mask[r]:
            if gx is not None:
                gx[base : base + size] = f4(0.0)
            if gy is not None:
                gy[base : base + size] = f4(0.0)
            if values is not None:
                values[r] = f4(0.0)
            continue
        inner, of_x, of_y = 0.0, 0.0, 0.0
        for o in range(base, base + size, BLOCK):
            e = min(o + BLOCK, base + size)
            xs, ys = x[o:e], y[o:e]
            product, square_x, square_y = f4(0.0), f4(0.0), f4(0.0)
            for i in range(xs.size):
                product += xs[i] * ys[i]
                square_x += xs[i] * xs[i]
                square_y += ys[i] * ys[i]
            inner += product
            of_x += square_x
            of_y += square_y
        over_x = 0.0 if of_x == 0.0 else 1.0 / math.sqrt(of_x)
        over_y = 0.0 if of_y == 0.0 else 1.0 / math.sqrt(of_y)
        cosine = inner * over_x * over_y
        value, slope = body(f4(cosine), f4(0.0) if label is None else label[r], *parameters)
        if weight is not None:
            value, slope = value * weight[r], slope * weight[r]
        total += value
        if values is not None:
            values[r] = value
        both = f4(slope * factor * over_x * over_y)
        if gx is not None:
            along = f4(slope * factor * cosine * over_x * over_x)
            xs, ys, gs = x[base : base + size], y[base : base + size], gx[base : base + size]
            for i in range(xs.size):
                gs[i] = both * ys[i] - along * xs[i]
        if gy is not None:
            along = f4(slope * factor * cosine * over_y * over_y)
            xs, ys, gs = x[base : base + size], y[base : base + size], gy[base : base + size]
            for i in range(xs.size):
                gs[i] = both * xs[i] - along * ys[i]
    return total


def triplet(x, y, z, gx, gy, gz, values, weight, mask, factor, shift, parameters, size, start, stop):
    """Triplets, by the squared lengths of ``x - y + shift`` and of ``x - z + shift``."""
    total = 0.0
    for r in range(start, stop):
        base = r * size
        if mask is not None and not mask[r]:
            if gx is not None:
                gx[base : base + size] = f4(0.0)
            if gy is not None:
                gy[base : base + size] = f4(0.0)
            if gz is not None:
                gz[base : base + size] = f4(0.0)
            if values is not None:
                values[r] = f4(0.0)
            continue
        near, far = 0.0, 0.0
        for o in range(base, base + size, BLOCK):
            e = min(o + BLOCK, base + size)
            xs, ys, zs = x[o:e], y[o:e], z[o:e]
            nearer, farther = f4(0.0), f4(0.0)
            for i in range(xs.size):
                to_y, to_z = apart(xs[i], ys[i], shift), apart(xs[i], zs[i], shift)
                nearer += to_y * to_y
                farther += to_z * to_z
            near += nearer
            far += farther
        value, pull, push = body(f4(near), f4(far), *parameters)
        if weight is not None:
            value, pull, push = value * weight[r], pull * weight[r], push * weight[r]
        total += value
        if values is not None:
            values[r] = value
        pull, push = pull * factor, push * factor
        xs, ys, zs = x[base : base + size], y[base : base + size], z[base : base + size]
        if gx is not None:
            gs = gx[base : base + size]
            for i in range(xs.size):
                gs[i] = pull * apart(xs[i], ys[i], shift) + push * apart(xs[i], zs[i], shift)
        if gy is not None:
            gs = gy[base : base + size]
            for i in range(xs.size):
                gs[i] = -pull * apart(xs[i], ys[i], shift)
        if gz is not None:
            gs = gz[base : base + size]
            for i in range(xs.size):
                gs[i] = -push * apart(xs[i], zs[i], shift)
    return total
