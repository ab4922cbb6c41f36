"""CTC against torch, whose gradient holds through a log_softmax. Edges are in tests/losses/test_sequence.py."""

import pytest
import torch
from torch.nn import functional as F

import lossary
from tests.oracles.agreement import agree

T, N, C, S = 12, 5, 4, 5


def draw(seed, blank=0):
    """Logits, and targets that can be aligned: repeated labels take one time more."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(T, N, C, generator=generator, dtype=torch.float64)
    labels = torch.tensor([c for c in range(C) if c != blank])
    target = labels[torch.randint(C - 1, (N, S), generator=generator)]
    input_lengths = torch.randint(2 * S, T + 1, (N,), generator=generator)
    return logits, target, input_lengths, torch.randint(0, S + 1, (N,), generator=generator)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("blank", [0, 2])
class TestTorch:
    def test_sum(self, seed, blank):
        logits, *others = draw(seed, blank)
        agree(lambda z: lossary.ctc_loss(z.log_softmax(2), *others, blank=blank, reduction="sum"),
              lambda z: F.ctc_loss(z.log_softmax(2), *others, blank=blank, reduction="sum"), logits,
              rtol=1e-9)  # fmt: skip

    def test_one_after_the_other(self, seed, blank):
        logits, target, input_lengths, target_lengths = draw(seed, blank)
        joined = torch.cat([row[:length] for row, length in zip(target, target_lengths, strict=True)])
        agree(lambda z: lossary.ctc_loss(z.log_softmax(2), joined, input_lengths, target_lengths, blank=blank,
                                         reduction="sum"),
              lambda z: F.ctc_loss(z.log_softmax(2), joined, input_lengths, target_lengths, blank=blank,
                                   reduction="sum"), logits, rtol=1e-9)  # fmt: skip

    def test_the_mean_of_torch(self, seed, blank):
        logits, target, input_lengths, target_lengths = draw(seed, blank)
        weight = 1.0 / target_lengths.clamp(min=1).double()
        agree(lambda z: lossary.ctc_loss(z.log_softmax(2), target, input_lengths, target_lengths, blank=blank,
                                         sample_weight=weight, denominator=N),
              lambda z: F.ctc_loss(z.log_softmax(2), target, input_lengths, target_lengths, blank=blank), logits,
              rtol=1e-9)  # fmt: skip

    def test_single(self, seed, blank):
        logits, target, input_lengths, target_lengths = (x[:, 0] if x.ndim == 3 else x[0] for x in draw(seed, blank))
        target = target[:target_lengths]  # of a single one torch takes no more
        agree(lambda z: lossary.ctc_loss(z.log_softmax(1), target, input_lengths, target_lengths, blank=blank),
              lambda z: F.ctc_loss(z.log_softmax(1), target, input_lengths, target_lengths, blank=blank,
                                   reduction="sum"), logits, rtol=1e-9)  # fmt: skip


def test_the_gradient_of_torch_in_log_probabilities_is_that_in_logits():
    """They differ by the probabilities, which a log_softmax removes; ours is the derivative of the value."""
    logits, target, input_lengths, target_lengths = draw(0)
    log_probs = logits.log_softmax(2).requires_grad_()
    (ours,) = torch.autograd.grad(
        lossary.ctc_loss(log_probs, target, input_lengths, target_lengths, reduction="sum"), log_probs
    )
    (theirs,) = torch.autograd.grad(
        F.ctc_loss(log_probs, target, input_lengths, target_lengths, reduction="sum"), log_probs
    )
    counted = (torch.arange(T).unsqueeze(1) < input_lengths).unsqueeze(2)
    torch.testing.assert_close(theirs - ours, torch.where(counted, log_probs.exp(), 0.0).detach())
