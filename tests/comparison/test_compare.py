"""The whole experiment, small: what goes in, what comes out, and that it is fair."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

import lossary
from lossary.comparison import Plan
from lossary.comparison.candidates import DEFAULTS
from lossary.comparison.data import from_arrays
from lossary.comparison.ledger import Ledger
from lossary.comparison.metrics import METRICS
from lossary.comparison.splits import make_splits
from lossary.core import LossInputError, UnknownNameError

from .conftest import arrays

QUICK = Plan(repeats=1, folds=3, budget=2, epochs=4, patience=2, hidden=(8,))


@pytest.mark.parametrize("task", DEFAULTS)
def test_every_task_gives_a_result(task):
    result = lossary.compare(*arrays(task), task=task, plan=QUICK)
    assert result.data.task == task
    assert {entry.label for entry in result.entries} == set(DEFAULTS[task])
    means = [entry.scores[result.metric].mean for entry in result.entries]
    assert means == sorted(means, reverse=result.higher_is_better[result.metric]), "the best comes first"
    assert len(result.splits) == 3 and all(len(entry.choices) == 3 for entry in result.entries)
    assert len(result.trials) == result.new_trials == len(result.entries) * 3 * QUICK.budget
    assert len(result.findings) == len(result.entries)
    assert result.verdict.headline and result.verdict.reasons
    json.loads(result.to_json())


def test_intervals_stay_where_the_metric_has_values():
    result = lossary.compare(*arrays("binary classification"), plan=QUICK)
    for entry in result.entries:
        for name, score in entry.scores.items():
            least, most = METRICS[name].bounds
            assert least <= score.low <= score.mean <= score.high <= most


def test_it_finds_the_loss_that_fits():
    """A tenth of the targets are thrown off upwards: the mean, which squared error seeks, moves; the median does not.

    Judged on clean targets' median absolute error, absolute error must win by a wide margin.
    """
    x, y = arrays("regression", n=200)
    y = np.where(np.random.default_rng(1).random(200) < 0.1, y + 2000, y)
    result = lossary.compare(
        x, y, losses=["mse", "l1"], metric="median_ae",
        plan=Plan(repeats=1, folds=5, budget=4, epochs=60, patience=10, hidden=(16,)),
    )  # fmt: skip
    assert result.winner.label == "l1"
    (difference,) = result.differences
    assert difference.standing == "better" and difference.low > 0
    assert "l1" in result.verdict.headline
    assert "lossary.L1Loss()" in result.verdict.code


def test_two_names_of_one_loss_can_not_be_told_apart():
    result = lossary.compare(*arrays("regression"), losses=["l1", "quantile:q=0.5"], plan=QUICK)
    assert abs(result.differences[0].mean) < 1.0
    assert result.differences[0].standing in ("undecided", "practically equal")


def test_it_is_deterministic():
    first, second = (lossary.compare(*arrays("regression"), plan=QUICK) for _ in range(2))
    assert [e.scores for e in first.entries] == [e.scores for e in second.entries]


def test_the_test_fold_has_no_say():
    """Other targets in the test rows of a split leave everything that was trained for that split as it was."""
    x, y = arrays("regression")
    before = lossary.compare(x, y, plan=QUICK)
    dataset = from_arrays(x, y)
    test = make_splits(dataset, repeats=1, folds=3, validation=QUICK.validation, seed=QUICK.seed)[0].test
    changed = y.copy()
    changed[test] = 1e4 * np.arange(len(test))
    after = lossary.compare(x, changed, plan=QUICK)

    def trained(result, split):
        return [(t.label, t.learning_rate, t.validation, t.epoch, t.chosen) for t in result.trials if t.split == split]

    assert trained(before, before.splits[0]) == trained(after, after.splits[0])
    assert trained(before, before.splits[1]) != trained(after, after.splits[1]), "those rows train the other splits"


def test_a_better_trial_on_the_validation_part_is_chosen():
    result = lossary.compare(*arrays("regression"), plan=Plan(repeats=1, folds=3, budget=8, epochs=5, hidden=(8,)))
    groups = {(t.label, t.split) for t in result.trials}
    for label, split in groups:
        group = [t for t in result.trials if (t.label, t.split) == (label, split)]
        assert len(group) == 8, "every loss gets the same number of trainings on every split"
        (chosen,) = (t for t in group if t.chosen)
        assert chosen.validation == max(t.validation for t in group)


def test_declared_hyperparameters_are_tuned():
    result = lossary.compare(*arrays("regression"), losses=["huber", "mse"], plan=Plan(
        repeats=1, folds=3, budget=8, epochs=3, hidden=(8,)))  # fmt: skip
    tried = {t.hyperparameters.get("delta") for t in result.trials if t.label == "huber"}
    assert tried == set(lossary.get("huber").card.tune["delta"])


def test_a_repeated_run_trains_nothing(tmp_path):
    ledger = tmp_path / "kept" / "trials.sqlite"
    first = lossary.compare(*arrays("regression"), plan=QUICK, ledger=ledger)
    again = lossary.compare(*arrays("regression"), plan=QUICK, ledger=ledger)
    assert first.new_trials > 0 and again.new_trials == 0
    assert first.entries == again.entries


def test_what_is_missing_is_trained_and_nothing_else(tmp_path):
    ledger = tmp_path / "trials.sqlite"
    one = lossary.compare(*arrays("regression"), plan=QUICK, ledger=ledger, losses=["mse", "l1"])
    more = lossary.compare(*arrays("regression"), plan=QUICK, ledger=ledger, losses=["mse", "l1", "log_cosh"])
    assert more.new_trials == one.new_trials / 2
    with Ledger(ledger) as kept:
        assert len(kept) == one.new_trials + more.new_trials


def test_progress_reaches_the_end():
    steps = []
    lossary.compare(
        *arrays("regression"), plan=QUICK, on_progress=lambda done, total, what: steps.append((done, total))
    )
    assert steps[-1][0] == steps[-1][1] == 4 * 3 * 2
    assert steps == sorted(steps)


def test_data_of_many_forms():
    x, y = arrays("regression")
    frame = pd.DataFrame(x, columns=list("abcd")).assign(price=y, town=["ulm", "jena", "bonn"] * 20 + ["ulm"])
    frame.loc[3, "a"] = math.nan
    mixed = lossary.compare(frame, "price", plan=QUICK, losses=["mse", "l1"])
    assert mixed.data.target == ("price",) and mixed.data.categorical == 1 and mixed.data.missing > 0
    tensors = lossary.compare(torch.tensor(x), torch.tensor(y), plan=QUICK, losses=["mse", "l1"])
    lists = lossary.compare(x.tolist(), y.tolist(), plan=QUICK, losses=["mse", "l1"])
    assert tensors.entries[0].scores == lists.entries[0].scores


def test_own_models_and_losses():
    def linear(inputs, outputs):
        return torch.nn.Linear(inputs, outputs)

    def mine(raw, target):
        return (raw - target).abs().pow(1.5).mean()

    result = lossary.compare(
        *arrays("regression"), model=linear, losses=[mine, lossary.HuberLoss(delta=0.3)], plan=QUICK
    )
    assert {entry.label for entry in result.entries} == {"mine", "huber:delta=0.3"}
    assert all(math.isfinite(entry.scores["rmse"].mean) for entry in result.entries)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"losses": ["mse", "hubber"]}, "did you mean huber"),
        ({"metric": "auroc"}, "`metric` must be one of rmse"),
        ({"task": "regresion"}, "`task` must be"),
        ({"engine": "gpu"}, "`engine` must be one of"),
        ({"model": lambda inputs, outputs: torch.nn.Linear(1, 1)}, "`model` must take a tensor"),
    ],
)
def test_bad_options_cost_no_training(arguments, words, tmp_path):
    ledger = tmp_path / "report" / "trials.sqlite"
    with pytest.raises(LossInputError, match=words):
        lossary.compare(*arrays("regression"), plan=QUICK, ledger=ledger, **arguments)
    assert not ledger.parent.exists(), "nothing half-made is left behind"
    assert issubclass(UnknownNameError, ValueError)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.full(61, 3.0), "must vary"),
        (np.append(np.arange(60.0) / 7, np.inf), "finite|inf"),
        (["a"] * 61, "class|one"),
    ],
)
def test_bad_targets(y, words):
    with pytest.raises(LossInputError, match=words):
        lossary.compare(arrays("regression")[0], y, plan=QUICK)


def test_a_target_is_needed():
    with pytest.raises(LossInputError, match="`target` must be given"):
        lossary.compare(arrays("regression")[0], plan=QUICK)
    with pytest.raises(LossInputError, match="`target` must name a column"):
        lossary.compare(pd.DataFrame({"a": [1.0, 2.0]}), "b", plan=QUICK)
