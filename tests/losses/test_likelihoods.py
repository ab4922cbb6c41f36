"""What a card calls a likelihood in a hyperparameter is one: exp(-value) has the same total whatever its value."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from lossary.catalogue import find
from lossary.core import Card, ClassIndex, LossDefinitionError, Real, loss

CASES = [(d, name) for d in find() for name in sorted(d.card.likelihood)]
VALUES = (0.5, 1.0, 4.0)
"""Inside the bounds of every hyperparameter here."""


def total(definition, **hyperparameters):
    """The integral or the sum of exp(-value) over the target, for one prediction, with any other inputs fixed."""
    domains, at = definition.card.inputs, definition.target
    generator = torch.Generator().manual_seed(0)
    sizes = {"*n": (1,), "n": (1,), "c": (3,), "d": (4,)}
    x = [domain.sample(sizes, generator) for domain in domains]

    def density(target):
        x[at] = torch.as_tensor([target]) if isinstance(domains[at], ClassIndex) else torch.full_like(x[at], target)
        return float(torch.exp(-definition.function(*x, **hyperparameters, reduction="sum")))

    if isinstance(domains[at], ClassIndex):
        return sum(density(k) for k in range(3))
    assert isinstance(domains[at], Real)
    centre = float(x[0])

    def along(v, sign):
        return density(centre + sign * np.exp(v)) * np.exp(v)

    ends = [(-20, 5), (5, 60)]  # tails as heavy as |y|^-1.5 are still there at exp(20)
    return sum(quad(along, *each, (sign,), limit=200)[0] for each in ends for sign in (-1, 1))


def test_some_are_likelihoods():
    assert {("general_robust_nll_loss", "alpha"), ("student_t_nll_loss", "df")} <= {(d.name, n) for d, n in CASES}


@pytest.mark.parametrize(("definition", "name"), CASES, ids=lambda part: getattr(part, "name", part))
def test_the_total_does_not_depend_on_it(definition, name):
    assert [total(definition, **{name: value}) for value in VALUES] == pytest.approx([1.0] * len(VALUES), rel=1e-5)


@pytest.mark.parametrize(("loss_name", "name"), [("general_robust", "scale"), ("cosface", "scale"), ("huber", "delta")])
def test_the_total_of_others_does(loss_name, name):
    """Or the test above could not fail."""
    (definition,) = [d for d in find() if d.name == f"{loss_name}_loss"]
    assert name not in definition.card.likelihood
    found = [total(definition, **{name: value}) for value in (0.5, 1.5)]
    assert found[0] != pytest.approx(found[1], rel=1e-2)


def test_a_likelihood_in_what_is_no_hyperparameter_is_refused():
    card = Card(task="t", inputs=[Real("*n")], values="*n", formula="x", source="s", likelihood={"sigma"})
    with pytest.raises(LossDefinitionError, match="`likelihood` must name hyperparameters, got 'sigma'"):

        @loss(card)
        def some_loss(prediction, *, scale: float = 1.0):
            return prediction
