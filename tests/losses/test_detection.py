"""What is special about losses of boxes and scores: degenerate boxes, units, and targets at the ends of their range."""

import math

import pytest
import torch
from torch.testing import assert_close

import lossary

BOX_LOSSES = [
    lossary.iou_loss,
    lossary.log_iou_loss,
    lossary.giou_loss,
    lossary.diou_loss,
    lossary.ciou_loss,
    lossary.eiou_loss,
]
NAMES = [loss.__name__ for loss in BOX_LOSSES]
DISJOINT = -math.log(1e-6)

UNIT = [0.0, 0.0, 1.0, 1.0]
POINT, OTHER_POINT = [0.5, 0.5, 0.5, 0.5], [0.5, 1.5, 0.5, 1.5]
LINE, LONGER_LINE = [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 2.0, 0.0]
REVERSED = [1.0, 1.0, 0.0, 0.0]


def slope(loss, first, *others, **options):
    first = first.clone().requires_grad_()
    return torch.autograd.grad(loss(first, *others, **options), first)[0]


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        # IoU, -log IoU, GIoU, DIoU, CIoU, EIoU
        (UNIT, UNIT, (0, 0, 0, 0, 0, 0)),
        (POINT, POINT, (0, 0, 0, 0, 0, 0)),
        (LINE, LINE, (0, 0, 0, 0, 0, 0)),
        # Two points one above the other: the hull has no area and no width, its diagonal is their distance.
        (POINT, OTHER_POINT, (1, DISJOINT, 1, 2, 2, 1 + 1 + 0)),
        # A line and twice the line: the hull is the longer one; centres 1/2 apart, widths 1 apart. Both are flat.
        (LINE, LONGER_LINE, (1, DISJOINT, 1, 1 + 1 / 16, 1 + 1 / 16, 1 + 1 / 16 + 1 / 4)),
        # A point in the middle of a square: angles 0 and pi/4, so v = 1/4 and alpha = v / (1 + v) = 1/5.
        (POINT, UNIT, (1, DISJOINT, 1, 1, 1 + 1 / 20, 1 + 1 + 1)),
        # Reversed corners span nothing.
        (REVERSED, UNIT, (1, DISJOINT, 1, 1, 1 + 1 / 20, 1 + 1 + 1)),
        # Squares that touch at an edge: the hull is full, and the centres are 1 of sqrt(5) apart.
        (UNIT, [1.0, 0.0, 2.0, 1.0], (1, DISJOINT, 1, 1 + 1 / 5, 1 + 1 / 5, 1 + 1 / 5)),
        # A quarter in the corner.
        (UNIT, [0.0, 0.0, 2.0, 2.0], (0.75, math.log(4), 0.75, 0.75 + 1 / 16, 0.75 + 1 / 16, 0.75 + 1 / 16 + 1 / 2)),
    ],
)  # fmt: skip
def test_degenerate_boxes(prediction, target, expected):
    a, b = torch.tensor([prediction]), torch.tensor([target])
    for loss, value in zip(BOX_LOSSES, expected, strict=True):
        assert_close(loss(a, b), torch.tensor(float(value)), msg=lambda text, loss=loss: f"{loss.__name__}: {text}")
        assert slope(loss, a, b).isfinite().all(), loss.__name__


@pytest.mark.parametrize("loss", BOX_LOSSES, ids=NAMES)
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_does_not_matter(loss, unit):
    """Where a small number is added to an area, boxes of 1e-6 are lost: their areas are 1e-12."""
    a, b = torch.tensor([[0.0, 0.0, 2.0, 1.0]]), torch.tensor([[0.5, 0.0, 1.5, 2.0]])
    assert_close(loss(unit * a, unit * b), loss(a, b))


@pytest.mark.parametrize("loss", [lossary.giou_loss, lossary.diou_loss, lossary.ciou_loss, lossary.eiou_loss])
def test_boxes_apart_are_pulled_together(loss):
    a, b = torch.tensor([UNIT]), torch.tensor([[3.0, 0.0, 4.0, 1.0]])
    gradient = slope(loss, a, b)[0]
    assert gradient[0] + gradient[2] < 0  # to the right


@pytest.mark.parametrize("loss", [lossary.iou_loss, lossary.log_iou_loss])
def test_boxes_apart_are_not(loss):
    assert not slope(loss, torch.tensor([UNIT]), torch.tensor([[3.0, 0.0, 4.0, 1.0]])).any()


def test_alpha_is_a_constant_to_the_gradient():
    a, b = torch.tensor([[0.0, 0.0, 2.0, 1.0]]).double(), torch.tensor([[0.5, 0.0, 1.5, 2.0]]).double()
    v = 4 / math.pi**2 * (math.atan(0.5) - math.atan(2.0)) ** 2
    alpha = v / (lossary.iou_loss(a, b) + v)
    aspect = a.clone().requires_grad_()
    width, height = aspect[0, 2] - aspect[0, 0], aspect[0, 3] - aspect[0, 1]
    term = alpha * 4 / math.pi**2 * (math.atan(0.5) - torch.atan(width / height)) ** 2
    (expected,) = torch.autograd.grad(term, aspect)
    assert expected.any()
    assert_close(slope(lossary.ciou_loss, a, b) - slope(lossary.diou_loss, a, b), expected)


def test_boxes_may_have_any_number_of_leading_dimensions():
    a = torch.rand(2, 3, 5, 4)
    a[..., 2:] += 1
    b = a.roll(1, 0)
    assert_close(lossary.giou_loss(a, b, reduction="none"),
                 lossary.giou_loss(a.flatten(0, 2), b.flatten(0, 2), reduction="none").reshape(2, 3, 5))  # fmt: skip


class TestDistributionFocal:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()

    @pytest.mark.parametrize(
        ("distance", "expected"),
        [
            (0.0, -math.log(0.1)),
            (1.25, -0.75 * math.log(0.2) - 0.25 * math.log(0.3)),
            (2.0, -math.log(0.3)),
            (3.0, -math.log(0.4)),
            (9.0, -math.log(0.4)),  # beyond the last bin
            (-1.0, -math.log(0.1)),
        ],
    )
    def test_values(self, distance, expected):
        assert_close(lossary.distribution_focal_loss(self.logits, torch.tensor([distance])), torch.tensor(expected))

    def test_it_is_least_where_the_mean_of_two_bins_is_the_target(self):
        target = torch.tensor([1.25])
        best = torch.tensor([[-1e4, math.log(0.75), math.log(0.25), -1e4]])
        assert slope(lossary.distribution_focal_loss, best, target).abs().max() < 1e-6

    def test_it_needs_two_bins(self):
        with pytest.raises(lossary.core.LossInputError, match="`logits` must have at least 2 bins, got 1"):
            lossary.distribution_focal_loss(torch.zeros(3, 1), torch.zeros(3))


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_quality_focal_is_0_where_score_and_target_agree(beta):
    logits = torch.zeros(1)
    assert lossary.quality_focal_loss(logits, torch.tensor([0.5]), beta=beta) == 0
    assert not slope(lossary.quality_focal_loss, logits, torch.tensor([0.5]), beta=beta).any()


def test_quality_focal_of_labels_is_focal_without_alpha():
    logits, labels = torch.linspace(-3, 3, 6), torch.tensor([0.0, 1, 0, 1, 0, 1])
    assert_close(lossary.quality_focal_loss(logits, labels, beta=1.5),
                 lossary.sigmoid_focal_loss(logits, labels, gamma=1.5, alpha=None))  # fmt: skip


def test_varifocal_of_background_is_focal_and_of_positives_is_not():
    logits = torch.linspace(-3, 3, 6)
    background = lossary.varifocal_loss(logits, torch.zeros(6), alpha=0.75)
    assert_close(background, lossary.sigmoid_focal_loss(logits, torch.zeros(6), alpha=0.25))
    positives = lossary.varifocal_loss(logits, torch.ones(6))
    assert_close(positives, lossary.bce_with_logits_loss(logits, torch.ones(6)))


@pytest.mark.parametrize("logit", [-1e4, -200.0, 1e4])
def test_varifocal_has_a_slope_however_clear_the_background(logit):
    """The power of a score of 0 with gamma below 1 would have an infinite one."""
    gradient = slope(lossary.varifocal_loss, torch.tensor([logit]), torch.zeros(1), gamma=0.5)
    assert gradient.isfinite().all() and gradient >= 0
