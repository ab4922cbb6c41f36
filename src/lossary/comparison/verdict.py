"""The answer in words: which loss is best, why one may say so, and what limits it.

Losses without a finite score (every trial of some split diverged) stand behind all others; the cautions name them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lossary.core import Finding

from .metrics import Metric, metrics_of
from .result import DataSummary, Difference, Entry, Standing
from .statistics import corrected_difference, standing

__all__ = ["Evidence", "best_group", "cautions", "figure", "findings", "headline", "judge", "reasons"]

FEW_SAMPLES = 1000
TOLD = 4
"""How many losses a sentence or the reasons name one by one."""
OFTEN = 1 / 3
"""Share of the splits from which on a choice at the edge of the grid is worth a word."""
HEAVY_IMBALANCE = 0.8

_LOG_LOSSES = ("bce_loss", "bce_with_logits_loss", "cross_entropy_loss", "multi_label_soft_margin_loss", "nll_loss")
_MINIMISED_BY: Mapping[str, tuple[tuple[str, Mapping[str, float]], ...]] = {
    "rmse": (("mse_loss", {}),),
    "r2": (("mse_loss", {}),),
    "mae": (("l1_loss", {}), ("quantile_loss", {"q": 0.5})),
    "pinball_10": (("quantile_loss", {"q": 0.1}),),
    "pinball_90": (("quantile_loss", {"q": 0.9}),),
    "log_loss": tuple((name, {}) for name in _LOG_LOSSES),
}
"""Metric to the losses that are the same thing, with the hyperparameters for which they are."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the verdict rests on."""

    entries: Sequence[Entry]
    """Best first on ``metric``."""
    differences: Sequence[Difference]
    """All pairs on ``metric``, the better-ranked loss first."""
    metric: Metric
    margin: float
    """In units of the metric."""
    data: DataSummary
    plan: Mapping[str, Any]
    """Its ``repeats``, ``folds`` and ``learning_rates``, the whole coarse grid, are looked at."""

    @property
    def ranked(self) -> list[Entry]:
        """The losses that have a score, best first."""
        return [entry for entry in self.entries if math.isfinite(entry.scores[self.metric.name].mean)]

    @property
    def unscored(self) -> list[Entry]:
        return [entry for entry in self.entries if not math.isfinite(entry.scores[self.metric.name].mean)]

    def difference(self, first: Entry, second: Entry) -> Difference:
        """Of the better-ranked ``first`` and ``second``."""
        pair = (first.label, second.label)
        return next(found for found in self.differences if (found.first, found.second) == pair)

    def rivals(self, wanted: Standing) -> list[Entry]:
        """The losses against which the winner has this standing."""
        return [entry for entry in self.ranked[1:] if self.difference(self.ranked[0], entry).standing == wanted]

    def value(self, entry: Entry) -> str:
        score = entry.scores[self.metric.name]
        return figure(score.mean, (score.high - score.low) / 2)

    def score(self, entry: Entry) -> str:
        """``"RMSE 54.1"``"""
        return f"{self.metric.title} {self.value(entry)}"


def judge(evidence: Evidence) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Headline, reasons and cautions: a verdict but for its code."""
    return headline(evidence), reasons(evidence), cautions(evidence)


def best_group(evidence: Evidence) -> tuple[str, ...]:
    """Labels of the winner and of the losses that are practically equal to it; empty if no loss has a score."""
    return tuple(entry.label for entry in [*evidence.ranked[:1], *evidence.rivals("practically equal")])


def headline(evidence: Evidence) -> str:
    """The answer in one sentence."""
    ranked, name = evidence.ranked, evidence.data.name
    if not ranked:
        return f"No loss could be scored on {name}: each of them diverged."
    best, others = ranked[0], ranked[1:]
    equal, undecided = evidence.rivals("practically equal"), evidence.rivals("undecided")
    if not others:
        return f"{best.label} is the only loss that could be scored on {name}: {evidence.score(best)}."
    if undecided:
        return f"No loss is clearly best on {name}: {_tied(evidence)}; {best.label} leads with {evidence.score(best)}."
    if len(equal) == len(others):
        everyone = _labels(ranked) if len(ranked) == 2 else f"All {len(ranked)} losses"
        return f"{everyone} are practically equal on {name}; {best.label} leads with {evidence.score(best)}."
    if equal:
        verb = "is" if len(equal) == 1 else "are"
        return f"{best.label} is best on {name}: {evidence.score(best)}, but {_labels(equal)} {verb} practically equal."
    beaten = others[0].label if len(others) == 1 else "every other loss"
    gap = f"{evidence.score(best)}, {others[0].label} {evidence.value(others[0])}"
    return f"{best.label} beats {beaten} on {name}: {gap}."


def reasons(evidence: Evidence) -> tuple[str, ...]:
    """The figures behind the headline: the winner's score, the nearest losses against it, and what counts as equal."""
    ranked = evidence.ranked
    if not ranked:
        return ()
    pairs = [_comparison(evidence, entry) for entry in ranked[1 : 1 + TOLD]]
    return (_winner(evidence), *pairs, *([_margin(evidence)] if pairs else []))


def cautions(evidence: Evidence) -> tuple[str, ...]:
    """What limits the answer, the weightiest first; often there is nothing to say."""
    return tuple(sentence for caution in _CAUTIONS for sentence in caution(evidence))


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """One per loss: "best", or its standing against the best, or "no score"; evidence in units of the metric."""
    return tuple(_finding(evidence, place, entry) for place, entry in enumerate(evidence.entries, start=1))


def figure(value: float, spread: float = 0.0) -> str:
    """A number for people: with decimals down to the second digit of its uncertainty ``spread``, else three digits.

    >>> figure(54.1234), figure(54.1234, 0.021), figure(0.01), figure(1234567.8)
    ('54.1', '54.123', '0.01', '1,234,568')
    """
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    if abs(value) >= 1e9 or 0 < abs(value) < 1e-4:
        return f"{value:.3g}"
    known = 0.0 < spread < math.inf
    leading = math.floor(math.log10(spread if known else abs(value) or 1.0))
    text = f"{value:,.{min(max((1 if known else 2) - leading, 0), 6)}f}"
    if not known and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.removeprefix("-") if not text.strip("-0.,") else text


# Sentences of the reasons and findings -------------------------------------------------------------------------------


def _tied(evidence: Evidence) -> str:
    """Who can't be told from the winner; that they can't be told from each other only where that is so."""
    ranked = evidence.ranked
    tied = [ranked[0], *(entry for entry in ranked[1:] if evidence.difference(ranked[0], entry).standing != "better")]
    alike = all(
        evidence.difference(first, second).standing != "better"
        for place, first in enumerate(tied)
        for second in tied[place + 1 :]
    )
    if not alike:
        return f"{_labels(tied[1:])} may be as good as {ranked[0].label}"
    if len(tied) == 2 or tied != ranked[: len(tied)]:
        who = _labels(tied)
    else:
        who = f"the {len(tied)} losses" if tied == ranked else f"the first {len(tied)} of {len(ranked)}"
    return f"{who} can't be told apart"


def _winner(evidence: Evidence) -> str:
    best, plan = evidence.ranked[0], evidence.plan
    score = best.scores[evidence.metric.name]
    times = f"{plan['repeats']} × " if plan["repeats"] > 1 else ""
    scheme = f"{len(score.values)} test folds ({times}{plan['folds']}-fold cross-validation"
    mean = f"a mean {evidence.metric.title} of {evidence.value(best)}"
    return f"{best.label} has {mean} over {scheme}; {_interval(score.low, score.high)})."


def _comparison(evidence: Evidence, other: Entry) -> str:
    best = evidence.ranked[0]
    pair = evidence.difference(best, other)
    won = f"won {_splits_won(evidence, best, other)} of {len(best.scores[pair.metric].values)} splits"
    amount, interval = figure(pair.mean, (pair.high - pair.low) / 2), _interval(pair.low, pair.high)
    holm = f"{_p_words(pair.p_adjusted)} after Holm's correction"
    if pair.standing == "better":
        return f"{best.label} is better than {other.label} by {amount} ({interval}, {holm}) and {won}."
    if pair.standing == "practically equal":
        return (
            f"{best.label} and {other.label} differ by {amount} ({interval}), within the margin of "
            f"{figure(evidence.margin)}: practically equal. {best.label} {won}."
        )
    return f"{best.label} is ahead of {other.label} by {amount} ({interval}, {holm}), which may be luck. It {won}."


def _margin(evidence: Evidence) -> str:
    metric = evidence.metric
    relative = metric.margin_is_relative and math.isclose(
        evidence.margin, metric.margin_at(evidence.ranked[0].scores[metric.name].mean)
    )
    share = f" ({metric.margin:.0%} of the best)" if relative else ""
    return f"Differences in {metric.title} of less than {figure(evidence.margin)}{share} count as practically equal."


def _finding(evidence: Evidence, place: int, entry: Entry) -> Finding:
    score = entry.scores[evidence.metric.name]
    known: dict[str, Any] = {"rank": place, "mean": score.mean, "low": score.low, "high": score.high}
    if not math.isfinite(score.mean):
        return Finding(subject=entry.label, verdict="no score", evidence=known, reason=_unscored(evidence, [entry]))
    if entry is evidence.ranked[0]:
        return Finding(subject=entry.label, verdict="best", evidence=known, reason=_winner(evidence))
    best = evidence.ranked[0]
    pair = evidence.difference(best, entry)
    known |= {
        "behind": pair.mean,
        "behind_low": pair.low,
        "behind_high": pair.high,
        "p_adjusted": pair.p_adjusted,
        "splits_won_by_best": _splits_won(evidence, best, entry),
    }
    verdict = "worse" if pair.standing == "better" else pair.standing
    return Finding(subject=entry.label, verdict=verdict, evidence=known, reason=_comparison(evidence, entry))


def _splits_won(evidence: Evidence, first: Entry, second: Entry) -> int:
    """On how many splits ``first`` was strictly better."""
    sign = 1.0 if evidence.metric.higher_is_better else -1.0
    pairs = zip(first.scores[evidence.metric.name].values, second.scores[evidence.metric.name].values, strict=True)
    return sum(sign * one > sign * other for one, other in pairs)


# Cautions ------------------------------------------------------------------------------------------------------------


def _no_score(evidence: Evidence) -> Iterable[str]:
    if evidence.unscored:
        yield _unscored(evidence, evidence.unscored)


def _unscored(evidence: Evidence, entries: Sequence[Entry]) -> str:
    verb = "has" if len(entries) == 1 else "have"
    return f"{_labels(entries)} {verb} no {evidence.metric.title}: on some split every trial diverged."


def _diverged(evidence: Evidence) -> Iterable[str]:
    counts = [f"{entry.diverged} of {entry.trials} with {entry.label}" for entry in evidence.entries if entry.diverged]
    if counts:
        yield f"Some trials diverged and could not be chosen: {_listed(counts)}."


def _few_samples(evidence: Evidence) -> Iterable[str]:
    undecided = evidence.rivals("undecided")
    if not undecided or evidence.data.samples >= FEW_SAMPLES:
        return
    pairs = [evidence.difference(evidence.ranked[0], entry) for entry in undecided]
    reach = median((pair.high - pair.low) / 2 for pair in pairs)
    yield (
        f"{evidence.data.samples} samples are few: differences are known to ±{figure(reach, reach)} only, and the "
        f"margin is {figure(evidence.margin)}. More samples would settle more, more repeats hardly."
    )


def _ceiling(evidence: Evidence) -> Iterable[str]:
    metric = evidence.metric
    if evidence.ranked and not metric.margin_is_relative:
        best = evidence.ranked[0].scores[metric.name].mean
        if abs(metric.perfect - best) <= 2.0 * metric.margin:
            yield _sentence(f"{metric.title} is nearly perfect ({figure(best)}): the losses have little room to differ")


def _edges(evidence: Evidence) -> Iterable[str]:
    rates = evidence.plan["learning_rates"]
    if len(rates) < 3:  # nothing but edges
        return
    ends: list[tuple[str, str, float, Callable[[float, float], bool]]] = [
        ("lower", "lower", min(rates), lambda rate, end: rate <= end * (1 + 1e-9)),
        ("upper", "higher", max(rates), lambda rate, end: rate >= end * (1 - 1e-9)),
    ]
    for side, further, end, reaches in ends:
        at_end = [
            entry
            for entry in evidence.entries
            if sum(reaches(choice.learning_rate, end) for choice in entry.choices) > OFTEN * len(entry.choices)
        ]
        if at_end:
            yield (
                f"On more than a third of the splits {_labels(at_end)} did best at the {side} end of the learning "
                f"rates ({figure(end)}): a {further} one may suit {'it' if len(at_end) == 1 else 'them'} still better."
            )


def _home_advantage(evidence: Evidence) -> Iterable[str]:
    """Only where it may have decided: of losses that lead or may be as good."""
    leading = [*evidence.ranked[:1], *evidence.rivals("practically equal"), *evidence.rivals("undecided")]
    same = [entry for entry in leading if _is_minimised_by(evidence.metric, entry)]
    if same:
        verb, so = ("minimises", "it has") if len(same) == 1 else ("minimise", "they have")
        yield _sentence(
            f"{evidence.metric.title} measures just what {_labels(same)} {verb}, so {so} a home advantage here"
        )


def _is_minimised_by(metric: Metric, entry: Entry) -> bool:
    for loss, settings in _MINIMISED_BY.get(metric.name, ()):
        # A colon in the label means hyperparameters that aren't the usual ones: weights, say, or smoothing.
        fits = settings.items() <= dict(entry.fixed).items() if settings else ":" not in entry.label
        if entry.loss == loss and fits:
            return True
    return False


def _imbalance(evidence: Evidence) -> Iterable[str]:
    counts = evidence.data.class_counts
    if evidence.metric.name != "accuracy" or not counts:
        return
    share, name = max(zip((count / sum(counts) for count in counts), evidence.data.classes, strict=True))
    if share >= HEAVY_IMBALANCE:
        yield (
            f"{share:.0%} of the samples are of class {name!r}: always guessing it has an accuracy of {figure(share)}. "
            "Balanced accuracy would weigh the classes alike."
        )


def _other_winners(evidence: Evidence) -> Iterable[str]:
    """Losses that beat the winner on another metric, each by a test of its own: relevant, and unlikely to be luck."""
    beaten_on: dict[str, list[str]] = defaultdict(list)
    for metric in metrics_of(evidence.data.task):
        challenger = _challenger(evidence, metric) if metric != evidence.metric else None
        if challenger is not None:
            beaten_on[challenger].append(metric.title)
    if beaten_on:
        parts = [f"{label} beats it on {_listed(titles)}" for label, titles in beaten_on.items()]
        yield f"{evidence.ranked[0].label} is not best on every metric: {'; '.join(parts)}."


def _challenger(evidence: Evidence, metric: Metric) -> str | None:
    """The best loss on ``metric`` if it isn't the winner and beats it there."""
    scored = [e for e in evidence.ranked if metric.name in e.scores and math.isfinite(e.scores[metric.name].mean)]
    if not scored or scored[0] is not evidence.ranked[0]:
        return None
    sign = 1.0 if metric.higher_is_better else -1.0
    best = max(scored, key=lambda entry: sign * entry.scores[metric.name].mean)
    values, winner_values = ([sign * v for v in e.scores[metric.name].values] for e in (best, scored[0]))
    _, low, high, p = corrected_difference(values, winner_values, test_share=1.0 / (evidence.plan["folds"] - 1))
    margin = metric.margin_at(best.scores[metric.name].mean)
    return best.label if standing(low, high, margin, p) == "better" else None


_CAUTIONS: tuple[Callable[[Evidence], Iterable[str]], ...] = (
    _no_score, _few_samples, _ceiling, _imbalance, _other_winners, _home_advantage, _edges, _diverged,
)  # fmt: skip


# Words ---------------------------------------------------------------------------------------------------------------


def _interval(low: float, high: float) -> str:
    half = (high - low) / 2
    return f"95% interval {figure(low, half)} to {figure(high, half)}" if math.isfinite(half) else "interval unknown"


def _p_words(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _labels(entries: Sequence[Entry]) -> str:
    return _listed([entry.label for entry in entries])


def _listed(words: Sequence[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``; of many the first few and how many more."""
    if len(words) > TOLD + 1:
        words = [*words[:TOLD], f"{len(words) - TOLD} others"]
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
