"""Which rows are learned from, which choose, and which test: repeated k-fold cross-validation with an inner split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError

from .data import Dataset
from .targets import ONE_CLASS

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Row numbers, ascending; train, validation and test have no row in common and together have them all."""

    name: str
    """``"repeat 1, fold 2"``."""
    repeat: int
    """Counted from 1, as is the fold."""
    fold: int
    train: Rows
    validation: Rows
    """For the choice of learning rate, hyperparameters and epoch."""
    test: Rows


def make_splits(dataset: Dataset, *, repeats: int, folds: int, validation: float, seed: int) -> tuple[Split, ...]:
    """Split ``repeats`` times into ``folds`` test folds of equal size, and the rest into training and validation.

    In each repeat every row is tested once. Binary and multi-class data are stratified: the number of samples of a
    class differs by at most one between the folds, and every part of every split has a sample of every class.

    Args:
        dataset: What is to be split.
        repeats: How often all is shuffled and split anew, at least 1.
        folds: Test folds per repeat, at least 2.
        validation: Share of the rows outside the test fold that choose instead of being learned from, in (0, 0.5].
        seed: Of the shuffles, at least 0. A repeat's shuffle depends on the seed and its own number only.

    Returns:
        ``repeats * folds`` splits, repeat by repeat.

    Raises:
        LossInputError: an argument out of its range, or too few samples (of a class) for so many folds.
    """
    for name, value, least in (("repeats", repeats, 1), ("folds", folds, 2), ("seed", seed, 0)):
        if value < least:
            raise LossInputError(f"compare: `{name}` must be at least {least}, got {value}.")
    if not 0 < validation <= 0.5:
        raise LossInputError(f"compare: `validation` must be in (0, 0.5], got {validation:g}.")
    strata = dataset.target if dataset.task in ONE_CLASS else np.zeros(len(dataset), np.int64)
    _check_sizes(dataset, strata, folds)
    splits = []
    for repeat in range(1, repeats + 1):
        generator = np.random.default_rng([seed, repeat])
        tested_in = _deal(strata, folds, generator)
        for fold in range(1, folds + 1):
            rest = np.flatnonzero(tested_in != fold)
            chosen = _draw(strata[rest], validation, generator)
            splits.append(
                Split(
                    name=f"repeat {repeat}, fold {fold}",
                    repeat=repeat,
                    fold=fold,
                    train=rest[~chosen],
                    validation=rest[chosen],
                    test=np.flatnonzero(tested_in == fold),
                )
            )
    return tuple(splits)


def _deal(strata: Rows, folds: int, generator: np.random.Generator) -> Rows:
    """The test fold of each row, counted from 1: every stratum is shuffled and dealt out where the last one ended."""
    order = _grouped(strata, generator)
    fold = np.empty(len(strata), np.int64)
    fold[order] = np.arange(len(strata)) % folds + 1
    return fold


def _draw(strata: Rows, share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Mark ``share`` of each stratum, at least one row; at most half is never all, for a stratum has two rows here."""
    chosen = np.zeros(len(strata), bool)
    sizes = np.bincount(strata)
    for rows in np.split(_grouped(strata, generator), np.cumsum(sizes)[:-1]):
        chosen[rows[: max(1, round(share * len(rows)))]] = True
    return chosen


def _grouped(strata: Rows, generator: np.random.Generator) -> Rows:
    """Row numbers in random order within each stratum, the strata one after the other."""
    return np.lexsort((generator.permutation(len(strata)), strata))


def _check_sizes(dataset: Dataset, strata: Rows, folds: int) -> None:
    """Refuse folds that leave a stratum too small for a row in each of train, validation and test."""
    sizes = np.bincount(strata)
    rarest = int(sizes.argmin())
    size = int(sizes[rarest])
    if _suffices(size, folds):
        return
    what = f"class {dataset.classes[rarest]!r} has" if len(sizes) > 1 else "there are"
    possible = max((fewer for fewer in range(2, size + 1) if _suffices(size, fewer)), default=None)
    if possible is None:
        raise LossInputError(
            f"compare: `data` must have at least 3 samples of each class, one to train, to choose and to test, but "
            f"{what} only {size}; leave the class out or merge it with another."
        )
    raise LossInputError(
        f"compare: `folds` must suit the data, where {what} only {size} samples, got {folds}; use `--folds {possible}`."
    )


def _suffices(size: int, folds: int) -> bool:
    largest_test_fold = -(-size // folds)
    return size >= folds and size - largest_test_fold >= 2
