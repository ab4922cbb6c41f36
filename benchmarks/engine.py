"""The batched engine against one trial after another: the default plan on breast_cancer, side by side.

Both train the same trials, the first round of a default comparison. Shares of them are timed in turn, so that a machine
that gets slower slows both.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from lossary.comparison import Plan
from lossary.comparison.candidates import candidates
from lossary.comparison.data import read_data
from lossary.comparison.engine import BatchedEngine, SequentialEngine
from lossary.comparison.ledger import TrialRecord
from lossary.comparison.metrics import DEFAULT_METRIC
from lossary.comparison.preparation import prepare
from lossary.comparison.splits import make_splits
from lossary.comparison.trials import Problem, Trial

PARTS = 4


def measure() -> dict[str, Any]:
    plan, dataset = Plan(), read_data("breast_cancer", target=None)
    splits = make_splits(dataset, repeats=plan.repeats, folds=plan.folds, validation=plan.validation, seed=plan.seed)
    prepared = [prepare(dataset, split.train) for split in splits]
    problem = Problem(dataset, splits, prepared, plan, DEFAULT_METRIC[dataset.task], None)
    trials = [
        Trial(candidate, candidate.tuned()[0], rate, split)
        for candidate in candidates(None, dataset.task)
        for split in range(len(splits))
        for rate in plan.coarse_learning_rates()
    ]
    _run(BatchedEngine(), problem, trials[:2])  # warm up
    batched, sequential, alone = 0.0, 0.0, {}
    together: dict[str, TrialRecord] = {}
    for part in range(PARTS):
        share = trials[part::PARTS]
        seconds, found = _run(SequentialEngine(), problem, share)
        sequential, alone = sequential + seconds, {**alone, **found}
        seconds, together = _run(BatchedEngine(), problem, trials)
        batched += seconds / PARTS
    agree = float(np.mean([together[key].epoch == record.epoch for key, record in alone.items()]))
    ratio = sequential / batched
    return {
        "summary": (
            f"{len(trials)} trials of the default plan on breast_cancer: batched {batched:.1f} s, one by one "
            f"{sequential:.1f} s, {ratio:.1f} times as fast; {agree:.0%} of the trials kept the same epoch"
        ),
        "ratio": ratio, "trials": len(trials), "batched": batched, "sequential": sequential, "same_epoch": agree,
    }  # fmt: skip


def _run(
    engine: BatchedEngine | SequentialEngine, problem: Problem, trials: Sequence[Trial]
) -> tuple[float, dict[str, TrialRecord]]:
    records: dict[str, TrialRecord] = {}
    started = time.perf_counter()
    engine.run(problem, trials, lambda found: records.update({record.key: record for record in found}))
    return time.perf_counter() - started, records
