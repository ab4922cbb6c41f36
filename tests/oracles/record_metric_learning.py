"""Records what other libraries make of fixed embeddings, into ``recorded/metric_learning.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy optax jax keras
    v/bin/pip install --no-deps catalyst
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_metric_learning.py
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

RECORD = Path(__file__).parent / "recorded" / "metric_learning.json"


def without_init(*packages):
    """Make modules below ``packages`` importable without what their ``__init__`` files import."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [str(Path(sysconfig.get_path("purelib"), *name.split(".")))]
        sys.modules[name] = module


without_init("catalyst", "catalyst.contrib", "catalyst.contrib.losses", "catalyst.contrib.data")
# What it needs of the samplers is a type only.
sys.modules["catalyst.contrib.data._misc"] = types.SimpleNamespace(convert_labels2list=None)

from catalyst.contrib.losses.contrastive import ContrastiveEmbeddingLoss  # noqa: E402
from catalyst.contrib.losses.triplet import TripletLoss  # noqa: E402


def draw(seed):
    g = np.random.default_rng(seed)
    return {
        "anchor": g.normal(size=(6, 4)),
        "positive": g.normal(size=(6, 4)),
        "negative": g.normal(size=(6, 4)),
        "alike": g.integers(0, 2, 6).astype(float),
        "embeddings": g.normal(size=(8, 4)),
        "labels": np.array([0, 0, 1, 1, 2, 2, 0, 1]),
    }


def in_torch(function, *inputs):
    """Value, and gradient in each floating-point input."""
    leaves = [torch.tensor(x, requires_grad=x.dtype == np.float64) for x in inputs]
    value = function(*leaves)
    floating = [t for t in leaves if t.requires_grad]
    gradients = torch.autograd.grad(value, floating, allow_unused=True)
    return value.item(), [None if g is None else g.tolist() for g in gradients]


def in_jax(function, *inputs):
    value, gradients = jax.value_and_grad(function, tuple(range(len(inputs))))(*inputs)
    return float(value), [np.asarray(g).tolist() for g in gradients]


def unit(x):
    return torch.nn.functional.normalize(x)


def entry(loss, library, call, inputs, value, gradients, **options):
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


def entries():
    for seed in range(2):
        x = draw(seed)
        for margin in (0.5, 2.0):
            pair = (x["anchor"], x["positive"], x["alike"])
            found = in_torch(lambda a, b, y, m=margin: ContrastiveEmbeddingLoss(m)(a, b, 1 - y), *pair)
            call = "ContrastiveEmbeddingLoss(margin)(first, second, 1 - target)"
            yield entry("contrastive", "catalyst", call, pair, *found, margin=margin)

            batch = (x["embeddings"], x["labels"])
            found = in_torch(lambda e, y, m=margin: TripletLoss(m)(e, y), *batch)
            yield entry("batch_hard_triplet", "catalyst", "TripletLoss(margin)", batch, *found, margin=margin)

            triplet = (x["anchor"], x["positive"], x["negative"])
            found = in_jax(
                lambda a, p, n, m=margin: optax.losses.triplet_margin_loss(a, p, n, margin=m).mean(), *triplet
            )
            call = "losses.triplet_margin_loss(anchor, positive, negative, margin=margin).mean()"
            yield entry("triplet_margin", "optax", call, triplet, *found, margin=margin)

        for margin, scale in ((0.4, 80.0), (0.25, 5.0)):
            batch = (x["embeddings"], x["labels"])
            found = in_torch(
                lambda e, y, m=margin, s=scale: keras.losses.circle(y, unit(e), gamma=s, margin=m).mean(), *batch
            )
            call = "losses.circle(labels, normalize(embeddings), gamma=scale, margin=margin).mean()"
            yield entry("circle", "keras", call, batch, *found, margin=margin, scale=scale)


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
