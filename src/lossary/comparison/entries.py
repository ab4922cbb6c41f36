"""From the trials of one loss to its entry in the result."""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lossary.version import __version__

from .candidates import BALANCED, Candidate
from .data import Dataset
from .ledger import TrialRecord
from .metrics import METRICS, Metric, error_profile, evaluate
from .result import Choice, Curve, Entry, Score, TrialSummary
from .search import Search
from .statistics import corrected_interval
from .trials import Problem


def entry(dataset: Dataset, problem: Problem, search: Search, candidate: Candidate) -> Entry:
    """How one loss did: the scores of its chosen trials on the test folds, and how they were chosen."""
    places = range(len(problem.splits))
    chosen = [search.best(candidate, split) for split in places]
    everything = [record for split in places for _, record in search.trials(candidate, split)]
    truths = [dataset.target[problem.splits[split].test] for split in places]
    tested = [evaluate(dataset.task, t, r.outputs) for t, (_, r) in zip(truths, chosen, strict=True)]
    usual = _usual([trial.setting for trial, _ in chosen])
    return Entry(
        label=candidate.label,
        loss=candidate.name,
        fixed={name: value for name, value in candidate.fixed.items() if isinstance(value, (int, float))},
        scores={name: _score(METRICS[name], [t[name] for t in tested], test_share(problem)) for name in tested[0]},
        choices=tuple(
            Choice(learning_rate=trial.learning_rate, hyperparameters=dict(trial.setting), epoch=record.epoch)
            for trial, record in chosen
        ),
        curve=_curve([record for _, record in chosen], problem.metric),
        errors=error_profile(
            dataset.task,
            np.concatenate(truths),
            np.concatenate([record.outputs for _, record in chosen]),
            dataset.classes,
        ),
        seconds=sum(record.seconds for record in everything),
        trials=len(everything),
        diverged=sum(record.diverged for record in everything),
        code=candidate.code(usual),
    )


def summaries(problem: Problem, search: Search, candidate: Candidate) -> Iterator[TrialSummary]:
    """All trials of one loss, in a line each."""
    for place, split in enumerate(problem.splits):
        best, _ = search.best(candidate, place)
        for trial, record in search.trials(candidate, place):
            yield TrialSummary(
                label=candidate.label,
                split=split.name,
                learning_rate=trial.learning_rate,
                hyperparameters=dict(trial.setting),
                validation=record.validation,
                epoch=record.epoch,
                epochs=len(record.curve),
                seconds=record.seconds,
                diverged=record.diverged,
                chosen=trial is best,
            )


def ranked(entries: Sequence[Entry], metric: str) -> tuple[Entry, ...]:
    """Best first on ``metric``; a loss without a score comes last."""
    sign = -1.0 if METRICS[metric].higher_is_better else 1.0

    def badness(entry: Entry) -> float:
        mean = entry.scores[metric].mean
        return math.inf if math.isnan(mean) else sign * mean

    return tuple(sorted(entries, key=badness))


def test_share(problem: Problem) -> float:
    """Size of a test fold over that of what the models were fitted on."""
    split = problem.splits[0]
    return len(split.test) / (len(split.train) + len(split.validation))


def winning_code(candidate: Candidate, best: Entry, dataset: Dataset) -> str:
    """Code to paste: the winner with its usual hyperparameters and learning rate."""
    rate = _median([choice.learning_rate for choice in best.choices])
    lines = ["import torch", "import lossary", ""] if candidate.definition is not None else ["import torch", ""]
    lines += _balance_code(candidate, dataset)
    lines += [best.code, f"optimizer = torch.optim.Adam(model.parameters(), lr={rate:g})"]
    if dataset.task == "regression":
        lines.append("# The target was standardised: (target - mean) / standard deviation.")
    return "\n".join(lines)


def environment(problem: Problem, engine: str, why: str, command: str) -> Mapping[str, str]:
    """What it takes to repeat a run."""
    return {
        "lossary": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "engine": f"{engine}: {why}",
        "model": problem.model_identity,
        **({"command": command} if command else {}),
    }


def _score(metric: Metric, values: Sequence[float], share: float) -> Score:
    """The mean over the splits, and its interval as far as the metric has values."""
    mean, low, high = corrected_interval(values, test_share=share)
    least, most = metric.bounds
    return Score(mean=mean, low=max(low, least), high=min(high, most), values=tuple(values))


def _curve(records: Sequence[TrialRecord], metric: str) -> Curve:
    """The validation metric after each epoch; a trial that stopped holds what it kept."""
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    longest = max(len(record.curve) for record in records)
    held = [[*r.curve, *[r.validation] * (longest - len(r.curve))] for r in records]
    table = sign * np.asarray(held, dtype=float)
    finite = np.where(np.isfinite(table), table, np.nan)
    rows = [column[~np.isnan(column)] for column in finite.T]
    low, middle, high = (
        tuple(float(np.quantile(row, q)) if len(row) else math.nan for row in rows) for q in (0.25, 0.5, 0.75)
    )
    return Curve(median=middle, low=low, high=high)


def _usual(settings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The setting that was chosen most often; of equally frequent ones the first."""
    counted = Counter(tuple(sorted(setting.items())) for setting in settings)
    return dict(counted.most_common(1)[0][0])


def _median(values: Sequence[float]) -> float:
    """The lower median: a value that was really tried."""
    return sorted(values)[(len(values) - 1) // 2]


def _balance_code(candidate: Candidate, dataset: Dataset) -> list[str]:
    """How the weights that were computed from the class counts are made."""
    lines = []
    for name, value in candidate.fixed.items():
        if value != BALANCED:
            continue
        counts = np.asarray(dataset.summary().class_counts, dtype=float)
        if name == "class_weight":
            weights: Any = (len(dataset) / (len(counts) * counts)).round(4).tolist()
        elif dataset.task == "multi-label classification":
            weights = ((len(dataset) - counts) / counts).round(4).tolist()
        else:
            weights = round(float(counts[0] / counts[1]), 4)
        lines.append(f"{name} = torch.tensor({weights})")
    return lines
