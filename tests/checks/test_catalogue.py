"""Every loss of the catalogue under the checks that anybody's loss is put to."""

import pytest

import lossary
from lossary.catalogue import find
from lossary.report import check_text


@pytest.mark.parametrize("definition", find(), ids=lambda definition: definition.name)
def test_a_loss_keeps_its_word(definition):
    report = lossary.check(definition.function, seconds=3.0)
    assert report.holds, check_text(report)
    broken = [finding.subject for finding in report.findings if "the check itself failed" in finding.reason]
    assert not broken
    assert sum(finding.verdict == "survived" for finding in report.findings) >= 15
