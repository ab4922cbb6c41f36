"""The rules as types: a condition on figures and goals, and what it means for losses. The table is in ``table.py``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lossary.core import ClaimName, LossInputError, Trait, UnknownNameError

from .kinds import KINDS, NUMERIC, Kind
from .profiling import Profile

GoalName = Literal[
    "mean", "median", "quantile", "intervals", "probabilities", "rare class", "top-k", "ranking", "robustness", "speed"
]
GOAL_NAMES: tuple[GoalName, ...] = get_args(GoalName)

CLASSIFIED: frozenset[Kind] = frozenset({"binary", "multi-class", "ordinal", "multi-label"})
_MEANINGFUL: dict[GoalName, frozenset[Kind]] = {
    "mean": NUMERIC, "median": NUMERIC, "quantile": NUMERIC, "intervals": NUMERIC,
    "probabilities": CLASSIFIED | {"mask", "sequences"}, "rare class": CLASSIFIED | {"mask"},
    "top-k": frozenset({"multi-class", "lists"}),
    "ranking": frozenset({"binary", "ordinal", "count", "censored"}),
    "robustness": frozenset(KINDS), "speed": frozenset(KINDS),
}  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """What the model is for, beyond the data."""

    name: GoalName
    level: float | None = None
    """Which quantile, in (0, 1)."""


def parse_goal(text: str | Goal, kind: Kind) -> Goal:
    """The goal of that name; ``"quantile=0.9"`` gives the level.

    Raises:
        LossInputError: for a goal that does not exist, has no meaning for this kind of target, or a quantile without a
            level in (0, 1).

    >>> parse_goal("quantile=0.9", "real")
    Goal(name='quantile', level=0.9)
    """
    if isinstance(text, Goal):
        text = text.name if text.level is None else f"{text.name}={text.level}"
    word, equals, number = (part.strip() for part in str(text).partition("="))
    name = next((g for g in GOAL_NAMES if g == word.lower().replace("_", " ") or g == word.lower()), None)
    if name is None:
        raise UnknownNameError(f"recommend: `goals` must be among {', '.join(GOAL_NAMES)}; got {text!r}.")
    if kind not in _MEANINGFUL[name]:
        raise LossInputError(f"recommend: `goals` must suit the target, got {name!r} for a {kind} target.")
    if name != "quantile":
        if equals:
            raise LossInputError(f"recommend: `goals` must give a level to a quantile only, got {text!r}.")
        return Goal(name)
    try:
        level = float(number)
    except ValueError:
        level = math.nan
    if not 0 < level < 1:
        raise LossInputError(f'recommend: `goals` must say which quantile, as in "quantile=0.9", got {text!r}.')
    return Goal(name, level)


@dataclass(frozen=True)
class Situation:
    """What a rule looks at."""

    profile: Profile
    goals: tuple[Goal, ...] = ()

    def goal(self, name: GoalName) -> Goal | None:
        """The goal of that name, if it was set."""
        return next((goal for goal in self.goals if goal.name == name), None)


@dataclass(frozen=True)
class Bound:
    """A figure in a range, its ends included."""

    figure: str
    low: float = -math.inf
    high: float = math.inf
    either_sign: bool = False
    """Whether the figure's size counts and not its sign."""

    def holds(self, profile: Profile) -> bool:
        """False also where the figure was not measured."""
        value = profile.value(self.figure)
        return self.low <= (abs(value) if self.either_sign else value) <= self.high

    def __str__(self) -> str:
        name = self.figure.replace("_", " ")
        name = f"|{name}|" if self.either_sign else name
        if self.high == math.inf:
            return f"{name} ≥ {self.low:g}"
        return f"{name} ≤ {self.high:g}" if self.low == -math.inf else f"{self.low:g} ≤ {name} ≤ {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A small named predicate: the kind of target, all bounds, and the goal, where one is named."""

    name: str
    kinds: frozenset[Kind]
    bounds: tuple[Bound, ...] = ()
    goal: GoalName | None = None
    without: tuple[GoalName, ...] = ()
    """Goals that take the condition away."""

    def applies(self, situation: Situation) -> bool:
        """Whether it can hold for this kind of target, and the figures are there."""
        profile = situation.profile
        measured = all(math.isfinite(profile.value(bound.figure)) for bound in self.bounds)
        return profile.kind in self.kinds and measured

    def holds(self, situation: Situation) -> bool:
        """Whether it is true of the data and the goals."""
        return (
            self.applies(situation)
            and all(bound.holds(situation.profile) for bound in self.bounds)
            and (self.goal is None or situation.goal(self.goal) is not None)
            and not any(situation.goal(name) for name in self.without)
        )

    def __str__(self) -> str:
        parts = [str(bound) for bound in self.bounds]
        parts += [f'goal "{self.goal}"'] if self.goal else []
        parts += [f'no goal "{name}"' for name in self.without]
        return " and ".join(parts) or "always"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Points for the losses that it names, by one of five ways; below 0 they speak against.

    A trait gives its weight to losses that are good at it and takes it from those that are bad at it. Measured time
    gives it to losses that take no longer than the squared error, nothing at 4 times as long, and takes it at 16.
    """

    weight: float
    trait: Trait | None = None
    claim: ClaimName | None = None
    task: str | None = None
    """The loss's home: the first task on its card."""
    losses: tuple[str, ...] = ()
    """Names without "_loss"."""
    time: bool = False
    """Whether the measured time decides, by :func:`lossary.catalogue.cost`."""
    why: str = ""
    """Completes "it ..."; where empty the trait or the claim says it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """If the condition holds, the evidence is shown and the effects count."""

    condition: Condition
    evidence: str
    """A sentence with figures in braces: ``"{tails:.1f} times ..."``."""
    effects: Sequence[Effect]
    source: str
    besides: str = ""
    """What to do apart from the loss."""

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that the condition and the evidence rest on."""
        named = [bound.figure for bound in self.condition.bounds]
        told = [word for word in re.findall(r"{(\w+)[:}]", self.evidence) if word not in ("level", "groups")]
        return tuple(dict.fromkeys([*named, *told]))

    def sentence(self, situation: Situation) -> str:
        """The evidence with its figures."""
        goal = situation.goal("quantile")
        values = {name: figure.value for name, figure in situation.profile.figures.items()}
        groups = "; ".join(", ".join(group) for group in situation.profile.confused)
        return self.evidence.format_map({**values, "level": goal.level if goal else None, "groups": groups})


def usual(kind: Kind, losses: tuple[str, ...], evidence: str, source: str, others: tuple[Effect, ...] = ()) -> Rule:
    """The rule of what custom speaks for."""
    why = "is the usual loss for this kind of target"
    return Rule(
        condition=Condition(name=f"usual for {kind}", kinds=frozenset({kind})),
        evidence=evidence,
        effects=(Effect(weight=1.0, losses=losses, why=why), *others),
        source=source,
    )


def goal_rule(
    name: GoalName, kinds: frozenset[Kind], evidence: str, effects: tuple[Effect, ...], source: str, of: str = ""
) -> Rule:
    """The rule of a goal; ``of`` tells two rules of one goal apart."""
    title = f"goal: {name} {of}".rstrip()
    condition = Condition(name=title, kinds=kinds, goal=name)
    return Rule(condition=condition, evidence=evidence, effects=effects, source=source)
