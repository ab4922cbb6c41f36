"""Boxes by kernel are boxes by composition, down to the half slopes of equal corners."""

import pytest
import torch

import lossary

from .agreement import assert_agrees, served

LOSSES = [
    lossary.iou_loss,
    lossary.log_iou_loss,
    lossary.giou_loss,
    lossary.diou_loss,
    lossary.ciou_loss,
    lossary.eiou_loss,
]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
NAN, INF = float("nan"), float("inf")


def pair(*shape, seed=0):
    """Boxes of a side of 0.5 to 4 and others near them, most of which overlap."""
    generator = torch.Generator().manual_seed(seed)
    corner, sides = (
        8 * torch.rand(*shape, 2, generator=generator),
        0.5 + 3.5 * torch.rand(*shape, 2, generator=generator),
    )
    boxes = torch.cat([corner, corner + sides], -1)
    return boxes, boxes + 0.2 * torch.randn(boxes.shape, generator=generator)


def grid(number):
    """Corners on few whole numbers: ties, reversed corners and boxes without area."""
    generator = torch.Generator().manual_seed(1)
    boxes, target = torch.randint(-2, 3, (2, number, 4), generator=generator).float()
    return torch.cat([boxes, boxes]), torch.cat([target, boxes])


@each_loss
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_reduction(loss, reduction):
    assert_agrees(loss, pair(2, 300), reduction=reduction)


@pytest.mark.parametrize("shape", [(), (1,), (255,), (257,), (2, 3, 100)], ids=str)
def test_shapes(shape):
    for reduction in ("none", "mean", "sum"):
        assert_agrees(lossary.giou_loss, pair(*shape), reduction=reduction)


def test_no_box():
    with lossary.kernels.enabled(smallest=1):
        assert lossary.giou_loss(*pair(0)) == 0
        assert lossary.giou_loss(*pair(0), reduction="none").shape == (0,)


def test_value_alone():
    tensors = pair(300)
    with lossary.kernels.enabled(smallest=1):
        value = lossary.giou_loss(*tensors)
    assert not value.requires_grad
    torch.testing.assert_close(value, lossary.giou_loss(*tensors))


@each_loss
def test_ties_and_boxes_without_area(loss):
    assert_agrees(loss, grid(3000), reduction="none")


@each_loss
def test_identical_boxes(loss):
    boxes, _ = pair(400)
    with lossary.kernels.enabled(True, smallest=1):
        assert loss(boxes.requires_grad_(), boxes.detach(), reduction="none").abs().max() == 0
    assert_agrees(loss, (boxes.detach(), boxes.detach()), reduction="none")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_weight_and_mask(reduction, loss=lossary.giou_loss):
    boxes, target = pair(2, 200)
    generator = torch.Generator().manual_seed(2)
    weight, mask = torch.rand(2, 200, generator=generator), torch.rand(2, 200, generator=generator) < 0.5
    boxes[~mask], target[~mask] = NAN, INF
    assert_agrees(loss, (boxes, target), reduction=reduction, sample_weight=weight, mask=mask)
    assert_agrees(loss, (boxes, target), reduction=reduction, mask=torch.zeros(2, 200, dtype=torch.bool))
    assert_agrees(loss, pair(2, 200), reduction=reduction, sample_weight=weight[:, 0])


def test_denominator():
    assert_agrees(lossary.giou_loss, pair(100), denominator=7.0)


@each_loss
def test_nan_and_infinity(loss):
    usual = torch.tensor([0.0, 0.0, 1.0, 1.0])
    for odd in (NAN, INF, -INF):
        strange = usual.repeat(4, 1).fill_diagonal_(odd)
        assert_agrees(loss, (strange, usual.expand(4, 4).contiguous()), reduction="none")
        assert_agrees(loss, (usual.expand(4, 4).contiguous(), strange), reduction="none")


@each_loss
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_units(loss, scale):
    assert_agrees(loss, [scale * t for t in pair(500)], reduction="none")


def test_the_least_iou():
    for eps in (1e-3, 0.5):
        assert_agrees(lossary.log_iou_loss, pair(500), reduction="none", eps=eps)


@each_loss
def test_left_to_the_composition(loss):
    boxes, target = pair(8)
    assert served(loss, (boxes, target))
    assert not served(loss, (boxes, target.clone().requires_grad_()))
    assert not served(loss, (boxes, target.double()))
    assert not served(loss, (boxes.double(), target.double()))
    assert not served(loss, (boxes.T.contiguous().T, target))
    assert not served(loss, (boxes, target[:4]))
    assert not served(loss, (boxes[:, :3].contiguous(), target[:, :3].contiguous()))
    assert not served(loss, (boxes, target), sample_weight=torch.ones(8, requires_grad=True))
