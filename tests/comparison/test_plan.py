"""The budget: what is tried, and what is refused."""

import math

import pytest

from lossary.comparison import Plan
from lossary.core import LossInputError


@pytest.mark.parametrize("budget", [2, 4, 8, 12])
def test_both_rounds_spend_half_the_budget_and_repeat_nothing(budget):
    plan = Plan(budget=budget)
    coarse = plan.coarse_learning_rates()
    assert len(set(coarse)) == budget // 2
    for best in coarse:
        finer = plan.finer_learning_rates(best)
        assert len(set(finer)) == budget // 2
        assert not set(finer) & set(coarse)


def test_rates_are_evenly_spaced_on_a_logarithmic_scale():
    assert Plan(budget=8, learning_rates=(1e-4, 1e-1)).coarse_learning_rates() == [1e-4, 1e-3, 1e-2, 1e-1]
    assert Plan(budget=2, learning_rates=(1e-4, 1e-2)).coarse_learning_rates() == [1e-3]


def test_finer_rates_lie_half_way_to_the_neighbours():
    below, above, *_ = Plan(budget=8, learning_rates=(1e-4, 1e-1)).finer_learning_rates(1e-2)
    assert math.isclose(below, 10**-2.5, rel_tol=1e-3) and math.isclose(above, 10**-1.5, rel_tol=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds": 1}, "`folds` must be at least 2, got 1"),
        ({"repeats": 0}, "`repeats` must be at least 1"),
        ({"budget": 3}, "`budget` must be an even number"),
        ({"validation": 0.0}, r"`validation` must be in \(0, 0.5\]"),
        ({"learning_rates": (1e-2, 1e-3)}, "the lower first"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"hidden": (8, 0)}, "`hidden` must be widths"),
    ],
)
def test_numbers_out_of_bounds(options, words):
    with pytest.raises(LossInputError, match=words):
        Plan(**options)
