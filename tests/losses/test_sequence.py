"""CTC against an enumeration of all alignments, and its edges: what cannot be aligned, empty targets, padding."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import lossary


def uniform(t, n=1, c=3):
    return torch.full((t, n, c), -math.log(c), dtype=torch.float64)


def lengths(*values):
    return torch.tensor(values)


def collapse(path, blank):
    return [label for label, _ in itertools.groupby(path) if label != blank]


@pytest.mark.parametrize("target", [[1], [1, 2], [1, 1], [2, 2, 2], []])
@pytest.mark.parametrize("blank", [0, 3])
def test_all_alignments_by_enumeration(target, blank):
    t, c = 5, 4
    log_probs = torch.randn(t, 1, c, generator=torch.Generator().manual_seed(0), dtype=torch.float64).log_softmax(2)
    probability = sum(
        math.exp(sum(log_probs[i, 0, label].item() for i, label in enumerate(path)))
        for path in itertools.product(range(c), repeat=t)
        if collapse(path, blank) == target
    )
    padded = torch.tensor([[*target, -1, 77]])  # what follows the end is not read
    value = lossary.ctc_loss(log_probs, padded, lengths(t), lengths(len(target)), blank=blank)
    assert value.item() == pytest.approx(-math.log(probability), rel=1e-12)


class TestWhatCannotBeAligned:
    """Two equal labels need three times, so that the second of these sequences has no alignment."""

    TARGET, INPUT, LABELS = torch.tensor([[1, 2], [1, 1]]), lengths(2, 2), lengths(2, 2)

    def test_it_counts_as_0(self):
        log_probs = uniform(2, 2).requires_grad_()
        values = lossary.ctc_loss(log_probs, self.TARGET, self.INPUT, self.LABELS, reduction="none")
        assert values.tolist() == pytest.approx([2 * math.log(3.0), 0.0])  # one path of two times
        (slope,) = torch.autograd.grad(values.sum(), log_probs)
        assert not slope[:, 1].any()
        theirs = F.ctc_loss(uniform(2, 2), self.TARGET, self.INPUT, self.LABELS, reduction="none", zero_infinity=True)
        assert_close(values.detach(), theirs)

    def test_or_as_infinite_with_a_gradient_of_0(self):
        log_probs = uniform(2, 2).requires_grad_()
        value = lossary.ctc_loss(log_probs, self.TARGET, self.INPUT, self.LABELS, zero_infinity=False)
        assert value == torch.inf
        assert torch.autograd.grad(value, log_probs)[0].isfinite().all()

    def test_more_labels_than_times(self):
        target = torch.tensor([1, 2, 1, 2, 1])
        assert lossary.ctc_loss(uniform(3), target, lengths(3), lengths(5)) == 0

    def test_a_label_of_probability_0(self):
        log_probs = uniform(4).clone()
        log_probs[:, :, 1] = -torch.inf
        log_probs.requires_grad_()
        value = lossary.ctc_loss(log_probs, torch.tensor([[1]]), lengths(4), lengths(1))
        assert value == 0
        assert not torch.autograd.grad(value, log_probs)[0].any()
        other = lossary.ctc_loss(log_probs, torch.tensor([[2]]), lengths(4), lengths(1))
        assert other.isfinite() and torch.autograd.grad(other, log_probs)[0].isfinite().all()


def test_an_empty_target_is_all_blanks():
    value = lossary.ctc_loss(uniform(4), torch.zeros(1, 0, dtype=torch.long), lengths(4), lengths(0))
    assert value.item() == pytest.approx(4 * math.log(3.0))
    joined = lossary.ctc_loss(uniform(4, 2), torch.zeros(0, dtype=torch.long), lengths(4, 3), lengths(0, 0))
    assert joined.item() == pytest.approx(3.5 * math.log(3.0))


def test_times_after_the_end_are_not_read():
    log_probs = torch.cat([uniform(3), torch.full((2, 1, 3), 50.0, dtype=torch.float64)]).requires_grad_()
    value = lossary.ctc_loss(log_probs, torch.tensor([[1, 2]]), lengths(3), lengths(2))
    assert_close(value, lossary.ctc_loss(uniform(3), torch.tensor([[1, 2]]), lengths(3), lengths(2)))
    assert not torch.autograd.grad(value, log_probs)[0][3:].any()


def test_module():
    module = lossary.CTCLoss(blank=2, zero_infinity=False, reduction="sum")
    x = (uniform(3), torch.tensor([[1]]), lengths(3), lengths(1))
    assert_close(module(*x), lossary.ctc_loss(*x, blank=2, zero_infinity=False, reduction="sum"))


def test_arguments_must_fit():
    x = (torch.tensor([[1]]), lengths(3), lengths(1))
    with pytest.raises(lossary.core.LossInputError, match="`blank` must be below 3, the number of classes, got 3"):
        lossary.ctc_loss(uniform(3), *x, blank=3)
    with pytest.raises(lossary.core.LossInputError, match="`log_probs` must have at least one time"):
        lossary.ctc_loss(uniform(0), *x)


@pytest.mark.parametrize("smallest", [1, 1 << 20], ids=["kernel", "composition"])
def test_a_masked_sequence_keeps_its_place_among_joined_targets(smallest):
    """Its labels still stand there, so the sequences behind it begin after them."""
    torch.manual_seed(0)
    log_probs = torch.randn(9, 3, 5).log_softmax(-1)
    target, times, counts = torch.tensor([1, 2, 3, 1, 4, 2]), torch.tensor([9, 8, 9]), torch.tensor([2, 1, 3])
    with lossary.kernels.enabled(smallest=smallest):
        whole = lossary.ctc_loss(log_probs, target, times, counts, reduction="none")
        mask = torch.tensor([False, True, True])
        masked = lossary.ctc_loss(log_probs, target, times, counts, reduction="none", mask=mask)
    torch.testing.assert_close(masked, torch.where(mask, whole, 0.0))
