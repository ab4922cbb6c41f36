"""The guide to choosing a loss, in Markdown: the rules that :func:`lossary.recommend` goes by, and the cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lossary.catalogue import find, get, short_name
from lossary.core import Definition, Trait
from lossary.recommendation import RULES, Bound, Effect, Kind, Rule

from .descriptions import citations, documentation, rewrite_roles

_NAMED = 8
"""Losses that are written out where a rule speaks of a trait; of more, how many there are besides."""
_WIDE = 8
"""A rule for this many kinds of target or more stands once, for all."""


class Section(NamedTuple):
    """One kind of data: what is asked there, and whose losses compete."""

    title: str
    lead: str
    kinds: frozenset[Kind]
    tasks: tuple[str, ...]
    rules: tuple[str, ...] = ()
    """Names of rules that stand here and in no other section."""
    also: tuple[str, ...] = ()
    """Losses of other tasks that compete here."""
    listed: bool = True
    """Whether all losses of the first task are named here."""


_IMBALANCE = ("imbalance", "severe imbalance", "few of a class", "goal: rare class")
_USUAL = "usual for "
_KINDS: dict[str, str] = {
    "real": "any number", "positive": "a number above 0", "bounded": "a share in [0, 1]", "count": "a count",
    "zero-inflated": "0 or an amount", "binary": "one of two classes", "multi-class": "one of several classes",
    "ordinal": "one of several grades", "multi-label": "several labels at once", "interval": "a low and a high",
    "censored": "a time, perhaps cut off", "mask": "a class for each pixel", "boxes": "a box around an object",
    "pairs": "pairs, the same or not", "triplets": "triplets: nearer to this than to that",
    "identities": "classes to tell apart by distance", "lists": "lists with grades", "sequences": "tokens",
}  # fmt: skip
SECTIONS: tuple[Section, ...] = (
    Section("Regression", "A number for each sample: any number, numbers above 0, or shares in [0, 1].",
            frozenset({"real", "positive", "bounded"}), ("regression", "probabilistic regression")),
    Section("Counts and many zeros", "Whole numbers from 0 on, or amounts of which many are exactly 0.",
            frozenset({"count", "zero-inflated"}), ("count regression", "regression", "probabilistic regression")),
    Section("Binary classification", "One of two classes.", frozenset({"binary"}), ("binary classification",)),
    Section("Multi-class classification", "One of several classes without an order.", frozenset({"multi-class"}),
            ("multi-class classification",)),
    Section("Ordinal classification", "One of several classes in an order: grades, stages, stars.",
            frozenset({"ordinal"}), ("ordinal classification", "multi-class classification")),
    Section("Multi-label classification", "Any number of labels at once.", frozenset({"multi-label"}),
            ("multi-label classification",)),
    Section("Imbalanced classes", "Besides the section of the task: what holds where some classes are rare.",
            frozenset({"binary", "multi-class", "multi-label", "ordinal"}),
            ("binary classification", "multi-class classification", "multi-label classification"), _IMBALANCE),
    Section("Intervals", "A low and a high between which the value lies; either may be open.", frozenset({"interval"}),
            ("regression",), listed=False),
    Section("Survival", "A time and whether the event was seen then, or the row was censored.", frozenset({"censored"}),
            ("survival analysis", "regression")),
    Section("Segmentation", "A class for each pixel.", frozenset({"mask"}), ("segmentation",),
            also=("cross_entropy", "bce_with_logits", "softmax_focal", "sigmoid_focal")),
    Section("Detection", "A box around each object, as corners x1, y1, x2, y2.", frozenset({"boxes"}), ("detection",)),
    Section("Metric learning", "Embeddings whose distances mean something: from pairs, triplets, or classes.",
            frozenset({"pairs", "triplets", "identities"}), ("metric learning",)),
    Section("Ranking", "Lists of items with grades of relevance: of a query, a user, a day.", frozenset({"lists"}),
            ("ranking",)),
    Section("Sequences of tokens", "A token for each place, with padding at the ends.", frozenset({"sequences"}),
            ("language modelling",), also=("cross_entropy", "nll", "softmax_focal", "poly1_cross_entropy")),
)  # fmt: skip
"""The sections that rules decide; of tasks without a section the cards alone speak."""

_INTRODUCTION = """\
# Choosing a loss

By data and task: what to start with, what speaks for another loss, and who says so. `lossary recommend` goes by the
same rules and measures their figures on your data; see [the guide to it](recommending.md). This page is written from
the table of rules and the cards of the losses, by `python -m lossary.report.choosing docs/choosing.md`.

Numbers in brackets are points: being the usual loss is worth 1. Evidence of 1.5 overrides custom; 0.5 decides among
what is otherwise equal. They are judgements drawn from the sources, not measurements: what they are worth on your data,
`lossary compare` says."""


def choosing() -> str:
    """The page."""
    parts = [_INTRODUCTION, *_glance(), *_common()]
    for section in SECTIONS:
        parts += _section(section)
    parts += _from_cards()
    return "\n\n".join(parts) + "\n"


def _glance() -> Iterator[str]:
    """The usual loss of each kind, with the way to its section."""
    yield "## At a glance"
    lines = ["| Your data | Start with | More |", "| --- | --- | --- |"]
    for section in SECTIONS:
        if section.rules:
            continue
        for rule in RULES:
            if rule.condition.name.startswith(_USUAL) and rule.condition.kinds & section.kinds:
                named = ", ".join(f"`{name}`" for name in rule.effects[0].losses)
                anchor = section.title.lower().replace(" ", "-")
                kind = rule.condition.name.removeprefix(_USUAL)
                lines.append(f"| {_KINDS[kind]} | {named} | [{section.title}](#{anchor}) |")
    yield "\n".join(lines)


def _common() -> Iterator[str]:
    yield "## Whatever the target"
    for rule in RULES:
        if len(rule.condition.kinds) >= _WIDE:
            yield _rule(rule, (), frozenset())


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield section.lead
    competing = _losses(section.tasks, section.also)
    here = [rule for rule in RULES if _stands_in(rule, section)]
    for rule in here:
        yield _rule(rule, competing, section.kinds)
    if section.rules or not section.listed:
        return
    home = [d for d in competing if section.tasks[0] in d.card.tasks]
    count = f"All {len(home)} losses" if len(home) > 1 else "The one loss"
    yield f"{count} for {section.tasks[0]}: {', '.join(map(_code, home))}."
    decided = {effect.trait for rule in here for effect in rule.effects}
    rest = sorted({trait for d in competing for trait in (*d.card.good_at, *d.card.bad_at)} - decided)
    if rest:
        yield "What no figure decides here, but the cards say:"
        yield "\n".join(f"- {trait}: {_both(trait, competing)}" for trait in rest)


def _stands_in(rule: Rule, section: Section) -> bool:
    name = rule.condition.name
    if len(rule.condition.kinds) >= _WIDE or not rule.condition.kinds & section.kinds:
        return False
    return name in section.rules if section.rules else name not in _IMBALANCE


def _rule(rule: Rule, competing: Sequence[Definition], kinds: frozenset[Kind]) -> str:
    some = sorted(rule.condition.kinds & kinds) if kinds - rule.condition.kinds else []
    only = f" ({', '.join(some)} only)" if some else ""
    name = rule.condition.name
    if name.startswith(_USUAL):
        name, only = f"start with ({_KINDS[name.removeprefix(_USUAL)]})", ""
    lines = [f"**{name[0].upper()}{name[1:]}**{only}. {condition_in_words(rule)}", ""]
    for effect in rule.effects:
        lines += _effect(effect, competing)
    if rule.besides:
        lines.append(f"- Besides: {rule.besides}")
    lines.append(f"- Source: {''.join(f'[{text}]({to})' if to else text for text, to in _cited(rule.source))}")
    return "\n".join(lines)


def _cited(source: str) -> Iterator[tuple[str, str]]:
    for text, address in citations(source):
        yield text, address.replace("(", "%28").replace(")", "%29")


def condition_in_words(rule: Rule) -> str:
    """When the rule fires: its evidence with its bounds in place of figures, and the goals it needs or forbids.

    >>> condition_in_words(next(rule for rule in RULES if rule.condition.name == "few samples"))
    'There are at most 300 samples.'
    """
    bounds = {bound.figure: bound for bound in rule.condition.bounds}

    def put(found: re.Match[str]) -> str:
        name, spec = found[1], (found[2] or "").removeprefix(":")
        if name in ("level", "groups"):
            return {"level": "q", "groups": "which it names"}[name]
        return _bound(bounds[name], spec) if name in bounds else "…"

    words = re.sub(r"\{(\w+)(:[^}]*)?\}", put, rule.evidence).replace("At at least", "At least")
    shown = set(re.findall(r"\{(\w+)", rule.evidence))
    hidden = [str(bound) for bound in rule.condition.bounds if bound.figure not in shown]
    if hidden:
        words += f" (And: {', '.join(hidden)}.)"
    if rule.condition.goal:
        words += f' `goals=["{rule.condition.goal}{"=q" if rule.condition.goal == "quantile" else ""}"]`'
    if rule.condition.without:
        words += f" Not if the goal is {' or '.join(rule.condition.without)}."
    return words[0].upper() + words[1:]


def _bound(bound: Bound, spec: str) -> str:
    """``at least 4``, in the format of the figure; with more digits where that would show another number."""
    value, word = (bound.low, "at least") if bound.high == float("inf") else (bound.high, "at most")
    text = format(value, spec)
    number = float(text.rstrip("%").replace("+", "")) / (100 if text.endswith("%") else 1)
    if abs(number - value) > 1e-12:
        text = f"{100 * value:g}%" if text.endswith("%") else f"{value:g}"
    return f"{word} {text.lstrip('+')}{' up or down' if bound.either_sign else ''}"


def _effect(effect: Effect, competing: Sequence[Definition]) -> Iterator[str]:
    """A line for what it speaks for, and for what it speaks against."""
    size = f"{abs(effect.weight):g}"
    pro, con = (f"- For (+{size})", f"- Against (−{size})")
    if effect.weight < 0:
        pro, con = con, pro
    why = f": each {effect.why}" if effect.why else ""
    if effect.trait is not None:
        good, bad = (_with(effect.trait, competing, good=side) for side in (True, False))
        if good or not competing:
            yield f"{pro} what is good at {effect.trait}{_names(good)}{why if effect.weight < 0 else ''}"
        if bad or not competing:
            yield f"{con} what is bad at {effect.trait}{_names(bad)}{why if effect.weight > 0 else ''}"
    elif effect.claim is not None:
        held = [d for d in competing if effect.claim in d.card.claims_under(d.hyperparameters)]
        yield f"{pro} what has a {effect.claim.replace('_', ' ')}{_names(held)}{why}"
    elif effect.task is not None:
        yield f"{pro} losses for {effect.task}{why}"
    elif effect.time:
        yield f"{pro} what takes no longer than `mse`, as it was measured; less the longer it takes, none at 4 times"
        yield f"{con} what takes 16 times as long or longer; less the shorter it takes"
    else:
        names = ", ".join(f"`{name}`" for name in effect.losses)
        yield f"{pro} {names}: {'it' if len(effect.losses) == 1 else 'each'} {effect.why}"


def _names(losses: Sequence[Definition]) -> str:
    return f" ({_listed(losses)})" if losses else ""


def _with(trait: Trait, losses: Iterable[Definition], *, good: bool) -> list[Definition]:
    return [d for d in losses if trait in (d.card.good_at if good else d.card.bad_at)]


def _both(trait: Trait, losses: Sequence[Definition]) -> str:
    parts = [("good", _with(trait, losses, good=True)), ("bad", _with(trait, losses, good=False))]
    return "; ".join(f"{word} {_listed(found)}" for word, found in parts if found)


def _listed(losses: Sequence[Definition], most: int = _NAMED) -> str:
    names = [_code(d) for d in losses]
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


def _code(definition: Definition) -> str:
    return f"`{short_name(definition)}`"


def _losses(tasks: Iterable[str], also: Iterable[str]) -> list[Definition]:
    found = {d.name: d for task in tasks for d in find(task=task)}
    found |= {d.name: d for d in map(get, also)}
    return [found[name] for name in sorted(found)]


def _from_cards() -> Iterator[str]:
    """Tasks of which data say little, by what the cards say."""
    decided = {task for section in SECTIONS for task in section.tasks}
    yield "## Tasks that figures of the data don't decide"
    yield (
        "Here there are no rules: what is wanted, and what went wrong in training, decide more than the data do. "
        "The cards say what each loss is good and bad at."
    )
    for task in sorted({d.card.tasks[0] for d in find()} - decided):
        yield f"### {task[0].upper()}{task[1:]}"
        header = ["| Loss | What it is | Good at | Bad at | Source |", "| --- | --- | --- | --- | --- |"]
        rows = [_row(d) for d in find(task=task) if d.card.tasks[0] == task]
        yield "\n".join([*header, *rows])
        others = [d for d in find(task=task) if d.card.tasks[0] != task]
        if others:
            yield f"Also for it: {', '.join(map(_code, others))}."


def _row(definition: Definition) -> str:
    card = definition.card
    said = documentation(definition.function).summary
    summary = rewrite_roles(said, code=lambda t: f"`{t}`", math=lambda t: f"${t}$", reference=lambda t: f"`{t}`")
    source = "".join(f"[{text}]({to})" if to else text for text, to in _cited(card.source))
    cells = [_code(definition), summary, ", ".join(sorted(card.good_at)), ", ".join(sorted(card.bad_at)), source]
    return f"| {' | '.join(cell.replace('|', '&#124;') or '–' for cell in cells)} |"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    Path(sys.argv[1]).write_text(choosing(), encoding="utf-8")
