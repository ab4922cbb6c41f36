"""What the code imports is what the project asks for: an install of an extra can run what belongs to it."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def imported(*folders: str) -> set[str]:
    """Top-level modules of others that files import anywhere, also inside functions."""
    found = set()
    files = (p for folder in folders for p in (ROOT / folder).rglob("*.py"))
    for path in (p for p in files if not p.name.startswith("record") and "programs" not in p.parts):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"lossary", "tests", "benchmarks", "nobody"}


def asked(*requirements: str) -> set[str]:
    """Names of distributions, written one way."""
    names = (r.split(">=")[0].split("[")[0] for r in requirements)
    return {name.lower().replace("_", "-") for name in names}


# Who uses lossary.testing has pytest.
@pytest.mark.parametrize(
    ("folders", "requirements"),
    [
        (["src"], [*PROJECT["dependencies"], *EXTRAS["compare"], *EXTRAS["multitask"], *EXTRAS["fast"], "pytest"]),
        (["tests", "src", "benchmarks"], [*PROJECT["dependencies"], *EXTRAS["compare"], *EXTRAS["test"]]),
    ],
    ids=["run", "test"],
)
def test_what_is_imported_is_asked_for(folders, requirements):
    distributions = packages_distributions()
    modules = imported(*folders)
    assert {"torch", "sklearn"} <= modules
    names = {module: {d.lower().replace("_", "-") for d in distributions.get(module, [module])} for module in modules}
    missing = {module for module, of in names.items() if not of & asked(*requirements)}
    assert not missing, f"imported, but asked for nowhere: {sorted(missing)}"
