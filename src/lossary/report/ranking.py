"""What every rendering reads off a comparison: scores, the winner's leads, and how many digits they deserve."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lossary.comparison.result import Comparison, Difference, Entry, Score

from .figures import common_decimals, number, plain

NO_SCORE = Score(mean=math.nan, low=math.nan, high=math.nan, values=())

AGAINST = {"better": "worse", "worse": "better"}
"""The same standing seen from the other side; the other two look alike from both."""


def score_of(entry: Entry, metric: str) -> Score:
    """The score on ``metric``, not-a-number where the loss was not measured by it."""
    return entry.scores.get(metric, NO_SCORE)


def leads(comparison: Comparison) -> dict[str, Difference]:
    """The winner's lead over each other loss, by label and in rank order; positive where the winner is better."""
    winner = comparison.winner.label
    by_label = {each.second: each for each in comparison.differences if each.first == winner}
    return {entry.label: by_label[entry.label] for entry in comparison.entries[1:]}


def standing_against_winner(comparison: Comparison, label: str) -> str:
    """``"winner"``, ``"better"``, ``"worse"``, ``"practically equal"``, ``"undecided"`` or ``"no score"``."""
    entry = next(entry for entry in comparison.entries if entry.label == label)
    if not math.isfinite(score_of(entry, comparison.metric).mean):
        return "no score"
    if label == comparison.winner.label:
        return "winner"
    standing = leads(comparison)[label].standing
    return AGAINST.get(standing, standing)


def places_of(comparison: Comparison, metric: str) -> int:
    """Decimals for the column of ``metric``."""
    scores = [score_of(entry, metric) for entry in comparison.entries]
    return common_decimals([(each.high - each.low) / 2 for each in scores], [each.mean for each in scores])


def lead_places(comparison: Comparison) -> int:
    """Decimals for the column of the winner's leads."""
    all_leads = list(leads(comparison).values())
    return common_decimals([(each.high - each.low) / 2 for each in all_leads], [each.mean for each in all_leads])


def margin_text(comparison: Comparison) -> str:
    """The margin of practical interest, with three digits at most."""
    text = number(comparison.margin, common_decimals((), [comparison.margin]))
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def settings_text(settings: Mapping[str, float]) -> str:
    """``"delta=0.5, gamma=2"``."""
    return ", ".join(f"{name}={plain(value)}" for name, value in settings.items())


def learning_rate_ends(comparison: Comparison) -> tuple[float, float] | None:
    """Lowest and highest learning rate of the plan's coarse grid, if the plan names them."""
    planned = comparison.plan.get("learning_rates")
    return (float(min(planned)), float(max(planned))) if planned else None
