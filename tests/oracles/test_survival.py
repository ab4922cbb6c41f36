"""The Cox partial likelihood against lifelines, and values recorded from torchsurv and statsmodels."""

import pandas as pd
import pytest
import torch
from lifelines import CoxPHFitter

import lossary
from tests.oracles.recording import agree_with_record, recorded


@pytest.mark.parametrize(
    "entry", recorded("survival", "cox_partial_likelihood"), ids=lambda e: f"{e['library']} {e['call']}"
)
def test_as_recorded(entry):
    # torchsurv computes in float32.
    tolerance = {"rtol": 1e-6, "atol": 1e-7} if entry["library"] == "torchsurv" else {"rtol": 1e-12, "atol": 1e-13}
    agree_with_record(lossary.cox_partial_likelihood_loss, entry, **tolerance)


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_of_lifelines_is_the_least_value(seed):
    """lifelines fits by Efron: at its estimate our sum is minus its log-likelihood, and our slope is 0."""
    generator = torch.Generator().manual_seed(seed)
    covariates = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    time = torch.randint(1, 12, (60,), generator=generator).double()
    event = (torch.rand(60, generator=generator) < 0.7).double()
    frame = pd.DataFrame(covariates.numpy(), columns=["a", "b", "c"]).assign(time=time.numpy(), event=event.numpy())
    fit = CoxPHFitter().fit(frame, duration_col="time", event_col="event", fit_options={"precision": 1e-10})

    weights = torch.tensor(fit.params_.to_numpy(), requires_grad=True)
    value = lossary.cox_partial_likelihood_loss(covariates @ weights, time, event, reduction="sum")
    assert value.item() == pytest.approx(-fit.log_likelihood_, rel=1e-9)
    (slope,) = torch.autograd.grad(value, weights)
    assert slope.abs().max() < 1e-5
    off = lossary.cox_partial_likelihood_loss(covariates @ (weights + 0.1), time, event, reduction="sum")
    assert off > value + 0.01
