"""Type checkers reject what would fail at run time, and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parent / "typing" / "constructors.py"
MARKED = {number for number, line in enumerate(FILE.read_text().splitlines(), 1) if line.endswith("# E")}


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=["mypy", "pyright"])
def test_the_marked_lines_are_errors(checker):
    done = subprocess.run(
        [sys.executable, "-m", *checker, str(FILE)], capture_output=True, text=True, cwd=FILE.parents[2]
    )
    found = {int(line) for line in re.findall(r"constructors\.py:(\d+):(?:\d+ -)? error", done.stdout)}
    assert found == MARKED, done.stdout + done.stderr
    assert len(MARKED) > 5
