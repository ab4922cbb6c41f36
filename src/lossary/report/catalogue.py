"""The catalogue on the terminal: a table of losses, and one loss in full."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from lossary.catalogue import short_name
from lossary.core import Definition, When


def show_catalogue(losses: Sequence[Definition], console: Console) -> None:
    """A line for each loss: name, class, what it is for, and what it is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "class", "task"):
        table.add_column(column, no_wrap=True)
    table.add_column("what it is")
    for d in losses:
        module = "" if d.module is None else d.module.__name__
        table.add_row(short_name(d), module, d.card.tasks[0], escape(_summary(d)))
    console.print(table)
    console.print(f"\n{len(losses)} losses. `lossary show NAME` tells all about one.", highlight=False)


def show_loss(definition: Definition, console: Console) -> None:
    """All that the card and the docstring say."""
    card = definition.card
    module = "" if definition.module is None else f" · lossary.{definition.module.__name__}"
    console.print(f"[bold]lossary.{definition.name}[/bold]{module}", highlight=False)
    if card.known_as:
        console.print(f"also known as {escape(', '.join(card.known_as))}", style="dim", highlight=False)
    console.print()
    console.print(Padding(escape(inspect.getdoc(definition.function) or ""), (0, 2)), highlight=False)
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, text in _facts(definition):
        table.add_row(label, escape(text))
    console.print(table)


def _facts(definition: Definition) -> list[tuple[str, str]]:
    card = definition.card
    inputs = [
        f"{name} ({domain.shape}): {_summary_of(type(domain))}"
        for name, domain in zip(definition.inputs, card.inputs, strict=True)
    ]
    hyperparameters = [
        f"{name} = {default!r}: {definition.constraints[name]}"
        if name in definition.constraints
        else f"{name} = {default!r}"
        for name, default in definition.hyperparameters.items()
    ]
    claims = sorted(f"{c.claim} if {c.condition}" if isinstance(c, When) else c for c in card.claims)
    facts = [
        ("task", ", ".join(card.tasks)),
        ("formula", card.formula),
        ("source", card.source),
        ("inputs", "\n".join(inputs)),
        ("values", f"({card.values}) before the reduction; samples are {card.samples}"),
        ("hyperparameters", "\n".join(hyperparameters) or "none"),
        ("claims", ", ".join(claims) or "none"),
        ("good at", ", ".join(sorted(card.good_at))),
        ("bad at", ", ".join(sorted(card.bad_at))),
        *((f"in {library}", text) for library, text in card.elsewhere.items()),
    ]
    return [(label, text) for label, text in facts if text]


def _summary(definition: Definition) -> str:
    """First sentence of the docstring."""
    return _summary_of(definition.function)


def _summary_of(documented: object) -> str:
    first = " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())
    return first.split(". ")[0].rstrip(".") + "."
