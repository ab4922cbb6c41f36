"""The data that losses are compared on, checked and in one form whatever they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossary.core import LossInputError

from .columns import clean_features, is_categorical
from .reading import BUNDLED, read_source
from .result import DataSummary
from .targets import BINARY, MULTI_LABEL, REGRESSION, TASKS, clean_targets, encode_target

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUNDLED", "FEWEST_ROWS", "TASKS", "Dataset", "from_arrays", "read_data"]

FEWEST_ROWS = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Features and target of n samples. Made by :func:`read_data` and :func:`from_arrays`, which check them."""

    name: str
    task: str
    """One of :data:`TASKS`."""
    features: pd.DataFrame
    """A row per sample, numbered 0..n-1; each column either float64 with NaN for missing, or categories of text."""
    target: NDArray[Any]
    """Regression: float64 (n,). Binary and multi-class: int64 (n,), 0..c-1. Multi-label: int64 (n, L), 0 and 1."""
    target_names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    """Class labels by their number, for multi-label the labels; empty for regression."""
    notes: tuple[str, ...] = ()
    """What was left out or read in a special way, each a phrase."""

    def __len__(self) -> int:
        return len(self.target)

    @property
    def outputs(self) -> int:
        """How many numbers a model must give for a sample: 1 for regression and binary, else one per class or label."""
        return 1 if self.task in (REGRESSION, BINARY) else len(self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of task, names, kinds and values of features and target; the order of the rows counts.

        It is the same in every run and on every machine. The name of the data set is no part of it.
        """
        digest = hashlib.sha256()
        _digest(digest, "target", [self.task, *self.target_names], [*self.classes], self.target)
        for name, column in self.features.items():
            if is_categorical(column):
                _digest(digest, "categories", [str(name)], [*column.cat.categories], column.cat.codes.to_numpy())
            else:
                _digest(digest, "numbers", [str(name)], [], column.to_numpy())
        return digest.hexdigest()

    def summary(self) -> DataSummary:
        categorical = sum(is_categorical(column) for _, column in self.features.items())
        return DataSummary(
            name=self.name,
            task=self.task,
            target=self.target_names,
            samples=len(self),
            numeric=self.features.shape[1] - categorical,
            categorical=categorical,
            missing=float(self.features.isna().to_numpy().mean()),
            classes=self.classes,
            class_counts=self._class_counts(),
            fingerprint=self.fingerprint,
        )

    def _class_counts(self) -> tuple[int, ...]:
        if self.task == REGRESSION:
            return ()
        counts = self.target.sum(axis=0) if self.task == MULTI_LABEL else np.bincount(self.target)
        return tuple(int(count) for count in counts)


def _digest(digest: Any, kind: str, names: list[str], labels: list[str], values: NDArray[Any]) -> None:
    """Add one column, its length first, so that no two tables run together to the same bytes."""
    digest.update(json.dumps([kind, names, labels, values.shape]).encode())
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values) + 0.0  # one bit pattern for every NaN, and for -0 and 0
    digest.update(values.astype("<f8" if values.dtype.kind == "f" else "<i8").tobytes())


def read_data(source: str | Path, *, target: str | Sequence[str] | None, task: str | None = None) -> Dataset:
    """Read the data that ``lossary compare`` is called with.

    Args:
        source: A CSV or TSV file (also ``.gz``; UTF-8, names in the first line; in a CSV ``;``, tab and ``|`` are
            recognised as separators), a Parquet file, an NPZ file with arrays ``X`` and ``y``, or the name of a set
            that comes with scikit-learn: one of :data:`BUNDLED`. A file of that name goes before the set.
        target: The column to predict; several, also in one text with commas, make a multi-label task. In an NPZ file
            the name of an array, ``y`` unless given. Bundled sets have one already.
        task: One of :data:`TASKS`, the word "classification" being optional; inferred from the target unless given,
            as :func:`from_arrays` says.

    Raises:
        LossInputError: the file can't be read, or the data can't be learned from; one sentence says why.
    """
    name, features, labels = read_source(source, target)
    return from_arrays(features, labels, task=task, name=name)


def from_arrays(X: Any, y: Any, *, task: str | None = None, name: str = "data") -> Dataset:
    """Make a data set of what is in memory.

    Args:
        X: Features (n, d): a NumPy array, a torch tensor, nested lists, a pandas frame, or anything with a
            ``to_pandas()`` (polars, Arrow). Columns become numbers or categories as in
            :func:`lossary.comparison.columns.clean_column`; those of one value only and text columns whose every value
            is different are left out.
        y: Target (n,), or (n, L) of 0 and 1 for multi-label. Rows of ``X`` and ``y`` belong together by position, also
            where both have an index. Rows without a target are left out.
        task: One of :data:`TASKS`, the word "classification" being optional. Unless given it follows from the target
            as in :func:`lossary.comparison.targets.encode_target`: several columns are multi-label; text, categories
            and truth values are classes; numbers that aren't all whole are a regression; whole numbers are binary
            with two distinct values, multi-class with at most 20 and at most the square root of n, else a regression.
        name: What the report calls the data.

    Raises:
        LossInputError: shapes that don't fit, a target that doesn't vary or isn't finite, a target that doesn't suit
            ``task``, a feature without any value, too few rows, or no feature to learn from.
    """
    features = _table("X", X)
    targets = _table("y", y)
    if len(features) != len(targets):
        raise LossInputError(f"compare: `y` must be as long as `X` with {len(features)} rows, got {len(targets)}.")
    targets, target_notes = clean_targets(targets)
    known = targets.notna().all(axis=1).to_numpy()
    if known.sum() < FEWEST_ROWS:
        raise LossInputError(f"compare: `data` must have at least {FEWEST_ROWS} rows with a target, got {known.sum()}.")
    notes = list(target_notes)
    if not known.all():
        notes.append(f"{(~known).sum()} of {len(known)} rows left out for having no target")
        features, targets = features[known].reset_index(drop=True), targets[known].reset_index(drop=True)
    encoded = encode_target(targets, task)
    features, feature_notes = clean_features(features)
    return Dataset(
        name=name,
        task=encoded.task,
        features=features,
        target=encoded.values,
        target_names=tuple(targets.columns),
        classes=encoded.classes,
        notes=(*notes, *encoded.notes, *feature_notes),
    )


def _table(argument: str, values: Any) -> pd.DataFrame:
    """Anything tabular as a frame with rows 0..n-1 and distinct column names that are text."""
    import pandas as pd

    if hasattr(values, "to_pandas"):
        values = values.to_pandas()
    if isinstance(values, Mapping):
        values = pd.DataFrame(values)
    if isinstance(values, pd.Series) and argument == "y":
        values = values.to_frame(argument if values.name is None else values.name)
    if not isinstance(values, pd.DataFrame):
        array = _array(argument, values)
        names = [f"{argument.lower()}{number}" for number in range(array.shape[1])]
        values = pd.DataFrame(array, columns=[argument] if argument == "y" and len(names) == 1 else names)
    table = values.reset_index(drop=True)
    table.columns = pd.Index([str(column) for column in table.columns], dtype=object)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise LossInputError(f"compare: `{argument}` must have no two columns of one name, got {twice[0]!r} twice.")
    return table


def _array(argument: str, values: Any) -> NDArray[Any]:
    """Two dimensions, of which the second is 1 for a ``y`` of one."""
    if hasattr(values, "toarray") or (isinstance(values, Tensor) and values.layout != torch.strided):
        raise LossInputError(f"compare: `{argument}` must be dense, got a sparse {type(values).__name__}.")
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()  # NumPy has no bfloat16
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise LossInputError(f"compare: `{argument}` must be rows of one length, got unequal ones.") from error
    wanted = "(n, d)" if argument == "X" else "(n,) or (n, L)"
    if array.ndim == 1 and argument == "y":
        array = array[:, None]
    if array.ndim != 2:
        raise LossInputError(f"compare: `{argument}` must have shape {wanted}, got {array.shape}.")
    return array
