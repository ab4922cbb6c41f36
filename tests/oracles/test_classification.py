"""Classification losses against torch, scikit-learn and entmax, and values recorded from optax, keras, timm and
torchium. Every option that torch has is compared in tests/losses/test_classification.py."""

import numpy as np
import pytest
import torch
from entmax import SparsemaxLoss
from sklearn.metrics import hinge_loss as sklearn_hinge_loss
from sklearn.metrics import log_loss as sklearn_log_loss
from torch import nn

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

SEEDS = range(3)

THE_SAME = [
    entry
    for loss in ("hinge", "squared_hinge", "multiclass_hinge", "cross_entropy", "bce_with_logits", "soft_margin",
                 "sparsemax", "poly1_cross_entropy", "poly1_bce_with_logits")
    for entry in recorded("classification", loss)
]  # fmt: skip


def of(loss):
    return pytest.mark.parametrize("entry", recorded("classification", loss), ids=origin)


def draw(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


def labels_like(logits, seed):
    return torch.randint(2, logits.shape, generator=torch.Generator().manual_seed(seed)).to(logits.dtype)


@pytest.mark.parametrize("entry", THE_SAME, ids=lambda entry: f"{entry['loss']} {origin(entry)}")
def test_as_recorded(entry):
    # timm and keras compute in float32 inside: hence the absolute tolerance.
    agree_with_record(getattr(lossary, f"{entry['loss']}_loss"), entry, rtol=1e-6, atol=1e-7)


@of("categorical_hinge")
def test_multiclass_hinge_and_keras(entry):
    """Keras takes the best wrong score to be at least 0, which is a further class that always scores 0."""

    def with_a_class_at_0(logits, target):
        return lossary.multiclass_hinge_loss(torch.cat([logits, torch.zeros_like(logits[:, :1])], 1), target)

    agree_with_record(with_a_class_at_0, entry, rtol=1e-6, atol=1e-7)


def test_multiclass_hinge_is_not_that_of_keras():
    """In the first draw a sample has no wrong score above 0."""
    entry = recorded("classification", "categorical_hinge")[0]
    assert entry["value"] - lossary.multiclass_hinge_loss(*tensors(entry)) == pytest.approx(0.0875, abs=1e-4)


@of("label_smoothing")
def test_label_smoothing_and_torchium(entry):
    """It spreads the smoothing over the three wrong classes of four, which is 4/3 of ours."""

    def smoothed(logits, target, *, label_smoothing):
        return lossary.cross_entropy_loss(logits, target, label_smoothing=label_smoothing * 4 / 3)

    agree_with_record(smoothed, entry)
    with pytest.raises(AssertionError):
        agree_with_record(lossary.cross_entropy_loss, entry)


@pytest.mark.parametrize("seed", SEEDS)
class TestAsScikitLearn:
    def test_bce(self, seed):
        logits, _ = draw(seed, 12, 1)
        probs, target = logits.squeeze(1).sigmoid(), labels_like(logits, seed + 1).squeeze(1)
        agree(lossary.bce_loss, numerically(lambda p, y: sklearn_log_loss(y, p, labels=[0, 1])), probs, target)

    def test_nll(self, seed):
        logits, target = draw(seed, 12, 4)

        # Log-probabilities of a shift of the logits, for scikit-learn insists that probabilities add up to 1.
        def theirs(z, y):
            probs = np.exp(z - np.logaddexp.reduce(z, 1, keepdims=True))
            return sklearn_log_loss(y, probs, labels=range(4))

        agree(lambda z, y: lossary.nll_loss(z.log_softmax(1), y), numerically(theirs), logits, target)

    def test_hinge(self, seed):
        logits, _ = draw(seed, 12, 1)
        signs = 2.0 * labels_like(logits, seed + 1).squeeze(1) - 1.0
        peer = numerically(lambda z, y: sklearn_hinge_loss(y, z, labels=[-1, 1]))
        agree(lossary.hinge_loss, peer, logits.squeeze(1), signs)

    def test_multiclass_hinge(self, seed):
        peer = numerically(lambda z, y: sklearn_hinge_loss(y, z, labels=range(4)))
        agree(lossary.multiclass_hinge_loss, peer, *draw(seed, 12, 4))


@pytest.mark.parametrize("seed", SEEDS)
class TestAsTorch:
    def test_multi_margin(self, seed):
        agree(lossary.multi_margin_loss, nn.MultiMarginLoss(), *draw(seed, 5, 4))

    def test_soft_margin(self, seed):
        logits, _ = draw(seed, 5, 4)
        agree(lossary.soft_margin_loss, nn.SoftMarginLoss(), logits, 2.0 * labels_like(logits, seed) - 1.0)

    def test_multi_label_margin(self, seed):
        logits, _ = draw(seed, 5, 4)
        target = torch.tensor([[3, 0, -1, 1], [-1, -1, -1, -1], [0, 1, 2, 3], [2, -1, 2, 2], [1, 2, 3, -1]])
        agree(lossary.multi_label_margin_loss, nn.MultiLabelMarginLoss(), logits, target)

    def test_multi_label_soft_margin(self, seed):
        logits, _ = draw(seed, 5, 4)
        agree(lossary.multi_label_soft_margin_loss, nn.MultiLabelSoftMarginLoss(), logits, labels_like(logits, seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_sparsemax_as_entmax(seed):
    agree(lossary.sparsemax_loss, SparsemaxLoss(reduction="elementwise_mean"), *draw(seed, 8, 5))


def test_sparsemax_of_ignored_targets_fails_in_entmax():
    """It reads the class -100 before it ignores it."""
    logits, target = draw(0, 8, 5)
    target[0] = -100
    with pytest.raises(RuntimeError, match="index -100 is out of bounds"):
        SparsemaxLoss(ignore_index=-100)(logits, target)
    assert lossary.sparsemax_loss(logits, target) == lossary.sparsemax_loss(logits[1:], target[1:])
