"""The check of devices on whole losses; the imitation of a device itself is tested in ``test_elsewhere``."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lossary
from lossary.core import ClassIndex, Embedding, Image, Length, Logit, LogSimplex, Real

REAL = [Real("n d"), Real("n d")]
CLASSES = [Logit("n c"), ClassIndex("n")]
PAIR = [Embedding("n d"), Embedding("n d")]
IMAGES = [Image("n c h w"), Image("n c h w")]


def verdict(loss, inputs, **claims):
    report = lossary.check(loss, inputs=inputs, claims={"device": True, **claims})
    return next(f for f in report.findings if f.claim == "device")


class Window(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how
        window = torch.ones(1, 1, 3, 3) / 9
        if how == "buffer":
            self.register_buffer("window", window)
        else:
            self.window = window

    def forward(self, x, y):
        window = self.window.to(x if self.how == "moved" else x.dtype)
        return F.conv2d((x - y).flatten(0, 1)[:, None], window).square().mean()


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, make=torch.ones_like):
        ctx.save_for_backward(x, y)
        ctx.make = make
        return (x - y).square().mean()

    @staticmethod
    def backward(ctx, coming):
        x, y = ctx.saved_tensors
        return coming * 2 * (x - y) / x.numel() * ctx.make(x), None, None


def adds_in_place(x, y):
    total = torch.tensor(0.0)
    for a, b in zip(x, y, strict=True):
        total += (a - b).square().mean()
    return total


def fills_a_list(x, y):
    values = torch.zeros(len(x), dtype=x.dtype)
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        values[i] = (a - b).square().mean()
    return values.mean()


def adds(x, y):
    total = torch.tensor(0.0)  # a single number of the CPU may meet anything, but for what is written to it
    for a, b in zip(x, y, strict=True):
        total = total + (a - b).square().mean()
    return torch.stack([total, torch.tensor(0.0, device=x.device)]).sum()


def assigns(x, y):
    values = (x - y).square()
    values[values > 1] = 0.0
    values[:, 0] = torch.tensor(1.0)
    return values.mean()


def made_there(x, y):
    d = x.device
    more = torch.zeros(x.shape, device=d) + torch.ones_like(x) + x.new_zeros(x.shape)
    more = more + torch.tensor([0.0] * x.shape[1], device=d) + torch.arange(x.shape[1], device=d)
    more = more + torch.linspace(0, 1, x.shape[1]).to(d) + torch.full((x.shape[1],), 2.0).type_as(x)
    return ((x - y).square() * more).mean()


def reads(x, y):
    scale = 1.0 + 0 * x.max().item() + 0 * x.tolist()[0][0]
    return F.mse_loss(x, y) * scale if (x > y).any() else F.l1_loss(x, y)


def shapes_in_place(x, y):
    return torch.quantile((x - y).abs(), 0.5) + torch.fft.rfft(x - y).abs().mean()


def ctc(lp, target, lengths, target_lengths):
    return F.ctc_loss(lp, target, lengths, target_lengths, zero_infinity=True)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (lambda x, y: torch.stack([torch.tensor(0.0), F.mse_loss(x, y)]).sum(), REAL),
        (adds_in_place, REAL),
        (fills_a_list, REAL),
        (lambda x, y: F.mse_loss(x.cpu(), y.cpu()), REAL),
        (lambda x, y: torch.where(x > y, x - y, torch.zeros(x.shape, dtype=x.dtype)).mean(), REAL),
        (lambda x, y: (x @ y.T * torch.eye(len(x), dtype=x.dtype)).sum(), REAL),
        (lambda x, y: ((x - y).type(torch.FloatTensor) * x).mean(), REAL),
        (lambda x, y: Square.apply(x, y, lambda t: torch.ones(t.shape)), REAL),
        (lambda x, y: x.gather(1, torch.zeros(len(x), 1, dtype=torch.long)).mean(), CLASSES),
        (lambda a, b: F.cross_entropy(a @ b.T, torch.arange(len(a))), PAIR),
        (lambda: Window("attribute"), IMAGES),
    ],
)
def test_what_stays_on_the_cpu_is_found(loss, inputs):
    assert verdict(loss, inputs).verdict == "refuted"


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (adds, REAL),
        (assigns, REAL),
        (made_there, REAL),
        (reads, REAL),
        (shapes_in_place, REAL),
        (Square.apply, REAL),
        (lambda x, y: (x - y[torch.randperm(len(y))]).square().mean(), REAL),
        (lambda x, y: -(F.one_hot(y, 3) * x.log_softmax(1)).sum(1).mean(), CLASSES),
        (lambda a, b: F.cross_entropy(a @ b.T, torch.arange(len(a), device=a.device)), PAIR),
        (lambda: Window("buffer"), IMAGES),
        (lambda: Window("moved"), IMAGES),
        (ctc, [LogSimplex("t n c"), ClassIndex("n s"), Length("n", of="t"), Length("n", of="s")]),
    ],
)
def test_what_is_made_there_is_left_alone(loss, inputs):
    found = verdict(loss, inputs)
    assert found.verdict == "survived", found.reason


def test_an_import_that_ran_out_of_time_breaks_nothing():
    """The first mode of torch in a process imports for seconds; the time limit must not break that off half-way."""
    import subprocess
    import sys

    code = """
from lossary.checks.limits import OutOfTime, time_limit
from lossary.checks.memory import Largest
import torch
for seconds in (0.05, 60.0):
    try:
        with time_limit(seconds), Largest() as modes:
            torch.ones(3) + 1
    except OutOfTime:
        pass
print(modes.numbers)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "3", done.stderr
