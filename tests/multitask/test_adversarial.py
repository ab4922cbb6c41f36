"""Generator against discriminator: answers worked out by hand, and the Dirac-GAN, whose behaviour is published."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lossary import (
    L1Loss,
    NonsaturatingGeneratorLoss,
    R1PenaltyLoss,
    WassersteinCriticLoss,
    WassersteinGeneratorLoss,
    r1_penalty_loss,
)
from lossary.core import LossInputError
from lossary.losses.adversarial import input_gradient
from lossary.multitask import AdaptiveWeight, Combination, Lazy, MultitaskLoss, Ramp, gradient_ratio


class Slope(nn.Module):
    """Its gradient is its target."""

    def forward(self, input, target):
        return (input * target).sum()


def slopes(weighting, **gradients):
    """One step at a point in which each task has the gradient given; ``None`` is a missing task."""
    loss = MultitaskLoss({name: Slope() for name in gradients}, weighting)
    point = torch.zeros(2, requires_grad=True)
    targets = {name: None if g is None else torch.tensor(g) for name, g in gradients.items()}
    total = loss(dict.fromkeys(gradients, point), targets, shared=[point])
    return loss, point, total, targets


def test_the_ratio_is_of_lengths_over_all_parameters():
    first, second = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    reference = (torch.tensor([3.0, 0.0]) * first).sum() + 4.0 * second.sum()  # length 5
    loss = 0.5 * second.sum()
    assert_close(gradient_ratio(reference, loss, [first, second], delta=0.0), torch.tensor(10.0))
    assert_close(gradient_ratio(reference, loss, [first, second], delta=0.5), torch.tensor(5.0))
    assert_close(gradient_ratio(reference, loss, second, delta=0.0), torch.tensor(8.0))
    assert first.grad is None and second.grad is None


def test_the_ratio_ends_somewhere():
    layer = torch.zeros(1, requires_grad=True)
    nothing = 0.0 * layer.sum()
    assert_close(gradient_ratio(layer.sum(), nothing, layer), torch.tensor(1e4))  # 1 over 1e-6, held at the limit
    assert_close(gradient_ratio(layer.sum(), nothing, layer, delta=0.0), torch.tensor(1e4))
    assert_close(gradient_ratio(nothing, nothing, layer, delta=0.0), torch.tensor(1.0))
    assert_close(gradient_ratio(layer.sum(), nothing, layer, limit=7.0), torch.tensor(7.0))


def test_the_ratio_is_a_constant_to_the_gradient():
    layer = torch.tensor([2.0], requires_grad=True)
    reference, loss = layer.square().sum(), layer.pow(3).sum()
    weight = gradient_ratio(reference, loss, layer, delta=0.0)
    assert not weight.requires_grad
    (reference + weight * loss).backward()
    assert_close(layer.grad, torch.tensor([2 * 4.0]))  # both lengths are that of the reference, 2 x


def test_all_tasks_pull_as_hard_as_the_reference():
    loss, point, total, _ = slopes(
        AdaptiveWeight("a", {"c": 0.5}, delta=0.0), a=[0.0, 5.0], b=[1e-3, 0.0], c=[50.0, 0.0]
    )
    assert list(loss.last.weights.values()) == pytest.approx([1.0, 5e3, 0.05])
    assert loss.last.backward_passes == 4
    total.backward()
    assert_close(point.grad, torch.tensor([5.0 + 2.5, 5.0]))


def test_the_reference_weighs_one_whatever_delta_is():
    loss, *_ = slopes(AdaptiveWeight("a", delta=1.0), a=[2.0, 0.0], b=[3.0, 0.0])
    assert list(loss.last.weights.values()) == pytest.approx([1.0, 0.5])


def test_the_last_ratio_holds_where_there_is_none_to_measure():
    loss, point, _, targets = slopes(AdaptiveWeight("a", delta=0.0), a=[6.0, 0.0], b=[3.0, 0.0])
    for given in ({"b": targets["b"]}, targets):
        loss.train(len(given) == 1)
        loss(dict.fromkeys(given, point), given)
        assert loss.last.weights["b"] == pytest.approx(2.0)
    fresh = MultitaskLoss({"a": Slope(), "b": Slope()}, AdaptiveWeight("a"))
    fresh.load_state_dict(loss.state_dict())
    for twin in (fresh, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        twin.eval()
        twin(dict.fromkeys(targets, point), targets)
        assert twin.last.weights["b"] == pytest.approx(2.0)


def test_the_game_begins_late():
    """As VQGAN is trained: the discriminator is let in at a step, at 0.8 of the ratio."""
    torch.manual_seed(0)
    encoder, decoder, critic = nn.Linear(4, 3), nn.Linear(3, 4), nn.Linear(4, 1)
    weighting = AdaptiveWeight("pixels", {"game": Ramp(0.0, 0.8, steps=1, after=1)}, delta=0.0)
    loss = MultitaskLoss({"pixels": L1Loss(), "game": NonsaturatingGeneratorLoss()}, weighting)
    real = torch.randn(8, 4)
    for step in range(3):
        fake = decoder(encoder(real))
        outputs, targets = {"pixels": fake, "game": critic(fake)}, {"pixels": real, "game": ()}
        total = loss(outputs, targets, shared=[decoder.weight])
        parts = [outputs["game"].neg().exp().log1p().mean(), (fake - real).abs().mean()]
        game, pixels = (torch.autograd.grad(p, decoder.weight, retain_graph=True)[0].norm() for p in parts)
        expected = float(0.8 * pixels / game) if step == 2 else 0.0
        assert loss.last.weights["game"] == pytest.approx(expected, rel=1e-5)
        total.backward()
    assert encoder.weight.grad is not None


def dirac_gan(penalty, *, steps=500, lr=0.05):
    """Generator at theta, real data at 0, discriminator psi x: Mescheder et al., arXiv:1801.04406, definition 2.1.

    The distance from the equilibrium (0, 0) after so many steps of each in turn; it sets out from the root of 2.
    """
    theta, psi = torch.tensor([1.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    critic_loss, generator_loss = WassersteinCriticLoss(), WassersteinGeneratorLoss()
    real = torch.zeros(1, 1)

    def critic(x):
        return x @ psi

    for step in range(steps):
        loss = critic_loss(critic(real), critic(theta.detach()[None]))
        if penalty.due(step):
            loss = loss + penalty(step) * r1_penalty_loss(input_gradient(critic, real))
        (slope,) = torch.autograd.grad(loss, psi)
        psi.data -= lr * slope
        (slope,) = torch.autograd.grad(generator_loss(critic(theta[None])), theta)
        theta.data -= lr * slope
    return math.hypot(theta.item(), psi.item())


@pytest.mark.parametrize("every", [1, 4, 16])
def test_r1_makes_the_dirac_gan_converge_also_if_it_is_lazy(every):
    """Unregularised it goes round for ever; with R1 it converges, by exp(-gamma / 2) a unit of time (sec. 2 and 4)."""
    assert dirac_gan(Lazy(0.0, every=every)) == pytest.approx(2**0.5, rel=0.05)
    assert dirac_gan(Lazy(0.5, every=every)) < 2**0.5 * math.exp(-0.25 * 0.05 * 500 * 0.8)


def test_lazy_counts_as_much_as_at_every_step():
    for every in (1, 3, 16):
        weights = [Lazy(10.0, every=every)(step) for step in range(48)]
        assert sum(weights) == pytest.approx(480.0)
        assert [step for step, weight in enumerate(weights) if weight] == list(range(0, 48, every))


def test_lazy_is_a_weight_of_a_term():
    loss = Lazy(10.0, every=2) * R1PenaltyLoss()
    gradient = torch.tensor([[3.0, 4.0]])
    assert isinstance(loss, Combination)
    assert [float(loss(gradient)) for _ in range(4)] == [20 * 12.5, 0.0, 20 * 12.5, 0.0]
    assert pickle.loads(pickle.dumps(loss)).weights(6) == {"r1_penalty": 20.0}


def test_settings_of_adam():
    """StyleGAN2's own: a rate of 0.002 and betas 0 and 0.99 with the penalty at every 16th step."""
    settings = Lazy(10.0, every=16).adam(lr=0.002, betas=(0.0, 0.99))
    assert settings == {"lr": pytest.approx(0.002 * 16 / 17), "betas": (0.0, pytest.approx(0.99 ** (16 / 17)))}
    # k steps of the one decay as much as k + 1 of the other
    assert settings["betas"][1] ** 17 == pytest.approx(0.99**16)
    torch.optim.Adam([nn.Parameter(torch.zeros(1))], **settings)


def pair(weighting):
    return MultitaskLoss({"a": Slope(), "b": Slope()}, weighting)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: pair(AdaptiveWeight("c")), "AdaptiveWeight: `reference` must be of the tasks a, b; got 'c'"),
        (lambda: pair(AdaptiveWeight("a", {"c": 1.0})), "AdaptiveWeight: `factor` must be of the tasks a, b; got 'c'"),
        (
            lambda: pair(AdaptiveWeight("a", {"b": math.nan})),
            "`weights of b at step 0` must be a finite number",
        ),
        (lambda: AdaptiveWeight("a", delta=-1.0), "AdaptiveWeight: `delta` must be at least 0"),
        (lambda: AdaptiveWeight("a", limit=0.0), "AdaptiveWeight: `limit` must be above 0"),
        (lambda: gradient_ratio(torch.ones(()), torch.ones(()), []), "`at` must hold at least one parameter"),
        (lambda: gradient_ratio(torch.ones(()), torch.ones(()), [], delta=math.nan), "`delta` must be at least 0"),
        (lambda: Lazy(1.0, every=0), "Lazy: `every` must be at least 1, got 0"),
        (lambda: Lazy(math.inf), "Lazy: `weights of the penalty at step 0` must be a finite number"),
    ],
)
def test_refuses_with_one_sentence(act, sentence):
    with pytest.raises(LossInputError, match=sentence):
        act()
