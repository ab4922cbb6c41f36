"""A diagnosis on the terminal and as a page: what is wrong with a training, since when, and what to change."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from lossary.core import LossInputError
from lossary.diagnosis import CAUSES, Cause, Diagnosis, Suspicion
from lossary.version import __version__

from .figures import NO_FIGURE, duration, plain, share
from .html import PAGE
from .pages import page, write_files
from .texts import Texts, texts
from .training import gradient_chart, loss_chart, unusual

if TYPE_CHECKING:
    import altair as alt
    from markupsafe import Markup

_SURE = 0.9
_WIDTH = 1040
"""Width of the pictures of a page, in pixels; narrower windows scale them down."""


def show_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the causes, the surest first, each with evidence, remedy and what would confirm it; then what was seen.

    Args:
        diagnosis: What :meth:`lossary.diagnosis.Run.diagnose` returned.
        console: Where to.

    >>> import torch, lossary
    >>> with lossary.watch(torch.nn.Linear(2, 1)) as run:
    ...     pass
    >>> show_diagnosis(run.diagnose(), Console(width=60))
    No loss was seen: nothing can be said.
    <BLANKLINE>
    Not looked at
    · Overfitting: no validation loss was seen.
    """
    if diagnosis.healthy:
        console.print(Text(diagnosis.summary, style="bold green" if diagnosis.series.losses else "bold yellow"))
    several = len(diagnosis.causes) > 1
    for number, suspicion in enumerate(diagnosis.causes, 1):
        if number > 1:
            console.print()
        _suspicion(suspicion, f"{number}. " if several else "", console)
    facts = _facts(diagnosis, texts("en"))
    if facts:
        console.print(Text("\nLooked at", style="bold"))
        grid = Table.grid(padding=(0, 2, 0, 0))
        for name, value in facts:
            grid.add_row(Text(name, style="dim"), Text(value))
        console.print(grid)
    if diagnosis.not_looked_at:
        console.print(Text("\nNot looked at", style="bold"))
        grid = Table.grid(padding=(0, 1, 0, 0))
        for sentence in diagnosis.not_looked_at:
            grid.add_row(Text("·"), Text(sentence))
        console.print(grid)


def show_causes(console: Console) -> None:
    """Print a table of all causes that a diagnosis looks for: the name, and what is wrong.

    Args:
        console: Where to.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("cause", no_wrap=True)
    table.add_column("what is wrong", overflow="fold")
    for name, cause in sorted(CAUSES.items()):
        table.add_row(Text(name), Text(cause.title))
    console.print(table)


def show_cause(name: str, console: Console) -> None:
    """Print what is known of a cause: how it is told, its remedy, what would confirm it, what follows from it.

    Args:
        name: Which.
        console: Where to.

    Raises:
        LossInputError: if there is no such cause.
    """
    cause = _cause(name)
    console.print(Text.assemble((_opening(cause.title), "bold"), f" ({cause.name})"))
    told = (cause.rule.__doc__ or "").strip().partition("\n")[0]
    rows = [("Told by", told), ("Confirmed if", _opening(cause.confirm, ".")), ("Source", cause.source)]
    if cause.explains:
        rows.append(("Explains", ", ".join(cause.explains)))
    _labelled(rows, console)
    _remedy(cause.remedy, console)


def causes_as_data(name: str | None = None) -> list[dict[str, Any]] | dict[str, Any]:
    """All causes as plain data, or one.

    Args:
        name: Which one.

    Raises:
        LossInputError: if there is no such cause.

    >>> causes_as_data("missing_step")["remedy"]
    'optimizer.step()  # after loss.backward()'
    """
    if name is None:
        return [_described(cause) for _, cause in sorted(CAUSES.items())]
    return _described(_cause(name))


def diagnosis_page(diagnosis: Diagnosis, *, name: str = "training", language: str = "en") -> str:
    """A diagnosis as an HTML page of its own, pictures and styles included.

    Args:
        diagnosis: What to report.
        name: What was diagnosed, such as the script's name.
        language: ``"en"`` or ``"zh"`` (Simplified Chinese) for the fixed text. Causes and evidence stay as they are.

    Raises:
        LossInputError: for a language that the reports don't speak.
    """
    words = texts(language)
    pictures = {}
    if any(map(math.isfinite, diagnosis.series.losses)):
        pictures["loss"] = _picture(loss_chart(diagnosis, language=language, theme=PAGE, width=_WIDTH), "loss")
    if diagnosis.series.gradients:
        chart = gradient_chart(diagnosis, language=language, theme=PAGE, width=_WIDTH)
        pictures["gradients"] = _picture(chart, "gradients")
    first = diagnosis.best
    headline, _, lead = diagnosis.summary.partition(": ")
    return page(
        "diagnosis.html", t=words, d=diagnosis, name=name, pictures=pictures, causes=CAUSES, version=__version__,
        headline=headline if first is None else _opening(first.title), lead=_opening(lead),
        tiles=_tiles(diagnosis, words),
        since=lambda cause: _since(cause, words), sure=lambda cause: share(cause.sure, 0), opening=_opening,
        facts=_facts(diagnosis, words), unusual=sorted(unusual(diagnosis)),
    )  # fmt: skip


def write_diagnosis(diagnosis: Diagnosis, folder: Path, *, name: str = "training", language: str = "en") -> Path:
    """Write ``diagnosis.json`` and ``report.html`` into ``folder``, which is made if it isn't there; return the page.

    Args:
        diagnosis: What to report.
        folder: Where to.
        name: See :func:`diagnosis_page`.
        language: See :func:`diagnosis_page`.

    Raises:
        LossInputError: for a language that the reports don't speak.
        OSError: if the folder can't be written to.
    """
    html = diagnosis_page(diagnosis, name=name, language=language)
    return write_files(folder, {"diagnosis.json": diagnosis.to_json() + "\n", "report.html": html})


def _cause(name: str) -> Cause:
    if name not in CAUSES:
        near = difflib.get_close_matches(name, CAUSES, 1, 0.0)[0]
        raise LossInputError(f"diagnose: `cause` must be one of --list, got {name!r}; did you mean {near!r}?")
    return CAUSES[name]


def _described(cause: Cause) -> dict[str, Any]:
    fields = ("name", "group", "title", "remedy", "confirm", "source", "explains")
    return {field: getattr(cause, field) for field in fields}


def _suspicion(suspicion: Suspicion, number: str, console: Console) -> None:
    style = "bold red" if suspicion.sure >= _SURE else "bold yellow"
    words = texts("en")
    console.print(Text.assemble((f"{number}{_opening(suspicion.title)}", style), f" ({suspicion.cause})"))
    console.print(Padding(Text(f"{share(suspicion.sure, 0)} sure, {_since(suspicion, words)}", "dim"), (0, 0, 0, 2)))
    console.print(Padding(Text(suspicion.words), (0, 0, 0, 2)))
    _remedy(suspicion.remedy, console)
    rows = [("Confirmed if", _opening(suspicion.confirm, "."))]
    if suspicion.consequences:
        rows.append(("Explains", "; ".join(f"{CAUSES[name].title} ({name})" for name in suspicion.consequences)))
    _labelled([*rows, ("Source", suspicion.source)], console)


def _remedy(remedy: str, console: Console) -> None:
    code = Syntax(remedy, "python", background_color="default")
    console.print()
    for line in code.highlight(remedy).split("\n"):
        if line.plain.strip():
            console.print(Text("    ") + line, soft_wrap=True)  # a line that wraps can't be pasted
    console.print()


def _labelled(rows: Iterable[tuple[str, str]], console: Console) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, value in rows:
        grid.add_row(Text(f"  {name}", style="dim"), Text(value))
    console.print(grid)


def _since(suspicion: Suspicion, words: Texts) -> str:
    return words("diagnosis.since", batch=suspicion.began) if suspicion.began else words("diagnosis.from_start")


def _opening(text: str, end: str = "") -> str:
    """With its first letter in upper case, and with the mark at its end if it has none there."""
    return text[:1].upper() + text[1:] + (end if text[-1:] not in ".!?" else "")


def _tiles(diagnosis: Diagnosis, words: Texts) -> list[dict[str, str]]:
    """The figures at the head of the page."""
    seen = diagnosis.looked_at
    if not seen["batches"]:
        return []
    known = seen["loss"] if seen["loss"] != "not recognised" else words("diagnosis.unknown_loss")
    tiles = [
        {"name": words("diagnosis.course"), "value": f"{_figure(seen['start'])} → {_figure(seen['end'])}",
         "detail": known},
        {"name": words("diagnosis.batches"), "value": f"{seen['batches']:,}",
         "detail": words("diagnosis.steps", steps=f"{seen['steps']:,}", sampled=f"{seen['sampled']:,}")},
        {"name": words("diagnosis.optimizer"), "value": str(seen["optimizer"]),
         "detail": words("diagnosis.lr", lr=_figure(seen["lr"]))},
    ]  # fmt: skip
    if math.isfinite(seen["trivial"]):
        tiles.insert(1, {"name": words("diagnosis.constant"), "value": _figure(seen["trivial"]),
                         "detail": words("diagnosis.constant_detail")})  # fmt: skip
    return tiles


def _facts(diagnosis: Diagnosis, words: Texts) -> list[tuple[str, str]]:
    """What was looked at, as names and figures."""
    seen = diagnosis.looked_at
    if not seen["batches"]:
        return []
    facts = [
        (words("diagnosis.course"), f"{_figure(seen['start'])} → {_figure(seen['end'])}"),
        (words("diagnosis.constant"), _figure(seen["trivial"])),
        (words("diagnosis.function"), str(seen["loss"])),
        (words("diagnosis.optimizer"), f"{seen['optimizer']}, {words('diagnosis.lr', lr=_figure(seen['lr']))}"),
        (words("diagnosis.batches"), f"{seen['batches']:,}, "
         + words("diagnosis.steps", steps=f"{seen['steps']:,}", sampled=f"{seen['sampled']:,}")),
        (words("diagnosis.epochs"), str(seen["epochs"])),
        (words("diagnosis.parameters"), f"{seen['parameters']:,}"),
        (words("diagnosis.looked_for"), str(seen["causes looked for"])),
        (words("diagnosis.trials"), ", ".join(seen["trials"])),
        (words("diagnosis.took"), words("diagnosis.took_value", duration=duration(seen["seconds"]),
                                        share=share(seen["share of watching"]))),
    ]  # fmt: skip
    return [(name, value) for name, value in facts if value not in ("", "0", NO_FIGURE)]


def _figure(value: float) -> str:
    return plain(value, 3) if math.isfinite(value) else "NaN, ∞" if value == math.inf else NO_FIGURE


def _picture(chart: alt.LayerChart, prefix: str) -> Markup:
    """The chart as an SVG within the page, whose ids are the prefix and a number: they must differ from another's."""
    import vl_convert
    from markupsafe import Markup

    specification: dict[str, Any] = chart.to_dict(validate=False)  # the tests validate them
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", vl_convert.vegalite_to_svg(specification))
    numbers: dict[str, int] = {}
    named = re.sub(r'(id="|url\(#|href="#)([\w-]+)',
                   lambda found: f"{found[1]}{prefix}-{numbers.setdefault(found[2], len(numbers))}", svg)  # fmt: skip
    return Markup(named)
