"""How the benchmark is to be run."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
QUICK = 1 / 32
"""What sizes are multiplied by in a quick run."""


@dataclass(frozen=True)
class Settings:
    """Which cases are run, and how long."""

    only: tuple[str, ...] = ()
    rounds: int = 9
    threads: int = 1
    scale: float = 1.0
    compile: bool = False
    out: str = str(RESULTS)
    seconds: float = 60.0
    """No further round of a case begins after so long, but for the first three."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the benchmark of speed."""
    group = parser.add_argument_group("speed")
    group.add_argument("--only", default="", help="cases by the beginnings of their names, with commas between")
    group.add_argument("--rounds", type=int, help=f"how often each is timed; {Settings.rounds}, or 3 in a quick run")
    group.add_argument("--threads", type=int, default=Settings.threads, help="threads, each with a core of its own")
    group.add_argument("--quick", action="store_true", help="small inputs, to see that all runs")
    group.add_argument("--compile", action="store_true", help="torch.compile too; takes a C++ compiler and time")
    group.add_argument("--out", type=Path, default=RESULTS, help="folder for what is measured")


def read_options(options: argparse.Namespace) -> Settings:
    """The settings that the options of the command line ask for."""
    return Settings(
        only=tuple(filter(None, options.only.split(","))),
        rounds=options.rounds or (3 if options.quick else Settings.rounds),
        threads=options.threads,
        scale=QUICK if options.quick else 1.0,
        compile=options.compile,
        out=str(options.out),
    )
