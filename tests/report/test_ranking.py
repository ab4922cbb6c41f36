from __future__ import annotations

import dataclasses
import math

import pytest

from lossary.comparison.result import Comparison, Score
from lossary.report.ranking import leads, margin_text, settings_text, standing_against_winner


def test_leads_are_the_winners_and_in_rank_order(regression: Comparison) -> None:
    found = leads(regression)
    assert list(found) == [entry.label for entry in regression.entries[1:]]
    assert {each.first for each in found.values()} == {regression.winner.label}


def test_standing_is_the_losss_own(regression: Comparison) -> None:
    # log_cosh is within the margin of the winner; quantile:q=0.9 is 24 behind, so that the winner is "better" than it.
    assert standing_against_winner(regression, "huber") == "winner"
    assert standing_against_winner(regression, "log_cosh") == "practically equal"
    assert standing_against_winner(regression, "mse") == "undecided"
    assert standing_against_winner(regression, "quantile:q=0.9") == "worse"


def test_a_loss_without_a_finite_mean_has_no_score(regression: Comparison) -> None:
    last = regression.entries[-1]
    nothing = Score(mean=math.inf, low=-math.inf, high=math.inf, values=last.scores["rmse"].values)
    entries = (*regression.entries[:-1], dataclasses.replace(last, scores={**last.scores, "rmse": nothing}))
    assert standing_against_winner(dataclasses.replace(regression, entries=entries), last.label) == "no score"


@pytest.mark.parametrize(
    ("margin", "expected"), [(0.01, "0.01"), (0.56123, "0.561"), (543.0, "543"), (53412.0, "53,400"), (math.nan, "–")]
)
def test_margin_has_three_digits_and_no_trailing_zeros(regression: Comparison, margin: float, expected: str) -> None:
    assert margin_text(dataclasses.replace(regression, margin=margin)) == expected


def test_settings_read_as_they_are_typed() -> None:
    assert settings_text({"delta": 0.5, "gamma": 2.0}) == "delta=0.5, gamma=2"
    assert settings_text({}) == ""
