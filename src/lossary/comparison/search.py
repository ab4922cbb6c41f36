"""Which trainings a comparison is made of, and which of them each loss is judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .candidates import Candidate
from .engine import Engine
from .ledger import Ledger, TrialRecord
from .trials import Problem, Trial

Progress = Callable[[int, int, str], None]
"""Takes the number of trials done, of all trials, and what is being done."""


class Search:
    """Two rounds of the same size for every loss on every split.

    The first tries a coarse grid of learning rates at the usual hyperparameters. The second starts from the best of the
    first: it tries the other values of the hyperparameters that the loss declares, and finer learning rates with what
    is left of the budget.
    """

    def __init__(
        self,
        problem: Problem,
        candidates: Sequence[Candidate],
        engine: Engine,
        ledger: Ledger,
        on_progress: Progress | None,
    ) -> None:
        self.problem, self.candidates, self.engine, self.ledger = problem, candidates, engine, ledger
        self.new = 0
        """Trials trained here; the others were in the ledger."""
        self._finished: dict[tuple[str, int], list[tuple[Trial, TrialRecord]]] = {}
        self._report = on_progress or (lambda done, total, what: None)
        self._done, self._total = 0, len(candidates) * len(problem.splits) * problem.plan.budget

    def run(self) -> None:
        """Train what the ledger lacks, and take the rest from it."""
        plan, places = self.problem.plan, range(len(self.problem.splits))
        rates = plan.coarse_learning_rates()
        first = [Trial(c, c.tuned()[0], rate, s) for c in self.candidates for s in places for rate in rates]
        self._train(first, "learning rates")
        second = [trial for c in self.candidates for s in places for trial in self._second_round(c, s)]
        self._train(second, "hyperparameters and finer learning rates")

    def trials(self, candidate: Candidate, split: int) -> list[tuple[Trial, TrialRecord]]:
        """All trials of a loss on a split, in the order in which they were planned."""
        return self._finished[candidate.label, split]

    def best(self, candidate: Candidate, split: int) -> tuple[Trial, TrialRecord]:
        """The trial that the validation part prefers: of equal ones the earliest, one that diverged only if all did."""
        trials = self.trials(candidate, split)
        return max(trials, key=lambda found: (not found[1].diverged, found[1].validation))

    def _second_round(self, candidate: Candidate, split: int) -> list[Trial]:
        best, _ = self.best(candidate, split)
        size = self.problem.plan.budget // 2
        settings = candidate.tuned()[1 : 1 + size]
        finer = self.problem.plan.finer_learning_rates(best.learning_rate)[: size - len(settings)]
        return [
            *(Trial(candidate, setting, best.learning_rate, split) for setting in settings),
            *(Trial(candidate, best.setting, rate, split) for rate in finer),
        ]

    def _train(self, trials: Sequence[Trial], what: str) -> None:
        keys = {trial.key(self.problem): trial for trial in trials}
        known = self.ledger.get(keys)
        self._done += len(known)
        self._report(self._done, self._total, what)

        def finished(records: list[TrialRecord]) -> None:
            self.ledger.add(records)
            self.new += len(records)
            self._done += len(records)
            self._report(self._done, self._total, what)

        missing = [trial for key, trial in keys.items() if key not in known]
        if missing:
            self.engine.run(self.problem, missing, finished)
        records = self.ledger.get(keys)
        for key, trial in keys.items():
            self._finished.setdefault((trial.candidate.label, trial.split), []).append((trial, records[key]))
