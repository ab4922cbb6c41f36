"""What following the advice costs against the best loss and gains over the usual one, and how surely.

Regret is a share of the best loss's score, so that errors in dollars and accuracies stand in one table: 0.02 says that
the score is 2% worse. "Best" is taken in two ways. In hindsight it is the loss with the best mean over all test folds,
which is partly the luckiest of many. Chosen fairly, the loss of each test fold is the one that did best on the other
folds of the same repeat, whose rows it shares none of: that is what a comparison would have picked without having seen
this fold, and its score is no luckier than any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lossary.comparison.statistics import corrected_difference, standing


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over the test folds with its 95% interval, by the corrected resampled t (Nadeau and Bengio 2003)."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one case; all shares are of the score that is named, above 0 where the first named is worse."""

    advised: str
    """The first recommendation that ``compare`` trains."""
    usual: str
    best: str
    """In hindsight."""
    losses: int
    """How many were trained."""
    advised_regret: Estimate
    """Against the best in hindsight, of its score."""
    usual_regret: Estimate
    typical_regret: float
    """Of the loss in the middle of all that fit: what a choice by chance costs."""
    fair_advised_regret: float
    """Against the fairly chosen loss, of its score; below 0 where the advice did better."""
    fair_usual_regret: float
    gain: Estimate
    """Of the advised over the usual loss, of the usual's score; above 0 where the advice did better."""
    result: str
    """"better", "worse", "practically equal", "undecided", or "the same loss"."""
    beyond_margin: int
    """1 where the advice is ahead by more than the margin, -1 where it is behind, 0 between; whether luck or not."""


def outcome(case: Mapping[str, Any]) -> Outcome:
    """The arithmetic of one case, from its scores on the test folds."""
    sign = 1.0 if case["higher_is_better"] else -1.0
    quality = {loss: [sign * value for value in values] for loss, values in case["scores"].items()}
    means = {loss: mean(values) for loss, values in quality.items()}
    best = max(means, key=lambda loss: means[loss])
    advised, usual = case["recommended"][0], case["usual"]
    share = 1.0 / (case["folds"] - 1)
    fair = fairly_chosen(quality, case["folds"])

    def behind(first: Sequence[float], second: Sequence[float]) -> Estimate:
        """How much better the first is than the second, of the first's mean."""
        middle, low, high, _ = corrected_difference(first, second, test_share=share)
        size = abs(mean(first))
        return Estimate(mean=middle / size, low=low / size, high=high / size)

    margin = case["margin"] * (abs(means[best]) if case["margin_is_relative"] else 1.0)
    difference, low, high, p = corrected_difference(quality[advised], quality[usual], test_share=share)
    size = abs(means[usual]) if math.isfinite(means[usual]) else 1.0
    return Outcome(
        advised=advised,
        usual=usual,
        best=best,
        losses=len(quality),
        advised_regret=behind(quality[best], quality[advised]),
        usual_regret=behind(quality[best], quality[usual]),
        typical_regret=median((means[best] - value) / abs(means[best]) for value in means.values()),
        fair_advised_regret=behind(fair, quality[advised]).mean,
        fair_usual_regret=behind(fair, quality[usual]).mean,
        gain=Estimate(mean=difference / size, low=low / size, high=high / size),
        result="the same loss" if advised == usual else standing(low, high, margin, p),
        beyond_margin=0 if advised == usual else (difference > margin) - (difference < -margin),
    )


def fairly_chosen(quality: Mapping[str, Sequence[float]], folds: int) -> list[float]:
    """For each test fold the score of the loss that was best on the other folds of its repeat; higher is better."""
    found = []
    for split in range(len(next(iter(quality.values())))):
        start = split - split % folds
        others = [other for other in range(start, start + folds) if other != split]
        chosen = max(quality, key=lambda loss: mean([quality[loss][other] for other in others]))
        found.append(quality[chosen][split])
    return found


def mean(values: Sequence[float]) -> float:
    """Of the values that are defined; minus infinity, the worst, where none is or a training failed."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined or not all(math.isfinite(value) for value in defined):
        return -math.inf
    return math.fsum(defined) / len(defined)


def per_set(cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> list[float]:
    """The gain over the usual loss on each data set: the mean of its cases, which share their rows."""
    gains: dict[str, list[float]] = {}
    for case, found in zip(cases, outcomes, strict=True):
        gains.setdefault(case["set"].split(" ")[0], []).append(found.gain.mean)
    return [math.fsum(values) / len(values) for values in gains.values()]


def signed_rank_p(gains: Sequence[float]) -> float:
    """Two-sided p-value of "as often and as much better as worse": Wilcoxon's signed ranks over data sets (Demšar,
    Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006); 1 where no set differs."""
    from scipy.stats import wilcoxon

    differing = [gain for gain in gains if gain != 0.0]
    return float(wilcoxon(differing).pvalue) if differing else 1.0
