"""Edges and reductions of the losses of preferences."""

import math

import pytest
import torch
from torch.testing import assert_close

import lossary


def test_without_a_preference_every_pair_costs_log_two():
    same = torch.full((3,), -7.0)
    assert_close(lossary.dpo_loss(same, same, same, same), torch.tensor(math.log(2.0)))
    assert_close(lossary.simpo_loss(same, same, margin=0.0), torch.tensor(math.log(2.0)))


def test_dpo_with_label_smoothing_has_its_minimum_at_the_log_odds():
    """Where the chance of a right label is 0.8 the best scaled margin is log(0.8 / 0.2)."""
    zero = torch.zeros(1, dtype=torch.float64)
    chosen = torch.tensor([math.log(4.0) / 0.1], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lossary.dpo_loss(chosen, zero, zero, zero, label_smoothing=0.2), chosen)
    assert_close(gradient, torch.zeros_like(gradient))


def test_ipo_stops_at_its_target_and_the_hinge_falls_silent_there():
    zero = torch.zeros(1)
    assert lossary.ipo_loss(torch.tensor([5.0]), zero, zero, zero, beta=0.1) == 0.0  # 1 / (2 * 0.1)
    assert lossary.preference_hinge_loss(torch.tensor([10.0]), zero, zero, zero, beta=0.1) == 0.0  # 1 / 0.1


def test_an_output_is_preferred_by_log_ratio_and_not_by_probability():
    """The rejected output is likelier under the policy; against the reference it lost."""
    policy, reference = (torch.tensor([-30.0]), torch.tensor([-10.0])), (torch.tensor([-40.0]), torch.tensor([-5.0]))
    assert lossary.dpo_loss(*policy, *reference) < math.log(2.0)


def test_orpo_is_finite_at_certainty():
    one, half = torch.zeros(1, requires_grad=True), torch.tensor([0.5]).log()
    for chosen, rejected in ((one, half), (half, one), (one, one)):
        value = lossary.orpo_loss(chosen, rejected)
        (gradient,) = torch.autograd.grad(value, one)
        assert value.isfinite() and gradient.isfinite().all()


def test_kto_takes_one_point_of_reference():
    x = torch.full((3,), -1.0)
    with pytest.raises(lossary.core.LossInputError, match="kl"):
        lossary.kto_loss(x, x, torch.zeros(3), torch.ones(3))


def test_references_may_not_need_a_gradient_to_be_held():
    """A reference that shares the policy's graph is constant all the same."""
    shared = torch.tensor([-3.0], requires_grad=True)
    value = lossary.dpo_loss(shared, torch.tensor([-4.0]), shared, torch.tensor([-4.0]))
    (gradient,) = torch.autograd.grad(value, shared)
    assert_close(gradient, torch.tensor([-0.05]))  # -beta * sigmoid(0): the policy's part alone
