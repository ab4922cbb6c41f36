"""Records what other libraries make of fixed logits, into ``recorded/classification.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 optax jax keras
    v/bin/pip install --no-deps timm torchium
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_classification.py
"""

import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import jax
import keras
import numpy as np
import optax
import torch

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

RECORDED = Path(__file__).parent / "recorded"


def without_init(*packages):
    """Make modules below ``packages`` importable without what their ``__init__`` files import."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [str(Path(sysconfig.get_path("purelib"), *name.split(".")))]
        sys.modules[name] = module


without_init("timm", "timm.loss", "torchium", "torchium.losses", "torchium.losses.classification")

from timm.loss.poly_loss import PolyBinaryCrossEntropy, PolyCrossEntropy  # noqa: E402
from torchium.losses.classification.cross_entropy import LabelSmoothingLoss  # noqa: E402


def draw(seed, *shape):
    """Logits ``shape``, and for them classes, signs and labels."""
    g = np.random.default_rng(seed)
    logits = 2.0 * g.normal(size=shape)
    return {
        "logits": logits,
        "target": g.integers(shape[1], size=(shape[0], *shape[2:])),
        "signs": 2.0 * g.integers(2, size=shape) - 1.0,
        "labels": g.integers(2, size=shape).astype(np.float64),
        "soft": np.exp(logits[::-1]) / np.exp(logits[::-1]).sum(1, keepdims=True),
    }


def in_torch(function, *inputs):
    """Value, and gradient in the first input."""
    first, *others = (torch.tensor(x) for x in inputs)
    first.requires_grad_()
    value = function(first, *others).squeeze()
    (gradient,) = torch.autograd.grad(value, first)
    return value.item(), [gradient.tolist()] + [None] * len(others)


def in_jax(function, *inputs):
    """Value, and gradient in the first input."""
    value, gradient = jax.value_and_grad(function)(*inputs)
    return float(value), [np.asarray(gradient).tolist()] + [None] * (len(inputs) - 1)


def entry(loss, library, call, inputs, outcome, **options):
    """One record: ``options`` are ours, by which the values agree."""
    value, gradients = outcome
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [np.asarray(x).tolist() for x in inputs],
        "value": value,
        "gradients": gradients,
    }


def write(family, entries):
    RECORDED.mkdir(exist_ok=True)
    text = ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries)
    (RECORDED / f"{family}.json").write_text(f"[{text}]\n")


def hinges(x):
    signs, pair = [x["logits"], x["signs"]], [x["logits"], x["target"]]
    classes = x["logits"].shape[1]
    yield entry("hinge", "optax", "hinge_loss(...).mean()", signs,
                in_jax(lambda z, y: optax.hinge_loss(z, y).mean(), *signs))  # fmt: skip
    yield entry("hinge", "optax", "losses.perceptron_loss(...).mean()", signs,
                in_jax(lambda z, y: optax.losses.perceptron_loss(z, y).mean(), *signs), margin=0.0)  # fmt: skip
    yield entry("hinge", "keras", "Hinge()(target, logits)", signs,
                in_torch(lambda z, y: keras.losses.Hinge()(y, z), *signs))  # fmt: skip
    yield entry("squared_hinge", "keras", "SquaredHinge()(target, logits)", signs,
                in_torch(lambda z, y: keras.losses.SquaredHinge()(y, z), *signs))  # fmt: skip
    yield entry("multiclass_hinge", "optax", "losses.multiclass_hinge_loss(...).mean()", pair,
                in_jax(lambda z, y: optax.losses.multiclass_hinge_loss(z, y).mean(), *pair))  # fmt: skip
    yield entry("categorical_hinge", "keras", "CategoricalHinge()(one_hot(target), logits)", pair,
                in_torch(lambda z, y: keras.losses.CategoricalHinge()(torch.eye(classes)[y], z), *pair))  # fmt: skip


def cross_entropies(x):
    soft, pair, labels = [x["logits"], x["soft"]], [x["logits"], x["target"]], [x["logits"], x["labels"]]
    classes = x["logits"].shape[1]
    yield entry("cross_entropy", "optax", "softmax_cross_entropy(...).mean()", soft,
                in_jax(lambda z, y: optax.softmax_cross_entropy(z, y).mean(), *soft))  # fmt: skip

    def smoothed(z, y):
        targets = optax.smooth_labels(jax.nn.one_hot(y, classes), 0.1)
        return optax.softmax_cross_entropy(z, targets).mean()

    yield entry("cross_entropy", "optax", "softmax_cross_entropy(logits, smooth_labels(...)).mean()", pair,
                in_jax(smoothed, *pair), label_smoothing=0.1)  # fmt: skip
    yield entry("label_smoothing", "torchium", "LabelSmoothingLoss(0.1)", pair,
                in_torch(LabelSmoothingLoss(0.1), *pair), label_smoothing=0.1)  # fmt: skip
    peer = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    yield entry("bce_with_logits", "keras", "BinaryCrossentropy(from_logits=True, label_smoothing=0.1)", labels,
                in_torch(lambda z, y: peer(y, z), *labels), label_smoothing=0.1)  # fmt: skip
    yield entry("soft_margin", "optax", "sigmoid_binary_cross_entropy(logits, (signs + 1) / 2).mean()",
                [x["logits"], x["signs"]],
                in_jax(lambda z, y: optax.sigmoid_binary_cross_entropy(z, (y + 1) / 2).mean(), x["logits"], x["signs"]),
                )  # fmt: skip


def others(x):
    pair, labels = [x["logits"], x["target"]], [x["logits"], x["labels"]]
    classes = x["logits"].shape[1]
    yield entry("sparsemax", "optax", "losses.multiclass_sparsemax_loss(...).mean()", pair,
                in_jax(lambda z, y: optax.losses.multiclass_sparsemax_loss(z, y).mean(), *pair))  # fmt: skip
    for epsilon in (-1.0, 2.0):

        def of_optax(z, y, epsilon=epsilon):
            return optax.losses.poly_loss_cross_entropy(z, jax.nn.one_hot(y, classes), epsilon=epsilon).mean()

        yield entry("poly1_cross_entropy", "optax",
                    "losses.poly_loss_cross_entropy(logits, one_hot(target), epsilon).mean()", pair,
                    in_jax(of_optax, *pair), epsilon=epsilon)  # fmt: skip
        yield entry("poly1_cross_entropy", "timm", "PolyCrossEntropy(epsilon)", pair,
                    in_torch(PolyCrossEntropy(epsilon), *pair), epsilon=epsilon)  # fmt: skip
        yield entry("poly1_bce_with_logits", "timm", "PolyBinaryCrossEntropy(epsilon)", labels,
                    in_torch(PolyBinaryCrossEntropy(epsilon), *labels), epsilon=epsilon)  # fmt: skip


if __name__ == "__main__":
    entries = []
    for seed in range(2):
        x = draw(seed, 5, 4)
        entries += [*hinges(x), *cross_entropies(x), *others(x)]
    write("classification", entries)
