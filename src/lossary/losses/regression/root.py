"""Roots of a mean over the whole batch: one value, in units of the target (or of its logarithm)."""

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Card, NonNegativeReal, PairLoss, Real, Weighted, loss, masked_sum, reduce

__all__ = ["RMSELoss", "RMSLELoss", "rmse_loss", "rmsle_loss"]


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="",
        mask="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "convex", "monotone", "bounded_gradient",
                "permutation_invariant"},
        formula=r"\sqrt{\frac1n \sum_i (x_i - y_i)^2}",
        source="Gauss, Theoria combinationis (1823)",
        samples="interacting",
        good_at={"large errors"},
        bad_at={"outliers", "heavy tails", "small errors"},
        known_as=("RMSE", "root mean squared error"),
        elsewhere={"torchmetrics": "mean_squared_error(squared=False); the same"},
    )
)  # fmt: skip
def rmse_loss(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """Root of the mean squared error of the batch: :func:`mse_loss` in units of the target.

    Its minimum is that of :func:`mse_loss`, but its gradient has the same length however small the errors are, so that
    it does not settle without a decaying learning rate. Roots of parts of a batch don't average to the root of the
    whole. At a perfect prediction, where it has a kink, its gradient is 0. It is one value, so ``sample_weight`` is one
    number.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> rmse_loss(torch.tensor([3.0, 0.0, 0.0, 4.0]), torch.zeros(4))
    tensor(2.5000)
    """
    return reduce(_root_mean((prediction - target) ** 2, mask), **how)


class RMSELoss(PairLoss, of=rmse_loss):
    """Module form of :func:`rmse_loss`."""


@loss(
    Card(
        task="regression",
        inputs=[NonNegativeReal("*n"), NonNegativeReal("*n")],
        values="",
        mask="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "monotone", "permutation_invariant"},
        formula=r"\sqrt{\frac1n \sum_i \big(\log(1 + x_i) - \log(1 + y_i)\big)^2}",
        source="Kaggle, Heritage Health Prize (2011)",
        samples="interacting",
        good_at={"relative errors", "skewed target", "zeros"},
        bad_at={"small errors"},
        known_as=("RMSLE", "root mean squared logarithmic error"),
        elsewhere={"scikit-learn": "root_mean_squared_log_error; the same"},
    )
)  # fmt: skip
def rmsle_loss(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """Root of the mean squared logarithmic error of the batch: :func:`msle_loss` under one root.

    At a perfect prediction, where it has a kink, its gradient is 0. It is one value, so ``sample_weight`` is one
    number.

    Args:
        prediction: At least 0, any shape ``(*n)``.
        target: At least 0, the same shape.

    >>> rmsle_loss(torch.tensor([torch.e**3 - 1, 0.0, 0.0, torch.e**4 - 1]), torch.zeros(4))
    tensor(2.5000)
    """
    return reduce(_root_mean((torch.log1p(prediction) - torch.log1p(target)) ** 2, mask), **how)


class RMSLELoss(PairLoss, of=rmsle_loss):
    """Module form of :func:`rmsle_loss`."""


def _root_mean(squares: Tensor, mask: Tensor | None) -> Tensor:
    """Root of the mean of what ``mask`` keeps; 0 with a zero gradient where that is nothing or all 0."""
    everything = tuple(range(squares.ndim))
    total = masked_sum(squares, mask, everything)
    count = masked_sum(torch.ones_like(squares), mask, everything).clamp(min=1.0)
    zero = total == 0
    return torch.where(zero, 0.0, (torch.where(zero, 1.0, total) / count).sqrt())
