"""Regions of pixels, boxes and images."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import lossary

from .case import Case, Drawn, Function, scaled
from .floors import one_pass
from .peers import monai, peer

BATCH, CLASSES, SIDE = 8, 4, 512
WINDOW, SIGMA = 11, 1.5


def _side(by: float, side: int = SIDE, least: int = 2) -> int:
    """The side of an image whose area is scaled; the batch is as large as ever."""
    return scaled(side, by**0.5, least)


def _masks(by: float) -> Drawn:
    shape = (BATCH, CLASSES, _side(by), _side(by))
    return Drawn((torch.rand(shape),), ((torch.rand(shape) > 0.7).float(),))


def _masks_of_logits(by: float) -> Drawn:
    (probs,), (target,) = _masks(by)
    return Drawn((probs.logit(1e-4),), (target,))


def _exclusive(by: float, batch: int = BATCH, side: int = SIDE) -> Drawn:
    side = _side(by, side)
    return Drawn((torch.randn(batch, CLASSES, side, side),), (torch.randint(CLASSES, (batch, side, side)),))


def _boxes(by: float) -> Drawn:
    n = scaled(1_000_000, by)
    corner, size = 100.0 * torch.rand(n, 2), 20.0 * torch.rand(n, 2) + 2.0
    moved, other = corner + 3.0 * torch.randn(n, 2), size * (0.7 + 0.6 * torch.rand(n, 2))
    return Drawn((torch.cat([corner, corner + size], 1),), (torch.cat([moved, moved + other], 1),))


def _images(by: float) -> Drawn:
    side = _side(by, 256, WINDOW + 1)
    image = torch.rand(8, 3, side, side)
    return Drawn((image,), ((image + 0.1 * torch.randn_like(image)).clamp(0.0, 1.0),))


def _sums(p: Tensor, t: Tensor, dim: tuple[int, ...] = (2, 3)) -> tuple[Tensor, Tensor, Tensor]:
    return (p * t).sum(dim), p.sum(dim), t.sum(dim)


def _dice(p: Tensor, t: Tensor) -> Tensor:
    both, predicted, true = _sums(p, t)
    return (1.0 - (2.0 * both + 1.0) / (predicted + true + 1.0)).mean()


def _batch_dice(p: Tensor, t: Tensor) -> Tensor:
    both, predicted, true = _sums(p, t, (0, 2, 3))
    return (1.0 - (2.0 * both + 1.0) / (predicted + true + 1.0)).mean()


def _generalized_dice(p: Tensor, t: Tensor) -> Tensor:
    both, predicted, true = _sums(p, t)
    weight = 1.0 / true.clamp(min=1.0) ** 2
    return (1.0 - 2.0 * (weight * both).sum(1) / (weight * (predicted + true)).sum(1)).mean()


def _jaccard(p: Tensor, t: Tensor) -> Tensor:
    both, predicted, true = _sums(p, t)
    return (1.0 - (both + 1.0) / (predicted + true - both + 1.0)).mean()


def _tversky(p: Tensor, t: Tensor) -> Tensor:
    hit, excess, missed = (p * t).sum((2, 3)), (p * (1 - t)).sum((2, 3)), ((1 - p) * t).sum((2, 3))
    return (1.0 - (hit + 1.0) / (hit + 0.3 * excess + 0.7 * missed + 1.0)).mean()


def _one_hot(x: Tensor, t: Tensor) -> Tensor:
    return F.one_hot(t, x.shape[1]).movedim(-1, 1).to(x.dtype)


def _dice_cross_entropy(x: Tensor, t: Tensor) -> Tensor:
    return _dice(x.softmax(1), _one_hot(x, t)) + F.cross_entropy(x, t)


def _dice_focal(x: Tensor, t: Tensor) -> Tensor:
    p = x.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    focal = (0.25 * t + 0.75 * (1 - t)) * (p + t - 2.0 * p * t) ** 2 * entropy
    return _dice(p, t) + focal.mean()


def _lovasz_of_class(errors: Tensor, inside: Tensor) -> Tensor:
    errors, order = errors.sort(descending=True)
    inside = inside[order]
    total = inside.sum()
    jaccard = 1.0 - (total - inside.cumsum(0)) / (total + (1.0 - inside).cumsum(0))
    return torch.dot(errors, torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]]))


def _lovasz(x: Tensor, t: Tensor) -> Tensor:
    """The mean over the classes that an image has, image by image."""
    probs, inside = x.softmax(1), _one_hot(x, t)
    values = []
    for p, own in zip(probs.flatten(2), inside.flatten(2), strict=True):
        there = [c for c in range(len(own)) if own[c].any()]
        values.append(torch.stack([_lovasz_of_class((own[c] - p[c]).abs(), own[c]) for c in there]).mean())
    return torch.stack(values).mean()


def _lovasz_of_kornia(module: Any) -> Function:
    """It takes a batch as one image, so it is given one image at a time."""
    loss = module.lovasz_softmax_loss
    return lambda x, t: torch.stack([loss(x[i : i + 1], t[i : i + 1]) for i in range(len(x))]).mean()


def _monai_of_indices(name: str, **options: Any) -> Any:
    return peer("monai.losses", lambda m: _with_channel(getattr(m, name)(to_onehot_y=True, softmax=True, **options)))


def _with_channel(loss: Function) -> Function:
    return lambda x, t: loss(x, t.unsqueeze(1))


def _iou(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and union."""
    sides = (torch.minimum(x[:, 2:], t[:, 2:]) - torch.maximum(x[:, :2], t[:, :2])).clamp(min=0.0)
    both = sides.prod(1)
    union = (x[:, 2:] - x[:, :2]).prod(1) + (t[:, 2:] - t[:, :2]).prod(1) - both
    return both / union, union


def _hull(x: Tensor, t: Tensor) -> Tensor:
    """Sides of the smallest box around both."""
    return torch.maximum(x[:, 2:], t[:, 2:]) - torch.minimum(x[:, :2], t[:, :2])


def _iou_loss(x: Tensor, t: Tensor) -> Tensor:
    return (1.0 - _iou(x, t)[0]).mean()


def _giou_loss(x: Tensor, t: Tensor) -> Tensor:
    (iou, union), around = _iou(x, t), _hull(x, t).prod(1)
    return (1.0 - iou + (around - union) / around).mean()


def _apart(x: Tensor, t: Tensor) -> Tensor:
    way = (x[:, :2] + x[:, 2:] - t[:, :2] - t[:, 2:]) / 2.0
    return (way**2).sum(1) / (_hull(x, t) ** 2).sum(1)


def _diou_loss(x: Tensor, t: Tensor) -> Tensor:
    return (1.0 - _iou(x, t)[0] + _apart(x, t)).mean()


def _ciou_loss(x: Tensor, t: Tensor) -> Tensor:
    iou = _iou(x, t)[0]
    angles = [torch.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (t, x)]
    v = 4.0 / math.pi**2 * (angles[0] - angles[1]) ** 2
    alpha = (v / (1.0 - iou + v)).detach()
    return (1.0 - iou + _apart(x, t) + alpha * v).mean()


def _ssim(x: Tensor, t: Tensor) -> Tensor:
    places = torch.arange(WINDOW, dtype=x.dtype) - WINDOW // 2
    window = torch.exp(-(places**2) / (2.0 * SIGMA**2))
    window = window / window.sum()
    stacked = torch.cat([x, t, x * x, t * t, x * t], 1)
    channels = stacked.shape[1]
    along, across = (window.view(shape).expand(channels, 1, -1, -1) for shape in ((1, 1, 1, -1), (1, 1, -1, 1)))
    means = F.conv2d(F.conv2d(stacked, along, groups=channels), across, groups=channels)
    a, b, aa, bb, ab = means.chunk(5, 1)
    first, second = 0.01**2, 0.03**2
    similarity = (2 * a * b + first) * (2 * (ab - a * b) + second)
    return 1.0 - (similarity / ((a * a + b * b + first) * (aa - a * a + bb - b * b + second))).mean()


def _case(name: str, group: str, size: str, draw: Any, eager: Function, peers: dict[str, Any], small: bool) -> Case:
    return Case(
        name=name, group=group, size=size, draw=draw, loss=getattr(lossary, f"{name}_loss"), eager=eager, peers=peers,
        floor=one_pass, small=small,
    )  # fmt: skip


def _segmentation(name: str, draw: Any, eager: Function, size: str = "8×4×512×512", **peers: Any) -> Case:
    return _case(name, "segmentation", size, draw, eager, peers, small=True)


def _detection(name: str, eager: Function, **peers: Any) -> Case:
    return _case(name, "boxes", "1,000,000", _boxes, eager, peers, small=True)


_SMOOTH = {"smooth_nr": 1.0, "smooth_dr": 1.0}
_TWICE = {"smooth_nr": 2.0, "smooth_dr": 2.0}  # MONAI doubles the areas of its Jaccard loss, but not what it adds

CASES: tuple[Case, ...] = (
    _segmentation("dice", _masks, _dice, monai=monai("DiceLoss", **_SMOOTH)),
    _segmentation("batch_dice", _masks, _batch_dice, monai=monai("DiceLoss", batch=True, **_SMOOTH)),
    _segmentation("generalized_dice", _masks, _generalized_dice,
                  monai=monai("GeneralizedDiceLoss", smooth_nr=0.0, smooth_dr=0.0)),
    _segmentation("jaccard", _masks, _jaccard, monai=monai("DiceLoss", jaccard=True, **_TWICE)),
    _segmentation("tversky", _masks, _tversky, monai=monai("TverskyLoss", alpha=0.3, beta=0.7, **_SMOOTH)),
    _segmentation("dice_cross_entropy", _exclusive, _dice_cross_entropy,
                  monai=_monai_of_indices("DiceCELoss", **_SMOOTH)),
    _segmentation("dice_focal", _masks_of_logits, _dice_focal,
                  monai=monai("DiceFocalLoss", sigmoid=True, alpha=0.25, **_SMOOTH)),
    _segmentation("lovasz_softmax", lambda by: _exclusive(by, 2, 256), _lovasz, "2×4×256×256",
                  kornia=peer("kornia.losses", _lovasz_of_kornia)),
    _detection("iou", _iou_loss),
    _detection("giou", _giou_loss, monai=monai("BoxGIoULoss"),
               fvcore=peer("fvcore.nn", lambda f: lambda x, t: f.giou_loss(x, t, "mean"))),
    _detection("diou", _diou_loss),
    _detection("ciou", _ciou_loss),
    _case("ssim", "images", "8×3×256×256", _images, _ssim, {
        "pytorch-msssim": peer("pytorch_msssim", lambda m: lambda x, t: 1.0 - m.ssim(x, t, data_range=1.0)),
        "kornia": peer("kornia.losses", lambda k: lambda x, t: 2.0 * k.ssim_loss(x, t, WINDOW, padding="valid")),
        "monai": monai("SSIMLoss", spatial_dims=2),
        "torchmetrics": peer("torchmetrics.functional.image", lambda m: lambda x, t: 1.0 -
                             m.structural_similarity_index_measure(x, t, data_range=1.0),
                             "mirrors the image at its border"),
    }, small=False),
)  # fmt: skip
