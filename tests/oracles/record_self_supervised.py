"""Records what other libraries make of fixed embeddings, into ``recorded/self_supervised.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy optax jax info-nce-pytorch
    v/bin/pip install --no-deps lightly open_clip_torch catalyst
    v/bin/python tests/oracles/record_self_supervised.py
"""

import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
import optax
import torch
from info_nce import InfoNCE
from torch.nn.functional import normalize

jax.config.update("jax_enable_x64", True)

RECORD = Path(__file__).parent / "recorded" / "self_supervised.json"


def without_init(*packages):
    """Make modules below ``packages`` importable without what their ``__init__`` files import."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [str(Path(sysconfig.get_path("purelib"), *name.split(".")))]
        sys.modules[name] = module


without_init("lightly", "lightly.loss", "lightly.utils", "lightly.models", "lightly.models.modules")
without_init("open_clip", "catalyst", "catalyst.contrib", "catalyst.contrib.losses")

from catalyst.contrib.losses.supervised_contrastive import SupervisedContrastiveLoss  # noqa: E402
from lightly.loss.barlow_twins_loss import BarlowTwinsLoss  # noqa: E402
from lightly.loss.dino_loss import DINOLoss  # noqa: E402
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity  # noqa: E402
from lightly.loss.swav_loss import SwaVLoss  # noqa: E402
from lightly.loss.vicreg_loss import VICRegLoss  # noqa: E402
from open_clip.loss import ClipLoss, SigLipLoss  # noqa: E402


def draw(seed):
    g = np.random.default_rng(seed)
    return {
        "first": g.normal(size=(6, 4)),
        "second": g.normal(size=(6, 4)),
        "scale": g.uniform(1.0, 5.0),
        "bias": g.normal() - 2.0,
        "labels": np.array([0, 0, 0, 1, 1, 1]),
        "scores": g.uniform(-1.0, 1.0, size=(4, 6, 5)),
        "center": g.normal(size=5),
    }


def in_torch(function, *inputs):
    """Value, and gradient in each floating-point input."""
    leaves = [torch.tensor(x, requires_grad=np.asarray(x).dtype == np.float64) for x in inputs]
    value = function(*leaves).squeeze()
    floating = [t for t in leaves if t.requires_grad]
    gradients = torch.autograd.grad(value, floating, allow_unused=True)
    return value.item(), [None if g is None else g.tolist() for g in gradients]


def dino(student0, student1, teacher0, teacher1, center):
    loss = DINOLoss(5, teacher_temp=0.2, student_temp=0.5).double()
    loss.center.copy_(center.detach())
    return loss([teacher0.detach(), teacher1.detach()], [student0, student1])


def moved_center(teacher0, teacher1, center):
    loss = DINOLoss(5, center_momentum=0.7).double()
    loss.center.copy_(center)
    loss.update_center(torch.stack([teacher0, teacher1]))
    return loss.center.flatten()


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
        pair = (x["first"], x["second"])
        for temperature in (0.1, 0.5):
            value, gradient = jax.value_and_grad(optax.ntxent)(
                np.concatenate(pair), np.tile(np.arange(6), 2), temperature
            )
            gradients = [np.asarray(part).tolist() for part in np.split(gradient, 2)]
            call = "ntxent(concatenate(views), labels, temperature)"
            yield entry("nt_xent", "optax", call, pair, float(value), gradients, temperature=temperature)

            found = in_torch(InfoNCE(temperature), *pair)
            yield entry("info_nce", "info-nce-pytorch", "InfoNCE(temperature)", pair, *found, temperature=temperature)

            batch = (x["first"], x["labels"])
            for aggregation in ("out", "in"):
                found = in_torch(SupervisedContrastiveLoss(temperature, pos_aggregation=aggregation), *batch)
                call = f"SupervisedContrastiveLoss(temperature, pos_aggregation={aggregation!r})"
                name = "sup_con" if aggregation == "out" else "sup_con_inside"
                yield entry(name, "catalyst", call, batch, *found, temperature=temperature)

        scaled = (*pair, x["scale"])
        found = in_torch(lambda a, b, s: ClipLoss()(normalize(a), normalize(b), s), *scaled)
        yield entry("clip", "open_clip_torch", "ClipLoss()(normalize(...), normalize(...), scale)", scaled, *found)
        biased = (*scaled, x["bias"])
        found = in_torch(lambda a, b, s, c: SigLipLoss()(normalize(a), normalize(b), s, c), *biased)
        yield entry("siglip", "open_clip_torch", "SigLipLoss()(normalize(...), normalize(...), ...)", biased, *found)

        for weight in (0.005, 0.3):
            found = in_torch(BarlowTwinsLoss(weight), *pair)
            yield entry("barlow_twins", "lightly", "BarlowTwinsLoss(weight)", pair, *found, redundancy_weight=weight)
        found = in_torch(VICRegLoss(2.0, 3.0, 4.0), *pair)
        options = {"invariance_weight": 2.0, "variance_weight": 1.5, "covariance_weight": 4.0}
        yield entry("vicreg", "lightly", "VICRegLoss(2, 3, 4): its 3 is our 1.5", pair, *found, **options)
        found = in_torch(lambda p, z: NegativeCosineSimilarity()(p, z.detach()), *pair)
        yield entry("negative_cosine", "lightly", "NegativeCosineSimilarity()(p, z.detach())", pair, *found)

        views = tuple(x["scores"][:2])
        for temperature, iterations, epsilon in ((0.1, 3, 0.05), (0.5, 1, 0.2)):
            found = in_torch(lambda a, b, t=temperature, i=iterations, e=epsilon: SwaVLoss(t, i, e)([a, b], []), *views)
            options = {"temperature": temperature, "sinkhorn_iterations": iterations, "sinkhorn_epsilon": epsilon}
            yield entry("swav", "lightly", "SwaVLoss(...)([scores, target], [])", views, *found, **options)

        centred = (*x["scores"], x["center"])
        options = {"temperature": 0.5, "teacher_temperature": 0.2}
        found = in_torch(dino, *centred)
        yield entry("dino", "lightly", "DINOLoss(...)([t0, t1], [s0, s1])", centred, *found, **options)
        moved = moved_center(*map(torch.tensor, centred[2:])).tolist()
        yield entry("dino_center", "lightly", "DINOLoss.update_center", centred[2:], moved, None, momentum=0.7)


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
