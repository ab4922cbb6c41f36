"""What kind of target it is, and the value or count that says so."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError, UnknownNameError

from .reading import RawTarget

Kind = Literal[
    "real", "positive", "bounded", "count", "zero-inflated",
    "binary", "multi-class", "ordinal", "multi-label",
    "interval", "censored", "mask", "boxes", "pairs", "triplets", "identities", "lists", "sequences",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
STRUCTURED: frozenset[Kind] = frozenset(
    {"interval", "censored", "mask", "boxes", "pairs", "triplets", "identities", "lists", "sequences"}
)
"""Kinds of which a sample's target is more than one number, class or set of labels; told in ``structured``."""
NUMERIC: frozenset[Kind] = frozenset({"real", "positive", "bounded", "count", "zero-inflated"})
CLASSES: frozenset[Kind] = frozenset({"binary", "multi-class", "ordinal"})

TASKS: dict[Kind, str] = {
    "real": "regression", "positive": "regression", "bounded": "regression", "count": "count regression",
    "zero-inflated": "regression", "binary": "binary classification", "multi-class": "multi-class classification",
    "ordinal": "ordinal classification", "multi-label": "multi-label classification",
    "interval": "interval regression", "censored": "survival analysis", "mask": "segmentation", "boxes": "detection",
    "pairs": "metric learning", "triplets": "metric learning", "identities": "metric learning", "lists": "ranking",
    "sequences": "language modelling",
}  # fmt: skip
"""The task of each kind, as cards call it."""

_MOST_CLASSES = 20
_COUNTS_BELOW = 10
"""Whole numbers are counts where a tenth of them lies below this: larger ones are as good as real."""


class Target(NamedTuple):
    """A target of known kind."""

    kind: Kind
    values: NDArray[Any]
    """Float64 numbers; or int64 numbers of classes ``(n,)``; or int64 labels 0 and 1, ``(n, c)``; or what
    :func:`.structured.targets.tell` says."""
    classes: tuple[str, ...]
    why: str
    """The figure by which the kind was told, as a sentence."""
    doubts: tuple[str, ...]
    """What else the target might be, and what to say then."""


def kind_of(target: RawTarget, task: str | None) -> Target:
    """Tell the kind of a target, or take it as the kind that ``task`` names.

    Raises:
        LossInputError: if the target doesn't vary, or can't be what ``task`` says.

    >>> kind_of(RawTarget(np.array(["no", "yes", "no"]), (), None), None).kind
    'binary'
    """
    wanted = None if task is None else _wanted(task)
    values = target.values
    if values.ndim == 2:
        return _labels(target, wanted)
    distinct = np.unique(values)
    if len(distinct) < 2:
        raise LossInputError(f"recommend: `y` must vary, got {distinct[0]!s} in all {len(values)} rows.")
    if values.dtype.kind in "US":
        return _texts(target, distinct, wanted)
    if target.order is not None:
        return _classes(target, distinct, wanted or ("ordinal",), f"{len(distinct)} classes are declared in order", ())
    if values.dtype == np.bool_:
        return _classes(target, distinct, wanted or ("binary",), "there are two truth values", ())
    kind, why, doubts = _numbers(values.astype(np.float64), distinct.astype(np.float64), wanted)
    if kind in CLASSES:
        return _classes(target, distinct, (kind,), why, doubts)
    return Target(kind, values.astype(np.float64), (), why, doubts)


def _wanted(task: str) -> tuple[Kind, ...]:
    """The kinds that a task allows."""
    word = task.lower().replace("_", "-").strip()
    short = word.removesuffix("classification").rstrip(" -").replace(" ", "-")
    short = {"multiclass": "multi-class", "multilabel": "multi-label"}.get(short, short)
    if short == "regression":
        return ("real", "positive", "bounded", "count", "zero-inflated")
    short = short.removesuffix("-regression")
    for kind in KINDS:
        if short == kind:
            return (kind,)
    known = ", ".join(dict.fromkeys([*KINDS, "regression", *TASKS.values()]))
    raise UnknownNameError(f"recommend: `task` must be one of {known}; got {task!r}.")


def _labels(target: RawTarget, wanted: tuple[Kind, ...] | None) -> Target:
    values = target.values
    columns = values.shape[1]
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        stray = values[~np.isin(values, (0, 1))].ravel()[0]
        raise LossInputError(
            f"recommend: `y` of {columns} columns must hold labels 0 and 1 only, got {stray!s}; "
            "`task` can say what else they are: interval, censored, boxes, pairs, triplets, sequences."
        )
    if wanted is not None and "multi-label" not in wanted:
        raise _misfit(wanted, f"{columns} columns")
    constant = [k for k in range(columns) if values[:, k].min() == values[:, k].max()]
    if constant:
        raise LossInputError(f"recommend: `y` must vary in each column, got one value in column {constant[0]}.")
    single = bool((values.sum(1) == 1).all())
    doubts = ("every row has exactly one label: as one column of classes this is multi-class",) if single else ()
    names = target.names or tuple(str(k) for k in range(columns))
    why = f"there are {columns} columns of 0 and 1"
    return Target("multi-label", values.astype(np.int64), names, why, doubts)


def _texts(target: RawTarget, distinct: NDArray[Any], wanted: tuple[Kind, ...] | None) -> Target:
    if target.order is not None:
        return _classes(target, distinct, wanted or ("ordinal",), f"{len(distinct)} classes are declared in order", ())
    if len(distinct) > max(2, len(target.values) / 2):
        raise LossInputError(
            f"recommend: `y` must hold numbers or classes, got {len(distinct)} texts in {len(target.values)} rows."
        )
    inferred: Kind = "binary" if len(distinct) == 2 else "multi-class"
    return _classes(target, distinct, wanted or (inferred,), f"there are {len(distinct)} different texts", ())


def _classes(
    target: RawTarget, distinct: NDArray[Any], wanted: tuple[Kind, ...], why: str, doubts: tuple[str, ...]
) -> Target:
    kind = wanted[0]
    if kind not in CLASSES or (kind == "binary" and len(distinct) != 2):
        raise _misfit(wanted, f"{len(distinct)} classes such as {distinct[0]!s}")
    if target.order is not None:
        number = {name: k for k, name in enumerate(target.order)}
        codes = np.array([number[str(v)] for v in target.values], dtype=np.int64)
        return Target(kind, codes, target.order, why, doubts)
    codes = np.unique(target.values, return_inverse=True)[1].astype(np.int64)
    names = tuple(f"{v:g}" if distinct.dtype.kind in "iuf" else str(v) for v in distinct.tolist())
    return Target(kind, codes, names, why, doubts)


def _numbers(
    values: NDArray[np.float64], distinct: NDArray[np.float64], wanted: tuple[Kind, ...] | None
) -> tuple[Kind, str, tuple[str, ...]]:
    whole = bool((distinct == np.round(distinct)).all())
    if wanted is not None and len(wanted) == 1:
        return _told(wanted[0], distinct, whole), "it was told", ()
    if whole and wanted is None and (few := _few_whole(values, distinct)):
        return few
    low, high = float(distinct[0]), float(distinct[-1])
    zeros = float((values == 0).mean())
    if low < 0:
        return "real", f"its values reach from {low:g} to {high:g}", ()
    if whole and float(np.quantile(values, 0.1)) < _COUNTS_BELOW:
        doubts = (
            () if len(distinct) > 30 else (f"its {len(distinct)} whole numbers may be classes: task='multi-class'",)
        )
        return "count", f"whole numbers from {low:g}, a tenth of them below {_COUNTS_BELOW}", doubts
    if zeros >= 0.02 and len(distinct) > 10:
        return "zero-inflated", f"{zeros:.1%} are exactly 0 and the others are above it", ()
    if not whole and high <= 1 and low <= 0.05 and high >= 0.95:
        doubt = "it is taken for a share since it fills [0, 1]; if that is chance, task='real'"
        return "bounded", f"its values fill the range from {low:g} to {high:g}, within [0, 1]", (doubt,)
    if low > 0:
        note = ("whole numbers, but large: task='count' takes them for counts",) if whole else ()
        return "positive", f"its smallest value is {low:g}", note
    return "real", f"its values reach from {low:g} to {high:g}, and {zeros:.1%} are 0", ()


def _few_whole(values: NDArray[np.float64], distinct: NDArray[np.float64]) -> tuple[Kind, str, tuple[str, ...]] | None:
    """Two whole numbers are labels; a few are classes, unless their frequencies look like a grade's or a count's."""
    k = len(distinct)
    if k == 2:
        return "binary", "there are two different numbers", ()
    if k > min(_MOST_CLASSES, math.isqrt(len(values))):
        return None
    often = np.array([(values == v).sum() for v in distinct])
    peak = int(often.argmax())
    steps, luck = np.diff(often), 2 * np.sqrt(often[1:] + often[:-1])
    one_peak = bool((steps[:peak] >= -luck[:peak]).all() and (steps[peak:] <= luck[peak:]).all())
    common = distinct[: int(np.searchsorted(np.cumsum(often), 0.95 * len(values))) + 1]  # far tails have gaps
    adjoining = len(common) > 2 and common[-1] - common[0] == len(common) - 1
    span = f"{k} whole numbers from {distinct[0]:g} to {distinct[-1]:g}"
    if adjoining and one_peak and distinct[0] == 0 and k >= 5 and often[-1] * 10 <= often[peak]:
        doubt = "counts and classes numbered by frequency look alike: task='multi-class' if they are names"
        return "count", f"{span}, rarer and rarer beyond {distinct[peak]:g}", (doubt,)
    if adjoining and one_peak and distinct[0] >= 1 and k >= 4 and max(often[0], often[-1]) * 2 <= often[peak]:
        doubt = "grades and classes look alike: task='multi-class' if the numbers are only names"
        return "ordinal", f"{span}, with one peak at {distinct[peak]:g}", (doubt,)
    doubt = "numbers may also be grades (task='ordinal'), counts (task='count') or amounts (task='regression')"
    return "multi-class", span, (doubt,)


def _told(kind: Kind, distinct: NDArray[np.float64], whole: bool) -> Kind:
    low, high = float(distinct[0]), float(distinct[-1])
    problem = {
        "positive": low <= 0, "bounded": low < 0 or high > 1, "count": low < 0 or not whole,
        "zero-inflated": low < 0 or not (distinct == 0).any(), "binary": len(distinct) != 2,
        "multi-class": not whole, "ordinal": not whole, "multi-label": True,
    }.get(kind, False)  # fmt: skip
    if problem:
        raise _misfit((kind,), f"one column of {'whole' if whole else 'broken'} numbers from {low:g} to {high:g}")
    return kind


def _misfit(wanted: tuple[Kind, ...], found: str) -> LossInputError:
    task = wanted[0] if len(wanted) == 1 else "regression"
    return LossInputError(f"recommend: `task` must suit the target, got {task} for {found}.")
