"""Every loss obeys every law."""

import pytest

from lossary.catalogue import find
from lossary.checks import LAWS, cases

ALL = [case for definition in find() for case in cases(definition)]


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
@pytest.mark.parametrize("case", ALL, ids=str)
def test_law(case, law):
    law(case)


def test_no_law_is_idle():
    """Each law applies to some loss: one that applies to none would check nothing."""
    idle = [name for name, law in LAWS.items() if all(_reason(law, case) for case in ALL)]
    assert not idle


def _reason(law, case):
    return None if law.__name__ == "compiles_whole" else law(case)
