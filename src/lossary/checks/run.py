"""Run the laws and the claims of one loss and say what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lossary.core import Definition, Finding, Result

from .cases import Case, cases
from .laws import LAWS
from .search import counterexample


@dataclass(frozen=True, kw_only=True)
class CheckReport(Result):
    """What held of one loss, and what did not."""

    loss: str
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was refuted."""
        return all(finding.verdict != "refuted" for finding in self.findings)


def check_definition(definition: Definition, *, draws: int = 100) -> CheckReport:
    """Put a catalogued loss to every law and to the claims of its card, under all settings of its card."""
    findings: list[Finding] = []
    for case in cases(definition):
        findings += [_law(case, name) for name in LAWS]
        for claim in sorted(definition.card.claims_under(case.hyperparameters)):
            found = counterexample(case, claim, draws=draws)
            if found is None:
                evidence: dict[str, Any] = {"draws": draws}
                verdict, reason = "survived", f"survived {draws} draws, the edges and the climbs"
            else:
                evidence = {"inputs": [t.tolist() for t in found.inputs], "violation": found.violation}
                verdict, reason = "refuted", f"{found.origin} violates it by {found.violation:.3g}"
            findings.append(Finding(subject=f"{case}: {claim}", verdict=verdict, evidence=evidence, reason=reason))
    return CheckReport(loss=definition.name, findings=tuple(findings))


def _law(case: Case, name: str) -> Finding:
    try:
        reason = LAWS[name](case)
    except Exception as error:  # whatever a loss raises under a law is the finding
        return Finding(
            subject=f"{case}: {name}", verdict="refuted", evidence={}, reason=f"{type(error).__name__}: {error}"
        )
    verdict = "survived" if reason is None else "not applicable"
    return Finding(subject=f"{case}: {name}", verdict=verdict, evidence={}, reason=reason or "holds")
