"""Run the recording scripts, each in an environment of its own: ``python tests/oracles/record.py [FAMILY ...]``.

The libraries that they ask are too heavy to install beside the tests, and contradict each other. What each script needs
stands in its docstring as shell commands, which are what is run here.
"""

import ast
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

HERE = Path(__file__).parent


def commands(script: Path) -> str:
    """The indented lines of a script's docstring, with ``v`` as the name of the environment."""
    text = ast.get_docstring(ast.parse(script.read_text()), clean=True) or ""
    return textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("    ")))


def main(families: list[str]) -> None:
    scripts = [HERE / f"record_{family}.py" for family in families] or sorted(HERE.glob("record_*.py"))
    for script in scripts:
        with tempfile.TemporaryDirectory() as folder:
            lines = commands(script).replace("v/bin/", f"{folder}/v/bin/").replace("-m venv v", f"-m venv {folder}/v")
            print(f"{script.stem}:\n{textwrap.indent(lines, '  ')}", flush=True)
            subprocess.run(["bash", "-ec", lines], check=True, cwd=HERE.parents[1])


if __name__ == "__main__":
    main(sys.argv[1:])
