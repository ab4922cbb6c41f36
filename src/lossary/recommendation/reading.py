"""From arrays, tensors and pandas objects to a target and a table of numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossary.core import LossInputError

Array = NDArray[np.float64]

_MOST_LEVELS = 20
"""Texts with more distinct values than this become one column of numbers; with fewer, a column for each."""


class RawTarget(NamedTuple):
    """A target before it is known what it is."""

    values: NDArray[Any]
    """``(n,)``, numbers or texts; ``(n, c)`` numbers where there are several columns."""
    names: tuple[str, ...]
    """Names of the columns, if they have some."""
    order: tuple[str, ...] | None
    """The classes in the order that the data declare, where they do."""


def read_target(y: Any) -> RawTarget:
    """The target as an array of numbers, or of texts.

    Raises:
        LossInputError: if it is not one column or several of at least two samples, or something is missing in it.
    """
    names = tuple(str(name) for name in y.columns) if hasattr(y, "columns") else ()
    if len(names) == 1:
        y = y.iloc[:, 0]
    categories = getattr(getattr(y, "dtype", None), "categories", None)
    order = None
    if categories is not None and y.dtype.ordered:
        present = set(y.dropna().astype(str))
        order = tuple(str(c) for c in categories if str(c) in present)
    values = array_of(y, "y")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) < 2:
        must = "be (n,) or, for several labels, (n, c), of at least two samples; or whole numbers (n, h, w), a mask"
        raise _refused("y", must, str(values.shape))
    missing = int(missing_in(values).sum())
    if missing:
        raise _refused("y", "have a finite value in every row", f"{missing} without one")
    if not np.issubdtype(values.dtype, np.number) and values.dtype != np.bool_:
        values = _numbers_or_texts(values)
    return RawTarget(values, names, order)


def read_features(x: Any, samples: int) -> Array:
    """The features as a table of numbers without gaps: a column for each level of a text, the median for what misses.

    Raises:
        LossInputError: if there are not as many rows as targets, or no column.
    """
    columns = [array_of(x[name], "X") for name in x.columns] if hasattr(x, "columns") else None
    if columns is None:
        table = array_of(x, "X")
        table = table[:, None] if table.ndim == 1 else table.reshape(len(table), -1) if table.ndim else table
        columns = list(table.T) if table.ndim == 2 else []
    rows = len(columns[0]) if columns else 0
    if not columns or rows != samples:
        raise _refused("X", f"have a row for each of the {samples} targets and a column", f"{rows} rows")
    if all(np.issubdtype(column.dtype, np.number) for column in columns):
        return _filled(np.column_stack(columns).astype(np.float64))
    return _filled(np.column_stack([part for column in columns for part in _numeric(column)]))


def array_of(data: Any, name: str) -> NDArray[Any]:
    """An array, tensor or pandas object as an array of real numbers, truth values or texts.

    Raises:
        LossInputError: if it is none of these; ``name`` is the argument's.

    >>> array_of(torch.tensor([1.0, 2.0], dtype=torch.bfloat16), "y")
    array([1., 2.], dtype=float32)
    """
    if isinstance(data, Tensor):
        data = data.detach().to("cpu")
        array: NDArray[Any] = (data.float() if data.dtype == torch.bfloat16 else data).numpy()
        return array
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise _refused(name, "be an array, a tensor or a pandas object of equal rows", type(data).__name__) from error
    if array.dtype.kind == "c" or array.ndim == 0:
        raise _refused(name, "be an array, a tensor or a pandas object of real numbers or texts", repr(data)[:60])
    return array


def missing_in(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where there is no finite number, or nothing at all.

    >>> missing_in(np.array([1.0, np.nan, np.inf])).tolist()
    [False, True, True]
    """
    if values.dtype.kind == "f":
        finite: NDArray[np.bool_] = np.isfinite(values)
        return ~finite
    if values.dtype.kind != "O":
        return np.zeros(values.shape, dtype=bool)
    # NaN is the one value that differs from itself; pandas' NA answers neither yes nor no, and is told by its name.
    flags = [v is None or type(v).__name__ in ("NAType", "NaTType") or v != v for v in values.ravel()]
    return np.array(flags, dtype=bool).reshape(values.shape)


def _numbers_or_texts(values: NDArray[Any]) -> NDArray[Any]:
    """Objects that are all numbers or truth values as such, all else as text."""
    if values.dtype.kind == "O":
        flat = values.ravel().tolist()
        if all(isinstance(v, (bool, np.bool_)) for v in flat):
            return values.astype(np.bool_)
        if all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in flat):
            return values.astype(np.float64)
    return values.astype(str)


def _numeric(column: NDArray[Any]) -> list[Array]:
    """One column of numbers, or one of 0 and 1 for each of a few texts."""
    gaps = missing_in(column)
    if column.dtype.kind in "biuf":
        return [np.where(gaps, np.nan, column.astype(np.float64))]
    known = _numbers_or_texts(column[~gaps])
    if known.dtype.kind in "bf":
        out = np.full(len(column), np.nan)
        out[~gaps] = known
        return [out]
    levels, codes = np.unique(known.astype(str), return_inverse=True)
    every = np.full(len(column), -1)
    every[~gaps] = codes
    if len(levels) > _MOST_LEVELS:
        return [every.astype(np.float64)]
    return [(every == k).astype(np.float64) for k in range(len(levels))] or [np.zeros(len(column))]


def _filled(table: Array) -> Array:
    table = np.where(np.isfinite(table), table, np.nan)
    gaps = np.isnan(table)
    if not gaps.any():
        return table
    middles = np.array([np.median(c[~g]) if not g.all() else 0.0 for c, g in zip(table.T, gaps.T, strict=True)])
    return np.where(gaps, middles, table)


def _refused(name: str, must: str, got: str) -> LossInputError:
    return LossInputError(f"recommend: `{name}` must {must}, got {got}.")
