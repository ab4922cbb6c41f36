"""What is special to divergences: torch's reductions and traps, zero probabilities, and clouds with weights."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lossary

HALVES = torch.tensor([[0.5, 0.5]], dtype=torch.float64)


def draw(seed=0, *shape):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, *(shape or (5, 4)), generator=generator, dtype=torch.float64)
    return z[0].log_softmax(1), z[1].softmax(1)


def clouds(seed=0, n=3, m=5, k=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, m, 2, generator=generator, dtype=torch.float64)
    return x, torch.randn(n, k, 2, generator=generator, dtype=torch.float64)


class TestKL:
    @pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning")  # which is the point
    @pytest.mark.parametrize("log_target", [False, True])
    def test_torch(self, log_target):
        log_probs, target = draw(0, 5, 4, 3)
        target = target.log() if log_target else target

        def theirs(reduction):
            return nn.KLDivLoss(reduction=reduction, log_target=log_target)(log_probs, target)

        def ours(reduction):
            return lossary.KLDivLoss(reduction=reduction, log_target=log_target)(log_probs, target)

        assert_close(ours("none"), theirs("none").sum(1))
        assert_close(ours("sum"), theirs("sum"))
        assert_close(ours("mean"), 4 * theirs("mean"))  # theirs divides by the 4 classes
        assert_close(ours("mean"), theirs("batchmean") / 3)  # theirs divides by n alone, not by the 3 places

    def test_what_never_happens_may_be_excluded(self):
        log_probs = torch.tensor([[0.0, -torch.inf]], dtype=torch.float64, requires_grad=True)
        value = lossary.kl_div_loss(log_probs, torch.tensor([[1.0, 0.0]]))
        assert value == 0
        assert torch.autograd.grad(value, log_probs)[0].tolist() == [[-1.0, 0.0]]
        assert nn.functional.kl_div(log_probs, torch.tensor([[1.0, 0.0]], dtype=torch.float64), reduction="sum").isnan()
        log_target = torch.tensor([[0.0, -torch.inf]], dtype=torch.float64)
        assert lossary.kl_div_loss(log_probs, log_target, log_target=True) == 0

    def test_what_happens_may_not(self):
        assert lossary.kl_div_loss(torch.tensor([[0.0, -torch.inf]]), HALVES.float()) == torch.inf

    def test_log_target_is_a_divergence_too(self):
        log_probs, target = draw()
        assert_close(lossary.kl_div_loss(log_probs, target.log(), log_target=True),
                     lossary.kl_div_loss(log_probs, target))  # fmt: skip


class TestJensenShannon:
    def test_certain_opposites_reach_the_bound(self):
        log_probs = torch.tensor([[0.0, -torch.inf]], dtype=torch.float64, requires_grad=True)
        value = lossary.jensen_shannon_loss(log_probs, torch.tensor([[0.0, 1.0]]), beta=0.3)
        assert value.item() == pytest.approx(-0.3 * math.log(0.3) - 0.7 * math.log(0.7))
        assert torch.autograd.grad(value, log_probs)[0].isfinite().all()

    def test_at_its_ends_it_is_a_share_of_the_divergences(self):
        log_probs, target = draw()
        forward, reverse = lossary.kl_div_loss(log_probs, target), lossary.kl_div_loss(target.log(), log_probs.exp())
        assert_close(lossary.jensen_shannon_loss(log_probs, target, beta=1e-6) / 1e-6, forward, rtol=1e-4, atol=0.0)
        assert_close(lossary.jensen_shannon_loss(log_probs, target, beta=1 - 1e-6) / 1e-6, reverse, rtol=1e-4, atol=0.0)


class TestSinkhorn:
    def test_a_whole_mass_is_the_same_as_repeated_points(self):
        x, y = clouds()
        weight = torch.tensor([1.0, 2.0, 1.0, 3.0, 0.0])
        repeated = x.repeat_interleave(weight.long(), 1)
        assert_close(lossary.sinkhorn_divergence_loss(x, y, weight=weight.expand(3, 5), iterations=400, blur=0.5),
                     lossary.sinkhorn_divergence_loss(repeated, y, iterations=400, blur=0.5),
                     rtol=1e-4, atol=1e-6)  # fmt: skip

    def test_a_shift_costs_half_its_square(self):
        x, _ = clouds()
        value = lossary.sinkhorn_divergence_loss(x + torch.tensor([3.0, 4.0]), x, blur=0.5, iterations=200)
        assert value.item() == pytest.approx(12.5, rel=1e-3)

    def test_one_pair_of_clouds_is_a_batch_of_one(self):
        x, y = clouds()
        value = lossary.sinkhorn_divergence_loss(x[0], y[0])
        assert_close(value, lossary.sinkhorn_divergence_loss(x[:1], y[:1]))
        assert lossary.sinkhorn_divergence_loss(x[0], y[0], reduction="none").shape == ()

    def test_the_same_points_cost_exactly_nothing(self):
        x, _ = clouds()
        assert not lossary.sinkhorn_divergence_loss(x, x, reduction="none").any()

    def test_gradient_steps_match_the_clouds(self):
        x, y = clouds()
        x = x[:, :4].clone()
        for _ in range(30):
            x.requires_grad_()
            (slope,) = torch.autograd.grad(lossary.sinkhorn_divergence_loss(x, y, blur=0.1, reduction="sum"), x)
            x = (x - 2.0 * slope).detach()
        assert torch.cdist(x, y).min(1).values.max() < 0.05

    def test_the_gradient_flows_into_the_weights(self):
        x, y = clouds()
        weight = torch.rand(3, 5, dtype=torch.float64).add(0.1).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda w: lossary.sinkhorn_divergence_loss(x, y, weight=w, iterations=5, blur=0.5), weight
        )

    def test_weights_must_fit(self):
        x, y = clouds()
        with pytest.raises(lossary.core.LossInputError, match=r"`weight` must have the shape \(3, 5\), got \(5,\)"):
            lossary.sinkhorn_divergence_loss(x, y, weight=torch.ones(5))
        with pytest.raises(lossary.core.LossInputError, match=r"`target_weight` must have the shape \(3, 4\)"):
            lossary.sinkhorn_divergence_loss(x, y, target_weight=torch.ones(3, 5))

    def test_a_module_keeps_its_weights(self):
        x, y = clouds()
        weight = torch.rand(3, 5, dtype=torch.float64)
        module = lossary.SinkhornDivergenceLoss(weight=weight, iterations=5)
        assert_close(module(x, y), lossary.sinkhorn_divergence_loss(x, y, weight=weight, iterations=5))
        assert list(module.state_dict()) == ["weight"]


class TestMMD:
    def test_bandwidths_are_averaged(self):
        x, y = clouds()
        each = [lossary.mmd_loss(x, y, bandwidths=(b,)) for b in (0.3, 1.0, 5.0)]
        assert_close(lossary.mmd_loss(x, y, bandwidths=(0.3, 1.0, 5.0)), sum(each) / 3)

    def test_the_unbiased_one_by_hand(self):
        # k(0, 1) = e^-0.5 within x, nothing within y (one point), k(0, 0) = 1 and k(1, 0) = e^-0.5 across.
        x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0]])
        expected = math.exp(-0.5) + 0.0 - (1.0 + math.exp(-0.5))
        assert lossary.mmd_loss(x, y, unbiased=True).item() == pytest.approx(expected)

    @pytest.mark.parametrize("bandwidths", [(), (1.0, 0.0)])
    def test_bandwidths_must_be_above_0(self, bandwidths):
        with pytest.raises(
            lossary.core.LossInputError, match="`bandwidths` must be a tuple, each part a number above 0"
        ):
            lossary.mmd_loss(*clouds(), bandwidths=bandwidths)
