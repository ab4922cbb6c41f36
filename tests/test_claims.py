"""Every loss keeps the claims on its card, under every setting of its card."""

import pytest

from lossary.catalogue import find
from lossary.checks import applies, cases, counterexample

MADE = [
    (case, claim)
    for definition in find()
    for case in cases(definition)
    for claim in sorted(definition.card.claims_under(case.hyperparameters))
]
ASKED = [(case, claim) for case, claim in MADE if applies(case, claim)]


@pytest.mark.parametrize(("case", "claim"), ASKED, ids=lambda part: str(part))
def test_claim(case, claim):
    found = counterexample(case, claim, draws=20)  # tests/checks asks them too, in its own way
    assert found is None, f"{found.origin} violates it by {found.violation:.3g}: {found.inputs}"


def test_every_claim_can_be_asked():
    """A claim that none of a loss's inputs can be asked about would stand on its card unchecked."""
    made = {(case.definition.name, claim) for case, claim in MADE}
    assert made
    assert made == {(case.definition.name, claim) for case, claim in ASKED}
