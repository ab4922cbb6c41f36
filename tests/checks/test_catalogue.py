"""Losses of the catalogue under the checks that anybody's loss is put to.

Laws and claims bind every loss in every run; these take seconds each, so that a run puts every other loss to them, and
``WHOLE_CATALOGUE=1`` all: ``make kernels`` does.
"""

import os

import pytest

import lossary
from lossary.catalogue import find
from lossary.report import check_text

PUT = find()[:: 1 if "WHOLE_CATALOGUE" in os.environ else 2]


@pytest.mark.parametrize("definition", PUT, ids=lambda definition: definition.name)
def test_a_loss_keeps_its_word(definition):
    report = lossary.check(definition.function, seconds=3.0)
    assert report.holds, check_text(report)
    broken = [finding.subject for finding in report.findings if "the check itself failed" in finding.reason]
    assert not broken
    assert sum(finding.verdict == "survived" for finding in report.findings) >= 15
