"""Losses that weigh an error by its distance from the boundary, and the distance maps they need."""

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Binary, Card, PairLoss, Positive, Probability, Real, Weighted, loss, reduce

from .areas import any_pixel, pixel_mean

__all__ = [
    "BoundaryLoss", "HausdorffDTLoss", "LogHausdorffDTLoss",
    "boundary_loss", "distance_transform", "hausdorff_dt_loss", "log_hausdorff_dt_loss", "signed_distance_map",
]  # fmt: skip

_ROWS = 16
"""How many positions along a line are worked on at once; bounds the memory to that many images."""


def distance_transform(region: Tensor) -> Tensor:
    """Euclidean distance, in pixels, from each pixel of a region to the nearest one outside it; 0 outside.

    Exact, with operations of fixed shape on any device. A region without an outside has distance 0 everywhere. The work
    grows with the number of pixels times the longest side; no gradient flows.

    Args:
        region: Above 0.5 inside, ``(n, c, *d)``; each sample and class is an image of its own.

    >>> distance_transform(torch.tensor([[[0.0, 1.0, 1.0, 1.0, 0.0]]]))
    tensor([[[0., 1., 2., 1., 0.]]])
    """
    dtype = region.dtype if region.is_floating_point() else torch.get_default_dtype()
    inside = region > 0.5
    squared = torch.zeros_like(inside, dtype=dtype).masked_fill(inside, torch.inf)
    for axis in range(2, region.ndim):
        squared = _nearest_along(squared, axis)
    return torch.where(squared.isinf(), 0.0, squared).sqrt()


def _nearest_along(squared: Tensor, axis: int) -> Tensor:
    """For each position on a line the least of ``squared`` there or elsewhere, plus the squared way to go.

    Done for one axis after the other this gives the squared Euclidean distance (Felzenszwalb and Huttenlocher 2012).
    """
    line = squared.movedim(axis, 0).unsqueeze(1)  # a minimum over the first dimension is the fastest to take
    at = torch.arange(line.shape[0], dtype=squared.dtype, device=squared.device)
    ways = (at.unsqueeze(1) - at).square().reshape(len(at), len(at), *[1] * (squared.ndim - 1))
    parts = [(line + rows).amin(0) for rows in torch.split(ways, _ROWS, dim=1)]
    return torch.cat(parts).movedim(0, axis)


def signed_distance_map(target: Tensor) -> Tensor:
    """Distance of each pixel to the boundary of a region, negative inside: the input of :func:`boundary_loss`.

    As the authors of the boundary loss compute it: 0 at the pixels just inside the boundary, 1 just outside. A region
    that is empty or full has no boundary, and 0 everywhere.

    Args:
        target: Above 0.5 inside, ``(n, c, *d)``; each sample and class is an image of its own.

    >>> signed_distance_map(torch.tensor([[[0.0, 0.0, 1.0, 1.0, 1.0, 0.0]]]))
    tensor([[[ 2.,  1.,  0., -1.,  0.,  1.]]])
    """
    inner, outer = distance_transform(target), distance_transform(1 - target)
    return outer - torch.where(inner > 0, inner - 1, 0.0)


def _boundary_distance(region: Tensor) -> Tensor:
    """Distance to the nearest pixel on the other side of the boundary."""
    return distance_transform(region) + distance_transform(1 - region)


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Real("n c *d", constant=True)],
        values="n c",
        mask="n c *d",
        claims={"convex", "smooth", "bounded_gradient", "permutation_invariant"},
        formula=r"\frac{1}{|\Omega|} \sum_{i \in \Omega} \phi_i\, p_i",
        source="arXiv:1812.07032, L_B",
        good_at={"boundary accuracy", "class imbalance", "small regions"},
        bad_at={"region overlap", "unstable training"},
        known_as=("boundary (distance-map)", "surface loss"),
        elsewhere={"MONAI": "BoundaryLoss; takes the target and makes the map at each call"},
    )
)
def boundary_loss(probs: Tensor, distance: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """Mean distance from the true boundary of what is predicted, negative inside; one value per sample and class.

    Below 0 for a good prediction. Its least value is at the target, but an empty prediction costs only 0, so it is
    added to an overlap loss whose share falls during training. Where the target has no boundary the loss is 0.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        distance: Signed distance to the boundary of the target, negative inside, in any unit, the same shape;
            :func:`signed_distance_map` makes it. Constant: made once per image, it gets no gradient.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> boundary_loss(torch.tensor([[[0.0, 0.5, 1.0]]]), signed_distance_map(torch.tensor([[[0.0, 0.0, 1.0]]])))
    tensor(0.1667)
    """
    return reduce(pixel_mean(probs * distance.detach(), mask), mask=any_pixel(mask), **how)


class BoundaryLoss(PairLoss, of=boundary_loss):
    """Module form of :func:`boundary_loss`."""


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", "zero_at_target", "symmetric", "permutation_invariant"},
        formula=r"\frac{1}{|\Omega|} \sum_{i \in \Omega} (p_i - t_i)^2 \big(d_t(i)^\alpha + d_p(i)^\alpha\big)",
        source="arXiv:1904.10030, Loss_DT",
        settings=[{"alpha": 1.0}],
        tune={"alpha": (0.5, 1.0, 2.0)},
        good_at={"boundary accuracy", "large errors"},
        bad_at={"speed", "memory", "unstable training"},
        known_as=("Hausdorff distance-transform", "Hausdorff distance-transform loss (and log form)", "Hausdorff"),
        elsewhere={"MONAI": "HausdorffDTLoss; leaves out class 0 unless include_background=True",
                   "kornia": "HausdorffERLoss is another loss of that paper, by erosion"},
    )
)  # fmt: skip
def hausdorff_dt_loss(
    probs: Tensor, target: Tensor, *, alpha: Positive = 2.0, mask: Tensor | None = None, **how: Unpack[Weighted]
) -> Tensor:
    """Squared error weighed by its distance from the two boundaries: what drives the Hausdorff distance.

    One value per sample and class. The predicted boundary is where ``probs`` crosses 0.5; the distances are constants.
    A region that is empty or full has distance 0; where that is so of both, the loss is 0.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        alpha: The power of the distances; the larger, the more the farthest error rules.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions; for the distances the others are
            background.

    >>> hausdorff_dt_loss(torch.tensor([[[0.0, 0.2, 1.0]]]), torch.tensor([[[0.0, 0.0, 1.0]]]))  # 0.2^2 (1 + 1) / 3
    tensor(0.0267)
    """
    return reduce(_hausdorff(probs, target, alpha, mask), mask=any_pixel(mask), **how)


def _hausdorff(probs: Tensor, target: Tensor, alpha: float, mask: Tensor | None) -> Tensor:
    reach = _boundary_distance(target) ** alpha + _boundary_distance(probs.detach()) ** alpha
    return pixel_mean((probs - target) ** 2 * reach, mask)


class HausdorffDTLoss(PairLoss, of=hausdorff_dt_loss):
    """Module form of :func:`hausdorff_dt_loss`."""

    alpha: Positive = 2.0


@loss(
    Card(
        task="segmentation",
        inputs=[Probability("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", "zero_at_target", "symmetric", "permutation_invariant"},
        formula=r"\log\Big(1 + \frac{1}{|\Omega|} \sum_{i \in \Omega} (p_i - t_i)^2"
                r" \big(d_t(i)^\alpha + d_p(i)^\alpha\big)\Big)",
        source="arXiv:1904.10030, Loss_DT; the logarithm is MONAI's",
        settings=[{"alpha": 1.0}],
        tune={"alpha": (0.5, 1.0, 2.0)},
        good_at={"boundary accuracy"},
        bad_at={"speed", "memory"},
        known_as=("log Hausdorff distance-transform",),
        elsewhere={"MONAI": "LogHausdorffDTLoss; takes the logarithm after its reduction: the same for one value"},
    )
)  # fmt: skip
def log_hausdorff_dt_loss(
    probs: Tensor, target: Tensor, *, alpha: Positive = 2.0, mask: Tensor | None = None, **how: Unpack[Weighted]
) -> Tensor:
    """Logarithm of 1 plus :func:`hausdorff_dt_loss`, per sample and class: distances on a large image stay in range.

    Args:
        probs: Probability of each class at each pixel, in [0, 1], ``(n, c, *d)``.
        target: 0 or 1, the same shape.
        alpha: The power of the distances; the larger, the more the farthest error rules.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions; for the distances the others are
            background.

    >>> log_hausdorff_dt_loss(torch.tensor([[[0.0, 0.0, 0.2, 1.0]]]), torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]))
    tensor(0.0198)
    """
    return reduce(_hausdorff(probs, target, alpha, mask).log1p(), mask=any_pixel(mask), **how)


class LogHausdorffDTLoss(PairLoss, of=log_hausdorff_dt_loss):
    """Module form of :func:`log_hausdorff_dt_loss`."""

    alpha: Positive = 2.0
