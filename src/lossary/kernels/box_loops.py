"""The loop of the losses of boxes.

Corners lie in memory box by box, and vector instructions want them side by side: a block is taken apart into rows of a
small table, worked on there, and its gradient put together again. The rows are parts of one array, so that the compiler
sees by itself that they don't overlap.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import maximum, minimum, where

__all__ = ["BLOCK", "boxes", "clipped", "drawn"]

BLOCK = 256
"""Boxes of a block: its table and what is read and written for it stay in the first-level cache."""

f4 = np.float32
body: Any = None
"""The expression; set where the loop is compiled."""
towards: Any = None
"""The same for :func:`drawn`."""
clip: Any = None
"""The same for :func:`clipped`."""


def clipped(low, high, target_low, target_high):
    """Along one axis: the sides of overlap, box, target and hull, at least 0, and twice the way between the centres."""
    overlap = maximum(minimum(high, target_high) - maximum(low, target_low), 0.0)
    hull = maximum(maximum(high, target_high) - minimum(low, target_low), 0.0)
    way = ((low - target_low) + (high - target_high)) * 0.5
    return overlap, maximum(high - low, 0.0), maximum(target_high - target_low, 0.0), hull, way


def drawn(low, high, target_low, target_high, d_overlap, d_side, d_hull, d_way):
    """From the slopes in the sides and the way along one axis to those in the two corners.

    As autograd has it: of two equal corners each is half of their maximum, and a side of 0 still has its slope.
    """
    overlapping = minimum(high, target_high) - maximum(low, target_low) >= 0.0
    spanned = maximum(high, target_high) - minimum(low, target_low) >= 0.0
    d_overlap, d_hull = where(overlapping, d_overlap, 0.0), where(spanned, d_hull, 0.0)
    d_side = where(high - low >= 0.0, d_side, 0.0)
    d_low = -where(low < target_low, 0.0, where(low == target_low, 0.5 * d_overlap, d_overlap))
    d_low = d_low - where(low > target_low, 0.0, where(low == target_low, 0.5 * d_hull, d_hull))
    d_high = where(high > target_high, 0.0, where(high == target_high, 0.5 * d_overlap, d_overlap))
    d_high = d_high + where(high < target_high, 0.0, where(high == target_high, 0.5 * d_hull, d_hull))
    return d_low - d_side + 0.5 * d_way, d_high + d_side + 0.5 * d_way


def boxes(x, y, gx, values, weight, mask, factor, parameters, start, stop):
    """Two boxes, and the gradient of the first."""
    total = 0.0
    table = np.empty(8 * BLOCK, np.float32)
    for o in range(start, stop, BLOCK):
        n = min(BLOCK, stop - o)
        xs, ys = x[4 * o : 4 * (o + n)], y[4 * o : 4 * (o + n)]
        for i in range(n):
            table[i] = xs[4 * i]
            table[i + BLOCK] = xs[4 * i + 1]
            table[i + 2 * BLOCK] = xs[4 * i + 2]
            table[i + 3 * BLOCK] = xs[4 * i + 3]
            table[i + 4 * BLOCK] = ys[4 * i]
            table[i + 5 * BLOCK] = ys[4 * i + 1]
            table[i + 6 * BLOCK] = ys[4 * i + 2]
            table[i + 7 * BLOCK] = ys[4 * i + 3]
        if values is not None:
            vs = values[o : o + n]
        if weight is not None:
            ws = weight[o : o + n]
        if mask is not None:
            ms = mask[o : o + n]
        part = f4(0.0)
        for i in range(n):
            x1, y1, x2, y2 = table[i], table[i + BLOCK], table[i + 2 * BLOCK], table[i + 3 * BLOCK]
            u1, v1, u2, v2 = table[i + 4 * BLOCK], table[i + 5 * BLOCK], table[i + 6 * BLOCK], table[i + 7 * BLOCK]
            across, down = clip(x1, x2, u1, u2), clip(y1, y2, v1, v2)
            same = (x1 == u1) & (y1 == v1) & (x2 == u2) & (y2 == v2)
            value, d_across, d_down = body(across, down, same, *parameters)
            g1, g3 = towards(x1, x2, u1, u2, *d_across)
            g2, g4 = towards(y1, y2, v1, v2, *d_down)
            if weight is not None:
                value = value * ws[i]
                g1, g2, g3, g4 = g1 * ws[i], g2 * ws[i], g3 * ws[i], g4 * ws[i]
            if mask is not None:
                kept = ms[i]
                value = value if kept else f4(0.0)
                g1, g2 = g1 if kept else f4(0.0), g2 if kept else f4(0.0)
                g3, g4 = g3 if kept else f4(0.0), g4 if kept else f4(0.0)
            part += value
            if gx is not None:
                table[i], table[i + BLOCK] = g1 * factor, g2 * factor
                table[i + 2 * BLOCK], table[i + 3 * BLOCK] = g3 * factor, g4 * factor
            if values is not None:
                vs[i] = value
        total += part
        if gx is not None:
            gs = gx[4 * o : 4 * (o + n)]
            for i in range(n):
                gs[4 * i] = table[i]
                gs[4 * i + 1] = table[i + BLOCK]
                gs[4 * i + 2] = table[i + 2 * BLOCK]
                gs[4 * i + 3] = table[i + 3 * BLOCK]
    return total
