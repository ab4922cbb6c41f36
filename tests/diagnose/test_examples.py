"""The scripts of the guide: each named fault is found first, unaided, and the script does not notice."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lossary.diagnosis.script import diagnose_script

FOLDER = Path(__file__).parents[2] / "examples" / "diagnose"
GUIDE = (Path(__file__).parents[2] / "docs" / "diagnosing.md").read_text(encoding="utf-8")
CAUSES = {
    "softmax_before_cross_entropy": "softmax_before_cross_entropy",
    "column_against_row": "target_shape_broadcast",
    "ten_times_the_rate": "lr_too_high",
}


@pytest.fixture(autouse=True)
def as_before():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


def test_all_scripts_are_here():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(CAUSES)


@pytest.mark.parametrize("script", CAUSES)
def test_the_fault_of_a_script_is_named_first(script):
    diagnosis, code, error = diagnose_script(FOLDER / f"{script}.py")
    assert (code, error) == (0, None)
    assert diagnosis.best is not None and diagnosis.best.cause == CAUSES[script]
    assert diagnosis.best.sure >= 0.9
    assert f"({CAUSES[script]})" in GUIDE and all(line in GUIDE for line in diagnosis.best.remedy.splitlines())


def test_a_script_prints_what_it_prints_alone(capsys):
    path = FOLDER / "ten_times_the_rate.py"
    diagnose_script(path, probes=False)
    alone = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120, check=True)
    assert capsys.readouterr().out == alone.stdout
