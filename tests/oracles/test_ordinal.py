"""Ordinal losses against coral-pytorch, by the authors of both."""

import pytest
import torch
from coral_pytorch.dataset import levels_from_labelbatch
from coral_pytorch.losses import coral_loss, corn_loss

import lossary
from tests.oracles.agreement import agree

SEEDS = range(3)
THRESHOLDS = 4


def draw(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(7, THRESHOLDS, generator=generator, dtype=torch.float64)
    return logits, torch.randint(THRESHOLDS + 1, (7,), generator=generator)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weight", [None, [0.5, 1.0, 2.0, 0.0]])
def test_coral(seed, weight):
    weight = None if weight is None else torch.tensor(weight)

    def theirs(logits, target):
        levels = levels_from_labelbatch(target, THRESHOLDS + 1).to(logits.dtype)
        return coral_loss(logits, levels, importance_weights=weight)

    agree(lambda z, y: lossary.coral_loss(z, y, threshold_weight=weight), theirs, *draw(seed))


@pytest.mark.parametrize("seed", SEEDS)
class TestCorn:
    def test_over_the_questions_asked(self, seed):
        """Theirs, as the paper, divides by the size of all conditional subsets, min(y + 1, thresholds) per sample."""
        logits, target = draw(seed)
        asked = (target + 1).clamp(max=THRESHOLDS).sum().item()
        agree(
            lambda z, y: lossary.corn_loss(z, y, denominator=float(asked)),
            lambda z, y: corn_loss(z, y, THRESHOLDS + 1),
            logits,
            target,
        )

    def test_one_sample_is_the_log_likelihood(self, seed):
        """The probability of a class is the product of "above" up to it, times "not above" at it."""
        logits, target = draw(seed)

        def theirs(z, y):
            above = torch.cat([torch.ones_like(z[:, :1]), z.sigmoid().cumprod(1), torch.zeros_like(z[:, :1])], 1)
            probs = above[:, :-1] - above[:, 1:]
            return -probs.gather(1, y.unsqueeze(1)).log().mean()

        agree(lossary.corn_loss, theirs, logits, target)
