"""What is installed and which kernels are used, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lossary.kernels import Status

__all__ = ["show_status"]


def show_status(status: Status, console: Console) -> None:
    """Print versions, then whether kernels are used, and for which losses."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, version in status.versions.items():
        table.add_row(name, version)
    console.print(table)
    console.print()
    console.print(f"Compiled kernels: [bold]{'active' if status.active else 'not used'}[/]; {escape(status.reason)}.")
    console.print(f"Threads: {status.threads}. Memory kept for gradients: {status.kept_bytes / 2**20:.0f} MiB.")
    names = ", ".join(name.removesuffix("_loss") for name in status.losses)
    console.print(f"{len(status.losses)} losses have one: {names}.", highlight=False)
    for name, reason in status.failed.items():
        console.print(f"[bold red]{name}[/] could not be compiled: {escape(reason)}", highlight=False)
