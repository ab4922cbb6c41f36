"""The metrics of many trials at once, in torch: what early stopping and tuning look at after every epoch.

Each measure takes ``target`` (t, n) or (t, n, labels), ``scores`` (t, n) or (t, n, c), finite everywhere, and ``valid``
(t, n), True where a row counts, and gives one number per trial in float64, NaN where the rows don't define it. The
definitions are those of :func:`lossary.comparison.metrics.evaluate`. Ranks come from one sort per trial and class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["BINARY_MEASURES", "CALIBRATION_BINS", "LOG_ODDS_DECIMALS", "MULTICLASS_MEASURES", "MULTILABEL_MEASURES",
           "ORDINAL_MEASURES", "REGRESSION_MEASURES", "Measure", "auroc", "multilabel_auroc",
           "reciprocal_rank"]  # fmt: skip

CALIBRATION_BINS = 15
LOG_ODDS_DECIMALS = 9

Measure = Callable[[Tensor, Tensor, Tensor], Tensor]


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, values, 0).sum(-1, dtype=torch.float64) / valid.sum(-1)


def _errors(target: Tensor, prediction: Tensor) -> Tensor:
    return prediction.double() - target.double()


def _squared_error(target: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
    return _mean(_errors(target, prediction).square(), valid)


def _root_squared_error(target: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
    return _squared_error(target, prediction, valid).sqrt()


def _absolute_error(target: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
    return _mean(_errors(target, prediction).abs(), valid)


def _median_absolute_error(target: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
    ordered = _errors(target, prediction).abs().masked_fill(~valid, math.inf).sort(-1).values
    count = valid.sum(-1, keepdim=True)
    middle = torch.cat([(count - 1) // 2, count // 2], -1)
    return ordered.gather(-1, middle).mean(-1)


def _explained_variance(target: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
    truth = target.double()
    spread = _mean((truth - _mean(truth, valid)[:, None]).square(), valid)
    constant = truth.masked_fill(~valid, math.inf).amin(-1) == truth.masked_fill(~valid, -math.inf).amax(-1)
    return torch.where(constant, math.nan, 1.0 - _squared_error(target, prediction, valid) / spread)


def _pinball(level: float) -> Measure:
    def pinball(target: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
        short = -_errors(target, prediction)
        return _mean(torch.maximum(level * short, (level - 1.0) * short), valid)

    return pinball


REGRESSION_MEASURES: Mapping[str, Measure] = {
    "rmse": _root_squared_error,
    "mae": _absolute_error,
    "median_ae": _median_absolute_error,
    "r2": _explained_variance,
    "pinball_10": _pinball(0.1),
    "pinball_90": _pinball(0.9),
}


def _accuracy(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    return _mean(logits.argmax(-1) == target, valid)


def _class_counts(target: Tensor, logits: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per class, each (t, c): how many samples have it, how many were given it, and how many of those rightly."""
    predicted = logits.argmax(-1)
    actual = torch.where(valid, target, 0).long()
    none = logits.new_zeros(logits.shape[0], logits.shape[-1], dtype=torch.float64)
    counted = valid.double()
    hits = none.scatter_add(1, actual, counted * (predicted == actual))
    return none.scatter_add(1, actual, counted), none.scatter_add(1, predicted, counted), hits


def _mean_over_occurring(values: Tensor, support: Tensor) -> Tensor:
    """Mean over the classes or labels that have any sample; what the others hold is not looked at."""
    occurs = support > 0
    return torch.where(occurs, values, 0.0).sum(-1) / occurs.sum(-1)


def _balanced_accuracy(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    support, _, hits = _class_counts(target, logits, valid)
    return _mean_over_occurring(hits / support, support)


def _macro_f1(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    support, given, hits = _class_counts(target, logits, valid)
    return _mean_over_occurring(2.0 * hits / (support + given), support)


def _log_probs(logits: Tensor) -> Tensor:
    return logits.double().log_softmax(-1)


def _of_target(values: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The value of the true class: (t, n) from (t, n, c)."""
    return values.gather(-1, torch.where(valid, target, 0).long()[..., None])[..., 0]


def _log_loss(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    return -_mean(_of_target(_log_probs(logits), target, valid), valid)


def _brier(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    probs = _log_probs(logits).exp()
    truth = torch.nn.functional.one_hot(torch.where(valid, target, 0).long(), logits.shape[-1])
    return _mean((probs - truth).square().sum(-1), valid)


def _calibration_error(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    confidence, predicted = _log_probs(logits).exp().max(-1)
    bins = ((confidence * CALIBRATION_BINS).ceil().long() - 1).clamp(min=0)
    gaps = torch.where(valid, (predicted == target).double() - confidence, 0.0)
    sums = gaps.new_zeros(len(gaps), CALIBRATION_BINS).scatter_add(1, bins, gaps)
    return sums.abs().sum(-1) / valid.sum(-1)


def _tie_groups(ordered: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the first and of the last element equal to each, along the sorted last dimension."""
    size = ordered.shape[-1]
    index = torch.arange(size, device=ordered.device).expand(ordered.shape)
    edge = torch.ones_like(ordered[..., :1], dtype=torch.bool)
    changes = ordered[..., 1:] != ordered[..., :-1]
    first = torch.where(torch.cat([edge, changes], -1), index, 0).cummax(-1).values
    ends = torch.where(torch.cat([changes, edge], -1), index, size)
    return first, ends.flip(-1).cummin(-1).values.flip(-1)


def _sorted(positive: Tensor, scores: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Scores in ascending order, what doesn't count behind all others, and which of them are positive."""
    ordered, order = scores.masked_fill(~valid, math.inf).sort(-1)
    return ordered, (positive & valid).gather(-1, order)


def auroc(positive: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    """Share of pairs of a positive and a negative that are in the right order, a tie counting half: (..., n) to (...).

    From the sum of the mid-ranks of the positives (Mann and Whitney 1947).
    """
    ordered, hit = _sorted(positive == 1, scores, valid)
    first, last = _tie_groups(ordered)
    positives = hit.sum(-1)
    ranks = torch.where(hit, 0.5 * (first + last).double() + 1.0, 0.0).sum(-1)
    return (ranks - 0.5 * positives * (positives + 1)) / (positives * (valid.sum(-1) - positives))


def _average_precision(positive: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    """Mean over the positives of the precision among the samples that score at least as high: (..., n) to (...)."""
    ordered, hit = _sorted(positive == 1, scores, valid)
    first, _ = _tie_groups(ordered)
    positives = hit.sum(-1, keepdim=True)
    below = (hit.cumsum(-1) - hit.long()).gather(-1, first)
    precision = (positives - below).double() / (valid.sum(-1, keepdim=True) - first)
    return torch.where(hit, precision, 0.0).sum(-1) / positives[..., 0]


def _log_odds(logits: Tensor) -> Tensor:
    """``log p - log(1 - p)`` of each class, rounded, and in order also where a probability is 1 in float64."""
    logits = logits.double()
    top, winner = logits.max(-1, keepdim=True)
    shifted = (logits - top).exp()
    others = top + (shifted.sum(-1, keepdim=True) - shifted).log()  # the largest is among them: nothing cancels
    runners_up = logits.scatter(-1, winner, -math.inf).logsumexp(-1, keepdim=True)
    return (logits - others.scatter(-1, winner, runners_up)).round(decimals=LOG_ODDS_DECIMALS)


def _per_class(measure: Measure) -> Measure:
    """Mean over the classes of one against the rest, without those for which it is undefined."""

    def mean(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
        classes = torch.arange(logits.shape[-1], device=logits.device)[:, None]
        positive = target[:, None] == classes
        return measure(positive, _log_odds(logits).transpose(1, 2), valid[:, None].expand(positive.shape)).nanmean(-1)

    return mean


def reciprocal_rank(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    """Mean of 1 / rank of the true class among the logits of its sample; equal logits share their mean rank."""
    true = _of_target(logits, target, valid)[..., None]
    rank = (logits > true).sum(-1) + 0.5 * ((logits == true).sum(-1) + 1.0)
    return _mean(1.0 / rank, valid)


MULTICLASS_MEASURES: Mapping[str, Measure] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "auroc": _per_class(auroc),
    "average_precision": _per_class(_average_precision),
    "log_loss": _log_loss,
    "brier": _brier,
    "ece": _calibration_error,
}


def _rank_error(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    """The median class is the number of classes that at least half of the probability lies above."""
    above = 1.0 - _log_probs(logits).exp().cumsum(-1)[..., :-1]
    return _mean(((above > 0.5).sum(-1) - target).abs().double(), valid)


ORDINAL_MEASURES: Mapping[str, Measure] = {**MULTICLASS_MEASURES, "rank_mae": _rank_error}


def _as_two_classes(measure: Measure) -> Measure:
    """The softmax of the logits ``(0, z)`` is the sigmoid of ``z``."""

    def binary(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
        return measure(target, torch.stack([torch.zeros_like(logits), logits], -1), valid)

    return binary


def _squared_probability_error(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    return _mean((logits.double().sigmoid() - target).square(), valid)


BINARY_MEASURES: Mapping[str, Measure] = {
    **{name: _as_two_classes(measure) for name, measure in MULTICLASS_MEASURES.items()},
    "auroc": auroc,
    "average_precision": _average_precision,
    "brier": _squared_probability_error,
}


def _subset_accuracy(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    return _mean(((logits > 0) == (target == 1)).all(-1), valid)


def _label_counts(target: Tensor, logits: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per label, each (t, labels): how many samples have it, how many were given it, and how many of those rightly."""
    actual, predicted = (target == 1) & valid[..., None], (logits > 0) & valid[..., None]
    return actual.sum(1).double(), predicted.sum(1).double(), (actual & predicted).sum(1).double()


def _label_macro_f1(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    support, given, hits = _label_counts(target, logits, valid)
    return _mean_over_occurring(2.0 * hits / (support + given), support)


def _label_micro_f1(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    support, given, hits = (count.sum(-1) for count in _label_counts(target, logits, valid))
    return 2.0 * hits / (support + given)


def _label_log_loss(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    logits, truth = logits.double(), target.double()
    return _mean((torch.logaddexp(logits, torch.zeros_like(logits)) - truth * logits).mean(-1), valid)


def _label_brier(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
    return _mean((logits.double().sigmoid() - target).square().mean(-1), valid)


def _per_label(measure: Measure) -> Measure:
    """Mean over the labels, without those for which it is undefined."""

    def mean(target: Tensor, logits: Tensor, valid: Tensor) -> Tensor:
        positive = target.transpose(1, 2)
        return measure(positive, logits.transpose(1, 2), valid[:, None].expand(positive.shape)).nanmean(-1)

    return mean


multilabel_auroc = _per_label(auroc)

MULTILABEL_MEASURES: Mapping[str, Measure] = {
    "subset_accuracy": _subset_accuracy,
    "macro_f1": _label_macro_f1,
    "micro_f1": _label_micro_f1,
    "auroc": multilabel_auroc,
    "average_precision": _per_label(_average_precision),
    "log_loss": _label_log_loss,
    "brier": _label_brier,
}
