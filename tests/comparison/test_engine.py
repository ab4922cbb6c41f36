"""Engines differ in speed alone: the stacked model gives what an ordinary loop with torch.optim.Adam gives."""

import numpy as np
import pytest
import torch
from torch import nn

from lossary.comparison.candidates import DEFAULTS
from lossary.comparison.engine import BatchedEngine, SequentialEngine, engine_for
from lossary.comparison.engine.course import Course
from lossary.core import LossInputError


def run(engine, problem, trials):
    records = {}
    engine.run(problem, trials, lambda found: records.update({r.key: r for r in found}))
    assert len(records) == len(trials)
    return records


def convolution(inputs, outputs):
    """A model with another shape of parameters than the usual one."""
    return nn.Sequential(
        nn.Unflatten(1, (1, inputs)), nn.Conv1d(1, 3, 2), nn.GELU(), nn.Flatten(), nn.LazyLinear(outputs)
    )


def dropout(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 8), nn.Dropout(0.5), nn.Linear(8, outputs))


def batchnorm(inputs, outputs):
    return nn.Sequential(nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs))


def two_layers(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, outputs))


@pytest.mark.parametrize("task", DEFAULTS)
def test_batched_is_one_by_one(make_problem, task):
    """In float64, so that rounding can't tip an early stop; every loss, setting, split and learning rate."""
    problem, trials = make_problem(task, double=True)
    together, alone = run(BatchedEngine(), problem, trials), run(SequentialEngine(), problem, trials)
    assert len(together) >= 12
    for key, one in alone.items():
        other = together[key]
        assert (other.epoch, len(other.curve)) == (one.epoch, len(one.curve))
        np.testing.assert_allclose(other.curve, one.curve, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(other.outputs, one.outputs, rtol=1e-5, atol=1e-6)
        assert other.trial == one.trial


def test_batched_is_one_by_one_for_another_model(make_problem):
    problem, trials = make_problem(model=two_layers, double=True, losses=["mse", "l1"])
    together, alone = run(BatchedEngine(), problem, trials), run(SequentialEngine(), problem, trials)
    for key, one in alone.items():
        np.testing.assert_allclose(together[key].outputs, one.outputs, rtol=1e-5, atol=1e-6)


def test_in_single_precision_they_agree_to_rounding(make_problem):
    problem, trials = make_problem(losses=["mse", "huber"], epochs=3)
    together, alone = run(BatchedEngine(), problem, trials), run(SequentialEngine(), problem, trials)
    for key, one in alone.items():
        np.testing.assert_allclose(together[key].curve, one.curve, rtol=1e-3)


def test_who_else_is_in_the_stack_makes_no_difference(make_problem):
    problem, trials = make_problem(double=True)
    together, apart = run(BatchedEngine(), problem, trials), run(BatchedEngine(), problem, trials[5:8])
    for key, record in apart.items():
        np.testing.assert_allclose(record.outputs, together[key].outputs, rtol=1e-6)


def test_a_trial_that_diverges_leaves_the_others_alone(make_problem):
    def explosive(raw, target):
        return (raw * 1e30).square().mean() ** 2

    problem, trials = make_problem(losses=["mse", explosive])
    records = run(BatchedEngine(), problem, trials)
    by_loss = {
        t.candidate.label: [records[u.key(problem)] for u in trials if u.candidate is t.candidate] for t in trials
    }
    assert all(record.diverged for record in by_loss["explosive"])
    assert not any(record.diverged for record in by_loss["mse"])


def test_trials_are_handed_over_when_they_stop(make_problem):
    problem, trials = make_problem(epochs=30, patience=2)
    batches = []
    BatchedEngine().run(problem, trials, batches.append)
    assert len(batches) > 1, "those that stop early must not wait for the last"


@pytest.mark.parametrize(("model", "words"), [(dropout, "random numbers"), (batchnorm, "buffers")])
def test_models_that_can_not_be_stacked(make_problem, model, words):
    problem, trials = make_problem(model=model, losses=["mse", "l1"])
    engine, why = engine_for(None, problem)
    assert engine.name == "sequential" and words in why
    first, second = run(engine, problem, trials[:2]), run(engine, problem, trials[:2])
    for key, record in first.items():
        np.testing.assert_array_equal(record.outputs, second[key].outputs)
    with pytest.raises(LossInputError, match=f"can't be 'batched' for this model.*{words}"):
        engine_for("batched", problem)


def test_an_unknown_engine_is_refused(make_problem):
    problem, _ = make_problem()
    assert engine_for(None, problem)[0].name == "batched"
    with pytest.raises(LossInputError, match="must be one of batched, sequential, got 'ray'"):
        engine_for("ray", problem)


def test_training_leaves_the_random_numbers_alone(make_problem):
    problem, trials = make_problem(model=dropout)
    torch.manual_seed(3)
    expected = torch.rand(3)
    for engine in (SequentialEngine(), BatchedEngine()):
        torch.manual_seed(3)
        run(engine, problem if engine.name == "sequential" else make_problem()[0], trials[:1])
        assert torch.equal(torch.rand(3), expected)


class TestCourse:
    def test_the_last_of_equal_scores_is_kept(self):
        course = Course(patience=3)
        kept = [course.add(score) for score in (0.5, 0.9, 0.9, 0.7)]
        assert kept == [True, True, True, False]
        assert (course.epoch, course.best, course.stopped) == (3, 0.9, False)

    def test_equal_scores_do_not_put_off_the_end(self):
        course = Course(patience=2)
        for _ in range(3):
            course.add(1.0)
        assert course.stopped and course.epoch == 3

    def test_what_is_not_a_number_is_never_best(self):
        course = Course(patience=2)
        assert not course.add(float("nan")) and not course.add(float("-inf"))
        assert course.diverged and course.stopped
