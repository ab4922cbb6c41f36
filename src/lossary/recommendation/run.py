"""From data and goals to one ranked recommendation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lossary.catalogue import cost
from lossary.core import Finding, LossInputError

from .candidates import Candidate, candidates
from .comparing import comparable
from .kinds import STRUCTURED
from .profiling import Profile, profile
from .result import Advice, Firing, Reason, Recommendation
from .rules import GOAL_NAMES, Effect, Goal, Rule, Situation, parse_goal
from .snippets import code, outputs_of
from .structured.recipes import competing
from .table import RULES

_EQUAL = 0.05
"""Scores nearer than this are equal."""


def recommend(
    first: Any,
    second: Any = None,
    /,
    *,
    task: str | None = None,
    goals: str | Sequence[str | Goal] = (),
    group: Any = None,
) -> Recommendation:
    """Say which losses fit the data, and why: ``recommend(y)``, or better ``recommend(X, y)``.

    The data are measured by :func:`lossary.recommendation.profile`; the rules of ``lossary.recommendation.RULES`` then
    give points to losses by what their cards say. It is advice from figures, not a trial: :func:`lossary.compare` is.

    Args:
        first: The features ``(n, ...)``, or the target where nothing else is given: an array, a tensor, or a pandas
            object; or a :class:`lossary.recommendation.Profile`.
        second: The target, in one of the forms that :func:`lossary.recommendation.profile` knows.
        task: What the target is, where its values don't tell: "regression", "count", "ordinal", "multi-class",
            "interval", "survival", "segmentation", "detection", "metric learning", "ranking", "sequences", ...
        goals: What counts: "mean", "median", "quantile=0.9", "intervals", "probabilities", "rare class", "top-k",
            "ranking", "robustness", "speed".
        group: For a target to rank: which list, query or user each grade belongs to, ``(n,)``.

    Raises:
        LossInputError: if the data won't do, or a goal is unknown or has no meaning for the target.

    >>> import torch
    >>> found = recommend(torch.tensor([0] * 50 + [1] * 50), goals=["probabilities"])
    >>> found.best.loss
    'bce_with_logits'
    """
    if isinstance(first, Profile):
        if second is not None or task is not None or group is not None:
            raise LossInputError("recommend: `profile` must come without data or task, got both.")
        measured = first
    else:
        measured = profile(first, second, task=task, group=group)
    wanted = [goals] if isinstance(goals, (str, Goal)) else list(goals)
    parsed = tuple(parse_goal(goal, measured.kind) for goal in wanted)
    _refuse_conflicts(parsed)
    situation = Situation(measured, parsed)
    fired = [rule for rule in RULES if rule.condition.holds(situation)]
    ranking = ranked(_competing(situation), fired, situation)
    advice = tuple(_advice(candidate, score, fired, situation) for candidate, score in ranking)
    return Recommendation(
        profile=measured,
        goals=tuple(g.name if g.level is None else f"{g.name}={g.level:g}" for g in parsed),
        ranking=advice,
        besides=tuple(rule.besides for rule in fired if rule.besides),
        changes=_changes(situation, fired, advice[0].loss),
        rules=tuple(_firing(rule, rule in fired, situation) for rule in RULES if rule.condition.applies(situation)),
        findings=tuple(_finding(each, advice[0].score) for each in advice),
    )


def _competing(situation: Situation) -> list[Candidate]:
    return competing(situation) if situation.profile.kind in STRUCTURED else candidates(situation)


def points(candidate: Candidate, effect: Effect) -> float:
    """What an effect gives to a loss, or takes from it."""
    definition, card = candidate.definition, candidate.definition.card
    if effect.trait is not None:
        return effect.weight * ((effect.trait in candidate.good_at) - (effect.trait in candidate.bad_at))
    if effect.claim is not None:
        held = {**definition.hyperparameters, **candidate.settings}
        return effect.weight * (effect.claim in card.claims_under(held))
    if effect.task is not None:
        return effect.weight * (effect.task in card.tasks)
    if effect.time:
        measured = cost(definition.name)
        share = 0.0 if measured is None else max(-1.0, min(1.0, 1.0 - math.log2(measured.time) / 2.0))
        return round(effect.weight * share, 1)  # finer differences are within what timings differ by
    return effect.weight * (definition.name.removesuffix("_loss") in effect.losses)


def ranked(
    competing: Sequence[Candidate], rules: Sequence[Rule], situation: Situation
) -> list[tuple[Candidate, float]]:
    """Candidates with the sum of their points, the best first; among equals the one with fewer hyperparameters."""
    effects = [effect for rule in rules for effect in rule.effects]
    scored = [(candidate, sum(points(candidate, effect) for effect in effects)) for candidate in competing]

    def place(each: tuple[Candidate, float]) -> tuple[float, int, int, str]:
        candidate, score = each
        n = outputs_of(candidate, situation.profile)
        return -round(score, 6), n, len(candidate.definition.hyperparameters), candidate.name

    return sorted(scored, key=place)


def _advice(candidate: Candidate, score: float, fired: Sequence[Rule], situation: Situation) -> Advice:
    reasons = [
        Reason(
            rule=rule.condition.name,
            weight=weight,
            sentence=f"It {_why(candidate, effect, weight)}. {rule.sentence(situation)}",
        )
        for rule in fired
        for effect in rule.effects
        if (weight := points(candidate, effect))
    ]
    reasons.sort(key=lambda reason: -abs(reason.weight))
    module = candidate.definition.module
    assert module is not None
    return Advice(
        loss=candidate.name,
        module=module.__name__,
        score=round(score, 6),
        hyperparameters={n: v.tolist() if isinstance(v, Tensor) else v for n, v in candidate.settings.items()},
        settings=dict(candidate.reasons),
        outputs=outputs_of(candidate, situation.profile),
        pros=tuple(reason for reason in reasons if reason.weight > 0),
        cons=tuple(reason for reason in reasons if reason.weight < 0),
        code=code(candidate, situation.profile),
        comparable=comparable(candidate, situation.profile),
    )


def _why(candidate: Candidate, effect: Effect, weight: float) -> str:
    if effect.why:
        return effect.why
    if effect.time and (measured := cost(candidate.definition.name)) is not None:
        return f"takes {measured.time:g} times as long as the squared error of as many numbers"
    if effect.trait is not None:
        return f"is {'good' if (weight > 0) == (effect.weight > 0) else 'bad'} at {effect.trait}"
    return f"is {effect.claim or effect.task}".replace("_", " ")


def _firing(rule: Rule, fired: bool, situation: Situation) -> Firing:
    return Firing(
        rule=rule.condition.name,
        condition=str(rule.condition),
        fired=fired,
        figures={name: situation.profile.value(name) for name in rule.figures if name in situation.profile.figures},
        sentence=rule.sentence(situation) if fired else "",
        source=rule.source,
    )


def _finding(advice: Advice, best: float) -> Finding:
    behind = best - advice.score
    verdict = "recommended" if behind <= 0 else "equal" if behind < _EQUAL else "possible" if advice.score > 0 else ""
    leading = (*advice.pros, *advice.cons)[:1] if advice.score > 0 else (*advice.cons, *advice.pros)[:1]
    return Finding(
        subject=advice.loss,
        verdict=verdict or "advised against",
        evidence={"score": advice.score, "pros": len(advice.pros), "cons": len(advice.cons)},
        reason=leading[0].sentence if leading else "No rule speaks for it or against it.",
    )


def _changes(situation: Situation, fired: Sequence[Rule], best: str) -> tuple[str, ...]:
    """Turn each rule of figures over, and set each goal, and say what would then come first."""
    out = []
    for rule in RULES:
        if not rule.condition.bounds or not rule.condition.applies(situation) or not rule.effects:
            continue
        other = [r for r in fired if r is not rule] if rule in fired else [*fired, rule]
        if rule not in fired and any(situation.goal(name) for name in rule.condition.without):
            continue
        first = ranked(_competing(situation), other, situation)[0][0].name
        if first != best:
            here = ", ".join(f"{b.figure.replace('_', ' ')} {situation.profile.value(b.figure):.3g}" for b in
                             rule.condition.bounds)  # fmt: skip
            unless = "did not hold" if rule in fired else "held"
            out.append(f'If "{rule.condition.name}" ({rule.condition}; here {here}) {unless}: {first}.')
    for name in GOAL_NAMES:
        if situation.goals or not any(
            r.condition.goal == name and situation.profile.kind in r.condition.kinds for r in RULES
        ):
            continue
        aimed = Situation(situation.profile, (Goal(name, 0.9 if name == "quantile" else None),))
        first = ranked(_competing(aimed), [r for r in RULES if r.condition.holds(aimed)], aimed)[0][0].name
        if first != best:
            goal = "quantile=0.9" if name == "quantile" else name
            out.append(f'With goals=["{goal}"]: {first}.')
    return tuple(out)


def _refuse_conflicts(goals: Sequence[Goal]) -> None:
    named = [goal.name for goal in goals]
    centres = [name for name in named if name in ("mean", "median", "quantile")]
    if len(centres) > 1:
        raise LossInputError(f"recommend: `goals` must name one of mean, median and quantile, got {centres}.")
