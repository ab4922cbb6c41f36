from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lossary.comparison.metrics import METRICS
from lossary.comparison.result import Choice, Curve, DataSummary, Entry, Errors, Score
from lossary.comparison.statistics import compare_pairs, corrected_interval
from lossary.comparison.verdict import (
    Evidence,
    best_group,
    cautions,
    figure,
    findings,
    headline,
    judge,
    reasons,
)

PLAN = {"repeats": 2, "folds": 5, "learning_rates": [0.001, 0.01, 0.1]}
NOISE = np.random.default_rng(0).normal(size=10)
"""What the splits share: easy and hard test folds."""
WIGGLE = np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1.0])
DIABETES = DataSummary(name="diabetes", task="regression", target=("y",), samples=442, numeric=10, categorical=0,
                       missing=0.0)  # fmt: skip
CANCER = DataSummary(name="cancer", task="binary classification", target=("y",), samples=5000, numeric=30,
                     categorical=0, missing=0.0, classes=("benign", "malignant"), class_counts=(4550, 450))  # fmt: skip


def entry(label: str, scores: Mapping[str, Sequence[float]], **changes: Any) -> Entry:
    made = {}
    for metric, values in scores.items():
        mean, low, high = corrected_interval(values, test_share=1 / (PLAN["folds"] - 1))
        made[metric] = Score(mean=mean, low=low, high=high, values=tuple(values))
    name, *given = label.split(":")
    fixed = {key: float(value) for key, _, value in (text.partition("=") for text in given)}
    whole = Entry(
        label=label,
        loss=f"{name}_loss",
        fixed=fixed,
        scores=made,
        choices=(Choice(learning_rate=0.01, hyperparameters={}, epoch=20),) * 10,
        curve=Curve(median=(), low=(), high=()),
        errors=Errors(),
        seconds=1.0,
        trials=80,
        diverged=0,
        code="",
    )
    return replace(whole, **changes)


def evidence(entries: Sequence[Entry], *, metric: str = "rmse", margin: float = 0.5, data: DataSummary = DIABETES,
             plan: Mapping[str, Any] = PLAN) -> Evidence:  # fmt: skip
    """Entries in order of rank, and the differences that follow from their scores."""
    scores = {one.label: one.scores[metric].values for one in entries}
    differences = compare_pairs(scores, metric=metric, higher_is_better=METRICS[metric].higher_is_better,
                                margin=margin, test_share=1 / (plan["folds"] - 1))  # fmt: skip
    return Evidence(entries=entries, differences=differences, metric=METRICS[metric], margin=margin, data=data,
                    plan=plan)  # fmt: skip


def rmse(label: str, mean: float, wiggle: float = 0.05, **changes: Any) -> Entry:
    """RMSE around ``mean``; the difference of two such losses varies by their ``wiggle`` over the splits."""
    return entry(label, {"rmse": mean + 3 * NOISE - 3 * NOISE.mean() + wiggle * WIGGLE}, **changes)


HUBER, L1, LOG_COSH = rmse("huber", 54.1, 0.0), rmse("l1", 54.2), rmse("log_cosh", 54.3)
MSE, POOR, VAGUE = rmse("mse", 57.0), rmse("smooth_l1", 60.0, 0.06), rmse("vague", 55.0, 4.0)
DIVERGED = entry("wild", {"rmse": [math.inf, *[60.0] * 9]}, diverged=12)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([HUBER, MSE], "huber beats mse on diabetes: RMSE 54.1, mse 57.0."),
        ([HUBER, MSE, POOR], "huber beats every other loss on diabetes: RMSE 54.1, mse 57.0."),
        ([HUBER, L1, MSE], "huber is best on diabetes: RMSE 54.1, but l1 is practically equal."),
        ([HUBER, L1, LOG_COSH, MSE],
         "huber is best on diabetes: RMSE 54.1, but l1 and log_cosh are practically equal."),
        ([HUBER, L1], "huber and l1 are practically equal on diabetes; huber leads with RMSE 54.1."),
        ([HUBER, L1, LOG_COSH], "All 3 losses are practically equal on diabetes; huber leads with RMSE 54.1."),
        ([HUBER, VAGUE], "No loss is clearly best on diabetes: huber and vague can't be told apart; huber leads with "
                         "RMSE 54.1."),
        ([HUBER, L1, VAGUE], "No loss is clearly best on diabetes: the 3 losses can't be told apart; huber leads with "
                             "RMSE 54.1."),
        ([HUBER, L1, VAGUE, POOR], "No loss is clearly best on diabetes: the first 3 of 4 can't be told apart; huber "
                                   "leads with RMSE 54.1."),
        ([HUBER, MSE, rmse("vague", 57.5, 6.0)], "No loss is clearly best on diabetes: huber and vague can't be told "
                                                 "apart; huber leads with RMSE 54.1."),
        ([HUBER, DIVERGED], "huber is the only loss that could be scored on diabetes: RMSE 54.1."),
        ([HUBER, MSE, DIVERGED], "huber beats mse on diabetes: RMSE 54.1, mse 57.0."),
        ([DIVERGED], "No loss could be scored on diabetes: each of them diverged."),
    ],
)  # fmt: skip
def test_headline(entries, expected):
    assert headline(evidence(entries)) == expected


def test_headline_of_losses_that_differ_among_themselves():
    """The third can't be told from the first, and is worse than the second: they are not all alike."""
    first, second = rmse("a", 54.0, 4.0), rmse("b", 55.0, 0.0)
    headed = headline(evidence([first, second, rmse("c", 56.0, 0.01)]))
    assert headed == "No loss is clearly best on diabetes: b and c may be as good as a; a leads with RMSE 54.0."


def test_the_best_group_is_the_winner_and_what_equals_it():
    assert best_group(evidence([HUBER, L1, VAGUE, MSE])) == ("huber", "l1")
    assert best_group(evidence([DIVERGED])) == ()


def test_reasons_carry_the_figures():
    found = evidence([HUBER, L1, VAGUE, MSE], margin=0.541)
    told = reasons(found)
    # The interval is the one of the entry; the rest of the numbers is in the construction of the losses above.
    score = HUBER.scores["rmse"]
    assert told[0] == (
        "huber has a mean RMSE of 54.1 over 10 test folds (2 × 5-fold cross-validation; "
        f"95% interval {score.low:.1f} to {score.high:.1f})."
    )
    assert told[1].startswith("huber and l1 differ by 0.100 (95% interval 0.0")
    assert told[1].endswith("), within the margin of 0.541: practically equal. huber won 10 of 10 splits.")
    assert told[2].startswith("huber is ahead of vague by 0.9 (95% interval -")
    assert told[2].endswith(" after Holm's correction), which may be luck. It won 5 of 10 splits.")
    assert told[3].startswith("huber is better than mse by 2.900 (95% interval 2.8")
    assert told[3].endswith(", p < 0.001 after Holm's correction) and won 10 of 10 splits.")
    assert told[4] == "Differences in RMSE of less than 0.541 (1% of the best) count as practically equal."
    assert len(told) == 5


def test_a_drawn_split_is_not_won():
    values = HUBER.scores["rmse"].values
    drawn = entry("drawn", {"rmse": [*values[:4], *(value + 5.0 for value in values[4:])]})
    assert reasons(evidence([HUBER, drawn]))[1].endswith("won 6 of 10 splits.")


def test_reasons_stop_after_the_nearest():
    crowd = [HUBER, *(rmse(f"loss_{number}", 57.0 + number) for number in range(7))]
    told = reasons(evidence(crowd))
    assert [f"loss_{number}" in " ".join(told) for number in range(7)] == [True] * 4 + [False] * 3


def test_a_margin_of_the_users_own_is_no_share_of_the_best():
    assert reasons(evidence([HUBER, MSE], margin=2.0))[-1] == (
        "Differences in RMSE of less than 2 count as practically equal."
    )


def test_nothing_is_said_where_nothing_limits_the_answer():
    assert cautions(evidence([HUBER, MSE, POOR])) == ()


def only_caution(found: Evidence) -> str:
    (caution,) = cautions(found)
    return caution


def test_caution_few_samples():
    found = evidence([HUBER, VAGUE])
    pair = found.differences[0]
    assert only_caution(found) == (
        f"442 samples are few: differences are known to ±{(pair.high - pair.low) / 2:.2g} only, and the margin is 0.5. "
        "More samples would settle more, more repeats hardly."
    )
    assert cautions(evidence([HUBER, VAGUE], data=replace(DIABETES, samples=10_000))) == ()


def shares(label: str, mean: float, metric: str = "accuracy", wiggle: float = 0.0001, **changes: Any) -> Entry:
    return entry(label, {metric: mean + 0.002 * NOISE - 0.002 * NOISE.mean() + wiggle * WIGGLE}, **changes)


def test_caution_ceiling():
    best, other = shares("focal", 0.985, "auroc", 0.0), shares("hinge", 0.9, "auroc")
    found = evidence([best, other], metric="auroc", margin=0.01, data=CANCER)
    assert only_caution(found) == "AUROC is nearly perfect (0.985): the losses have little room to differ."
    lower = shares("focal", 0.95, "auroc", 0.0)
    assert cautions(evidence([lower, other], metric="auroc", margin=0.01, data=CANCER)) == ()
    error = evidence([shares("focal", 0.004, "brier", 0.0), shares("hinge", 0.2, "brier")], metric="brier",
                     margin=0.005, data=CANCER)  # fmt: skip
    assert only_caution(error) == "Brier score is nearly perfect (0.004): the losses have little room to differ."


def test_caution_imbalance():
    entries = [shares("focal", 0.96, wiggle=0.0), shares("hinge", 0.9)]
    assert only_caution(evidence(entries, metric="accuracy", margin=0.01, data=CANCER)) == (
        "91% of the samples are of class 'benign': always guessing it has an accuracy of 0.91. "
        "Balanced accuracy would weigh the classes alike."
    )
    even = replace(CANCER, class_counts=(2600, 2400))
    assert cautions(evidence(entries, metric="accuracy", margin=0.01, data=even)) == ()


def choices(*rates: float) -> tuple[Choice, ...]:
    return tuple(Choice(learning_rate=rate, hyperparameters={}, epoch=1) for rate in rates)


def test_caution_learning_rates_at_the_edge():
    high, higher = choices(*[0.1] * 4, *[0.01] * 6), choices(*[0.15] * 10)
    found = evidence([replace(HUBER, choices=high), replace(MSE, choices=higher)])
    assert only_caution(found) == (
        "On more than a third of the splits huber and mse did best at the upper end of the learning rates (0.1): "
        "a higher one may suit them still better."
    )
    low = choices(*[0.001] * 5, *[0.01] * 5)
    assert only_caution(evidence([HUBER, replace(MSE, choices=low)])) == (
        "On more than a third of the splits mse did best at the lower end of the learning rates (0.001): "
        "a lower one may suit it still better."
    )
    assert cautions(evidence([HUBER, replace(MSE, choices=low)], plan={**PLAN, "learning_rates": [0.001, 0.1]})) == ()
    seldom = choices(*[0.1] * 3, *[0.001] * 3, *[0.01] * 4)
    assert cautions(evidence([replace(HUBER, choices=seldom), MSE])) == ()


def test_caution_diverged():
    found = evidence([replace(HUBER, diverged=1), replace(MSE, diverged=7), POOR])
    assert only_caution(found) == (
        "Some trials diverged and could not be chosen: 1 of 80 with huber and 7 of 80 with mse."
    )
    assert cautions(evidence([HUBER, MSE, DIVERGED])) == (
        "wild has no RMSE: on some split every trial diverged.",
        "Some trials diverged and could not be chosen: 12 of 80 with wild.",
    )


@pytest.mark.parametrize(
    ("metric", "label", "title"),
    [
        ("rmse", "mse", "RMSE"),
        ("r2", "mse", "R²"),
        ("mae", "l1", "MAE"),
        ("mae", "quantile:q=0.5", "MAE"),
        ("pinball_90", "quantile:q=0.9", "Pinball loss at 90%"),
        ("log_loss", "cross_entropy", "Log-loss"),
        ("log_loss", "bce_with_logits", "Log-loss"),
    ],
)
def test_caution_home_advantage(metric, label, title):
    data = CANCER if metric == "log_loss" else DIABETES
    good, bad = (0.6, 0.3) if METRICS[metric].higher_is_better else (0.3, 0.6)
    home = entry(label, {metric: good + 0.01 * NOISE})
    away = entry("other", {metric: bad + 0.01 * NOISE + 0.0001 * WIGGLE})
    found = evidence([home, away], metric=metric, margin=0.001, data=data)
    assert only_caution(found) == f"{title} measures just what {label} minimises, so it has a home advantage here."


def test_no_home_advantage_for_another_quantile_a_weighted_loss_or_a_loser():
    away = entry("other", {"pinball_90": 0.6 + 0.01 * NOISE, "log_loss": 0.6 + 0.01 * NOISE})
    skewed = entry("quantile:q=0.1", {"pinball_90": 0.3 + 0.01 * NOISE + 0.0001 * WIGGLE})
    weighted = entry("bce_with_logits:pos_weight=2", {"log_loss": 0.3 + 0.01 * NOISE + 0.0001 * WIGGLE})
    assert cautions(evidence([skewed, away], metric="pinball_90", margin=0.001)) == ()
    assert cautions(evidence([weighted, away], metric="log_loss", margin=0.001, data=CANCER)) == ()
    assert cautions(evidence([HUBER, MSE])) == ()
    both = [entry("mse", {"rmse": MSE.scores["rmse"].values}), rmse("smooth_l1", 70.0)]
    assert only_caution(evidence(both)).startswith("RMSE measures just what mse minimises")


def test_caution_other_metrics_have_other_winners():
    def scores(rmse: float, mae: float, median_ae: float, pinball: float, wiggle: float) -> dict[str, np.ndarray]:
        means = {"rmse": rmse, "mae": mae, "median_ae": median_ae, "pinball_90": pinball}
        return {name: mean + NOISE + wiggle * WIGGLE for name, mean in means.items()}

    found = evidence([
        entry("huber", scores(54.0, 44.0, 38.0, 20.0, 0.0)),
        entry("l1", scores(57.0, 40.0, 35.0, 20.1, 0.05)),  # relevant and sure on two metrics
        entry("quantile:q=0.9", scores(70.0, 60.0, 60.0, 12.0, 0.06)),
    ])  # fmt: skip
    assert only_caution(found) == (
        "huber is not best on every metric: l1 beats it on MAE and median absolute error; quantile:q=0.9 beats it "
        "on pinball loss at 90%."
    )
    luck = evidence([
        entry("huber", scores(54.0, 44.0, 38.0, 20.0, 0.0)),
        # Ahead on two: by too little, and by an amount that the ordinary t-test would call significant (t = 3.0).
        entry("l1", scores(58.0, 43.9, 37.0, 20.0, 1.0)),
    ])  # fmt: skip
    assert cautions(luck) == ()


def test_findings_are_one_per_loss():
    found = evidence([HUBER, L1, VAGUE, MSE, DIVERGED])
    told = findings(found)
    assert [(one.subject, one.verdict) for one in told] == [
        ("huber", "best"), ("l1", "practically equal"), ("vague", "undecided"), ("mse", "worse"), ("wild", "no score"),
    ]  # fmt: skip
    assert [one.evidence["rank"] for one in told] == [1, 2, 3, 4, 5]
    pair = found.difference(HUBER, MSE)
    assert told[3].evidence["behind"] == pair.mean == pytest.approx(2.9)
    assert told[3].evidence["splits_won_by_best"] == 10
    assert told[3].reason == reasons(found)[3]
    assert told[0].reason == reasons(found)[0]
    assert told[4].reason == "wild has no RMSE: on some split every trial diverged."


def test_judge_is_all_of_it():
    found = evidence([HUBER, VAGUE])
    assert judge(found) == (headline(found), reasons(found), cautions(found))


@pytest.mark.parametrize(
    ("value", "spread", "expected"),
    [
        (54.1234, 0.0, "54.1"),
        (0.97246, 0.0, "0.972"),
        (0.9, 0.0, "0.9"),
        (1234.5, 0.0, "1,234"),
        (1234567.8, 0.0, "1,234,568"),
        (0.0, 0.0, "0"),
        (0.000012, 0.0, "1.2e-05"),
        (3e12, 0.0, "3e+12"),
        (-0.5, 0.0, "-0.5"),
        (54.1234, 2.1, "54.1"),
        (54.1234, 21.0, "54"),
        (0.97246, 0.012, "0.972"),
        (0.9, 0.012, "0.900"),
        (-0.0004, 0.12, "0.00"),
        (54.1234, math.inf, "54.1"),
        (math.nan, 0.0, "undefined"),
        (-math.inf, 1.0, "-infinity"),
    ],
)
def test_figure(value, spread, expected):
    assert figure(value, spread) == expected
