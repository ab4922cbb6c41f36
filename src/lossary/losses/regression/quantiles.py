"""Losses that weigh errors of one sign more: their minimisers are quantiles and expectiles."""

from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Card, Fits, OpenFraction, PairLoss, Positive, Real, Reduce, When, loss, reduce
from lossary.kernels import Element, Elementwise, absolute, minimum, sign, where

__all__ = [
    "ExpectileLoss", "MultiQuantileLoss", "QuantileHuberLoss", "QuantileLoss",
    "expectile_loss", "multi_quantile_loss", "quantile_huber_loss", "quantile_loss",
]  # fmt: skip

QuantileLevels = Annotated[Tensor, Fits("k")]
"""Which quantiles the columns of a prediction are, each in (0, 1), shape ``(k,)``."""


def _pinball(x: Element, y: Element, q: Element) -> tuple[Element, ...]:
    error = y - x
    return 0.5 * absolute(error) + (q - 0.5) * error, 0.5 - q - 0.5 * sign(error)


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
        known_as=("pinball", "quantile", "quantile (pinball)", "check"),
        elsewhere={
            "scikit-learn": "PinballLoss; q is quantile",
            "LightGBM": "objective quantile; q is alpha",
            "pytorch-forecasting": "QuantileLoss; a list of quantiles, twice the value",
        },
    ),
    kernel=Elementwise(_pinball),
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


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n k"), Real("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient"},
        formula=r"\frac1k \sum_{i=1}^k \max\big(q_i (y - x_i), (q_i - 1)(y - x_i)\big)",
        source="doi:10.2307/1913643; for several levels at once arXiv:1711.11053",
        settings=[{"levels": torch.tensor([0.05, 0.25, 0.5, 0.9])}],
        good_at={"quantiles", "intervals", "outliers", "skewed target", "heteroscedastic noise"},
        bad_at={"smooth optimisation"},
        known_as=("multi-quantile", "MQLoss", "quantiles"),
        elsewhere={
            "neuralforecast": "MQLoss; documented as the same, but it sums over the quantiles",
            "pytorch-forecasting": "QuantileLoss; twice the value",
        },
    )
)  # fmt: skip
def multi_quantile_loss(
    prediction: Tensor, target: Tensor, *, levels: QuantileLevels | None = None, **how: Unpack[Reduce]
) -> Tensor:
    """Mean of :func:`quantile_loss` over several quantiles of one target, each a column of the prediction.

    Quantiles may cross; nothing here forbids it. Twice this loss is :func:`quantile_crps_loss`.

    Args:
        prediction: The quantiles, ``(*n, k)``.
        target: What they are quantiles of, ``(*n)``.
        levels: Which quantile each column is, in (0, 1), ``(k,)``. By default the middles of k equal parts of [0, 1],
            as a distribution of k equal steps has them.

    >>> multi_quantile_loss(torch.tensor([[0.0, 2.0]]), torch.tensor([1.0]), levels=torch.tensor([0.25, 0.75]))
    tensor(0.2500)
    """
    if levels is None:
        k = prediction.shape[-1]
        levels = (torch.arange(k, dtype=prediction.dtype, device=prediction.device) + 0.5) / k
    error = target.unsqueeze(-1) - prediction
    return reduce((0.5 * error.abs() + (levels - 0.5) * error).mean(-1), **how)


class MultiQuantileLoss(PairLoss, of=multi_quantile_loss):
    """Module form of :func:`multi_quantile_loss`."""

    levels: QuantileLevels | None = None


def _quantile_huber(x: Element, y: Element, q: Element, delta: Element) -> tuple[Element, ...]:
    error = y - x
    weight = where(error < 0.0, 1.0 - q, q)
    small = minimum(absolute(error), delta)
    return weight * (0.5 * small * small + delta * (absolute(error) - small)), -weight * small * sign(error)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "bounded_gradient",
                "smooth", When("symmetric", "q == 0.5")},
        formula=r"|q - \mathbf 1[r < 0]| \begin{cases} \tfrac12 r^2 & |r| \le \delta \\"
                r" \delta\,(|r| - \tfrac12 \delta) & \text{otherwise} \end{cases}, \quad r = y - x",
        source="arXiv:1710.10044, eq. 10",
        settings=[{"q": 0.9, "delta": 0.1}],
        good_at={"quantiles", "intervals", "outliers", "smooth optimisation"},
        known_as=("quantile Huber", "Huberised quantile", "Huber quantile", "Huberized pinball"),
        elsewhere={
            "RLax": "quantile_regression_loss; q is tau, delta is huber_param; of all pairs of two sets of quantiles,"
            " averaged over the targets and summed over the predictions",
            "neuralforecast": "HuberQLoss; the same",
            "Dopamine": "IQN's loss; divided by delta, which is kappa",
        },
    ),
    kernel=Elementwise(_quantile_huber),
)  # fmt: skip
def quantile_huber_loss(
    prediction: Tensor, target: Tensor, *, q: OpenFraction = 0.5, delta: Positive = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    """:func:`huber_loss` with one weight for too low and another for too high: a quantile loss with a rounded tip.

    Its minimiser lies between the ``q``-quantile, for a small ``delta``, and the ``q``-expectile, for a large one. Far
    from 0 its slope is ``delta`` times that of :func:`quantile_loss`.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        q: Which quantile to estimate.
        delta: The error at which the parabola becomes a line, in units of the target.

    >>> quantile_huber_loss(torch.tensor([0.0, 4.0]), torch.tensor([3.0, 1.0]), q=0.9, reduction="none")
    tensor([2.2500, 0.2500])
    """
    error = target - prediction
    size = error.abs()
    small = size.clamp(max=delta)
    return reduce(_lopsided(0.5 * small**2 + delta * (size - small), error, q), **how)


class QuantileHuberLoss(PairLoss, of=quantile_huber_loss):
    """Module form of :func:`quantile_huber_loss`."""

    q: OpenFraction = 0.5
    delta: Positive = 1.0


def _expectile(x: Element, y: Element, q: Element) -> tuple[Element, ...]:
    error = y - x
    weight = where(error < 0.0, 1.0 - q, q)
    return weight * error * error, -2.0 * weight * error


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "smooth",
                When("symmetric", "q == 0.5")},
        formula=r"|q - \mathbf 1[r < 0]|\, r^2, \quad r = y - x",
        source="doi:10.2307/1911031",
        settings=[{"q": 0.9}, {"q": 0.05}],
        good_at={"smooth optimisation", "skewed target"},
        bad_at={"outliers", "heavy tails"},
        known_as=("expectile", "asymmetric least squares", "expectile (asymmetric least squares)"),
        elsewhere={"RLax": "expectile_loss; takes the error, and q is expectile"},
    ),
    kernel=Elementwise(_expectile),
)  # fmt: skip
def expectile_loss(prediction: Tensor, target: Tensor, *, q: OpenFraction = 0.5, **how: Unpack[Reduce]) -> Tensor:
    """Squared error with one weight for too low and another for too high: its minimiser is the ``q``-expectile.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        q: Which expectile to estimate; 0.5 is the mean, with half the squared error.

    >>> expectile_loss(torch.tensor([0.0, 3.0]), torch.ones(2), q=0.9, reduction="none")
    tensor([0.9000, 0.4000])
    """
    error = target - prediction
    return reduce(_lopsided(error**2, error, q), **how)


class ExpectileLoss(PairLoss, of=expectile_loss):
    """Module form of :func:`expectile_loss`."""

    q: OpenFraction = 0.5


def _lopsided(values: Tensor, error: Tensor, q: float) -> Tensor:
    """``values`` times ``q`` where the prediction is too low and times ``1 - q`` where it is too high."""
    return torch.where(error < 0.0, (1.0 - q) * values, q * values)
