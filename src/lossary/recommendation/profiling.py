"""Measure what decides which loss fits: the kind of target, and the figures that the rules go by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError, Result

from .kinds import CLASSES, NUMERIC, TASKS, Kind, Target, kind_of
from .measures import Figure, measure_classes, measure_labels, measure_numbers
from .models import FOLDS, require_sklearn
from .reading import Array, read_features, read_target
from .structured.measures import measure
from .structured.targets import tell

_MOST_ROWS = 4000
"""Simple models are fitted to no more rows than this."""
_LEAST_ROWS = 40
"""And to no fewer: folds of less than eight rows say nothing."""

EXCESS_ZEROS = 0.05
"""Counts with this many more zeros than a negative binomial of the same means has are zero-inflated."""


@dataclass(frozen=True, kw_only=True)
class Profile(Result):
    """What the data are like. Each figure says how it was measured; what could not be measured is not there."""

    kind: Kind
    why: str
    """The figure by which the kind was told."""
    doubts: tuple[str, ...]
    """What else the target may be, and what to say then."""
    task: str
    """The task, as cards call it."""
    samples: int
    features: int
    """0 where only the target was given."""
    whole: bool
    """Whether all values are whole numbers, which counts are."""
    classes: tuple[str, ...]
    """Classes in the order of their number, or labels; empty for numbers."""
    counts: tuple[int, ...]
    """How many samples each class has, or how many positives each label; of a mask, how many pixels."""
    confused: tuple[tuple[str, ...], ...] = ()
    """Groups of classes that a simple model takes for one another."""
    figures: Mapping[str, Figure]
    notes: tuple[str, ...]
    """What limits the figures."""

    def value(self, name: str) -> float:
        """A figure's value; not a number where it was not measured."""
        return self.figures[name].value if name in self.figures else math.nan


def profile(first: Any, second: Any = None, /, *, task: str | None = None, group: Any = None) -> Profile:
    """Measure what decides which loss fits: ``profile(y)``, or better ``profile(X, y)``.

    With features, tails, outliers, skew and spread are those of the residuals of a simple model, each predicted by one
    that had not seen the row; without, those of the target about its median.

    Args:
        first: The features ``(n, ...)``, or the target where nothing else is given: an array, a tensor, or a pandas
            object.
        second: The target: numbers or classes ``(n,)``, or labels 0 and 1 ``(n, c)``; or, named by ``task`` or clear
            from its form, low and high ``(n, 2)``, time and event ``(n, 2)``, masks ``(n, h, w)``, boxes ``(n, 4)``,
            pairs or triplets of rows of the features ``(n, 3)``, tokens ``(n, t)``.
        task: What the target is, where its values don't tell: "regression", "count", "ordinal", "multi-class",
            "interval", "survival", "segmentation", "detection", "metric learning", "ranking", "sequences", ...
        group: For a target to rank: which list, query or user each grade belongs to, ``(n,)``.

    Raises:
        LossInputError: if the target doesn't vary, misses values or does not suit the task, or the features don't
            match it.

    >>> import torch
    >>> found = profile(torch.tensor([0, 0, 0, 1]))
    >>> found.kind, found.value("imbalance_ratio")
    ('binary', 3.0)
    """
    x, y = (None, first) if second is None else (first, second)
    structured = tell(y, task, group)
    if structured is not None:
        return _structured(x, structured)
    target = kind_of(read_target(y), task)
    table = None if x is None else read_features(x, len(target.values))
    figures: dict[str, Figure] = {"samples": Figure(float(len(target.values)), "samples", "counted")}
    notes: list[str] = []
    if table is None:
        notes.append("without features, the figures are those of the target alone and not of what a model leaves over")
    elif len(target.values) < _LEAST_ROWS:
        notes.append(f"{len(target.values)} rows are too few for models of {FOLDS} folds; the features went unused")
    else:
        require_sklearn()
        figures["samples_per_feature"] = Figure(
            len(target.values) / table.shape[1], "samples for each feature", "counted"
        )
    modelled = table is not None and len(target.values) >= _LEAST_ROWS
    measured, confused = _measured(target, table if modelled else None, notes)
    figures |= measured
    kind, why = target.kind, target.why
    if kind == "count" and task is None and figures["zero_excess"].value >= EXCESS_ZEROS:
        kind = "zero-inflated"
        why = f"{why}, with {figures['zero_excess'].value:.0%} more zeros than a negative binomial has"
    return Profile(
        kind=kind,
        why=why,
        doubts=target.doubts,
        task=TASKS[kind],
        samples=len(target.values),
        features=0 if table is None else table.shape[1],
        whole=bool((target.values == np.round(target.values)).all()),
        classes=target.classes,
        counts=_counts(target),
        figures=figures,
        notes=tuple(notes),
        confused=tuple(tuple(target.classes[k] for k in group) for group in confused),
    )


_WITH_TABLE: frozenset[Kind] = frozenset({"interval", "censored"})
"""Structured kinds whose features simple models are fitted to."""
_BY_ROWS: frozenset[Kind] = frozenset({"pairs", "triplets"})
"""Those that name rows of the features."""


def _structured(x: Any, target: Target) -> Profile:
    """The profile of a structured target; features are looked at only where a simple model can say something."""
    notes: list[str] = []
    table, features = None, 0
    if x is None and target.kind in _WITH_TABLE:
        notes.append("without features, the figures are those of the target alone and not of what a model leaves over")
    if x is not None:
        rows = int(target.values.max()) + 1 if target.kind in _BY_ROWS else len(target.values)
        size = len(x)
        if size < rows or (size != rows and target.kind not in _BY_ROWS):
            least = "at least " if target.kind in _BY_ROWS else ""
            raise LossInputError(f"recommend: `X` must have {least}{rows} rows for this target, got {size}.")
        features = math.prod(np.shape(x)[1:]) if len(np.shape(x)) > 1 else 1
        if target.kind in _WITH_TABLE:
            require_sklearn()
            table = read_features(x, size)
            features = table.shape[1]
    measured, counts, more = measure(target, table)
    figures = {"samples": Figure(float(len(target.values)), "samples", "counted"), **measured}
    return Profile(
        kind=target.kind, why=target.why, doubts=target.doubts, task=TASKS[target.kind], samples=len(target.values),
        features=features, whole=bool((target.values == np.round(target.values)).all()), classes=target.classes,
        counts=counts, figures=figures, notes=(*notes, *more),
    )  # fmt: skip


def _measured(
    target: Target, table: Array | None, notes: list[str]
) -> tuple[dict[str, Figure], tuple[tuple[int, ...], ...]]:
    rows: NDArray[np.int64] = np.arange(len(target.values))
    if table is not None and len(rows) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:_MOST_ROWS])
        notes.append(f"models were fitted to {_MOST_ROWS} of the {len(target.values)} rows, drawn at random")
    part = None if table is None else table[rows]
    if target.kind in NUMERIC:
        return measure_numbers(target.kind, target.values, rows, part), ()
    if target.kind in CLASSES:
        return measure_classes(target.values, rows, part)
    return measure_labels(target.values), ()


def _counts(target: Target) -> tuple[int, ...]:
    if target.kind in NUMERIC:
        return ()
    counts = target.values.sum(0) if target.values.ndim == 2 else np.bincount(target.values)
    return tuple(int(n) for n in counts)
