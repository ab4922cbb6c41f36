"""The task follows from the target, or suits it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lossary.comparison.targets import (
    BINARY,
    MULTI_CLASS,
    MULTI_LABEL,
    REGRESSION,
    Target,
    canonical_task,
    clean_targets,
    encode_target,
)
from lossary.core import LossInputError, UnknownNameError


def encode(values: Any, task: str | None = None) -> Target:
    table = pd.DataFrame(values) if isinstance(values, dict) else pd.DataFrame({"y": values})
    return encode_target(clean_targets(table)[0], task)


def repeated(values: Any, rows: int) -> pd.Series:
    return pd.Series(np.resize(values, rows))


INFERRED = {
    "fractions": (repeated([0.5, 1.0], 100), REGRESSION),
    "many whole floats": (repeated(np.arange(21.0), 1000), REGRESSION),
    "many whole numbers": (repeated(np.arange(21), 1000), REGRESSION),
    "20 whole numbers": (repeated(np.arange(20), 1000), MULTI_CLASS),
    "10 whole numbers in 99 rows": (repeated(np.arange(10), 99), REGRESSION),  # sqrt(99) < 10
    "10 whole numbers in 100 rows": (repeated(np.arange(10), 100), MULTI_CLASS),
    "whole floats": (repeated([0.0, 1.0, 2.0], 12), MULTI_CLASS),
    "two whole numbers": (repeated([-1, 1], 12), BINARY),
    "two whole floats": (repeated([0.0, 1.0], 12), BINARY),
    "nullable": (pd.Series([0, 1] * 6, dtype="Int64"), BINARY),
    "truth values": (repeated([True, False], 12), BINARY),
    "nullable truth values": (pd.Series([True, False] * 6, dtype="boolean"), BINARY),
    "two texts": (repeated(["no", "yes"], 12), BINARY),
    "three texts": (repeated(["a", "b", "c"], 12), MULTI_CLASS),
    "texts of numbers": (repeated(["0.5", "1"], 12), REGRESSION),
    "declared numbers": (repeated([10, 20, 30], 12).astype("category"), MULTI_CLASS),
    "several columns": ({"a": [0, 1, 1], "b": [True, True, False]}, MULTI_LABEL),
}


@pytest.mark.parametrize("case", INFERRED)
def test_the_task_follows_from_the_target(case: str) -> None:
    values, task = INFERRED[case]
    assert encode(values).task == task


@pytest.mark.parametrize(
    ("values", "task", "classes", "encoded"),
    [
        ([3, -1, 3, -1], BINARY, ("-1", "3"), [1, 0, 1, 0]),
        ([2.0, 0.0, 2.0], BINARY, ("0", "2"), [1, 0, 1]),
        ([False, True, True, False], BINARY, ("False", "True"), [0, 1, 1, 0]),
        (["no", "yes", "yes", "no"], BINARY, ("no", "yes"), [0, 1, 1, 0]),
        (["b", "a", "b", "a", "c", "c"], MULTI_CLASS, ("a", "b", "c"), [1, 0, 1, 0, 2, 2]),
        ([10, 9, 10, 8], MULTI_CLASS, ("8", "9", "10"), [2, 1, 2, 0]),  # by size, not by their digits
        ([1, 0, 0, 1], MULTI_CLASS, ("0", "1"), [1, 0, 0, 1]),  # two classes, one output for each
        (pd.Categorical(["no", "yes"] * 2, categories=["yes", "no"]), BINARY, ("yes", "no"), [1, 0, 1, 0]),
        ({"a": [0, 1], "b": [True, False]}, MULTI_LABEL, ("a", "b"), [[0, 1], [1, 0]]),
    ],
)
def test_classes_are_numbered(values: Any, task: str, classes: tuple[str, ...], encoded: list[Any]) -> None:
    target = encode(values, task)
    assert target.classes == classes
    assert target.values.dtype == np.int64
    np.testing.assert_array_equal(target.values, encoded)


def test_a_regression_target_keeps_its_units() -> None:
    target = encode([3, 1, 2], "regression")
    assert target.values.dtype == np.float64
    np.testing.assert_array_equal(target.values, [3, 1, 2])
    assert target.classes == ()


def test_a_note_says_where_whole_numbers_could_be_either() -> None:
    assert encode(repeated([3, 4, 5], 30)).notes == (
        "target 'y': its 3 different whole numbers make the task multi-class classification, unless told",
    )
    assert "make the task regression" in encode(repeated(np.arange(10), 20)).notes[0]
    assert encode(repeated([3, 4, 5], 30), "multi-class").notes == ()
    assert encode(repeated([0, 1], 30)).notes == ()
    assert encode(repeated(np.arange(25), 1000)).notes == ()


def test_a_note_says_where_labels_look_like_classes() -> None:
    assert "exactly one label" in encode({"a": [0, 1], "b": [1, 0]}).notes[0]
    assert encode({"a": [0, 1, 0], "b": [1, 1, 0]}).notes == ()


@pytest.mark.parametrize(
    ("written", "task"),
    [
        ("regression", REGRESSION),
        ("binary", BINARY),
        ("Binary Classification", BINARY),
        ("multi-class", MULTI_CLASS),
        ("multiclass", MULTI_CLASS),
        ("multi_class", MULTI_CLASS),
        ("multi-class classification", MULTI_CLASS),
        ("multi label", MULTI_LABEL),
        ("multilabel_classification", MULTI_LABEL),
    ],
)
def test_a_task_may_be_written_in_several_ways(written: str, task: str) -> None:
    assert canonical_task(written) == task


@pytest.mark.parametrize("written", ["", "classification", "regresion", "multi"])
def test_an_unknown_task_is_refused_with_the_choice(written: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"^compare: `task` must be one of regression, binary classification, multi-"
    ):
        canonical_task(written)


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a", "b"] * 3, "regression", "got regression for classes such as 'a'"),
        ([True, False], "regression", "got regression for classes such as 'False'"),
        (["a", "b", "c"] * 3, "binary", "got binary classification for 3 classes"),
        ([1, 2, 3], "binary", "got binary classification for 3 different numbers"),
        ([0.5, 1.0, 2.0], "multi-class", "got multi-class classification for numbers such as 0.5"),
        ([0, 1, 1], "multi-label", "got multi-label classification for a single column"),
        ({"a": [0, 1], "b": [0, 1]}, "binary", "target 'a, b', got binary classification for 2 columns"),
        ([4, 4, 4], None, "target 'y' must vary, got 4 in every row"),
        ([0.5, 0.5], "regression", "target 'y' must vary, got 0.5 in every row"),
        (["a", "a"], None, "target 'y' must have two classes or more, got 'a' only"),
        ([True, True], None, "target 'y' must have two classes or more, got 'True' only"),
        (["a", "b", "c"], None, "target 'y' must hold numbers or classes, got 3 texts in 3 rows"),
        ([1.0, np.inf], None, "column 'y' must hold finite numbers"),
        ({"a": [0, 1], "b": [0, 2]}, None, "label 'b' must hold 0 and 1 only, got '2.0'"),
        ({"a": [0, 1], "b": ["yes", "no"]}, None, "label 'b' must hold 0 and 1 only, got 'yes'"),
        ({"a": [0, 1], "b": [1, 1]}, None, "label 'b' must vary, got 1 in all 2 rows"),
    ],
)
def test_a_target_that_will_not_do(values: Any, task: str | None, message: str) -> None:
    with pytest.raises(LossInputError, match=f"^compare: .*{message}"):
        encode(values, task)
