"""What is special about the ordinal losses: their targets, which no class index is, and their ends."""

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError

BOTH = pytest.mark.parametrize("loss", [lossary.coral_loss, lossary.corn_loss])


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1] + 1, (shape[0], *shape[2:]), generator=generator)


@BOTH
class TestBoth:
    def test_one_threshold_is_binary(self, loss):
        logits, target = draw(6, 1)
        assert_close(loss(logits, target), lossary.bce_with_logits_loss(logits, target.unsqueeze(1).double()))

    def test_ignored_targets_drop(self, loss):
        logits, target = draw(6, 4)
        broken, ignored = logits.clone(), target.clone()
        broken[1], ignored[1] = torch.nan, -100
        leaf = broken.requires_grad_()
        value = loss(leaf, ignored)
        keep = torch.tensor([0, 2, 3, 4, 5])
        assert_close(value, loss(logits[keep], target[keep]))
        assert torch.autograd.grad(value, leaf)[0].isfinite().all()

    def test_everything_ignored_is_0(self, loss):
        assert loss(torch.zeros(2, 4), torch.full((2,), 255), ignore_index=255) == 0

    def test_pixels(self, loss):
        logits, target = draw(2, 4, 3, 5)
        flat = loss(logits.movedim(1, -1).reshape(-1, 4), target.reshape(-1))
        assert_close(loss(logits, target), flat)

    def test_one_sample(self, loss):
        logits, target = draw(1, 4)
        assert_close(loss(logits[0], target[0]), loss(logits, target))

    def test_certain_and_right_is_0(self, loss):
        """Class 2 of 0..4: above 0 and 1, not above 2 and 3."""
        assert loss(torch.tensor([[1e4, 1e4, -1e4, -1e4]]), torch.tensor([2])) == 0


def test_coral_asks_about_every_threshold():
    z = torch.zeros(1, 4, requires_grad=True)
    lossary.coral_loss(z, torch.tensor([1])).backward()
    assert z.grad.tolist() == [[-0.5, 0.5, 0.5, 0.5]]


def test_corn_asks_no_further_than_the_class():
    z = torch.zeros(1, 4, requires_grad=True)
    lossary.corn_loss(z, torch.tensor([1])).backward()
    assert z.grad.tolist() == [[-0.5, 0.5, 0.0, 0.0]]


def test_one_weight_per_threshold():
    with pytest.raises(LossInputError, match="`threshold_weight` must have the shape \\(k\\)"):
        lossary.coral_loss(*draw(6, 4), threshold_weight=torch.ones(5))
