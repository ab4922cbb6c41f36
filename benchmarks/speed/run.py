"""Runs the cases, each in processes of its own, and joins what they found."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .case import Case
from .catalogue import CASES, chosen
from .measuring import tracker
from .settings import Settings

ROOT = Path(__file__).parents[2]
SECONDS = 1800
"""After which a process is given up."""
LIBRARIES = (
    "torch", "numpy", "numba", "kornia", "monai", "pytorch-metric-learning", "geomloss", "POT", "pytorch-msssim",
    "torchmetrics", "fvcore", "liger-kernel", "cut-cross-entropy", "optax", "jax",
)  # fmt: skip

Progress = Callable[[str, int, int], None]
"""Told what begins, how many parts are done, and of how many."""


def run(settings: Settings, on_progress: Progress) -> dict[str, Any]:
    """Measures the cases that ``settings`` name and returns what is stored in ``speed.json`` too.

    Raises:
        ValueError: if a name is that of no case.
    """
    cases, out = chosen(list(settings.only)), Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    lines = out / "speed.jsonl"
    lines.unlink(missing_ok=True)
    library = tracker(out)
    parts = [("time", [case]) for case in cases]
    parts += [("memory", [case]) for case in cases] if library else []
    parts += [("small", [case for case in cases if case.small])]
    for done, (mode, some) in enumerate(parts):
        on_progress(f"{mode}: {some[0].name}" if len(some) == 1 else mode, done, len(parts))
        _in_child(mode, some, settings, lines, library)
    on_progress("done", len(parts), len(parts))
    found = joined((json.loads(line) for line in lines.read_text().splitlines()), settings, library is not None)
    (out / "speed.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


def _in_child(mode: str, cases: list[Case], settings: Settings, lines: Path, library: Path | None) -> None:
    """Runs ``cases`` in a process and notes it where that dies."""
    threads = str(settings.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
    if mode == "memory":
        environment["LD_PRELOAD"] = str(library)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.child", mode, str(lines.resolve()),
               json.dumps(asdict(settings)), *(case.name for case in cases)]  # fmt: skip
    try:
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS)
        said = ended.stderr.strip().splitlines()
        problem = f"exit status {ended.returncode}: {said[-1] if said else 'nothing said'}" if ended.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"no end after {SECONDS} s"
    if problem:
        with lines.open("a") as file:
            file.writelines(json.dumps({"mode": mode, "case": case.name, "problem": problem}) + "\n" for case in cases)


def joined(records: Iterable[dict[str, Any]], settings: Settings, memory: bool) -> dict[str, Any]:
    """Records by case and contender, with what they were measured on."""
    cases: dict[str, dict[str, Any]] = {}
    small: dict[str, dict[str, Any]] = {}
    for record in records:
        mode, name = record.pop("mode"), record.pop("case")
        if mode == "small":
            found = small.setdefault(name, {"contenders": {}})
        else:
            known = CASES[name]
            found = cases.setdefault(name, {"group": known.group, "size": known.size, "contenders": {}})
        if "problem" in record:
            found[f"{mode} problem"] = record["problem"]
        else:
            contender = found["contenders"].setdefault(record.pop("contender"), {})
            contender.update(record)
    return {"about": about(settings, memory), "cases": cases, "small": small}


def about(settings: Settings, memory: bool) -> dict[str, Any]:
    """The machine, the libraries and the settings."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
        "pinned": hasattr(os, "sched_setaffinity"),
        "memory": "" if memory else "not measured: no C compiler",
        "rounds": settings.rounds,
        "threads": settings.threads,
        "scale": settings.scale,
        "compile": settings.compile,
    }


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    models = [line for line in told.read_text().splitlines() if line.startswith("model name")] if told.exists() else []
    return models[0].partition(":")[2].strip() if models else platform.processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
