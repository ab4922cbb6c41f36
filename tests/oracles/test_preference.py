"""Losses of preferences against values recorded from Liger and OpenRLHF, and against loops written from the papers."""

import math

import pytest
import torch

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def means(seed, n=5):
    """Mean log-probabilities per token."""
    g = torch.Generator().manual_seed(seed)
    return [-torch.rand(n, generator=g, dtype=torch.float64) * 3 - 0.01 for _ in range(2)]


@pytest.mark.parametrize("entry", recorded("preference", "dpo"), ids=origin)
def test_dpo(entry):
    agree_with_record(lossary.dpo_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("entry", recorded("preference", "preference_hinge"), ids=origin)
def test_preference_hinge(entry):
    agree_with_record(lossary.preference_hinge_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("entry", recorded("preference", "ipo"), ids=origin)
def test_ipo(entry):
    agree_with_record(lossary.ipo_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("entry", recorded("preference", "kto"), ids=origin)
def test_kto(entry):
    agree_with_record(lossary.kto_loss, entry)


@pytest.mark.parametrize("seed", range(3))
def test_kto_with_weights_is_equation_8(seed):
    """Liger has no weights for the two kinds of outputs."""
    log_probs, reference = means(seed)
    target = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    kl = 0.3

    def theirs(p, q, y):
        total = 0.0
        for a, b, good in zip(p, q, y, strict=True):
            r = a - b
            weight, value = (2.0, 2.0 * sigmoid(0.7 * (r - kl))) if good else (0.5, 0.5 * sigmoid(0.7 * (kl - r)))
            total += weight - value
        return total / len(y)

    def ours(p, q, y):
        options = {"beta": 0.7, "desirable_weight": 2.0, "undesirable_weight": 0.5}
        return lossary.kto_loss(p, q, torch.tensor(kl, dtype=torch.float64), y, **options)

    agree(ours, numerically(theirs), log_probs, reference, target)


@pytest.mark.parametrize("entry", recorded("preference", "simpo"), ids=origin)
def test_simpo(entry):
    agree_with_record(lossary.simpo_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("entry", recorded("preference", "orpo_odds"), ids=origin)
def test_the_odds_ratio_of_orpo(entry):
    """Liger adds the likelihood of the chosen output elsewhere, averaged over the tokens of the batch."""

    def odds_ratio_term(chosen, rejected, *, beta):
        return lossary.orpo_loss(chosen, rejected, beta=beta) + chosen.mean()

    agree_with_record(odds_ratio_term, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", range(3))
def test_orpo_is_equation_6(seed):
    def theirs(chosen, rejected):
        total = 0.0
        for a, b in zip(chosen, rejected, strict=True):
            odds = math.exp(a) / (1 - math.exp(a)), math.exp(b) / (1 - math.exp(b))
            total += -a - 0.3 * math.log(sigmoid(math.log(odds[0] / odds[1])))
        return total / len(chosen)

    agree(lambda w, loser: lossary.orpo_loss(w, loser, beta=0.3), numerically(theirs), *means(seed), gradient_in=(0, 1))
