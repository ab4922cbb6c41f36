"""The figures of a profile, each with what it says and how it was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lossary.balance import class_weights

from . import models, statistics
from .confusion import confusion
from .kinds import Kind
from .reading import Array

Labels = NDArray[np.int64]
Rows = NDArray[np.int64]

_VARIES = 0.3
"""From this rank correlation on, loud regions would pass for outliers unless each residual is put to its own scale."""


@dataclass(frozen=True)
class Figure:
    """One number about the data."""

    value: float
    meaning: str
    """What it is, as the end of "this many/much ..."."""
    method: str
    """How it was measured, with the source where there is one."""


def measure_numbers(kind: Kind, y: Array, rows: Rows, x: Array | None) -> dict[str, Figure]:
    """Figures of a target of numbers; those of residuals on ``rows`` where there are features."""
    part = y[rows]
    fitted = None if x is None else models.centres(x, part)
    centre = np.full(len(part), np.median(part)) if fitted is None else fitted.values
    residuals = part - centre
    about = "the target about its median" if fitted is None else f"out-of-fold residuals of {fitted.model}"
    spread = {} if x is None else _spread_figures(x, residuals, centre)
    alike, how = residuals, about
    if x is not None and spread["heteroscedasticity"].value >= _VARIES:
        guess = models.spreads(x, residuals - np.median(residuals))
        alike = residuals / np.maximum(guess, 0.1 * np.median(guess))
        how = f"{about}, each divided by the size that a forest predicts for it, since the noise varies"
    found = _shape_figures(alike, how) | {
        "residual_scale": Figure(
            statistics.scale(residuals), "scale of the residuals", f"1.4826 median absolute deviations of {about}"
        )
    }
    found["target_scale"] = Figure(statistics.scale(y), "scale of the target", "1.4826 median absolute deviations")
    found["target_deviation"] = Figure(float(y.std()), "standard deviation of the target", "counted")
    found["target_skew"] = Figure(statistics.medcouple(y), "skew of the target", "medcouple, in [-1, 1]")
    found["zero_share"] = Figure(float((y == 0).mean()), "share of exact zeros", "counted")
    found["edge_share"] = Figure(_edge_share(y), "share of values piled up at the lowest or the highest", "counted")
    if y.min() > 0:
        low, high = np.quantile(y, (0.05, 0.95))
        found["magnitudes"] = Figure(
            float(np.log10(high / low)), "orders of magnitude that the middle 90% of the target span", "quantiles"
        )
    if x is not None:
        found |= spread
        found["explained"] = Figure(
            1.0 - min(statistics.scale(residuals) / max(found["target_scale"].value, 1e-300), 1.0),
            "share of the target's scale that a simple model takes away", about,
        )  # fmt: skip
        found["conflicts"] = _conflicts(x, part)
    if kind in ("count", "zero-inflated"):
        found |= _count_figures(part, x)
    return found


def _shape_figures(residuals: Array, about: str) -> dict[str, Figure]:
    wild = statistics.beyond_fences(residuals)
    return {
        "tails": Figure(
            statistics.tail_ratio(residuals), "times the middle 50% is the middle 95%; 2.9 for normal values",
            f"Crow and Siddiqui's ratio of {about}",
        ),
        "skew": Figure(statistics.medcouple(residuals), "skew of the residuals", f"medcouple of {about}"),
        "outlier_share": Figure(
            float(wild.mean()), "share of outliers; 0.7% for normal values",
            f"outside the fences of the skew-adjusted boxplot of {about}",
        ),
        "outlier_influence": Figure(
            statistics.influence(residuals, wild), "share of the squared error that outliers hold; 6% if normal",
            f"squared distances from the median, {about}",
        ),
    }  # fmt: skip


def _spread_figures(x: Array, residuals: Array, centre: Array) -> dict[str, Figure]:
    """Does the noise vary, with the features or with the prediction?"""
    sizes = np.abs(residuals - np.median(residuals))
    guess = models.spreads(x, residuals - np.median(residuals))
    quiet, loud = np.quantile(guess, (0.25, 0.75))
    calm = statistics.scale(residuals[guess <= quiet])
    return {
        "heteroscedasticity": Figure(
            statistics.rank_correlation(sizes, guess), "rank correlation of the residuals' size with its prediction",
            "out-of-fold forest on the absolute residuals, after Glejser 1969, doi:10.1080/01621459.1969.10500976",
        ),
        "spread_ratio": Figure(
            statistics.scale(residuals[guess >= loud]) / max(calm, 1e-300),
            "times the noise where it is calm is the noise where it is loud",
            "residual scale of the quarters with the largest and the smallest predicted size",
        ),
        "spread_with_mean": Figure(
            statistics.rank_correlation(sizes, centre), "rank correlation of the residuals' size with the prediction",
            "out-of-fold residuals",
        ),
    }  # fmt: skip


def _count_figures(y: Array, x: Array | None) -> dict[str, Figure]:
    """Against Poisson and negative binomial counts with the means that a model predicts."""
    fitted = None if x is None else models.means(x, y)
    mean = np.full(len(y), y.mean()) if fitted is None else fitted.values
    about = "one mean for all" if fitted is None else f"out-of-fold means of {fitted.model}"
    alpha = statistics.overdispersion(y, mean)
    found = {
        "dispersion": Figure(
            statistics.dispersion(y, mean), "times its mean is the target's variance; 1 for Poisson counts",
            f"squared residuals over {about}",
        ),
        "overdispersion": Figure(
            alpha, "alpha of a variance of mean + alpha mean²",
            f"Cameron and Trivedi 1990, doi:10.1016/0304-4076(90)90014-K, with {about}",
        ),
        "zero_excess": Figure(
            float((y == 0).mean()) - statistics.expected_zeros(mean, alpha),
            "share of zeros beyond what a negative binomial of these means and alpha has", f"counted, against {about}",
        ),
    }  # fmt: skip
    power = statistics.variance_power(y, mean)
    if np.isfinite(power):
        found["variance_power"] = Figure(
            power, "power of the mean with which the variance grows", f"ten groups, {about}"
        )
    return found


def measure_classes(y: Labels, rows: Rows, x: Array | None) -> tuple[dict[str, Figure], tuple[tuple[int, ...], ...]]:
    """Figures of a target of classes, and the groups of classes that a simple model confuses."""
    counts = np.bincount(y).astype(np.float64)
    weights = class_weights(torch.from_numpy(y), scheme="effective_number")
    found = {
        "classes": Figure(float(len(counts)), "classes", "counted"),
        "imbalance_ratio": Figure(float(counts.max() / counts.min()), "samples of the commonest class per rarest",
                                  "counted"),
        "rarest_count": Figure(float(counts.min()), "samples of the rarest class", "counted"),
        "effective_classes": Figure(
            statistics.effective_classes(counts), "classes of one size would be as varied", "exponential of the entropy"
        ),
        "effective_ratio": Figure(
            float(weights.max() / weights.min()), "times the weight of the commonest class is the rarest's",
            "effective numbers at beta 0.999, arXiv:1901.05555, eq. 2",
        ),
    }  # fmt: skip
    groups: tuple[tuple[int, ...], ...] = ()
    if x is not None and counts.min() >= 2:
        doubts, groups = _label_figures(y[rows], x, len(counts))
        found |= doubts
        found["conflicts"] = _conflicts(x, y[rows].astype(np.float64))
    return found, groups


def _label_figures(y: Labels, x: Array, classes: int) -> tuple[dict[str, Figure], tuple[tuple[int, ...], ...]]:
    fitted = models.probabilities(x, y)
    p, own = fitted.values, fitted.values[np.arange(len(y)), y]
    # Confident learning: a class is believed of a row where it is as probable as it is, on average, of its own rows.
    present = np.bincount(y, minlength=p.shape[1])
    usual = np.bincount(y, weights=own, minlength=p.shape[1]) / np.maximum(present, 1)
    believed = (p >= usual) & (present > 0)
    doubtful = believed.any(1) & (np.where(believed, p, -1.0).argmax(1) != y)
    about = f"out-of-fold predictions of {fitted.model}"
    found = {
        "disagreement": Figure(
            float((p.argmax(1) != y).mean()), "share of labels that a simple model does not predict", about
        ),
        "label_noise": Figure(
            float(doubtful.mean()), "share of labels that a simple model confidently contradicts",
            f"off the diagonal of the confident joint, arXiv:1911.00068, sec. 3.1, from {about}",
        ),
    }  # fmt: skip
    if classes < 3:
        return found, ()
    confused = confusion(y, p.argmax(1), classes)
    found["grouped_mistakes"] = Figure(
        confused.inside, "share of a simple model's mistakes that stay within groups of classes",
        f"classes joined where mistakes between them are more than luck, by {about}",
    )  # fmt: skip
    found["grouped_by_chance"] = Figure(
        confused.by_chance,
        "share that would, if mistakes fell between classes by their size",
        "products of class sizes",
    )
    return found, confused.groups


def measure_labels(y: NDArray[np.int64]) -> dict[str, Figure]:
    """Figures of a target of several labels."""
    positives = y.sum(0).astype(np.float64)
    rarer = np.minimum(positives, len(y) - positives)
    ratios = (len(y) - rarer) / rarer
    return {
        "classes": Figure(float(y.shape[1]), "labels", "counted"),
        "imbalance_ratio": Figure(float(np.median(ratios)), "samples of the commoner value for one of the rarer",
                                  "counted, the middle label"),
        "worst_ratio": Figure(float(ratios.max()), "samples of the commoner value for one of the rarer",
                              "counted, the most imbalanced label"),
        "rarest_count": Figure(float(rarer.min()), "samples of a label's rarest value",
                               "counted"),
        "cardinality": Figure(float(y.sum(1).mean()), "labels that a sample has on average", "counted"),
    }  # fmt: skip


def _conflicts(x: Array, y: Array) -> Figure:
    """The share of rows that another with the very same features contradicts."""
    _, group = np.unique(x, axis=0, return_inverse=True)
    group = group.reshape(-1)
    low, high = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    np.minimum.at(low, group, y)
    np.maximum.at(high, group, y)
    return Figure(
        float((low != high)[group].mean()), "share of rows that have a twin with another target", "exact duplicates"
    )


def _edge_share(y: Array) -> float:
    return float(max((y == y.min()).mean(), (y == y.max()).mean()))
