"""Losses for the time until an event, which for some has not been seen to come."""

from typing import Literal

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Binary, Card, NonNegativeReal, Real, TripletLoss, Weighted, When, loss, reduce

from .ranking import log_sum_at_least

__all__ = ["CoxPartialLikelihoodLoss", "cox_partial_likelihood_loss"]


@loss(
    Card(
        task="survival analysis",
        inputs=[Real("n"), NonNegativeReal("n", constant=True), Binary("n")],
        values="n",
        claims={When("nonnegative", "ties == 'breslow'"), "convex", "bounded_gradient", "smooth", "shift_invariant",
                "permutation_invariant"},
        formula=r"\delta_i \Big(\log \sum_{j:\, t_j \ge t_i} e^{h_j} - h_i\Big)",
        source="doi:10.1111/j.2517-6161.1972.tb00899.x, sec. 5; ties: doi:10.1080/01621459.1977.10480613 (Efron),"
               " doi:10.2307/2529620 (Breslow)",
        settings=[{"ties": "breslow"}],
        samples="interacting",
        good_at={"censoring", "smooth optimisation"},
        bad_at={"small batches"},
        known_as=("Cox", "Cox partial likelihood", "CoxPH", "Cox proportional hazards", "DeepSurv",
                  "Cox partial likelihood (Breslow / Efron)"),
        elsewhere={
            "torchsurv": 'neg_partial_log_likelihood(log_hz, event, time): the same two ties; "mean" divides by the'
                         " number of events",
            "pycox": "CoxPHLoss: tied subjects in the order of the batch, so that the value depends on it; divides by"
                     " the number of events",
            "lifelines": "CoxPHFitter: Efron; log_likelihood_ is minus our sum",
        },
    )
)  # fmt: skip
def cox_partial_likelihood_loss(
    log_hazard: Tensor,
    time: Tensor,
    event: Tensor,
    *,
    ties: Literal["efron", "breslow"] = "efron",
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """How surprising it is that each event came to whom it came to, among all who were still at risk.

    One value per subject, 0 for the censored, so that "mean" divides by the number of subjects;
    ``denominator=event.sum()`` makes it the mean over events. Only differences of log-hazards within a batch are
    learned: batches must be large enough to have subjects at risk at each event. Without an event, or with one subject
    alone, it is 0 with a zero gradient. The order of the subjects does not matter, also among equal times.

    Of several events at one time, "breslow" counts all among those at risk for each; "efron" lets them leave one after
    the other, each of them equally likely to have left, and shares the term evenly between them, so that a single value
    may be below 0. A subject censored at the time of an event was still at risk.

    Args:
        log_hazard: Logarithm of each subject's relative hazard, the output of the model, ``(n,)``.
        time: Time of the event or of the censoring, at least 0, in any unit, ``(n,)``; only its order counts.
        event: 1 where the event was seen, 0 where the subject was censored, ``(n,)``.
        ties: How events at the same time are counted.
        mask: True where a subject takes part, ``(n,)``; the others are in no risk set.

    >>> cox_partial_likelihood_loss(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), torch.ones(3), reduction="sum")
    tensor(1.7918)
    """
    if mask is not None:  # a masked event comes as 0, that is censored; at no risk it is in no sum either
        log_hazard = torch.where(mask, log_hazard, torch.finfo(log_hazard.dtype).min)
    at_risk = log_sum_at_least(log_hazard, time)
    values = torch.where(event > 0, at_risk - log_hazard, 0.0)
    if ties == "efron":
        values = values + _efron_correction(log_hazard, time, event, at_risk)
    return reduce(values, mask=mask, **how)


class CoxPartialLikelihoodLoss(TripletLoss, of=cox_partial_likelihood_loss):
    """Module form of :func:`cox_partial_likelihood_loss`."""

    ties: Literal["efron", "breslow"] = "efron"


def _efron_correction(log_hazard: Tensor, time: Tensor, event: Tensor, at_risk: Tensor) -> Tensor:
    """What Efron's term adds to Breslow's for each event: the mean over l < d of log(1 - l / d * D / R).

    d events at one time have the summed hazard D, of R at risk.
    """
    ascending, order = torch.sort(time, stable=True)
    first = torch.searchsorted(ascending, time.contiguous())  # where the subjects of the same time begin: their number

    def at_same_time(x: Tensor) -> Tensor:
        return torch.zeros_like(x).scatter_add(0, first, x)[first]

    events = at_same_time(event)
    ahead = event[order].cumsum(0) - event[order]
    ahead = torch.empty_like(ahead).scatter(0, order, ahead - ahead[first[order]])  # events before, at the same time
    failing = at_same_time(torch.where(event > 0, torch.where(event > 0, log_hazard - at_risk, 0.0).exp(), 0.0))
    left = torch.where(event > 0, torch.log1p(-ahead / events.clamp(min=1.0) * failing), 0.0)
    return torch.where(event > 0, at_same_time(left) / events.clamp(min=1.0), 0.0)
