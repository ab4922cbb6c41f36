"""The collection holds what it says: versions are made by text, and every program is of the agreed form."""

import ast

import pytest

from tests.diagnose import collection
from tests.diagnose.collection import FOLDER, FRESH, HELD_OUT, UNSEEN, programs, read, run, version

TEXT = '''"""cause: lr_too_high; accepts: loss_oscillating."""

def train(run):
    lr = 3.0  # repaired: lr = 0.2
    surplus()  # repaired:
    # repaired only: missing()
    kept()  # as it is
'''
ALL = [program for folder in (FOLDER, HELD_OUT, FRESH, UNSEEN) for program in programs(folder)]
MADE_ON = [program for program in ALL if program.path.parent in (FOLDER, HELD_OUT)]
"""Which are run here; the others are run by the module ``measure`` only, for time."""


def code(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_faulty_version_shows_no_repair():
    assert code(version(TEXT, repaired=False)) == ["def train(run):", "lr = 3.0", "surplus()", "kept()  # as it is"]


def test_the_repaired_version_has_only_the_repairs():
    assert code(version(TEXT, repaired=True)) == ["def train(run):", "lr = 0.2", "missing()", "kept()  # as it is"]


@pytest.mark.parametrize("repaired", [False, True])
def test_line_numbers_stay(repaired):
    assert version(TEXT, repaired=repaired).splitlines()[6] == "    kept()  # as it is"


@pytest.mark.parametrize(
    ("line", "causes", "healthy", "raises"),
    [
        ("cause: lr_too_high; accepts: loss_oscillating, x.", ("lr_too_high", "loss_oscillating", "x"), None, None),
        ("cause: bce_on_logits; raises: RuntimeError.", ("bce_on_logits",), None, "RuntimeError"),
        ("healthy: warm-up; with a small batch", (), "warm-up; with a small batch", None),
    ],
)
def test_what_a_docstring_says(tmp_path, line, causes, healthy, raises):
    path = tmp_path / "program.py"
    path.write_text(f'"""{line}"""\n')
    program = read(path)
    assert (program.causes, program.healthy, program.raises) == (causes, healthy, raises)


@pytest.mark.parametrize("line", ["", "lr_too_high", "cause:", "accepts: lr_too_high", "cause: a; cause: b", "why: a"])
def test_a_docstring_that_says_nothing_is_refused(tmp_path, line):
    path = tmp_path / "program.py"
    path.write_text(f'"""{line}"""\n' if line else "x = 1\n")
    with pytest.raises(ValueError, match=r"program\.py: the docstring must"):
        read(path)


def test_the_parts_are_apart():
    assert all(program.path.parent == HELD_OUT for program in programs(HELD_OUT))
    assert len({program.name for program in ALL}) == len(ALL)
    assert (
        len([p for p in programs(UNSEEN) if p.causes]) >= 24 and len([p for p in programs(UNSEEN) if p.healthy]) >= 12
    )


@pytest.mark.parametrize("program", ALL, ids=lambda program: program.name)
def test_a_program_is_of_the_agreed_form(program):
    faulty, repaired = program.source(), program.source(repaired=True)
    for text in (faulty, repaired):
        assert "repaired" not in text and "cause:" not in text and "healthy:" not in text
        calls = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        assert {"on_start", "on_context", "on_batch", "on_step_end", "on_epoch_end", "on_end"} <= calls
    assert (ast.dump(ast.parse(faulty)) != ast.dump(ast.parse(repaired))) == bool(program.causes)


@pytest.mark.parametrize("program", [p for p in MADE_ON if p.raises], ids=lambda program: program.name)
def test_a_program_dies_of_its_fault_and_not_when_repaired(program):
    outcome = run(program, collection.Nobody())
    assert type(outcome.error).__name__ == program.raises, outcome.trace
    assert run(program, collection.Nobody(), repaired=True).error is None
