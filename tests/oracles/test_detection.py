"""Losses of boxes and scores against fvcore and MONAI, and values recorded from mmdet, torchium, keras, transformers
and pytorch-toolbelt."""

import math
import warnings

import numpy as np
import pytest
import torch
from monai.losses import BoxGIoULoss
from torch.testing import assert_close

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

with warnings.catch_warnings():
    # fvcore compiles its focal losses by torch.jit.script when it is imported.
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=DeprecationWarning)
    from fvcore.nn import giou_loss

SEEDS = range(3)
SINGLE = {"rtol": 2e-6, "atol": 2e-7}  # recorded in float32


def of(loss):
    return pytest.mark.parametrize("entry", recorded("detection", loss), ids=origin)


def boxes(seed):
    """Pairs of boxes: two apart, the others more or less overlapping."""
    g = torch.Generator().manual_seed(seed)
    corners = torch.randn(8, 2, generator=g, dtype=torch.float64)
    target = torch.cat([corners, corners + 1 + torch.rand(8, 2, generator=g, dtype=torch.float64)], -1)
    prediction = target + 0.3 * torch.randn(8, 4, generator=g, dtype=torch.float64)
    prediction[:2] += 4
    return prediction, target


def summed(loss):
    return lambda *inputs, **options: loss(*inputs, reduction="sum", **options)


@of("iou")
def test_iou(entry):
    agree_with_record(summed(lossary.iou_loss), entry)


@of("log_iou")
def test_log_iou(entry):
    agree_with_record(summed(lossary.log_iou_loss), entry)


@pytest.mark.parametrize("seed", SEEDS)
def test_giou_as_fvcore_and_monai(seed):
    pair = boxes(seed)
    agree(lossary.giou_loss, lambda a, b: giou_loss(a, b, "mean", eps=0.0), *pair, gradient_in=(0, 1))
    # It adds the resolution of float32 below the quotients.
    agree(lossary.giou_loss, BoxGIoULoss(), *pair, gradient_in=(0, 1), rtol=2e-6, atol=1e-7)


@of("giou")
def test_giou(entry):
    agree_with_record(summed(lossary.giou_loss), entry)


@of("giou_elsewhere")
def test_torchium_has_another_giou(entry):
    """Its union is the sum of the areas less the IoU times the predicted area, where the intersection belongs."""
    prediction, target = tensors(entry)
    area, other = ((b[:, 2:] - b[:, :2]).prod(-1) for b in (prediction, target))
    hull = (torch.maximum(prediction, target)[:, 2:] - torch.minimum(prediction, target)[:, :2]).prod(-1)
    iou = 1 - lossary.iou_loss(prediction, target, reduction="none")
    intersection = iou * (area + other) / (1 + iou)
    ours = lossary.giou_loss(prediction, target, reduction="none")
    theirs = ours + (iou * area - intersection) / hull
    assert_close(theirs.sum().item(), entry["value"])
    assert abs(ours.sum() - entry["value"]) > 0.5


@of("diou")
def test_diou(entry):
    agree_with_record(summed(lossary.diou_loss), entry)


@of("ciou_above_half")
def test_ciou_of_boxes_that_overlap_by_half(entry):
    """Below an IoU of 0.5 mmdet follows the later paper, which leaves out the aspect ratio there."""

    def ours(prediction, target):
        overlaps = lossary.iou_loss(prediction, target, reduction="none") < 0.5
        assert overlaps.any() and not overlaps.all()
        complete = lossary.ciou_loss(prediction, target, reduction="none")
        return torch.where(overlaps, complete, lossary.diou_loss(prediction, target, reduction="none")).sum()

    agree_with_record(ours, entry)


@of("ciou_with_gradient")
def test_ciou_where_alpha_has_a_gradient(entry):
    """The same value, but another gradient."""
    prediction, target = tensors(entry)
    value = lossary.ciou_loss(prediction.requires_grad_(), target, reduction="sum")
    assert_close(value.item(), entry["value"], **SINGLE)
    gradient = torch.autograd.grad(value, prediction)[0]
    assert not torch.allclose(gradient, torch.tensor(entry["gradients"][0], dtype=torch.float64), rtol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_ciou_by_its_equations(seed):
    """Equations 8 to 11 of the paper, box by box, with alpha held constant."""
    prediction, target = boxes(seed)

    def parts(a, b):
        (x1, y1, x2, y2), (u1, v1, u2, v2) = a, b
        overlap = max(0.0, min(x2, u2) - max(x1, u1)) * max(0.0, min(y2, v2) - max(y1, v1))
        iou = overlap / ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - overlap)
        rho2 = ((x1 + x2 - u1 - u2) ** 2 + (y1 + y2 - v1 - v2) ** 2) / 4
        c2 = (max(x2, u2) - min(x1, u1)) ** 2 + (max(y2, v2) - min(y1, v1)) ** 2
        v = 4 / math.pi**2 * (math.atan((u2 - u1) / (v2 - v1)) - math.atan((x2 - x1) / (y2 - y1))) ** 2
        return 1 - iou + rho2 / c2, v, v / (1 - iou + v)

    pairs = zip(prediction.tolist(), target.tolist(), strict=True)
    alphas = [parts(a, b)[2] for a, b in pairs]

    def by_hand(first, second):
        found = [parts(a, b) for a, b in zip(first, second, strict=True)]
        return np.mean([rest + alpha * v for (rest, v, _), alpha in zip(found, alphas, strict=True)])

    agree(lossary.ciou_loss, numerically(by_hand), prediction, target, gradient_in=(0, 1))


@of("eiou")
def test_eiou(entry):
    agree_with_record(summed(lossary.eiou_loss), entry)


@of("quality_focal")
def test_quality_focal(entry):
    agree_with_record(summed(lossary.quality_focal_loss), entry)


@of("quality_focal_in_float32")
def test_quality_focal_in_float32(entry):
    agree_with_record(summed(lossary.quality_focal_loss), entry, **SINGLE)


@of("distribution_focal")
def test_distribution_focal(entry):
    agree_with_record(summed(lossary.distribution_focal_loss), entry)


@of("varifocal")
def test_varifocal(entry):
    agree_with_record(summed(lossary.varifocal_loss), entry)


@of("varifocal_with_constant_fading")
def test_varifocal_where_the_fading_is_constant(entry):
    """The same value; for positives the same gradient, for background a smaller one."""
    logits, quality = tensors(entry)
    value = lossary.varifocal_loss(logits.requires_grad_(), quality, reduction="sum")
    assert_close(value.item(), entry["value"], **SINGLE)
    gradient = torch.autograd.grad(value, logits)[0]
    theirs = torch.tensor(entry["gradients"][0], dtype=torch.float64)
    positive = quality > 0
    assert positive.any() and not positive.all()
    assert_close(gradient[positive], theirs[positive], rtol=1e-5, atol=1e-6)
    assert (gradient[~positive] > 1.01 * theirs[~positive]).all()
