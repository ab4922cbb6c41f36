"""A comparison on the terminal: within 80 columns, and plain text where the output is a file or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from lossary.comparison.result import Comparison

from .figures import interval, number
from .ranking import lead_places, leads, places_of, score_of, standing_against_winner
from .texts import texts

Advance = Callable[[int, int, str], None]
"""Takes how many are done, how many there are, and what is being done."""

STYLES = {"winner": "bold green", "practically equal": "green", "undecided": "yellow", "worse": "red"}
SHORT = {"practically equal": "equal", "winner": "leads"}
"""How standings are called where a table of 80 columns has no room for more."""


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print the verdict: its headline, the ranking, why and with what reservations, and code to paste.

    The ranking gives the primary metric with its 95% interval, and how far each loss is from the leader, likewise with
    its interval; minus is worse, whichever way the metric points.
    """
    verdict = comparison.verdict
    console.print(Text(verdict.headline, style="bold"))
    console.print()
    console.print(_ranking(comparison, console))
    console.print()
    for sign, style, sentences in (("+", "green", verdict.reasons), ("!", "yellow", verdict.cautions)):
        if sentences:
            console.print(_sentences(sign, style, sentences))
    console.print()
    console.print(Text(verdict.code), soft_wrap=True)  # a line that wraps can't be pasted


@contextmanager
def progress(console: Console) -> Iterator[Advance]:
    """A progress bar with the time left, gone when the work is done; nothing where ``console`` is not a terminal.

    >>> with progress(Console()) as advance:
    ...     advance(3, 96, "huber")
    """
    if not console.is_terminal:
        yield lambda done, total, what: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("elapsed,"), TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, expand=True) as bar:

        def advance(done: int, total: int, what: str) -> None:
            if not bar.task_ids:
                # What was done before is not progress: counted, it would make the time left too short.
                bar.add_task(what, total=total, completed=done)
            else:
                bar.update(bar.task_ids[0], total=total, completed=done, description=what)

        yield advance


def _ranking(comparison: Comparison, console: Console) -> Table:
    """A row per loss; where that is too wide, the intervals stand on a line of their own."""
    wide = _table(comparison, " ")
    needed = Measurement.get(console, console.options.update(width=10_000), wide).maximum
    return wide if needed <= console.width else _table(comparison, "\n")


def _table(comparison: Comparison, before_interval: str) -> Table:
    places, lead_digits = places_of(comparison, comparison.metric), lead_places(comparison)
    all_leads = leads(comparison)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("loss", overflow="fold")
    table.add_column(texts("en").metric(comparison.metric), justify="right", no_wrap=True)
    table.add_column("vs. leader", justify="right", no_wrap=True)
    table.add_column("standing", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for entry in comparison.entries:
        score, standing = score_of(entry, comparison.metric), standing_against_winner(comparison, entry.label)
        mean = number(score.mean, places) + before_interval + interval(score.low, score.high, places)
        behind = ""
        if entry.label in all_leads:
            lead = all_leads[entry.label]
            ends = interval(-lead.high, -lead.low, lead_digits, signed=True)
            behind = number(-lead.mean, lead_digits, signed=True) + before_interval + ends
        table.add_row(
            Text(entry.label), _plain(mean), _plain(behind),
            Text(SHORT.get(standing, standing), style=STYLES.get(standing, "")), _plain(number(entry.seconds, 0)),
        )  # fmt: skip
    return table


def _plain(figure: str) -> Text:
    """A figure with the minus that every encoding has."""
    return Text(figure.replace("−", "-"))


def _sentences(sign: str, style: str, sentences: Sequence[str]) -> Table:
    """One behind the other, each with ``sign`` before it and its further lines indented."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for sentence in sentences:
        grid.add_row(Text(sign, style=style), Text(sentence))
    return grid
