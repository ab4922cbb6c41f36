"""Checks of number types: what each finds, and what is right and looks as if it were not."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import lossary
from lossary.core import Binary, ClassIndex, Count, Embedding, Logit, PositiveReal, Probability, Real, Score, Sign

REAL = [Real("n d"), Real("n d")]
LOGITS = [Logit("n"), Binary("n")]
PROBS = [Probability("n"), Binary("n")]
MASKS = [Probability("n h w"), Binary("n h w")]
CLASSES = [Logit("n c"), ClassIndex("n")]
PAIR = [Embedding("n d"), Embedding("n d")]


def refuted(loss, inputs, claims, **told):
    """Names of the checks that a loss does not survive."""
    return {f.subject for f in lossary.check(loss, inputs=inputs, claims=claims, **told).refuted}


def accumulates(x, y):
    total = torch.zeros(len(x))
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        total[i] = (a - b).square().mean()
    return total.to(x.dtype).mean()


def weighted(x, y):
    weight = torch.tensor([1.0, 1.3, 0.7], dtype=x.dtype)
    return (-x.float().log_softmax(1).to(x.dtype) * weight).gather(1, y[:, None]).mean()


def balanced(x, y):
    share = y.mean() if y.is_floating_point() else y.sum() // y.numel()  # the mean of whole numbers, truncated
    weight = torch.where(y > 0, 1 - share, share).to(x.dtype)
    return F.binary_cross_entropy_with_logits(x, y.to(x.dtype), weight=weight)


def negates(x, y):
    return (F.softplus(x) + (-y) * x).mean()  # -1 is 255 in uint8


def signed(x, y):
    return F.relu(1 - x * y if y.is_floating_point() else 1 - (x.long() * y).to(x.dtype)).mean()


def truncates(x, y):
    return F.mse_loss(x, y if y.dtype == x.dtype else y.long().to(x.dtype))


def hot(x, y):
    return -(F.one_hot(y.long(), 3).float() * x.log_softmax(1)).sum(1).mean()  # 0 and 1 are exact in float32


@pytest.mark.parametrize(
    ("loss", "inputs", "check"),
    [
        (lambda x, y: (x - y).float().square().mean(), REAL, "result_has_the_type_of_its_inputs"),
        (lambda x, y: (x - y).double().square().mean(), REAL, "result_has_the_type_of_its_inputs"),
        (lambda x, y: (x - y).mul(torch.from_numpy(np.ones(x.shape))).square().mean(), REAL,
         "result_has_the_type_of_its_inputs"),
        (lambda x, y: (x @ torch.ones(3, 3)).logsumexp(1).mean(), CLASSES, "result_has_the_type_of_its_inputs"),
        (lambda x, y: (x - y).float().square().mean().to(x.dtype), REAL, "double_precision_is_kept"),
        (weighted, CLASSES, "double_precision_is_kept"),  # its value has 53 bits, its gradient 24
        (lambda x, y: (x - y.float()).square().mean(), REAL, "double_precision_is_kept_throughout"),
        (lambda x, y: F.mse_loss(x, y) + (x - y).float().abs().mean(), REAL, "double_precision_is_kept_throughout"),
        (accumulates, REAL, "double_precision_is_kept_throughout"),
        (balanced, LOGITS, "whole_targets_mean_what_they_say"),
        (negates, LOGITS, "whole_targets_mean_what_they_say"),
        (signed, [Real("n"), Sign("n")], "whole_targets_mean_what_they_say"),
        (truncates, REAL, "mixed_types_mean_what_they_say"),
    ],
)  # fmt: skip
def test_wrong_types_are_found(loss, inputs, check):
    assert check in refuted(loss, inputs, {"dtype"})


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (F.mse_loss, REAL),
        (F.l1_loss, REAL),  # its gradient is a few numbers
        (lambda x, y: (x.round() - y.round()).abs().mean() + 0 * x.sum(), REAL),  # and its value whole
        (lambda x, y: torch.sigmoid((x > y).to(x.dtype) - 0.5).mean() + 0 * x.sum(), REAL),
        (F.cross_entropy, CLASSES),
        (hot, CLASSES),
        (F.binary_cross_entropy_with_logits, LOGITS),
        (lambda x, y: F.binary_cross_entropy_with_logits(x, y.float().to(x.dtype)), LOGITS),
        (lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=0.5), [Score("n"), Score("n"), Sign("n")]),
        (lambda x, y: F.relu(x.sum(1) - y.sum(1) + 1).mean(), REAL),
        (lambda x, w, y: (w * (x.exp() - y * x)).mean(), [Real("n"), PositiveReal("n"), Count("n")]),
        (lambda x, y: torch.cdist(x, y).topk(2).values.mean(), REAL),
    ],
)  # fmt: skip
def test_right_types_are_left_alone(loss, inputs):
    assert not refuted(loss, inputs, {"dtype"})


def test_a_part_in_single_precision_is_no_fault_where_nobody_said_so():
    report = lossary.check(lambda x, y: (x - y.float()).square().mean(), inputs=REAL)
    assert "dtype" not in {f.claim for f in report.refuted}


def dice(p, t, smooth=1.0):
    both, each = (p * t).sum((1, 2)), p.sum((1, 2)) + t.sum((1, 2))
    return (1 - (2 * both + smooth) / (each + smooth)).mean()


def clamped(p, t):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()


def in_single(loss):
    return lambda x, y: loss(x.float(), y.float()).to(x.dtype)


class Vanishing(torch.autograd.Function):
    """Its backward pass multiplies by what is 0 in half precision, and divides again."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return (x - y).square().mean()

    @staticmethod
    def backward(ctx, coming):
        x, y = ctx.saved_tensors
        return coming * (x - y) * 1e-9 * 2 / x.numel() * 1e9, None


@pytest.mark.parametrize(
    ("loss", "inputs", "check"),
    [
        (clamped, PROBS, "half_precision_is_near"),
        (lambda p, t: dice(p, t, smooth=1e-8), MASKS, "half_precision_is_near"),
        (lambda x, y: (x - y).square().mul(1e5).mean() / 1e5, REAL, "half_precision_is_near"),
        (lambda x, y: x.masked_fill(F.one_hot(y, 3).bool(), -1e9).logsumexp(1).mean(), CLASSES,
         "half_precision_is_near"),
        (Vanishing.apply, REAL, "half_precision_is_near"),
        (lambda x, y: (x - y).square().sum() / x.numel(), REAL, "many_numbers_in_half_precision"),
        (lambda p, t: 1 - (p * t).sum() / t.sum(), PROBS, "many_numbers_in_half_precision"),
        (dice, MASKS, "many_numbers_in_half_precision"),
    ],
)  # fmt: skip
def test_faults_in_half_precision_are_found(loss, inputs, check):
    assert check in refuted(loss, inputs, {"half"})


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (in_single(clamped), PROBS),
        (in_single(dice), MASKS),
        (F.cross_entropy, CLASSES),
        (F.binary_cross_entropy_with_logits, LOGITS),
        (F.mse_loss, REAL),
        (lambda x, y: F.mse_loss(x, y).sqrt(), REAL),
        (lambda x, y: F.huber_loss(x, y, delta=0.3), REAL),
        (lambda a, b: (1 - F.cosine_similarity(a, b)).mean(), PAIR),
        (lambda a, b: F.cross_entropy(F.normalize(a) @ F.normalize(b).T / 0.2, torch.arange(len(a))), PAIR),
    ],
)
def test_what_half_precision_can_do_is_left_alone(loss, inputs):
    assert not refuted(loss, inputs, {"half"})
