"""The target of a data set: which task it sets, and its values as the metrics count them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError, UnknownNameError

from .columns import clean_column, is_categorical

if TYPE_CHECKING:
    import pandas as pd

REGRESSION = "regression"
BINARY = "binary classification"
MULTI_CLASS = "multi-class classification"
MULTI_LABEL = "multi-label classification"
ORDINAL = "ordinal classification"
ONE_CLASS = (BINARY, MULTI_CLASS, ORDINAL)
"""Tasks with one class for each sample."""
TASKS = (REGRESSION, BINARY, MULTI_CLASS, MULTI_LABEL, ORDINAL)

_MOST_INFERRED = 20
"""Whole numbers with more distinct values than this are taken for amounts, not for classes."""


class Target(NamedTuple):
    task: str
    values: NDArray[Any]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def canonical_task(task: str) -> str:
    """The full name of a task, from "binary", "multiclass", "multi_label classification" and the like."""
    word = task.lower().replace("_", "-").removesuffix("classification").rstrip(" -")
    for name in TASKS:
        short = name.removesuffix(" classification")
        if word in (short, short.replace("-", ""), short.replace("-", " ")):
            return name
    raise UnknownNameError(f"compare: `task` must be one of {', '.join(TASKS)}, got {task!r}.")


def clean_targets(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The target columns as numbers or categories, and notes; truth values are categories here."""
    import pandas as pd
    from pandas.api import types

    clean: dict[str, pd.Series] = {}
    notes: list[str] = []
    for name in table.columns:
        column = table[name]
        if types.is_bool_dtype(column.dtype):
            column = column.astype(object)  # as text, so that the classes are called False and True
        clean[name], note = clean_column(name, column)
        notes.extend([note] if note else [])
    return pd.DataFrame(clean), tuple(notes)


def encode_target(table: pd.DataFrame, task: str | None) -> Target:
    """Task, values and classes of clean target columns without missing values.

    Where no task is given it follows from the target:

    - several columns: multi-label;
    - text, categories, truth values: binary with two distinct values, multi-class with more;
    - numbers that aren't all whole: regression;
    - never ordinal, which only who knows the target can say;
    - whole numbers, also as floats: binary with two distinct values, multi-class with at most 20 and at most the
      square root of the number of rows, else regression. A note says which where it could be either.

    Classes are numbered by size (numbers), by the alphabet (text) or in their declared order (categories); class 1 of
    two is the positive one.
    """
    if task is not None:
        task = canonical_task(task)
    if table.shape[1] > 1:
        return _labels(table, task)
    name, column = str(table.columns[0]), table.iloc[:, 0]
    if task == MULTI_LABEL:
        raise _misfit(name, task, "a single column")
    return _categories(name, column, task) if is_categorical(column) else _numbers(name, column.to_numpy(), task)


def _categories(name: str, column: pd.Series, task: str | None) -> Target:
    classes = tuple(column.cat.categories)
    if len(classes) == 1:
        raise LossInputError(f"compare: target {name!r} must have two classes or more, got {classes[0]!r} only.")
    if task == REGRESSION:
        raise _misfit(name, task, f"classes such as {classes[0]!r}")
    if len(classes) > len(column) / 2:
        raise LossInputError(
            f"compare: target {name!r} must hold numbers or classes, got {len(classes)} texts in {len(column)} rows."
        )
    task = task or (BINARY if len(classes) == 2 else MULTI_CLASS)
    if (task == BINARY and len(classes) != 2) or (task == ORDINAL and len(classes) == 2):
        raise _misfit(name, task, f"{len(classes)} classes")
    return Target(task, column.cat.codes.to_numpy().astype(np.int64), classes, ())


def _numbers(name: str, values: NDArray[np.float64], task: str | None) -> Target:
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) == 1:
        raise LossInputError(f"compare: target {name!r} must vary, got {distinct[0]:g} in every row.")
    fractions = distinct[distinct != np.round(distinct)]
    notes: tuple[str, ...] = ()
    if task is None:
        task = _infer(len(distinct), len(values), whole=len(fractions) == 0)
        if not len(fractions) and 2 < len(distinct) <= _MOST_INFERRED:
            notes = (f"target {name!r}: its {len(distinct)} different whole numbers make the task {task}, unless told",)
    if task == REGRESSION:
        return Target(task, values, (), notes)
    if len(fractions):
        raise _misfit(name, task, f"numbers such as {fractions[0]:g}")
    if (task == BINARY and len(distinct) != 2) or (task == ORDINAL and len(distinct) == 2):
        raise _misfit(name, task, f"{len(distinct)} different numbers")
    return Target(task, codes.astype(np.int64), tuple(f"{value:.0f}" for value in distinct), notes)


def _infer(distinct: int, rows: int, *, whole: bool) -> str:
    if not whole:
        return REGRESSION
    if distinct == 2:
        return BINARY
    return MULTI_CLASS if distinct <= min(_MOST_INFERRED, math.isqrt(rows)) else REGRESSION


def _misfit(name: str, task: str, found: str) -> LossInputError:
    return LossInputError(f"compare: `task` must suit the target {name!r}, got {task} for {found}.")


def _labels(table: pd.DataFrame, task: str | None) -> Target:
    if task not in (None, MULTI_LABEL):
        raise _misfit(", ".join(table.columns), task, f"{table.shape[1]} columns")
    values = np.column_stack([_zero_one(name, table[name]) for name in table.columns])
    notes: tuple[str, ...] = ()
    if (values.sum(axis=1) == 1).all():
        notes = ("every row has exactly one label: a single target column of classes would be the multi-class task",)
    return Target(MULTI_LABEL, values, tuple(table.columns), notes)


def _zero_one(name: str, column: pd.Series) -> NDArray[np.int64]:
    numbers = column.astype(str).map({"False": 0.0, "True": 1.0}) if is_categorical(column) else column
    stray = column[~numbers.isin([0.0, 1.0])]
    if len(stray):
        raise LossInputError(f"compare: label {name!r} must hold 0 and 1 only, got {str(stray.iloc[0])!r}.")
    values: NDArray[np.int64] = numbers.to_numpy().astype(np.int64)
    if values.min() == values.max():
        raise LossInputError(f"compare: label {name!r} must vary, got {values[0]} in all {len(values)} rows.")
    return values
