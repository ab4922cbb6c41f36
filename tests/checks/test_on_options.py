"""Checks of options: what each finds, and what is right and looks as if it were not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lossary
from lossary.core import Binary, ClassIndex, Logit, NonNegativeReal, PositiveReal, Probability, Real

REAL = [Real("n d"), Real("n d")]
PROBS = [Probability("n"), Binary("n")]
CLASSES = [Logit("n c"), ClassIndex("n")]
NORMAL = [Real("n"), Real("n"), PositiveReal("n")]


def refuted(loss, inputs, claims, **told):
    """Names of the checks that a loss does not survive."""
    return {f.subject for f in lossary.check(loss, inputs=inputs, claims=claims, **told).refuted}


def focal(more=0.0):
    def loss(x, y, gamma=2.0):
        logs = x.log_softmax(1).gather(1, y[:, None])[:, 0]
        power = gamma + more
        return (-((1 - logs.exp()) ** power if power else 1.0) * logs).mean()

    return loss


def half_detached(x, y):
    return 0.5 * F.mse_loss(x, y).detach() + 0.5 * F.mse_loss(x, y)


def only_positive(x, y):
    if (x < 0).any():
        raise ValueError("positive numbers only")
    return F.mse_loss(x, y)


@pytest.mark.parametrize(
    ("loss", "inputs", "pairs", "holds"),
    [
        (focal(1.0), CLASSES, [({"gamma": 0.0}, F.cross_entropy)], False),
        (half_detached, REAL, [({}, F.mse_loss)], False),
        (F.mse_loss, REAL, [({}, lambda x, y: (x - y).square().mean(1))], False),
        (lambda x, y: (x - y).square().mean().sqrt().sqrt().pow(4), REAL, [({}, only_positive)], True),
        (focal(), CLASSES, [({"gamma": 0.0}, F.cross_entropy), ({"gamma": 2.0}, focal())], True),
        (F.huber_loss, REAL, [({"delta": 1e6, "reduction": "none"}, lambda x, y: 0.5 * (x - y).square())], True),
        (F.smooth_l1_loss, REAL, [({"beta": 0.0}, F.l1_loss)], True),
    ],
)
def test_references(loss, inputs, pairs, holds):
    found = refuted(loss, inputs, {"equals": pairs, "differentiable": (0,)})
    assert ("equals_its_reference" not in found) is holds


def wraps(x, y):
    return x.logsumexp(1).sub(x[torch.arange(len(y)), y]).mean()  # index -1 is the last class


def clamps(p, t):
    return F.binary_cross_entropy(p.clamp(0, 1), t.clamp(0, 1))


def clamps_scale(x, y, v):
    v = v.clamp(min=1e-6)
    return (v.log() + (x - y).square() / v).mean()


def refuses(p, t, w=None):
    if bool(((p < 0) | (p > 1)).any()) or not bool(((t == 0) | (t == 1)).all()):
        raise ValueError("these are no probabilities and labels")
    return F.binary_cross_entropy(p, t, weight=w)


def refuses_prediction(p, t):
    return refuses(p, t.round().clamp(0, 1))


@pytest.mark.parametrize(
    ("loss", "inputs", "claims", "holds"),
    [
        (wraps, CLASSES, {}, False),
        (clamps, PROBS, {}, False),
        (clamps_scale, NORMAL, {}, False),
        (refuses_prediction, PROBS, {}, False),
        (refuses, PROBS, {}, True),
        (F.cross_entropy, CLASSES, {}, True),
        (nn.GaussianNLLLoss, NORMAL, {}, True),
        (refuses, [*PROBS, NonNegativeReal("n", constant=True)], {"sample_weight": {"arg": 2}}, True),
    ],
)
def test_what_is_outside_of_its_domain(loss, inputs, claims, holds):
    found = refuted(loss, inputs, {"domain_check": True, **claims})
    assert ("values_outside_their_domain_are_refused" not in found) is holds


class Stored(nn.Module):
    def __init__(self, beta=1.0):
        super().__init__()
        self.beta = 1.0

    def forward(self, x, y):
        return F.smooth_l1_loss(x, y, beta=self.beta)


def unsmoothed(x, y, weight=None, label_smoothing=0.0):
    return F.cross_entropy(x, y, weight=weight)


def with_mode(x, y, mode="a", gamma=1.0):
    return F.cross_entropy(x, y) * gamma


def of_weights(x, y, weight=None, normalise=True):
    if weight is None or normalise:
        return F.cross_entropy(x, y, weight=weight)
    return F.cross_entropy(x, y, weight=weight, reduction="none").mean()


def of_masks(x, y, mask=None, fill="zero"):
    values = (x - y).square()
    if mask is None:
        return values.mean()
    kept = mask.to(values.dtype)
    return (values * kept).sum() / (kept.sum().clamp(min=1) if fill == "mean" else kept.numel())


def clipped(x, y, clip=100.0):
    return (x - y).abs().clamp(max=clip).mean()


@pytest.mark.parametrize(
    ("loss", "inputs", "claims", "params", "holds"),
    [
        (lambda x, y, gamma=2.0: F.cross_entropy(x, y), CLASSES, {}, {"gamma": (0.5, 3.0)}, False),
        (with_mode, CLASSES, {}, {"mode": ("a", "b"), "gamma": (1.0, 3.0)}, False),
        (unsmoothed, CLASSES, {"class_weight": "weight"}, {"label_smoothing": (0.0, 0.3)}, False),
        (Stored, REAL, {}, {"beta": (0.5, 2.0)}, False),
        (F.smooth_l1_loss, REAL, {}, {"beta": (0.5, 2.0)}, True),
        (clipped, REAL, {}, {"clip": (50.0, 500.0)}, True),  # which only large numbers show
        (of_weights, CLASSES, {"class_weight": "weight"}, {"normalise": (True, False)}, True),
        (of_masks, REAL, {"mask": {"arg": "mask", "of": [0, 1]}}, {"fill": ("zero", "mean")}, True),
    ],
)
def test_the_effect_of_hyperparameters(loss, inputs, claims, params, holds):
    found = refuted(loss, inputs, {"finite": True, **claims}, params=params)
    assert ("hyperparameters_have_an_effect" not in found) is holds
