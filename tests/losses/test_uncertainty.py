"""Uncertainty weighting and its module, which owns the log-variances."""

import copy
import pickle

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError


def module():
    made = lossary.UncertaintyWeightingLoss(3)
    with torch.no_grad():
        made.log_variances.copy_(torch.tensor([0.0, 1.0, -1.0]))
    return made


def test_the_best_variance_is_the_loss():
    """At s = log L each task adds (1 + log L) / 2 and s gets no gradient."""
    task_losses = torch.tensor([0.5, 2.0, 100.0])
    s = task_losses.log().requires_grad_()
    value = lossary.uncertainty_weighting_loss(task_losses, s)
    assert_close(value, (0.5 * (1 + task_losses.log())).sum())
    (gradient,) = torch.autograd.grad(value, s)
    assert_close(gradient, torch.zeros(3), rtol=0, atol=1e-6)


def test_the_module_is_the_function_and_so_are_its_copies():
    task_losses, original = torch.tensor([1.0, 2.0, 3.0]), module()
    wanted = lossary.uncertainty_weighting_loss(task_losses, original.log_variances)
    loaded = lossary.UncertaintyWeightingLoss(3)
    loaded.load_state_dict(original.state_dict())
    for form in (original, pickle.loads(pickle.dumps(original)), copy.deepcopy(original), loaded):
        assert torch.equal(form(task_losses), wanted)


def test_the_module_learns_its_variances():
    made = module()
    made(torch.tensor([2.0, 2.0, 3.0])).backward()
    assert made.log_variances.grad.all()
    assert [name for name, _ in made.named_parameters()] == ["log_variances"]


def test_a_masked_task_may_be_missing():
    mask = torch.tensor([True, False, True])
    value = module()(torch.tensor([1.0, float("nan"), 3.0]), mask=mask)
    wanted = lossary.uncertainty_weighting_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, -1.0]))
    assert_close(value, wanted)


def test_a_module_has_at_least_one_task():
    with pytest.raises(LossInputError, match="`num_tasks` must be a whole number of at least 1, got 0"):
        lossary.UncertaintyWeightingLoss(0)
