"""Figures of samples against what is known of their distributions."""

import numpy as np
import pytest
from scipy import stats

from lossary.recommendation import statistics as s

QUANTILES = (np.arange(4000) + 0.5) / 4000
"""Levels at which a distribution's quantiles are the distribution, all but for the last tails."""


@pytest.mark.parametrize(
    ("law", "ratio"),
    [(stats.norm, 2.906), (stats.laplace, 4.322), (stats.cauchy, 12.706)],
    ids=["normal", "laplace", "cauchy"],
)
def test_tails(law, ratio):
    """Quotients of quantiles: 1.96 / 0.6745, ln 20 / ln 2, tan(0.475 pi) / 1."""
    assert s.tail_ratio(law.ppf(QUANTILES)) == pytest.approx(ratio, rel=5e-3)


def test_scale_is_the_standard_deviation_of_normal_values_and_unmoved_by_outliers():
    x = 5.0 + 2.0 * stats.norm.ppf(QUANTILES)
    assert s.scale(x) == pytest.approx(2.0, rel=1e-3)
    x[:200] = 1e9
    assert s.scale(x) == pytest.approx(2.0, rel=0.15)
    assert s.scale(np.array([0.0] * 6 + [1.0, 2.0, 3.0, 4.0])) > 0  # more than half equal


def test_medcouple():
    """Odd in reflection, blind to location and scale; by hand for five values."""
    x = stats.expon.ppf(QUANTILES[::10])
    assert s.medcouple(x) == pytest.approx(-s.medcouple(-x), abs=1e-12)
    assert s.medcouple(x) == pytest.approx(s.medcouple(3.0 * x - 8.0), abs=1e-12)
    assert s.medcouple(x) > 0.25
    # About the median 2: kernels of the low -2 -1 0 with the high 0, 1 and 8 are -1 -1 0, -1/3 0 1, 3/5 7/9 1.
    assert s.medcouple(np.array([0.0, 1.0, 2.0, 3.0, 10.0])) == pytest.approx(0.0)
    # And with the high 0, 7 and 8: -1 -1 0, 5/9 3/4 1, 3/5 7/9 1.
    assert s.medcouple(np.array([0.0, 1.0, 2.0, 9.0, 10.0])) == pytest.approx(3 / 5)


def test_many_values_have_the_medcouple_of_their_quantiles():
    x = stats.lognorm(1.0).ppf(QUANTILES)
    assert s.medcouple(x) == pytest.approx(s.medcouple(x[2::5]), abs=0.01)


def test_fences_leave_out_what_the_boxplot_does():
    """For normal values the medcouple is 0 and the fences are at 2.698 standard deviations: 0.7% lie beyond."""
    x = stats.norm.ppf(QUANTILES)
    assert s.beyond_fences(x).mean() == pytest.approx(2 * stats.norm.sf(2.698), abs=5e-4)
    assert s.influence(x, s.beyond_fences(x)) == pytest.approx(0.063, abs=0.005)  # 2 (2.698 phi(2.698) + Q(2.698))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fences_allow_for_skew(sign):
    x = sign * stats.expon.ppf(QUANTILES)
    low, high = np.quantile(x, (0.25, 0.75))
    plain = (x < low - 1.5 * (high - low)) | (x > high + 1.5 * (high - low))
    assert plain.mean() > 0.04 and s.beyond_fences(x).mean() < 0.01


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 5, size=60).astype(float)
    b = a + rng.normal(size=60)
    assert s.rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert s.rank_correlation(a, np.ones(60)) == 0.0


def test_negative_binomial_figures_recover_alpha():
    """Variance mean + 0.5 mean², as drawn; and its share of zeros is the distribution's."""
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(size=200_000) * 0.5)
    y = rng.poisson(mean * rng.gamma(2.0, 0.5, size=len(mean))).astype(float)
    alpha = s.overdispersion(y, mean)
    assert alpha == pytest.approx(0.5, abs=0.03)
    assert s.expected_zeros(mean, alpha) == pytest.approx((y == 0).mean(), abs=0.004)
    assert s.overdispersion(rng.poisson(mean).astype(float), mean) == pytest.approx(0.0, abs=0.02)
    assert s.dispersion(rng.poisson(mean).astype(float), mean) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("power", "shape"), [(1.0, None), (2.0, 4.0)])
def test_variance_power(power, shape):
    """1 for Poisson, 2 for gamma: their variance functions."""
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(size=50_000))
    y = rng.poisson(mean) if shape is None else mean * rng.gamma(shape, 1 / shape, size=len(mean))
    assert s.variance_power(y.astype(float), mean) == pytest.approx(power, abs=0.1)
    assert np.isnan(s.variance_power(y.astype(float), np.ones(len(y))))


def test_effective_classes():
    assert s.effective_classes(np.array([5.0, 5.0, 5.0, 5.0])) == pytest.approx(4.0)
    assert s.effective_classes(np.array([99.0, 1.0])) == pytest.approx(
        np.exp(-(0.99 * np.log(0.99) + 0.01 * np.log(0.01)))
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fences_are_where_the_paper_puts_them(sign):
    """Q3 + 1.5 exp(3 M) IQR and Q1 - 1.5 exp(-4 M) IQR, the other way round for the reflection."""
    x = stats.expon.ppf(QUANTILES[::10])
    low, high = np.quantile(x, (0.25, 0.75))
    m = s.medcouple(x)
    edges = np.array([low - 1.5 * np.exp(-4 * m) * (high - low), high + 1.5 * np.exp(3 * m) * (high - low)])
    expected = (x < edges[0]) | (x > edges[1])
    assert expected.any()
    assert (s.beyond_fences(sign * x) == expected).all()
