"""What identifies a training: everything that its outcome depends on, and nothing else."""

import dataclasses

import pytest
import torch
from torch import nn

from lossary.comparison import trials
from lossary.core import LossInputError


def test_keys_tell_trials_apart(make_problem):
    problem, trials = make_problem()
    keys = [trial.key(problem) for trial in trials]
    assert len(set(keys)) == len(trials) > 10


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs": 7}, {"batch_size": 9}, {"hidden": (9,)}, {"double": True}])
def test_the_plan_is_part_of_the_key(make_problem, change):
    problem, (trial, *_) = make_problem()
    assert trial.key(make_problem(**change)[0]) != trial.key(problem)


@pytest.mark.parametrize("change", [{"budget": 4}, {"repeats": 2}])
def test_what_else_is_run_is_not(make_problem, change):
    problem, (trial, *_) = make_problem()
    assert trial.key(make_problem(**change)[0]) == trial.key(problem)


def test_the_code_is_part_of_the_key(make_problem, monkeypatch):
    problem, (trial, *_) = make_problem()
    before = trial.key(problem)
    monkeypatch.setattr(trials, "code_version", lambda: "other")
    assert trial.key(problem) != before


def test_rate_setting_and_split_are(make_problem):
    problem, (trial, *_) = make_problem()
    changed = [{"learning_rate": 0.5}, {"setting": {"delta": 9.0}}, {"split": 1}]
    keys = {dataclasses.replace(trial, **change).key(problem) for change in changed}
    assert len(keys | {trial.key(problem)}) == 4


def test_every_loss_starts_from_the_same_weights_and_sees_the_same_batches(make_problem):
    problem, _ = make_problem()
    first, again = problem.model(0), problem.model(0)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert torch.equal(problem.batches(1)(), problem.batches(1)())
    assert not torch.equal(problem.batches(0)(), problem.batches(1)())


def test_an_epoch_uses_training_rows_once(make_problem):
    problem, _ = make_problem()
    rows = problem.batches(0)().flatten().tolist()
    assert len(rows) == len(set(rows)) == problem.steps * problem.batch_size
    assert set(rows) <= set(problem.splits[0].train.tolist())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda inputs, outputs: nn.Linear(inputs + 1, outputs), "must take a tensor of shape"),
        (lambda inputs, outputs: nn.Linear(inputs, 5), r"must return the shape \(4, 1\), got \(4, 5\)"),
        (lambda inputs, outputs: "model", "must return a torch.nn.Module, got str"),
    ],
)
def test_a_model_that_does_not_fit(make_problem, model, words):
    problem, _ = make_problem(model=model)
    with pytest.raises(LossInputError, match=words):
        problem.check_model()
