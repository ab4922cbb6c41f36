"""From a data set to what a model sees: numbers of similar size, by statistics of the training rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .columns import MOST_CATEGORIES, is_categorical
from .data import Dataset
from .splits import Rows
from .targets import MULTI_CLASS, ORDINAL, REGRESSION

if TYPE_CHECKING:
    import pandas as pd

_REACH = 10.0
"""Features beyond this many standard deviations are drawn in to it."""

_TAIL = 0.01
"""Share of the training values at each end that doesn't count for centre and scale."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """All n rows, transformed as the training rows say."""

    features: NDArray[np.float32]
    """(n, d); d is the same for every choice of training rows."""
    target: NDArray[Any]
    """Regression (standardised) and binary: float32 (n,). Classes: int64 (n,). Multi-label: float32 (n, L)."""
    centre: float
    """``prediction * scale + centre`` is in units of the target again; 0 and 1 for classes."""
    scale: float


def prepare(dataset: Dataset, train_rows: Rows) -> Prepared:
    """Impute, scale and encode ``dataset`` by the rows ``train_rows``: no other row has a say in any statistic.

    - Numbers: a missing value becomes the median; then centre and scale are mean and standard deviation of the values
      between the 1% and the 99% quantile (values beyond count as those), so that a few absurd entries don't flatten
      all others; what is still more than 10 standard deviations away is drawn in to 10.
    - A column of 0 and 1 per numeric column with missing values: 1 where the value was missing.
    - Categories: one column of 0 and 1 for each, "missing" being one more where it occurs. With more than 50, columns
      go to the 50 that are most frequent in training, most frequent first.

    Which columns exist follows from the whole data set, so that d is the same for every split. A column that has one
    value in all training rows is 0 everywhere: nothing can be learned from it, and weights that nothing was learned
    for would add noise in the rows where it differs. So a category that training lacks is a row of zeros.
    """
    numeric = [name for name, column in dataset.features.items() if not is_categorical(column)]
    blocks = [_scale(dataset.features[numeric].to_numpy(np.float64), train_rows)] if numeric else []
    blocks += [_one_hot(column, train_rows) for _, column in dataset.features.items() if is_categorical(column)]
    features = np.concatenate(blocks, axis=1)
    features[:, (features[train_rows] == features[train_rows[0]]).all(axis=0)] = 0.0
    target, centre, scale = _prepare_target(dataset, train_rows)
    return Prepared(features=features, target=target, centre=centre, scale=scale)


def _scale(values: NDArray[np.float64], train_rows: Rows) -> NDArray[np.float32]:
    """Numeric columns (n, k) to (n, k + number of columns with missing values)."""
    missing = np.isnan(values)
    train = values[train_rows]
    train[:, missing[train_rows].all(axis=0)] = 0.0
    values = np.where(missing, np.nanmedian(train, axis=0), values)
    train = values[train_rows]
    low, high = np.quantile(train, [_TAIL, 1 - _TAIL], axis=0)
    rare = low == high  # all but a few values are equal: those few are what the column has to say
    low[rare], high[rare] = train[:, rare].min(axis=0), train[:, rare].max(axis=0)
    inner = train.clip(low, high)
    centre = inner.mean(axis=0)
    standard = (values - centre) / _spread(centre, inner.std(axis=0))
    return np.concatenate([standard.clip(-_REACH, _REACH), missing[:, missing.any(axis=0)]], axis=1, dtype=np.float32)


def _spread(centre: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation, or 1 where it is nothing but rounding error of equal values."""
    return np.where(deviation <= 10 * np.finfo(np.float64).eps * np.abs(centre), 1.0, deviation)


def _one_hot(column: pd.Series, train_rows: Rows) -> NDArray[np.float32]:
    """A categorical column to (n, number of categories), at most 50."""
    codes = column.cat.codes.to_numpy().astype(np.int64)
    categories = len(column.cat.categories)
    if (codes < 0).any():
        codes = np.where(codes < 0, categories, codes)
        categories += 1
    kept = np.arange(categories)
    if categories > MOST_CATEGORIES:
        counts = np.bincount(codes[train_rows], minlength=categories)
        kept = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    encoded: NDArray[np.float32] = (codes[:, None] == kept).astype(np.float32)
    return encoded


def _prepare_target(dataset: Dataset, train_rows: Rows) -> tuple[NDArray[Any], float, float]:
    if dataset.task in (MULTI_CLASS, ORDINAL):
        return dataset.target, 0.0, 1.0
    if dataset.task != REGRESSION:
        return dataset.target.astype(np.float32), 0.0, 1.0
    train = dataset.target[train_rows]
    centre = train.mean()
    scale = _spread(centre, train.std())
    return ((dataset.target - centre) / scale).astype(np.float32), float(centre), float(scale)
