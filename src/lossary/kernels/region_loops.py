"""The loops of the losses of regions: the areas of a region in one pass, and the slope at each pixel in another.

A region is a plane of ``size`` pixels of one sample and class. It is worked on in units of at most ``UNIT`` pixels,
each with sums of its own, so that a single large volume too is shared among threads. Slopes are made from the last
pixel to the first, for what was read last is still in the cache.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment, operator"

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import Element, log1p, where

__all__ = [
    "AREAS", "UNIT", "areas", "chosen", "class_areas", "class_slopes", "linear", "linear_slope", "logit_areas",
    "logit_slopes", "slopes", "spread", "squared", "squared_slope",
]  # fmt: skip

UNIT = 1 << 16
"""Pixels that are worked on at once."""
BLOCK = 2048
"""Pixels that are summed in float32."""
TILE = 512
"""Pixels of which the probabilities of all classes are in the cache at once."""
AREAS = 6
"""Sums of a unit: what is hit, in excess, missed and in the target, the pixels that count, and the pixels' losses."""

f4 = np.float32
body: Any = None
"""The expression; set where a loop is compiled."""
logistic: Any = None
"""The same for :func:`lossary.kernels.logistic`."""
more: Any = None
"""The same for :func:`spread`."""
pick: Any = None
"""The same for :func:`chosen`."""


def linear(p, t):
    """What a pixel adds to hit, excess and missed."""
    return p * t, p * (1.0 - t), (1.0 - p) * t


def linear_slope(p, t, hit, excess, missed):
    """The slope in ``p`` from the slopes in the areas."""
    return excess + t * ((hit - missed) - excess)


def squared(p, t):
    """The same where areas are sums of squares: the squared error, of whichever kind, is the excess."""
    return p * t, (p - t) * (p - t), 0.0


def squared_slope(p, t, hit, excess, missed):
    """The slope in ``p`` where areas are sums of squares."""
    return hit * t + 2.0 * excess * (p - t)


def spread(others: Element, own: Element) -> Element:
    """The logarithm of the sum of exponentials, of which the largest is 1: exact where it is the target's."""
    return log1p(others + (own - 1.0))


def chosen(condition: Element, x: Element, y: Element) -> Element:
    """One of both, as an expression: of a branch the loop might make a store that depends, which is slow."""
    return where(condition, x, y)


def areas(x, t, mask, size, sums, start, stop):
    """The areas of probabilities, by unit."""
    parts = -(-size // UNIT)
    for unit in range(start, stop):
        plane, part = unit // parts, unit % parts
        low, high = plane * size + part * UNIT, plane * size + min(part * UNIT + UNIT, size)
        for o in range(low, high, BLOCK):
            e = min(o + BLOCK, high)
            xs, ts = x[o:e], t[o:e]
            if mask is not None:
                ms = mask[o:e]
            hits, excesses, misses, area, number = f4(0.0), f4(0.0), f4(0.0), f4(0.0), f4(0.0)
            for i in range(xs.size):
                there = f4(ts[i])
                hit, excess, missed = body(xs[i], there)
                if mask is not None:
                    kept = ms[i]
                    hit, excess = hit if kept else f4(0.0), excess if kept else f4(0.0)
                    missed, there = missed if kept else f4(0.0), there if kept else f4(0.0)
                    number += f4(1.0) if kept else f4(0.0)
                hits += hit
                excesses += excess
                misses += missed
                area += there
            sums[unit, 0] += hits
            sums[unit, 1] += excesses
            sums[unit, 2] += misses
            sums[unit, 3] += area
            sums[unit, 4] += number
    return 0.0


def slopes(x, t, mask, size, gx, factors, start, stop):
    """The gradient in probabilities, from the slopes of each plane in hit, excess and missed."""
    parts = -(-size // UNIT)
    for unit in range(stop - 1, start - 1, -1):
        plane, part = unit // parts, unit % parts
        low, high = plane * size + part * UNIT, plane * size + min(part * UNIT + UNIT, size)
        hit, excess, missed = factors[plane, 0], factors[plane, 1], factors[plane, 2]
        xs, ts, gs = x[low:high], t[low:high], gx[low:high]
        if mask is not None:
            ms = mask[low:high]
        for i in range(xs.size):
            slope = body(xs[i], f4(ts[i]), hit, excess, missed)
            if mask is not None:
                slope = slope if ms[i] else f4(0.0)
            gs[i] = slope
    return 0.0


def logit_areas(x, t, mask, size, sums, gx, parameters, start, stop):
    """The areas of the sigmoid of logits, and the sum of a loss of each pixel, whose slopes are kept in ``gx``."""
    parts = -(-size // UNIT)
    for unit in range(start, stop):
        plane, part = unit // parts, unit % parts
        low, high = plane * size + part * UNIT, plane * size + min(part * UNIT + UNIT, size)
        for o in range(low, high, BLOCK):
            e = min(o + BLOCK, high)
            xs, ts = x[o:e], t[o:e]
            if mask is not None:
                ms = mask[o:e]
            if gx is not None:
                gs = gx[o:e]
            hits, excesses, misses, area, number, total = f4(0.0), f4(0.0), f4(0.0), f4(0.0), f4(0.0), f4(0.0)
            for i in range(xs.size):
                there = f4(ts[i])
                _, p, q = logistic(xs[i])
                value, slope = body(xs[i], there, *parameters)
                if gx is not None:
                    gs[i] = slope
                hit, excess, missed = p * there, p * (f4(1.0) - there), q * there
                if mask is not None:
                    kept = ms[i]
                    hit, excess = hit if kept else f4(0.0), excess if kept else f4(0.0)
                    missed, there = missed if kept else f4(0.0), there if kept else f4(0.0)
                    value = value if kept else f4(0.0)
                    number += f4(1.0) if kept else f4(0.0)
                hits += hit
                excesses += excess
                misses += missed
                area += there
                total += value
            sums[unit, 0] += hits
            sums[unit, 1] += excesses
            sums[unit, 2] += misses
            sums[unit, 3] += area
            sums[unit, 4] += number
            sums[unit, 5] += total
    return 0.0


def logit_slopes(x, t, mask, size, gx, factors, start, stop):
    """The gradient in logits, from the slopes of each plane in its sums, and those of the pixels' losses in ``gx``."""
    parts = -(-size // UNIT)
    for unit in range(stop - 1, start - 1, -1):
        plane, part = unit // parts, unit % parts
        low, high = plane * size + part * UNIT, plane * size + min(part * UNIT + UNIT, size)
        hit, excess, missed, pixel = factors[plane, 0], factors[plane, 1], factors[plane, 2], factors[plane, 5]
        xs, ts, gs = x[low:high], t[low:high], gx[low:high]
        if mask is not None:
            ms = mask[low:high]
        for i in range(xs.size):
            there = f4(ts[i])
            _, p, q = logistic(xs[i])
            slope = (excess + there * ((hit - missed) - excess)) * (p * q) + pixel * gs[i]
            if mask is not None:
                slope = slope if ms[i] else f4(0.0)
            gs[i] = slope
    return 0.0


def class_areas(z, t, mask, ignored, gx, sums, size, start, stop):
    """The areas of the softmax over planes of classes and their cross-entropies; probabilities are kept in ``gx``.

    Returns how many of the targets that count are no class.
    """
    classes = sums.shape[1]
    parts = -(-size // UNIT)
    table, powers = np.empty(6 * TILE, f4), np.empty(classes * TILE, f4)  # one array: its rows don't overlap
    tops = np.empty(2 * TILE, f4)  # the largest logit, from one row to the other: a store that depends is slow
    strangers = 0
    for unit in range(start, stop):
        sample, part = unit // parts, unit % parts
        for o in range(part * UNIT, min(part * UNIT + UNIT, size), TILE):
            n = min(TILE, size - o)
            first = sample * classes * size + o
            ts = t[sample * size + o : sample * size + o + n]
            if mask is not None:
                ms = mask[sample * size + o : sample * size + o + n]
            for i in range(ts.size):
                counts, strange = ts[i] != ignored, (ts[i] < 0) | (ts[i] >= classes)
                if mask is not None:
                    counts = counts & ms[i]
                strangers += counts & strange
                table[i] = f4(-1.0) if strange | (not counts) else f4(ts[i])
                tops[i] = f4(-np.inf)
            for c in range(classes):
                row, other = (c % 2) * TILE, ((c + 1) % 2) * TILE
                zs, old, new = z[first + c * size : first + c * size + n], tops[row : row + n], tops[other : other + n]
                for i in range(zs.size):
                    new[i] = pick(zs[i] > old[i], zs[i], old[i])
            top = tops[(classes % 2) * TILE : (classes % 2) * TILE + n]
            for c in range(classes):
                zs, ps = z[first + c * size : first + c * size + n], powers[c * TILE : c * TILE + n]
                for i in range(zs.size):
                    ps[i] = body(zs[i] - top[i])
            for i in range(n):
                label = max(int(table[i]), 0)
                table[i + TILE] = f4(0.0)  # the exponentials of all but the target
                table[i + 2 * TILE] = powers[label * TILE + i]
                table[i + 3 * TILE] = top[i] - z[first + label * size + i]
                powers[label * TILE + i] = f4(0.0)
            for c in range(classes):
                ps = powers[c * TILE : c * TILE + n]
                for i in range(ps.size):
                    table[i + TILE] += ps[i]
            for i in range(n):
                others, own = table[i + TILE], table[i + 2 * TILE]
                over = f4(1.0) / (others + own)
                table[i + TILE], table[i + 2 * TILE] = others * over, own * over
                table[i + 3 * TILE] += more(others, own)
                table[i + 4 * TILE] = over
            for c in range(classes):
                ps, name = powers[c * TILE : c * TILE + n], f4(c)
                hit, excess, missed, area, entropy = f4(0.0), f4(0.0), f4(0.0), f4(0.0), f4(0.0)
                for i in range(ps.size):
                    own, p = table[i] == name, ps[i] * table[i + 4 * TILE]
                    p = pick(table[i] >= f4(0.0), pick(own, table[i + 2 * TILE], p), f4(0.0))
                    hit += pick(own, p, f4(0.0))
                    excess += pick(own, f4(0.0), p)
                    missed += pick(own, table[i + TILE], f4(0.0))
                    area += pick(own, f4(1.0), f4(0.0))
                    entropy += pick(own, table[i + 3 * TILE], f4(0.0))
                    ps[i] = p
                sums[unit, c, 0] += hit
                sums[unit, c, 1] += excess
                sums[unit, c, 2] += missed
                sums[unit, c, 3] += area
                sums[unit, c, 5] += entropy
                if gx is not None:
                    gx[first + c * size : first + c * size + n] = ps
    return strangers


def class_slopes(t, mask, ignored, gx, factors, size, classes, start, stop):
    """The gradient in logits, from the probabilities in ``gx`` and the slopes of each plane in its sums.

    Of a pixel whose target is not c, the slope in the logit of c is p_c times what c's slope is above the mean of the
    slopes, weighed by probability; for the target that mean is taken over the others, which loses nothing where all but
    one probability is small.
    """
    parts = -(-size // UNIT)
    table = np.empty(6 * TILE, f4)
    for unit in range(stop - 1, start - 1, -1):
        sample, part = unit // parts, unit % parts
        for o in range(part * UNIT, min(part * UNIT + UNIT, size), TILE):
            n = min(TILE, size - o)
            first = sample * classes * size + o
            ts = t[sample * size + o : sample * size + o + n]
            if mask is not None:
                ms = mask[sample * size + o : sample * size + o + n]
            for i in range(ts.size):
                counts = ts[i] != ignored
                if mask is not None:
                    counts = counts & ms[i]
                table[i] = f4(ts[i]) if counts else f4(-1.0)
            for i in range(n):
                label = max(int(table[i]), 0)
                plane = sample * classes + label
                table[i + TILE] = f4(0.0)  # probability of all but the target
                table[i + 2 * TILE] = f4(0.0)  # and their slopes, weighed by it
                table[i + 3 * TILE] = gx[first + label * size + i]
                table[i + 4 * TILE] = factors[plane, 0] - factors[plane, 2]
                table[i + 5 * TILE] = factors[plane, 5]
                gx[first + label * size + i] = f4(0.0)
            for c in range(classes):
                ps, outside = gx[first + c * size : first + c * size + n], factors[sample * classes + c, 1]
                for i in range(ps.size):
                    table[i + TILE] += ps[i]
                    table[i + 2 * TILE] += ps[i] * outside
            for c in range(classes):
                ps, outside = gx[first + c * size : first + c * size + n], factors[sample * classes + c, 1]
                name = f4(c)
                for i in range(ps.size):
                    others, mixed, target = table[i + TILE], table[i + 2 * TILE], table[i + 3 * TILE]
                    inside, entropy = table[i + 4 * TILE], table[i + 5 * TILE]
                    own = target * (others * inside - mixed) - entropy * others
                    other = ps[i] * ((outside - target * inside) - mixed + entropy)
                    slope = pick(table[i] == name, own, other)
                    ps[i] = pick(table[i] >= f4(0.0), slope, f4(0.0))
    return 0
