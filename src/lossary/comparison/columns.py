"""Columns of a table, made one of two kinds: float64 numbers with NaN for a missing value, or categories of text."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError

if TYPE_CHECKING:
    import pandas as pd

NO_VALUE = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "null"})
"""Texts, in lower case, that mean "no value" in any column."""

NO_NUMBER = NO_VALUE | {"none", "-", "--", ".", "missing", "unknown"}
"""Texts that mean "no value" where every other cell is a number. Elsewhere "none" may well be a category."""

MOST_CATEGORIES = 50
"""A column of more categories keeps the most frequent ones as features."""


def clean_features(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns that can be learned from, clean, and notes of what was read in a special way or left out.

    Left out are columns of one value only, text columns whose every value is different (names, identifiers), and a
    column without a name that numbers the rows.

    Raises:
        LossInputError: a column holds no value at all, numbers beyond float32, or what is neither number, text,
            category nor date; or no column is left.
    """
    import pandas as pd

    kept: dict[str, pd.Series] = {}
    notes: list[str] = []
    constant: list[str] = []
    for name in table.columns:
        column, note = clean_column(name, table[name])
        distinct = column.nunique()
        if distinct == 0:
            raise LossInputError(f"compare: column {name!r} must have a value in some row, got none in {len(column)}.")
        if distinct == 1 and column.notna().all():
            constant.append(name)
        elif name.startswith("Unnamed: ") and column.is_unique and column.is_monotonic_increasing:
            # what pandas calls a column without a name: mostly the index of the table that a CSV was written from, and
            # where the rows are sorted by target, their number gives it away
            notes.append(f"column {name!r}: left out, for it has no name and numbers the rows")
        elif is_categorical(column) and distinct == column.count() > 1:
            notes.append(f"column {name!r}: left out, for all its texts are different")
        else:
            kept[name] = column
            notes.extend([note] if note else [])
            if is_categorical(column) and distinct > MOST_CATEGORIES:
                notes.append(f"column {name!r}: of its {distinct} categories the {MOST_CATEGORIES} most frequent count")
    if constant:
        notes.append(f"left out for having one value only: {', '.join(repr(name) for name in constant)}")
    if not kept:
        found = "; ".join(notes) or "no columns"
        raise LossInputError(f"compare: `data` must have a column to learn from besides the target, got {found}.")
    return pd.DataFrame(kept), tuple(notes)


def is_categorical(column: pd.Series) -> bool:
    """Whether a clean column holds categories; otherwise it holds numbers."""
    import pandas as pd

    return isinstance(column.dtype, pd.CategoricalDtype)


def clean_column(name: str, column: pd.Series) -> tuple[pd.Series, str | None]:
    """One column as float64 or as categories, and a note where something about that is worth knowing.

    Numbers and truth values of any dtype become float64. Dates become seconds since 1970 (UTC where no zone is given),
    spans of time seconds. Text whose every cell is a number or one of :data:`NO_NUMBER` becomes numbers; other text
    becomes categories in sorted order, :data:`NO_VALUE` missing. Declared categories stay what they are, in their
    order, also where they look like numbers.
    """
    import pandas as pd
    from pandas.api import types

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_distinct(column, column.cat.codes.to_numpy(), list(column.cat.categories), declared=True)
    if types.is_bool_dtype(dtype) or (types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)):
        return _numbers(name, column, column.to_numpy(dtype=np.float64, na_value=np.nan)), None
    if types.is_datetime64_any_dtype(dtype):
        return _seconds(name, column), f"column {name!r}: dates became seconds since 1970"
    if types.is_timedelta64_dtype(dtype):
        return _numbers(name, column, column.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)), None
    cells = column.astype(object)
    kinds = set(map(type, cells[cells.notna()]))
    for kind in kinds:
        if not issubclass(kind, (str, Real, Decimal, datetime.date)):
            raise LossInputError(
                f"compare: column {name!r} must hold numbers, text, categories or dates, got {kind.__name__}."
            )
    if kinds and all(issubclass(kind, datetime.date) for kind in kinds):
        return _seconds(name, cells), f"column {name!r}: dates became seconds since 1970"
    codes, values = pd.factorize(cells)
    return _from_distinct(column, codes, list(values), declared=False)


def _from_distinct(
    column: pd.Series, codes: NDArray[Any], values: Sequence[Any], *, declared: bool
) -> tuple[pd.Series, str | None]:
    """A column from its distinct values and each row's number among them, -1 for missing; texts are looked at once."""
    import pandas as pd

    texts = [str(value).strip() for value in values]
    if not declared:
        numbers = [_number(text) for text in texts]
        strays = [text for text, number in zip(texts, numbers, strict=True) if math.isnan(number)]
        if len(strays) < len(texts) and all(text.lower() in NO_NUMBER for text in strays):
            note = _missing_note(column, codes, texts, NO_NUMBER)
            return _numbers(str(column.name), column, np.append(numbers, np.nan)[codes]), note
    known = dict.fromkeys(text for text in texts if text.lower() not in NO_VALUE)
    vocabulary = list(known) if declared else sorted(known)
    position = {text: number for number, text in enumerate(vocabulary)}
    places = np.array([*(position.get(text, -1) for text in texts), -1])
    categories = pd.Categorical.from_codes(places[codes], categories=pd.Index(vocabulary, dtype=object))
    clean = pd.Series(categories.remove_unused_categories(), index=column.index, name=column.name)
    return clean, _missing_note(column, codes, texts, NO_VALUE)


def _number(text: str) -> float:
    """NaN for a text that is no number; Python's digits in groups ("1_000") are more likely a code."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _missing_note(column: pd.Series, codes: NDArray[Any], texts: Sequence[str], markers: frozenset[str]) -> str | None:
    found = [number for number, text in enumerate(texts) if text and text.lower() in markers]
    if not found:
        return None
    shown = ", ".join(repr(texts[number]) for number in found)
    rows = int(np.isin(codes, found).sum())
    return f"column {column.name!r}: {shown} read as missing in {rows} {'row' if rows == 1 else 'rows'}"


def _seconds(name: str, column: pd.Series) -> pd.Series:
    import pandas as pd

    since = pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")
    return _numbers(name, column, since.dt.total_seconds().to_numpy(np.float64))


def _numbers(name: str, column: pd.Series, values: NDArray[np.float64]) -> pd.Series:
    import pandas as pd

    beyond = np.abs(values) > np.finfo(np.float32).max  # infinity as well; a missing value, NaN, isn't
    if beyond.any():
        raise LossInputError(
            f"compare: column {name!r} must hold finite numbers in the range of float32, "
            f"got {values[beyond][0]:g} in {int(beyond.sum())} of {len(values)} rows."
        )
    return pd.Series(values, index=column.index, name=column.name)
