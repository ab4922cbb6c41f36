"""Every loss obeys every law."""

import pytest

from lossary.catalogue import find
from lossary.checks import LAWS, cases

ALL = [case for definition in find() for case in cases(definition)]


FEW = [case for d in find() for case in ([*cases(d)][:1] + [*cases(d)][1:][-1:])]
"""Each loss at its defaults and at one setting: capturing a graph is slow, and settings seldom change it."""


@pytest.mark.parametrize(
    ("case", "law"),
    [pytest.param(c, law, id=f"{c}-{name}") for name, law in LAWS.items() for c in (FEW if "compile" in name else ALL)],
)
def test_law(case, law):
    law(case)


def test_no_law_is_idle():
    """Each law applies to some loss: one that applies to none would check nothing."""
    idle = [name for name, law in LAWS.items() if all(_reason(law, case) for case in ALL)]
    assert not idle


def _reason(law, case):
    return None if law.__name__ == "compiles_whole" else law(case)
