"""The result of a diagnosis. It holds figures and words; ``lossary.report`` renders it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossary.core import Finding, Result


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """One cause that is held to be there."""

    cause: str
    title: str
    sure: float
    """From 0 to 1."""
    words: str
    """The evidence, as a sentence with figures."""
    figures: Mapping[str, Any]
    began: int
    """The batch at which it began, counted from 0."""
    remedy: str
    confirm: str
    source: str
    consequences: tuple[str, ...] = ()
    """Causes that were seen too, and that this one explains."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """What the report draws."""

    losses: tuple[float, ...]
    """At most some hundreds, evenly chosen."""
    every: int
    """Batches between two of them."""
    val_losses: tuple[tuple[int, float], ...]
    """Batch and loss at the ends of epochs."""
    gradients: Mapping[str, tuple[float, ...]]
    """Root mean square of each parameter's gradient, at the sampled batches."""
    sampled: tuple[int, ...]
    trivial: float
    """The loss of the best constant output; NaN where the loss is not known."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Result):
    """What was found, the surest cause first, and what was looked at."""

    causes: tuple[Suspicion, ...]
    summary: str
    looked_at: Mapping[str, Any]
    """Figures of the run: batches, steps, the loss in use, start and end."""
    not_looked_at: tuple[str, ...]
    """What could not be examined, and why."""
    series: Series
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing wrong was seen."""
        return not self.causes

    @property
    def best(self) -> Suspicion | None:
        """The surest cause, if there is one."""
        return self.causes[0] if self.causes else None
