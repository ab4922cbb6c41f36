"""What is special to adversarial losses: who learns from what, and the gradients of a critic."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lossary


def samples(seed=0):
    return torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestGenerators:
    def test_the_saturating_one_fades_where_it_is_found_out_and_the_other_does_not(self):
        logits = torch.tensor([-20.0], requires_grad=True)
        (saturating,) = torch.autograd.grad(lossary.minimax_generator_loss(logits), logits)
        (other,) = torch.autograd.grad(lossary.nonsaturating_generator_loss(logits), logits)
        assert -1e-8 < saturating.item() < 0.0
        assert other.item() == pytest.approx(-1.0)

    def test_it_is_a_zero_sum_game_at_the_generated_samples(self):
        logits, real = samples()
        only_real = lossary.minimax_discriminator_loss(real, torch.full_like(real, -1e4))
        total = lossary.minimax_discriminator_loss(real, logits) + lossary.minimax_generator_loss(logits)
        assert_close(total, only_real)

    def test_binary_cross_entropy_says_the_same(self):
        real, fake = samples()
        ours = lossary.minimax_discriminator_loss(real, fake)
        assert_close(ours, lossary.bce_with_logits_loss(real, torch.ones_like(real))
                     + lossary.bce_with_logits_loss(fake, torch.zeros_like(fake)))  # fmt: skip


def test_beyond_the_margin_the_hinge_is_silent():
    real, fake = torch.tensor([1.5], requires_grad=True), torch.tensor([-1.5], requires_grad=True)
    value = lossary.hinge_discriminator_loss(real, fake)
    assert value == 0
    assert [g.item() for g in torch.autograd.grad(value, [real, fake])] == [0.0, 0.0]


class TestGradients:
    def test_input_gradient_is_that_of_each_sample(self):
        x, _ = samples()
        assert_close(lossary.input_gradient(lambda x: (x**3).sum(1), x), 3 * x**2)
        assert_close(lossary.input_gradient(lambda x: x**3, x), 3 * x**2)  # several scores each

    def test_it_flows_on_into_the_critic_but_not_into_the_samples(self):
        x, _ = samples()
        x.requires_grad_()
        critic = nn.Linear(3, 1, dtype=torch.float64)
        value = lossary.gradient_penalty_loss(lossary.input_gradient(critic, x))
        (slope,) = torch.autograd.grad(value, critic.weight, retain_graph=True)
        norm = critic.weight.norm()
        assert_close(slope, (2 * (norm - 1) * critic.weight / norm).detach())
        assert torch.autograd.grad(value, x, allow_unused=True)[0] is None

    def test_it_works_where_gradients_are_off(self):
        x, _ = samples()
        with torch.no_grad():
            assert_close(lossary.input_gradient(lambda x: (x**2).sum(1), x), 2 * x)

    def test_points_lie_between_the_samples_one_share_for_each(self):
        real, fake = samples()
        points = lossary.interpolated_gradient(
            lambda x: (x**2).sum(1) / 2, real, fake, generator=torch.Generator().manual_seed(3)
        )
        share = torch.rand(4, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        assert_close(points, share * real + (1 - share) * fake)

    def test_images_have_one_share_too(self):
        real, fake = torch.zeros(5, 2, 3, 3), torch.ones(5, 2, 3, 3)
        points = lossary.interpolated_gradient(lambda x: (x**2).flatten(1).sum(1) / 2, real, fake).flatten(1)
        assert (points == points[:, :1]).all()
        assert len(points[:, 0].unique()) == 5

    def test_the_same_seed_draws_the_same_points(self):
        real, fake = samples()

        def drawn(seed):
            generator = torch.Generator().manual_seed(seed)
            return lossary.interpolated_gradient(lambda x: (x**2).sum(1), real, fake, generator=generator)

        assert torch.equal(drawn(1), drawn(1))
        assert not torch.equal(drawn(1), drawn(2))

    def test_shapes_must_agree(self):
        with pytest.raises(lossary.core.LossInputError, match=r"`fake` must have the shape \(4, 3\) of `real`"):
            lossary.interpolated_gradient(lambda x: x.sum(1), torch.zeros(4, 3), torch.zeros(3, 3))


class TestPenalties:
    def test_a_critic_of_slope_1_costs_nothing(self):
        gradient = nn.functional.normalize(samples()[0], dim=1)
        assert lossary.gradient_penalty_loss(gradient).abs() < 1e-30
        assert_close(lossary.r1_penalty_loss(gradient).item(), 0.5)

    def test_one_sided_lets_flat_critics_be(self):
        gradient = torch.tensor([[0.3, 0.4], [3.0, 4.0]])
        assert lossary.gradient_penalty_loss(gradient, one_sided=True, reduction="none").tolist() == [0.0, 16.0]
        assert lossary.gradient_penalty_loss(gradient, reduction="none").tolist() == [0.25, 16.0]

    @pytest.mark.parametrize("loss", [lossary.gradient_penalty_loss, lossary.r1_penalty_loss])
    def test_masks_of_samples_and_of_elements(self, loss):
        gradient, _ = samples()
        by_sample = torch.tensor([True, False, True, True])
        assert_close(loss(gradient, mask=by_sample), loss(gradient[by_sample]))
        by_element = torch.tensor([True, True, False]).expand(4, 3)
        assert_close(loss(gradient, mask=by_element), loss(gradient[:, :2]))
