"""One trial after another, each an ordinary PyTorch training loop: the reference for the batched engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from lossary.comparison.ledger import TrialRecord
from lossary.comparison.metrics import selection_score
from lossary.comparison.trials import Problem, Trial

from .course import Course


class SequentialEngine:
    """Trains each trial by itself. Takes any model, also one that draws random numbers or keeps running statistics."""

    name = "sequential"

    def run(self, problem: Problem, trials: Sequence[Trial], finished: Callable[[list[TrialRecord]], None]) -> None:
        """Train ``trials``; ``finished`` is called with each record as soon as it is complete."""
        for trial in trials:
            finished([train(problem, trial)])


def train(problem: Problem, trial: Trial) -> TrialRecord:
    """Train one trial and record it."""
    started = time.perf_counter()
    plan, split = problem.plan, problem.splits[trial.split]
    features, target = problem.features[trial.split], problem.targets[trial.split]
    centre, scale = problem.centre[trial.split], problem.scale[trial.split]
    objective = trial.candidate.objective(problem.task, trial.setting)
    weights = problem.weights(trial)
    score = selection_score(problem.metric, problem.task)
    validation, test = torch.as_tensor(split.validation), torch.as_tensor(split.test)
    truth = problem.truth(target[validation], trial.split)[None]
    everything = torch.ones(1, len(validation), dtype=torch.bool)

    with torch.random.fork_rng(devices=[]):
        model = problem.model(trial.split, problem.width(trial.candidate))
        torch.manual_seed(problem.seed(trial.split))  # for models that draw: dropout
        optimizer = torch.optim.Adam(model.parameters(), lr=trial.learning_rate)
        course, batches = Course(plan.patience), problem.batches(trial.split)
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        while len(course.curve) < plan.epochs and not course.stopped:
            model.train()
            for rows in batches():
                optimizer.zero_grad()
                raw = problem.raw(model(features[rows]))
                objective(raw, target[rows], centre, scale, weights).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            model.eval()
            with torch.no_grad():
                predicted = problem.scores(problem.raw(model(features[validation])), trial)
                improved = course.add(float(score(truth, predicted[None], everything)))
            if improved:
                kept = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(kept)
        model.eval()
        with torch.no_grad():
            outputs = problem.scores(problem.raw(model(features[test])), trial)
    return record(problem, trial, course, outputs.numpy(), time.perf_counter() - started)


def record(
    problem: Problem, trial: Trial, course: Course, outputs: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
    seconds: float,
) -> TrialRecord:  # fmt: skip
    """What a finished trial leaves behind."""
    return TrialRecord(
        key=trial.key(problem),
        trial=trial.spec(problem),
        validation=course.best,
        epoch=course.epoch,
        curve=tuple(course.curve),
        outputs=np.asarray(outputs, dtype=np.float32),
        seconds=seconds,
        diverged=course.diverged or not bool(np.isfinite(outputs).all()),
    )
