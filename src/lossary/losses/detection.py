"""Losses for boxes, and for the scores and edge distributions that detectors predict with them.

Boxes are the corners (x1, y1, x2, y2). A box whose corners are reversed has no area, and no gradient there: predict
sizes through ``exp`` or ``softplus``. Nothing is divided by an area plus a small number, so no value depends on the
unit of the coordinates; where a box or a pair has no extent, the quotient has the value that the docstring says.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Box,
    Card,
    Fraction,
    Logit,
    LossInputError,
    NonNegative,
    OpenFraction,
    PairLoss,
    Positive,
    Probability,
    Real,
    Reduce,
    Sizes,
    When,
    loss,
    reduce,
)
from lossary.kernels.boxes import Boxes

from . import overlaps

__all__ = [
    "CIoULoss", "DIoULoss", "DistributionFocalLoss", "EIoULoss", "GIoULoss", "IoULoss", "LogIoULoss",
    "QualityFocalLoss", "VarifocalLoss",
    "ciou_loss", "diou_loss", "distribution_focal_loss", "eiou_loss", "giou_loss", "iou_loss", "log_iou_loss",
    "quality_focal_loss", "varifocal_loss",
]  # fmt: skip


def _sides(boxes: Tensor) -> Tensor:
    """Widths and heights, at least 0."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)


def _area(sides: Tensor) -> Tensor:
    return sides[..., 0] * sides[..., 1]


def _share(part: Tensor, whole: Tensor, otherwise: Tensor | float = 0.0) -> Tensor:
    """``part / whole``, and ``otherwise`` where the whole is 0."""
    empty = whole == 0
    return torch.where(empty, otherwise, part / torch.where(empty, 1.0, whole))


def _overlap(boxes: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and union. Of two boxes without area the IoU is 1 if they are identical and 0 if not."""
    corners = torch.maximum(boxes[..., :2], target[..., :2]), torch.minimum(boxes[..., 2:], target[..., 2:])
    intersection = _area(_sides(torch.cat(corners, -1)))
    union = _area(_sides(boxes)) + _area(_sides(target)) - intersection
    identical = (boxes == target).all(-1).to(boxes.dtype)
    return _share(intersection, union, identical), union


def _hull(boxes: Tensor, target: Tensor) -> Tensor:
    """Width and height of the smallest box around both."""
    corners = torch.minimum(boxes[..., :2], target[..., :2]), torch.maximum(boxes[..., 2:], target[..., 2:])
    return _sides(torch.cat(corners, -1))


def _centre_distance(boxes: Tensor, target: Tensor, hull: Tensor) -> Tensor:
    """Squared distance of the centres, as a share of the squared diagonal of the hull."""
    way = (boxes[..., :2] + boxes[..., 2:] - target[..., :2] - target[..., 2:]) / 2
    return _share(way.square().sum(-1), hull.square().sum(-1))


@loss(
    Card(
        task="detection",
        inputs=[Box("*n 4"), Box("*n 4")],
        values="*n",
        claims={"nonnegative", "at_most_one", "zero_at_target", "symmetric", "scale_invariant",
                "permutation_invariant"},
        formula=r"1 - \mathrm{IoU}, \quad \mathrm{IoU} = \frac{|A \cap B|}{|A \cup B|}",
        source="doi:10.1145/2964284.2967274, whose loss is its logarithm; in this form arXiv:1902.09630, algorithm 2",
        good_at={"touching boxes", "region overlap"},
        bad_at={"disjoint boxes", "vanishing gradient"},
        known_as=("IoU", "linear IoU loss", "box Jaccard"),
        elsewhere={"mmdet": 'IoULoss(mode="linear"); "log" by default, which is log_iou_loss; "square" is 1 - IoU^2'},
    ),
    kernel=Boxes(overlaps.iou),
)  # fmt: skip
def iou_loss(boxes: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Share of the union of two boxes that is not in both: blind to scale, and without gradient once they part.

    Two boxes without area cost 0 if they are identical and 1 if not.

    Args:
        boxes: Predicted corners (x1, y1, x2, y2), in any unit, ``(*n, 4)``.
        target: True corners, the same shape.

    >>> iou_loss(torch.tensor([[0.0, 0.0, 2.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    tensor(0.5000)
    """
    iou, _ = _overlap(boxes, target)
    return reduce(1 - iou, **how)


class IoULoss(PairLoss, of=iou_loss):
    """Module form of :func:`iou_loss`."""


@loss(
    Card(
        task="detection",
        inputs=[Box("*n 4"), Box("*n 4")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "scale_invariant", "permutation_invariant"},
        formula=r"-\log \max(\mathrm{IoU}, \varepsilon)",
        source="doi:10.1145/2964284.2967274 (UnitBox), algorithm 1",
        settings=[{"eps": 1e-3}],
        good_at={"touching boxes", "region overlap", "large errors"},
        bad_at={"disjoint boxes", "vanishing gradient", "unstable training"},
        known_as=("UnitBox", "log IoU", "IoU loss (UnitBox; 2D/3D axis aligned)"),
        elsewhere={"mmdet": "IoULoss; eps = 1e-6"},
    ),
    kernel=Boxes(overlaps.log_iou),
)
def log_iou_loss(boxes: Tensor, target: Tensor, *, eps: OpenFraction = 1e-6, **how: Unpack[Reduce]) -> Tensor:
    """Negative logarithm of the IoU: boxes that hardly touch are pulled together the harder.

    Boxes with an IoU below ``eps``, so all that do not touch, cost -log(eps) and have no gradient. Two boxes without
    area cost 0 if they are identical and -log(eps) if not.

    Args:
        boxes: Predicted corners (x1, y1, x2, y2), in any unit, ``(*n, 4)``.
        target: True corners, the same shape.
        eps: The IoU that a smaller one counts as, in (0, 1).

    >>> log_iou_loss(torch.tensor([[0.0, 0.0, 2.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))  # log 2
    tensor(0.6931)
    """
    iou, _ = _overlap(boxes, target)
    return reduce(-iou.clamp(min=eps).log(), **how)


class LogIoULoss(PairLoss, of=log_iou_loss):
    """Module form of :func:`log_iou_loss`."""

    eps: OpenFraction = 1e-6


@loss(
    Card(
        task="detection",
        inputs=[Box("*n 4"), Box("*n 4")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "scale_invariant", "permutation_invariant"},
        formula=r"1 - \mathrm{IoU} + \frac{|H| - |A \cup B|}{|H|}",
        source="arXiv:1902.09630, algorithms 1 and 2",
        good_at={"touching boxes", "disjoint boxes"},
        bad_at={"aspect ratio"},
        known_as=("Generalized IoU", "GIoU"),
        elsewhere={"torchvision": "generalized_box_iou_loss; adds eps = 1e-7 below both quotients",
                   "fvcore": "giou_loss; adds eps = 1e-7 below both quotients, refuses reversed corners",
                   "MONAI": "BoxGIoULoss; adds the float32 resolution below both quotients",
                   "torchium": "GIoULoss; another value: its union lacks the IoU times the predicted area instead of"
                               " the intersection"},
    ),
    kernel=Boxes(overlaps.giou),
)  # fmt: skip
def giou_loss(boxes: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """IoU loss plus the empty share of the smallest box H around both: it pulls boxes together that do not touch.

    From 0 to 2. Where H has no area that share is 0; two boxes without area have an IoU of 1 if they are identical and
    of 0 if not.

    Args:
        boxes: Predicted corners (x1, y1, x2, y2), in any unit, ``(*n, 4)``.
        target: True corners, the same shape.

    >>> giou_loss(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))  # 1 + 1/3
    tensor(1.3333)
    """
    iou, union = _overlap(boxes, target)
    around = _area(_hull(boxes, target))
    return reduce(1 - iou + _share(around - union, around), **how)


class GIoULoss(PairLoss, of=giou_loss):
    """Module form of :func:`giou_loss`."""


@loss(
    Card(
        task="detection",
        inputs=[Box("*n 4"), Box("*n 4")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "scale_invariant", "permutation_invariant"},
        formula=r"1 - \mathrm{IoU} + \frac{\rho^2}{c^2}",
        source="arXiv:1911.08287, eq. 7",
        good_at={"touching boxes", "disjoint boxes"},
        bad_at={"aspect ratio"},
        known_as=("Distance IoU", "DIoU"),
        elsewhere={"torchvision": "distance_box_iou_loss; adds eps = 1e-7 below both quotients",
                   "mmdet": "DIoULoss; adds eps = 1e-6 below both quotients"},
    ),
    kernel=Boxes(overlaps.diou),
)  # fmt: skip
def diou_loss(boxes: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """IoU loss plus the squared distance of the centres over the squared diagonal of the smallest box around both.

    From 0 to 2. Two boxes without area have an IoU of 1 if they are identical and of 0 if not.

    Args:
        boxes: Predicted corners (x1, y1, x2, y2), in any unit, ``(*n, 4)``.
        target: True corners, the same shape.

    >>> diou_loss(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))  # 1 + 4/10
    tensor(1.4000)
    """
    iou, _ = _overlap(boxes, target)
    return reduce(1 - iou + _centre_distance(boxes, target, _hull(boxes, target)), **how)


class DIoULoss(PairLoss, of=diou_loss):
    """Module form of :func:`diou_loss`."""


def _aspect(boxes: Tensor) -> Tensor:
    """The angle whose tangent is width over height; 0 for a point."""
    width, height = _sides(boxes).unbind(-1)
    point = (width == 0) & (height == 0)  # where the angle has no gradient
    return torch.atan2(width, torch.where(point, 1.0, height))


@loss(
    Card(
        task="detection",
        inputs=[Box("*n 4"), Box("*n 4")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "scale_invariant", "permutation_invariant"},
        stops_gradient=True,
        formula=r"1 - \mathrm{IoU} + \frac{\rho^2}{c^2} + \alpha v, \quad v = \frac{4}{\pi^2}"
                r" \Big(\arctan \frac{w'}{h'} - \arctan \frac{w}{h}\Big)^2,"
                r" \quad \alpha = \frac{v}{1 - \mathrm{IoU} + v}",
        source="arXiv:1911.08287, eq. 8-11",
        good_at={"touching boxes", "disjoint boxes", "aspect ratio"},
        known_as=("Complete IoU", "CIoU"),
        elsewhere={"torchvision": "complete_box_iou_loss; the same, with eps = 1e-7 below the quotients",
                   "mmdet": "CIoULoss; leaves out alpha v where the IoU is at most 0.5, as the later arXiv:2005.03572, "
                            "and clips the loss at 2; in earlier versions alpha had a gradient",
                   "keras, torchium": "compute_ciou is 1 minus this, CIoULoss is this; alpha has a gradient"},
    ),
    kernel=Boxes(overlaps.ciou),
)  # fmt: skip
def ciou_loss(boxes: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """DIoU loss plus a term for the aspect ratio, which counts the more the better the boxes overlap.

    The trade-off alpha is a constant to the gradient, as in the paper: the gradient is alpha times that of v, and not
    the slope of the value. (The authors also drop 1 / (w^2 + h^2) from the gradient of v; that is not done here.) Two
    boxes without area have an IoU of 1 if they are identical and of 0 if not; a point is taken to be an upright line.

    Args:
        boxes: Predicted corners (x1, y1, x2, y2), in any unit, ``(*n, 4)``.
        target: True corners, the same shape.

    >>> ciou_loss(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))  # 1 + 4/10: squares both
    tensor(1.4000)
    """
    iou, _ = _overlap(boxes, target)
    v = 4 / math.pi**2 * (_aspect(target) - _aspect(boxes)).square()
    alpha = _share(v, 1 - iou + v).detach()
    return reduce(1 - iou + _centre_distance(boxes, target, _hull(boxes, target)) + alpha * v, **how)


class CIoULoss(PairLoss, of=ciou_loss):
    """Module form of :func:`ciou_loss`."""


@loss(
    Card(
        task="detection",
        inputs=[Box("*n 4"), Box("*n 4")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "symmetric", "scale_invariant", "permutation_invariant"},
        formula=r"1 - \mathrm{IoU} + \frac{\rho^2}{c^2} + \frac{(w - w')^2}{c_w^2} + \frac{(h - h')^2}{c_h^2}",
        source="arXiv:2101.08158, L_EIOU",
        good_at={"touching boxes", "disjoint boxes", "aspect ratio"},
        known_as=("Efficient IoU", "EIoU", "Efficient IoU (incl. smooth EIoU)"),
        elsewhere={"torchium": "EIoULoss; the same, but NaN for degenerate boxes",
                   "mmdet": "EIoULoss is another loss, the smooth extended IoU of Peng and Yu (2021)"},
    ),
    kernel=Boxes(overlaps.eiou),
)  # fmt: skip
def eiou_loss(boxes: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """DIoU loss plus the squared differences of width and height over those of the smallest box around both.

    From 0 to 4. Where that box has no width or no height, the difference there is 0; two boxes without area have an IoU
    of 1 if they are identical and of 0 if not.

    Args:
        boxes: Predicted corners (x1, y1, x2, y2), in any unit, ``(*n, 4)``.
        target: True corners, the same shape.

    >>> eiou_loss(torch.tensor([[0.0, 0.0, 2.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))  # 1/2 + 1/20 + 1/4
    tensor(0.8000)
    """
    iou, _ = _overlap(boxes, target)
    hull = _hull(boxes, target)
    sides = _share((_sides(boxes) - _sides(target)).square(), hull.square()).sum(-1)
    return reduce(1 - iou + _centre_distance(boxes, target, hull) + sides, **how)


class EIoULoss(PairLoss, of=eiou_loss):
    """Module form of :func:`eiou_loss`."""


class Quality(Probability):
    """How well a box fits: its IoU in (0, 1], or 0 for background."""

    neutral = 0.0

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        positive = torch.rand(shape, generator=generator) < 0.5
        return torch.where(positive, super().draw(shape, sizes, generator, wide), 0.0)


@loss(
    Card(
        task="detection",
        inputs=[Logit("*n"), Quality("*n", constant=True)],
        values="*n",
        claims={"nonnegative", "bounded_gradient", When("smooth", "beta > 1"), "permutation_invariant"},
        formula=r"|q - \sigma(z)|^\beta \big(\mathrm{softplus}(z) - q z\big)",
        source="arXiv:2006.04388, eq. 2",
        settings=[{"beta": 1.0}],
        tune={"beta": (1.0, 2.0, 3.0)},
        good_at={"class imbalance", "hard examples"},
        bad_at={"calibrated probabilities", "vanishing gradient"},
        known_as=("Quality focal", "QFL"),
        elsewhere={"mmdet": "QualityFocalLoss; target is (label, score), and the classes are summed",
                   "pytorch-toolbelt": "QualityFocalLoss"},
    )
)  # fmt: skip
def quality_focal_loss(logits: Tensor, target: Tensor, *, beta: Positive = 2.0, **how: Unpack[Reduce]) -> Tensor:
    """Focal loss for a target between 0 and 1: the score of a box learns its IoU. Least, and 0, where they agree.

    Below a ``beta`` of 1 the slope is infinite where they agree; it is taken as 0.

    Args:
        logits: Log-odds of each class for each box, any shape ``(*n)``.
        target: IoU of the box at its true class and 0 elsewhere, in [0, 1], the same shape. Constant: it gets no
            gradient.
        beta: How fast the loss fades where score and target agree.

    >>> quality_focal_loss(torch.zeros(2), torch.tensor([1.0, 0.5]), reduction="none")  # 0.5^2 log 2, and 0
    tensor([0.1733, 0.0000])
    """
    target = target.detach()
    error = (target - logits.sigmoid()).abs()
    agree = error == 0
    factor = torch.where(agree, 0.0, torch.where(agree, 1.0, error) ** beta)
    return reduce(factor * F.binary_cross_entropy_with_logits(logits, target, reduction="none"), **how)


class QualityFocalLoss(PairLoss, of=quality_focal_loss):
    """Module form of :func:`quality_focal_loss`."""

    beta: Positive = 2.0


@loss(
    Card(
        task="detection",
        inputs=[Logit("*n k"), Real("*n", constant=True, low=0.0, high=3.0)],
        values="*n",
        claims={"nonnegative", "convex", "smooth", "bounded_gradient", "shift_invariant", "permutation_invariant"},
        formula=r"-(y_{i+1} - y) \log p_i - (y - y_i) \log p_{i+1}, \quad p = \mathrm{softmax}(z)",
        source="arXiv:2006.04388, eq. 6",
        good_at={"boundary accuracy", "smooth optimisation"},
        bad_at={"memory"},
        known_as=("Distribution focal", "DFL"),
        elsewhere={"mmdet": "DistributionFocalLoss; a target equal to the last bin is out of range",
                   "ultralytics": "DFLoss; targets are held 0.01 below the last bin"},
    )
)  # fmt: skip
def distribution_focal_loss(logits: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Cross-entropy of the two bins next to a real target, in proportion to its nearness: an edge as a distribution.

    Its least value is where the two bins share all probability so that their mean is the target; that is 0 only for a
    whole number.

    Args:
        logits: Scores of the bins 0, 1, ..., k - 1 for one edge of a box, ``(*n, k)`` with k of at least 2.
        target: Distance of the edge in bins, ``(*n)``; outside [0, k - 1] it counts as the nearer end. Constant: it
            gets no gradient.

    >>> distribution_focal_loss(torch.tensor([[0.6, 0.3, 0.1]]).log(), torch.tensor([0.25]))
    tensor(0.6841)

    Raises:
        LossInputError: if there are fewer than 2 bins.
    """
    bins = logits.shape[-1]
    if bins < 2:
        raise LossInputError(f"distribution_focal_loss: `logits` must have at least 2 bins, got {bins}.")
    place = target.detach().clamp(0, bins - 1)
    left = place.floor().clamp(max=bins - 2)
    index = left.long().unsqueeze(-1)
    log_probs = logits.log_softmax(-1)
    nearer, farther = log_probs.gather(-1, index).squeeze(-1), log_probs.gather(-1, index + 1).squeeze(-1)
    return reduce(-(left + 1 - place) * nearer - (place - left) * farther, **how)


class DistributionFocalLoss(PairLoss, of=distribution_focal_loss):
    """Module form of :func:`distribution_focal_loss`."""


@loss(
    Card(
        task="detection",
        inputs=[Logit("*n"), Quality("*n", constant=True)],
        values="*n",
        claims={"nonnegative", "bounded_gradient", "smooth", "permutation_invariant"},
        formula=r"\begin{cases} q \big(\mathrm{softplus}(z) - q z\big) & q > 0 \\"
                r" \alpha \, \sigma(z)^\gamma \, \mathrm{softplus}(z) & q = 0 \end{cases}",
        source="arXiv:2008.13367, eq. 2",
        settings=[{"gamma": 0.5, "alpha": 1.0}],
        tune={"gamma": (1.0, 2.0), "alpha": (0.25, 0.75)},
        good_at={"class imbalance", "hard examples", "rare classes"},
        bad_at={"calibrated probabilities"},
        known_as=("Varifocal", "VFL"),
        elsewhere={"mmdet": "VarifocalLoss; the same",
                   "transformers": "RTDetrLoss.loss_labels_vfl; sigma(z)^gamma is a constant to the gradient"},
    )
)  # fmt: skip
def varifocal_loss(
    logits: Tensor, target: Tensor, *, gamma: NonNegative = 2.0, alpha: Fraction = 0.75, **how: Unpack[Reduce]
) -> Tensor:
    """Cross-entropy in which background fades as in the focal loss and positives count by their IoU.

    A positive is least at a score equal to its target, where it is not 0.

    Args:
        logits: Log-odds of each class for each box, any shape ``(*n)``.
        target: IoU of the box at its true class and 0 elsewhere, in [0, 1], the same shape. Constant: it gets no
            gradient.
        gamma: How fast background fades where it is clear.
        alpha: Weight of background, in [0, 1].

    >>> varifocal_loss(torch.zeros(2), torch.tensor([0.5, 0.0]), reduction="none")  # 0.5 log 2, and 0.75 0.5^2 log 2
    tensor([0.3466, 0.1300])
    """
    target = target.detach()
    # A power of the logarithm: where the score underflows to 0, its power with gamma below 1 has no slope.
    faded = alpha * (gamma * F.logsigmoid(logits)).exp()
    weight = torch.where(target > 0, target, faded)
    return reduce(weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none"), **how)


class VarifocalLoss(PairLoss, of=varifocal_loss):
    """Module form of :func:`varifocal_loss`."""

    gamma: NonNegative = 2.0
    alpha: Fraction = 0.75
