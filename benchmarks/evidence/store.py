"""The raw results beside the page: ``evidence.csv`` has every score, ``evidence.json`` what is known of each case."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DIGITS = 6
"""Significant digits of a score; more are noise of the training."""


def save(cases: Sequence[Mapping[str, Any]], about: Mapping[str, Any], folder: Path) -> None:
    """Write both files; ``about`` is what holds for all cases: plan, versions, time."""
    facts = [{name: value for name, value in case.items() if name != "scores"} for case in cases]
    text = json.dumps({"about": about, "cases": facts}, indent=1)
    (folder / "evidence.json").write_text(text + "\n")
    with (folder / "evidence.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "metric", "loss", "scores on the test folds"])
        for case in cases:
            for loss, values in case["scores"].items():
                writer.writerow([case["case"], case["metric"], loss, " ".join(f"{v:.{DIGITS}g}" for v in values)])


def load(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Cases with their scores, and what holds for all."""
    stored = json.loads((folder / "evidence.json").read_text())
    cases = {case["case"]: {**case, "scores": {}} for case in stored["cases"]}
    with (folder / "evidence.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            values = [float(value) for value in row["scores on the test folds"].split()]
            cases[row["case"]]["scores"][row["loss"]] = values
    return list(cases.values()), stored["about"]
