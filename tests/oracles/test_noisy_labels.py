"""Losses for noisy labels against values recorded from pytorch_optimizer, pytorch-toolbelt, keras and catalyst."""

import math

import pytest
import torch

import lossary
from tests.oracles.recording import agree_with_record, origin, recorded, tensors


def of(loss):
    return pytest.mark.parametrize("entry", recorded("noisy_labels", loss), ids=origin)


@of("bi_tempered_logistic")
def test_bi_tempered_logistic(entry):
    """Both peers take the logarithm of a target of 1e-10 + 0: hence the tolerance."""
    agree_with_record(lossary.bi_tempered_logistic_loss, entry, rtol=1e-8, atol=1e-8)


@of("bi_tempered_logistic_of_five_iterations")
def test_five_iterations_are_too_few(entry):
    """Of a hundred widely spread logits at t2 = 2 the value is off by 0.1%, the gradient by 3% and 7%."""
    logits, target = tensors(entry)
    ours = lossary.bi_tempered_logistic_loss(logits.requires_grad_(), target, **entry["options"])
    (gradient,) = torch.autograd.grad(ours, logits)
    theirs = torch.tensor(entry["gradients"][0], dtype=torch.float64)
    assert entry["value"] == pytest.approx(ours.item(), rel=2e-3)
    assert entry["value"] != pytest.approx(ours.item(), rel=2e-4)
    assert 0.02 < (gradient - theirs).norm() / gradient.norm() < 0.08


@of("generalized_cross_entropy")
def test_generalized_cross_entropy(entry):
    # Keras rounds the probabilities to float32.
    agree_with_record(lossary.generalized_cross_entropy_loss, entry, rtol=1e-6, atol=1e-7)


@of("symmetric_cross_entropy")
def test_symmetric_cross_entropy_and_catalyst(entry):
    """It clips the one-hot target at 1e-4: that is log 0 := log 1e-4, and 1e-4 of every wrong class's cross-entropy."""

    def theirs(logits, target, *, alpha, beta):
        ours = lossary.symmetric_cross_entropy_loss(logits, target, alpha=alpha, beta=beta, log_zero=math.log(1e-4))
        nll = -logits.log_softmax(1)
        wrong = nll.sum(1) - nll.gather(1, target.unsqueeze(1)).squeeze(1)
        return ours + alpha * 1e-4 * wrong.mean()

    agree_with_record(theirs, entry)
