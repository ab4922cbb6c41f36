"""``python -m benchmarks.evidence``: run all cases and write the page; ``--render`` writes the page alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from .page import page
from .run import run
from .sets import CASES
from .store import load

DOCS = Path(__file__).parents[2] / "docs"
LEDGER = Path("lossary-report/evidence/trials.sqlite")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--render", action="store_true", help="write docs/evidence.md from what is stored, no training")
    if not parser.parse_args().render:
        run(CASES, DOCS, LEDGER, lambda line: print(line, flush=True))
    cases, about = load(DOCS)
    (DOCS / "evidence.md").write_text(page(cases, about))
    print(f"{len(cases)} cases: {DOCS / 'evidence.md'}")


main()
