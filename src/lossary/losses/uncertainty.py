"""Losses that weigh the losses of several tasks by a learned uncertainty."""

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from lossary.core import Card, Real, Reduction, SingleLoss, Weighted, Within, loss, masked_sum, reduce, require

__all__ = ["UncertaintyWeightingLoss", "uncertainty_weighting_loss"]


@loss(
    Card(
        task="multi-task learning",
        inputs=[Real("n"), Real("n", low=-30.0, high=30.0)],
        values="",
        mask="n",
        samples="interacting",
        claims={"convex", "smooth", "bounded_gradient", "permutation_invariant"},
        formula=r"\tfrac12 \sum_i \big(e^{-s_i} L_i + s_i\big)",
        source="arXiv:1705.07115, eq. 7",
        good_at={"unstable training"},
        known_as=("uncertainty weighting", "homoscedastic uncertainty weighting", "Kendall uncertainty", "UW"),
        elsewhere={
            "torchjd": "UW; the same sum",
            "LibMTL": "UW; the same weights, log-variances begin at -0.5, where the module here begins at 0",
        },
    )
)  # fmt: skip
def uncertainty_weighting_loss(
    task_losses: Tensor, log_variances: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]
) -> Tensor:
    r"""Sum of the losses of several tasks, each divided by a learned variance that pays for being large.

    A task weighs :math:`e^{-s}/2`; at the optimum of ``s``, which is :math:`\log L`, tasks of any scale pull alike. The
    sum may be negative. The factor 1/2 is that of a squared error under Gaussian noise; for a task whose loss is a
    cross-entropy the paper leaves it out (eq. 10), which is to pass twice that loss.

    Args:
        task_losses: One loss per task, ``(n,)``.
        log_variances: Logarithm of the noise variance of each task, ``(n,)``, to be learned; it should stay within
            [-30, 30].
        mask: True where a task counts, ``(n,)``.

    >>> uncertainty_weighting_loss(torch.tensor([2.0, 4.0]), torch.zeros(2))
    tensor(3.)
    """
    return reduce(masked_sum(0.5 * (torch.exp(-log_variances) * task_losses + log_variances), mask, -1), **how)


class UncertaintyWeightingLoss(SingleLoss, of=uncertainty_weighting_loss):
    """Module form of :func:`uncertainty_weighting_loss`; it learns the log-variances, which begin at 0.

    Give its parameters to the optimizer beside those of the model.
    """

    def __init__(self, num_tasks: int, *, reduction: Reduction = "mean") -> None:
        require(Within(1, whole=True), "UncertaintyWeightingLoss", "num_tasks", num_tasks)
        super().__init__(reduction=reduction)
        self.log_variances = nn.Parameter(torch.zeros(num_tasks))

    def forward(
        self,
        *tensors: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        return super().forward(
            *tensors, self.log_variances, sample_weight=sample_weight, mask=mask, denominator=denominator
        )
