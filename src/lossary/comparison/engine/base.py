"""The seam between a comparison and what trains its trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lossary.comparison.ledger import TrialRecord
from lossary.comparison.trials import Problem, Trial
from lossary.core import LossInputError

from .batched import BatchedEngine, why_not_batched
from .sequential import SequentialEngine

ENGINES = ("batched", "sequential")


class Engine(Protocol):
    """Trains trials and hands over the record of each as soon as it is complete, in any order."""

    @property
    def name(self) -> str: ...

    def run(self, problem: Problem, trials: Sequence[Trial], finished: Callable[[list[TrialRecord]], None]) -> None: ...


def engine_for(name: str | None, problem: Problem) -> tuple[Engine, str]:
    """The engine of that name, or the fastest one that the model allows; and why, in words.

    Raises:
        LossInputError: if there is no such engine, or the model can't be trained by it.
    """
    if name is not None and name not in ENGINES:
        raise LossInputError(f"compare: `engine` must be one of {', '.join(ENGINES)}, got {name!r}.")
    if name == "sequential":
        return SequentialEngine(), "as asked"
    obstacle = why_not_batched(problem)
    if obstacle is None:
        return BatchedEngine(), "all trials of one architecture are trained as one stacked model"
    if name == "batched":
        raise LossInputError(f"compare: `engine` can't be 'batched' for this model: {obstacle}; use 'sequential'.")
    return SequentialEngine(), f"one trial after another, because {obstacle}"
