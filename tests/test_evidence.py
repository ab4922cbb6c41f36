"""The evidence: its arithmetic on made numbers, and that the page says what is stored."""

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.evidence.page import page
from benchmarks.evidence.regret import fairly_chosen, mean, outcome, per_set, signed_rank_p
from benchmarks.evidence.sets import CASES, ROWS
from benchmarks.evidence.sources import DISTRIBUTIONS, sampled, table
from benchmarks.evidence.store import load, save

from lossary.comparison.metrics import METRICS, metrics_of
from lossary.recommendation import GOAL_NAMES

DOCS = Path(__file__).parents[1] / "docs"


def case(scores, recommended="advised", **more):
    """One repeat of two folds, RMSE; the scores are by loss."""
    return {
        "case": "made", "set": "made", "distribution": "none", "about": "made up", "samples": 100, "features": 3,
        "told": "", "kind": "real", "goal": "mean", "metric": "rmse", "higher_is_better": False, "margin": 0.01,
        "margin_is_relative": True, "usual": "usual", "first": recommended, "recommended": [recommended],
        "points": [2.0], "reasons": ["usual for real"], "splits": 2, "folds": 2, "seconds": 60.0,
        "scores": scores, **more,
    }  # fmt: skip


# Arithmetic ----------------------------------------------------------------------------------------------------------


def test_regret_and_gain_by_hand():
    """Means are 10, 11 and 12: the advice is 10% behind the best, the usual loss 20%; 11 instead of 12 gains 1/12."""
    found = outcome(case({"best": [9.0, 11.0], "advised": [10.0, 12.0], "usual": [11.0, 13.0]}))
    assert found.best == "best" and found.losses == 3
    assert found.advised_regret.mean == pytest.approx(0.1)
    assert found.usual_regret.mean == pytest.approx(0.2)
    assert found.gain.mean == pytest.approx(1 / 12)
    assert found.typical_regret == pytest.approx(0.1), "of 0%, 10% and 20% the one in the middle"
    assert found.beyond_margin == 1


def test_where_more_is_better_a_lower_score_is_worse():
    scores = {"best": [0.9, 0.9], "advised": [0.6, 0.6], "usual": [0.75, 0.75]}
    found = outcome(case(scores, metric="accuracy", higher_is_better=True, margin_is_relative=False))
    assert found.best == "best"
    assert found.advised_regret.mean == pytest.approx(1 / 3)
    assert found.gain.mean == pytest.approx(-0.2)
    assert (found.result, found.beyond_margin) == ("worse", -1)


def test_the_interval_is_of_the_paired_corrected_test():
    """Differences 1 and 3 on two folds: standard error sqrt(1/2 + 1) * sqrt(2) and t at 97.5% with one degree of
    freedom 12.7062 (a table of Student's t); the usual mean is 22."""
    found = outcome(case({"advised": [20.0, 20.0], "usual": [21.0, 23.0]}))
    assert found.gain.mean == pytest.approx(2 / 22)
    assert found.gain.half == pytest.approx(12.7062 * math.sqrt(1.5 * 2) / 22, rel=1e-4)
    assert found.result == "undecided" and found.beyond_margin == 1, "ahead, but perhaps by luck"


def test_within_the_margin_is_no_difference():
    found = outcome(case({"advised": [10.0, 10.0], "usual": [10.05, 10.05]}))
    assert (found.result, found.beyond_margin) == ("practically equal", 0)


def test_advice_of_the_usual_loss_is_neither_better_nor_worse():
    found = outcome(case({"usual": [1.0, 3.0], "other": [2.0, 2.0]}, recommended="usual"))
    assert (found.result, found.beyond_margin, found.gain.mean) == ("the same loss", 0, 0.0)


def test_a_loss_that_diverged_is_never_best():
    found = outcome(case({"advised": [1.0, math.inf], "usual": [5.0, 5.0]}))
    assert found.best == "usual" and found.advised_regret.mean == math.inf
    assert (found.result, found.beyond_margin) == ("undecided", -1)
    assert mean([1.0, math.nan]) == 1.0 and mean([math.nan]) == -math.inf


def test_the_fairly_chosen_loss_has_not_seen_the_fold():
    """Two repeats of two folds. In the first each fold picks what was best on the other: the wrong one both times."""
    quality = {"a": [1.0, 0.0, 5.0, 5.0], "b": [0.0, 1.0, 4.0, 4.0]}
    assert fairly_chosen(quality, 2) == [0.0, 0.0, 5.0, 5.0]


def test_the_best_in_hindsight_is_flattered():
    """Thirty losses alike but for luck, forty times. The least of 30 normal means of 10 folds is expected 2.04 standard
    errors of 5 / sqrt(10) below 100 (Tippett 1925): 3.3%. The fairly chosen one is expected at 100: four standard
    errors of forty means are 1%."""
    generator = np.random.default_rng(0)
    hindsight, fair = [], []
    for _ in range(40):
        scores = {f"loss {i}": list(generator.normal(100, 5, 10)) for i in range(30)}
        found = outcome(case({**scores, "usual": [100.0] * 10}, recommended="usual", folds=5))
        hindsight.append(found.usual_regret.mean)
        fair.append(found.fair_usual_regret)
    assert np.mean(hindsight) == pytest.approx(0.033, abs=0.006)
    assert np.mean(fair) == pytest.approx(0.0, abs=0.01)


def test_cases_of_one_set_count_once():
    first, second = ({"advised": [9.0, 9.0], "usual": [10.0, 10.0]}, {"advised": [11.0, 11.0], "usual": [10.0, 10.0]})
    cases = [case(first, set="a"), case(second, set="a again"), case(first, set="b")]
    assert per_set(cases, [outcome(c) for c in cases]) == pytest.approx([0.0, 0.1])


def test_signed_ranks():
    """Six gains of one sign: 2 / 2**6 (Wilcoxon's exact distribution)."""
    assert signed_rank_p([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0]) == pytest.approx(2 / 64)
    assert signed_rank_p([0.0, 0.0]) == 1.0


# The page ------------------------------------------------------------------------------------------------------------

ABOUT = {
    "plan": {"repeats": 1, "folds": 2, "budget": 4, "hidden": [8], "epochs": 3},
    "rows": 50,
    "versions": {"x": "1"},
}
WON = case({"advised": [9.0, 9.0], "usual": [10.0, 10.0]}, case="won", set="one")
LOST = case({"advised": [12.0, 12.0], "usual": [10.0, 10.0], "third": [8.0, 8.0]}, case="lost", set="two", first="corn")


def test_the_page_is_as_plain_about_losses_as_about_wins():
    text = page([WON, LOST], ABOUT)
    worse, better = (
        text.split("## Where the advice did worse")[1].split("## Every case")[0].split("## Where it did better")
    )
    assert "**lost**" in worse and "−20.0% ± 0.0, surely; best in hindsight `third`" in worse and "**won**" not in worse
    assert "**won**" in better and "+10.0% ± 0.0, surely" in better and "**lost**" not in better
    assert "| better | 1 | 1 |" in text and "| worse | 1 | 1 |" in text
    assert "does not train the first recommendation; the next counts: lost (`corn`)" in text
    assert "The median gain over the usual loss is −5.0%" in text, "of +10% and -20%"


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    for block in re.findall(r"(?:^\|.*\n)+", page([WON, LOST], ABOUT), flags=re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_what_is_stored_comes_back(tmp_path):
    precise = case({"usual": [1 / 3, math.inf], "advised": [math.nan, 2e-9]})
    save([precise], ABOUT, tmp_path)
    (again,), about = load(tmp_path)
    assert about == ABOUT
    assert again["scores"]["usual"] == [0.333333, math.inf] and again["scores"]["advised"][1] == 2e-9
    assert {name: again[name] for name in again if name != "scores"} == {
        n: precise[n] for n in precise if n != "scores"
    }


def test_the_page_in_the_documentation_is_that_of_the_stored_results():
    cases, about = load(DOCS)
    assert (DOCS / "evidence.md").read_text() == page(cases, about)
    assert about["rows"] == ROWS


def test_no_case_was_left_out():
    stored = [case["case"] for case in load(DOCS)[0]]
    assert stored == [case.key for case in CASES]


def test_what_is_read_in_the_results_is_so():
    """The section "What we make of it", claim by claim: where a new run breaks one, it must be written anew."""
    pairs = [(case, outcome(case)) for case in load(DOCS)[0]]
    by_goal = {goal: [one for case, one in pairs if case["goal"] == goal] for goal in ("rare class", "median", "mean")}
    assert all(one.gain.mean > 0 for one in by_goal["rare class"]) and len(by_goal["rare class"]) >= 7
    assert sum("balanced" in one.advised for one in by_goal["rare class"]) > len(by_goal["rare class"]) / 2
    sure = [case["goal"] for case, one in pairs if one.result == "better"]
    assert set(sure) == {"rare class", "median"}
    means = [one for one in by_goal["mean"] if one.result != "the same loss"]
    ahead = sum(one.gain.mean > 0 for one in means)
    assert abs(ahead - (len(means) - ahead)) <= 3 and not {one.result for one in means} & {"better", "worse"}
    grades = [(case, one) for case, one in pairs if case["kind"] == "ordinal"]
    assert len(grades) == 4 and all("label noise" in case["reasons"] for case, _ in grades)
    assert all(one.gain.mean < 0 and one.result != "worse" for _, one in grades)
    assert not [one for case, one in pairs if case["kind"] == "bounded" and one.advised == "bce_with_logits"]
    likely = sorted((case["samples"], one.best, one.result) for case, one in pairs if case["goal"] == "probabilities")
    assert [found[1:] for found in likely[:2]] == [("sigmoid_focal", "the same loss")] * 2
    yeast = next(one for case, one in pairs if case["case"] == "yeast")
    assert (yeast.advised, yeast.best) == ("bce_with_logits", "asymmetric")
    undecided = [one for _, one in pairs if one.result in ("undecided", "practically equal", "the same loss")]
    assert len(undecided) > len(pairs) / 2


# The sets ------------------------------------------------------------------------------------------------------------


def test_the_cases_are_different_and_many():
    assert max(Counter(case.key for case in CASES).values()) == 1
    assert len({case.name.split(" ")[0] for case in CASES}) >= 20
    assert {case.package for case in CASES} == set(DISTRIBUTIONS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_goals_and_metrics_exist(case):
    assert case.goal == "" or case.goal in GOAL_NAMES
    assert case.metric in METRICS
    numeric = METRICS[case.metric] in metrics_of("regression")
    assert {"mean": numeric, "median": numeric, "probabilities": not numeric}.get(case.goal, True)


@pytest.mark.parametrize("case", [c for c in CASES if c.package in ("sklearn", "lifelines")], ids=lambda case: case.key)
def test_sets_of_packages_that_tests_have_can_be_read(case):
    x, y = case.load()
    assert len(x) == len(y) <= ROWS and x.shape[1] >= 5 and not set(x.columns) & {getattr(y, "name", None)}


def test_sampling_keeps_order_and_repeats_itself():
    frame = pd.DataFrame({"a": range(100)})
    first, second = sampled(frame, 10), sampled(frame, 10)
    assert first.equals(second) and len(first) == 10 and first["a"].is_monotonic_increasing
    assert len(sampled(frame, 1000)) == 100


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(DISTRIBUTIONS, "no_such_package", "no-such-package")
    with pytest.raises(ModuleNotFoundError, match="no-such-package is not installed; pip install 'lossary"):
        table("no_such_package", "data.csv")
