"""A line drawn in braille, eight dots to a character, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .drawing import Window
from .figures import plain

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a character, by row and column."""
MARGIN = 7
"""Columns for the labels of the vertical axis."""


def draw(x: Sequence[float], y: Sequence[float], extent: Window, *, width: int, height: int) -> list[str]:
    """The line through the points, each ``x`` above the last, in lines of ``width`` characters.

    The first ``height`` lines have the curve, and at their left the ends of the vertical axis, ``extent``, and its 0;
    the last has the ends of the horizontal axis. What lies outside ``extent`` is not drawn.
    """
    columns = width - MARGIN - 2
    levels = [_level(value, extent, 4 * height) for value in _resampled(x, y, 2 * columns)]
    cells = [[BLANK] * columns for _ in range(height)]
    for i, level in enumerate(levels):
        # Down or up to half way to both neighbours, so that steep parts have no gaps.
        reached = [level, *((level + levels[j]) // 2 for j in (i - 1, i + 1) if 0 <= j < len(levels))]
        for row in range(max(min(reached), 0), min(max(reached), 4 * height - 1) + 1):
            cells[row // 4][i // 2] |= DOTS[row % 4][i % 2]
    labels = {0: extent[1], height - 1: extent[0]}
    zero = _level(0.0, extent, 4 * height) // 4
    if 0 < zero < height - 1:
        labels[zero] = 0.0
    rows = [
        f"{_figure(labels[i], extent) if i in labels else '':>{MARGIN}} {'┤' if i in labels else '│'}"
        + "".join(map(chr, row))
        for i, row in enumerate(cells)
    ]
    ends = [_figure(end, (x[0], x[-1])) for end in (x[0], x[-1])]
    return [*rows, " " * (MARGIN + 1) + f"{ends[0]}{ends[1]:>{columns + 1 - len(ends[0])}}"]


def _resampled(x: Sequence[float], y: Sequence[float], count: int) -> list[float]:
    """``y`` at ``count`` places from the first ``x`` to the last, by linear interpolation."""
    found, after = [], 1
    for i in range(count):
        at = x[0] + (x[-1] - x[0]) * i / (count - 1)
        while after < len(x) - 1 and x[after] < at:
            after += 1
        share = (at - x[after - 1]) / (x[after] - x[after - 1])
        found.append(y[after - 1] + share * (y[after] - y[after - 1]))
    return found


def _level(value: float, extent: Window, rows: int) -> int:
    """The row of dots of a value, counted from the top."""
    low, high = extent
    return round((high - value) / (high - low) * (rows - 1))


def _figure(value: float, extent: Window) -> str:
    """To two digits of the length of the axis."""
    return plain(round(value, 1 - math.floor(math.log10(extent[1] - extent[0]))) + 0.0)  # no negative zero
