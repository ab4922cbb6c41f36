"""What is measured on predictions. Twice: by scikit-learn on a test fold, and in batches of trials for early stopping.

Classification scores are logits. A metric that averages over classes or labels averages over those that occur in the
target; one that no class can define (the AUROC of a fold with one class, the R² of a constant target) is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lossary.core import UnknownNameError

from .batched_metrics import (
    BINARY_MEASURES,
    CALIBRATION_BINS,
    LOG_ODDS_DECIMALS,
    MULTICLASS_MEASURES,
    MULTILABEL_MEASURES,
    ORDINAL_MEASURES,
    REGRESSION_MEASURES,
    Measure,
    auroc,
    multilabel_auroc,
    reciprocal_rank,
)
from .result import Errors
from .targets import BINARY, MULTI_CLASS, MULTI_LABEL, ONE_CLASS, ORDINAL, REGRESSION, TASKS

__all__ = ["DEFAULT_METRIC", "METRICS", "Metric", "SelectionScore", "error_profile", "evaluate", "metrics_of",
           "selection_score"]  # fmt: skip

Floats = NDArray[np.float64]
SelectionScore = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From target (t, n, ...), scores (t, n, ...) and valid (t, n) of t trials to one score each (t,)."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to measure predictions against the truth."""

    name: str
    title: str
    """As it stands within a sentence: "RMSE", "balanced accuracy"."""
    tasks: tuple[str, ...]
    higher_is_better: bool
    margin: float
    """A smaller difference is of no practical interest."""
    margin_is_relative: bool = False
    """Whether ``margin`` is a share of the best loss's score; for metrics in the units of the target."""
    uses: Literal["point", "probability", "ranking"]
    """What it looks at: the decision or prediction itself, the probabilities, or only their order."""

    @property
    def perfect(self) -> float:
        """What a faultless model scores."""
        return 1.0 if self.higher_is_better else 0.0

    @property
    def failed(self) -> float:
        """What a model scores whose output is not finite."""
        return -math.inf if self.higher_is_better else math.inf

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value that it can have."""
        if not self.higher_is_better:
            return 0.0, math.inf
        return (-math.inf if self.name == "r2" else 0.0), 1.0

    def margin_at(self, best: float) -> float:
        """The margin in units of the metric, where the best loss scores ``best``."""
        return self.margin * abs(best) if self.margin_is_relative else self.margin


def _error(name: str, title: str, task: str = REGRESSION) -> Metric:
    """An error in the units of the target."""
    return Metric(name=name, title=title, tasks=(task,), higher_is_better=False, margin=0.01,
                  margin_is_relative=True, uses="point")  # fmt: skip


def _quality(name: str, title: str, uses: Literal["point", "ranking"], *tasks: str) -> Metric:
    """A share, at best 1. One percent is the region of practical equivalence of Benavoli et al. (Time for a change: a
    tutorial for comparing multiple classifiers through Bayesian analysis, JMLR 18:77, 2017)."""
    return Metric(name=name, title=title, tasks=tasks, higher_is_better=True, margin=0.01, uses=uses)


def _misfit(name: str, title: str, margin: float, *tasks: str) -> Metric:
    """How far the probabilities are off."""
    return Metric(name=name, title=title, tasks=tasks, higher_is_better=False, margin=margin, uses="probability")


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _error("rmse", "RMSE"),
        _error("mae", "MAE"),
        _error("median_ae", "median absolute error"),
        _quality("r2", "R²", "point", REGRESSION),
        _error("pinball_10", "pinball loss at 10%"),
        _error("pinball_90", "pinball loss at 90%"),  # the one at 50% is half the MAE
        _error("rank_mae", "error in classes", ORDINAL),
        _quality("accuracy", "accuracy", "point", *ONE_CLASS),
        _quality("subset_accuracy", "subset accuracy", "point", MULTI_LABEL),
        _quality("balanced_accuracy", "balanced accuracy", "point", *ONE_CLASS),
        _quality("macro_f1", "macro F1", "point", *ONE_CLASS, MULTI_LABEL),
        _quality("micro_f1", "micro F1", "point", MULTI_LABEL),
        _quality("auroc", "AUROC", "ranking", *ONE_CLASS, MULTI_LABEL),
        _quality("average_precision", "average precision", "ranking", *ONE_CLASS, MULTI_LABEL),
        _misfit("log_loss", "log-loss", 0.01, *ONE_CLASS, MULTI_LABEL),  # 1% of the probability of the truth
        _misfit("brier", "Brier score", 0.005, *ONE_CLASS, MULTI_LABEL),
        _misfit("ece", "calibration error", 0.01, *ONE_CLASS),
    )
}
"""Every metric by its name, in the order in which reports show them."""

DEFAULT_METRIC: Mapping[str, str] = {
    REGRESSION: "rmse",
    BINARY: "balanced_accuracy",
    MULTI_CLASS: "balanced_accuracy",
    ORDINAL: "rank_mae",
    MULTI_LABEL: "macro_f1",
}
"""The primary metric of each task where the user names none."""


def metrics_of(task: str) -> tuple[Metric, ...]:
    """The metrics that fit ``task``."""
    if task not in TASKS:
        raise UnknownNameError(f"compare: `task` must be one of {', '.join(TASKS)}, got {task!r}.")
    return tuple(metric for metric in METRICS.values() if task in metric.tasks)


def evaluate(task: str, target: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Every metric of ``task`` on one test fold, by name.

    =========================== ========================= =====================================
    task                        target                    scores
    =========================== ========================= =====================================
    regression                  (n,)                      (n,) predictions in units of the target
    binary classification       (n,) of 0 and 1           (n,) logits of class 1
    multi-class classification  (n,) of 0 to c - 1        (n, c) logits
    ordinal classification      (n,) of 0 to c - 1        (n, c) logits
    multi-label classification  (n, labels) of 0 and 1    (n, labels) logits
    =========================== ========================= =====================================

    The class with the largest logit is predicted (the first of equals), a label where its logit is above 0. AUROC and
    average precision of several classes are means of one class against the rest, those of two classes are of class 1.
    The Brier score sums the squared errors over the classes of a multi-class sample (0 to 2, Brier 1950) and is the
    squared error of the one probability otherwise (0 to 1). ``ece`` is the expected calibration error of Guo et al.
    2017 (arXiv:1706.04599, eq. 3) with 15 bins of equal width. The log-loss of several labels is their mean.

    ``rank_mae`` is the mean distance, counted in classes, of the true class from the median class: half of the
    probability lies on either side of it, which makes the expected distance least.

    A score that is not finite makes every metric as bad as can be: ``-inf`` where higher is better, otherwise ``inf``.
    """
    metrics = metrics_of(task)
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        return {metric.name: metric.failed for metric in metrics}
    found = _EVALUATE[task](np.asarray(target), values)
    return {metric.name: float(found[metric.name]) for metric in metrics}


def selection_score(metric: str, task: str) -> SelectionScore:
    """How early stopping and tuning judge many trials at once: a function of ``(target, scores, valid)``.

    Its arguments are those of :func:`evaluate` with t trials in front, (t, n) or (t, n, c), and ``valid`` (t, n), True
    where a row counts, at least one per trial. It gives (t,) in float64, higher is always better: the metric as
    :func:`evaluate` has it, negated where lower is better. Scores that aren't finite give ``-inf``, rows that leave
    the metric undefined (one class, for the AUROC) NaN. The function is picklable.

    A metric that counts right decisions moves in steps, and many epochs and trials would be equal on it. To it
    ``TIE_BREAK`` times a measure of order is added, which lies in [0, 1] and depends on no loss's idea of probability:
    the AUROC (mean over the labels), or the mean reciprocal rank of the true class of several.
    """
    if METRICS.get(metric) not in metrics_of(task):
        names = ", ".join(known.name for known in metrics_of(task))
        raise UnknownNameError(f"compare: `metric` must be one of {names} for {task}, got {metric!r}.")
    return partial(_selection_score, metric, task)


def _selection_score(metric: str, task: str, target: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    with torch.no_grad():
        counts = valid if scores.ndim == 2 else valid[..., None]
        trained = (torch.isfinite(scores) | ~counts).flatten(1).all(1)
        scores = torch.where(counts & torch.isfinite(scores), scores, 0.0)
        measured = _MEASURES[task][metric](target, scores, valid)
        if not METRICS[metric].higher_is_better:
            measured = -measured
        if METRICS[metric].uses == "point" and task in _ORDER:
            measured = measured + TIE_BREAK * _ORDER[task](target, scores, valid).nan_to_num(0.0)
        return torch.where(trained, measured, -math.inf)


TIE_BREAK = 1e-6
_MEASURES: Mapping[str, Mapping[str, Measure]] = {
    REGRESSION: REGRESSION_MEASURES,
    BINARY: BINARY_MEASURES,
    MULTI_CLASS: MULTICLASS_MEASURES,
    ORDINAL: ORDINAL_MEASURES,
    MULTI_LABEL: MULTILABEL_MEASURES,
}
_ORDER: Mapping[str, Measure] = {BINARY: auroc, MULTI_CLASS: reciprocal_rank,
                                 ORDINAL: reciprocal_rank, MULTI_LABEL: multilabel_auroc}  # fmt: skip


def error_profile(task: str, target: ArrayLike, scores: ArrayLike, classes: Sequence[str]) -> Errors:
    """What the errors look like; arguments as in :func:`evaluate`, ``classes`` names the classes or labels in order.

    Recall of a class that never occurs and precision of one that is never predicted are NaN. Samples whose scores are
    not finite (of a model that diverged) are left out, and if none is left the profile is empty.
    """
    values = np.asarray(scores, dtype=np.float64)
    usable = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    truth, values = np.asarray(target)[usable], values[usable]
    if not len(values):
        return Errors()
    if task == REGRESSION:
        residuals = values - truth
        return Errors(
            residual_quantiles=_quantiles(residuals, (0.05, 0.25, 0.5, 0.75, 0.95)),
            absolute_quantiles=_quantiles(np.abs(residuals), (0.5, 0.75, 0.9, 0.95, 0.99)),
        )
    if task == MULTI_LABEL:
        actual, predicted = truth.astype(bool), values > 0.0
        top = _sigmoid(np.abs(values))  # the probability of the side that is predicted
    else:
        logits = _two_classes(values) if task == BINARY else values
        labels = np.arange(logits.shape[1])
        actual, predicted = truth[:, None] == labels, logits.argmax(axis=1)[:, None] == labels
        top = np.exp(_log_softmax(logits)).max(axis=1)
    hits = (actual & predicted).sum(axis=0)
    return Errors(
        recall=dict(zip(classes, _shares(hits, actual.sum(axis=0)), strict=True)),
        precision=dict(zip(classes, _shares(hits, predicted.sum(axis=0)), strict=True)),
        confidence=float(top.mean()),
    )


def _evaluate_regression(target: NDArray[Any], prediction: Floats) -> dict[str, float]:
    from sklearn import metrics

    return {
        "rmse": metrics.root_mean_squared_error(target, prediction),
        "mae": metrics.mean_absolute_error(target, prediction),
        "median_ae": metrics.median_absolute_error(target, prediction),
        "r2": metrics.r2_score(target, prediction) if np.ptp(target) > 0 else math.nan,
        "pinball_10": metrics.mean_pinball_loss(target, prediction, alpha=0.1),
        "pinball_90": metrics.mean_pinball_loss(target, prediction, alpha=0.9),
    }


def _evaluate_binary(target: NDArray[Any], logits: Floats) -> dict[str, float]:
    found = _evaluate_classes(target, _two_classes(logits))
    return found | {"brier": found["brier"] / 2.0} | _ranking([target == 1], [logits])


def _evaluate_multiclass(target: NDArray[Any], logits: Floats) -> dict[str, float]:
    columns = range(logits.shape[1])
    return _evaluate_classes(target, logits) | _ranking(
        [target == column for column in columns], [_log_odds(logits, column) for column in columns]
    )


def _evaluate_ordinal(target: NDArray[Any], logits: Floats) -> dict[str, float]:
    above = 1.0 - np.exp(_log_softmax(logits)).cumsum(axis=1)[:, :-1]
    distance = np.abs((above > 0.5).sum(axis=1) - target)
    return _evaluate_multiclass(target, logits) | {"rank_mae": distance.mean()}


def _evaluate_classes(target: NDArray[Any], logits: Floats) -> dict[str, float]:
    from sklearn import metrics

    target = target.astype(np.int64)
    present = np.unique(target)
    predicted = logits.argmax(axis=1)
    log_probs = _log_softmax(logits)
    probs = np.exp(log_probs)
    errors = probs - np.eye(logits.shape[1])[target]
    return {
        "accuracy": metrics.accuracy_score(target, predicted),
        # Balanced accuracy is the macro recall; scikit-learn's own warns of predicted classes that don't occur.
        "balanced_accuracy": metrics.recall_score(target, predicted, labels=present, average="macro", zero_division=0),
        "macro_f1": metrics.f1_score(target, predicted, labels=present, average="macro", zero_division=0),
        "log_loss": -log_probs[np.arange(len(target)), target].mean(),
        "brier": np.square(errors).sum(axis=1).mean(),
        "ece": _calibration_error(predicted == target, probs.max(axis=1)),
    }


def _evaluate_multilabel(target: NDArray[Any], logits: Floats) -> dict[str, float]:
    from sklearn import metrics

    truth, predicted = target.astype(np.int64), (logits > 0.0).astype(np.int64)
    occurring = [metrics.f1_score(*pair, zero_division=0) for pair in zip(truth.T, predicted.T, strict=True)
                 if pair[0].any()]  # fmt: skip
    return {
        "subset_accuracy": metrics.accuracy_score(truth, predicted),
        "macro_f1": _mean(occurring),
        "micro_f1": metrics.f1_score(truth, predicted, average="micro", zero_division=np.nan),
        # log(1 + exp(z)) - y z, the cross-entropy of the logit z
        "log_loss": (np.logaddexp(0.0, logits) - truth * logits).mean(),
        "brier": np.square(_sigmoid(logits) - truth).mean(),
    } | _ranking(list(truth.T == 1), list(logits.T))


_EVALUATE: Mapping[str, Callable[[NDArray[Any], Floats], dict[str, float]]] = {
    REGRESSION: _evaluate_regression,
    BINARY: _evaluate_binary,
    MULTI_CLASS: _evaluate_multiclass,
    ORDINAL: _evaluate_ordinal,
    MULTI_LABEL: _evaluate_multilabel,
}


def _ranking(positives: Sequence[NDArray[np.bool_]], scores: Sequence[Floats]) -> dict[str, float]:
    """Mean AUROC over the classes that some samples have and others don't, mean precision over those that any has."""
    from sklearn import metrics

    pairs = [pair for pair in zip(positives, scores, strict=True) if pair[0].any()]
    return {
        "auroc": _mean(metrics.roc_auc_score(*pair) for pair in pairs if not pair[0].all()),
        "average_precision": _mean(metrics.average_precision_score(*pair) for pair in pairs),
    }


def _calibration_error(correct: NDArray[np.bool_], confidence: Floats) -> float:
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, None)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum()) / len(confidence)


def _two_classes(logits: Floats) -> Floats:
    """Logits of both classes: the softmax of ``(0, z)`` is the sigmoid of ``z``."""
    return np.stack([np.zeros_like(logits), logits], axis=1)


def _log_odds(logits: Floats, column: int) -> Floats:
    """``log p - log(1 - p)`` of one class: it orders samples as ``p`` does, and doesn't saturate where ``p`` is 1.

    Rounded, so that what is equal but for the order of a sum counts as a tie.
    """
    from scipy.special import logsumexp

    rest = logsumexp(np.delete(logits, column, axis=1), axis=1)
    return np.asarray(np.round(logits[:, column] - rest, LOG_ODDS_DECIMALS), dtype=np.float64)


def _log_softmax(logits: Floats) -> Floats:
    from scipy.special import log_softmax

    return np.asarray(log_softmax(logits, axis=1), dtype=np.float64)


def _sigmoid(logits: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(logits), dtype=np.float64)


def _quantiles(values: Floats, levels: Sequence[float]) -> dict[str, float]:
    return {str(level): float(value) for level, value in zip(levels, np.quantile(values, levels), strict=True)}


def _shares(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> list[float]:
    return [float(part / whole) if whole else math.nan for part, whole in zip(parts, wholes, strict=True)]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else math.nan
