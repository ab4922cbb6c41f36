"""What the model sees: scaled and encoded by the training rows, and by nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lossary.comparison.columns import MOST_CATEGORIES
from lossary.comparison.data import Dataset, from_arrays
from lossary.comparison.preparation import Prepared, prepare
from lossary.comparison.splits import make_splits

N = 40
Y = np.linspace(-3.5, 9.0, N)
TRAIN = np.arange(30)
OUTSIDE = np.arange(30, N)


def prepared(features: Any, target: Any = Y, train: np.ndarray = TRAIN) -> Prepared:
    return prepare(from_arrays(features, target), train)


def mixed(seed: int = 0) -> pd.DataFrame:
    """Numbers with and without gaps, categories few and many."""
    generator = np.random.default_rng(seed)
    size = generator.lognormal(size=N)
    return pd.DataFrame(
        {
            "size": size,
            "age": np.where(generator.random(N) < 0.3, np.nan, generator.normal(size=N)),
            "count": generator.integers(0, 3, N),
            "colour": generator.choice(["red", "blue", None], N),
            "town": [f"t{number // 2}" for number in range(N)],
        }
    )


def many(towns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"town": towns})


def test_numbers_are_standardised_by_the_training_rows() -> None:
    features = np.random.default_rng(0).normal(5.0, 3.0, size=(1000, 2))
    train = np.arange(800)
    scaled = prepared(features, np.arange(1000) / 7, train).features
    assert scaled.dtype == np.float32
    # The ends are drawn in to the 1% and 99% quantile, which leaves 0.97 of a normal's standard deviation (by
    # integration: sqrt(1 - 0.0623) with both tails of 1% moved to 2.326).
    np.testing.assert_allclose(scaled[train].std(axis=0), 1 / 0.968, atol=0.02)
    np.testing.assert_allclose(scaled[train].mean(axis=0), 0.0, atol=0.01)
    linear = np.polyfit(features[:, 0], scaled[:, 0], 1)
    np.testing.assert_allclose(scaled[:, 0], np.polyval(linear, features[:, 0]), atol=1e-5)


def test_a_hand_made_column() -> None:
    # 0 and 4 fifteen times each in training: mean 2, standard deviation 2; outside 10 becomes (10 - 2) / 2
    column = np.append(np.tile([0.0, 4.0], 15), np.full(10, 10.0))
    scaled = prepared(column[:, None]).features[:, 0]
    np.testing.assert_allclose(scaled, [-1.0, 1.0] * 15 + [4.0] * 10)


def test_an_absurd_value_does_not_flatten_the_others() -> None:
    column = np.random.default_rng(0).normal(size=1000)
    column[7] = 1e30
    scaled = prepared(column[:, None], np.arange(1000) / 7, np.arange(1000)).features[:, 0]
    assert scaled[7] == 10.0
    assert np.delete(scaled, 7).std() == pytest.approx(1.0, abs=0.1)


def test_a_rare_value_stays_visible() -> None:
    column = np.zeros(1000)
    column[:3] = 1.0  # fewer than 1%
    scaled = prepared(column[:, None], np.arange(1000) / 7, np.arange(1000)).features[:, 0]
    assert scaled[0] == 10.0  # (1 - 0.003) / sqrt(0.003 * 0.997) = 18.2, drawn in
    assert scaled[3] == pytest.approx(-0.003 / np.sqrt(0.003 * 0.997))


def test_large_offsets_keep_their_differences() -> None:
    seconds = 1.6e9 + np.tile([0.0, 4.0], N // 2)  # float32 would round both to the same number
    np.testing.assert_allclose(prepared(seconds[:, None]).features[:, 0], [-1.0, 1.0] * (N // 2))


def test_a_missing_number_becomes_the_median_of_the_training_rows_and_is_marked() -> None:
    column = np.append(np.tile([0.0, 1.0, 5.0], 10), np.full(10, 99.0))
    column[[0, 35]] = np.nan
    scaled = prepared(column[:, None]).features
    assert scaled.shape == (N, 2)
    np.testing.assert_array_equal(scaled[[0, 35], 0], scaled[[1, 1], 0])  # 1 is the median
    np.testing.assert_array_equal(np.flatnonzero(scaled[:, 1]), [0, 35])
    assert scaled[0, 1] == 1.0


def test_categories_get_a_column_each_and_missing_one_more() -> None:
    colours = ["red", "blue", None, "blue"] * 10
    encoded = prepared(pd.DataFrame({"colour": colours})).features
    np.testing.assert_array_equal(encoded[:4], [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]])
    assert encoded.dtype == np.float32


def test_a_category_that_training_lacks_is_a_row_of_zeros() -> None:
    encoded = prepared(pd.DataFrame({"colour": ["red", "blue"] * 15 + ["green", None] * 5})).features
    assert encoded.shape == (N, 4)
    assert (encoded[TRAIN].sum(axis=1) == 1).all()
    assert not encoded[OUTSIDE].any()


def test_what_does_not_vary_in_training_is_zero_everywhere() -> None:
    features = pd.DataFrame(
        {
            "constant": np.append(np.full(30, 0.1), np.full(10, 500.0)),
            "late": np.append(np.full(30, np.nan), np.arange(10)),
            "gaps": np.append(np.arange(30), np.full(10, np.nan)),
        }
    )
    scaled = prepared(features).features
    assert scaled.shape == (N, 5)  # three numbers, and whether "late" and "gaps" are missing
    np.testing.assert_array_equal(scaled.any(axis=0), [False, False, True, False, False])


def test_the_most_frequent_categories_in_training_are_kept() -> None:
    towns = [f"t{number:03}" for number in range(70)]
    # In training t069 occurs three times, t060..t068 twice, the others once; outside t000 is by far the most frequent.
    training = [*towns, *towns[60:], "t069"]
    outside = ["t000"] * 50
    data = from_arrays(many([*training, *outside]), np.arange(len(training) + 50) / 7)
    encoded = prepare(data, np.arange(len(training))).features
    assert encoded.shape[1] == MOST_CATEGORIES
    first = {town: int(encoded[row].argmax()) for row, town in enumerate(training) if encoded[row].any()}
    expected = ["t069", *towns[60:69], *towns[:40]]  # by frequency, then by the alphabet
    assert sorted(first, key=first.__getitem__) == expected


def test_the_width_is_the_same_for_every_split() -> None:
    data = from_arrays(mixed(), Y)
    splits = make_splits(data, repeats=3, folds=10, validation=0.5, seed=0)
    # 3 numbers, 1 with gaps, 3 colours with "missing", 20 towns
    assert {prepare(data, split.train).features.shape for split in splits} == {(N, 3 + 1 + 3 + 20)}
    wide = from_arrays(many([f"t{number // 2}" for number in range(120)]), np.arange(120) / 7)
    splits = make_splits(wide, repeats=1, folds=3, validation=0.5, seed=0)
    assert any(len(set(wide.features["town"].iloc[split.train])) < MOST_CATEGORIES for split in splits)
    assert {prepare(wide, split.train).features.shape[1] for split in splits} == {MOST_CATEGORIES}


def used(one: Prepared) -> np.ndarray:
    """The training rows without the columns that are 0 there, which are only there for other rows."""
    train = one.features[TRAIN]
    return train[:, train.any(axis=0)]


CHANGES = {
    "numbers": {"size": 1e9, "age": -1e9, "count": 77},
    "gaps": {"size": np.nan, "age": np.nan, "count": np.nan, "colour": None, "town": None},
    "known categories": {"colour": "red", "town": "t0"},
    "new categories": {"colour": "azure", "town": "aachen"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_outside_training_never_change_what_training_sees(change: str) -> None:
    features = mixed().astype({"count": float})
    target = Y.copy()
    before = prepared(features, target)
    for name, value in CHANGES[change].items():
        features.loc[OUTSIDE, name] = value
    target[OUTSIDE] = 1e6
    after = prepared(features, target)
    assert used(before).shape[1] >= 3 + 1 + 3 + 15
    np.testing.assert_array_equal(used(before), used(after))
    np.testing.assert_array_equal(before.target[TRAIN], after.target[TRAIN])
    assert (before.centre, before.scale) == (after.centre, after.scale)
    assert not np.array_equal(before.target[OUTSIDE], after.target[OUTSIDE])


def test_many_categories_outside_training_never_change_what_training_sees() -> None:
    # 60 towns, all in training; outside, their frequencies are turned round
    training = [f"t{number:02}" for number in range(60)] + [f"t{number:02}" for number in range(0, 60, 2)]
    odd = [f"t{number:02}" for number in range(1, 60, 2)]
    train = np.arange(len(training))
    target = np.arange(len(training) + 300) / 7
    one, other = (
        prepare(from_arrays(many([*training, *outside]), target), train).features[train]
        for outside in (["t00"] * 300, odd * 10)
    )
    np.testing.assert_array_equal(one, other)


def test_a_regression_target_is_standardised_and_returns_to_its_units() -> None:
    one = prepared(np.arange(N)[:, None])
    assert one.target.dtype == np.float32
    assert one.target[TRAIN].mean() == pytest.approx(0.0, abs=1e-6)
    assert one.target[TRAIN].std() == pytest.approx(1.0)
    np.testing.assert_allclose(one.target * one.scale + one.centre, Y, rtol=1e-6, atol=1e-6)
    assert (one.centre, one.scale) == (pytest.approx(Y[TRAIN].mean()), pytest.approx(Y[TRAIN].std()))


@pytest.mark.parametrize("tiny", [1e-15, 1e-30])
def test_tiny_units_are_units_too(tiny: float) -> None:
    one = prepared(np.arange(N)[:, None] * tiny, Y * tiny)
    assert one.target[TRAIN].std() == pytest.approx(1.0)
    assert one.features[TRAIN].std() == pytest.approx(1.0, abs=0.05)


def test_a_target_that_is_constant_in_training_is_only_centred() -> None:
    one = prepared(np.arange(N)[:, None], np.append(np.full(30, 0.1), Y[30:]))
    assert one.scale == 1.0
    np.testing.assert_allclose(one.target, np.append(np.zeros(30), Y[30:] - 0.1), atol=1e-6)


@pytest.mark.parametrize(
    ("target", "dtype"),
    [
        ([0, 1] * 20, np.float32),
        (["a", "b", "c", "d"] * 10, np.int64),
        ([[0, 1], [1, 1]] * 10 + [[0, 0], [1, 0]] * 10, np.float32),
    ],
)
def test_classes_are_given_as_the_losses_take_them(target: Any, dtype: Any) -> None:
    data: Dataset = from_arrays(np.arange(N)[:, None], target)
    one = prepare(data, TRAIN)
    assert one.target.dtype == dtype
    np.testing.assert_array_equal(one.target, data.target)
    assert (one.centre, one.scale) == (0.0, 1.0)


def test_nothing_is_left_that_a_model_cannot_take() -> None:
    features = mixed()
    features.loc[3, "size"] = 3e38
    one = prepared(features)
    assert np.isfinite(one.features).all()
    assert abs(one.features).max() <= 10.0
