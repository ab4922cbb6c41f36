from __future__ import annotations

import math

import pytest

from lossary.report import figures


@pytest.mark.parametrize(
    ("half_width", "expected"),
    [(5.6, 1), (9.99, 1), (10.0, 0), (0.021, 3), (0.0062, 4), (1234.0, -2)],  # the place of the second digit
)
def test_a_figure_has_decimals_down_to_the_second_digit_of_its_interval(half_width: float, expected: int) -> None:
    assert figures.decimals(half_width) == expected


def test_a_column_has_the_decimals_of_its_middle_interval() -> None:
    assert figures.common_decimals([0.02, 0.5, 40.0], [1.0]) == 2
    assert figures.common_decimals([math.nan, math.inf, 0.0, 0.03], [1.0]) == 3


def test_a_column_without_intervals_has_three_digits() -> None:
    assert figures.common_decimals([math.inf], [54.1, 56.2]) == 1
    assert figures.common_decimals([], [0.0, math.nan]) == 2


@pytest.mark.parametrize(
    ("value", "places", "signed", "expected"),
    [
        (54.2671, 1, False, "54.3"),
        (-0.0004, 3, False, "0.000"),
        (-0.0004, 3, True, "0.000"),
        (0.25, 1, True, "+0.2"),  # halves go to the even digit
        (-1.26, 1, True, "−1.3"),
        (53412.7, -2, False, "53,400"),
        (1.234e9, -7, False, "1.23e+09"),
        (2.34e-9, 11, False, "2.34e-09".replace("-", "−")),
        (math.nan, 2, False, "–"),
        (math.inf, 2, True, "–"),
        (None, 2, False, "–"),
    ],
)
def test_number(value: float | None, places: int, signed: bool, expected: str) -> None:
    assert figures.number(value, places, signed=signed) == expected


def test_interval_needs_both_ends() -> None:
    assert figures.interval(-1.24, 3.0, 1, signed=True) == "[−1.2, +3.0]"
    assert figures.interval(-math.inf, math.inf, 1) == "–"


@pytest.mark.parametrize(("p", "expected"), [(0.0, "< 0.001"), (0.0123, "0.012"), (1.0, "1.000"), (math.nan, "–")])
def test_a_p_value_is_never_written_as_zero(p: float, expected: str) -> None:
    assert figures.probability(p) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (60.4, "1 min 0 s"),
        (200.0, "3 min 20 s"),
        (3900.0, "1 h 5 min"),
        (math.nan, "–"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert figures.duration(seconds) == expected


def test_share_and_plain_settings() -> None:
    assert figures.share(0.0125) == "1.2%"
    assert figures.share(None) == "–"
    assert figures.plain(0.0003162) == "0.0003162"
    assert figures.plain(0.0003162, 2) == "0.00032"
