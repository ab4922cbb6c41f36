"""The loop of connectionist temporal classification: all alignments of labels to times, forward and backward.

Probabilities of alignments span thousands of orders of magnitude, and one that is far behind at first may be the only
one left at the end, so that no common scale per time holds them. Here a probability (1 + f) 2^k, with f in [0, 1), is
kept as the single float64 number k + f: a logarithm to base 2 that is linear between powers of 2. To add or to multiply
two of them takes a few operations on the bits, no exponential and no logarithm, and is exact to float64.

Importing this module imports numba.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .single import exactly, f4

__all__ = ["NEVER", "alignments"]

NEVER = -1e30
"""The natural logarithm of a probability of 0, as in the composition; finite, so that no difference of two is NaN."""

_SECOND = math.log2(math.e)
_INTEGER = 6755399441055744.0
"""1.5 times 2^52: added to a small whole number, it brings that number to the last bits."""
_intrinsic: Any = intrinsic


@_intrinsic
def _floor(typingctx: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.floor", [ir.DoubleType()]), [arguments[0]])

    return types.float64(types.float64), generate


@_intrinsic
def _double_of_bits(typingctx: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@_intrinsic
def _bits_of_double(typingctx: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@exactly
def _power(k):
    """2^k of a whole number of at most 1000, and all but 0 below -1000."""
    k = k if k > -1000.0 else -1000.0
    return _double_of_bits(_bits_of_double(k + (_INTEGER + 1023.0)) << 52)


@exactly
def _number(x):
    """From k + f to (1 + f) 2^k."""
    k = _floor(x)
    return (1.0 + (x - k)) * _power(k)


@exactly
def _kept(k, v):
    """From v 2^k to the number that is kept of it; v is positive, and neither very small nor very large."""
    bits = _bits_of_double(v)
    exponent = _double_of_bits((bits >> 52) | 0x4330000000000000) - 4503599627371519.0  # 2^52, and the bias of 1023
    return (k + exponent) + (_double_of_bits((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000) - 1.0)


@exactly
def _both(x, y):
    """The sum of two as v and k: v 2^k."""
    k = _floor(x if x > y else y)
    return _number(x - k) + _number(y - k), k


@exactly
def _all(x, y, z):
    """The sum of three as v and k: v 2^k."""
    most = x if x > y else y
    k = _floor(most if most > z else z)
    return _number(x - k) + _number(y - k) + _number(z - k), k


@exactly
def _times(x, v, k):
    """x times v 2^k."""
    whole = _floor(x)
    return _kept(whole + k, (1.0 + (x - whole)) * v)


@exactly
def _product(x, y, k):
    """x times y over 2^k."""
    whole = _floor(x)
    return (1.0 + (x - whole)) * _number(y + (whole - k))


@exactly
def _emission(x):
    """From a natural logarithm to v and k, with v in [0.7, 1.42]: Taylor's series, off by 1e-11."""
    y = x if x > NEVER else NEVER
    k = _floor(y * _SECOND + 0.5)
    r = y - k * 0.6931471805599453
    r = r if r > -0.35 else -0.35
    r = r if r < 0.35 else 0.35
    v = r * (1 / 362880) + 1 / 40320
    v = v * r + 1 / 5040
    v = v * r + 1 / 720
    v = v * r + 1 / 120
    v = v * r + 1 / 24
    v = v * r + 1 / 6
    v = v * r + 1 / 2
    v = v * r + 1.0
    return v * r + 1.0, k


@exactly
def _emitted(row, own, parts, powers):
    """What is emitted in each label of a sequence at one time; False where one of them is no number."""
    numbers = True
    for i in range(own.size):
        e = np.float64(row[own[i]])
        numbers = numbers and e < 1e30
        parts[i] = e
    for i in range(parts.size):
        parts[i], powers[i] = _emission(parts[i])
    return numbers


@exactly
def _valid(own, classes):
    """Whether all labels are classes."""
    valid = True
    for i in range(own.size):
        valid = valid and 0 <= own[i] < classes
    return valid


def alignments(x, labels, begins, times, counts, gx, values, weight, mask, factor, unlikely, blank, shape, start, stop):
    """Negative log-likelihoods, and their gradient in ``x``, which is flat in the shape ``(longest, number, classes)``.

    ``counts`` labels of a sequence follow its place in ``begins``. ``unlikely`` is the value where there is no
    alignment. What is NaN, infinite or no class makes it NaN. There is no gradient if ``gx`` is empty.

    A state is the blank before a label, a label, or the last blank: blanks and labels have a row each, and the row of
    labels begins with one that is never reached, so that the label before a blank has the blank's place.
    """
    longest, number, classes = shape
    never, wanted = NEVER * _SECOND, gx.size > 0
    most = 0
    for n in range(start, stop):
        most = max(most, counts[n] + 1)
    alphas, rows = np.empty((longest if wanted else 2, 2, most + 1)), longest if wanted else 2
    skips, all_parts, all_powers = np.empty(most), np.empty(most), np.empty(most)
    beta, after = np.empty((2, most)), np.empty((2, most + 1))
    alphas[:, 1, 0] = never
    total = 0.0
    for n in range(start, stop):
        value, share, size, last = 0.0, np.float64(weight[n]), counts[n], times[n] - 1
        own = labels[begins[n] : begins[n] + size]
        if wanted:
            for t in range(longest):
                gx[(t * number + n) * classes : (t * number + n + 1) * classes] = f4(0.0)
        if mask[n] and not _valid(own, classes):
            value = np.nan
        elif mask[n]:
            skip, parts, powers = skips[: size + 1], all_parts[:size], all_powers[:size]
            for i in range(size + 1):  # a blank may be skipped between two different labels
                skip[i] = 0.0 if 0 < i < size and own[i] != blank and own[i] != own[i - 1] else never
            valid = True
            for t in range(last + 1):
                row = x[(t * number + n) * classes : (t * number + n + 1) * classes]
                valid = _emitted(row, own, parts, powers) and row[blank] < 1e30 and valid
                part, power = _emission(np.float64(row[blank]))
                blanks, marks = alphas[t % rows, 0, : size + 1], alphas[t % rows, 1, 1 : size + 1]
                if t == 0:
                    blanks[:], marks[:] = never, never
                    blanks[0] = _kept(power, part)
                    if size > 0:
                        marks[0] = _kept(powers[0], parts[0])
                else:
                    old_blanks, old_marks = alphas[(t - 1) % rows, 0], alphas[(t - 1) % rows, 1]
                    stay, step = old_blanks[: size + 1], old_marks[: size + 1]
                    for i in range(blanks.size):
                        v, k = _both(stay[i], step[i])
                        blanks[i] = _kept(k + power, v * part)
                    stay, step, jump = old_marks[1 : size + 1], old_blanks[:size], old_marks[:size]
                    for i in range(marks.size):
                        v, k = _all(stay[i], step[i], jump[i] + skip[i])
                        marks[i] = _kept(k + powers[i], v * parts[i])
            v, k = _both(alphas[last % rows, 0, size], alphas[last % rows, 1, size])
            likelihood = math.log(v) + k / _SECOND
            possible = likelihood >= 0.5 * NEVER
            value = share * (-likelihood if possible else unlikely) if valid else np.nan
            if wanted and valid and possible:
                scale = share * factor / v
                blanks, marks = beta[0, : size + 1], beta[1, :size]
                after_blanks, after_marks = after[0, : size + 1], after[1, : size + 1]
                blanks[:], marks[:], after_marks[size] = never, never, never
                blanks[size] = 0.0
                if size > 0:
                    marks[size - 1] = 0.0
                for t in range(last, -1, -1):
                    first = (t * number + n) * classes
                    row, slope = x[first : first + classes], gx[first : first + classes]
                    if t < last:
                        for i in range(blanks.size):
                            v, exponent = _both(after_blanks[i], after_marks[i])
                            blanks[i] = _kept(exponent, v)
                        stay, step, jump, may = after_marks[:size], after_blanks[1:], after_marks[1:], skip[1:]
                        for i in range(marks.size):
                            v, exponent = _all(stay[i], step[i], jump[i] + may[i])
                            marks[i] = _kept(exponent, v)
                    _emitted(row, own, parts, powers)
                    part, power = _emission(np.float64(row[blank]))
                    for i in range(blanks.size):
                        after_blanks[i] = _times(blanks[i], part, power)
                    for i in range(marks.size):
                        after_marks[i] = _times(marks[i], parts[i], powers[i])
                    # What all alignments through a state have of the likelihood.
                    alpha, sum_ = alphas[t, 0, : size + 1], 0.0
                    for i in range(blanks.size):
                        sum_ += _product(alpha[i], blanks[i], k)
                    slope[blank] -= f4(scale * sum_)
                    alpha = alphas[t, 1, 1 : size + 1]
                    for i in range(marks.size):
                        parts[i] = _product(alpha[i], marks[i], k)
                    for i in range(size):
                        slope[own[i]] -= f4(scale * parts[i])
        total += value
        values[n] = value
    return total
