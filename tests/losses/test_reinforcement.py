"""Edges and reductions of the losses of policies and values."""

import math

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError


def grpo_inputs(rewards, tokens):
    rewards, tokens = torch.tensor(rewards), torch.tensor(tokens)
    same = torch.full(tokens.shape, -1.0)
    return same, same, same, rewards, tokens


def test_ppo_of_the_policy_that_acted_has_the_policy_gradient():
    log_probs = torch.tensor([-1.0, -2.0], requires_grad=True)
    advantage = torch.tensor([2.0, -3.0])
    (ppo,) = torch.autograd.grad(lossary.ppo_clip_loss(log_probs, log_probs.detach(), advantage), log_probs)
    (plain,) = torch.autograd.grad(lossary.policy_gradient_loss(log_probs, advantage), log_probs)
    assert_close(ppo, plain)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.5, 1.0, False), (0.5, -1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (1.25, 1.0, False), (1.1, 1.0, True)],
)
def test_ppo_stops_only_where_the_change_has_helped(ratio, advantage, moves):
    log_probs = torch.tensor([ratio]).log().requires_grad_()
    (gradient,) = torch.autograd.grad(
        lossary.ppo_clip_loss(log_probs, torch.zeros(1), torch.tensor([advantage])), log_probs
    )
    assert bool(gradient.any()) == moves


def test_clip_higher_leaves_room_above():
    log_probs = torch.tensor([1.25]).log()
    value = lossary.ppo_clip_loss(log_probs, torch.zeros(1), torch.ones(1), clip_high=0.28)
    assert_close(value, torch.tensor(-1.25))


def test_a_huge_ratio_is_finite_and_still_pulls_back():
    log_probs = torch.tensor([900.0], requires_grad=True)
    value = lossary.ppo_clip_loss(log_probs, torch.zeros(1), -torch.ones(1))
    (gradient,) = torch.autograd.grad(value, log_probs)
    assert value.isfinite() and gradient.isfinite().all() and (gradient > 0).all()


def test_nothing_follows_the_end_of_an_episode():
    value, reward = torch.tensor([1.0]), torch.tensor([3.0])
    end = lossary.td_loss(value, reward, torch.tensor([1e6]), torch.tensor([True]))
    assert_close(end, torch.tensor(2.0))  # half of (3 - 1) squared


def test_td_with_delta_is_huber():
    value, zero = torch.tensor([3.0]), torch.zeros(1)
    assert_close(lossary.td_loss(value, zero, zero, zero, delta=1.0), torch.tensor(2.5))  # 3 - 1/2


def test_uniform_choice_has_the_lowest_negative_entropy():
    assert_close(lossary.negative_entropy_loss(torch.zeros(1, 8)), torch.tensor(-math.log(8.0)))
    assert lossary.negative_entropy_loss(torch.tensor([[1e4, 0.0]])) == 0.0


def test_grpo_advantages_are_rewards_in_sample_standard_deviations():
    """Rewards 1, 2, 3 have the mean 2 and the deviation 1: on policy the gradient is -(-1, 0, 1) / 3 completions."""
    *inputs, tokens = grpo_inputs([[1.0, 2.0, 3.0]], [[[1.0], [1.0], [1.0]]])
    log_probs = inputs[0].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(lossary.grpo_loss(log_probs, *inputs[1:], tokens), log_probs)
    assert_close(gradient.flatten(), torch.tensor([1.0, 0.0, -1.0]) / 3, rtol=2e-4, atol=0)


def test_equal_rewards_teach_nothing():
    *inputs, tokens = grpo_inputs([[5.0, 5.0]], [[[1.0, 1.0], [1.0, 0.0]]])
    log_probs = inputs[0].clone().requires_grad_()
    value = lossary.grpo_loss(log_probs, *inputs[1:], tokens)
    (gradient,) = torch.autograd.grad(value, log_probs)
    assert value == 0 and not gradient.any()


def test_a_completion_without_tokens_is_as_if_absent():
    whole = grpo_inputs([[1.0, 0.0]], [[[1.0, 1.0], [1.0, 0.0]]])
    rewards, tokens = [[1.0, float("nan"), 0.0]], [[[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]]
    for average in ("sequence", "group", "constant"):
        inputs = list(grpo_inputs(rewards, tokens))
        inputs[0] = inputs[0].clone()
        inputs[0][0, 1] = torch.nan
        assert_close(
            lossary.grpo_loss(*inputs, token_average=average), lossary.grpo_loss(*whole, token_average=average)
        )


def test_how_tokens_are_averaged():
    """Advantages 1/2 and -1/2, of one token and of three, at a ratio of 1: the loss of a token is -1/2 or 1/2."""
    inputs = grpo_inputs([[1.0, 0.0]], [[[1, 0, 0, 0], [1, 1, 1, 0]]])
    for average, max_length, wanted in (
        ("sequence", None, 0.0),
        ("group", None, 0.25),  # (-1/2 + 3/2) / 4
        ("constant", None, 0.125),  # (-1/2 + 3/2) / (2 * 4)
        ("constant", 10, 0.05),  # (-1/2 + 3/2) / (2 * 10)
    ):
        value = lossary.grpo_loss(*inputs, token_average=average, max_length=max_length, scale_by_std=False)
        assert_close(value, torch.tensor(wanted), rtol=0, atol=1e-6)


def test_max_length_goes_with_the_constant_alone():
    inputs = grpo_inputs([[1.0, 0.0]], [[[1.0], [1.0]]])
    with pytest.raises(LossInputError, match="`max_length` must come with"):
        lossary.grpo_loss(*inputs, max_length=4)
