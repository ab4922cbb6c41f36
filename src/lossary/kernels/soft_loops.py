"""The loops of losses of a softmax whose target is a distribution: given as probabilities, or as a teacher's logits.

As in :mod:`lossary.kernels.row_loops`, many classes are taken row by row and few of them side by side for a block of
places. The largest power, which is 1, is left out of the sum, so that the likelihood of a class that is all but certain
is exact.

Importing this module imports numba.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .row_loops import BLOCK, PLACES, exp_below, fill, largest, largest_of_places, log, log1p, part, put, where
from .single import f4

__all__ = ["distilled_places", "distilled_rows", "soft_places", "soft_rows", "summed_places", "summed_rows"]

body: Any = None
"""The value of one class and its slope, where a loss is a sum over the classes; set where a loop is compiled."""
MORE, MASS, BELOW, EVEN, SCALE, OTHER, COUNTED = (PLACES * i for i in range(1, 8))
"""What is known of the places of a block, each beside the other, in one array; the largest logit comes first."""


def soft_rows(
    x, t, gx, values, weight, mask, class_weight, kept, even, factor, classes, size, step, block, start, stop
):
    """Rows of logits ``x`` and of probabilities ``t``, of which a share is ``kept`` and the rest ``even``."""
    total = 0.0
    bits, one = x.view(np.int32), np.empty(1, np.int32)
    as_float = one.view(np.float32)
    for r in range(start, stop):
        base = r * classes
        if mask is not None and not mask[r]:
            if gx is not None:
                gx[base : base + classes] = f4(0.0)
            if values is not None:
                values[r] = f4(0.0)
            continue
        top = largest(bits[base : base + classes], one, as_float)
        more, mass, under = -1.0, 0.0, 0.0
        for o in range(0, classes, BLOCK):
            e = min(o + BLOCK, classes)
            xs, ts = x[base + o : base + e], t[base + o : base + e]
            if gx is not None:
                gs = gx[base + o : base + e]
            if class_weight is not None:
                cs = class_weight[o:e]
            rest, equal, masses, unders = f4(0.0), f4(0.0), f4(0.0), f4(0.0)
            for i in range(xs.size):
                below = xs[i] - top
                power = exp_below(below)
                share = ts[i] * kept + even
                if class_weight is not None:
                    share = share * cs[i]
                rest += where(below == f4(0.0), f4(0.0), power)
                equal += where(below == f4(0.0), f4(1.0), f4(0.0))
                masses += share
                unders -= share * below
                if gx is not None:
                    gs[i] = power
            more += rest
            more += equal
            mass += masses
            under += unders
        counts = f4(1.0) if weight is None else weight[r]
        value = counts * f4(mass * math.log1p(more) + under)
        total += value
        if values is not None:
            values[r] = value
        if gx is not None:
            scale, at_top, mass_4 = f4(mass / (1.0 + more)), f4(mass * (more / (1.0 + more))), f4(mass)
            even_4 = counts * factor
            ts, gs = t[base : base + classes], gx[base : base + classes]
            for i in range(gs.size):
                share = ts[i] * kept + even
                if class_weight is not None:
                    share = share * class_weight[i]
                slope = where(gs[i] == f4(1.0), (mass_4 - share) - at_top, gs[i] * scale - share)
                gs[i] = slope * even_4
    return total


@part
def _which(at, number, first, mask):
    """Whether each place counts."""
    for i in range(number):
        at[i + COUNTED] = f4(1.0)
    if mask is not None:
        ms = mask[first : first + number]
        for i in range(number):
            at[i + COUNTED] = f4(1.0) if ms[i] else f4(0.0)


@part
def _soft(table, shares, at, number, classes, class_weight, kept, even):
    """From logits to powers, from probabilities to what the target has of each class, and the sums of both."""
    largest_of_places(table, at, number, classes)
    for i in range(number):
        at[i + MORE], at[i + MASS], at[i + BELOW] = f4(-1.0), f4(0.0), f4(0.0)
        at[i + OTHER] = f4(0.0)
    for k in range(classes):
        rows, targets = table[k * PLACES : k * PLACES + number], shares[k * PLACES : k * PLACES + number]
        for i in range(number):
            below = rows[i] - at[i]
            power, share = exp_below(below), targets[i] * kept + even
            if class_weight is not None:
                share = share * class_weight[k]
            rows[i], targets[i] = power, share
            at[i + MASS] += share
            at[i + BELOW] -= share * below
            at[i + MORE] += where(below == f4(0.0), f4(1.0), f4(0.0))
            at[i + OTHER] += where(below == f4(0.0), f4(0.0), power)
    for i in range(number):
        at[i + MORE] += at[i + OTHER]


@part
def _soft_slopes(table, shares, at, number, classes):
    for k in range(classes):
        rows, targets = table[k * PLACES : k * PLACES + number], shares[k * PLACES : k * PLACES + number]
        for i in range(number):
            at_top = (at[i + MASS] - targets[i]) - at[i + MORE] * at[i + SCALE]
            slope = where(rows[i] == f4(1.0), at_top, rows[i] * at[i + SCALE] - targets[i])
            rows[i] = where(at[i + COUNTED] == f4(0.0), f4(0.0), slope * at[i + EVEN])


def soft_places(
    x, t, gx, values, weight, mask, class_weight, kept, even, factor, classes, size, step, block, start, stop
):
    """The same for samples of ``size`` places each, one class after the other, or with a ``step`` for rows."""
    total, each, stride = 0.0, -(-size // block), 1 if step > 1 else size
    table, shares, at = np.empty(classes * PLACES, f4), np.empty(classes * PLACES, f4), np.empty(8 * PLACES, f4)
    for b in range(start, stop):
        place = b % each * block
        number = min(block, size - place)
        first = b // each * size + place
        origin = first * classes if step > 1 else b // each * size * classes + place
        fill(x, origin, stride, step, number, classes, table)
        fill(t, origin, stride, step, number, classes, shares)
        _soft(table, shares, at, number, classes, class_weight, kept, even)
        _which(at, number, first, mask)
        if weight is not None:
            ws = weight[first : first + number]
        if values is not None:
            vs = values[first : first + number]
        part_of_sum = f4(0.0)
        for i in range(number):
            mass, more = at[i + MASS], at[i + MORE]
            value, slope = mass * log1p(more) + at[i + BELOW], factor
            if weight is not None:
                value, slope = value * ws[i], slope * ws[i]
            value = where(at[i + COUNTED] == f4(0.0), f4(0.0), value)
            at[i + SCALE], at[i + EVEN] = mass / (f4(1.0) + more), slope
            part_of_sum += value
            if values is not None:
                vs[i] = value
        total += part_of_sum
        if gx is not None:
            _soft_slopes(table, shares, at, number, classes)
            put(gx, origin, stride, step, number, classes, table)
    return total


def distilled_rows(x, t, gx, values, weight, mask, temperature, factor, classes, size, step, block, start, stop):
    """Rows of a student's logits ``x`` and of a teacher's, ``t``, both over the temperature."""
    total, inverse = 0.0, f4(1.0) / temperature
    bits, teachers, one = x.view(np.int32), t.view(np.int32), np.empty(1, np.int32)
    as_float, others = one.view(np.float32), np.empty(classes, f4)
    for r in range(start, stop):
        base = r * classes
        if mask is not None and not mask[r]:
            if gx is not None:
                gx[base : base + classes] = f4(0.0)
            if values is not None:
                values[r] = f4(0.0)
            continue
        top = largest(bits[base : base + classes], one, as_float)
        teacher_top = largest(teachers[base : base + classes], one, as_float)
        powers, teacher_powers, apart = 0.0, 0.0, 0.0
        for o in range(0, classes, BLOCK):
            e = min(o + BLOCK, classes)
            xs, ts, qs = x[base + o : base + e], t[base + o : base + e], others[o:e]
            if gx is not None:
                gs = gx[base + o : base + e]
            sum_x, sum_t, sum_apart = f4(0.0), f4(0.0), f4(0.0)
            for i in range(xs.size):
                below, teacher_below = (xs[i] - top) * inverse, (ts[i] - teacher_top) * inverse
                power, teacher_power = exp_below(below), exp_below(teacher_below)
                sum_x += power
                sum_t += teacher_power
                sum_apart += teacher_power * (teacher_below - below)
                qs[i] = teacher_power
                if gx is not None:
                    gs[i] = power
            powers += sum_x
            teacher_powers += sum_t
            apart += sum_apart
        counts = f4(1.0) if weight is None else weight[r]
        divergence = apart / teacher_powers + math.log(powers / teacher_powers)
        value = counts * f4(divergence) * temperature * temperature
        total += value
        if values is not None:
            values[r] = value
        if gx is not None:
            gs = gx[base : base + classes]
            even = counts * factor * temperature
            scale, teacher_scale = f4(even / powers), f4(even / teacher_powers)
            for i in range(gs.size):
                gs[i] = gs[i] * scale - others[i] * teacher_scale
    return total


@part
def _distilled(table, teachers, at, number, classes, inverse):
    """From logits to powers, and their sums."""
    largest_of_places(table, at, number, classes)
    largest_of_places(teachers, at[OTHER:], number, classes)
    for i in range(number):
        at[i + MORE], at[i + MASS], at[i + BELOW] = f4(0.0), f4(0.0), f4(0.0)
    for k in range(classes):
        rows, others = table[k * PLACES : k * PLACES + number], teachers[k * PLACES : k * PLACES + number]
        for i in range(number):
            below, other_below = (rows[i] - at[i]) * inverse, (others[i] - at[i + OTHER]) * inverse
            power, other_power = exp_below(below), exp_below(other_below)
            rows[i], others[i] = power, other_power
            at[i + MORE] += power
            at[i + MASS] += other_power
            at[i + BELOW] += other_power * (other_below - below)


@part
def _distilled_slopes(table, teachers, at, number, classes):
    for k in range(classes):
        rows, others = table[k * PLACES : k * PLACES + number], teachers[k * PLACES : k * PLACES + number]
        for i in range(number):
            slope = rows[i] * at[i + SCALE] - others[i] * at[i + EVEN]
            rows[i] = where(at[i + COUNTED] == f4(0.0), f4(0.0), slope)


def distilled_places(x, t, gx, values, weight, mask, temperature, factor, classes, size, step, block, start, stop):
    """The same for samples of ``size`` places each, one class after the other, or with a ``step`` for rows."""
    total, each, stride = 0.0, -(-size // block), 1 if step > 1 else size
    table, teachers, at = np.empty(classes * PLACES, f4), np.empty(classes * PLACES, f4), np.empty(8 * PLACES, f4)
    for b in range(start, stop):
        place = b % each * block
        number = min(block, size - place)
        first = b // each * size + place
        origin = first * classes if step > 1 else b // each * size * classes + place
        fill(x, origin, stride, step, number, classes, table)
        fill(t, origin, stride, step, number, classes, teachers)
        _distilled(table, teachers, at, number, classes, f4(1.0) / temperature)
        _which(at, number, first, mask)
        if weight is not None:
            ws = weight[first : first + number]
        if values is not None:
            vs = values[first : first + number]
        part_of_sum = f4(0.0)
        for i in range(number):
            powers, other_powers = at[i + MORE], at[i + MASS]
            value = (at[i + BELOW] / other_powers + log(powers / other_powers)) * temperature * temperature
            slope = factor * temperature
            if weight is not None:
                value, slope = value * ws[i], slope * ws[i]
            value = where(at[i + COUNTED] == f4(0.0), f4(0.0), value)
            at[i + SCALE], at[i + EVEN] = slope / powers, slope / other_powers
            part_of_sum += value
            if values is not None:
                vs[i] = value
        total += part_of_sum
        if gx is not None:
            _distilled_slopes(table, teachers, at, number, classes)
            put(gx, origin, stride, step, number, classes, table)
    return total


def summed_rows(x, t, gx, values, weight, mask, parameters, factor, classes, size, step, block, start, stop):
    """Rows of the sums of an expression of ``x`` and ``t``, and its slope in ``x``."""
    total = 0.0
    for r in range(start, stop):
        base = r * classes
        counted = mask is None or mask[r]
        counts, value = f4(1.0) if weight is None else weight[r], 0.0
        for o in range(base, base + classes, BLOCK):
            e = min(o + BLOCK, base + classes)
            xs, ts = x[o:e], t[o:e]
            if gx is not None:
                gs = gx[o:e]
            part_of_row = f4(0.0)
            for i in range(xs.size):
                term, slope = body(xs[i], ts[i], *parameters)
                part_of_row += term
                if gx is not None:
                    gs[i] = slope * counts * factor if counted else f4(0.0)
            value += part_of_row
        value = counts * f4(value) if counted else f4(0.0)
        total += value
        if values is not None:
            values[r] = value
    return total


def summed_places(x, t, gx, values, weight, mask, parameters, factor, classes, size, step, block, start, stop):
    """The same for samples of ``size`` places each, one class after the other."""
    total, each, at = 0.0, -(-size // block), np.empty(2 * PLACES, f4)
    for b in range(start, stop):
        place = b % each * block
        number = min(block, size - place)
        first = b // each * size + place
        for i in range(number):
            at[i] = f4(0.0)
            at[i + PLACES] = f4(1.0) if weight is None else weight[first + i]
        for k in range(classes):
            origin = (b // each * classes + k) * size + place
            xs, ts = x[origin : origin + number], t[origin : origin + number]
            if gx is not None:
                gs = gx[origin : origin + number]
            for i in range(number):
                term, slope = body(xs[i], ts[i], *parameters)
                at[i] += term
                if gx is not None:
                    gs[i] = slope * at[i + PLACES] * factor
            if mask is not None and gx is not None:
                for i in range(number):
                    gs[i] = gs[i] if mask[first + i] else f4(0.0)
        for i in range(number):
            value = at[i + PLACES] * at[i] if mask is None or mask[first + i] else f4(0.0)
            total += value
            if values is not None:
                values[first + i] = value
    return total
