"""Columns become numbers or categories, and what can't be learned from is left out or refused."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lossary.comparison.columns import MOST_CATEGORIES, clean_column, clean_features
from lossary.core import LossInputError

NAN = np.nan
DAY = datetime.date(1970, 1, 2)

NUMBERS = {
    "int": (pd.Series([1, 2, 3]), [1, 2, 3]),
    "bool": (pd.Series([True, False]), [1, 0]),
    "float32": (pd.Series([0.5, None], dtype="float32"), [0.5, NAN]),
    "nullable int": (pd.Series([1, None], dtype="Int64"), [1, NAN]),
    "nullable bool": (pd.Series([True, None], dtype="boolean"), [1, NAN]),
    "arrow float": (pd.Series([1.5, None], dtype=pd.ArrowDtype(pa.float64())), [1.5, NAN]),
    "arrow decimal": (pd.Series([Decimal("1.5"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))), [1.5, NAN]),
    "sparse": (pd.Series([0, 0, 2], dtype="Sparse[int]"), [0, 0, 2]),
    "objects": (pd.Series([1, 2.5, Decimal(3), None], dtype=object), [1, 2.5, 3, NAN]),
    "text": (pd.Series(["1", " 2.5 ", "-3e2"]), [1, 2.5, -300]),
    "text with gaps": (pd.Series(["1", "?", "NA", "", "none", None]), [1, NAN, NAN, NAN, NAN, NAN]),
    "dates": (pd.Series([DAY, None], dtype=object), [86400, NAN]),
    "timestamps": (pd.Series(pd.to_datetime(["1970-01-01 00:01", None])), [60, NAN]),
    "timestamps with zone": (pd.Series(pd.to_datetime(["1970-01-01 01:00+01:00"])), [0]),
    "arrow dates": (pd.Series([DAY], dtype=pd.ArrowDtype(pa.date32())), [86400]),
    "spans": (pd.Series(pd.to_timedelta(["1 min", None])), [60, NAN]),
}

CATEGORIES = {
    "text": (pd.Series(["b", "a", " a"]), ["a", "b"], [1, 0, 0]),
    "text with gaps": (pd.Series(["b", "?", None, "none"]), ["b", "none"], [0, -1, -1, 1]),
    "arrow text": (pd.Series(["b", None], dtype=pd.ArrowDtype(pa.string())), ["b"], [0, -1]),
    "text and numbers": (pd.Series([1, "x", 1], dtype=object), ["1", "x"], [0, 1, 0]),
    "codes": (pd.Series(["1_000", "2_000"]), ["1_000", "2_000"], [0, 1]),
    "declared order": (pd.Series(pd.Categorical(["b", "a"], categories=["b", "c", "a"])), ["b", "a"], [0, 1]),
    "declared numbers": (pd.Series([30, 4, 30], dtype="category"), ["4", "30"], [1, 0, 1]),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_these_become_numbers(case: str) -> None:
    column, expected = NUMBERS[case]
    clean, _ = clean_column("x", column.rename("x"))
    assert clean.dtype == np.float64
    np.testing.assert_array_equal(clean, expected)


@pytest.mark.parametrize("case", CATEGORIES)
def test_these_become_categories(case: str) -> None:
    column, vocabulary, codes = CATEGORIES[case]
    clean, _ = clean_column("x", column.rename("x"))
    assert list(clean.cat.categories) == vocabulary
    assert list(clean.cat.codes) == codes


def test_a_note_tells_what_was_read_as_missing() -> None:
    _, note = clean_column("age", pd.Series(["1", "?", "?", "unknown", None], name="age"))
    assert note == "column 'age': '?', 'unknown' read as missing in 3 rows"


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pd.Series([[1], [2]]), "got list"),
        (pd.Series([None, np.zeros(2)]), "got ndarray"),
        (pd.Series([b"a", b"b"]), "got bytes"),
        (pd.Series([1j, 2j]), "got complex"),
        (pd.Series([1.0, np.inf, -np.inf]), "got inf in 2 of 3 rows"),
        (pd.Series(["1", "-inf"]), "got -inf in 1 of 2 rows"),
        (pd.Series([1e39, 1.0]), "got 1e[+]39"),
    ],
)
def test_what_a_column_must_not_hold(column: pd.Series, found: str) -> None:
    with pytest.raises(LossInputError, match=f"^compare: column 'x' must hold .*{found}"):
        clean_column("x", column.rename("x"))


def test_columns_without_information_are_left_out_with_a_note() -> None:
    table = pd.DataFrame(
        {
            "Unnamed: 0": [0, 1, 3],  # a row between was taken away before
            "who": ["ann", "bob", "cy"],
            "one": [7, 7, 7],
            "same": ["x", "x", "x"],
            "sparse": [7, None, 7],
            "colour": ["red", "red", "blue"],
        }
    )
    features, notes = clean_features(table)
    assert list(features) == ["sparse", "colour"]  # whether a value is there may tell something
    assert notes == (
        "column 'Unnamed: 0': left out, for it has no name and numbers the rows",
        "column 'who': left out, for all its texts are different",
        "left out for having one value only: 'one', 'same'",
    )


def test_an_unnamed_column_that_measures_something_stays() -> None:
    features, notes = clean_features(pd.DataFrame({"Unnamed: 0": [2.0, 1.0, 3.0]}))
    assert list(features) == ["Unnamed: 0"]
    assert notes == ()


def test_a_note_tells_of_many_categories() -> None:
    texts = [f"c{number}" for number in range(MOST_CATEGORIES + 1)] * 2
    _, notes = clean_features(pd.DataFrame({"town": texts}))
    assert notes == ("column 'town': of its 51 categories the 50 most frequent count",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1, 2], "b": [None, NAN]}, "column 'b' must have a value in some row, got none in 2"),
        ({"a": [1, 2], "b": ["?", ""]}, "column 'b' must have a value in some row"),
        ({"a": [1, 1]}, "must have a column to learn from besides the target, got left out for having one value"),
        ({}, "must have a column to learn from besides the target, got no columns"),
    ],
)
def test_tables_that_cannot_be_learned_from(table: dict[str, list[object]], message: str) -> None:
    with pytest.raises(LossInputError, match=message):
        clean_features(pd.DataFrame(table))
