"""The loops of losses that see the softmax only by the negative log-likelihood of the target's class.

Many classes are taken row by row, few of them side by side for a block of places, which is also how images lie in
memory. What the other classes have together is summed without the target's own: 1 - p is exact however near p is to 1.

Importing this module imports numba.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from . import arithmetic
from .compiled import LOOP
from .single import PRIMITIVES, exactly, f4

__all__ = [
    "BLOCK", "PLACES", "by_places", "by_rows", "exp_below", "fill", "largest", "largest_of_places", "log", "log1p",
    "part", "put", "scatter", "tally", "where",
]  # fmt: skip

BLOCK = 2048
"""Elements of a row that are summed in float32."""
PLACES = 256
"""The most places of a block."""
TARGET, SCORE, WEIGHT, REST, BELOW, EVEN, OWN = (PLACES * i for i in range(1, 8))
"""What is known of the places of a block, each beside the other, in one array; the largest logit comes first."""
SCALE = SCORE

body: Any = None
"""The value and its slope, from the negative log-likelihood; set where a loop is compiled."""
exp_of_negative: Any = PRIMITIVES[arithmetic.exp_of_negative]
log: Any = PRIMITIVES[arithmetic.log]
log1p: Any = PRIMITIVES[arithmetic.log1p]
maximum: Any = PRIMITIVES[arithmetic.maximum]
where: Any = PRIMITIVES[arithmetic.where]
part: Any = njit(fastmath=LOOP, error_model="numpy", nogil=True)
"""Makes a part of a loop."""


@exactly
def exp_below(below):
    """exp of at most 0, and 0 where that is all but 0: what is excluded has no slope at all."""
    return where(below < f4(-87.0), f4(0.0), exp_of_negative(below))


def tally(target, weight, mask, class_weight, ignored, classes, start, stop):
    """The weight of all targets that count; NaN where one of them is no class."""
    total, wrong = 0.0, False
    for i in range(start, stop):
        y = target[i]
        if y == ignored or (mask is not None and not mask[i]):
            continue
        if y < 0 or y >= classes:
            wrong = True
            continue
        counts = 1.0
        if class_weight is not None:
            counts *= class_weight[y]
        if weight is not None:
            counts *= weight[i]
        total += counts
    return np.nan if wrong else total


def scatter(x, target, gx, values, weight, mask, own, ignored, factor, classes, size, start, stop):
    """The negative log-probability of the target's class, which alone has a slope; the others are 0 already."""
    total = 0.0
    for i in range(start, stop):
        first = i // size * classes * size + i % size
        value, y = f4(0.0), target[i]
        if y != ignored and (mask is None or mask[i]):
            counts = own[y] if weight is None else own[y] * weight[i]
            value = -counts * x[first + y * size]
            if gx is not None:
                gx[first + y * size] = -counts * factor
        total += value
        if values is not None:
            values[i] = value
    return total


@part
def largest(bits, one, as_float):
    """The largest of a row of floats, from their bits, whose order is that of integers; NaN counts or not."""
    most = np.int32(-0x80000000)
    for i in range(bits.size):
        b = bits[i]
        b = np.int32(b ^ ((b >> np.int32(31)) & np.int32(0x7FFFFFFF)))
        most = b if b > most else most
    one[0] = np.int32(most ^ ((most >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return as_float[0]


@part
def _powers(x, top, out):
    """The sum of exp(x - top), whose terms are written where there is a place for them."""
    total = 0.0
    for o in range(0, x.size, BLOCK):
        e = min(o + BLOCK, x.size)
        xs = x[o:e]
        if out is not None:
            outs = out[o:e]
        part = f4(0.0)
        for i in range(xs.size):
            power = exp_below(xs[i] - top)
            part += power
            if out is not None:
                outs[i] = power
        total += part
    return total


@part
def _below(x, top, shares):
    """The sum of what each element lies below the top, in shares."""
    total = 0.0
    for o in range(0, x.size, BLOCK):
        e = min(o + BLOCK, x.size)
        xs, ss = x[o:e], shares[o:e]
        part = f4(0.0)
        for i in range(xs.size):
            part += ss[i] * (top - xs[i])
        total += part
    return total


def by_rows(
    x,
    target,
    gx,
    values,
    weight,
    mask,
    own,
    shares,
    shared,
    ignored,
    factor,
    parameters,
    size,
    step,
    block,
    start,
    stop,
):
    """Rows of classes, one after the other.

    ``own`` is what the target's class weighs, ``shares`` what each class adds whatever the target is, and ``shared``
    their sum.
    """
    total, classes = 0.0, own.size
    bits = x.view(np.int32)
    one = np.empty(1, np.int32)
    as_float = one.view(np.float32)
    for r in range(start, stop):
        base, y = r * classes, target[r]
        if y == ignored or (mask is not None and not mask[r]):
            if gx is not None:
                gx[base : base + classes] = f4(0.0)
            if values is not None:
                values[r] = f4(0.0)
            continue
        xs = x[base : base + classes]
        top, score = largest(bits[base : base + classes], one, as_float), xs[y]
        if gx is not None:
            gs = gx[base : base + classes]
            rest = _powers(xs[:y], top, gs[:y]) + _powers(xs[y + 1 :], top, gs[y + 1 :])
        else:
            rest = _powers(xs[:y], top, None) + _powers(xs[y + 1 :], top, None)
        power = math.exp(score - top)
        powers = rest + power
        nll = math.log1p(rest) if score == top else math.log(powers) + (float(top) - score)
        value, slope = body(f4(nll), *parameters)
        counts = f4(1.0) if weight is None else weight[r]
        value, slope = value * own[y] * counts, slope * own[y] * counts
        if shares is not None:
            value += counts * f4(shared * math.log(powers) + _below(xs, top, shares))
        total += value
        if values is not None:
            values[r] = value
        if gx is not None:
            even = counts * factor
            scale = f4(slope * factor / powers)
            at_target = f4(-slope * factor * (rest / powers))
            if shares is not None:
                scale = f4((slope * factor + shared * even) / powers)
                at_target = f4(at_target + even * (shared * (power / powers) - shares[y]))
                for i in range(gs.size):
                    gs[i] = gs[i] * scale - shares[i] * even
            else:
                for i in range(gs.size):
                    gs[i] = gs[i] * scale
            gs[y] = at_target
    return total


@part
def fill(x, origin, stride, step, number, classes, table):
    """Some places, one class after the other: the classes of a place lie ``stride`` apart, and two places ``step``."""
    for k in range(classes):
        rows = table[k * PLACES : k * PLACES + number]
        if step == 1:
            xs = x[origin + k * stride : origin + k * stride + number]
            for i in range(number):
                rows[i] = xs[i]
        else:
            xs = x[origin + k * stride :]
            for i in range(number):
                rows[i] = xs[i * step]


@part
def put(out, origin, stride, step, number, classes, table):
    """Back to where :func:`fill` takes from."""
    for k in range(classes):
        rows = table[k * PLACES : k * PLACES + number]
        if step == 1:
            outs = out[origin + k * stride : origin + k * stride + number]
            for i in range(number):
                outs[i] = rows[i]
        else:
            outs = out[origin + k * stride :]
            for i in range(number):
                outs[i * step] = rows[i]


@part
def largest_of_places(table, at, number, classes):
    """The largest of each place."""
    for i in range(number):
        at[i] = table[i]
    last = classes - 1
    for k in range(1, classes, 4):  # some of the last classes twice
        first = table[k * PLACES : k * PLACES + number]
        second = table[min(k + 1, last) * PLACES : min(k + 1, last) * PLACES + number]
        third = table[min(k + 2, last) * PLACES : min(k + 2, last) * PLACES + number]
        fourth = table[min(k + 3, last) * PLACES : min(k + 3, last) * PLACES + number]
        for i in range(number):
            at[i] = maximum(maximum(at[i], first[i]), maximum(second[i], maximum(third[i], fourth[i])))


@part
def _powers_of_places(table, at, number, classes, shares):
    """The powers, and the sum of those of the classes that are not the target's."""
    for i in range(number):
        at[i + REST] = f4(0.0)
        at[i + BELOW] = f4(0.0)
    for k in range(classes):
        rows = table[k * PLACES : k * PLACES + number]
        for i in range(number):
            below = rows[i] - at[i]
            if shares is not None:
                at[i + BELOW] -= shares[k] * below
            power = exp_below(below)
            rows[i] = power
            at[i + REST] += where(at[i + TARGET] == f4(k), f4(0.0), power)


@part
def _slopes_of_places(table, at, number, classes, shares):
    """From the powers to the slopes."""
    for k in range(classes):
        rows = table[k * PLACES : k * PLACES + number]
        for i in range(number):
            slope = where(at[i + TARGET] == f4(k), at[i + OWN], rows[i] * at[i + SCALE])
            if shares is not None:
                slope -= shares[k] * at[i + EVEN]
            rows[i] = where(at[i + TARGET] >= f4(0.0), slope, f4(0.0))


def by_places(
    x,
    target,
    gx,
    values,
    weight,
    mask,
    own,
    shares,
    shared,
    ignored,
    factor,
    parameters,
    size,
    step,
    block,
    start,
    stop,
):
    """Samples of ``size`` places each, one class after the other; with a ``step``, places of that many classes.

    ``start`` and ``stop`` are numbers of blocks; the other arguments are those of :func:`by_rows`.
    """
    total, classes = 0.0, own.size
    each = -(-size // block)
    stride = 1 if step > 1 else size
    table, at = np.empty(classes * PLACES, f4), np.full(8 * PLACES, own[0])
    weighted = bool((own != own[0]).any())
    for b in range(start, stop):
        place = b % each * block
        number = min(block, size - place)
        first = b // each * size + place
        origin = first * classes if step > 1 else b // each * size * classes + place
        fill(x, origin, stride, step, number, classes, table)
        ys = target[first : first + number]
        for i in range(number):
            at[i + TARGET] = where(ys[i] == ignored, f4(-1.0), f4(np.int32(ys[i])))
        if mask is not None:
            ms = mask[first : first + number]
            for i in range(number):
                at[i + TARGET] = at[i + TARGET] if ms[i] else f4(-1.0)
        for i in range(number):
            y = max(np.int32(at[i + TARGET]), np.int32(0))
            at[i + SCORE] = table[y * PLACES + i]
            if weighted:
                at[i + WEIGHT] = own[y]
        largest_of_places(table, at, number, classes)
        _powers_of_places(table, at, number, classes, shares)
        if values is not None:
            vs = values[first : first + number]
        if weight is not None:
            ws = weight[first : first + number]
        part = f4(0.0)
        for i in range(number):
            counted, rest, under = at[i + TARGET] >= f4(0.0), at[i + REST], at[i] - at[i + SCORE]
            power = exp_below(-under)
            most = under == f4(0.0)
            lse = log1p(where(most, rest, (rest - f4(1.0)) + power))
            value, slope = body(lse + under, *parameters)
            counts = f4(1.0)
            if weight is not None:
                counts = ws[i]
            value, slope = value * at[i + WEIGHT] * counts, slope * at[i + WEIGHT] * counts * factor
            over = f4(1.0) / (rest + power)
            scale, at_target = slope * over, -slope * (rest * over)
            if shares is not None:
                even = shared * counts * factor * over
                value += counts * (shared * lse + at[i + BELOW])
                scale += even
                at_target += even * power
                at[i + EVEN] = counts * factor
            value = where(counted, value, f4(0.0))
            part += value
            at[i + SCALE], at[i + OWN] = scale, at_target
            if values is not None:
                vs[i] = value
        total += part
        if gx is not None:
            _slopes_of_places(table, at, number, classes, shares)
            put(gx, origin, stride, step, number, classes, table)
    return total
