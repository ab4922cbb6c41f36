"""For a project's own tests: a loss that does not keep its word fails them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .checks import CheckReport, check
from .report import check_text


def assert_loss(loss: Callable[..., Any], **told: Any) -> CheckReport:
    """Raise unless ``loss`` keeps what it claims; ``told`` are the keywords of :func:`lossary.check`.

    Raises:
        AssertionError: with what was refuted and code that shows it.

    >>> import torch
    >>> from lossary.core import Real
    >>> report = assert_loss(torch.nn.functional.l1_loss, inputs=[Real("n"), Real("n")], claims={"finite", "convex"})
    >>> report.holds
    True
    """
    report = check(loss, **told)
    if not report.holds:
        raise AssertionError(check_text(report))
    return report


def parametrize(loss: Callable[..., Any], **told: Any) -> Any:
    """A pytest mark that makes one test of each check: it gets ``finding`` and passes it to :func:`assert_finding`.

    ::

        @parametrize(FocalLoss, inputs=[Logit("n c"), ClassIndex("n")], claims={"finite", "per_sample"})
        def test_focal_loss(finding):
            assert_finding(finding)
    """
    import pytest

    report = check(loss, **told)
    findings = sorted(report.findings, key=lambda finding: finding.subject)
    return pytest.mark.parametrize("finding", findings, ids=[finding.subject for finding in findings])


def assert_finding(finding: Any) -> None:
    """Raise if ``finding`` refutes its claim.

    Raises:
        AssertionError: with the reason and code that shows it.
    """
    if finding.verdict == "refuted":
        raise AssertionError(f"{finding.claim}: {finding.reason}\n\n{finding.counterexample}")
