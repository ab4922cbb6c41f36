from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lossary.comparison.statistics import (
    compare_pairs,
    corrected_difference,
    corrected_interval,
    holm,
    standing,
)
from lossary.core import LossInputError

FIVE_FOLDS = 1 / 4  # n_test / n_train = 0.2 / 0.8


def test_corrected_difference_by_hand():
    # Differences 1, 2, 3, 4: mean 2.5, s² = 5/3. Variance of the mean (1/4 + 1/4) * 5/3 = 5/6, 3 degrees of freedom.
    # Two-sided 5% point of Student's t with 3 degrees of freedom from a printed table: 3.182.
    mean, low, high, p = corrected_difference([11.0, 22.0, 33.0, 44.0], [10.0, 20.0, 30.0, 40.0], test_share=FIVE_FOLDS)
    assert mean == pytest.approx(2.5)
    assert high - mean == pytest.approx(3.182 * math.sqrt(5 / 6), rel=2e-4)
    assert mean - low == pytest.approx(high - mean)
    # F(t) of Student's t with 3 degrees of freedom: 1/2 + (x / (1 + x²) + atan x) / pi with x = t / sqrt 3.
    x = 2.5 / math.sqrt(5 / 6) / math.sqrt(3)
    assert p == pytest.approx(2 * (1 - (0.5 + (x / (1 + x * x) + math.atan(x)) / math.pi)), rel=1e-9)


def test_without_overlap_it_is_the_ordinary_paired_t_test():
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.1, 1.0, 12), generator.normal(0.0, 1.0, 12)
    mean, low, high, p = corrected_difference(first, second, test_share=0.0, level=0.9)
    oracle = stats.ttest_rel(first, second)
    interval = oracle.confidence_interval(0.9)
    assert (mean, low, high, p) == pytest.approx(
        (np.mean(first - second), interval.low, interval.high, oracle.pvalue), rel=1e-9
    )


def test_interval_is_the_difference_from_zero():
    values = [0.7, 0.9, 0.8, 0.75, 0.85]
    assert corrected_interval(values, test_share=0.1) == corrected_difference(values, [0.0] * 5, test_share=0.1)[:3]


def test_repeats_do_not_buy_certainty_without_end():
    """The term n_test / n_train stays, however often the cross-validation is repeated."""
    widths = []
    for repeats in (1, 10, 1000):
        values = [0.0, 1.0, 2.0, 3.0, 4.0] * repeats
        _, low, high = corrected_interval(values, test_share=FIVE_FOLDS)
        widths.append(high - low)
    # s² of 0..4 repeated without end is 2, the 97.5% point of the normal distribution 1.96.
    assert widths[0] > widths[1] > widths[2] > 2 * 1.9599 * math.sqrt(0.25 * 2)
    assert widths[2] == pytest.approx(2 * 1.9599 * math.sqrt(0.25 * 2), rel=1e-3)


def false_alarms(test_share: float, *, studies: int = 1000, splits: int = 10) -> float:
    """Share of studies in which two equal losses look different, where the scores of splits correlate as in CV.

    The scores of any two splits have the correlation n_test / (n_test + n_train), for which the correction is exact
    (Nadeau & Bengio 2003).
    """
    generator = np.random.default_rng(1)
    rho = 1 / 5
    shared = generator.normal(size=(studies, 1))
    scores = math.sqrt(rho) * shared + math.sqrt(1 - rho) * generator.normal(size=(studies, splits))
    zeros = [0.0] * splits
    p_values = [corrected_difference(row, zeros, test_share=test_share)[3] for row in scores]
    return float(np.mean(np.array(p_values) < 0.05))


def test_false_alarms_are_as_rare_as_promised():
    # The standard error of a share of 5% over 1000 studies is 0.7%.
    assert 0.03 < false_alarms(FIVE_FOLDS) < 0.07
    assert false_alarms(0.0) > 0.2  # what the ordinary t-test does with such scores


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], (0.0, 0.0, 0.0, 1.0)),
        ([0.1, 0.1, 0.1], [0.1, 0.1, 0.1], (0.0, 0.0, 0.0, 1.0)),
        ([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], (1.0, 1.0, 1.0, 0.0)),
        ([0.5], [0.25], (0.25, -math.inf, math.inf, 1.0)),
        ([0.5, math.nan, 1.5], [0.0, 9.0, 1.0], (0.5, 0.5, 0.5, 0.0)),
        ([math.inf, 1.0], [1.0, 2.0], (math.inf, -math.inf, math.inf, 1.0)),
        ([math.inf, 1.0], [math.inf, 1.0], (0.0, 0.0, 0.0, 1.0)),
    ],
    ids=["equal", "constant", "shifted", "one split", "undefined split", "diverged", "diverged alike"],
)
def test_degenerate_differences(first, second, expected):
    assert corrected_difference(first, second, test_share=FIVE_FOLDS) == expected


@pytest.mark.parametrize("first", [[], [math.nan], [math.inf, -math.inf]], ids=["none", "undefined", "contradictory"])
def test_a_mean_that_does_not_exist_is_nan(first):
    mean, low, high = corrected_interval(first, test_share=FIVE_FOLDS)
    assert math.isnan(mean)
    assert (low, high) == (-math.inf, math.inf)


@given(
    st.lists(st.tuples(*[st.floats(-1e150, 1e150)] * 2), min_size=1, max_size=12),
    st.floats(0.0, 9.0),
)
def test_finite_scores_never_give_nan(pairs, test_share):
    first, second = zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, low, high, p = corrected_difference(first, second, test_share=test_share)
    assert low <= mean <= high
    assert 0.0 <= p <= 1.0


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(LossInputError, match=r"`second` must have as many values as `first`, 2, got 1"):
        corrected_difference([1.0, 2.0], [1.0], test_share=0.2)
    with pytest.raises(LossInputError, match=r"`test_share` must be at least 0, got -0.1"):
        corrected_interval([1.0, 2.0], test_share=-0.1)
    with pytest.raises(LossInputError, match=r"`level` must lie between 0 and 1, got 95"):
        corrected_interval([1.0, 2.0], test_share=0.2, level=95)
    with pytest.raises(LossInputError, match=r"`p_values` must lie in \[0, 1\], got \[0.1, nan\]"):
        holm([0.1, math.nan])


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04; the last rises to the one before.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),  # 2 * 0.5 = 1, and the second can't be less
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_holm(p_values, expected):
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "p_adjusted", "expected"),
    [
        (0.5, 2.0, 0.01, "better"),
        (-2.0, -0.5, 0.01, "worse"),
        (-0.05, 0.09, 0.6, "practically equal"),
        (0.01, 0.09, 0.001, "practically equal"),  # significant, and too small to matter
        (0.01, 0.11, 0.001, "better"),
        (0.5, 2.0, 0.2, "undecided"),  # lost its significance to the correction
        (-1.0, 2.0, 0.4, "undecided"),
        (-math.inf, math.inf, 1.0, "undecided"),
    ],
)
def test_standing(low, high, p_adjusted, expected):
    assert standing(low, high, 0.1, p_adjusted) == expected


def test_standing_at_the_ends_of_the_margin():
    assert standing(0.0, 0.0, 0.0, 1.0) == "practically equal"  # identical losses, no margin
    assert standing(-math.inf, math.inf, math.inf, 1.0) == "undecided"  # nothing is known, though nothing matters


def test_compare_pairs_ranks_and_signs_errors():
    scores = {
        "poor": [9.0, 9.5, 10.0, 9.2, 9.4],
        "best": [1.0, 1.4, 2.1, 1.3, 1.2],
        "twin": [1.01, 1.41, 2.11, 1.31, 1.21],
        "undefined": [math.nan] * 5,
    }
    found = compare_pairs(scores, metric="rmse", higher_is_better=False, margin=0.05, test_share=FIVE_FOLDS)
    assert [(pair.first, pair.second) for pair in found] == [
        ("best", "twin"), ("best", "poor"), ("best", "undefined"),
        ("twin", "poor"), ("twin", "undefined"), ("poor", "undefined"),
    ]  # fmt: skip
    assert [pair.standing for pair in found] == [
        "practically equal", "better", "undecided", "better", "undecided", "undecided",
    ]  # fmt: skip
    twin, poor = found[0], found[1]
    assert {pair.metric for pair in found} == {"rmse"}
    assert twin.mean == pytest.approx(0.01)
    assert poor.mean == pytest.approx(9.42 - 1.4)  # errors: the first is better, so the difference is positive
    # Holm: of six p-values the one of best against poor is among the smallest, and each is adjusted by its place.
    assert [pair.p_adjusted for pair in found] == holm([pair.p for pair in found])


def test_compare_pairs_where_higher_is_better():
    scores = {"low": [0.1, 0.2, 0.15], "high": [0.8, 0.95, 0.9]}
    (pair,) = compare_pairs(scores, metric="accuracy", higher_is_better=True, margin=0.01, test_share=FIVE_FOLDS)
    assert (pair.first, pair.second, pair.standing) == ("high", "low", "better")
    assert pair.mean == pytest.approx((2.65 - 0.45) / 3)
    assert pair.p_adjusted == pair.p


def test_one_loss_has_no_pairs():
    assert compare_pairs({"only": [1.0, 2.0]}, metric="mae", higher_is_better=False, margin=0.1, test_share=0.2) == ()
