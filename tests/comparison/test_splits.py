"""Every row is tested once per repeat, no part shares a row with another, and every class is everywhere."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest

from lossary.comparison.data import Dataset, from_arrays
from lossary.comparison.splits import Split, make_splits
from lossary.core import LossInputError


def dataset(target: Any, task: str | None = None) -> Dataset:
    features = np.arange(len(target), dtype=float)[:, None]
    return from_arrays(features, target, task=task)


def classes(*sizes: int) -> Dataset:
    """Classes "a", "b", ... with so many samples."""
    return dataset([chr(ord("a") + number) for number, size in enumerate(sizes) for _ in range(size)])


def split(
    data: Dataset, *, repeats: int = 1, folds: int = 5, validation: float = 0.2, seed: int = 0
) -> tuple[Split, ...]:
    return make_splits(data, repeats=repeats, folds=folds, validation=validation, seed=seed)


DATA = {
    "regression": dataset(np.linspace(0.5, 3.0, 23)),
    "binary": classes(40, 7),
    "multi-class": classes(30, 20, 5, 51),
    "multi-label": dataset([[0, 1], [1, 1], [0, 0]] * 9),
    "smallest": classes(5, 5),
}


def parts(one: Split) -> list[list[int]]:
    return [list(rows) for rows in (one.train, one.validation, one.test)]


@pytest.mark.parametrize("kind", DATA)
def test_the_parts_are_disjoint_and_have_every_row(kind: str) -> None:
    data = DATA[kind]
    for one in split(data, repeats=2):
        assert all(rows.dtype == np.int64 for rows in (one.train, one.validation, one.test))
        assert all(rows == sorted(rows) and rows for rows in parts(one))
        assert sorted(chain(*parts(one))) == list(range(len(data)))


@pytest.mark.parametrize("kind", DATA)
def test_every_row_is_tested_once_per_repeat_in_folds_of_equal_size(kind: str) -> None:
    data = DATA[kind]
    splits = split(data, repeats=3)
    for repeat in (1, 2, 3):
        tests = [list(one.test) for one in splits if one.repeat == repeat]
        assert sorted(chain(*tests)) == list(range(len(data)))
        sizes = [len(test) for test in tests]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("kind", ["binary", "multi-class", "smallest"])
@pytest.mark.parametrize("validation", [0.01, 0.2, 0.5])
def test_every_part_has_every_class_in_its_share(kind: str, validation: float) -> None:
    data = DATA[kind]
    everywhere = np.bincount(data.target)
    for one in split(data, repeats=3, validation=validation):
        train, inner, test = (np.bincount(data.target[rows], minlength=len(everywhere)) for rows in parts(one))
        assert (np.stack([train, inner, test]) > 0).all()
        assert (abs(test - everywhere / 5) < 1).all()
        assert (abs(inner - (everywhere - test) * validation) <= 1).all()


def test_the_validation_part_has_its_share() -> None:
    one = split(dataset(np.linspace(0.5, 3.0, 100)), validation=0.25)[0]
    assert (len(one.train), len(one.validation), len(one.test)) == (60, 20, 20)


def test_names_count_from_one() -> None:
    splits = split(DATA["regression"], repeats=2, folds=2)
    assert [one.name for one in splits] == [
        "repeat 1, fold 1",
        "repeat 1, fold 2",
        "repeat 2, fold 1",
        "repeat 2, fold 2",
    ]
    assert [(one.repeat, one.fold) for one in splits] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_the_seed_decides() -> None:
    data = DATA["multi-class"]
    first, same, other = (split(data, repeats=2, seed=seed) for seed in (3, 3, 4))
    assert [parts(one) for one in first] == [parts(one) for one in same]
    assert all(parts(one) != parts(another) for one, another in zip(first, other, strict=True))
    assert all(parts(one) != parts(another) for one, another in zip(first[:5], first[5:], strict=True))


def test_more_repeats_leave_the_first_ones_as_they_are() -> None:
    data = DATA["multi-class"]
    few, many = split(data, repeats=2), split(data, repeats=4)
    assert [parts(one) for one in few] == [parts(one) for one in many[: len(few)]]


def test_rows_are_shuffled_not_dealt_in_their_order() -> None:
    tests = [list(one.test) for one in split(dataset(np.linspace(0.5, 3.0, 50)))]
    strides = [len(set(np.diff(test))) for test in tests]
    assert min(strides) > 1


@pytest.mark.parametrize(("sizes", "folds"), [((50, 5), 5), ((50, 3), 3), ((50, 4), 2), ((50, 4), 4)])
def test_the_smallest_class_that_suffices(sizes: tuple[int, ...], folds: int) -> None:
    data = classes(*sizes)
    for one in split(data, folds=folds, repeats=5):
        assert all(set(data.target[rows]) == {0, 1} for rows in parts(one))


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (classes(50, 4), {}, "`folds` must suit the data, where class 'b' has only 4 samples, got 5; use `--folds 4`"),
        (classes(50, 3), {"folds": 2}, "class 'b' has only 3 samples, got 2; use `--folds 3`"),
        (classes(50, 2), {}, "at least 3 samples of each class, .*class 'b' has only 2; leave the class out"),
        (classes(50, 50, 1), {}, "class 'c' has only 1; leave the class out or merge it"),
        (DATA["regression"], {"folds": 24}, "there are only 23 samples, got 24; use `--folds 23`"),
        (DATA["regression"], {"folds": 1}, "`folds` must be at least 2, got 1"),
        (DATA["regression"], {"repeats": 0}, "`repeats` must be at least 1, got 0"),
        (DATA["regression"], {"seed": -1}, "`seed` must be at least 0, got -1"),
        (DATA["regression"], {"validation": 0.0}, r"`validation` must be in \(0, 0.5\], got 0[.]"),
        (DATA["regression"], {"validation": 0.6}, r"`validation` must be in \(0, 0.5\], got 0.6"),
        (DATA["regression"], {"validation": float("nan")}, r"`validation` must be in \(0, 0.5\], got nan"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be(data: Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LossInputError, match=f"^compare: .*{message}"):
        split(data, **options)
