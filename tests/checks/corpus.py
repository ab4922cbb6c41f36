"""The corpus of wrong losses: ``python -m tests.checks.corpus [--held-out]`` says how many the checker finds.

Detection is the share of wrong losses of which something is refuted, false alarms that of their corrected twins.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import time
from collections import Counter

import lossary

from . import faulty
from .faulty.specimen import Specimen


def specimens() -> list[Specimen]:
    found: list[Specimen] = []
    for module in pkgutil.iter_modules(faulty.__path__):
        found += getattr(importlib.import_module(f"{faulty.__name__}.{module.name}"), "SPECIMENS", [])
    return sorted(found, key=lambda specimen: specimen.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="the third that the checker is not tuned on")
    parser.add_argument("--only", help="part of a name")
    options = parser.parse_args()
    missed, alarms, seconds = [], [], []
    chosen = [s for s in specimens() if s.held_out == options.held_out and (options.only or "") in s.name]
    for specimen in chosen:
        started = time.perf_counter()
        wrong, right = (lossary.check(loss, **specimen.told) for loss in (specimen.faulty, specimen.fixed))
        seconds.append((time.perf_counter() - started) / 2)
        if wrong.holds:
            missed.append(specimen)
            print(f"missed       {specimen.name} ({specimen.fault})", flush=True)
        if not right.holds:
            alarms.append(specimen)
            for finding in right.refuted:
                print(f"false alarm  {specimen.name}: {finding.subject}: {finding.reason}", flush=True)
    total = len(chosen)
    print(f"{total} specimens: {1 - len(missed) / total:.1%} found, {len(alarms) / total:.1%} false alarms")
    print(f"missed by kind: {dict(Counter(s.fault for s in missed))}")
    print(f"seconds per check: median {sorted(seconds)[total // 2]:.2f}, most {max(seconds):.2f}")


if __name__ == "__main__":
    main()
