"""The corpus: of each wrong loss something is refuted, and nothing of its corrected twin."""

from collections import Counter
from typing import get_args

import pytest

import lossary
from lossary.report import check_text

from .corpus import specimens
from .faulty.specimen import Fault

ALL = specimens()


@pytest.mark.parametrize("specimen", ALL, ids=lambda specimen: specimen.name)
def test_fault_is_found(specimen):
    report = lossary.check(specimen.faulty, **specimen.told)
    assert not report.holds
    assert not [f.subject for f in report.findings if "the check itself failed" in f.reason]


@pytest.mark.parametrize("specimen", ALL, ids=lambda specimen: specimen.name)
def test_twin_is_left_alone(specimen):
    report = lossary.check(specimen.fixed, **specimen.told)
    assert report.holds, check_text(report)


def test_the_corpus_is_large_and_varied():
    assert len(ALL) >= 60 and len({s.name for s in ALL}) == len(ALL)
    kinds = Counter(s.fault for s in ALL)
    assert set(kinds) == set(get_args(Fault)) and min(kinds.values()) >= 2
    assert len(ALL) / 4 < sum(s.held_out for s in ALL) < len(ALL) / 2
