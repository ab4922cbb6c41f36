"""What a check of a loss found: on the terminal, as text for a test's failure, and as a page."""

from __future__ import annotations

import io
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from lossary.checks import CLAIM_TEXTS, CheckFinding, CheckReport

from .pages import page, write_files

_LABELS = {"refuted": ("✗", "red"), "survived": ("✓", "green"), "not applicable": ("–", "dim")}


def show_check(report: CheckReport, console: Console) -> None:
    """Print the verdict, each root cause with its counterexample and its echoes, then what survived."""
    console.print(_headline(report))
    for finding in report.refuted:
        if finding.echo_of is None:
            console.print(_refuted(finding, echoes_of(report, finding)))
    for orphan in report.refuted:
        if orphan.echo_of is not None and not _has_root(report, orphan):
            console.print(_refuted(orphan, []))
    if len(report.refuted) < len(report.findings):
        console.print(_rest(report))
    for lines, words in ((report.taken_for, "Taken for"), (_assumed(report), "Assumed")):
        if lines:
            console.print(Text(f"\n{words}, since nobody said otherwise", style="bold"))
            for line in lines:
                console.print(Text(f"  {line}"))


def check_text(report: CheckReport) -> str:
    """What was refuted as plain text of 100 columns."""
    out = io.StringIO()
    console = Console(file=out, width=100, no_color=True)
    console.print(_headline(report))
    for finding in report.refuted:
        console.print(_refuted(finding, []))
    return out.getvalue()


def write_check(report: CheckReport, folder: Path) -> Path:
    """Write ``report.html`` and ``result.json`` into ``folder``, which is made if it isn't there; return the page."""
    roots = [(f, echoes_of(report, f)) for f in report.refuted if f.echo_of is None or not _has_root(report, f)]
    html = page(
        "check.html", title=f"{report.loss}: check", report=report, roots=roots, headline=_headline(report).plain,
        rest=[f for f in report.findings if f.verdict != "refuted"], labels=_LABELS, texts=CLAIM_TEXTS,
    )  # fmt: skip
    return write_files(folder, {"result.json": report.to_json() + "\n", "report.html": html})


def echoes_of(report: CheckReport, root: CheckFinding) -> list[CheckFinding]:
    """The refuted findings that ``root`` explains; shown under the first finding of its claim alone."""
    first = next(f for f in report.refuted if f.claim == root.claim)
    return [f for f in report.refuted if f.echo_of == root.claim] if first is root else []


def _has_root(report: CheckReport, echo: CheckFinding) -> bool:
    return any(f.claim == echo.echo_of and f.echo_of is None for f in report.refuted)


def _headline(report: CheckReport) -> Text:
    if report.holds:
        asked = sum(f.verdict == "survived" for f in report.findings)
        return Text(f"{report.loss}: nothing refuted in {asked} checks ({report.seconds:.1f} s)", style="bold green")
    claims = list(dict.fromkeys(f.claim for f in report.refuted if f.echo_of is None))
    claims = claims or list(dict.fromkeys(f.claim for f in report.refuted))
    return Text(f"{report.loss} does not keep its word: {', '.join(claims)} ({report.seconds:.1f} s)", style="bold red")


def _refuted(finding: CheckFinding, echoes: list[CheckFinding]) -> RenderableType:
    parts: list[RenderableType] = [
        Text.assemble(("\n✗ ", "red"), (finding.claim, "bold"), f"  {CLAIM_TEXTS.get(finding.claim, '')}"),
        Padding(Text(finding.reason), (0, 0, 0, 2)),
    ]
    if finding.cause:
        parts.append(Padding(Text(f"Usually: {finding.cause}", style="yellow"), (0, 0, 0, 2)))
    if finding.counterexample:
        code = Syntax(finding.counterexample, "python", background_color="default", word_wrap=True)
        parts.append(Padding(code, (1, 0, 0, 4)))
    for echo in echoes:
        parts.append(Padding(Text(f"└ also {echo.claim}: {echo.reason}", style="dim"), (0, 0, 0, 2)))
    return Group(*parts)


def _rest(report: CheckReport) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("", "claim", "check", "what came of it"):
        table.add_column(column, overflow="fold")
    for finding in report.findings:
        if finding.verdict != "refuted":
            sign, style = _LABELS[finding.verdict]
            table.add_row(Text(sign, style=style), finding.claim, finding.subject, Text(finding.reason))
    return table


def _assumed(report: CheckReport) -> list[str]:
    return [f"{claim}: {why}" for claim, why in report.assumed.items()]
