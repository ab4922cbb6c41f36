"""Run a comparison: from data and candidate losses to one result."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossary.core import LossInputError

from .candidates import candidates, check_target
from .data import Dataset, from_arrays, read_data
from .engine import engine_for
from .entries import entry, environment, ranked, summaries, test_share, winning_code
from .ledger import Ledger
from .metrics import DEFAULT_METRIC, METRICS, selection_score
from .plan import ModelFactory, Plan
from .preparation import prepare
from .result import Comparison, Verdict
from .search import Progress, Search
from .splits import make_splits
from .statistics import compare_pairs
from .trials import Problem
from .verdict import Evidence, best_group, cautions, findings, headline, reasons


def compare(
    data: Any,
    target: Any = None,
    *,
    losses: Sequence[Any] | None = None,
    task: str | None = None,
    metric: str | None = None,
    model: ModelFactory | None = None,
    plan: Plan | None = None,
    engine: str | None = None,
    ledger: str | Path | None = None,
    name: str | None = None,
    command: str = "",
    on_progress: Progress | None = None,
) -> Comparison:
    """Train one model with each of several losses, fairly, and say which did better, by how much, and how surely.

    Every loss gets the same splits, initial weights, batches and number of trainings; the learning rate and the
    hyperparameters that its card declares are tuned for each on an inner split; training stops early by a metric of the
    task, never by a loss; the test fold is used once.

    Args:
        data: Features ``(n, d)`` as an array, a tensor or a pandas DataFrame; or a file (CSV, TSV, Parquet, NPZ); or
            the name of a set that scikit-learn bundles.
        target: The targets, ``(n,)`` or, for several labels, ``(n, labels)``; for a table the name of its column, or
            the names of several.
        losses: Names such as ``"huber"`` or ``"quantile:q=0.9"``, losses, or callables of raw outputs and targets.
        task: "regression", "binary", "multi-class", "ordinal" or "multi-label"; inferred from the target where it is
            not given.
        metric: Primary metric, by which training stops, settings are chosen and losses are ranked.
        model: Takes the numbers of features and of outputs and returns a module; a small MLP where it is not given.
        plan: Budget and rules.
        engine: "batched" or "sequential"; the faster one that the model allows where it is not given.
        ledger: File that keeps finished trials. A run that was killed goes on from it, and one that is repeated costs
            nothing.
        name: What the data are called in the report.
        command: What the report says was run.
        on_progress: Called with the number of trials done and of all.

    Raises:
        LossInputError: before any training, in one sentence, if the data, the losses or an option won't do.

    >>> result = compare("iris", plan=Plan(repeats=1, folds=3, budget=2, epochs=5), losses=["cross_entropy", "nll"])
    >>> sorted(entry.label for entry in result.entries)
    ['cross_entropy', 'nll']
    """
    started = time.perf_counter()
    plan = plan or Plan()
    dataset = _dataset(data, target, task, name)
    primary = _metric(metric, dataset.task)
    competing = candidates(losses, dataset.task)
    check_target(competing, dataset)
    splits = make_splits(dataset, repeats=plan.repeats, folds=plan.folds, validation=plan.validation, seed=plan.seed)
    problem = Problem(dataset, splits, [prepare(dataset, s.train) for s in splits], plan, primary, model)
    for outputs in sorted({dataset.outputs, *(problem.width(candidate) for candidate in competing)}):
        problem.check_model(outputs)
    trainer, why = engine_for(engine, problem)

    with _open(ledger) as kept:
        search = Search(problem, competing, trainer, kept, on_progress)
        search.run()
        entries = ranked([entry(dataset, problem, search, candidate) for candidate in competing], primary)

    summary, best = dataset.summary(), entries[0]
    margin = METRICS[primary].margin_at(best.scores[primary].mean)
    differences = compare_pairs(
        {e.label: e.scores[primary].values for e in entries},
        metric=primary,
        higher_is_better=METRICS[primary].higher_is_better,
        margin=margin,
        test_share=test_share(problem),
    )
    evidence = Evidence(
        entries=entries,
        differences=differences,
        metric=METRICS[primary],
        margin=margin,
        data=summary,
        plan={**plan.to_dict(), "learning_rates": plan.coarse_learning_rates()},
    )
    winner = next(candidate for candidate in competing if candidate.label == best.label)
    return Comparison(
        data=summary,
        plan=plan.to_dict(),
        metric=primary,
        higher_is_better={name: METRICS[name].higher_is_better for name in best.scores},
        margin=margin,
        splits=tuple(split.name for split in splits),
        entries=entries,
        differences=differences,
        best_group=best_group(evidence),
        verdict=Verdict(
            headline=headline(evidence),
            reasons=reasons(evidence),
            cautions=(*cautions(evidence), *(f"Data: {note}." for note in dataset.notes)),
            code=winning_code(winner, best, dataset),
        ),
        findings=findings(evidence),
        environment=environment(problem, trainer.name, why, command),
        seconds=time.perf_counter() - started,
        new_trials=search.new,
        trials=tuple(summary for candidate in competing for summary in summaries(problem, search, candidate)),
    )


def _dataset(data: Any, target: Any, task: str | None, name: str | None) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, Path)):
        dataset = read_data(data, target=target, task=task)
    elif hasattr(data, "columns") and _names_columns(target):
        names = [target] if isinstance(target, str) else list(target)
        unknown = [n for n in names if n not in data.columns]
        if unknown:
            raise LossInputError(f"compare: `target` must name a column of the table, got {unknown[0]!r}.")
        chosen = data[names[0]] if isinstance(target, str) else data[names]
        dataset = from_arrays(data.drop(columns=names), chosen, task=task)
    elif target is None:
        raise LossInputError("compare: `target` must be given with features in memory, got None.")
    else:
        dataset = from_arrays(data, target, task=task)
    return dataset if name is None else dataclasses.replace(dataset, name=name)


def _open(ledger: str | Path | None) -> Ledger:
    if ledger is None:
        return Ledger(None)
    path = Path(ledger)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LossInputError(
            f"compare: `ledger` must lie in a folder that can be made, got {str(path)!r}: {error}."
        ) from error
    return Ledger(path)


def _names_columns(target: Any) -> bool:
    return isinstance(target, str) or (
        isinstance(target, (list, tuple)) and bool(target) and all(isinstance(n, str) for n in target)
    )


def _metric(metric: str | None, task: str) -> str:
    if metric is None:
        return DEFAULT_METRIC[task]
    selection_score(metric, task)  # refuses a metric that is unknown or does not fit the task
    return metric
