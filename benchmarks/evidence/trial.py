"""One case: what ``recommend`` says, and what ``compare`` finds for every loss that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lossary
from lossary.catalogue import find, short_name
from lossary.comparison import Plan
from lossary.comparison.candidates import parse
from lossary.comparison.data import Dataset, from_arrays
from lossary.comparison.feeding import misfit, unfit_target
from lossary.comparison.metrics import METRICS

from .sets import Case
from .sources import DISTRIBUTIONS

PLAN = Plan(repeats=2, folds=5, budget=4, epochs=30, patience=6, batch_size=64, hidden=(32,))
"""Small: it is the comparison that is on trial, not the model."""

USUAL = {
    "regression": "mse", "binary classification": "bce_with_logits", "multi-class classification": "cross_entropy",
    "ordinal classification": "cross_entropy", "multi-label classification": "bce_with_logits",
}  # fmt: skip
"""What is trained with where nobody thinks about the loss."""


def trial(case: Case, ledger: Path) -> dict[str, Any]:
    """Everything about one case that the tables are made of, as plain data."""
    x, y = case.load()
    advice = lossary.recommend(x, y, task=case.task, goals=[case.goal] if case.goal else [])
    dataset = from_arrays(x, y, task=advice.comparison_task, name=case.name)
    trained = [each for each in advice.ranking if each.comparable]
    recommended = [parse(each.comparable).label for each in trained[:4]]
    labels = list(dict.fromkeys([USUAL[dataset.task], *recommended, *fitting(dataset)]))
    found = lossary.compare(dataset, losses=labels, metric=case.metric, plan=PLAN, ledger=ledger)
    return {
        "case": case.key,
        "set": case.name,
        "distribution": DISTRIBUTIONS[case.package],
        "about": case.about,
        "samples": len(dataset),
        "features": x.shape[1],
        "told": case.task or "",
        "kind": advice.profile.kind,
        "goal": case.goal,
        "metric": case.metric,
        "higher_is_better": METRICS[case.metric].higher_is_better,
        "margin": METRICS[case.metric].margin,
        "margin_is_relative": METRICS[case.metric].margin_is_relative,
        "usual": USUAL[dataset.task],
        "first": advice.best.loss,
        "recommended": recommended,
        "points": [each.score for each in trained[:4]],
        "reasons": [firing.rule for firing in advice.rules if firing.fired],
        "splits": len(found.splits),
        "folds": PLAN.folds,
        "seconds": round(sum(entry.seconds for entry in found.entries), 1),
        "scores": {entry.label: list(entry.scores[case.metric].values) for entry in found.entries},
        "diverged": {entry.label: entry.diverged for entry in found.entries if entry.diverged},
    }


def fitting(dataset: Dataset) -> list[str]:
    """Every catalogued loss that ``compare`` can train on these data, by its short name."""
    return [
        short_name(definition)
        for definition in find()
        if misfit(definition, dataset.task) is None
        and (dataset.task != "regression" or unfit_target(definition, dataset.target) is None)
    ]
