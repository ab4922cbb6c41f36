"""Connectionist temporal classification by kernel is that by composition."""

import pytest
import torch

import lossary
from lossary.kernels import enabled

from .agreement import assert_agrees, run, served

LOSS = lossary.ctc_loss


def batch(t=12, n=4, c=6, s=3, scale=1.0, seed=0):
    """Log-probabilities, padded targets with repeated labels among them, and lengths of all kinds."""
    generator = torch.Generator().manual_seed(seed)
    log_probs = (scale * torch.randn(t, n, c, generator=generator)).log_softmax(-1)
    target = torch.randint(1, c, (n, s), generator=generator)
    target[0] = 1
    times = torch.randint(max(1, t // 2), t + 1, (n,), generator=generator)
    counts = torch.randint(0, s + 1, (n,), generator=generator)
    times[0], counts[0] = t, s
    return log_probs, target, times, counts


def one_after_the_other(log_probs, target, times, counts):
    return log_probs, torch.cat([row[:count] for row, count in zip(target, counts, strict=True)]), times, counts


def certain(t, path, c, behind):
    """One sequence whose log-probabilities are all but 0 along a path of classes, and ``behind`` elsewhere."""
    log_probs = torch.full((t, 1, c), float(behind))
    log_probs[torch.arange(t), 0, path] = 0.0
    return log_probs.log_softmax(-1)


def lengths(*values):
    return torch.tensor(values)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("layout", [lambda *x: x, one_after_the_other], ids=["padded", "joined"])
@pytest.mark.parametrize("shape", [(12, 4, 6, 3), (1, 2, 3, 1), (40, 3, 5, 9), (5, 1, 2, 2)], ids=str)
def test_shapes(shape, layout, reduction):
    assert_agrees(LOSS, layout(*batch(*shape)), reduction=reduction)


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_a_single_sequence(reduction):
    log_probs, target, _, _ = batch(n=1)
    assert_agrees(LOSS, (log_probs[:, 0], target[0], torch.tensor(11), torch.tensor(2)), reduction=reduction)


@pytest.mark.parametrize("blank", [2, 5])
def test_blank(blank):
    """Where the target's labels are blanks too, they are as good as none."""
    assert_agrees(LOSS, batch(), reduction="none", blank=blank)


def test_short_integers():
    log_probs, *others = batch()
    assert_agrees(LOSS, (log_probs, *(t.int() for t in others)), reduction="none")


def test_no_labels():
    log_probs, _, times, counts = batch()
    none = torch.zeros_like(counts)
    assert_agrees(LOSS, (log_probs, torch.zeros(4, 0, dtype=torch.long), times, none), reduction="none")
    assert_agrees(LOSS, (log_probs, torch.zeros(0, dtype=torch.long), times, none), reduction="none")


def test_what_follows_the_end_is_not_read():
    log_probs, target, times, counts = batch()
    target = torch.where(torch.arange(3) < counts.unsqueeze(1), target, torch.tensor([-1, 77, -100]))
    assert_agrees(LOSS, (log_probs, target, times, counts), reduction="none")


def test_long_sequences():
    """Their probability, some e^-1500, lies far below the smallest float64."""
    assert_agrees(LOSS, batch(t=400, n=2, c=30, s=40), reduction="none")


@pytest.mark.parametrize("scale", [30.0, 1e3, 1e4])
def test_far_apart(scale):
    assert_agrees(LOSS, batch(t=30, n=6, c=5, s=8, scale=scale), reduction="none")


@pytest.mark.parametrize("behind", [-30.0, -1e4])
def test_a_path_that_is_far_behind_at_first(behind):
    """All blanks, but for an input of as many times as labels: the only alignment is the least likely one at all times.

    A scale per time would lose it: it falls behind the blanks by 1,200 orders of magnitude or more.
    """
    log_probs = certain(100, torch.zeros(100, dtype=torch.long), 4, behind)
    target = (torch.arange(100) % 3 + 1).unsqueeze(0)
    assert_agrees(LOSS, (log_probs, target, lengths(100), lengths(100)))


def test_what_is_lost_at_first_and_found_at_last():
    """The best alignment emits all labels in the first half, where blanks are certain, as the second forbids them."""
    path = torch.zeros(60, dtype=torch.long)
    log_probs = certain(60, path, 4, -60.0)
    log_probs[30:, 0, 1:] = -1e4
    log_probs[:, 0] += torch.linspace(0.0, 1.0, 60).unsqueeze(1)
    target = (torch.arange(25) % 3 + 1).unsqueeze(0)
    assert_agrees(LOSS, (log_probs, target, lengths(60), lengths(25)))


class TestWhatCannotBeAligned:
    LOG_PROBS = batch(t=3, n=3, c=4)[0]
    OTHERS = torch.tensor([[1, 1], [1, 2], [3, 3]]), lengths(2, 2, 3), lengths(2, 2, 2)

    def test_zero_infinity(self):
        assert_agrees(LOSS, (self.LOG_PROBS, *self.OTHERS), reduction="none")
        with enabled(smallest=1):
            values, (gradient,) = run(LOSS, (self.LOG_PROBS, *self.OTHERS), (0,), reduction="none")
        assert values[0] == 0 and not gradient[:, 0].any() and gradient[:, 1:].any(0).any(-1).all()

    def test_infinity(self):
        assert_agrees(LOSS, (self.LOG_PROBS, *self.OTHERS), reduction="none", zero_infinity=False)
        assert_agrees(LOSS, (self.LOG_PROBS, *self.OTHERS), zero_infinity=False)

    def test_more_labels_than_times(self):
        assert_agrees(LOSS, (self.LOG_PROBS, torch.ones(3, 5, dtype=torch.long), lengths(3, 2, 1), lengths(5, 5, 0)))

    def test_probabilities_of_zero(self):
        """Classes that cannot be emitted at some time: the first has other alignments, the second none."""
        log_probs, target, times, counts = batch(t=6, n=2, c=4, s=2)
        log_probs[0, 0, 1], log_probs[:, 1, 2] = -torch.inf, -torch.inf
        target[1], counts[:], times[:] = 2, 1, 6
        assert_agrees(LOSS, (log_probs, target, times, counts), reduction="none")


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_weight_and_mask(reduction):
    log_probs, target, times, counts = batch()
    weight, mask = torch.tensor([0.5, 1.0, 2.0, 0.0]), torch.tensor([True, False, True, True])
    log_probs[:, 1], target[1] = torch.nan, 77
    tensors = (log_probs, target, times, counts)
    assert_agrees(LOSS, tensors, reduction=reduction, mask=mask, sample_weight=weight)
    assert_agrees(LOSS, tensors, reduction=reduction, mask=mask & False, sample_weight=weight)


def test_weight_of_a_single_sequence():
    log_probs, target, _, _ = batch(n=1)
    tensors = (log_probs[:, 0], target[0], torch.tensor(12), torch.tensor(3))
    assert_agrees(LOSS, tensors, reduction="sum", sample_weight=torch.tensor(3.0), mask=torch.tensor(True))
    assert_agrees(LOSS, tensors, reduction="sum", mask=torch.tensor(False))


def test_denominator():
    weight = 1.0 / batch()[3].clamp(min=1)
    assert_agrees(LOSS, batch(), sample_weight=weight, denominator=4.0)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_nan_and_infinity(odd):
    log_probs, target, times, counts = batch()
    log_probs[2, 0, 1] = odd
    assert_agrees(LOSS, (log_probs, target, times, counts), reduction="none")
    log_probs[2, 0, 1], log_probs[-1, 0, 0] = 0.0, odd  # at the last time
    assert_agrees(LOSS, (log_probs, target, times, counts), reduction="none")
    log_probs[-1, 0, 0], log_probs[2, 0, 5] = 0.0, odd  # of a class that the target does not have
    with enabled(smallest=1):
        value, (gradient,) = run(LOSS, (log_probs, target, times, counts), (0,))
    assert value.isfinite() and gradient.isfinite().all()


def test_labels_out_of_range_are_refused_as_ever():
    log_probs, target, times, counts = batch()
    target[0, 1] = 6
    with enabled(smallest=1), pytest.raises(RuntimeError, match="out of bounds"):
        LOSS(log_probs, target, times, counts)


def test_value_alone():
    with enabled(smallest=1):
        value = LOSS(*batch(), reduction="none")
    assert not value.requires_grad
    torch.testing.assert_close(value, LOSS(*batch(), reduction="none"))


def test_threads():
    tensors = batch(t=100, n=64, c=20, s=20)
    before = torch.get_num_threads()
    with enabled():
        try:
            torch.set_num_threads(3)
            several = run(LOSS, tensors, (0,), reduction="none")
            torch.set_num_threads(1)
            one = run(LOSS, tensors, (0,), reduction="none")
        finally:
            torch.set_num_threads(before)
    assert torch.equal(several[0], one[0]) and torch.equal(several[1][0], one[1][0])


def test_left_to_the_composition():
    log_probs, target, times, counts = batch()
    assert served(LOSS, (log_probs, target, times, counts))
    assert not served(LOSS, (log_probs.double(), target, times, counts))
    assert not served(LOSS, (log_probs.transpose(0, 1).contiguous().transpose(0, 1), target, times, counts))
    assert not served(LOSS, (log_probs, target, times + 12, counts))
    assert not served(LOSS, (log_probs, target, times * 0, counts))
    assert not served(LOSS, (log_probs, target, times, counts + 1))
    assert not served(LOSS, (log_probs, target, times, counts - 4))
    assert not served(LOSS, (log_probs, target[:1], times, counts))
    assert not served(LOSS, (log_probs, target, times[:1], counts))
    assert not served(LOSS, (log_probs, target.float(), times, counts))
    assert not served(LOSS, (log_probs, target.short(), times, counts))
    assert not served(LOSS, (log_probs, target, times, counts), blank=6)
    joined = one_after_the_other(log_probs, target, times, counts)
    assert not served(LOSS, (log_probs, joined[1][1:], times, counts))
    assert not served(LOSS, (log_probs, target, times, counts), sample_weight=torch.ones(4, requires_grad=True))
