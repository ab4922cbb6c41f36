"""Overlap of boxes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Box, Logit, Real

from .specimen import Specimen


def area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersection(pred: Tensor, target: Tensor) -> Tensor:
    sides = torch.minimum(pred[..., 2:], target[..., 2:]) - torch.maximum(pred[..., :2], target[..., :2])
    return sides.clamp(min=0).prod(dim=-1)


def enclosing(pred: Tensor, target: Tensor) -> Tensor:
    corners = torch.minimum(pred[..., :2], target[..., :2]), torch.maximum(pred[..., 2:], target[..., 2:])
    return torch.cat(corners, dim=-1)


def iou_loss(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    overlap = intersection(pred, target)
    union = area(pred) + area(pred) - overlap
    return (1.0 - (overlap + eps) / (union + eps)).mean()


def iou_loss_of_both(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    overlap = intersection(pred, target)
    union = area(pred) + area(target) - overlap
    return (1.0 - (overlap + eps) / (union + eps)).mean()


def iou_of_all_pairs(pred: Tensor, target: Tensor) -> Tensor:
    first, second = pred.unsqueeze(1), target.unsqueeze(0)
    overlap = intersection(first, second)
    union = area(first) + area(second) - overlap
    return 1.0 - torch.diagonal((overlap + 1e-7) / (union + 1e-7)).mean()


def iou_of_pairs(pred: Tensor, target: Tensor) -> Tensor:
    overlap = intersection(pred, target)
    union = area(pred) + area(target) - overlap
    return 1.0 - ((overlap + 1e-7) / (union + 1e-7)).mean()


class GIoULoss(nn.Module):
    def __init__(self, eps: float = 1e-7):
        super().__init__()
        self.eps = eps

    def hull(self, pred: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            return area(enclosing(pred, target))

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        if pred.shape != target.shape:
            raise ValueError(f"predicted boxes {tuple(pred.shape)} and true boxes {tuple(target.shape)} do not fit")
        overlap = intersection(pred, target)
        union = area(pred) + area(target) - overlap
        hull = self.hull(pred, target)
        iou = (overlap + self.eps) / (union + self.eps)
        return (1.0 - iou + (hull - union) / (hull + self.eps)).mean()


class GIoULossThroughHull(GIoULoss):
    def hull(self, pred: Tensor, target: Tensor) -> Tensor:
        return area(enclosing(pred, target))


def distances(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    centers = (pred[..., :2] + pred[..., 2:] - target[..., :2] - target[..., 2:]) / 2.0
    hull = enclosing(pred, target)
    return centers.square().sum(-1), (hull[..., 2:] - hull[..., :2]).square().sum(-1)


class CIoULoss(nn.Module):
    def __init__(self, eps: float = 1e-6):
        super().__init__()
        self.eps = eps

    def angle(self, boxes: Tensor) -> Tensor:
        width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
        return torch.atan(width / height)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        overlap = intersection(pred, target)
        iou = (overlap + self.eps) / (area(pred) + area(target) - overlap + self.eps)
        apart, diagonal = distances(pred, target)
        aspect = 4.0 / math.pi**2 * (self.angle(target) - self.angle(pred)).square()
        shape = aspect.square() / (1.0 - iou + aspect + self.eps)
        return (1.0 - iou + apart / (diagonal + self.eps) + shape).mean()


class CIoULossOfFlatBoxes(CIoULoss):
    def angle(self, boxes: Tensor) -> Tensor:
        width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
        return torch.atan(width / (height + self.eps))


def diou_loss(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    overlap = intersection(pred, target)
    iou = (overlap + eps) / (area(pred) + area(target) - overlap + eps)
    hull = enclosing(pred, target)
    centers = pred[..., :2] + pred[..., 2:] - target[..., :2] - target[..., 2:]
    return (1.0 - iou + centers.square().sum(-1) / ((hull[..., 2:] - hull[..., :2]).square().sum(-1) + eps)).mean()


def diou_loss_of_centers(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    overlap = intersection(pred, target)
    iou = (overlap + eps) / (area(pred) + area(target) - overlap + eps)
    apart, diagonal = distances(pred, target)
    return (1.0 - iou + apart / (diagonal + eps)).mean()


def box_l1(pred: Tensor, target: Tensor) -> Tensor:
    return F.smooth_l1_loss(pred, target, beta=0.11)


def box_l1_of_none(pred: Tensor, target: Tensor) -> Tensor:
    return F.smooth_l1_loss(pred, target, beta=0.11, reduction="sum") / max(1, pred.numel())


class DistributedOffset(nn.Module):
    """The offset of a side is the expectation over bins, as in generalized focal losses."""

    def bins(self, logits: Tensor) -> Tensor:
        return torch.linspace(0.0, 1.0, logits.shape[-1])

    def forward(self, logits: Tensor, offset: Tensor) -> Tensor:
        expected = (torch.softmax(logits, dim=-1) * self.bins(logits)).sum(dim=-1)
        return (expected - offset).abs().mean()


class DistributedOffsetBesideLogits(DistributedOffset):
    def bins(self, logits: Tensor) -> Tensor:
        return torch.linspace(0.0, 1.0, logits.shape[-1], dtype=logits.dtype, device=logits.device)


SPECIMENS = [
    Specimen(
        name="iou_union_counts_prediction_twice",
        fault="asymmetry",
        faulty=iou_loss,
        fixed=iou_loss_of_both,
        told=dict(
            inputs=[Box("n 4"), Box("n 4")],
            claims=dict.fromkeys(
                ("finite", "symmetric", "zero_at_perfect", "mean_of_singles", "permutation", "compile"), True
            ),
        ),
        seen_in="the area of one box taken for both, in copies of IoU losses",
    ),
    Specimen(
        name="iou_diagonal_of_all_pairs",
        fault="memory",
        faulty=iou_of_all_pairs,
        fixed=iou_of_pairs,
        told=dict(
            inputs=[Box("n 4"), Box("n 4")],
            claims={
                "finite": True, "bounded": (0.0, 1.0), "symmetric": True, "zero_at_perfect": True, "replicate": True,
                "mean_of_singles": True, "memory": "linear", "device": True,
            },
        ),
        seen_in="roboflow/rf-detr pull request 1245",
    ),
    Specimen(
        name="giou_hull_without_gradient",
        fault="wrong gradient",
        faulty=GIoULoss,
        fixed=GIoULossThroughHull,
        told=dict(inputs=[Box("n 4"), Box("n 4")], task="detection"),
        seen_in="GIoU losses that do not converge, as in JaryHuang/awesome_SSD_FPN_GIoU issue 10",
    ),
    Specimen(
        name="ciou_of_flat_boxes",
        fault="not finite",
        faulty=CIoULoss,
        fixed=CIoULossOfFlatBoxes,
        told=dict(
            inputs=[Box("n 4"), Box("n 4")],
            claims=dict.fromkeys(
                ("finite", "nonnegative", "zero_at_perfect", "symmetric", "mean_of_singles", "pure"), True
            ),
        ),
        seen_in="Zzh-tju/DIoU-pytorch-detectron issues 3 and 19",
    ),
    Specimen(
        name="diou_sum_of_corners_for_center",
        fault="wrong value",
        faulty=diou_loss,
        fixed=diou_loss_of_centers,
        told=dict(
            inputs=[Box("n 4"), Box("n 4")],
            claims={
                "finite": True, "bounded": (0.0, 2.0), "zero_at_perfect": True, "symmetric": True,
                "mean_of_singles": True, "dtype": True,
            },
        ),
        seen_in="centers of boxes without the half, in ports of DIoU",
    ),
    Specimen(
        name="box_loss_of_no_positives",
        fault="empty batch",
        faulty=box_l1,
        fixed=box_l1_of_none,
        told=dict(
            inputs=[Real("n 4"), Real("n 4")],
            claims={
                "finite": True, "nonnegative": True, "symmetric": True, "convex": True, "empty": "zero",
                "mean_of_singles": True,
            },
        ),
        seen_in="Deci-AI/super-gradients pull request 812; microsoft/SoftTeacher issue 70",
    ),
    Specimen(
        name="distribution_bins_on_cpu",
        fault="device",
        faulty=DistributedOffset,
        fixed=DistributedOffsetBesideLogits,
        told=dict(
            inputs=[Logit("n t c"), Real("n t", low=0.0, high=1.0)],
            claims=dict.fromkeys(
                ("finite", "nonnegative", "shift_invariant", "mean_of_singles", "replicate", "device"), True
            ),
        ),
        seen_in="projections of distribution focal losses left on the CPU",
    ),
]  # fmt: skip
