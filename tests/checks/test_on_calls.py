"""Checks of calls: what each finds, and what is right and looks as if it were not."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lossary
from lossary.checks.state import global_state, set_state, state_kept
from lossary.core import Binary, ClassIndex, Embedding, Logit, NonNegativeReal, Real

REAL = [Real("n d"), Real("n d")]
LOGITS = [Logit("n"), Binary("n")]
CLASSES = [Logit("n c"), ClassIndex("n")]
WEIGHTED = [Real("n"), Real("n"), NonNegativeReal("n", constant=True)]
PURE = {"pure": True}


def refuted(loss, inputs, claims, **told):
    """Names of the checks that a loss does not survive, left with the global state that it found."""
    with state_kept():
        return {f.subject for f in lossary.check(loss, inputs=inputs, claims=claims, **told).refuted}


def keeps_single(x, y):
    y = y.float()  # no copy of what is float32 already
    y[y < 0] = 0
    return F.mse_loss(x.float(), y)


def keeps_whole(x, y):
    y = y.long()
    y[0] = 1 - y[0]
    return F.binary_cross_entropy_with_logits(x, y.to(x.dtype))


def replaces_ignored(x, y):
    kept = y != 255
    y[~kept] = 0
    return (F.cross_entropy(x, y, reduction="none") * kept).sum() / kept.sum().clamp(min=1)


def normalises(x, y, weight=None):
    if weight is not None:
        weight /= weight.sum()
    return F.cross_entropy(x, y, weight=weight)


def normalises_samples(x, y, w):
    w /= w.sum() + 1e-6
    return (w * (x - y).square()).sum()


def asks_for_a_gradient(x, y):
    x.requires_grad_(True)
    return F.mse_loss(x, y)


def adds_a_dimension(x, y):
    x.unsqueeze_(0)
    return F.mse_loss(x[0], y)


def goes_backward(x, y):
    value = F.mse_loss(x, y)
    if value.requires_grad:
        value.backward(retain_graph=True)
    return value


WRITERS = [
    (lambda x, y: F.mse_loss(x, y.clamp_(-1, 1)), REAL, {}),
    (lambda x, y: x.detach().sub_(y).square().mean(), REAL, {}),
    (keeps_single, REAL, {}),
    (keeps_whole, LOGITS, {}),
    (replaces_ignored, CLASSES, {"ignore_index": 255}),
    (normalises, CLASSES, {"class_weight": "weight"}),
    (normalises_samples, WEIGHTED, {"sample_weight": {"arg": 2}}),
    (asks_for_a_gradient, REAL, {}),
    (adds_a_dimension, REAL, {}),
    (goes_backward, REAL, {}),
]


class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = 0.0

    def forward(self, x, y):
        value = F.mse_loss(x, y)
        self.mean = 0.9 * self.mean + 0.1 * float(value)
        return value / (self.mean + 1e-3)


class Graph(Running):
    def forward(self, x, y):
        self.mean = 0.5 * self.mean + F.mse_loss(x, y)
        return self.mean


class First(Running):
    def forward(self, x, y):
        self.mean = self.mean or float(y.std())
        return F.mse_loss(x, y) / self.mean


class ByShape(nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = {}

    def forward(self, x, y):
        hot = self.cache.setdefault(len(y), F.one_hot(y, 3))
        return -(hot * x.log_softmax(1)).sum(1).mean()


class Warm(Running):
    def forward(self, x, y):
        self.mean += 1
        return F.mse_loss(x, y) * (1.0 if self.mean < 4 else 2.0)


class Counting(Running):
    def forward(self, x, y):
        self.mean += 1  # which changes nothing
        return F.mse_loss(x, y)


class Projected(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)  # other numbers each time that it is built

    def forward(self, x, y):
        return F.mse_loss(x, y) * self.linear.weight.abs().sum()


KNOWN, TARGETS, SCALE = {}, {}, None
FACTORS = {"a": 1.0, "b": 2.0}


def known_by_size(x, y):
    return -(KNOWN.setdefault(len(y), F.one_hot(y, 3)) * x.log_softmax(1)).sum(1).mean()


def known_by_default(x, y, known={}):  # noqa: B006
    known.setdefault("weight", torch.bincount(y, minlength=3).to(x.dtype) + 1)
    return F.cross_entropy(x, y, weight=known["weight"])


def known_globally(x, y):
    global SCALE
    SCALE = float(y.std()) if SCALE is None else SCALE
    return F.mse_loss(x, y) / SCALE


class KnownByClass(nn.Module):
    known = {}  # noqa: RUF012

    def forward(self, x, y):
        return self.known.setdefault(len(y), y).sub(x).square().mean()


def rightly_known(a, b):
    return F.cross_entropy(a @ b.T, TARGETS.setdefault(len(a), torch.arange(len(a))))


def looked_up(x, y, mode="a"):
    return F.mse_loss(x, y) * FACTORS.get(mode, 7.0)


def prints(x, y):
    print("loss")
    return F.mse_loss(x, y)


def seeds(x, y):
    torch.manual_seed(0)
    return F.mse_loss(x, y)


def draws_and_restores(x, y):
    with torch.random.fork_rng(devices=[]):
        return F.mse_loss(x + torch.randn_like(x), y)


def seeds_and_restores(x, y):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ((x - y) @ torch.randn(x.shape[1], 3, dtype=x.dtype)).square().mean()


def sets(setting):
    def loss(x, y):
        setting()
        return F.mse_loss(x, y)

    return loss


@pytest.mark.parametrize(("loss", "inputs", "claims"), WRITERS)
def test_writing_to_inputs_is_found(loss, inputs, claims):
    assert "inputs_are_not_written_to" in refuted(loss, inputs, {**PURE, **claims})


def test_writing_to_inputs_is_found_whatever_was_claimed():
    assert "inputs_are_not_written_to" in refuted(lambda x, y: F.mse_loss(x, y.clamp_(-1, 1)), REAL, {"finite"})


@pytest.mark.parametrize(
    ("loss", "inputs", "check"),
    [
        (Running, REAL, "calls_do_not_depend_on_each_other"),
        (Graph, REAL, "calls_do_not_depend_on_each_other"),
        (Warm, REAL, "calls_do_not_depend_on_each_other"),
        (First, REAL, "calls_do_not_depend_on_each_other"),
        (ByShape, CLASSES, "calls_do_not_depend_on_each_other"),
        (known_by_size, CLASSES, "nothing_is_remembered"),
        (known_by_default, CLASSES, "nothing_is_remembered"),
        (known_globally, REAL, "nothing_is_remembered"),
        (KnownByClass, REAL, "nothing_is_remembered"),
        (prints, REAL, "nothing_is_printed"),
        (lambda x, y: F.mse_loss(x + 0.01 * torch.randn_like(x), y), REAL, "global_state_is_left_alone"),
        (lambda x, y: F.mse_loss(x, y) * np.random.rand(), REAL, "global_state_is_left_alone"),
        (lambda x, y: F.mse_loss(x, y) + 0 * random.random(), REAL, "global_state_is_left_alone"),
        (seeds, REAL, "global_state_is_left_alone"),
        (draws_and_restores, REAL, "global_state_is_left_alone"),
        (sets(lambda: torch.set_default_dtype(torch.float64)), REAL, "global_state_is_left_alone"),
        (sets(lambda: torch.set_default_dtype(torch.float32)), REAL, "global_state_is_left_alone"),
        (sets(lambda: torch.set_grad_enabled(False)), REAL, "global_state_is_left_alone"),
        (sets(lambda: torch.set_grad_enabled(True)), REAL, "global_state_is_left_alone"),
        (sets(lambda: torch.autograd.set_detect_anomaly(True)), REAL, "global_state_is_left_alone"),
        (sets(lambda: torch.use_deterministic_algorithms(True)), REAL, "global_state_is_left_alone"),
    ],
)
def test_what_is_not_pure_is_found(loss, inputs, check):
    assert check in refuted(loss, inputs, PURE)


@pytest.mark.parametrize(
    ("loss", "inputs", "claims"),
    [
        (lambda x, y: x.clone().sub_(y).square_().mean(), REAL, {}),
        (lambda x, y: F.cross_entropy(x, y, ignore_index=255), CLASSES, {"ignore_index": 255}),
        (lambda x, y, weight=None: F.cross_entropy(x, y, weight=weight), CLASSES, {"class_weight": "weight"}),
        (Counting, REAL, {}),
        (Projected, REAL, {}),
        (lambda: nn.MSELoss(), REAL, {}),
        (looked_up, REAL, {}),
        (rightly_known, [Embedding("n d"), Embedding("n d")], {}),
        (seeds_and_restores, REAL, {}),
    ],
)
def test_what_is_pure_is_left_alone(loss, inputs, claims):
    assert not refuted(loss, inputs, {**PURE, **claims})


def test_the_state_is_put_back():
    before = global_state()
    with state_kept():
        set_state(3, unusual=True)
        assert len([name for name, value in global_state().items() if value != before[name]]) == 7
    assert global_state() == before


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return (x - y).pow(3).mean()

    @staticmethod
    def backward(ctx, coming):
        x, y = ctx.saved_tensors
        return coming * 3 * (x - y).square() / x.numel(), None


def branches(x, y):
    return F.mse_loss(x, y) if (x > y).any() else F.l1_loss(x, y)


def writes_to_new(x, y):
    difference = torch.zeros(x.shape, dtype=x.dtype)
    difference += x - y
    return difference.square().mean()


@pytest.mark.parametrize(
    ("loss", "inputs", "claim", "holds"),
    [
        (branches, REAL, "compile", False),
        (prints, REAL, "compile", False),
        (F.huber_loss, REAL, "compile", True),
        (F.cross_entropy, CLASSES, "compile", True),
        (lambda x, y: Cube.apply(x, y), REAL, "compile", True),
        (branches, REAL, "vmap", False),
        (writes_to_new, REAL, "vmap", False),
        (F.huber_loss, REAL, "vmap", True),
        (F.cross_entropy, CLASSES, "vmap", True),
    ],
)
def test_what_torch_traces_and_maps(loss, inputs, claim, holds):
    assert {f.claim for f in lossary.check(loss, inputs=inputs, claims={claim}).refuted} == (
        set() if holds else {claim}
    )
