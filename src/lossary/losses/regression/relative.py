"""Losses that measure an error against the size of what it is an error of."""

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Card, NonNegativeReal, PairLoss, Positive, Real, Reduce, loss, reduce
from lossary.kernels import Element, Elementwise, absolute, log1p, maximum, sign, where

__all__ = ["MAPELoss", "MSLELoss", "SMAPELoss", "mape_loss", "msle_loss", "smape_loss"]


def _mape(x: Element, y: Element, eps: Element) -> tuple[Element, ...]:
    unit = maximum(absolute(y), eps)
    return absolute(x - y) / unit, sign(x - y) / unit


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "convex", "monotone", "bounded_gradient"},
        formula=r"\frac{|x - y|}{\max(|y|, \epsilon)}",
        source="doi:10.1016/0169-2070(93)90079-3",
        settings=[{"eps": 0.5}],
        good_at={"relative errors"},
        bad_at={"zeros", "smooth optimisation", "small errors"},
        known_as=("MAPE", "mean absolute percentage error"),
        elsewhere={
            "keras": "MeanAbsolutePercentageError; in percent, eps is 1e-7",
            "torchmetrics": "mean_absolute_percentage_error; the same, eps is 1.17e-6",
            "scikit-learn": "mean_absolute_percentage_error; eps is 2.2e-16",
        },
    ),
    kernel=Elementwise(_mape),
)  # fmt: skip
def mape_loss(prediction: Tensor, target: Tensor, *, eps: Positive = 1e-6, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error over the absolute target, as a fraction: an error of a tenth of the target costs 0.1.

    It is lopsided: a prediction can be too low by at most the whole target, but too high without bound, so minimising
    it errs low. Where the target is 0 the value is the error over ``eps``, which drowns all others and may overflow
    half precision: mask such samples, or choose an ``eps`` that means something.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape, not near 0.
        eps: What the error is divided by at least, in units of the target.

    >>> mape_loss(torch.tensor([9.0, 3.0]), torch.tensor([10.0, 2.0]), reduction="none")
    tensor([0.1000, 0.5000])
    """
    return reduce((prediction - target).abs() / target.abs().clamp(min=eps), **how)


class MAPELoss(PairLoss, of=mape_loss):
    """Module form of :func:`mape_loss`."""

    eps: Positive = 1e-6


def _smape(x: Element, y: Element, eps: Element) -> tuple[Element, ...]:
    size = absolute(x) + absolute(y)
    unit = maximum(size, eps)
    value = 2.0 * absolute(x - y) / unit
    return value, (2.0 * sign(x - y) - value * where(size >= eps, sign(x), 0.0)) / unit


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "bounded_gradient",
                "redescending"},
        formula=r"\frac{2\,|x - y|}{\max(|x| + |y|, \epsilon)}",
        source="Armstrong, Long-Range Forecasting (1985), p. 348; with absolute values"
               " doi:10.1016/0169-2070(93)90079-3",
        settings=[{"eps": 0.5}],
        good_at={"relative errors", "zeros"},
        bad_at={"smooth optimisation", "vanishing gradient"},
        known_as=("SMAPE", "symmetric MAPE", "symmetric mean absolute percentage error"),
        elsewhere={
            "torchmetrics": "symmetric_mean_absolute_percentage_error; the same, eps is 1.17e-6",
            "pytorch-forecasting": "SMAPE; the same, eps 1e-8 is added to the denominator",
            "M4 competition": "sMAPE; in percent, from 0 to 200",
        },
    ),
    kernel=Elementwise(_smape),
)  # fmt: skip
def smape_loss(prediction: Tensor, target: Tensor, *, eps: Positive = 1e-6, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error over the mean size of prediction and target, from 0 to 2.

    It is 2 wherever the two differ in sign or one of them is 0, and the gradient there is 0: it can't train a model
    that starts on the wrong side of 0.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        eps: What twice the error is divided by at least, in units of the target.

    >>> smape_loss(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([3.0, 2.0, 0.0]), reduction="none")
    tensor([1., 2., 0.])
    """
    size = prediction.abs() + target.abs()
    return reduce(2.0 * (prediction - target).abs() / size.clamp(min=eps), **how)


class SMAPELoss(PairLoss, of=smape_loss):
    """Module form of :func:`smape_loss`."""

    eps: Positive = 1e-6


def _msle(x: Element, y: Element) -> tuple[Element, ...]:
    error = log1p(x) - log1p(y)
    return error * error, 2.0 * error / (1.0 + x)


@loss(
    Card(
        task="regression",
        inputs=[NonNegativeReal("*n"), NonNegativeReal("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "smooth"},
        formula=r"\big(\log(1 + x) - \log(1 + y)\big)^2",
        source="Kaggle, Heritage Health Prize (2011), under a root",
        good_at={"relative errors", "skewed target", "zeros"},
        bad_at={"large errors"},
        known_as=("MSLE", "mean squared logarithmic error", "squared log error"),
        elsewhere={
            "keras": "MeanSquaredLogarithmicError; takes negative numbers for 1e-7, where the gradient is then 0",
            "torchmetrics": "mean_squared_log_error; the same",
        },
    ),
    kernel=Elementwise(_msle),
)  # fmt: skip
def msle_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Squared difference of logarithms, each of one more than the number, so that 0 is allowed.

    Well above 1 it measures the ratio of the two, well below 1 their difference. Its minimiser is near the geometric
    mean, below the mean. A prediction of -1 or less gives NaN: let the model's output pass a softplus.

    Args:
        prediction: At least 0, any shape ``(*n)``.
        target: At least 0, the same shape.

    >>> msle_loss(torch.tensor([0.0, torch.e - 1]), torch.tensor([0.0, 0.0]), reduction="none")
    tensor([0., 1.])
    """
    return reduce((torch.log1p(prediction) - torch.log1p(target)) ** 2, **how)


class MSLELoss(PairLoss, of=msle_loss):
    """Module form of :func:`msle_loss`."""
