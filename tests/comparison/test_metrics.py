from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn import metrics as oracle

from lossary.comparison.metrics import (
    DEFAULT_METRIC,
    METRICS,
    error_profile,
    evaluate,
    metrics_of,
    selection_score,
)
from lossary.core import UnknownNameError

REGRESSION, BINARY = "regression", "binary classification"
MULTI_CLASS, MULTI_LABEL = "multi-class classification", "multi-label classification"
ORDINAL = "ordinal classification"
OFFERED = [(task, metric.name) for task in DEFAULT_METRIC for metric in metrics_of(task)]


def draw(task: str, *shape: int, seed: int = 0, tied: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Target and scores that know something about it, ``(*shape,)`` or with 4 classes or labels behind."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=shape if task in (REGRESSION, BINARY) else (*shape, 4))
    if task == REGRESSION:
        target = generator.gamma(2.0, size=shape)
        scores = target + noise
    elif task == BINARY:
        target = (generator.random(shape) < 0.3).astype(np.int64)
        scores = 2.0 * target - 1.0 + noise
    elif task in (MULTI_CLASS, ORDINAL):
        target = generator.choice(4, p=[0.5, 0.3, 0.15, 0.05], size=shape)
        scores = 2.0 * np.eye(4)[target] + 1.5 * noise
    else:
        target = (generator.random(noise.shape) < [0.6, 0.4, 0.3, 0.2]).astype(np.int64)
        scores = 2.0 * target - 1.0 + noise
    return target, np.round(scores) if tied else scores


def test_every_task_has_a_default_that_fits_it():
    assert len(DEFAULT_METRIC) == 5
    for task, name in DEFAULT_METRIC.items():
        assert METRICS[name] in metrics_of(task)
    assert all(metric.name == name for name, metric in METRICS.items())


def test_relative_margins_are_shares_of_the_best_score():
    assert METRICS["rmse"].margin_at(50.0) == pytest.approx(0.5)
    assert METRICS["accuracy"].margin_at(0.8) == 0.01


# evaluate ------------------------------------------------------------------------------------------------------------


def test_regression_by_hand():
    # Residuals (prediction - target) 1, -1, 2, 0.
    found = evaluate(REGRESSION, [1.0, 2.0, 3.0, 6.0], [2.0, 1.0, 5.0, 6.0])
    assert found == pytest.approx({
        "rmse": math.sqrt(6 / 4),
        "mae": 1.0,
        "median_ae": 1.0,
        "r2": 1 - 6 / 14,  # the target's mean is 3, its squared deviations 4 + 1 + 0 + 9
        "pinball_10": (0.9 * 1 + 0.1 * 1 + 0.9 * 2) / 4,  # too high costs 0.9, too low 0.1
        "pinball_90": (0.1 * 1 + 0.9 * 1 + 0.1 * 2) / 4,
    })  # fmt: skip


def test_binary_against_scikit_learn():
    target, logits = draw(BINARY, 200)
    probs, predicted = expit(logits), logits > 0
    found = evaluate(BINARY, target, logits)
    assert found == pytest.approx({
        "accuracy": oracle.accuracy_score(target, predicted),
        "balanced_accuracy": oracle.balanced_accuracy_score(target, predicted),
        "macro_f1": oracle.f1_score(target, predicted, average="macro"),
        "auroc": oracle.roc_auc_score(target, probs),
        "average_precision": oracle.average_precision_score(target, probs),
        "log_loss": oracle.log_loss(target, probs),
        "brier": oracle.brier_score_loss(target, probs),
        "ece": found["ece"],
    })  # fmt: skip


def test_multiclass_against_scikit_learn():
    target, logits = draw(MULTI_CLASS, 200)
    probs, predicted = softmax(logits, axis=1), logits.argmax(1)
    found = evaluate(MULTI_CLASS, target, logits)
    assert found == pytest.approx({
        "accuracy": oracle.accuracy_score(target, predicted),
        "balanced_accuracy": oracle.balanced_accuracy_score(target, predicted),
        "macro_f1": oracle.f1_score(target, predicted, average="macro"),
        "auroc": oracle.roc_auc_score(target, probs, multi_class="ovr", average="macro"),
        "average_precision": oracle.average_precision_score(target, probs, average="macro"),
        "log_loss": oracle.log_loss(target, probs),
        "brier": np.square(probs - np.eye(4)[target]).sum(1).mean(),
        "ece": found["ece"],
    })  # fmt: skip


def test_multilabel_against_scikit_learn():
    target, logits = draw(MULTI_LABEL, 200)
    probs, predicted = expit(logits), logits > 0
    assert evaluate(MULTI_LABEL, target, logits) == pytest.approx({
        "subset_accuracy": oracle.accuracy_score(target, predicted),
        "macro_f1": oracle.f1_score(target, predicted, average="macro"),
        "micro_f1": oracle.f1_score(target, predicted, average="micro"),
        "auroc": oracle.roc_auc_score(target, probs, average="macro"),
        "average_precision": oracle.average_precision_score(target, probs, average="macro"),
        "log_loss": np.mean([oracle.log_loss(target[:, k], probs[:, k]) for k in range(4)]),
        "brier": oracle.mean_squared_error(target, probs),
    })  # fmt: skip


def test_calibration_error_by_hand():
    # Confidences 0.9, 0.92 (bin 14, from 0.867 to 0.933), 0.9 of class 0 (the same bin) and 0.55 (bin 9).
    # Bin 14 is right 2 times of 3 with a mean confidence of 2.72 / 3, bin 9 right with 0.55.
    probs, target = np.array([0.9, 0.92, 0.1, 0.55]), np.array([1, 0, 0, 1])
    expected = (3 * abs(2 / 3 - 2.72 / 3) + abs(1 - 0.55)) / 4
    logits = np.log(probs / (1 - probs))
    assert evaluate(BINARY, target, logits)["ece"] == pytest.approx(expected)
    both = np.stack([np.log(1 - probs), np.log(probs)], 1)
    assert evaluate(MULTI_CLASS, target, both)["ece"] == pytest.approx(expected)


@pytest.mark.parametrize("task", DEFAULT_METRIC)
def test_faultless_predictions_are_perfect(task):
    target, _ = draw(task, 100)
    classes = {task: lambda: 1000.0 * np.eye(4)[target] for task in (MULTI_CLASS, ORDINAL)}
    sure = {REGRESSION: lambda: target, **classes}
    found = evaluate(task, target, sure.get(task, lambda: 80.0 * target - 40.0)())
    assert found == pytest.approx({metric.name: metric.perfect for metric in metrics_of(task)}, abs=1e-12)


def test_saturated_probabilities_are_still_in_order():
    """Both probabilities of class 1 are 1.0 in float64; the logits say which is the larger."""
    found = evaluate(MULTI_CLASS, [0, 1, 2], [[0.0, 50.0, 0.0], [0.0, 60.0, 0.0], [0.0, 0.0, 1.0]])
    assert expit(50.0) == expit(60.0) == 1.0
    assert found["auroc"] == pytest.approx((0.5 + 1.0 + 1.0) / 3)  # class 0: one tie of two pairs, and one lost to it
    assert evaluate(BINARY, [0, 1], [50.0, 60.0])["auroc"] == 1.0


def test_absent_classes_are_left_out_of_averages():
    # Class 2 never occurs and is predicted once; class 0 recognised 1 of 2, class 1 1 of 1.
    found = evaluate(MULTI_CLASS, [0, 0, 1], [[2.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1.0) / 2)
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    found = evaluate(MULTI_LABEL, labels, [[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]])
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["micro_f1"] == pytest.approx(2 * 1 / (2 + 2))
    assert found["auroc"] == pytest.approx(0.75)  # label 0 alone: one pair in order, one tied


def test_what_a_fold_cannot_define_is_nan():
    one_class = evaluate(BINARY, [1, 1], [0.5, -0.5])
    assert math.isnan(one_class["auroc"])
    assert one_class["balanced_accuracy"] == 0.5
    assert math.isnan(evaluate(BINARY, [0, 0], [0.5, -0.5])["average_precision"])
    assert math.isnan(evaluate(REGRESSION, [3.0, 3.0], [1.0, 2.0])["r2"])
    no_label = evaluate(MULTI_LABEL, [[0, 0], [0, 0]], [[-1.0, -1.0], [-2.0, -1.0]])
    assert math.isnan(no_label["macro_f1"])
    assert math.isnan(no_label["micro_f1"])


@pytest.mark.parametrize("task", DEFAULT_METRIC)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_as_bad_as_can_be(task, bad):
    target, scores = draw(task, 20)
    scores[3] = bad
    found = evaluate(task, target, scores)
    assert found == {m.name: -math.inf if m.higher_is_better else math.inf for m in metrics_of(task)}
    assert found[DEFAULT_METRIC[task]] == METRICS[DEFAULT_METRIC[task]].failed


# selection_score -----------------------------------------------------------------------------------------------------

TRIALS = 4


def batch(task: str, *, tied: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials with targets and validation parts of their own; rows that don't count hold rubbish."""
    target, scores = draw(task, TRIALS, 50, seed=3, tied=tied)
    valid = np.random.default_rng(4).random((TRIALS, 50)) < np.linspace(0.4, 1.0, TRIALS)[:, None]
    scores[~valid] = np.nan
    target[~valid] = 10**6
    return target, scores, valid


def order(task: str, target: np.ndarray, scores: np.ndarray) -> float:
    """What breaks ties between equal counts of right decisions, by another road than the code's."""
    if task == REGRESSION:
        return 0.0
    if task in (MULTI_CLASS, ORDINAL):
        true = scores[np.arange(len(target)), target][:, None]
        return float(np.mean(1.0 / ((scores > true).sum(1) + ((scores == true).sum(1) + 1) / 2)))
    return float(oracle.roc_auc_score(target, scores, average="macro"))


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize(("task", "name"), OFFERED)
def test_selection_score_is_evaluate_on_the_valid_rows(task, name, tied):
    target, scores, valid = batch(task, tied=tied)
    found = selection_score(name, task)(torch.from_numpy(target), torch.from_numpy(scores), torch.from_numpy(valid))
    assert found.dtype == torch.float64
    sign = 1.0 if METRICS[name].higher_is_better else -1.0
    coarse = METRICS[name].uses == "point" and task != REGRESSION
    expected = []
    for row in range(TRIALS):
        seen, shown = target[row][valid[row]], scores[row][valid[row]]
        tie_break = 1e-6 * order(task, seen, shown) if coarse else 0.0
        expected.append(sign * evaluate(task, seen, shown)[name] + tie_break)
    assert len(set(expected)) > 1
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("task", "name"), OFFERED)
def test_selection_score_in_single_precision(task, name):
    """Networks answer in float32; what counts decisions must still be exact."""
    target, scores = draw(task, 3, 50)
    scores = scores.astype(np.float32)
    valid = torch.ones(3, 50, dtype=torch.bool)
    found = selection_score(name, task)(torch.from_numpy(target), torch.from_numpy(scores), valid)
    sign = 1.0 if METRICS[name].higher_is_better else -1.0
    expected = [sign * evaluate(task, *pair)[name] for pair in zip(target, scores, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1.1e-6)


def test_targets_may_be_floats():
    logits, valid = torch.tensor([[1.0, -1.0, 2.0]]), torch.ones(1, 3, dtype=torch.bool)
    for name in ("balanced_accuracy", "auroc", "log_loss", "brier"):
        score = selection_score(name, BINARY)
        assert score(torch.tensor([[1.0, 0.0, 0.0]]), logits, valid) == score(torch.tensor([[1, 0, 0]]), logits, valid)


def test_equal_decisions_are_ranked_by_order():
    """Both trials decide alike; the second is nearer to the right order. The difference is far below any step."""
    target = torch.tensor([[0, 0, 1, 1]] * 2)
    logits = torch.tensor([[1.0, -1.0, 0.5, 2.0], [0.2, -1.0, 0.5, 2.0]])
    first, second = selection_score("accuracy", BINARY)(target, logits, torch.ones(2, 4, dtype=torch.bool)).tolist()
    assert second - first == pytest.approx(1e-6 * 0.25, rel=1e-3)  # one pair of four
    assert first == pytest.approx(0.75, abs=1e-6)


def test_log_odds_survive_saturation_in_batches():
    logits = torch.tensor([[[0.0, 50.0, 0.0], [0.0, 60.0, 0.0], [0.0, 0.0, 1.0]]])
    valid = torch.ones(1, 3, dtype=torch.bool)
    for name in ("auroc", "average_precision"):
        found = selection_score(name, MULTI_CLASS)(torch.tensor([[0, 1, 2]]), logits, valid)
        assert found.item() == pytest.approx(evaluate(MULTI_CLASS, [0, 1, 2], logits[0].numpy())[name])


@pytest.mark.parametrize(("task", "name"), OFFERED)
def test_a_trial_that_diverged_cannot_be_chosen(task, name):
    target, scores = draw(task, 3, 30)
    scores[1, 7], scores[2, 7] = math.nan, math.inf
    valid = torch.ones(3, 30, dtype=torch.bool)
    found = selection_score(name, task)(torch.from_numpy(target), torch.from_numpy(scores), valid)
    assert math.isfinite(found[0])
    assert found[1:].tolist() == [-math.inf, -math.inf]


@pytest.mark.parametrize(
    ("task", "name", "target"),
    [
        (BINARY, "auroc", [1, 1, 1]),
        (BINARY, "average_precision", [0, 0, 0]),
        (REGRESSION, "r2", [0.1, 0.1, 0.1]),
        (MULTI_LABEL, "macro_f1", [[0, 0]] * 3),
    ],
)
def test_what_the_rows_cannot_define_is_nan_for_selection_too(task, name, target):
    target = torch.tensor([target])
    found = selection_score(name, task)(target, -torch.rand(target.shape), torch.ones(1, 3, dtype=torch.bool))
    assert found.isnan().all()


def test_one_class_alone_leaves_decisions_defined():
    valid = torch.ones(1, 2, dtype=torch.bool)
    found = selection_score("balanced_accuracy", BINARY)(torch.tensor([[1, 1]]), torch.tensor([[0.5, -0.5]]), valid)
    assert found.tolist() == [0.5]


def test_selection_score_travels_to_other_processes():
    score = pickle.loads(pickle.dumps(selection_score("rmse", REGRESSION)))
    target, prediction, valid = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 3.0]]), torch.tensor([[True, True]])
    assert score(target, prediction, valid).tolist() == [-3.0]


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match=r"`metric` must be one of rmse, mae, .* for regression, got 'accuracy'"):
        selection_score("accuracy", REGRESSION)
    with pytest.raises(UnknownNameError, match=r"`metric` must be one of .* got 'rsme'"):
        selection_score("rsme", REGRESSION)
    with pytest.raises(UnknownNameError, match=r"`task` must be one of regression, .* got 'clustering'"):
        evaluate("clustering", [1.0], [1.0])


# error_profile -------------------------------------------------------------------------------------------------------


def test_regression_profile():
    errors = error_profile(REGRESSION, np.zeros(101), np.arange(-20.0, 81.0), ())
    # Residuals -20, -19, ..., 80: the quantile q is -20 + 100 q.
    assert errors.residual_quantiles == pytest.approx(
        {"0.05": -15.0, "0.25": 5.0, "0.5": 30.0, "0.75": 55.0, "0.95": 75.0}
    )
    # Absolute: 0, then 1 to 20 twice, then 21 to 80; the quantile q is the element 100 q.
    assert errors.absolute_quantiles == pytest.approx(
        {"0.5": 30.0, "0.75": 55.0, "0.9": 70.0, "0.95": 75.0, "0.99": 79.0}
    )
    assert errors.confidence is None


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS])
def test_class_profile(task):
    # Actual a a a b; predicted a a b b. For two logits (0, z) the probability of class 1 is sigmoid(z).
    target, logits = np.array([0, 0, 0, 1]), np.array([-1.0, -2.0, 1.0, 3.0])
    scores = logits if task == BINARY else np.stack([np.zeros(4), logits], 1)
    errors = error_profile(task, target, scores, ("a", "b"))
    assert errors.recall == pytest.approx({"a": 2 / 3, "b": 1.0})
    assert errors.precision == pytest.approx({"a": 1.0, "b": 0.5})
    assert errors.confidence == pytest.approx(expit([1.0, 2.0, 1.0, 3.0]).mean())
    assert errors.residual_quantiles == {}


def test_label_profile():
    target = np.array([[1, 0], [1, 1], [0, 0]])
    errors = error_profile(MULTI_LABEL, target, [[2.0, 1.0], [-1.0, 1.0], [-1.0, -3.0]], ("x", "y"))
    assert errors.recall == pytest.approx({"x": 0.5, "y": 1.0})
    assert errors.precision == pytest.approx({"x": 1.0, "y": 0.5})
    assert errors.confidence == pytest.approx(expit([2.0, 1.0, 1.0, 1.0, 1.0, 3.0]).mean())


def test_profile_of_absent_classes_and_diverged_rows():
    scores = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [math.nan, 0.0, 0.0]])
    errors = error_profile(MULTI_CLASS, [0, 1, 2], scores, ("a", "b", "c"))
    assert errors.recall == pytest.approx({"a": 1.0, "b": 0.0, "c": math.nan}, nan_ok=True)
    assert errors.precision == pytest.approx({"a": 0.5, "b": math.nan, "c": math.nan}, nan_ok=True)
    empty = error_profile(MULTI_CLASS, [0], [[math.nan, 0.0]], ("a", "b"))
    assert (empty.recall, empty.confidence) == ({}, None)
