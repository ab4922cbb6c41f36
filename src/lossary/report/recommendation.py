"""A recommendation on the terminal: the loss, why, what else to do, what would change it, and code to paste."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossary.recommendation import Advice, Recommendation

from .figures import plain

_SHOWN = 5
"""Losses in the table; the others are in the JSON."""


def show_recommendation(result: Recommendation, console: Console, *, explain: bool = False) -> None:
    """Print the recommendation within 80 columns, as plain text where the output is a file or a pipe.

    Args:
        result: What :func:`lossary.recommend` returned.
        console: Where to.
        explain: Whether to show every figure with how it was measured, and every rule with the figures it went by.

    >>> import torch, lossary
    >>> from lossary.recommendation import recommend
    >>> show_recommendation(recommend(torch.tensor([0, 1, 0, 1])), Console(width=60))  # doctest: +ELLIPSIS
    bce_with_logits
    ...
    """
    profile, best = result.profile, result.best
    console.print(Text(_call(best), style="bold green"))
    kind = f"{profile.kind} target, since {profile.why}; {profile.samples} samples"
    features = f", {profile.features} features" if profile.features else ""
    goals = f"; goals: {', '.join(result.goals)}" if result.goals else ""
    console.print(Text(f"{kind}{features}{goals}."))
    for doubt in profile.doubts:
        console.print(Text(f"! {doubt}", style="yellow"))
    for note in profile.notes:
        console.print(Text(f"! {note}", style="yellow"))
    console.print()
    _reasons(best, console)
    _settings(best, console)
    console.print(_ranking(result))
    for heading, sentences in (("Besides the loss", result.besides), ("What would change it", result.changes)):
        _list(heading, sentences, console)
    if explain:
        _explain(result, console)
    console.print()
    console.print(Text(best.code), soft_wrap=True)  # a line that wraps can't be pasted


def _call(advice: Advice) -> str:
    words = [f"{name}={plain(v)}" for name, v in advice.hyperparameters.items() if isinstance(v, (int, float))]
    return f"{advice.loss} ({', '.join(words)})" if words else advice.loss


def _reasons(advice: Advice, console: Console) -> None:
    grid = Table.grid(padding=(0, 1, 0, 0))
    for sign, style, reasons in (("+", "green", advice.pros), ("-", "red", advice.cons)):
        for reason in reasons:
            grid.add_row(Text(sign, style=style), Text(f"{abs(reason.weight):.1f}"), Text(reason.sentence))
    console.print(grid)


def _settings(advice: Advice, console: Console) -> None:
    for name, why in advice.settings.items():
        console.print(Padding(Text(f"{name}: {why}", style="dim"), (0, 0, 0, 2)))
    console.print()


def _ranking(result: Recommendation) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("loss", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("for", overflow="fold")
    table.add_column("against", overflow="fold")
    for advice in result.ranking[:_SHOWN]:
        table.add_row(
            Text(_call(advice)), f"{advice.score:.1f}",
            Text(_rules(reason.rule for reason in advice.pros)), Text(_rules(reason.rule for reason in advice.cons)),
        )  # fmt: skip
    return table


def _rules(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _list(heading: str, sentences: Iterable[str], console: Console) -> None:
    grid = Table.grid(padding=(0, 1, 0, 0))
    for sentence in sentences:
        grid.add_row(Text("·"), Text(sentence))
    if grid.row_count:
        console.print(Text(f"\n{heading}", style="bold"))
        console.print(grid)


def _explain(result: Recommendation, console: Console) -> None:
    """Which rule fired on which figure."""
    console.print(Text("\nFigures", style="bold"))
    grid = Table.grid(padding=(0, 1, 0, 0))
    for name, figure in result.profile.figures.items():
        value = plain(figure.value, 3) if math.isfinite(figure.value) else "none"
        grid.add_row(
            Text(name.replace("_", " ")), Text(value), Text(f"{figure.meaning} ({figure.method})", style="dim")
        )
    console.print(grid)
    console.print(Text("\nRules", style="bold"))
    for firing in sorted(result.rules, key=lambda each: not each.fired):
        sign, style = ("+", "green") if firing.fired else ("-", "dim")
        here = ", ".join(f"{name.replace('_', ' ')} {plain(value, 3)}" for name, value in firing.figures.items())
        line = f"{sign} {firing.rule}: {firing.condition}" + (f" (here {here})" if here else "")
        console.print(Text(line, style=style))
        if firing.fired:
            console.print(Padding(Text(f"{firing.sentence} [{firing.source}]"), (0, 0, 0, 2)))
