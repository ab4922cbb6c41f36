"""Figures as a reader wants them: as many digits as the interval around them carries, and durations in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

NO_FIGURE = "–"
"""Stands where a figure is missing or not finite."""

MANY = 1e7
"""From here on a figure is written with an exponent."""


def decimals(half_width: float) -> int:
    """Decimals of a figure whose interval reaches ``half_width`` to either side: down to the second digit of that.

    Negative: round to tens, hundreds, ...

    >>> decimals(5.6), decimals(0.021), decimals(1234.0)
    (1, 3, -2)
    """
    return 1 - math.floor(math.log10(half_width))


def common_decimals(half_widths: Iterable[float], figures: Iterable[float]) -> int:
    """One number of decimals for a whole column: that of its middle interval, else three digits of its figures."""
    widths = [width for width in half_widths if math.isfinite(width) and width > 0]
    if widths:
        return decimals(median(widths))
    sizes = [abs(figure) for figure in figures if math.isfinite(figure) and figure != 0]
    return 2 - math.floor(math.log10(median(sizes))) if sizes else 2


def number(value: float | None, places: int, *, signed: bool = False) -> str:
    """``value`` rounded to ``places`` decimals, with thousands set apart; a dash where there is no finite value.

    ``signed`` puts a plus before what is above zero after rounding.
    """
    if value is None or not math.isfinite(value):
        return NO_FIGURE
    rounded = round(value, places) + 0.0  # no negative zero
    plus = "+" if signed and rounded > 0 else ""
    if abs(rounded) >= MANY or places > 6:
        digits = places + math.floor(math.log10(abs(rounded))) if rounded else 0
        return plus + f"{rounded:.{max(digits, 0)}e}".replace("-", "−")
    return plus + f"{rounded:,.{max(places, 0)}f}".replace("-", "−")


def interval(low: float, high: float, places: int, *, signed: bool = False) -> str:
    """``[low, high]``, or a dash."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return NO_FIGURE
    return f"[{number(low, places, signed=signed)}, {number(high, places, signed=signed)}]"


def share(value: float | None, places: int = 1) -> str:
    """A fraction as a percentage."""
    return NO_FIGURE if value is None or not math.isfinite(value) else f"{100 * value:.{places}f}%"


def plain(value: float, digits: int = 4) -> str:
    """A setting as a user would type it: ``digits`` significant digits, no trailing zeros."""
    return f"{value:.{digits}g}"


def probability(p: float) -> str:
    """A p-value: three decimals, and no zero where there is none."""
    if not math.isfinite(p):
        return NO_FIGURE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """``"0.4 s"``, ``"12 s"``, ``"3 min 20 s"``, ``"1 h 5 min"``."""
    if not math.isfinite(seconds):
        return NO_FIGURE
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"
