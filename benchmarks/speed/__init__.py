"""How fast every loss is, and how much memory it takes, against the same loss elsewhere."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .figures import summary
from .settings import Settings

__all__ = ["measure"]


def measure(settings: Settings) -> dict[str, Any]:
    """Runs the benchmark with a progress bar."""
    from .run import run

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("")
        found = run(settings, lambda what, done, of: progress.update(bar, description=what, completed=done, total=of))
    return {"summary": summary(found), **found}
