from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lossary.comparison.result import Comparison, Curve, Errors, Score
from lossary.report import charts
from lossary.report.drawing import PAPER

REGRESSION = (
    charts.ranking_chart, charts.difference_chart, charts.curve_chart, charts.residual_chart,
    charts.absolute_error_chart, charts.choice_chart,
)  # fmt: skip
CLASSIFICATION = (
    charts.ranking_chart, charts.difference_chart, charts.curve_chart, charts.confidence_chart, charts.choice_chart,
)  # fmt: skip


def rows(chart: Any) -> list[dict[str, Any]]:
    """All data of a chart."""
    return [row for values in chart.to_dict()["datasets"].values() for row in values]


def values_of(node: Any, key: str) -> Iterator[Any]:
    """Everything under ``key`` anywhere in a specification."""
    if isinstance(node, dict):
        for name, part in node.items():
            if name == key:
                yield part
            yield from values_of(part, key)
    elif isinstance(node, list):
        for part in node:
            yield from values_of(part, key)


def with_entry(comparison: Comparison, rank: int, **changes: Any) -> Comparison:
    entries = list(comparison.entries)
    entries[rank] = dataclasses.replace(entries[rank], **changes)
    return dataclasses.replace(comparison, entries=tuple(entries))


def still(chart: Any) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_dict()))


@pytest.mark.parametrize("chart", REGRESSION)
def test_a_chart_of_a_regression_draws_every_loss(chart: Callable[..., Any], regression: Comparison) -> None:
    svg = still(chart(regression))
    shown = regression.entries[1:] if chart is charts.difference_chart else regression.entries
    for entry in shown:
        for part in entry.label.split(":"):  # an axis sets name and hyperparameters on two lines
            assert part in svg


@pytest.mark.parametrize("chart", CLASSIFICATION)
def test_a_chart_of_a_classification_draws_every_loss(chart: Callable[..., Any], classification: Comparison) -> None:
    svg = still(chart(classification))
    for entry in classification.entries[1:]:
        for part in entry.label.split(":"):
            assert part in svg


@pytest.mark.parametrize("chart", REGRESSION)
def test_a_loss_has_the_same_colour_in_every_chart(chart: Callable[..., Any], regression: Comparison) -> None:
    scales = [each["scale"] for each in values_of(chart(regression).to_dict(), "color") if "scale" in each]
    expected = dict(zip([entry.label for entry in regression.entries], PAPER.series, strict=False))
    assert scales
    for scale in scales:
        assert dict(zip(scale["domain"], scale["range"], strict=True)) == expected


@pytest.mark.parametrize("chart", REGRESSION)
def test_a_chart_speaks_chinese_and_has_tooltips(chart: Callable[..., Any], regression: Comparison) -> None:
    specification = chart(regression, language="zh").to_dict()
    text = json.dumps(specification, ensure_ascii=False)
    assert "损失函数" in text
    assert list(values_of(specification, "tooltip"))


def test_ranking_shows_means_intervals_and_splits(regression: Comparison) -> None:
    found = rows(charts.ranking_chart(regression))
    score = regression.winner.scores["rmse"]
    (winner,) = [row for row in found if row["loss"] == "huber" and "mean" in row]
    assert (winner["low"], winner["mean"], winner["high"]) == pytest.approx((score.low, score.mean, score.high))
    ticks = [row["value"] for row in found if row["loss"] == "huber" and "split" in row]
    assert ticks == pytest.approx(score.values)


def test_a_loss_far_behind_is_named_at_the_edge_of_the_ranking(regression: Comparison) -> None:
    found = rows(charts.ranking_chart(regression))
    (last,) = [row for row in found if row["loss"] == "quantile:q=0.9" and "mean" in row]
    assert last["mean"] is None and last["at_end"] == f"{regression.entries[-1].scores['rmse'].mean:.1f} →"


def test_differences_show_the_margin_and_all_but_the_winner(regression: Comparison) -> None:
    found = rows(charts.difference_chart(regression))
    assert [row for row in found if "from" in row] == [{"from": -regression.margin, "to": regression.margin}]
    assert {row["loss"] for row in found if "loss" in row} == {entry.label for entry in regression.entries[1:]}


def test_absolute_errors_are_relative_to_the_winner(regression: Comparison) -> None:
    found = rows(charts.absolute_error_chart(regression))
    assert all(row["relative"] == 0 for row in found if row["loss"] == "huber")
    mine, reference = (regression.entries[2].errors.absolute_quantiles["0.99"], 
                       regression.winner.errors.absolute_quantiles["0.99"])  # fmt: skip
    (worst,) = [row for row in found if row["loss"] == regression.entries[2].label and row["level"] == "99%"]
    assert worst["relative"] == pytest.approx(100 * (mine - reference) / reference)


def test_choices_have_a_dot_per_split_and_the_ends_of_the_grid(regression: Comparison) -> None:
    found = rows(charts.choice_chart(regression))
    assert len([row for row in found if "split" in row]) == len(regression.entries) * len(regression.splits)
    assert [row["at"] for row in found if "at" in row] == list(regression.plan["learning_rates"])


def test_scores_that_are_not_finite_leave_valid_json(regression: Comparison) -> None:
    nothing = Score(mean=math.nan, low=math.nan, high=math.nan, values=(math.nan,) * 10)
    curve = Curve(median=(math.nan,) * 60, low=(math.nan,) * 60, high=(math.nan,) * 60)
    broken = with_entry(regression, -1, scores={name: nothing for name in regression.winner.scores}, curve=curve,
                        errors=Errors())  # fmt: skip
    for chart in REGRESSION:
        specification = chart(broken).to_dict()
        json.dumps(specification, allow_nan=False)
        assert still(chart(broken)).startswith("<svg")
    (row,) = [row for row in rows(charts.ranking_chart(broken)) if row["loss"] == "quantile:q=0.9"]
    assert row["mean"] is None and row["at_start"] == "–"


def test_a_loss_without_confidence_is_left_out(classification: Comparison) -> None:
    errors = dataclasses.replace(classification.entries[1].errors, confidence=None)
    found = rows(charts.confidence_chart(with_entry(classification, 1, errors=errors)))
    others = [entry.label for rank, entry in enumerate(classification.entries) if rank != 1]
    assert [row["loss"] for row in found] == others


def test_confidence_says_how_far_it_is_off(classification: Comparison) -> None:
    winner = classification.winner
    gap = 100 * abs((winner.errors.confidence or 0) - winner.scores["accuracy"].mean)
    assert rows(charts.confidence_chart(classification))[0]["gap"] == f"{gap:.1f} points too sure"
