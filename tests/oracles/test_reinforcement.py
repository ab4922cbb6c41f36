"""Losses of policies and values against values recorded from RLax, Liger and OpenRLHF."""

import pytest
import torch
from torch.nn import functional as F

import lossary
from tests.oracles.recording import agree_with_record, origin, recorded


@pytest.mark.parametrize("entry", recorded("reinforcement", "policy_gradient"), ids=origin)
def test_policy_gradient(entry):
    """RLax takes the logits of all actions."""

    def of_logits(logits, action, advantage):
        log_probs = F.log_softmax(logits, 1).gather(1, action[:, None])[:, 0]
        return lossary.policy_gradient_loss(log_probs, advantage)

    agree_with_record(of_logits, entry)


@pytest.mark.parametrize("entry", recorded("reinforcement", "negative_entropy"), ids=origin)
def test_negative_entropy(entry):
    agree_with_record(lossary.negative_entropy_loss, entry)


@pytest.mark.parametrize("entry", recorded("reinforcement", "ppo_clip"), ids=origin)
def test_ppo_clip(entry):
    agree_with_record(lossary.ppo_clip_loss, entry)


@pytest.mark.parametrize("entry", recorded("reinforcement", "td"), ids=origin)
def test_td(entry):
    agree_with_record(lossary.td_loss, entry)


@pytest.mark.parametrize("entry", recorded("reinforcement", "clipped_value"), ids=origin)
def test_clipped_value(entry):
    agree_with_record(lossary.clipped_value_loss, entry)


@pytest.mark.parametrize("entry", recorded("reinforcement", "grpo"), ids=origin)
def test_grpo(entry):
    agree_with_record(lossary.grpo_loss, entry)


@pytest.mark.parametrize("entry", recorded("reinforcement", "grpo_over_the_batch"), ids=origin)
def test_grpo_over_the_tokens_of_the_batch_is_that_of_groups_weighted_by_their_tokens(entry):
    def ours(*tensors, **options):
        return lossary.grpo_loss(*tensors, sample_weight=tensors[-1].sum((1, 2)).detach(), **options)

    agree_with_record(ours, entry)


def test_records_reach_both_sides_of_the_clipping():
    """A record in which nothing is clipped would not tell PPO from a plain policy gradient."""
    entry = recorded("reinforcement", "ppo_clip")[0]
    log_probs, old, advantage = (torch.tensor(x) for x in entry["inputs"])
    ratio = (log_probs - old).exp()
    clipped = ((ratio > 1.1) & (advantage > 0)) | ((ratio < 0.9) & (advantage < 0))
    assert clipped.any() and not clipped.all()


def test_records_have_groups_of_different_length():
    """Else the mean over the tokens of the batch would be that over the groups, whatever the weights."""
    masks = [torch.tensor(entry["inputs"][-1]) for entry in recorded("reinforcement", "grpo_over_the_batch")]
    assert any(a != b for a, b in (mask.sum((1, 2)) for mask in masks))
