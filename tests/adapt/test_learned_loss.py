"""The learned loss, what holds of it by construction, its meta-gradient, its guard, and that it learns robustness."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lossary
from lossary.adapt.learned_loss import CLAIMS, LearnedLoss, LossTasks, guard, inner_descent, meta_train_loss
from lossary.core import LossInputError


def lines(generator, tasks=24, outliers=0.2):
    """Lines through the origin with a fifth of the training targets far above; what is held out is clean."""
    x, held_out = torch.randn(tasks, 30, generator=generator), torch.randn(tasks, 30, generator=generator)
    slope = torch.randn(tasks, 1, generator=generator)
    far = 4.0 * torch.rand(tasks, 30, generator=generator) * (torch.rand(tasks, 30, generator=generator) < outliers)
    return LossTasks(
        parameters={"w": torch.zeros(tasks, 1), "b": torch.zeros(tasks, 1)}, predict=lambda p, x: p["w"] * x + p["b"],
        inputs=x, targets=slope * x + far, held_out_inputs=held_out, held_out_targets=slope * held_out,
    )  # fmt: skip


def any_weights(seed, **settings):
    """A loss with weights that no training is likely to reach."""
    loss, generator = LearnedLoss(hidden=6, **settings), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in loss.parameters():
            weight.copy_(4.0 * torch.randn(weight.shape, generator=generator))
    return loss


def clean_error(loss, tasks):
    """Held-out squared error after the same descent on a loss of elements."""
    parameters = {name: value.clone().requires_grad_() for name, value in tasks.parameters.items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss(tasks.predict(parameters, tasks.inputs), tasks.targets).mean(1).sum().backward()
        optimizer.step()
    with torch.no_grad():
        return float((tasks.predict(parameters, tasks.held_out_inputs) - tasks.held_out_targets).square().mean())


@pytest.mark.parametrize("seed", range(5))
def test_a_monotone_loss_is_sound_whatever_its_weights(seed):
    loss = any_weights(seed)
    target = torch.tensor([-30.0, -1.0, 0.0, 0.3, 1e4], dtype=torch.float64)
    away = torch.tensor([1e-3, 0.1, 1.0, 7.0, 1e3, 1e30], dtype=torch.float64)
    for side in (1.0, -1.0):
        prediction = (target[:, None] + side * away).requires_grad_()
        values = loss.values(prediction, target[:, None].expand(5, 6))
        (slope,) = torch.autograd.grad(values.sum(), prediction)
        assert values.isfinite().all() and slope.isfinite().all()
        assert (values > 0).all() and (values.diff(dim=1) > 0).all() and (side * slope > 0).all()
    assert torch.equal(loss.values(target, target), torch.zeros(5, dtype=torch.float64))


def test_values_are_those_of_the_formula():
    loss, x, y = any_weights(3).double(), 1.3, -0.4
    a, v, u = (nn.functional.softplus(w) for w in (loss.linear, loss.amount, loss.steepness))
    c, b = loss.of_target, loss.offset
    d = a * (x - y) + sum(v * (torch.tanh(u * x + c * y + b) - torch.tanh(u * y + c * y + b)))
    expected = (1 + d**2).sqrt() - 1
    assert_close(loss.values(torch.tensor(x).double(), torch.tensor(y).double()), expected)


def test_the_guard_passes_what_holds_and_says_what_does_not():
    assert guard(any_weights(0), seconds=3.0).holds
    found = guard(LearnedLoss(form="free"), seconds=3.0)
    assert not found.holds and "zero_at_perfect" in found.refuted and "`zero_at_perfect` (at a" in found.sentence
    assert not {"finite", "differentiable", "nonnegative"} & set(found.refuted)  # by construction
    assert list(found.refuted) == [claim for claim in CLAIMS if claim in found.refuted]


class Rewards(nn.Module):
    """The wrong way round: the gradient points away from the target."""

    def forward(self, prediction, target):
        return torch.exp(-((prediction - target) ** 2)).mean()


def test_the_guard_refuses_a_gradient_of_the_wrong_sign():
    assert {"monotone", "best_at_perfect"} <= set(guard(Rewards(), seconds=3.0).refuted)


def test_a_loss_that_fails_its_guard_is_refused_by_a_sentence():
    with pytest.raises(
        LossInputError, match=r"must pass its guard to be used; LearnedLoss: refuted: .*zero_at_perfect"
    ):
        meta_train_loss(LearnedLoss(form="free", hidden=4), lines, steps=1, inner_steps=1)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_meta_gradient_is_that_of_finite_differences(steps):
    loss, tasks = LearnedLoss(hidden=3).double(), lines(torch.Generator().manual_seed(1), tasks=3)
    tasks = LossTasks(**{name: double(value) for name, value in vars(tasks).items()})

    def held_out():
        trained = inner_descent(loss, tasks, steps=steps, lr=0.3)
        return (tasks.predict(trained, tasks.held_out_inputs) - tasks.held_out_targets).square().mean()

    for weight, gradient in zip(loss.parameters(), torch.autograd.grad(held_out(), loss.parameters()), strict=True):
        with torch.no_grad():
            step = torch.zeros_like(weight).flatten()
            step[0] = 1e-5
            weight += step.reshape(weight.shape)
        above = held_out()
        with torch.no_grad():
            weight -= 2 * step.reshape(weight.shape)
        slope = (above - held_out()) / 2e-5
        with torch.no_grad():
            weight += step.reshape(weight.shape)
        assert_close(slope, gradient.flatten()[0], rtol=1e-4, atol=1e-7)


def double(value):
    if isinstance(value, dict):
        return {name: part.double() for name, part in value.items()}
    return value.double() if isinstance(value, torch.Tensor) else value


def test_a_step_is_one_of_gradient_descent():
    """With a linear model and d ≈ s e for tiny errors the loss is s² e² / 2: the step is worked out by hand."""
    loss, x, y = LearnedLoss(hidden=3), torch.tensor([[1.0, 2.0]]), torch.tensor([[1e-3, 2e-3]])
    tasks = LossTasks(parameters={"w": torch.zeros(1, 1)}, predict=lambda p, x: p["w"] * x, inputs=x, targets=y,
                      held_out_inputs=x, held_out_targets=y)  # fmt: skip
    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss.values(at, torch.zeros_like(at)), at, create_graph=True)
    curvature = torch.autograd.grad(slope, at)[0].item()
    trained = inner_descent(loss, tasks, steps=1, lr=0.1)
    assert trained["w"].item() == pytest.approx(0.1 * curvature * (1 * 1e-3 + 2 * 2e-3) / 2, rel=1e-2)


def test_it_learns_to_ignore_outliers():
    """Better than the squared error by far, and near the absolute error, on tasks that it has not seen."""
    loss = LearnedLoss(hidden=8)
    course = meta_train_loss(loss, lines, steps=60, inner_steps=10, inner_lr=0.5, lr=0.05, verify=False)
    assert course.losses[-1] < 0.5 * course.losses[0]
    fresh = lines(torch.Generator().manual_seed(99), tasks=60)
    learned = clean_error(loss.values, fresh)
    assert learned < 0.3 * clean_error(lambda p, t: (p - t) ** 2, fresh)
    assert learned < clean_error(lambda p, t: (p - t).abs(), fresh) + 0.02


def test_meta_training_repeats():
    def train(seed):
        return meta_train_loss(LearnedLoss(hidden=3), lines, steps=3, inner_steps=2, verify=False, seed=seed).losses

    assert train(1) == train(1) != train(2)


@pytest.mark.parametrize("form", ["monotone", "free"])
def test_options_are_those_of_every_loss(form):
    loss = LearnedLoss(form=form, hidden=4)
    x, y = torch.randn(4, 3), torch.randn(4, 3)
    each = LearnedLoss(form=form, hidden=4, reduction="none")(x, y)
    assert_close(loss(x, y), each.mean())
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0])
    assert_close(loss(x, y, sample_weight=weight), (each * weight[:, None]).sum() / 12)
    assert_close(loss(x, y, denominator=5.0), each.sum() / 5)
    mask = torch.tensor([True, False, True, True])
    hurt = torch.where(mask[:, None], x, float("nan")).requires_grad_()
    value = loss(hurt, y, mask=mask)
    assert_close(value, each[mask].mean())
    value.backward()
    assert hurt.grad.isfinite().all() and (hurt.grad[1] == 0).all()
    assert loss(x.half(), y.half()).dtype == torch.float16
    assert loss(x.double(), y.double()).dtype == torch.float64


def test_it_can_be_combined_copied_and_saved(tmp_path):
    loss, x, y = any_weights(1), torch.randn(5), torch.randn(5)
    both = 0.5 * loss + lossary.MSELoss()
    assert_close(both(x, y), 0.5 * loss(x, y) + ((x - y) ** 2).mean())
    loss.save(tmp_path / "loss.pt")
    for twin in (LearnedLoss.load(tmp_path / "loss.pt"), copy.deepcopy(loss)):
        assert torch.equal(twin(x, y), loss(x, y)) and twin.settings == loss.settings


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LearnedLoss(hidden=0), "`hidden` must be a whole number of at least 1"),
        (lambda: LearnedLoss(form="any"), "`form` must be one of 'monotone', 'free', got 'any'"),
        (lambda: LearnedLoss(reduction="all"), "`reduction` must be one of"),
        (lambda: LearnedLoss()(torch.ones(2), torch.ones(2, 1)), "must have one shape, got \\(2,\\) and \\(2, 1\\)"),
        (lambda: LearnedLoss()(torch.ones(2, dtype=torch.long), torch.ones(2)), "`prediction` must be floating-point"),
        (lambda: meta_train_loss(LearnedLoss(), lines, steps=0), "`steps` must be above 0, got 0"),
        (lambda: meta_train_loss(LearnedLoss(), lines, inner_lr=-1.0), "`inner_lr` must be above 0"),
        (lambda: meta_train_loss(LearnedLoss(), lines, inner_lr=1e38, verify=False), "leave the held-out loss finite"),
    ],
)
def test_nonsense_is_one_sentence(call, message):
    with pytest.raises(LossInputError, match=message):
        call()


def test_a_file_that_is_no_loss_is_refused(tmp_path):
    torch.save([1], tmp_path / "other.pt")
    with pytest.raises(LossInputError, match="file that `save` wrote"):
        LearnedLoss.load(tmp_path / "other.pt")
