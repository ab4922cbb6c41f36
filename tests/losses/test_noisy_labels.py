"""What is special about the losses for noisy labels: limits, bounds, and the normaliser of the tempered softmax."""

import math

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.losses.noisy_labels import _log_tempered_softmax


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


FAR = torch.tensor([[-1e6, 0.0, 0.0]])
"""A sample that is certainly not of class 0, labelled 0."""


class TestBiTempered:
    @pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
    def test_both_at_1_are_the_divergence_of_cross_entropy(self, label_smoothing):
        """With smoothing it is a divergence, 0 at the smoothed target: less by that target's entropy."""
        logits, target = draw(6, 3)
        ours = lossary.bi_tempered_logistic_loss(logits, target, t1=1.0, t2=1.0, label_smoothing=label_smoothing)
        on, off = 1 - label_smoothing * 2 / 3, label_smoothing / 3
        entropy = -on * math.log(on) - (2 * off * math.log(off) if off else 0.0)
        assert_close(ours, lossary.cross_entropy_loss(logits, target, label_smoothing=label_smoothing) - entropy)

    def test_t1_0_is_half_the_squared_error_of_the_probabilities(self):
        logits, target = draw(6, 3)
        difference = logits.softmax(1) - torch.eye(3, dtype=torch.float64)[target]
        ours = lossary.bi_tempered_logistic_loss(logits, target, t1=0.0, t2=1.0, reduction="none")
        assert_close(ours, 0.5 * difference.square().sum(1))

    @pytest.mark.parametrize("t1", [0.2, 0.8])
    def test_a_certain_mistake_is_bounded(self, t1):
        """By 1 / (1 - t1) for the class, less 1 / (2 - t1), plus two classes of probability 1/2 each."""
        value = lossary.bi_tempered_logistic_loss(FAR.double(), torch.tensor([0]), t1=t1, t2=1.0)
        assert value.item() == pytest.approx(1 / (1 - t1) + (2 * 0.5 ** (2 - t1) - 1) / (2 - t1))

    @pytest.mark.parametrize("t2", [1.05, 1.5, 2.0, 4.0, 11.0])
    @pytest.mark.parametrize("classes", [2, 1000])
    @pytest.mark.parametrize("spread", [0.0, 1.0, 1e3])
    def test_probabilities_add_up_to_1(self, t2, classes, spread):
        logits = spread * draw(4, classes)[0]
        total = _log_tempered_softmax(logits, t2, 1).exp().sum(1)
        assert_close(total, torch.ones(4, dtype=torch.float64), rtol=1e-12, atol=0)

    def test_the_tempered_softmax_at_2(self):
        """exp_2(x) = 1 / (1 - x), of two equal logits 1 / (1 + λ) = 1/2; the loss at t1 = 1 is log 2 - 1 + 1."""
        value = lossary.bi_tempered_logistic_loss(torch.zeros(1, 2), torch.tensor([0]), t1=1.0, t2=2.0)
        assert value.item() == pytest.approx(math.log(2.0))

    @pytest.mark.parametrize(("t1", "t2"), [(0.8, 1.2), (0.5, 4.0), (1.0, 2.0)])
    def test_the_second_derivative_is_exact(self, t1, t2):
        logits, target = draw(3, 4)

        def loss(z):
            return lossary.bi_tempered_logistic_loss(z, target, t1=t1, t2=t2)

        assert torch.autograd.gradgradcheck(loss, logits.requires_grad_())

    def test_gradient_is_the_papers(self):
        """sum over classes of (p - y) p^(t2 - t1), less its sum in the escort measure of p^t2."""
        t1, t2 = 0.7, 1.6
        logits, target = draw(5, 4)
        z = logits.clone().requires_grad_()
        lossary.bi_tempered_logistic_loss(z, target, t1=t1, t2=t2, reduction="sum").backward()
        p = _log_tempered_softmax(logits, t2, 1).exp()
        pull = (p - torch.eye(4, dtype=torch.float64)[target]) * p ** (t2 - t1)
        escort = p**t2 / (p**t2).sum(1, keepdim=True)
        assert_close(z.grad, pull - escort * pull.sum(1, keepdim=True))


class TestGeneralizedCrossEntropy:
    def test_nears_cross_entropy(self):
        logits, target = draw(6, 3)
        near = lossary.generalized_cross_entropy_loss(logits, target, q=1e-9)
        assert_close(near, lossary.cross_entropy_loss(logits, target), rtol=1e-7, atol=0)

    def test_at_1_is_half_the_absolute_error(self):
        logits, target = draw(6, 3)
        error = (logits.softmax(1) - torch.eye(3, dtype=torch.float64)[target]).abs().sum(1).mean()
        assert_close(lossary.generalized_cross_entropy_loss(logits, target, q=1.0), 0.5 * error)

    def test_a_certain_mistake_costs_one_over_q(self):
        z = FAR.clone().requires_grad_()
        value = lossary.generalized_cross_entropy_loss(z, torch.tensor([0]), q=0.5)
        value.backward()
        assert value == 2.0 and not z.grad.any()


class TestSymmetricCrossEntropy:
    def test_without_the_reverse_is_cross_entropy(self):
        logits, target = draw(6, 3)
        ours = lossary.symmetric_cross_entropy_loss(logits, target, alpha=1.0, beta=0.0)
        assert_close(ours, lossary.cross_entropy_loss(logits, target))

    def test_the_reverse_at_minus_2_is_the_absolute_error(self):
        logits, target = draw(6, 3)
        error = (logits.softmax(1) - torch.eye(3, dtype=torch.float64)[target]).abs().sum(1).mean()
        ours = lossary.symmetric_cross_entropy_loss(logits, target, alpha=0.0, log_zero=-2.0)
        assert_close(ours, error)
