"""Records what other libraries make of fixed boxes and scores, into ``recorded/detection.json``.

They need torchvision or mmcv, or are too heavy to install beside the tests, so the tests read the record. To make it
again:

    python -m venv v
    v/bin/pip install torch==2.13.0 keras transformers scipy mmengine
    v/bin/pip install --no-deps mmdet torchium pytorch-toolbelt
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_detection.py
"""

import importlib.util
import json
import sys
import sysconfig
import types
import warnings
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import torch

keras.config.set_floatx("float64")
keras.config.set_epsilon(1e-16)

RECORD = Path(__file__).parent / "recorded" / "detection.json"


def without_init(*packages):
    """Make modules below ``packages`` importable without what their ``__init__`` files import."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [str(Path(sysconfig.get_path("purelib"), *name.split(".")))]
        module.__spec__ = importlib.util.spec_from_loader(name, None)
        sys.modules[name] = module


without_init("mmdet", "mmdet.models", "mmdet.models.losses", "mmdet.structures", "mmdet.structures.bbox", "torchium",
             "torchium.losses", "torchium.losses.computer_vision", "pytorch_toolbelt",
             "pytorch_toolbelt.losses")  # fmt: skip
from mmdet.structures.bbox.bbox_overlaps import bbox_overlaps  # noqa: E402

sys.modules["mmdet.structures.bbox"].bbox_overlaps = bbox_overlaps

from keras.src.layers.preprocessing.image_preprocessing.bounding_boxes.iou import compute_ciou  # noqa: E402
from mmdet.models.losses import gfocal_loss, iou_loss, varifocal_loss  # noqa: E402
from torchium.losses.computer_vision.detection import CIoULoss, EIoULoss, GIoULoss  # noqa: E402
from transformers.loss.loss_rt_detr import RTDetrLoss  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # it uses the old name of autocast
    from pytorch_toolbelt.losses.quality_focal_loss import QualityFocalLoss


def draw(seed):
    """Pairs of boxes, of which two are apart; scores and targets in [0, 1]; scores of bins and a distance."""
    g = np.random.default_rng(seed)
    corners = g.normal(size=(8, 2))
    target = np.concatenate([corners, corners + 1.0 + g.random(size=(8, 2))], -1)
    boxes = target + 0.35 * g.normal(size=(8, 4))
    boxes[:2] += 4.0
    return {
        "boxes": (boxes, target),
        "logits": 2.0 * g.normal(size=(4, 3)),
        "quality": g.random(size=(4, 3)) * (g.random(size=(4, 3)) < 0.5),
        "bins": 2.0 * g.normal(size=(6, 5)),
        "distance": 4.0 * g.random(size=6),
    }


def found(loss, library, call, function, *inputs, **options):
    """An entry with the sum of the values and its gradient in the first input."""
    first, *others = (torch.tensor(x) for x in inputs)
    first.requires_grad_()
    value = function(first, *others).sum()
    (gradient,) = torch.autograd.grad(value, first)
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [np.asarray(x).tolist() for x in inputs],
        "value": value.item(),
        "gradients": [gradient.tolist()],
    }


def rt_detr(logits, quality):
    """Its labels are indices and its qualities IoUs of boxes: give it matched boxes that have these IoUs."""
    number, classes = logits.shape
    config = types.SimpleNamespace(
        num_labels=classes, weight_loss_vfl=1.0, weight_loss_bbox=1.0, weight_loss_giou=1.0, eos_coefficient=1e-4,
        focal_loss_alpha=0.75, focal_loss_gamma=2.0, matcher_class_cost=1.0, matcher_bbox_cost=1.0,
        matcher_giou_cost=1.0, use_focal_loss=True, matcher_alpha=0.25, matcher_gamma=2.0,
    )  # fmt: skip
    positive, label = quality.nonzero(as_tuple=True)
    best = torch.tensor([[0.5, 0.5, 0.4, 0.4]], dtype=logits.dtype).expand(number, 4)
    narrow = best.clone()
    narrow[positive, 2] *= quality[positive, label]
    outputs = {"logits": logits[None], "pred_boxes": narrow[None]}
    targets = [{"class_labels": label, "boxes": best[positive]}]
    indices = [(positive, torch.arange(len(positive)))]
    return RTDetrLoss(config).loss_labels_vfl(outputs, targets, indices, num_boxes=1)["loss_vfl"]


def one_per_box(quality):
    """The same with no more than one class per box."""
    return quality * (quality == quality.max(-1, keepdims=True))


def entries():
    for seed in range(2):
        x = draw(seed)
        pair = x["boxes"]
        for name, function, call in (
            (
                "iou",
                lambda a, b: iou_loss.iou_loss(a, b, mode="linear", eps=1e-16, reduction="none"),
                "iou_loss(mode='linear', eps=1e-16)",
            ),
            ("log_iou", lambda a, b: iou_loss.iou_loss(a, b, eps=1e-6, reduction="none"), "iou_loss(eps=1e-6)"),
            ("giou", lambda a, b: iou_loss.giou_loss(a, b, eps=1e-16, reduction="none"), "giou_loss(eps=1e-16)"),
            ("diou", lambda a, b: iou_loss.diou_loss(a, b, eps=1e-16, reduction="none"), "diou_loss(eps=1e-16)"),
            (
                "ciou_above_half",
                lambda a, b: iou_loss.ciou_loss(a, b, eps=1e-16, reduction="none"),
                "ciou_loss(eps=1e-16)",
            ),
        ):
            yield found(name, "mmdet", call, function, *pair)
        yield found("giou_elsewhere", "torchium", "GIoULoss('none')", GIoULoss("none"), *pair)
        yield found("eiou", "torchium", "EIoULoss('none')", EIoULoss("none"), *pair)
        yield found("ciou_with_gradient", "torchium", "CIoULoss('none')", CIoULoss("none"), *pair)
        yield found(
            "ciou_with_gradient",
            "keras",
            "1 - compute_ciou(..., 'xyxy')",
            lambda a, b: 1 - compute_ciou(a, b, "xyxy"),
            *pair,
        )

        scores, single = (x["logits"], x["quality"]), (x["logits"], one_per_box(x["quality"]))
        for beta in (1.0, 2.0):
            yield found(
                "quality_focal",
                "mmdet",
                "quality_focal_loss_tensor_target(beta)",
                lambda z, q, b=beta: gfocal_loss.quality_focal_loss_tensor_target(z, q, beta=b, reduction="none"),
                *scores,
                beta=beta,
            )
            yield found(
                "quality_focal_in_float32",
                "pytorch-toolbelt",
                "QualityFocalLoss(beta, 'sum')",
                QualityFocalLoss(beta, "sum"),
                *scores,
                beta=beta,
            )
        yield found(
            "distribution_focal",
            "mmdet",
            "distribution_focal_loss",
            lambda z, y: gfocal_loss.distribution_focal_loss(z, y, reduction="none"),
            x["bins"],
            x["distance"],
        )
        for gamma in (1.0, 2.0):
            yield found(
                "varifocal",
                "mmdet",
                "varifocal_loss(alpha=0.25, gamma)",
                lambda z, q, g=gamma: varifocal_loss.varifocal_loss(z, q, alpha=0.25, gamma=g, reduction="none"),
                *scores,
                alpha=0.25,
                gamma=gamma,
            )
        yield found(
            "varifocal_with_constant_fading", "transformers", "RTDetrLoss(...).loss_labels_vfl", rt_detr, *single
        )


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
