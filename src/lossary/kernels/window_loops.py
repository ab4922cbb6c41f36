"""The loop of structural similarity: sums over a window, as few rows at a time as the window is high.

The images ``x`` and ``y`` enter as ``u = x + y`` and ``v = x - y``. With the means m of these and of their squares, and
the variances s that follow, similarity is ``(1 - p) (1 - q)``, where ``p = m_v^2 / ((m_u^2 + m_v^2) / 2 + c1)`` and
``q = s_v / ((s_u + s_v) / 2 + c2)``: eq. 13 of doi:10.1109/TIP.2003.819861 with both its fractions taken from 1. So
alike images lose nothing by rounding, and equal ones have a loss of exactly 0. Variances are those of what is left
above the first pixel, which for flat images is little.

Importing this module imports numba.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .compiled import LOOP
from .single import f4

__all__ = ["similarity"]

_part: Any = njit(fastmath=LOOP, error_model="numpy", nogil=True)


@_part
def _across(line, window, out):
    """The weighted sums of a line through the window, where it fits whole; the window is symmetric."""
    taps, number = window.size, out.size
    half = taps // 2
    if taps % 2:
        k, a = window[half], line[half : half + number]
        for i in range(number):
            out[i] = k * a[i]
    else:
        out[:] = f4(0.0)
    for q in range(half):
        k, a, b = window[q], line[q : q + number], line[taps - 1 - q : taps - 1 - q + number]
        for i in range(number):
            out[i] += k * (a[i] + b[i])


@_part
def _down(ring, first, window, out):
    """The weighted sum of the lines of a ring, of which ``first`` is the oldest."""
    taps, number = window.size, out.size
    half = taps // 2
    if taps % 2:
        k, a = window[half], ring[(first + half) % taps]
        for i in range(number):
            out[i] = k * a[i]
    else:
        out[:] = f4(0.0)
    for q in range(half):
        k, a, b = window[q], ring[(first + q) % taps], ring[(first + taps - 1 - q) % taps]
        for i in range(number):
            out[i] += k * (a[i] + b[i])


@_part
def _places(means, slopes, first_u, first_v, scale, c1, c2):
    """The losses of a line of places, added; and the slopes in the four means, those of ``u`` and ``v`` together."""
    mean_u, mean_v, square_u, square_v = means[0], means[1], means[2], means[3]
    of_means, of_u, of_v = slopes[0], slopes[1], slopes[2]
    total = f4(0.0)
    for i in range(mean_u.size):
        above_u, above_v = mean_u[i], mean_v[i]
        var_u, var_v = square_u[i] - above_u * above_u, square_v[i] - above_v * above_v
        m, n = first_u + above_u, first_v + above_v
        over_1 = f4(1.0) / (f4(0.5) * (m * m + n * n) + c1)
        over_2 = f4(1.0) / (f4(0.5) * (var_u + var_v) + c2)
        p, q = n * n * over_1, var_v * over_2
        total += p + (f4(1.0) - p) * q
        rest = (f4(1.0) - p) * over_2 * scale
        in_u, in_v = f4(-0.5) * q * rest, (f4(1.0) - f4(0.5) * q) * rest
        light = (f4(1.0) - q) * over_1 * scale
        of_u[i], of_v[i] = in_u, in_v
        of_means[i] = light * (n * (f4(2.0) - p) - m * p) - f4(2.0) * (above_u * in_u + above_v * in_v)
    return total


def similarity(x, y, gx, values, weight, mask, factor, down, across, c1, c2, channels, height, width, start, stop):
    """One less the similarity of each sample, averaged over channels and places; gradients are those in ``x``."""
    taps, sides = down.size, across.size
    places_y, places_x = height - taps + 1, width - sides + 1
    lines = np.empty((4, width), f4)
    ring = np.empty((4, taps, places_x), f4)
    means = np.empty((4, places_x), f4)
    padded = np.zeros((3, places_x + 2 * (sides - 1)), f4)
    slopes = padded[:, sides - 1 : sides - 1 + places_x]
    back = np.empty((3, taps, width), f4)
    parts = np.empty((3, width), f4)
    plane, number = height * width, channels * places_y * places_x
    total = 0.0
    for sample in range(start, stop):
        if mask is not None and not mask[sample]:
            if gx is not None:
                gx[sample * channels * plane : (sample + 1) * channels * plane] = f4(0.0)
            if values is not None:
                values[sample] = f4(0.0)
            continue
        counts = f4(1.0) if weight is None else weight[sample]
        scale = f4(counts * factor / number)
        lost = 0.0
        for channel in range(channels):
            base = (sample * channels + channel) * plane
            back[:] = f4(0.0)
            first_u, first_v = x[base] + y[base], x[base] - y[base]
            if not (abs(first_u) < np.inf and abs(first_v) < np.inf):
                first_u, first_v = f4(0.0), f4(0.0)
            for row in range(height + taps - 1):
                if row < height:
                    xs = x[base + row * width : base + (row + 1) * width]
                    ys = y[base + row * width : base + (row + 1) * width]
                    us, vs, uus, vvs = lines[0], lines[1], lines[2], lines[3]
                    for i in range(width):
                        u, v = (xs[i] + ys[i]) - first_u, (xs[i] - ys[i]) - first_v
                        us[i], vs[i], uus[i], vvs[i] = u, v, u * u, v * v
                    for m in range(4):
                        _across(lines[m], across, ring[m, row % taps])
                place = row - taps + 1
                if place < 0:
                    continue
                if place < places_y:
                    for m in range(4):
                        _down(ring[m], place, down, means[m])
                    lost += _places(means, slopes, first_u, first_v, scale, c1, c2)
                if gx is None:
                    continue
                for m in range(3):
                    if place < places_y:
                        _across(padded[m], across, back[m, place % taps])
                    else:
                        back[m, place % taps] = f4(0.0)
                    _down(back[m], place + 1, down, parts[m])
                xs = x[base + place * width : base + (place + 1) * width]
                ys = y[base + place * width : base + (place + 1) * width]
                gs = gx[base + place * width : base + (place + 1) * width]
                of_means, of_u, of_v = parts[0], parts[1], parts[2]
                for i in range(width):
                    u, v = (xs[i] + ys[i]) - first_u, (xs[i] - ys[i]) - first_v
                    gs[i] = of_means[i] + f4(2.0) * (u * of_u[i] + v * of_v[i])
        value = counts * (lost / number)
        total += value
        if values is not None:
            values[sample] = value
    return total
