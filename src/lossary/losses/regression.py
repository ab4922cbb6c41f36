"""Losses for a real target."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, NonNegative, OpenFraction, PairLoss, Positive, Real, Reduce, When, loss, reduce

__all__ = [
    "HuberLoss", "L1Loss", "LogCoshLoss", "MSELoss", "QuantileLoss", "SmoothL1Loss",
    "huber_loss", "l1_loss", "log_cosh_loss", "mse_loss", "quantile_loss", "smooth_l1_loss",
]  # fmt: skip


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone", "smooth"},
        formula=r"(x - y)^2",
        source="Gauss, Theoria motus (1809), art. 179",
        good_at={"smooth optimisation", "speed", "large errors"},
        bad_at={"outliers", "heavy tails"},
        known_as=("MSE", "mean squared error", "L2"),
    )
)  # fmt: skip
def mse_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Squared error. Its minimiser is the mean, so one outlier can move it without bound.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return reduce((prediction - target) ** 2, **how)


class MSELoss(PairLoss, of=mse_loss):
    """Module form of :func:`mse_loss`."""


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient"},
        formula=r"|x - y|",
        source="Laplace, Mémoire sur la probabilité des causes (1774)",
        good_at={"outliers", "heavy tails", "speed"},
        bad_at={"smooth optimisation", "small errors"},
        known_as=("MAE", "mean absolute error", "L1", "absolute error"),
    )
)  # fmt: skip
def l1_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error. Its minimiser is the median; every error pulls with the same force, however far it is.

    The gradient at an error of 0, where the loss has a kink, is 0.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """
    return reduce((prediction - target).abs(), **how)


class L1Loss(PairLoss, of=l1_loss):
    """Module form of :func:`l1_loss`."""


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", "smooth"},
        formula=r"\begin{cases} \tfrac12 (x - y)^2 & |x - y| \le \delta \\"
                r" \delta\,(|x - y| - \tfrac12 \delta) & \text{otherwise} \end{cases}",
        source="doi:10.1214/aoms/1177703732",
        settings=[{"delta": 0.1}],
        tune={"delta": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("Huber",),
    )
)  # fmt: skip
def huber_loss(prediction: Tensor, target: Tensor, *, delta: Positive = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Quadratic up to ``delta``, linear beyond: an outlier pulls with a force of at most ``delta``.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        delta: The error at which the square becomes a line, in units of the target.

    >>> huber_loss(torch.tensor([0.0, 3.0]), torch.zeros(2), reduction="none")
    tensor([0.0000, 2.5000])
    """
    error = (prediction - target).abs()
    small = error.clamp(max=delta)
    return reduce(0.5 * small**2 + delta * (error - small), **how)


class HuberLoss(PairLoss, of=huber_loss):
    """Module form of :func:`huber_loss`."""

    delta: Positive = 1.0


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", When("smooth", "beta > 0")},
        formula=r"\begin{cases} (x - y)^2 / (2\beta) & |x - y| < \beta \\ |x - y| - \tfrac12 \beta & \text{otherwise}"
                r" \end{cases}",
        source="arXiv:1504.08083, eq. 3",
        settings=[{"beta": 0.1}, {"beta": 0.0}],
        tune={"beta": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("smooth L1", "Huber / beta"),
    )
)  # fmt: skip
def smooth_l1_loss(prediction: Tensor, target: Tensor, *, beta: NonNegative = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error with a rounded tip: :func:`huber_loss` over its ``delta``, so that the slope far away is 1.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        beta: The error at which the square becomes a line, in units of the target; 0 gives :func:`l1_loss`.

    >>> smooth_l1_loss(torch.tensor([0.0, 3.0]), torch.zeros(2), beta=2.0, reduction="none")
    tensor([0., 2.])
    """
    return reduce(F.smooth_l1_loss(prediction, target, beta=beta, reduction="none"), **how)


class SmoothL1Loss(PairLoss, of=smooth_l1_loss):
    """Module form of :func:`smooth_l1_loss`."""

    beta: NonNegative = 1.0


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", "smooth"},
        formula=r"\log \cosh (x - y)",
        source="arXiv:2208.04564, eq. 3",
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("log-cosh",),
    )
)  # fmt: skip
def log_cosh_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    r"""Half the squared error near 0, the absolute error less :math:`\log 2` far away, and smooth in every derivative.

    Computed as :math:`\tfrac12 \log(1 + \sinh^2 r)` up to 1, which keeps small errors exact, and as
    :math:`|r| + \mathrm{softplus}(-2|r|)` beyond, which does not overflow.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> log_cosh_loss(torch.tensor([0.0, 1000.0]), torch.zeros(2), reduction="none")
    tensor([  0.0000, 999.3068])
    """
    error = (prediction - target).abs()
    near = error.clamp(max=1.0)
    beyond = error - near
    far = beyond + F.softplus(-2.0 * (1.0 + beyond)) - math.log1p(math.exp(-2.0))
    return reduce(0.5 * torch.log1p(torch.sinh(near) ** 2) + far, **how)


class LogCoshLoss(PairLoss, of=log_cosh_loss):
    """Module form of :func:`log_cosh_loss`."""


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "bounded_gradient",
                When("symmetric", "q == 0.5")},
        formula=r"\max\big(q (y - x), (q - 1)(y - x)\big)",
        source="doi:10.2307/1913643",
        settings=[{"q": 0.9}, {"q": 0.05}],
        good_at={"quantiles", "intervals", "outliers", "skewed target"},
        bad_at={"smooth optimisation"},
        known_as=("pinball", "quantile", "pinball loss"),
    )
)  # fmt: skip
def quantile_loss(prediction: Tensor, target: Tensor, *, q: OpenFraction = 0.5, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error with one weight for too low and another for too high: its minimiser is the ``q``-quantile.

    The gradient at an error of 0, where the loss has a kink, is the mean of its two slopes, 0.5 - q.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        q: Which quantile to estimate; 0.5 is the median, with half the absolute error.

    >>> quantile_loss(torch.tensor([0.0, 2.0]), torch.ones(2), q=0.9, reduction="none")
    tensor([0.9000, 0.1000])
    """
    error = target - prediction
    return reduce(0.5 * error.abs() + (q - 0.5) * error, **how)


class QuantileLoss(PairLoss, of=quantile_loss):
    """Module form of :func:`quantile_loss`."""

    q: OpenFraction = 0.5
