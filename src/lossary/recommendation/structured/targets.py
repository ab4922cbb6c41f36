"""Which structured kind a target is: told, or clear from its shape, its type and the names of its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError

from ..kinds import STRUCTURED, Kind, Target
from ..reading import array_of, missing_in

_METRIC = "metric learning"
_ALSO_CALLED: Mapping[str, str] = {
    "interval regression": "interval", "intervals": "interval", "interval censored": "interval",
    "survival": "censored", "survival analysis": "censored",
    "masks": "mask", "segmentation": "mask", "semantic segmentation": "mask",
    "box": "boxes", "detection": "boxes", "object detection": "boxes", "bounding boxes": "boxes",
    "pair": "pairs", "triplet": "triplets", "identity": "identities",
    "embedding": _METRIC, "embeddings": _METRIC, _METRIC: _METRIC,
    "ranking": "lists", "learning to rank": "lists", "ranking lists": "lists",
    "sequence": "sequences", "tokens": "sequences", "language modelling": "sequences", "language modeling": "sequences",
}  # fmt: skip

IGNORED = (-100, 255)
"""Numbers that by custom mark pixels and tokens without a label."""
_MOST_MASK_CLASSES = 200
_LEAST_TOKENS = 5
"""Whole numbers in fewer columns than this may be many things; in so many or more, they are taken for tokens."""


def tell(y: Any, task: str | None, group: Any = None) -> Target | None:
    """The target, if it is of a structured kind; nothing if it is a plain one, or its form does not say.

    The values of a target are: interval ``(n, 2)`` low and high; censored ``(n, 2)`` time and event; mask
    ``(n, h, w)`` numbers of classes; boxes ``(n, 4)`` corners; pairs ``(n, 3)`` two rows of the features and 1 where
    they are the same; triplets ``(n, 3)`` rows of anchor, positive and negative; identities ``(n,)`` numbers of
    classes; lists ``(n, 2)`` grade and number of the list; sequences ``(n, t)`` numbers of tokens.

    Raises:
        LossInputError: if the values are not what ``task`` or ``group`` says.

    >>> tell([[2.0, 1], [5.0, 0], [3.0, 1]], "survival").kind
    'censored'
    >>> tell([0.5, 1.5], None) is None
    True
    """
    word = None if task is None else task.lower().replace("_", " ").replace("-", " ").strip()
    told = _ALSO_CALLED.get(word or "", word if word in STRUCTURED else None)
    if group is not None:
        if task is not None and told != "lists":
            raise LossInputError(f"recommend: `group` must come with a target to rank, got task {task!r}.")
        told = "lists"
    if task is not None and told is None:
        return None
    values, names = _numbers(y, named=told is not None)
    if values is None:
        return None
    if told == _METRIC:
        told = "identities" if values.ndim == 1 else "pairs" if _is_flag(values[..., -1]) else "triplets"
    if told == "lists":
        return _lists(values, group)
    if told is not None:
        return _CHECKS[told](values, "it was told", ())
    guess = _guess(values, names)
    return None if guess is None else _CHECKS[guess[0]](values, guess[1], (guess[2],))


def _numbers(y: Any, *, named: bool) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """The values and the names of their columns; no values where it is texts, or plain."""
    names = tuple(str(name).lower() for name in y.columns) if hasattr(y, "columns") else ()
    if names:
        columns = [array_of(y[name], "y") for name in y.columns]
        numeric = all(column.dtype.kind in "biuf" for column in columns)
        whole = numeric and all(column.dtype.kind in "biu" for column in columns)
        values = np.column_stack([c.astype(np.int64 if whole else np.float64) for c in columns]) if numeric else None
        if values is not None and len(columns) == 1:
            values = values[:, 0]
    else:
        values = array_of(y, "y")
    if values is not None and values.dtype.kind not in "biuf":
        flat = values.ravel().tolist()
        numeric = all(isinstance(v, (bool, int, float, np.number, np.bool_)) for v in flat)
        values = values.astype(np.float64) if numeric and not missing_in(values).any() else None
    if not named and (values is None or values.ndim == 1):
        return None, names
    if values is None:
        if np.ndim(y) == 1 and not names:  # identities may be texts
            return np.asarray(y).astype(str), names
        raise LossInputError(f"recommend: `y` must hold numbers, got texts in {', '.join(names) or 'it'}.")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise LossInputError(
            f"recommend: `y` must have a value in every place, got {int(np.isnan(values).sum())} without one; "
            "an open end of an interval is inf."
        )
    return values, names


def _guess(values: NDArray[Any], names: tuple[str, ...]) -> tuple[Kind, str, str] | None:
    """The kind, the figure that says so, and what else it may be."""
    if values.ndim == 3 and values.dtype.kind in "biu":
        n, h, w = values.shape
        return "mask", f"there are {n} arrays of whole numbers, {h} by {w}", "whole numbers in (n, h, w) are a mask"
    if values.ndim != 2 or len(values) < 2 or _is_flag(values):
        return None
    columns = values.shape[1]
    whole = bool(np.isfinite(values).all() and (values == np.round(values)).all())
    if columns == 2:
        first, second = values.T
        if _is_flag(second) and not _is_flag(first) and np.isfinite(first).all() and (first >= 0).all():
            return (
                "censored", "one column is at least 0 and the other is 0 or 1",
                "time and event are told by their form; task='interval' if they are low and high",
            )  # fmt: skip
        if names and names[0].startswith(("low", "min")) and names[1].startswith(("upp", "high", "max")):
            return (
                "interval",
                f"its columns are called {names[0]} and {names[1]}",
                "low and high are told by their names",
            )
    if columns == 4 and (values[:, 2] > values[:, 0]).all() and (values[:, 3] > values[:, 1]).all():
        return (
            "boxes", "there are four columns, the third above the first and the fourth above the second",
            "corners x1, y1, x2, y2 are told by their order; task='sequences' if they are tokens",
        )  # fmt: skip
    if columns == 3 and whole and _is_flag(values[:, 2]) and not _is_flag(values[:, :2]) and values.min() >= 0:
        return (
            "pairs", "there are two columns of whole numbers and one of 0 and 1",
            "rows of the features are told by their form; task='sequences' if they are tokens",
        )  # fmt: skip
    if whole and columns >= _LEAST_TOKENS and values.dtype.kind in "iu":
        return "sequences", f"there are {columns} columns of whole numbers", "numbers of tokens are told by their form"
    return None


def _is_flag(values: NDArray[Any]) -> bool:
    return bool(np.isin(values, (0, 1)).all())


def _interval(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    low, high = _columns(values, 2, "interval", "low and high").T
    if (wrong := int((low > high).sum())) or (np.isinf(low) & np.isinf(high)).any():
        got = f"{wrong} rows whose low is above" if wrong else "a row without a finite end"
        raise LossInputError(f"recommend: `y` must hold a low and a high not below it, one of them finite, got {got}.")
    return Target("interval", values.astype(np.float64), (), why, doubts)


def _censored(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    time, event = _columns(values, 2, "censored", "time and event").T
    if not _is_flag(event):
        stray = event[~np.isin(event, (0, 1))][0]
        raise LossInputError(
            f"recommend: `y` must hold the event, 1 where it was seen and 0 where not, as its second column, "
            f"got {stray:g}."
        )
    if not np.isfinite(time).all() or (time < 0).any():
        raise LossInputError(f"recommend: `y` must hold finite times of at least 0, got {time.min():g}.")
    if not event.any() or np.ptp(time) == 0:
        raise LossInputError(
            f"recommend: `y` must hold an event and more than one time, got {int(event.sum())} events."
        )
    return Target("censored", values.astype(np.float64), (), why, doubts)


def _mask(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    if values.ndim != 3 or len(values) < 2 or not np.isfinite(values).all() or (values != np.round(values)).any():
        raise LossInputError(
            "recommend: `y` must hold masks (n, h, w) of at least two images, whole numbers of classes, "
            f"got {values.shape} of {values.dtype}."
        )
    whole = values.astype(np.int64)
    kept = whole[~np.isin(whole, IGNORED)]
    if not kept.size or kept.min() < 0 or kept.max() >= _MOST_MASK_CLASSES or kept.min() == kept.max():
        low, high = (kept.min(), kept.max()) if kept.size else ("nothing", "nothing")
        raise LossInputError(
            f"recommend: `y` must hold classes from 0 to below {_MOST_MASK_CLASSES}, more than one of them, "
            f"and -100 or 255 where there is no label, got {low} to {high}."
        )
    return Target("mask", whole, tuple(str(k) for k in range(int(kept.max()) + 1)), why, doubts)


def _boxes(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    _columns(values, 4, "boxes", "corners x1, y1, x2, y2")
    empty = int(((values[:, 2] <= values[:, 0]) | (values[:, 3] <= values[:, 1])).sum())
    if empty:
        raise LossInputError(
            f"recommend: `y` must hold corners x1, y1, x2, y2 with x1 < x2 and y1 < y2, got {empty} boxes without; "
            "with corner and size, add the one to the other."
        )
    return Target("boxes", values.astype(np.float64), (), why, doubts)


def _pairs(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    _rows_of_features(values, "pairs", "two rows of the features, and 1 where they are the same")
    if not _is_flag(values[:, 2]) or len(np.unique(values[:, 2])) < 2:
        raise LossInputError(
            "recommend: `y` must hold 1 for the same and 0 for different as its third column, both of them, "
            f"got {', '.join(f'{v:g}' for v in np.unique(values[:, 2])[:4])}."
        )
    return Target("pairs", values.astype(np.int64), (), why, doubts)


def _triplets(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    _rows_of_features(values, "triplets", "the rows of anchor, positive and negative")
    same = int(((values[:, 0] == values[:, 1]) | (values[:, 0] == values[:, 2]) | (values[:, 1] == values[:, 2])).sum())
    if same:
        raise LossInputError(f"recommend: `y` must hold three different rows in each triplet, got {same} without.")
    return Target("triplets", values.astype(np.int64), (), why, doubts)


def _identities(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    if values.ndim != 1 or len(np.unique(values)) < 2:
        raise LossInputError(
            f"recommend: `y` must hold a class for each sample, two at least, got {values.shape} with "
            f"{len(np.unique(values))}."
        )
    names, codes = np.unique(values, return_inverse=True)
    labels = tuple(f"{v:g}" if names.dtype.kind in "iuf" else str(v) for v in names.tolist())
    return Target("identities", codes.astype(np.int64), labels, why, doubts)


def _lists(values: NDArray[Any], group: Any) -> Target:
    if group is None:
        raise LossInputError(
            "recommend: `group` must say which list each grade belongs to, as group=queries, or --group, got none."
        )
    queries = array_of(group.iloc[:, 0] if hasattr(group, "columns") else group, "group").ravel()
    if values.ndim != 1 or values.dtype.kind not in "biuf" or len(queries) != len(values):
        raise LossInputError(
            f"recommend: `y` must hold one grade for each of the {len(queries)} items of `group`, got {values.shape}."
        )
    if (values < 0).any() or not np.isfinite(values).all() or (values != np.round(values)).any() or not np.ptp(values):
        raise LossInputError(
            "recommend: `y` must hold grades of relevance, whole numbers from 0 on that vary, "
            f"got {values.min():g} to {values.max():g}."
        )
    if missing_in(queries).any():
        raise LossInputError("recommend: `group` must name a list for every item, got some without.")
    codes = np.unique(queries if queries.dtype.kind in "biuf" else queries.astype(str), return_inverse=True)[1]
    stacked = np.column_stack([values.astype(np.float64), codes.ravel().astype(np.float64)])
    return Target("lists", stacked, (), f"there are {int(codes.max()) + 1} lists of items", ())


def _sequences(values: NDArray[Any], why: str, doubts: tuple[str, ...]) -> Target:
    if values.ndim != 2 or values.shape[1] < 2 or len(values) < 2 or (values != np.round(values)).any():
        raise LossInputError(
            f"recommend: `y` must hold tokens (n, t) as whole numbers, got {values.shape} of {values.dtype}."
        )
    whole = values.astype(np.int64)
    if whole[whole != IGNORED[0]].size == 0 or whole[whole != IGNORED[0]].min() < 0:
        raise LossInputError("recommend: `y` must hold tokens from 0 on, and -100 at most besides, got smaller ones.")
    return Target("sequences", whole, (), why, doubts)


def _columns(values: NDArray[Any], columns: int, kind: str, which: str) -> NDArray[Any]:
    if values.ndim != 2 or values.shape[1] != columns or len(values) < 2:
        raise LossInputError(
            f"recommend: `y` must have {columns} columns, {which}, for task {kind!r}, got {values.shape}."
        )
    return values


def _rows_of_features(values: NDArray[Any], kind: str, which: str) -> None:
    _columns(values, 3, kind, which)
    if (values < 0).any() or (values != np.round(values)).any():
        raise LossInputError(
            f"recommend: `y` must name rows by whole numbers from 0 on for task {kind!r}, got {values.min():g}."
        )


_CHECKS: Mapping[str, Callable[[NDArray[Any], str, tuple[str, ...]], Target]] = {
    "interval": _interval, "censored": _censored, "mask": _mask, "boxes": _boxes, "pairs": _pairs,
    "triplets": _triplets, "identities": _identities, "sequences": _sequences,
}  # fmt: skip
