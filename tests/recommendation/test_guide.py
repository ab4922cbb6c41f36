"""The guide's examples give what stands in it."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "recommending.md"
PYTHON = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
CONSOLE = re.findall(r"```console\n\$ lossary (.*?)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_examples():
    assert len(PYTHON) == 3 and len(CONSOLE) == 1


@pytest.mark.parametrize(("code", "printed"), PYTHON, ids=["plain", "survival", "masks"])
def test_python(code, printed):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == printed


@pytest.mark.parametrize(("command", "printed"), CONSOLE, ids=["diabetes"])
def test_console(command, printed):
    done = subprocess.run(
        [sys.executable, "-m", "lossary", *command.split()], capture_output=True, text=True, timeout=200
    )
    assert [line.rstrip() for line in done.stdout.splitlines()] == printed.splitlines()
