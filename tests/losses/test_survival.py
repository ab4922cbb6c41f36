"""What is special to the Cox partial likelihood: ties, censoring, masked subjects, and its kinship with ListMLE."""

import math

import pytest
import torch
from torch.testing import assert_close

import lossary

cox = lossary.cox_partial_likelihood_loss


def draw(seed, n=8):
    generator = torch.Generator().manual_seed(seed)
    hazard = torch.randn(n, generator=generator, dtype=torch.float64)
    time = torch.randint(1, 4, (n,), generator=generator).double()
    return hazard, time, torch.tensor([1.0, 0.0, 1.0, 1.0] * (n // 4))


def test_ties_by_hand():
    """Two of three fail at time 1; the third, censored then, is still at risk."""
    hazard, time, event = torch.tensor([0.0, 1.0, 2.0]), torch.ones(3), torch.tensor([1.0, 1.0, 0.0])
    everyone, failing = 1 + math.e + math.e**2, 1 + math.e
    breslow = 2 * math.log(everyone) - 1
    efron = math.log(everyone) + math.log(everyone - failing / 2) - 1
    assert cox(hazard, time, event, ties="breslow", reduction="sum").item() == pytest.approx(breslow)
    assert cox(hazard, time, event, reduction="sum").item() == pytest.approx(efron)


def test_a_subject_censored_earlier_is_not_at_risk():
    # At time 2 the subject of time 1 is gone: log 2 for the first event, nothing for the last.
    value = cox(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 1.0]), reduction="sum")
    assert value.item() == pytest.approx(math.log(2.0))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
class TestBoth:
    def test_without_events_it_is_0(self, ties):
        hazard = torch.randn(4, requires_grad=True)
        value = cox(hazard, torch.rand(4), torch.zeros(4), ties=ties)
        assert value == 0
        assert not torch.autograd.grad(value, hazard)[0].any()

    def test_a_masked_subject_is_in_no_risk_set(self, ties):
        hazard, time, event = draw(0)
        mask = torch.tensor([True, True, False, True, True, False, True, True])
        values = cox(hazard, time, event, ties=ties, mask=mask, reduction="none")
        assert_close(values[mask], cox(hazard[mask], time[mask], event[mask], ties=ties, reduction="none"))
        assert not values[~mask].any()

    def test_mean_over_events(self, ties):
        hazard, time, event = draw(1)
        total = cox(hazard, time, event, ties=ties, reduction="sum")
        assert_close(cox(hazard, time, event, ties=ties, denominator=event.sum()), total / 6)
        assert_close(cox(hazard, time, event, ties=ties), total / 8)

    def test_far_hazards_are_exact(self, ties):
        hazard = torch.tensor([1e4, -1e4, 0.0])
        values = cox(hazard, torch.tensor([3.0, 1.0, 2.0]), torch.ones(3), ties=ties, reduction="none")
        assert values.tolist() == [0.0, 2e4, 1e4]


def test_ties_in_any_order_give_the_same():
    hazard, time, event = draw(2)
    order = torch.tensor([7, 2, 5, 0, 3, 6, 1, 4])
    values = cox(hazard, time, event, reduction="none")
    assert_close(cox(hazard[order], time[order], event[order], reduction="none"), values[order])


def test_breslow_without_censoring_is_listmle():
    """Those who fail early are the first of a ranking."""
    hazard, time, _ = draw(3)
    value = cox(hazard, time, torch.ones(8), ties="breslow", reduction="sum")
    assert_close(lossary.listmle_loss(hazard.unsqueeze(0), 4.0 - time.unsqueeze(0)), value)
