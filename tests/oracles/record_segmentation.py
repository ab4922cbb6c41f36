"""Records what other libraries make of fixed regions, into ``recorded/segmentation.json``.

They need torchvision, or are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 keras 'einops<0.7'
    v/bin/pip install --no-deps segmentation-models-pytorch pytorch-optimizer unified-focal-loss-pytorch torchium
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_segmentation.py
"""

import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import torch

keras.config.set_floatx("float64")
keras.config.set_epsilon(1e-16)

RECORD = Path(__file__).parent / "recorded" / "segmentation.json"
SMP = "segmentation-models-pytorch"


def without_init(*packages):
    """Make modules below ``packages`` importable without what their ``__init__`` files import."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [str(Path(sysconfig.get_path("purelib"), *name.split(".")))]
        sys.modules[name] = module


without_init("segmentation_models_pytorch", "pytorch_optimizer", "pytorch_optimizer.loss", "torchium",
             "torchium.losses", "torchium.losses.computer_vision")  # fmt: skip

import segmentation_models_pytorch.losses as smp  # noqa: E402
from pytorch_optimizer.loss.focal import FocalTverskyLoss  # noqa: E402
from pytorch_optimizer.loss.tversky import TverskyLoss  # noqa: E402
from torchium.losses.computer_vision.segmentation import TverskyLoss as TorchiumTversky  # noqa: E402
from unified_focal_loss.losses import FocalTverskyLoss as UnifiedFocalTversky  # noqa: E402


def draw(seed):
    """Probabilities and logits of 3 classes, masks, and indices."""
    g = np.random.default_rng(seed)
    logits = 2.0 * g.normal(size=(2, 3, 4, 5))
    return {
        "logits": logits,
        "probs": 1.0 / (1.0 + np.exp(-logits)),
        "simplex": np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
        "masks": (g.random(size=logits.shape) < 0.4).astype(np.float64),
        "target": g.integers(3, size=(2, 4, 5)),
    }


def found(loss, library, call, function, *inputs, **options):
    """An entry with the value and the gradient in the first input."""
    first, *others = (torch.tensor(x) for x in inputs)
    first.requires_grad_()
    value = function(first, *others).squeeze()
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


def entries():
    multilabel = {"mode": "multilabel", "from_logits": False}
    for seed in range(2):
        x = draw(seed)
        regions, one = (x["probs"], x["masks"]), (x["probs"][:, :1], x["masks"][:, :1])
        scores, indices = (x["logits"], x["masks"]), (x["logits"], x["target"])
        yield found(
            "batch_dice",
            SMP,
            "DiceLoss('multilabel', from_logits=False)",
            smp.DiceLoss(**multilabel),
            *regions,
            smooth=0.0,
        )
        yield found(
            "batch_dice",
            "keras",
            "dice(axis=(0, 2, 3))",
            lambda p, t: keras.losses.dice(t, p, axis=(0, 2, 3)).mean(),
            *regions,
            smooth=0.0,
        )
        yield found(
            "jaccard",
            SMP,
            "mean over samples of JaccardLoss('multilabel', from_logits=False)",
            lambda p, t: torch.stack(
                [smp.JaccardLoss(**multilabel)(p[i : i + 1], t[i : i + 1]) for i in range(2)]
            ).mean(),
            *regions,
            smooth=0.0,
        )
        weights = {"false_positive": 0.3, "false_negative": 0.7}
        yield found(
            "tversky",
            "keras",
            "tversky(alpha=0.7, beta=0.3, axis=(2, 3))",
            lambda p, t: keras.losses.tversky(t, p, 0.7, 0.3, axis=(2, 3)).mean(),
            *regions,
            smooth=0.0,
            **weights,
        )
        yield found(
            "batch_tversky",
            SMP,
            "TverskyLoss('binary', from_logits=False, alpha=0.3, beta=0.7)",
            smp.TverskyLoss("binary", from_logits=False, alpha=0.3, beta=0.7),
            *one,
            smooth=0.0,
            **weights,
        )
        yield found(
            "batch_tversky_of_logits",
            "pytorch_optimizer",
            "TverskyLoss(0.3, 0.7, smooth=1e-6)",
            TverskyLoss(0.3, 0.7),
            *(t[:, :1] for t in scores),
            smooth=1e-6,
            **weights,
        )
        yield found(
            "tversky_of_softmax",
            "torchium",
            "TverskyLoss(alpha=0.7, beta=0.3, smooth=1e-5)",
            TorchiumTversky(0.7, 0.3),
            x["logits"],
            x["target"],
            smooth=1e-5,
            **weights,
        )
        for exponent in (0.75, 0.5):
            focal = {**weights, "gamma": 1 / exponent}
            yield found(
                "batch_focal_tversky_of_logits",
                "pytorch_optimizer",
                f"FocalTverskyLoss(0.3, 0.7, gamma={exponent}, smooth=1e-6)",
                FocalTverskyLoss(0.3, 0.7, exponent),
                *(t[:, :1] for t in scores),
                smooth=1e-6,
                **focal,
            )
            yield found(
                "batch_focal_tversky",
                "unified-focal-loss-pytorch",
                f"FocalTverskyLoss(delta=0.7, gamma={exponent}, smooth=0)",
                UnifiedFocalTversky(0.7, exponent, 0.0),
                x["simplex"],
                x["target"],
                smooth=0.0,
                **focal,
            )
        single = [
            tuple(np.float32(t) if t.dtype == np.float64 else t for t in pair)
            for pair in ([t[:, :1] for t in scores], indices)
        ]  # it fails for float64
        for per_image in (True, False):
            batch = "" if per_image else "batch_"
            yield found(
                f"{batch}lovasz_hinge",
                SMP,
                f"LovaszLoss('binary', per_image={per_image})",
                smp.LovaszLoss("binary", per_image),
                *single[0],
            )
            yield found(
                f"{batch}lovasz_softmax",
                SMP,
                f"LovaszLoss('multiclass', per_image={per_image})",
                smp.LovaszLoss("multiclass", per_image),
                *single[1],
            )
        yield found("batch_mcc", SMP, "MCCLoss(eps=0)", smp.MCCLoss(0.0), *one)


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
