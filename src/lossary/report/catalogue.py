"""The catalogue on the terminal: a list of losses, and one loss in full; within 80 columns, and plain when piped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossary.catalogue import cost, short_name
from lossary.core import Definition

from . import braille, formulas
from .costs import cost_sentence
from .curves import LossCurve, curve, extent
from .descriptions import (
    Field,
    citations,
    claims,
    documentation,
    hyperparameters,
    inputs,
    notes,
    options,
    rewrite_roles,
    shape_words,
    signatures,
)

WIDEST = 110
"""Columns that lines of text take at most."""
PANEL = 12
"""Lines of a panel of the curve, without those of its axis."""
NARROWEST = 20
"""Columns of a panel at least; of a narrower terminal the right panel runs out."""


def show_catalogue(losses: Sequence[Definition], console: Console) -> None:
    """The losses by the task that they are for, each with its name and what it is."""
    tasks = sorted({d.card.tasks[0] for d in losses})
    widest = max((len(short_name(d)) for d in losses), default=0)
    for task in tasks:
        console.print(Text(task, style="bold"))
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=widest)
        table.add_column()
        for d in losses:
            if d.card.tasks[0] == task:
                table.add_row(Text(short_name(d)), Text(_plain(documentation(d.function).summary), style="dim"))
        console.print(Padding(table, (0, 0, 1, 2)))
    console.print(f"{len(losses)} losses. `lossary show NAME` tells all about one.", highlight=False)


def show_loss(definition: Definition, console: Console) -> None:
    """All that the card and the docstring say, and the curve.

    Where the encoding of the output has no room for it, the formula is in LaTeX only and the curve is left out.
    """
    unicode = not console.options.ascii_only
    width = min(console.width, WIDEST)
    title = [f"lossary.{name}" for name in (definition.name, definition.module and definition.module.__name__) if name]
    said = documentation(definition.function)
    console.print(Text(" · ".join(title) if unicode else ", ".join(title), style="bold"), width=width)
    if definition.card.known_as:
        console.print(Text(f"also known as {', '.join(definition.card.known_as)}", style="dim"), width=width)
    for paragraph in said.paragraphs:
        console.print()
        console.print(Text(_plain(paragraph)), width=width)
    console.print()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, content in _rows(definition, unicode=unicode):
        table.add_row(label, content)
    console.print(table, width=width)
    found = curve(definition) if unicode else None
    if found is not None:
        console.print()
        for line in _panels(found, width):
            console.print(Text(line), no_wrap=True, crop=True)
    if said.example:
        console.print()
        console.print(Text(said.example), soft_wrap=True)  # a line that wraps can't be pasted


def _rows(definition: Definition, *, unicode: bool) -> Iterator[tuple[str, RenderableType]]:
    """Label and content of each row; rows of which there is nothing to say are left out."""
    card = definition.card
    yield "task", ", ".join(card.tasks)
    if unicode:
        yield "formula", Text(formulas.plain(card.formula))
    yield "in LaTeX" if unicode else "formula", Text(card.formula, style="dim" if unicode else "")
    yield "source", Text("".join(address or text for text, address in citations(card.source)), overflow="fold")
    yield "inputs", _fields(inputs(definition))
    if definition.hyperparameters:
        yield "parameters", _fields(hyperparameters(definition))
    shared = Field("sample_weight, mask, reduction, denominator", "As for every loss.", "", "", "")
    yield "options", _fields([shared, *options(definition)])
    yield "value", " ".join([f"{shape_words(card.values)} before the reduction.", *notes(card)])
    if (measured := cost(definition.name)) is not None:
        yield "costs", Text(cost_sentence(measured).removeprefix("Costs "))
    if definition.module is not None:
        yield "module", Text(signatures(definition)[1])
    for heading, text in documentation(definition.function).sections.items():
        yield heading.lower(), Text(_plain(text))
    if card.claims:
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, sentence in claims(card):
            table.add_row(name.replace("_", " "), Text(sentence))
        yield "claims", table
    for label, traits in (("good at", card.good_at), ("bad at", card.bad_at)):
        if traits:
            yield label, ", ".join(sorted(traits))
    if card.elsewhere:
        yield (
            "elsewhere",
            Group(*(Text.assemble((library, "bold"), f": {_plain(text)}") for library, text in card.elsewhere.items())),
        )


def _fields(rows: Iterable[Field]) -> RenderableType:
    """Each argument with what it may be, and below it what it does."""
    lines: list[RenderableType] = []
    for field in rows:
        head = " ".join(filter(None, [field.name, field.shape, field.default and f"= {field.default}"]))
        kind = f": {_plain(field.kind[0].lower() + field.kind[1:])}".rstrip(".") if field.kind else ""
        lines.append(Text.assemble((head, "bold"), kind))
        if field.text:
            lines.append(Padding(Text(_plain(field.text)), (0, 0, 0, 2)))
    return Group(*lines)


def _panels(found: LossCurve, width: int) -> Iterator[str]:
    """The value and the gradient at the defaults, side by side."""
    defaults, panel = found.series[0], max(width // 2 - 1, NARROWEST)
    panels = [
        braille.draw(found.x, line, extent([line]), width=panel, height=PANEL)
        for line in (defaults.values, defaults.slopes)
    ]
    indent = " " * (braille.MARGIN + 2)
    yield f"{indent}{'value':<{panel - len(indent) + 2}}{indent}gradient"
    for value, slope in zip(*panels, strict=True):
        yield f"{value:<{panel + 2}}{slope}".rstrip()
    setting = "" if defaults.label == "default" else f"; {defaults.label}"
    yield f"{indent}{found.x_label}{setting}"


def _plain(text: str) -> str:
    """Without markup; formulas in Unicode."""
    return rewrite_roles(text, code=str, math=formulas.plain, reference=str)
