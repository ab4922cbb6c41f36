"""Uncertainty weighting against torchjd."""

import pytest
import torch
from torchjd.scalarization import UW

import lossary
from tests.oracles.agreement import agree


@pytest.mark.parametrize("seed", range(3))
def test_uncertainty_weighting(seed):
    def theirs(task_losses, log_variances):
        scalarizer = UW(3)
        del scalarizer.log_var
        scalarizer.log_var = log_variances
        return scalarizer(task_losses)

    g = torch.Generator().manual_seed(seed)
    task_losses = torch.rand(3, generator=g, dtype=torch.float64) * 10
    log_variances = torch.randn(3, generator=g, dtype=torch.float64)
    agree(lossary.uncertainty_weighting_loss, theirs, task_losses, log_variances, gradient_in=(0, 1))
