"""Type checkers reject what would fail at run time, and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parent / "typing" / "constructors.py"
MARKED = {number for number, line in enumerate(FILE.read_text().splitlines(), 1) if line.endswith("# E")}


def test_mypy_finds_the_marked_lines():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(FILE)], capture_output=True, text=True, cwd=FILE.parents[2]
    )
    found = {int(line) for line in re.findall(r"constructors\.py:(\d+): error", done.stdout)}
    assert found == MARKED, done.stdout
    assert len(MARKED) > 5
