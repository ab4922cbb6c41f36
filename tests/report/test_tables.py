from __future__ import annotations

import dataclasses
import math
from typing import Any

from lossary.comparison.result import Comparison
from lossary.report import tables
from lossary.report.texts import texts

WORDS = texts("en")


def with_entry(comparison: Comparison, rank: int, **changes: Any) -> Comparison:
    entries = list(comparison.entries)
    entries[rank] = dataclasses.replace(entries[rank], **changes)
    return dataclasses.replace(comparison, entries=tuple(entries))


def test_facts_say_what_was_learned_from(classification: Comparison) -> None:
    facts = dict(tables.facts(classification, WORDS))
    assert facts["Features"] == "4 numeric"
    assert facts["Missing cells"] == "none"
    assert facts["Classes"] == "setosa (50), versicolor (50), virginica (50)"


def test_many_classes_are_counted_not_listed(classification: Comparison) -> None:
    data = dataclasses.replace(classification.data, classes=tuple("abcdefghij"), class_counts=())
    facts = dict(tables.facts(dataclasses.replace(classification, data=data), WORDS))
    assert facts["Classes"] == "a, b, c, … (10)"


def test_the_primary_metric_comes_first(classification: Comparison) -> None:
    columns = tables.metric_columns(classification, WORDS)
    assert columns[0]["key"] == "log_loss" and columns[0]["arrow"] == "↓"
    assert {column["key"] for column in columns} == set(classification.higher_is_better)
    assert next(column["arrow"] for column in columns if column["key"] == "auroc") == "↑"


def test_the_best_of_each_column_is_marked(regression: Comparison) -> None:
    rows = tables.ranking_rows(regression, WORDS)
    for index, column in enumerate(tables.metric_columns(regression, WORDS)):
        sign = 1 if regression.higher_is_better[column["key"]] else -1
        best = max(regression.entries, key=lambda entry: sign * entry.scores[column["key"]].mean)
        marked = [row["label"] for row in rows if row["cells"][index]["best"]]
        assert best.label in marked
        assert len({row["cells"][index]["value"] for row in rows if row["cells"][index]["best"]}) == 1


def test_a_metric_that_is_never_finite_has_no_best(regression: Comparison) -> None:
    nothing = dataclasses.replace(regression.winner.scores["r2"], mean=math.nan)
    for rank, entry in enumerate(regression.entries):
        regression = with_entry(regression, rank, scores={**entry.scores, "r2": nothing})
    index = [column["key"] for column in tables.metric_columns(regression, WORDS)].index("r2")
    cells = [row["cells"][index] for row in tables.ranking_rows(regression, WORDS)]
    assert [cell["value"] for cell in cells] == ["–"] * len(cells)
    assert not any(cell["best"] for cell in cells)


def test_what_a_loss_is_behind_is_negative(regression: Comparison) -> None:
    rows = tables.ranking_rows(regression, WORDS)
    assert rows[0]["lead"] == ""
    assert rows[-1]["lead"].startswith("−23.8")  # 78.1 against 54.3


def test_pairs_are_the_same_seen_from_both_sides(regression: Comparison) -> None:
    rows = tables.pair_rows(regression, WORDS)
    opposite = {"▲": "▼", "▼": "▲", "≈": "≈", "?": "?"}
    for i, row in enumerate(rows):
        assert row["cells"][i] is None
        for j in range(i):
            mine, other = row["cells"][j], rows[j]["cells"][i]
            assert mine["symbol"] == opposite[other["symbol"]]
            assert mine["value"].lstrip("+−") == other["value"].lstrip("+−")
    assert {cell["symbol"] for row in rows for cell in row["cells"] if cell} == set("▲▼≈?")
    assert "huber against quantile:q=0.9: +23.8" in rows[0]["cells"][-1]["about"]


def test_recall_is_deeper_where_it_is_higher_and_missing_where_a_class_is_absent(classification: Comparison) -> None:
    errors = classification.winner.errors
    recall = {"setosa": 0.5, "versicolor": math.nan, "virginica": 0.9}
    changed = with_entry(classification, 0, errors=dataclasses.replace(errors, recall=recall))
    cells = tables.recall_rows(changed, WORDS)[0]["cells"]
    assert [cell["value"] for cell in cells] == ["50.0%", "–", "90.0%"]
    assert [cell["depth"] for cell in cells] == ["0.00", "0.00", "0.80"]  # from 50%, the lowest there is, to 100%


def test_recall_of_a_loss_that_always_diverged(classification: Comparison) -> None:
    errors = dataclasses.replace(classification.winner.errors, recall={}, precision={}, confidence=None)
    cells = tables.recall_rows(with_entry(classification, 1, errors=errors), WORDS)[1]["cells"]
    assert [cell["value"] for cell in cells] == ["–"] * 3


def test_quantiles_of_the_error_are_in_order(regression: Comparison) -> None:
    levels, rows = tables.absolute_error_rows(regression)
    assert levels == ["50%", "75%", "90%", "95%", "99%"]
    assert [len(row["cells"]) for row in rows] == [5] * 6
    assert all(sum(row["cells"][i]["best"] for row in rows) >= 1 for i in range(5))


def test_choices_are_summed_up(regression: Comparison) -> None:
    choices = regression.winner.choices
    assert len(choices) == 10
    fixed = [0.001] * 4 + [0.003] * 5 + [0.01]
    deltas = [0.5] * 3 + [1.0] * 7
    changed = tuple(
        dataclasses.replace(choice, learning_rate=rate, hyperparameters={"delta": delta}, epoch=7)
        for choice, rate, delta in zip(choices, fixed, deltas, strict=True)
    )
    row = tables.choice_rows(with_entry(regression, 0, choices=changed), WORDS)[0]
    assert row["rate"] == "0.003 (0.001–0.01)"
    assert row["others"] == "delta: 0.5\u00a0×3, 1\u00a0×7"
    assert row["epoch"] == "7"


def test_the_raw_table_has_every_loss_on_every_split(regression: Comparison) -> None:
    rows = tables.raw_rows(regression, WORDS)
    assert len(rows) == 6 * 10
    assert float(rows[0]["scores"][0]) == round(regression.winner.scores["rmse"].values[0], 1)
    assert (rows[0]["label"], rows[0]["split"]) == ("huber", "repeat 1, fold 1")


def test_settings_are_shown_as_they_are() -> None:
    settings = {"hidden": (64, 64), "double": False, "rate": 3e-4, "model": None, "extra": {"a": 1}, "none": ()}
    assert dict(tables.settings_rows(settings)) == {
        "hidden": "64, 64", "double": "False", "rate": "0.0003", "model": "–", "extra": "a=1", "none": "–",
    }  # fmt: skip
