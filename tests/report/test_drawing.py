from __future__ import annotations

import math

from lossary.report.drawing import NIGHT, PAPER, colour, placed, window


def test_a_window_shows_all_that_lie_close() -> None:
    low, high = window([(1.0, 2.0, 3.0), (1.5, 2.5, 3.5), (2.0, 3.0, 4.0)])
    assert low < 1.0 and high > 4.0


def test_one_outlier_does_not_stretch_the_window() -> None:
    close = [(1.0, 2.0, 3.0), (1.5, 2.5, 3.5)]
    assert window([*close, (500.0, 501.0, 502.0)]) == window(close)


def test_a_window_holds_its_anchors_and_survives_figures_that_are_not_finite() -> None:
    low, high = window([(math.nan, math.nan, math.nan), (1.0, 2.0, math.inf)], anchors=(-3.0, 0.0, math.nan))
    assert low < -3.0 and 2.0 < high < math.inf
    assert window([(math.nan,) * 3]) == (0.0, 1.0)


def test_a_window_of_one_value_has_a_width() -> None:
    low, high = window([(2.0, 2.0, 2.0)])
    assert low < 2.0 < high


def test_an_interval_is_cut_at_the_window() -> None:
    row = placed(1.0, 2.0, 9.0, (0.0, 5.0), "2.0")
    assert (row["low"], row["mean"], row["high"]) == (1.0, 2.0, 5.0)
    assert row["at_start"] == row["at_end"] == ""


def test_a_mean_out_of_sight_is_named_at_the_edge() -> None:
    right, left = placed(8.0, 9.0, 10.0, (0.0, 5.0), "9.0"), placed(-3.0, -2.0, -1.0, (0.0, 5.0), "-2.0")
    assert right["mean"] is None and right["low"] is None and right["at_end"] == "9.0 →"
    assert left["mean"] is None and left["at_start"] == "← -2.0"


def test_a_mean_without_an_interval_is_a_dot_and_none_is_a_dash() -> None:
    single = placed(-math.inf, 2.0, math.inf, (0.0, 5.0), "2.0")
    assert single["mean"] == 2.0 and single["low"] is None
    assert placed(math.nan, math.nan, math.nan, (0.0, 5.0), "–")["at_start"] == "–"


def test_first_ranks_have_a_colour_of_their_own() -> None:
    for theme in (PAPER, NIGHT):
        own = [colour(rank, theme) for rank in range(7)]
        assert len(set(own)) == 7 and theme.rest not in own
        assert colour(7, theme) == colour(24, theme) == theme.rest
