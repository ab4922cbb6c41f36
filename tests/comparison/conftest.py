"""Small problems, ready to train on."""

import numpy as np
import pytest

from lossary.comparison.candidates import candidates
from lossary.comparison.data import from_arrays
from lossary.comparison.metrics import DEFAULT_METRIC
from lossary.comparison.plan import Plan
from lossary.comparison.preparation import prepare
from lossary.comparison.splits import make_splits
from lossary.comparison.trials import Problem, Trial


def arrays(task, n=61, d=4, seed=0):
    """Features and a target that depends on them, of the given task."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d))
    signal = x @ np.linspace(1, 2, d) + 0.3 * generator.normal(size=n)
    if task == "regression":
        return x, 50 + 10 * signal
    if task == "binary classification":
        return x, (signal > 0.5).astype(int)
    if task in ("multi-class classification", "ordinal classification"):
        return x, np.digitize(signal, [-1.0, 1.0])
    return x, np.stack([signal > 0, x[:, 0] > 0.3], 1).astype(int)


@pytest.fixture
def make_problem():
    def make(task="regression", *, model=None, losses=None, **plan):
        plan = Plan(**{"repeats": 1, "folds": 3, "epochs": 6, "patience": 3, "batch_size": 8, "hidden": (8,), **plan})
        dataset = from_arrays(*arrays(task), task=task)
        splits = make_splits(
            dataset, repeats=plan.repeats, folds=plan.folds, validation=plan.validation, seed=plan.seed
        )
        prepared = [prepare(dataset, split.train) for split in splits]
        problem = Problem(dataset, splits, prepared, plan, DEFAULT_METRIC[task], model)
        trials = [
            Trial(candidate, setting, rate, split)
            for candidate in candidates(losses, task)
            for setting in candidate.tuned()
            for split in range(len(splits))
            for rate in (1e-3, 3e-2)
        ]
        return problem, trials

    return make
