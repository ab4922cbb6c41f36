"""Whose turn it is: sequences written out by hand, and a critic whose lead has a known balance."""

import json
from itertools import islice

import pytest
import torch
from torch.testing import assert_close

from lossary.core import LossInputError
from lossary.multitask import Alternation, critic_accuracy, overfitting_gap, overfitting_sign


def turns(alternation, n):
    return "".join(turn[0] for turn in islice(alternation, n))


def test_fixed_rounds():
    assert turns(Alternation(), 4) == "cgcg"
    assert turns(Alternation(critic=3), 8) == "cccgcccg"
    assert turns(Alternation(critic=2, generator=2), 8) == "ccggccgg"
    alternation = Alternation(critic=5)
    assert [turn for _, turn in zip(range(6), alternation, strict=False)] == ["critic"] * 5 + ["generator"]
    assert alternation.steps == {"critic": 5, "generator": 1}


def told(lead, times=1, **how):
    alternation = Alternation(target=0.6, every=2, **how)
    for _ in range(2 * times):
        alternation.observe(lead)
    return alternation.critic, alternation.generator


def test_a_critic_that_is_ahead_gets_fewer_steps():
    assert told(0.9, critic=3) == (2, 1)
    assert told(0.9) == (1, 2)
    assert told(0.9, times=9, most=3) == (1, 3)
    assert told(0.1) == (2, 1)
    assert told(0.1, generator=3) == (1, 2)
    assert told(0.1, times=9, most=3) == (3, 1)
    assert told(0.6) == (1, 1)


def test_the_mean_decides_and_only_when_it_is_whole():
    alternation = Alternation(target=0.5, every=3)
    for lead in (1.0, torch.tensor(1.0)):
        alternation.observe(lead)
        assert (alternation.critic, alternation.generator) == (1, 1)
    alternation.observe(-2.0)  # a mean of 0
    assert (alternation.critic, alternation.generator) == (2, 1)


def test_a_round_that_has_begun_is_finished():
    alternation = Alternation(critic=2, target=0.5, every=1)
    assert next(alternation) == "critic"
    alternation.observe(1.0)
    assert turns(alternation, 4) == "cgcg"


@pytest.mark.parametrize(("gain", "loss"), [(1.0, 3.0), (3.0, 1.0), (1.0, 1.0)])
def test_it_finds_the_ratio_at_which_the_lead_stays(gain, loss):
    """Each step of the critic adds ``gain`` to its lead, each of the generator takes ``loss``: loss to gain is even."""
    alternation = Alternation(target=0.6, every=4)
    lead = 5.0
    for turn in islice(alternation, 4000):
        lead += 0.01 * gain if turn == "critic" else -0.01 * loss
        alternation.observe(lead)
    assert lead == pytest.approx(0.6, abs=0.5)
    before = dict(alternation.steps)
    for turn in islice(alternation, 4000):
        lead += 0.01 * gain if turn == "critic" else -0.01 * loss
        alternation.observe(lead)
    share = (alternation.steps["critic"] - before["critic"]) / (alternation.steps["generator"] - before["generator"])
    assert share == pytest.approx(loss / gain, rel=0.05)


def test_it_goes_on_from_its_state():
    alternation = Alternation(critic=3, target=0.6, every=3)
    for lead in (torch.tensor(0.9), 0.9, 0.9, 0.2):
        next(alternation)
        alternation.observe(lead)
    state = json.loads(json.dumps(alternation.state_dict()))
    assert state["seen"] == [0.2]
    twin = Alternation(target=0.6, every=3)
    twin.load_state_dict(state)
    assert twin.state_dict() == alternation.state_dict()
    for _ in range(20):
        assert next(twin) == next(alternation)
        twin.observe(0.1)
        alternation.observe(0.1)
    assert twin.steps == alternation.steps


def test_signs_and_gaps():
    assert_close(overfitting_sign(torch.tensor([[3.0, -0.1], [0.0, 1.0]])), torch.tensor(0.25))
    train, fake = torch.tensor([2.0, 4.0]), torch.tensor([-1.0])
    for validation, expected in ((3.0, 0.0), (1.0, 0.5), (-1.0, 1.0)):
        assert_close(overfitting_gap(train, torch.tensor([validation]), fake), torch.tensor(expected))
    assert_close(overfitting_gap(fake, train, fake), torch.tensor(0.0))


def test_accuracy_counts_both_kinds_alike():
    real, fake = torch.tensor([1.0, 1.0, 1.0, 1.0]), torch.tensor([1.0])
    assert_close(critic_accuracy(real, fake), torch.tensor(0.5))
    assert_close(critic_accuracy(real, -fake), torch.tensor(1.0))
    assert_close(critic_accuracy(0 * real, 0 * fake), torch.tensor(0.5))


def test_scores_need_no_gradient():
    scores = torch.ones(2, requires_grad=True)
    assert not overfitting_sign(scores).requires_grad
    assert not critic_accuracy(scores, scores).requires_grad
    assert not overfitting_gap(scores, scores, scores).requires_grad


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: Alternation(critic=0), "Alternation: `critic` must be a whole number of at least 1, got 0"),
        (lambda: Alternation(generator=1.5), "Alternation: `generator` must be a whole number of at least 1, got 1.5"),
        (lambda: Alternation(target=0.6, every=0), "Alternation: `every` must be"),
        (lambda: Alternation(2, 2, target=0.6), "one of the two must begin with 1 step .* got 2 and 2"),
        (lambda: Alternation(6, target=0.6), "the other with at most 5, got 6 and 1"),
        (lambda: Alternation().observe(0.5), "`observe` must come with a `target`"),
        (lambda: Alternation(target=0.6).observe(torch.ones(2)), r"`lead` must be one number, got shape \(2,\)"),
        (lambda: Alternation(target=0.6, every=1).observe(float("nan")), "`lead` must be a finite number"),
        (lambda: Alternation().load_state_dict({"critic": 1}), "`state` must be of state_dict"),
    ],
)
def test_refuses_with_one_sentence(act, sentence):
    with pytest.raises(LossInputError, match=sentence):
        act()
