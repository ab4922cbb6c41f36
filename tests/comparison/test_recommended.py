"""What recommend says, compare can train, and means the same by it."""

import numpy as np
import pytest

import lossary
from lossary.comparison import Plan

QUICK = Plan(repeats=1, folds=2, budget=2, epochs=2, hidden=(4,))
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(160, 3))
SIGNAL = X @ [1.0, -0.5, 0.2]
HEAVY = SIGNAL + GENERATOR.standard_t(1.5, size=160)
TARGETS = {
    "count": GENERATOR.poisson(np.exp(0.5 + 0.5 * SIGNAL) * GENERATOR.gamma(1.0, 1.0, 160)),
    "bounded": 1 / (1 + np.exp(-2 * SIGNAL - GENERATOR.normal(size=160))),
    "ordinal": np.digitize(SIGNAL + 0.5 * GENERATOR.normal(size=160), [-1.0, 0.0, 1.0]),
    "zero-inflated": np.maximum(HEAVY, 0.0),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_the_first_recommendation_is_trained(kind):
    """Not the first that happens to be trainable: for these kinds the first of all is."""
    found = lossary.recommend(X, TARGETS[kind], task=kind)
    assert found.profile.kind == kind and found.best.comparable == found.losses[0]
    result = lossary.compare(X, TARGETS[kind], task=found.comparison_task, losses=found.losses, plan=QUICK)
    assert {entry.loss.removesuffix("_loss") for entry in result.entries} == {
        text.split(":")[0] for text in found.losses
    }


def test_sizes_are_told_in_the_unit_in_which_compare_trains():
    """Compare standardises the target for losses of differences: a delta in cents would be no robustness at all."""
    once, cents = (lossary.recommend(X, unit * HEAVY, goals=["robustness"]) for unit in (1.0, 100.0))
    assert cents.best.hyperparameters["delta"] == pytest.approx(100 * once.best.hyperparameters["delta"], rel=0.01)
    assert once.best.loss == cents.best.loss == "huber"
    deltas = [float(found.best.comparable.partition("delta=")[2]) for found in (once, cents)]
    assert deltas[1] == pytest.approx(deltas[0], rel=0.01)
    assert deltas[0] == pytest.approx(once.best.hyperparameters["delta"] / HEAVY.std(), rel=0.01)


def test_a_loss_of_several_outputs_for_a_quantile_is_left_to_the_reader():
    found = lossary.recommend(X, HEAVY, goals=["intervals"])
    several = {advice.loss: advice.comparable for advice in found.ranking if advice.loss in ("quantile_crps", "rmse")}
    assert several and set(several.values()) == {""}
