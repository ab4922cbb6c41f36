"""Run benchmarks, print their figures and write them as JSON: ``python -m benchmarks [NAME ...] [--json FILE]``.

The options under "speed" are of that benchmark alone. "costs" writes a file of the package, and so runs only where it
is named.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import costs, diagnosis, engine, importing, multitask, speed
from .speed.settings import add_options, read_options

BENCHMARKS = {
    "engine": engine.measure,
    "importing": importing.measure,
    "multitask": multitask.measure,
    "diagnosis": diagnosis.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="which to run; all but costs where none is named")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--costs", type=Path, default=costs.FILE, help="file for what costs measures")
    add_options(parser)
    options = parser.parse_args()
    usual = {**BENCHMARKS, "speed": lambda: speed.measure(read_options(options))}
    benchmarks = {**usual, "costs": lambda: costs.measure(options.costs)}
    results: dict[str, Any] = {}
    for name in options.names or usual:
        results[name] = benchmarks[name]()
        print(f"{name}: {results[name]['summary']}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


main()
