"""The continuous ranked probability score of a predicted distribution, given in three ways.

It is the integral of the squared difference between the predicted distribution function and the step at the target: the
absolute error of a distribution, in units of the target, and equal to it where the distribution is a point.
"""

import math

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Card, LossInputError, PairLoss, PositiveReal, Real, Reduce, TripletLoss, loss, reduce
from lossary.losses.regression.quantiles import QuantileLevels, multi_quantile_loss

__all__ = [
    "EnsembleCRPSLoss", "GaussianCRPSLoss", "QuantileCRPSLoss",
    "ensemble_crps_loss", "gaussian_crps_loss", "quantile_crps_loss",
]  # fmt: skip


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n"), PositiveReal("*n")],
        values="*n",
        claims={"nonnegative", "symmetric", "convex", "monotone", "bounded_gradient"},
        formula=r"\sigma \Big(z \big(2 \Phi(z) - 1\big) + 2 \varphi(z) - \frac{1}{\sqrt\pi}\Big),"
                r" \quad z = \frac{y - \mu}{\sigma}",
        source="doi:10.1175/MWR2904.1, eq. 5",
        good_at={"heteroscedastic noise", "intervals", "outliers"},
        known_as=("Gaussian CRPS", "normal CRPS", "CRPS closed-form"),
        elsewhere={"scoringrules": "crps_normal; the same"},
    )
)  # fmt: skip
def gaussian_crps_loss(prediction: Tensor, target: Tensor, scale: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """CRPS of a normal distribution: a likelihood's rival that an outlier cannot drive without bound.

    Args:
        prediction: The mean, any shape ``(*n)``.
        target: The same shape.
        scale: The standard deviation, above 0, the same shape, in units of the target.

    >>> gaussian_crps_loss(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 100.0]), torch.ones(2), reduction="none")
    tensor([ 0.2337, 99.4358])
    """
    error = prediction - target
    z = error / scale
    density = torch.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    # The error times erf, not the scale times z times erf: its gradient in the scale is a difference of huge numbers.
    return reduce(error * torch.erf(z / math.sqrt(2.0)) + scale * (2.0 * density - 1.0 / math.sqrt(math.pi)), **how)


class GaussianCRPSLoss(TripletLoss, of=gaussian_crps_loss):
    """Module form of :func:`gaussian_crps_loss`."""


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n m"), Real("*n")],
        values="*n",
        claims={"nonnegative", "bounded_gradient"},
        formula=r"\frac1m \sum_i |x_i - y| - \frac{1}{2 m^2} \sum_{i, j} |x_i - x_j| \;"
                r"\Big(\text{fair: } \frac{1}{2 m (m - 1)}\Big)",
        source="doi:10.1198/016214506000001437, eq. 21; fair doi:10.1002/qj.2270",
        settings=[{"fair": True}],
        good_at={"heteroscedastic noise", "intervals", "outliers", "heavy tails", "skewed target"},
        known_as=("CRPS", "ensemble CRPS", "CRPS ensemble", "CRPS (ensemble, closed-form, quantile)", "fair CRPS"),
        elsewhere={"scoringrules": 'crps_ensemble; estimator "nrg" is the same, "fair" is fair=True and "pwm" too'},
    )
)  # fmt: skip
def ensemble_crps_loss(prediction: Tensor, target: Tensor, *, fair: bool = False, **how: Unpack[Reduce]) -> Tensor:
    """CRPS of the distribution that has a step at each of m members, or an estimate of that which they are drawn from.

    Members are pulled to the target and pushed apart. Costs as much as sorting the members.

    Args:
        prediction: The members, in any order, ``(*n, m)``.
        target: ``(*n)``.
        fair: Whether members are a random sample of the distribution that is meant. Then the expected score is best for
            members that are drawn as the target is, where else a narrower ensemble would do better. Takes two members
            at least; of two, where they lie does not matter if the target is between them.

    >>> ensemble_crps_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([2.0]))
    tensor(0.5000)
    >>> ensemble_crps_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([2.0]), fair=True)
    tensor(0.)
    """
    m = prediction.shape[-1]
    if m < (2 if fair else 1):
        raise LossInputError(f"ensemble_crps_loss: `prediction` must have {1 + fair} members or more, got {m}.")
    accuracy = (prediction - target.unsqueeze(-1)).abs().mean(-1)
    # The k-th smallest member is the larger one of k - 1 pairs and the smaller one of m - k.
    rank = torch.arange(1 - m, m, 2, dtype=prediction.dtype, device=prediction.device)
    spread = (rank * prediction.sort(-1).values).sum(-1) / (m * (m - 1) if fair else m * m)
    return reduce(accuracy - spread, **how)


class EnsembleCRPSLoss(PairLoss, of=ensemble_crps_loss):
    """Module form of :func:`ensemble_crps_loss`."""

    fair: bool = False


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n k"), Real("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient"},
        formula=r"\frac2k \sum_{i=1}^k \max\big(q_i (y - x_i), (q_i - 1)(y - x_i)\big)",
        source="doi:10.1198/jbes.2010.08110",
        settings=[{"levels": torch.tensor([0.05, 0.25, 0.5, 0.9])}],
        good_at={"quantiles", "intervals", "heteroscedastic noise", "outliers", "heavy tails", "skewed target"},
        bad_at={"smooth optimisation"},
        known_as=("quantile CRPS", "CRPS quantile"),
        elsewhere={"scoringrules": "crps_quantile; the same"},
    )
)  # fmt: skip
def quantile_crps_loss(
    prediction: Tensor, target: Tensor, *, levels: QuantileLevels | None = None, **how: Unpack[Reduce]
) -> Tensor:
    """CRPS of a distribution of which k quantiles are given: twice :func:`multi_quantile_loss`.

    At the default levels it is the CRPS of the distribution with equal steps at the quantiles, so that for sorted
    members it is :func:`ensemble_crps_loss`. With other levels it is an approximation, good where they are evenly
    spaced.

    Args:
        prediction: The quantiles, ``(*n, k)``.
        target: ``(*n)``.
        levels: Which quantile each column is, in (0, 1), ``(k,)``; by default the middles of k equal parts of [0, 1].

    >>> quantile_crps_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([2.0]))
    tensor(0.5000)
    """
    return reduce(2.0 * multi_quantile_loss(prediction, target, levels=levels, reduction="none"), **how)


class QuantileCRPSLoss(PairLoss, of=quantile_crps_loss):
    """Module form of :func:`quantile_crps_loss`."""

    levels: QuantileLevels | None = None
