"""Is a difference between two losses real, or luck? Intervals and tests for scores of repeated cross-validation.

The scores of J splits are not independent: any two training sets share most of their samples, so that the variance of
the scores over the splits says too little about the variance of their mean. Nadeau and Bengio (Inference for the
generalization error, Machine Learning 52, 2003) therefore estimate the variance of the mean as

    (1 / J + n_test / n_train) * s²,        s² the sample variance of the J scores (denominator J - 1)

instead of ``s² / J``. Bouckaert and Frank (Evaluating the replicability of significance tests for comparing learning
algorithms, PAKDD 2004) apply it to r times repeated k-fold cross-validation with J = k * r and refer the mean divided
by its standard error to Student's t with J - 1 degrees of freedom. More repeats shrink the first term only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from lossary.core import LossInputError

from .result import Difference, Standing

__all__ = ["compare_pairs", "corrected_difference", "corrected_interval", "holm", "standing"]


def corrected_interval(
    values: Sequence[float], *, test_share: float, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of ``values``, one per split, and the two ends of its interval: ``(mean, low, high)``.

    ``test_share`` is ``n_test / n_train``, the size of a test fold over that of the rest: 1 / (k - 1) for k folds, 0
    for the ordinary interval of independent values.

    A NaN says that the metric is undefined on that split; it is left out. Equal values give an interval of zero width.
    One value says nothing about its spread, and an infinite one (a model that diverged) has no mean to be sure of:
    the ends are then ``-inf`` and ``inf``. Without any value the mean is NaN.
    """
    mean, error, degrees = _mean_and_error(_checked(values, test_share, level), test_share)
    return (mean, *_ends(mean, error, degrees, level))


def corrected_difference(
    first: Sequence[float], second: Sequence[float], *, test_share: float, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Mean of ``first - second`` over the splits, its interval, and the two-sided p-value of "they are equal".

    Returns ``(mean, low, high, p)``; ``test_share`` and the special values are as in :func:`corrected_interval`, with
    ``p = 1`` where the interval is endless. Scores that are equal on every split give ``p = 1``. Scores that differ by
    the same amount on every split give ``p = 0``: the estimated variance is 0, the statistic infinite. That is what
    the formula says, not certainty; with few splits and a coarse metric it can happen by chance, which is one reason
    to ask for a practically relevant difference as well (:func:`standing`).
    """
    if len(first) != len(second):
        raise LossInputError(
            f"corrected_difference: `second` must have as many values as `first`, {len(first)}, got {len(second)}."
        )
    differences = [_difference(one, other) for one, other in zip(first, second, strict=True)]
    differences = _checked(differences, test_share, level)
    mean, error, degrees = _mean_and_error(differences, test_share)
    return (mean, *_ends(mean, error, degrees, level), _p_value(mean, error, degrees))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given: the chance of any false alarm among all tests stays in bounds.

    The i-th smallest of m p-values is multiplied by ``m - i + 1`` and is at least the one before it and at most 1
    (Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979).
    """
    if not all(0.0 <= p <= 1.0 for p in p_values):
        raise LossInputError(f"holm: `p_values` must lie in [0, 1], got {list(p_values)}.")
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return adjusted


def standing(low: float, high: float, margin: float, p_adjusted: float, level: float = 0.95) -> Standing:
    """What an interval of a difference (positive: the first is better) says about two losses.

    "practically equal" where the whole interval lies in ``[-margin, margin]``, whatever the p-value: with enough
    splits a difference too small to matter becomes significant, and it still doesn't matter. Otherwise "better" or
    "worse" where the interval excludes 0 and ``p_adjusted < 1 - level``, and "undecided" where the data don't say, as
    with an endless interval.
    """
    if -margin <= low and high <= margin and math.isfinite(high - low):
        return "practically equal"
    if p_adjusted < 1.0 - level:
        if low > 0.0:
            return "better"
        if high < 0.0:
            return "worse"
    return "undecided"


def compare_pairs(
    scores: Mapping[str, Sequence[float]],
    *,
    metric: str,
    higher_is_better: bool,
    margin: float,
    test_share: float,
    level: float = 0.95,
) -> tuple[Difference, ...]:
    """Every pair of losses on one metric, positive where the loss that comes first is better.

    ``scores`` maps the label of a loss to its values, one per split, the same splits in the same order. Losses are
    ranked by their mean, the best first (equal means keep the given order, an undefined mean comes last), and each is
    paired with every one behind it. ``margin`` is in the units of the metric. The p-values are Holm-corrected over all
    pairs.
    """
    sign = 1.0 if higher_is_better else -1.0
    signed = {label: [sign * value for value in values] for label, values in scores.items()}
    means = {label: corrected_interval(values, test_share=test_share)[0] for label, values in signed.items()}
    ranked = sorted(signed, key=lambda label: math.inf if math.isnan(means[label]) else -means[label])
    pairs = list(combinations(ranked, 2))
    tests = [
        corrected_difference(signed[first], signed[second], test_share=test_share, level=level)
        for first, second in pairs
    ]
    adjusted = holm([p for *_, p in tests])
    return tuple(
        Difference(
            first=first,
            second=second,
            metric=metric,
            mean=mean,
            low=low,
            high=high,
            p=p,
            p_adjusted=p_adjusted,
            standing=standing(low, high, margin, p_adjusted, level),
        )
        for (first, second), (mean, low, high, p), p_adjusted in zip(pairs, tests, adjusted, strict=True)
    )


def _checked(values: Sequence[float], test_share: float, level: float) -> list[float]:
    """``values`` without NaN, once the other arguments are known to make sense."""
    if not 0.0 <= test_share < math.inf:
        raise LossInputError(f"compare: `test_share` must be at least 0, got {test_share}.")
    if not 0.0 < level < 1.0:
        raise LossInputError(f"compare: `level` must lie between 0 and 1, got {level}.")
    return [float(value) for value in values if not math.isnan(value)]


def _difference(first: float, second: float) -> float:
    """``first - second``; two that are infinite alike don't differ."""
    return 0.0 if first == second else first - second


def _mean_and_error(values: Sequence[float], test_share: float) -> tuple[float, float, int]:
    """Mean, its corrected standard error (infinite where it can't be estimated) and the degrees of freedom."""
    count = len(values)
    if count == 0:
        return math.nan, math.inf, 0
    if not all(math.isfinite(value) for value in values):
        return _infinite_mean(values), math.inf, count - 1
    if count == 1:
        return values[0], math.inf, 0
    if min(values) == max(values):  # their rounded mean may be one unit in the last place away, which is no spread
        return values[0], 0.0, count - 1
    mean = math.fsum(values) / count
    deviation = math.hypot(*(value - mean for value in values)) / math.sqrt(count - 1)
    return mean, deviation * math.sqrt(1.0 / count + test_share), count - 1


def _infinite_mean(values: Sequence[float]) -> float:
    """The mean of values of which some are infinite; NaN where infinities of both signs meet."""
    infinite = {value for value in values if math.isinf(value)}
    return infinite.pop() if len(infinite) == 1 else math.nan


def _ends(mean: float, error: float, degrees: int, level: float) -> tuple[float, float]:
    if math.isinf(error):
        return -math.inf, math.inf
    from scipy.special import stdtrit

    reach = float(stdtrit(degrees, 0.5 + level / 2.0)) * error
    return mean - reach, mean + reach


def _p_value(mean: float, error: float, degrees: int) -> float:
    if math.isinf(error) or mean == 0.0:
        return 1.0
    if error == 0.0:
        return 0.0
    from scipy.special import stdtr

    return 2.0 * float(stdtr(degrees, -abs(mean) / error))
