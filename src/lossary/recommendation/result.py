"""The result of a recommendation. It holds figures and words; ``lossary.report`` renders it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossary.core import Finding, Result

from .comparing import COMPARED
from .profiling import Profile


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One rule's word for or against a loss."""

    rule: str
    weight: float
    """Points; below 0 against."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One loss, with what speaks for and against it here."""

    loss: str
    """Its short name, with ``:class_weight=balanced`` and the like for the variant with weights."""
    module: str
    """Name of the class in ``lossary``."""
    score: float
    hyperparameters: Mapping[str, Any]
    """Numbers and lists of numbers that the data or the goals ask for; the others keep their defaults."""
    settings: Mapping[str, str]
    """Where each of them comes from."""
    outputs: int
    """How many outputs the model needs for it."""
    pros: tuple[Reason, ...]
    cons: tuple[Reason, ...]
    code: str
    """Defines ``training_loss(model, x, y)``."""
    comparable: str
    """As ``lossary.compare`` takes it, ``"huber:delta=1.4"``; empty where it does not train such a loss."""


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One rule, whether it fired, and the figures that it went by."""

    rule: str
    condition: str
    fired: bool
    figures: Mapping[str, float]
    sentence: str
    """The evidence with its figures; empty where it did not fire."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Recommendation(Result):
    """Which losses fit these data, and why."""

    profile: Profile
    goals: tuple[str, ...]
    ranking: tuple[Advice, ...]
    """All losses that can be trained on this target, the best first."""
    besides: tuple[str, ...]
    """What to do apart from the loss."""
    changes: tuple[str, ...]
    """What would put another loss first: what is close to it, and other goals."""
    rules: tuple[Firing, ...]
    """Every rule that can apply to this kind of target."""
    findings: tuple[Finding, ...]
    """One for each loss: "recommended", "equal" (as good by the rules), "possible" or "advised against"."""

    @property
    def best(self) -> Advice:
        """The first of the ranking."""
        return self.ranking[0]

    @property
    def comparison_task(self) -> str:
        """The task under which ``lossary.compare`` trains them; empty where it has none for this kind of target."""
        return COMPARED.get(self.profile.kind, "")

    @property
    def losses(self) -> tuple[str, ...]:
        """The best losses that ``lossary.compare`` can train, at most four, the best first: for its ``losses``."""
        return tuple(advice.comparable for advice in self.ranking if advice.comparable)[:4]
