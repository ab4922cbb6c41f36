"""The table of causes: each a rule over what was seen, with what to change, what would confirm it, and who says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .seen import Seen

Group = Literal["loop", "loss", "data", "step", "network", "progress", "game"]


@dataclass(frozen=True)
class Evidence:
    """Why a rule holds here."""

    sure: float
    """From 0 to 1: 0.95 and more where it was seen directly, 0.5 where the symptoms only fit."""
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    began: int = 0
    """The batch at which it began."""
    explains: tuple[str, ...] = ()
    """What it explains here beyond what it always does."""


Rule = Callable[[Seen], Evidence | None]


@dataclass(frozen=True)
class Cause:
    """One row of the table."""

    name: str
    group: Group
    title: str
    """What is wrong, in a few words."""
    rule: Rule
    remedy: str
    """Code to change, or what to do."""
    confirm: str
    """What would show that it was this."""
    source: str
    explains: tuple[str, ...] = ()
    """Causes that are only its consequences when both are seen."""
    live: bool = False
    """Whether it can be told while the run goes on."""


CAUSES: dict[str, Cause] = {}


def cause(
    group: Group,
    title: str,
    *,
    remedy: str,
    confirm: str,
    source: str,
    explains: Sequence[str] = (),
    live: bool = False,
) -> Callable[[Rule], Rule]:
    """Enter a rule under its own name."""

    def enter(rule: Rule) -> Rule:
        name = rule.__name__
        assert name not in CAUSES, f"two causes are called {name}"
        CAUSES[name] = Cause(name, group, title, rule, remedy, confirm, source, tuple(explains), live)
        return rule

    return enter
