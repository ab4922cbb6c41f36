"""The collection, program by program: the right cause comes first for the faulty, none for the sound.

For time every third program is run with its fault, every third repaired, and ``fresh`` and ``unseen`` not at all; the
module ``measure`` runs both versions of all.
"""

import pytest
import torch

from lossary.diagnosis import CAUSES, Run, watching
from tests.diagnose.collection import HELD_OUT, programs, run

PROGRAMS = programs() + programs(HELD_OUT)
FAULTY = [program for program in PROGRAMS if program.causes]
LOOK_ALIKES = [program for program in PROGRAMS if not program.causes]


@pytest.fixture(autouse=True)
def one_thread_and_no_clock(monkeypatch):
    """Which steps are sampled then depends on their numbers alone."""
    monkeypatch.setattr(watching, "_FREE", 1e9)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def diagnosis(program, *, repaired=False):
    observer = Run(seconds=60.0)
    outcome = run(program, observer, repaired=repaired)
    observer.ended_by(None, outcome.error, None)
    return observer.diagnose()


def test_the_collection_is_large_and_knows_the_causes():
    assert len(FAULTY) >= 60 and len(LOOK_ALIKES) >= 30
    assert {name for program in FAULTY for name in program.causes} <= set(CAUSES)
    assert set(CAUSES) - {name for program in FAULTY for name in program.causes} == set()


@pytest.mark.parametrize("program", FAULTY[::3], ids=lambda program: program.name)
def test_the_right_cause_comes_first(program):
    found = diagnosis(program)
    assert found.best is not None, f"nothing was found; it is {program.causes[0]}"
    assert found.best.cause in program.causes, found.summary
    assert found.best.words.endswith(".") and found.best.remedy
    assert not [words for words in found.not_looked_at if "failed" in words]


@pytest.mark.parametrize("program", [*FAULTY[1::3], *LOOK_ALIKES], ids=lambda program: program.name)
def test_a_sound_program_is_not_accused(program):
    found = diagnosis(program, repaired=bool(program.causes))
    assert found.healthy, found.summary
    assert not [words for words in found.not_looked_at if "failed" in words]
    assert found.summary.startswith("Nothing wrong seen")
