"""Losses that keep the features of a batch varied and different, and so need no negatives."""

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, Embedding, NonNegative, PairLoss, Positive, Weighted, loss, reduce

__all__ = [
    "BarlowTwinsLoss", "VICRegLoss", "barlow_twins_loss", "vicreg_loss",
]  # fmt: skip


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("n d"), Embedding("n d")],
        values="",
        mask="n",
        samples="interacting",
        claims={"nonnegative", "symmetric", "permutation_invariant", "shift_invariant", "smooth"},
        formula=r"\sum_i (1 - C_{ii})^2 + \lambda \sum_{i \ne j} C_{ij}^2,\quad"
                r" C = \text{correlations of the features of both views}",
        source="arXiv:2103.03230, eq. 1 and 2",
        settings=[{"redundancy_weight": 0.1, "eps": 1e-3}],
        tune={"redundancy_weight": (0.002, 0.005, 0.02)},
        good_at={"small batches", "mode collapse"},
        known_as=("Barlow Twins",),
        elsewhere={
            "lightly": "BarlowTwinsLoss(lambda_param); the same",
            "MONAI": "BarlowTwinsLoss(lambd); divides by the unbiased standard deviation and then by n, so that equal"
            " views have correlations of (n - 1) / n and a loss above 0",
            "catalyst": "BarlowTwinsLoss(offdiag_lambda); as MONAI",
        },
    )
)  # fmt: skip
def barlow_twins_loss(
    first: Tensor,
    second: Tensor,
    *,
    redundancy_weight: NonNegative = 0.005,
    eps: Positive = 1e-5,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Asks that each feature agree between two views over the batch, and that no two features say the same.

    One value for the batch. The features are divided by their standard deviation over the batch, the root of the mean
    square, as in the paper's eq. 2 and the authors' code. The paper's pseudo-code has that of n - 1, with which equal
    views cost d / n^2 more.

    Args:
        first: One view of each sample, ``(n, d)``.
        second: The other view, the same shape.
        redundancy_weight: The weight lambda of the correlations between different features.
        eps: Added to the variances, as in batch normalisation. A feature that does not vary has no correlations.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> barlow_twins_loss(x, x[:, [1, 0]], redundancy_weight=0.5)  # 2 * (1 - 0)^2 + 2 * 0.5 * 1^2
    tensor(3.0000)
    """
    here, number = _here(first, mask)
    a, b = _centred(first, here, number), _centred(second, here, number)
    a = a * (a.square().sum(0) / number + eps).rsqrt()
    b = b * (b.square().sum(0) / number + eps).rsqrt()
    correlation = a.T @ b / number
    own = torch.eye(first.shape[1], dtype=torch.bool, device=first.device)
    each = torch.where(own, (1.0 - correlation).square(), redundancy_weight * correlation.square())
    return reduce(torch.where(here.any(), each.sum(), 0.0), **how)


class BarlowTwinsLoss(PairLoss, of=barlow_twins_loss):
    """Module form of :func:`barlow_twins_loss`."""

    redundancy_weight: NonNegative = 0.005
    eps: Positive = 1e-5


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("n d"), Embedding("n d")],
        values="",
        mask="n",
        samples="interacting",
        claims={"nonnegative", "symmetric", "permutation_invariant"},
        formula=r"\frac\lambda{nd} \|Z - Z'\|^2 + \sum_{X \in \{Z, Z'\}} \Big(\frac\mu d \sum_j"
                r" \max\big(0, \gamma - \sqrt{\mathrm{Var}(X_j) + \epsilon}\big)"
                r" + \frac\nu d \sum_{i \ne j} \mathrm{Cov}(X)_{ij}^2\Big)",
        source="arXiv:2105.04906, eq. 1 to 6 and algorithm 1",
        settings=[{"invariance_weight": 1.0, "variance_weight": 2.0, "covariance_weight": 3.0, "gamma": 1.5}],
        tune={"invariance_weight": (10.0, 25.0), "variance_weight": (10.0, 25.0)},
        good_at={"small batches", "mode collapse"},
        known_as=("VICReg", "variance-invariance-covariance regularisation"),
        elsewhere={
            "authors' code": "halves the variance term: variance_weight 12.5 here is their 25",
            "pytorch-metric-learning": "VICRegLoss(invariance_lambda, variance_mu, covariance_v); as the authors' code",
            "lightly": "VICRegLoss(lambda_param, mu_param, nu_param); as the authors' code",
        },
    )
)  # fmt: skip
def vicreg_loss(
    first: Tensor,
    second: Tensor,
    *,
    invariance_weight: NonNegative = 25.0,
    variance_weight: NonNegative = 25.0,
    covariance_weight: NonNegative = 1.0,
    gamma: Positive = 1.0,
    eps: Positive = 1e-4,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Asks that two views agree, while each feature varies over the batch and no two features vary together.

    One value for the batch. Variances and covariances divide by n - 1; of a single sample they are 0. The invariance
    term is the mean over samples and features of the paper's algorithm 1 (its eq. 5 sums over the features).

    Args:
        first: One view of each sample, ``(n, d)``.
        second: The other view, the same shape.
        invariance_weight: The weight lambda of the mean squared difference of the views.
        variance_weight: The weight mu of what the standard deviations lack of ``gamma``, the sum of both views' means.
        covariance_weight: The weight nu of the squared covariances, the sum of both views'.
        gamma: The standard deviation that is asked of each feature.
        eps: Added to the variances under the root.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # variances and covariances of 2
    >>> vicreg_loss(x, x)  # 1 * (2 * 2^2 / 2) of both views
    tensor(8.)
    """
    here, number = _here(first, mask)
    features = max(first.shape[1], 1)
    difference = torch.where(here.unsqueeze(1), first - second, 0.0)
    total = invariance_weight * difference.square().sum() / (number * features)
    other = ~torch.eye(first.shape[1], dtype=torch.bool, device=first.device)
    for view in (first, second):
        centred = _centred(view, here, number)
        covariance = centred.T @ centred / (number - 1.0).clamp(min=1.0)
        lacking = F.relu(gamma - (covariance.diagonal() + eps).sqrt())
        total = total + variance_weight * lacking.sum() / features
        total = total + covariance_weight * torch.where(other, covariance, 0.0).square().sum() / features
    return reduce(torch.where(here.any(), total, 0.0), **how)


class VICRegLoss(PairLoss, of=vicreg_loss):
    """Module form of :func:`vicreg_loss`."""

    invariance_weight: NonNegative = 25.0
    variance_weight: NonNegative = 25.0
    covariance_weight: NonNegative = 1.0
    gamma: Positive = 1.0
    eps: Positive = 1e-4


def _here(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Which samples take part, and their number, at least 1."""
    here = torch.ones(len(x), dtype=torch.bool, device=x.device) if mask is None else mask
    return here, here.sum().clamp(min=1).to(x.dtype)


def _centred(x: Tensor, here: Tensor, number: Tensor) -> Tensor:
    """``x`` less its mean over the samples that take part, and 0 at the others."""
    x = torch.where(here.unsqueeze(1), x, 0.0)
    return torch.where(here.unsqueeze(1), x - x.sum(0) / number, 0.0)
