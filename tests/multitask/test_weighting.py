"""Weightings on problems whose answer is known; numbers are worked out by hand where nothing else is said.

The toy problem: two quadratics in the plane whose minima are at (-1, 0) and (1, 0), each with a floor, so that the
second derivative of their logarithms at the midpoint is positive and the midpoint is the minimum of their product.
"""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lossary.core import LossInputError
from lossary.multitask import (
    DWA,
    FAMO,
    IMTLL,
    RLW,
    Fixed,
    GeometricMean,
    GradNorm,
    MultitaskLoss,
    Normalised,
    Ramp,
    Uncertainty,
)

FLOOR = 2.0
TARGETS = {"left": torch.tensor([-1.0, 0.0]), "right": torch.tensor([1.0, 0.0])}


class Quadratic(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, input, target):
        return self.scale * ((input - target).square().sum() + FLOOR)


class Value(nn.Module):
    """A loss whose value is its input."""

    def forward(self, input, target):
        return input * target


def conflict(weighting, *, scale=1.0, start=(-0.6, 0.8), steps=600, lr=0.02):
    """Where Adam ends on two conflicting quadratics of which the right one is multiplied by ``scale``."""
    loss = MultitaskLoss({"left": Quadratic(), "right": Quadratic(scale)}, weighting)
    point = torch.tensor(start, requires_grad=True)
    fast = {"params": [point], "lr": lr, "betas": (0.9, 0.95)}  # forgets the slopes of before the balance is found
    optimizer = torch.optim.Adam([fast, {"params": loss.parameters(), "lr": 0.1}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss({"left": point, "right": point}, TARGETS).backward()
        optimizer.step()
        schedule.step()
    return point.detach(), loss


def feed(loss, *values):
    """One step with these values of the losses; ``None`` is a missing task."""
    names = list(loss.losses)
    there = {n: torch.tensor(float(v), requires_grad=True) for n, v in zip(names, values, strict=True) if v is not None}
    total = loss(there, {n: torch.tensor(1.0) for n in there})
    return total, there


def of_values(weighting, names=("a", "b")):
    return MultitaskLoss({name: Value() for name in names}, weighting)


def weights(loss):
    return list(loss.last.weights.values())


def test_plain_sums_end_at_the_weighted_mean_of_the_minima():
    assert_close(conflict("equal")[0], torch.tensor([0.0, 0.0]), atol=1e-3, rtol=0)
    assert_close(conflict({"left": 3.0})[0], torch.tensor([-0.5, 0.0]), atol=1e-3, rtol=0)


def test_a_scale_of_1e4_gives_a_plain_sum_to_one_task():
    assert_close(conflict("equal", scale=1e4)[0], torch.tensor([9999 / 10001, 0.0]), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "weighting",
    [
        "uncertainty",
        "imtl_l",
        "geometric_mean",
        "initial",
        lambda: Normalised("running", momentum=0.5),
        "famo",
        lambda: GradNorm(alpha=1.5, lr=0.025),
    ],
    ids=lambda case: case if isinstance(case, str) else "object",
)
def test_a_scale_of_1e4_is_balanced(weighting):
    """Set out from between the minima, all of these end in the middle, as they do without the mismatch."""
    make = weighting if callable(weighting) else lambda: weighting
    start = (0.0, 0.8)
    point, loss = conflict(make(), scale=1e4, start=start, steps=900)
    assert_close(point, torch.tensor([0.0, 0.0]), atol=0.03, rtol=0)
    left, right = weights(loss)
    assert left / right == pytest.approx(1e4, rel=0.1)


def test_uncertainty_recovers_the_noise_of_the_data():
    """Two outputs of one linear model, with Gaussian noise of 0.1 and 3, and one with Laplace noise of scale 0.5."""
    torch.manual_seed(0)
    n, noise = 4000, {"fine": 0.1, "coarse": 3.0, "tails": 0.5}
    x = torch.randn(n, 2)
    truth = x @ torch.tensor([1.0, -2.0])
    targets = {"fine": truth + 0.1 * torch.randn(n), "coarse": truth + 3.0 * torch.randn(n)}
    targets["tails"] = truth + torch.distributions.Laplace(0.0, 0.5).sample((n,))
    tasks = {"fine": nn.MSELoss(), "coarse": nn.MSELoss(), "tails": nn.L1Loss()}
    loss = MultitaskLoss(tasks, Uncertainty({"tails": "laplace"}))
    coefficients = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([coefficients, *loss.parameters()], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 500)
    for _ in range(500):
        optimizer.zero_grad()
        loss(dict.fromkeys(tasks, x @ coefficients), targets).backward()
        optimizer.step()
        schedule.step()
    found, last = loss.weighting.noise, loss.last.losses
    for task, level in noise.items():
        assert found[task] == pytest.approx(level, rel=0.03)  # two standard errors of a deviation: 1 / sqrt(n / 2)
    assert found["fine"] == pytest.approx(last["fine"] ** 0.5, rel=1e-3)  # the root mean squared error
    assert found["tails"] == pytest.approx(last["tails"], rel=1e-3)  # the mean absolute error
    assert_close(coefficients.detach(), torch.tensor([1.0, -2.0]), atol=0.01, rtol=0)


def test_uncertainty_is_the_negative_log_likelihood_of_each_kind():
    kinds = {"b": "classification", "c": "laplace"}
    loss = of_values(Uncertainty(kinds, noise=2.0), ("a", "b", "c"))
    total, _ = feed(loss, 3.0, 5.0, 7.0)
    expected = 3 / (2 * 4) + 5 / 4 + 7 / 2 + 3 * math.log(2.0)  # eq. 7 and 10 with sigma 2, and Laplace's with scale 2
    assert_close(total, torch.tensor(expected))
    assert loss.weighting.noise == pytest.approx(dict.fromkeys("abc", 2.0))


@pytest.mark.parametrize("kind", ["gaussian", "classification", "laplace"])
def test_uncertainty_begins_at_the_best_level_for_the_first_loss(kind):
    loss = of_values(Uncertainty(dict.fromkeys("ab", kind)))
    feed(loss, 3e4, None)
    total, _ = feed(loss, 3e4, 0.2)  # each task's first
    total.backward()
    assert_close(loss.weighting.log_variance.grad, torch.zeros(2), atol=1e-6, rtol=0)
    begun = loss.weighting.noise
    feed(loss, 1.0, 1.0)  # later losses move it by the gradient alone
    assert loss.weighting.noise == begun
    assert weights(loss) == pytest.approx(weights_at(kind, begun))


def weights_at(kind, noise):
    by = {"gaussian": lambda s: 0.5 / s**2, "classification": lambda s: 1 / s**2, "laplace": lambda s: 1 / s}
    return [by[kind](s) for s in noise.values()]


def test_from_a_fixed_level_a_scale_of_1e4_is_not_balanced_in_900_steps():
    """What beginning at the first loss is for; the paper's levels begin at 1."""
    point, _ = conflict(Uncertainty(noise=1.0), scale=1e4, start=(0.0, 0.8), steps=900)
    assert point[0] > 0.5


def test_imtl_l_scales_and_pays():
    loss = of_values(IMTLL(scale=1.0))
    loss.weighting.log_scale.data = torch.tensor([0.5, -1.0])
    assert_close(feed(loss, 2.0, 3.0)[0], torch.tensor(math.exp(0.5) * 2 - 0.5 + math.exp(-1.0) * 3 + 1.0))


def test_imtl_l_brings_weighted_losses_to_one():
    _, loss = conflict("imtl_l", scale=100.0)
    last = loss.last
    assert [last.weights[t] * last.losses[t] for t in TARGETS] == pytest.approx([1.0, 1.0], rel=0.02)


def test_dwa_follows_the_ratio_of_epochs():
    loss = of_values(DWA(every=2, temperature=2.0))
    for a, b in [(10, 4), (6, 4), (4, 4), (4, 2)]:  # means 8 and 4, then 4 and 3
        feed(loss, a, b)
        assert weights(loss) == [1.0, 1.0]
    feed(loss, 1, 1)
    low, high = math.exp(0.5 / 2), math.exp(0.75 / 2)
    assert weights(loss) == pytest.approx([2 * low / (low + high), 2 * high / (low + high)])


def test_dwa_without_a_task_for_an_epoch_keeps_its_pace():
    loss = of_values(DWA(every=1))
    for values in [(4, 4), (2, None), (1, None), (1, 1)]:
        feed(loss, *values)
    assert all(math.isfinite(w) for w in weights(loss)) and sum(weights(loss)) == pytest.approx(2.0)


def test_random_weights_add_up_to_one_and_are_fair():
    torch.manual_seed(0)
    loss = of_values(RLW())
    seen = []
    for _ in range(2000):
        feed(loss, 1, 1)
        seen.append(weights(loss))
        assert sum(seen[-1]) == pytest.approx(1.0)
    drawn = torch.tensor(seen)[:, 0]
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)  # three standard errors
    logit = torch.logit(drawn)  # the difference of two standard normal numbers
    assert logit.std() == pytest.approx(2**0.5, rel=0.05)
    loss.eval()
    feed(loss, 1, 1)
    assert weights(loss) == [0.5, 0.5]


def test_geometric_mean_and_its_slope():
    loss = of_values(GeometricMean(), ("a", "b", "c"))
    total, there = feed(loss, 2.0, 4.0, 8.0)
    assert_close(total, torch.tensor(4.0))
    total.backward()
    assert_close([v.grad for v in there.values()], [torch.tensor(4 / (3 * v)) for v in (2.0, 4.0, 8.0)])
    assert_close(feed(loss, 2.0, None, 8.0)[0], torch.tensor(4.0))


def test_normalised_by_the_first_and_the_running_loss():
    initial, running = of_values(Normalised("initial")), of_values(Normalised("running", momentum=0.75))
    for loss in (initial, running):
        feed(loss, 4.0, None)
        feed(loss, 8.0, 2.0)
    assert weights(initial) == [1 / 4, 1 / 2]
    assert weights(running) == pytest.approx([1 / (0.75 * 4 + 0.25 * 8), 1 / 2])
    for loss in (initial, running):
        before = {k: v.clone() for k, v in loss.state_dict().items()}
        loss.eval()
        feed(loss, 100.0, 100.0)
        assert_close(dict(loss.state_dict()), before, equal_nan=True)


def test_gradnorm_makes_the_norms_equal():
    """Linear losses with gradients (3, 4) and (0, 0.001): alpha 0 asks for equal norms, so weights as 0.001 to 5."""
    slopes = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.0, 0.001])}

    class Linear(nn.Module):
        def forward(self, input, target):
            return 1.0 + (input * target).sum()

    loss = MultitaskLoss({"a": Linear(), "b": Linear()}, GradNorm(alpha=0.0))
    point = torch.ones(2, requires_grad=True)
    ratios = []
    for _ in range(900):
        loss(dict.fromkeys(slopes, point), slopes)
        ratios.append(math.log(loss.last.weights["b"] / loss.last.weights["a"]))
    assert sum(ratios[-100:]) / 100 == pytest.approx(math.log(5000), abs=0.1)
    assert sum(loss.last.weights.values()) == pytest.approx(2.0)
    assert loss.last.backward_passes == 3


def test_gradnorm_favours_the_task_that_is_behind():
    """Equal slopes; task a has fallen to half, b has not: targets are as (0.5 / 0.75)**alpha to (1 / 0.75)**alpha."""
    loss = of_values(GradNorm(alpha=1.0))
    point = torch.ones((), requires_grad=True)
    loss({"a": point, "b": point}, {"a": torch.tensor(2.0), "b": torch.tensor(2.0)})
    ratios = []
    for _ in range(600):
        both = {"a": point - point.detach() + 0.5, "b": point - point.detach() + 1.0}
        loss(both, {"a": torch.tensor(2.0), "b": torch.tensor(2.0)})
        ratios.append(loss.last.weights["b"] / loss.last.weights["a"])
    assert sum(ratios[-100:]) / 100 == pytest.approx(2.0, rel=0.05)


def test_gradnorm_takes_the_parameters_it_is_given():
    trunk, other = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    loss = MultitaskLoss({"a": nn.MSELoss(), "b": nn.MSELoss()}, GradNorm())
    x = torch.randn(4, 2)
    outputs = {"a": other(trunk(x)), "b": 2 * other(trunk(x))}
    targets = dict.fromkeys(outputs, torch.zeros(4, 2))
    loss(outputs, targets, shared=[other.weight]).backward()
    with pytest.raises(LossInputError, match="`shared` must hold what several tasks depend on"):
        of_a, of_b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
        loss({"a": of_a, "b": of_b}, dict.fromkeys(outputs, torch.zeros(1)))


def test_famo_weighs_as_the_gradient_of_the_logarithms():
    """At equal scores the weights are as 1 / L and add up to 1: 2/3 and 1/3 of losses 1 and 2."""
    loss = of_values(FAMO())
    feed(loss, 1.0, 2.0)
    assert weights(loss) == pytest.approx([2 / 3, 1 / 3], rel=1e-5)


@pytest.mark.parametrize("exact", [False, True])
def test_famo_turns_to_the_task_that_falls_more_slowly(exact):
    loss = of_values(FAMO(lr=0.1, decay=0.0))
    value = 16.0
    for _ in range(3):
        feed(loss, value, 1.0)
        value /= 2
        if exact:
            there = {"a": torch.tensor(value), "b": torch.tensor(1.0)}
            loss.observe(there, {n: torch.tensor(1.0) for n in there})
    moves = 3 if exact else 2
    shares = loss.weighting.scores.shares()
    # By symmetry the softmax's gradient is (d, -d), on which Adam moves each score by about lr a step.
    assert_close(shares[1] / shares[0], torch.tensor(math.exp(2 * 0.1 * moves)), rtol=1e-3, atol=0)


def test_famo_keeps_above_the_least_loss():
    loss = of_values(FAMO(minimum={"a": 1.0}))
    feed(loss, 2.0, 1.0)
    assert weights(loss) == pytest.approx([0.5, 0.5])
    feed(loss, 1.0, 1.0)
    assert all(math.isfinite(w) for w in weights(loss))


def test_fixed_weights_may_be_scheduled():
    loss = of_values({"b": Ramp(0.0, 1.0, steps=2)})
    seen = []
    for _ in range(3):
        feed(loss, 1, 1)
        seen.append(weights(loss))
    assert seen == [[1.0, 0.0], [1.0, 0.5], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: of_values({"c": 1.0}), "Fixed: `weights` must be of the tasks a, b; got 'c'"),
        (lambda: of_values({"a": "1"}), "`weights of a at step 0` must be a finite number"),
        (lambda: of_values(Uncertainty({"c": "laplace"})), "`kinds` must be of the tasks a, b"),
        (lambda: Uncertainty({"a": "poisson"}), "`kinds` must be one of gaussian, laplace, classification"),
        (lambda: Uncertainty(noise=0.0), "`noise` must be a number above 0"),
        (lambda: IMTLL(scale=0.0), "`scale` must be a number above 0"),
        (lambda: DWA(every=0), "`every` must be at least 1"),
        (lambda: DWA(every=1, temperature=0.0), "`temperature` must be above 0"),
        (lambda: Normalised("last"), "`by` must be one of initial, running"),
        (lambda: Normalised(momentum=1.0), "`momentum` must be at least 0 and below 1"),
        (lambda: GradNorm(alpha=-1.0), "`alpha` must be at least 0"),
        (lambda: GradNorm(lr=0.0), "`lr` must be above 0"),
        (lambda: FAMO(lr=-1.0), "`lr` must be above 0"),
        (lambda: FAMO(decay=-1.0), "`decay` must be at least 0"),
        (lambda: of_values(FAMO(minimum={"c": 0.0})), "`minimum` must be of the tasks a, b"),
    ],
)
def test_refuses_with_one_sentence(act, sentence):
    with pytest.raises(LossInputError, match=sentence):
        act()


def test_one_weighting_serves_one_loss():
    weighting = Fixed()
    of_values(weighting)
    with pytest.raises(LossInputError, match="a weighting must serve one loss"):
        of_values(weighting)
