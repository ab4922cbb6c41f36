"""Figures of a sample that a few wild values can't move: scale, skew, tails, fences; and of counts and classes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NORMAL_TAILS = 2.906
"""What :func:`tail_ratio` is for a normal distribution: 1.960 / 0.6745."""

_MOST_FOR_MEDCOUPLE = 801


def scale(x: Array) -> float:
    """The median distance from the median times 1.4826, which is the standard deviation of normal values.

    Where more than half of the values are equal that is 0, and the interquartile range over 1.349 takes its place,
    then the standard deviation.

    >>> round(scale(np.array([1.0, 2.0, 3.0, 4.0, 1000.0])), 4)
    1.4826
    """
    distance = float(np.median(np.abs(x - np.median(x)))) * 1.4826
    low, high = np.quantile(x, (0.25, 0.75))
    return distance or float(high - low) / 1.349 or float(np.std(x))


def medcouple(x: Array) -> float:
    """Skew in [-1, 1], 0 for symmetric values (Brys, Hubert and Struyf 2004, doi:10.1198/106186004X12632).

    The median over pairs below and above the median of how much farther the upper one lies from it. Of more than 801
    values, 801 evenly spaced quantiles are taken; the pairs are quadratic in their number.

    >>> medcouple(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    0.0
    """
    if len(x) > _MOST_FOR_MEDCOUPLE:
        x = np.quantile(x, (np.arange(_MOST_FOR_MEDCOUPLE) + 0.5) / _MOST_FOR_MEDCOUPLE)
    centred = np.sort(x) - np.median(x)
    low, high = centred[centred <= 0], centred[centred >= 0]
    gap = high[:, None] - low[None, :]
    # Pairs of two values at the median have no gap; by the paper's kernel they are 1, 0 and -1 equally often.
    kernel = np.divide(high[:, None] + low[None, :], gap, out=np.zeros_like(gap), where=gap > 0)
    return float(np.median(kernel))


def tail_ratio(x: Array) -> float:
    """The middle 95% over the middle 50%: 2.9 for normal values, 4.3 for Laplace's, 12.7 for Cauchy's.

    Crow and Siddiqui's measure of tails as in Kim and White 2004, doi:10.1016/S1544-6123(03)00003-5; not a number
    where half of the values are equal.
    """
    outer_low, low, high, outer_high = np.quantile(x, (0.025, 0.25, 0.75, 0.975))
    return float((outer_high - outer_low) / (high - low)) if high > low else math.nan


def beyond_fences(x: Array) -> NDArray[np.bool_]:
    """Which values lie outside the whiskers of a boxplot that allows for skew; 0.7% of normal values do.

    Hubert and Vandervieren 2008, doi:10.1016/j.csda.2007.11.008: with the medcouple M at least 0, below
    Q1 - 1.5 exp(-4 M) IQR or above Q3 + 1.5 exp(3 M) IQR; mirrored where M is below 0.
    """
    low, high = np.quantile(x, (0.25, 0.75))
    spread = high - low or 1.349 * scale(x)
    m = medcouple(x)
    down, up = (-4.0, 3.0) if m >= 0 else (-3.0, 4.0)
    below: NDArray[np.bool_] = x < low - 1.5 * math.exp(down * m) * spread
    above: NDArray[np.bool_] = x > high + 1.5 * math.exp(up * m) * spread
    return below | above


def influence(x: Array, chosen: NDArray[np.bool_]) -> float:
    """The share of all squared distances from the median that the chosen values hold.

    >>> influence(np.array([-1.0, 0.0, 1.0, 0.0, 7.0]), np.array([False, False, False, False, True]))
    0.9607843137254902
    """
    squares = (x - np.median(x)) ** 2
    return float(squares[chosen].sum() / max(squares.sum(), 1e-300))


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's; 0 where one of them is constant.

    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 8.0, 27.0])), 12)
    1.0
    """
    ranks = [_ranks(a), _ranks(b)]
    if min(r.std() for r in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def dispersion(y: Array, mean: Array) -> float:
    """Squared residuals over means, both summed: 1 for Poisson counts, more for overdispersed ones.

    >>> dispersion(np.array([0.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.0]))
    1.3333333333333333
    """
    return float(((y - mean) ** 2).sum() / max(mean.sum(), 1e-300))


def overdispersion(y: Array, mean: Array) -> float:
    """The alpha of a variance of mean + alpha mean², by moments, at least 0.

    The slope of ((y - mean)² - y) / mean on the mean, through the origin: the auxiliary regression of Cameron and
    Trivedi 1990, doi:10.1016/0304-4076(90)90014-K.
    """
    safe = np.maximum(mean, 1e-12)
    return max(float(((y - mean) ** 2 - y).sum() / (safe**2).sum()), 0.0)


def expected_zeros(mean: Array, alpha: float) -> float:
    """The share of zeros among negative binomial counts with these means; Poisson at ``alpha`` 0.

    >>> round(expected_zeros(np.array([1.0]), 0.0), 4), expected_zeros(np.array([1.0]), 1.0)
    (0.3679, 0.5)
    """
    if alpha < 1e-9:
        return float(np.exp(-mean).mean())
    return float(np.exp(-np.log1p(alpha * mean) / alpha).mean())


def variance_power(y: Array, mean: Array, groups: int = 10) -> float:
    """The p of a variance that grows as mean^p: the slope of log variance on log mean over groups of like means.

    Not a number where the means hardly differ (Taylor 1961, doi:10.1038/189732a0).
    """
    order = np.argsort(mean, kind="stable")
    parts = [part for part in np.array_split(order, groups) if len(part) > 2]
    means = np.array([y[part].mean() for part in parts])
    variances = np.array([((y[part] - mean[part]) ** 2).mean() for part in parts])
    sound = (means > 0) & (variances > 0)
    if sound.sum() < 4 or np.ptp(np.log(means[sound])) < 0.7:
        return math.nan
    return float(np.polyfit(np.log(means[sound]), np.log(variances[sound]), 1)[0])


def effective_classes(counts: Array) -> float:
    """The exponential of the entropy of the shares: how many classes of equal size would be as varied.

    >>> effective_classes(np.array([10.0, 10.0, 0.0]))
    2.0
    """
    shares = counts[counts > 0] / counts.sum()
    return float(round(np.exp(-(shares * np.log(shares)).sum()), 12))


def _ranks(x: Array) -> Array:
    """Ranks from 0, ties at their mean."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - 1 - (counts - 1) / 2)[inverse].astype(np.float64)
    return ranks
