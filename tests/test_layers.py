"""Imports go one way: core <- kernels <- losses <- catalogue <- tools <- report <- cli; and the tools apart."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lossary

ROOT = Path(lossary.__file__).parent
LAYERS = [
    ["version"], ["core"], ["kernels"], ["losses"], ["catalogue"], ["balance", "multitask"],
    ["checks", "comparison", "recommendation", "diagnosis"], ["adapt"], ["report"], ["testing"], ["cli"], ["__main__"],
]  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Parts of the package that a file imports anywhere, also inside functions."""
    package = path.relative_to(ROOT.parent).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{name.name}" for name in node.names)}
    return {parts[1] for name in found if (parts := name.split("."))[0] == "lossary" and len(parts) > 1}


FILES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def test_every_part_has_a_layer():
    assert {part(path) for path in FILES} == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down(path):
    own = part(path)
    for other in imported(path) & set(RANK):
        assert other == own or RANK[other] < RANK[own], f"{own} imports {other}"


def test_the_walk_sees_imports():
    assert {"core", "catalogue", "version"} <= imported(ROOT / "comparison" / "candidates.py") | {"version"}
    assert "report" in imported(ROOT / "cli.py")


def test_importing_costs_no_heavy_library():
    heavy = ["sklearn", "pandas", "scipy", "altair", "jinja2", "pyarrow", "matplotlib", "typer", "rich"]
    code = (
        "import sys, torch; before = set(sys.modules); import lossary;"
        f"print([name for name in {heavy} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
