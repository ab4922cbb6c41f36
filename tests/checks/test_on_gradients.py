"""Checks of gradients: what each finds, and what is right and looks as if it were not."""

import pytest
import torch
import torch.nn.functional as F

import lossary
from lossary.core import (
    Binary,
    Box,
    ClassIndex,
    Embedding,
    Image,
    Logit,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Simplex,
)

REAL = [Real("n d"), Real("n d")]
LOGITS = [Logit("n"), Binary("n")]
CLASSES = [Logit("n c"), ClassIndex("n")]
PROBS = [Probability("n"), Binary("n")]
PAIR = [Embedding("n d"), Embedding("n d")]
HELD = {"differentiable": (0,)}
BOTH = {"differentiable": (0, 1)}


def refuted(loss, inputs, claims, **told):
    """Names of the checks that a loss does not survive."""
    return {f.subject for f in lossary.check(loss, inputs=inputs, claims=claims, **told).refuted}


def written(forward, backward):
    """A loss with a backward pass of its own, ``backward(coming, x, y)``."""

    class Written(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return forward(x, y)

        @staticmethod
        def backward(ctx, coming):
            return backward(coming, *ctx.saved_tensors), None

    def loss(x, y, reduction="mean"):
        values = Written.apply(x, y)
        return values if reduction == "none" else values.sum() if reduction == "sum" else values.mean()

    return loss


def square(x, y):
    return (x - y).square()


def mean_square(x, y):
    return (x - y).square().mean()


def focal(x, t, held=True):
    p = torch.sigmoid(x)
    wrong = (p - t).abs()
    weight = wrong.detach() if held else wrong
    return (weight.square() * F.binary_cross_entropy_with_logits(x, t, reduction="none")).mean()


def clamped(x, t, eps=1e-6):
    p = torch.sigmoid(x).clamp(eps, 1 - eps)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()


def only_the_mean_flows(x, y, reduction="mean"):
    values = (x - y).square()
    return values.detach() if reduction == "none" else values.mean() if reduction == "mean" else values.sum()


def in_place(x, y):
    d = (x - y).exp()
    result = d.square()
    d += 1
    return result.mean() + d.mean()


def hooked(x, y):
    d = x - y
    if d.requires_grad:
        d.register_hook(lambda g: g.clamp(-0.01, 0.01))
    return d.square().mean()


def frozen_part(x, y):
    with torch.no_grad():
        mean = x.mean(1, keepdim=True)
    return (x - mean - y).square().mean()


def straight_through(x, y):
    quantised = x + (x.round() - x).detach()
    return (quantised - y).square().mean()


def sinkhorn_like(x, y):
    """Rounds inside to float32."""
    return (x.float() - y.float()).square().mean().to(x.dtype)


def ramp(x, t):
    return (1 - (2 * t - 1) * x).clamp(0, 2).mean()


FAULTY = [
    # loss, inputs, claims, the check that finds it
    ("root of a mean", lambda x, y: mean_square(x, y).sqrt(), REAL, {"finite"}, "gradient_is_finite"),
    ("norm", lambda a, b: (a - b).square().sum(1).sqrt().mean(), PAIR, {"finite"}, "gradient_is_finite"),
    ("where after", lambda x, y: torch.where(x > 0, x.clamp(min=0).sqrt(), 0 * x).mean(), REAL, {"finite"},
     "gradient_is_finite"),
    ("power", lambda p, t: ((1 - p) ** 0.5 * (p - t).abs()).mean(), PROBS, {"finite"}, "gradient_is_finite"),
    ("second argument", lambda a, b, c: (b - c).square().sum(1).sqrt().mean() + a.mean(), [Embedding("n d")] * 3,
     {"finite"}, "gradient_is_finite"),
    ("pairs", lambda a, b: (a[:, None] - a[None]).square().sum(-1).sqrt().mean() + b.mean(), PAIR, {},
     "gradient_is_finite_on_ordinary_inputs"),
    ("detached", lambda x, y: (x.detach() - y).square().mean(), REAL, HELD, "gradient_flows"),
    ("item", lambda x, y: torch.tensor(float((x - y).square().mean())), REAL, HELD, "gradient_flows"),
    ("second detached", lambda x, y: (x - y.detach()).square().mean(), REAL, BOTH, "gradient_flows"),
    ("rounded", lambda x, t: ((x > 0).to(x) - t).abs().mean() + 0 * x.mean(), LOGITS, HELD, "gradient_flows"),
    ("none detached", only_the_mean_flows, REAL, HELD, "gradient_flows"),
    ("last dropped", lambda x, y: (x - y)[:-1].square().mean(), REAL, HELD, "gradient_reaches_every_sample"),
    ("in place", in_place, REAL, {}, "gradient_can_be_computed"),
    ("numpy", lambda x, y: mean_square(torch.from_numpy(x.numpy()), y), REAL, {}, "gradient_can_be_computed"),
    ("clamped", clamped, LOGITS, HELD, "gradient_reaches_confident_mistakes"),
    ("clamped classes", lambda x, t: F.nll_loss(x.softmax(1).clamp(1e-4).log(), t), CLASSES, HELD,
     "gradient_reaches_confident_mistakes"),
    ("part held", focal, LOGITS, HELD, "gradient_is_that_of_the_value"),
    ("frozen", frozen_part, REAL, HELD, "gradient_is_that_of_the_value"),
    ("hooked", hooked, REAL, HELD, "gradient_is_that_of_the_value"),
    ("straight through", straight_through, REAL, HELD, "gradient_is_that_of_the_value"),
    ("held in the simplex", lambda p, q: (q * (q.log() - p.log()) * p.detach()).mean(),
     [Simplex("n c"), Simplex("n c")], HELD, "gradient_is_that_of_the_value"),
    ("no factor", written(square, lambda g, x, y: g * (x - y)), REAL, {}, "custom_backward_is_right"),
    ("wrong sign", written(square, lambda g, x, y: -2 * g * (x - y)), REAL, {}, "custom_backward_is_right"),
    ("nothing comes in", written(square, lambda g, x, y: 2 * (x - y) / x.numel()), REAL, {},
     "gradient_scales_with_what_comes_in"),
    ("mean comes in", written(square, lambda g, x, y: 2 * g.mean() * (x - y)), REAL, {}, "custom_backward_is_right"),
    ("not finite", written(square, lambda g, x, y: g * (x - y) / (0 * x)), REAL, {},
     "gradient_is_finite_on_ordinary_inputs"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "inputs", "claims", "found"), [row[1:] for row in FAULTY], ids=[row[0] for row in FAULTY]
)
def test_found(loss, inputs, claims, found):
    assert found in refuted(loss, inputs, claims)


EVERY = {"finite": True, "differentiable": True}
RIGHT = [
    ("mse", F.mse_loss, REAL, {**EVERY, **BOTH}),
    ("l1", F.l1_loss, REAL, {**EVERY, **BOTH}),
    ("huber", F.huber_loss, REAL, {**EVERY, **BOTH}),
    ("bce with logits", F.binary_cross_entropy_with_logits, LOGITS, EVERY),
    ("bce", F.binary_cross_entropy, PROBS, EVERY),
    ("cross entropy", F.cross_entropy, CLASSES, EVERY),
    ("multi margin", F.multi_margin_loss, CLASSES, EVERY),
    ("kl", F.kl_div, [LogSimplex("n c"), Simplex("n c")], EVERY),
    ("gaussian", F.gaussian_nll_loss, [Real("n"), Real("n"), PositiveReal("n")], {**EVERY, "differentiable": (0, 2)}),
    ("poisson", lambda x, y: F.poisson_nll_loss(x, y, log_input=False), [PositiveReal("n"), NonNegativeReal("n")],
     EVERY),
    ("distance", lambda a, b: F.pairwise_distance(a, b).mean(), PAIR, {**EVERY, **BOTH}),
    ("norm", lambda a, b: (a - b).norm(dim=1).mean(), PAIR, {**EVERY, **BOTH}),
    ("cosine", lambda a, b: 1 - F.cosine_similarity(a, b).mean(), PAIR, {**EVERY, **BOTH}),
    ("triplet", F.triplet_margin_loss, [Embedding("n d")] * 3, {"differentiable": (0, 1, 2)}),
    ("focal", lambda x, t: focal(x, t, held=False), LOGITS, EVERY),
    ("held by design", focal, LOGITS, {"finite": True}),
    ("target held", lambda x, y: (x - y.detach()).square().mean(), REAL, EVERY),
    ("stop gradient", lambda a, b: 1 - F.cosine_similarity(a, b.detach()).mean(), PAIR, EVERY),
    ("ramp", ramp, LOGITS, EVERY),
    ("mae of probabilities", lambda x, t: (torch.sigmoid(x) - t).abs().mean(), LOGITS, EVERY),
    ("iou", lambda a, b: 1 - ((torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
     .prod(1) / (a[:, 2:] - a[:, :2]).prod(1).clamp(min=1e-7)).mean(), [Box("n 4"), Box("n 4")],
     {"differentiable": (0,)}),
    ("clamped image", lambda x, y: mean_square(x.clamp(0, 1), y), [Image("n h w"), Image("n h w")], EVERY),
    ("bounded numbers", lambda x, y: mean_square(x.clamp(-1, 1).asin(), y), [Real("n", low=-1, high=1), Real("n")],
     {"differentiable": (0,)}),
    ("float32 inside", sinkhorn_like, REAL, EVERY),
    ("sorted", lambda x, y: (x.sort(1).values - y.sort(1).values).abs().mean(), REAL, {**EVERY, **BOTH}),
    ("entropy of the target", lambda p, q: (q * (q / p.clamp(min=1e-6)).clamp(min=1e-6).log()).sum(1).mean(),
     [Simplex("n c"), Simplex("n c")], {"finite": True}),
    ("written", written(square, lambda g, x, y: 2 * g * (x - y)), REAL, EVERY),
    ("estimate", written(lambda x, y: (x.round() - y.round()).square(), lambda g, x, y: 2 * g * (x - y)), REAL, {}),
    ("values only", square, REAL, EVERY),
    ("far margin", lambda x, y: F.relu((x - y).abs().mean(1) - 1.5).mean(), REAL, EVERY),
    ("distillation", lambda x, y: F.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean"),
     [Logit("n c"), Logit("n c")], EVERY),
    ("sum", lambda x, y: (x - y).square().sum(), REAL, EVERY),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "inputs", "claims"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_nothing_right_is_refuted(loss, inputs, claims):
    report = lossary.check(loss, inputs=inputs, claims=claims)
    assert not report.refuted, [(f.subject, f.reason, f.evidence) for f in report.refuted]


def test_modules_with_parameters_are_right():
    class Weighed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, input, target):
            return (self.scale * (input - target)).square().mean()

    for loss in (Weighed, Weighed(), torch.nn.SmoothL1Loss()):
        assert not refuted(loss, REAL, {"finite", "differentiable"})
