"""Records what other libraries make of fixed scores and of a fixed critic, into ``recorded/adversarial.json``.

They import what cannot be installed beside torch, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy
    v/bin/pip install --no-deps torchgan catalyst basicsr
    v/bin/python tests/oracles/record_adversarial.py
"""

import functools
import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

RECORD = Path(__file__).parent / "recorded" / "adversarial.json"

# Their packages import what training needs; the losses need none of it.
for package in ("torchgan", "torchgan.losses", "catalyst", "catalyst.contrib", "catalyst.contrib.losses", "basicsr",
                "basicsr.losses", "basicsr.utils"):  # fmt: skip
    module = types.ModuleType(package)
    module.__path__ = [str(Path(sysconfig.get_path("purelib"), *package.split(".")))]
    sys.modules[package] = module
sys.modules["torchgan.utils"] = types.ModuleType("torchgan.utils")
sys.modules["torchgan.utils"].reduce = lambda x, reduction: {"mean": x.mean, "sum": x.sum}[reduction]()

from basicsr.losses.gan_loss import GANLoss, gradient_penalty_loss, r1_penalty  # noqa: E402
from catalyst.contrib.losses.gan import GradientPenaltyLoss  # noqa: E402
from torchgan.losses import functional as torchgan  # noqa: E402


def entry(loss, library, call, function, inputs, gradient_in=None, **options):
    """One record: ``options`` are ours, by which the values agree, or nearly; the test says how."""
    wanted = range(len(inputs)) if gradient_in is None else gradient_in
    leaves = [torch.tensor(x, requires_grad=i in wanted) for i, x in enumerate(inputs)]
    value = function(*leaves)
    gradients = dict(zip(wanted, torch.autograd.grad(value, [leaves[i] for i in wanted]), strict=True))
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [x.tolist() for x in inputs],
        "value": value.item(),
        "gradients": [gradients[i].tolist() if i in gradients else None for i in range(len(inputs))],
    }


def critic(weights):
    """A score for each image, which a gradient penalty can move by ``weights``."""
    return lambda images: torch.tanh(weights * images).flatten(1).sum(1, keepdim=True)


def of_scores(g):
    real, fake = 2.0 * g.normal(size=(2, 4, 3))
    for name, theirs, how, inputs, options in (
        ("minimax_discriminator", "minimax_discriminator_loss", {}, [real, fake], {}),
        ("minimax_generator", "minimax_generator_loss", {"nonsaturating": False}, [fake], {}),
        ("nonsaturating_generator", "minimax_generator_loss", {}, [fake], {}),
        ("least_squares_discriminator", "least_squares_discriminator_loss", {}, [real, fake], {}),
        ("least_squares_discriminator", "least_squares_discriminator_loss", {"a": -1.0, "b": 2.0}, [real, fake],
         {"fake_label": -1.0, "real_label": 2.0}),
        ("least_squares_generator", "least_squares_generator_loss", {}, [fake], {}),
        ("least_squares_generator", "least_squares_generator_loss", {"c": 0.5}, [fake], {"real_label": 0.5}),
        ("wasserstein_critic", "wasserstein_discriminator_loss", {}, [real, fake], {}),
        ("wasserstein_generator", "wasserstein_generator_loss", {}, [fake], {}),
    ):  # fmt: skip
        peer = functools.partial(getattr(torchgan, theirs), **how)
        yield entry(name, "torchgan", f"{theirs}({', '.join(f'{k}={v}' for k, v in how.items())})", peer, inputs,
                    **options)  # fmt: skip
    hinge = GANLoss("hinge")
    yield entry("hinge_discriminator", "basicsr", "GANLoss(hinge): of real plus of generated",
                lambda x, y: hinge(x, True, is_disc=True) + hinge(y, False, is_disc=True), [real, fake])  # fmt: skip
    yield entry("hinge_generator", "basicsr", "GANLoss(hinge)", lambda y: hinge(y, True, is_disc=False), [fake])


def of_critics(g):
    """Real and generated images are equal, so that each point between them is the image itself."""
    images, weights = g.normal(size=(4, 2, 3, 3)), 1.0 + 0.5 * g.normal(size=(2, 3, 3))

    def penalty(images, weights):
        return GradientPenaltyLoss()(images, images, critic(weights), [])

    def per_pixel(images, weights):
        return gradient_penalty_loss(critic(weights), images, images)

    def r1(images, weights):
        images = images.detach().requires_grad_()
        return r1_penalty(critic(weights)(images), images)

    inputs = [images, weights]
    yield entry("gradient_penalty", "catalyst", "GradientPenaltyLoss()", penalty, inputs, gradient_in=(1,))
    yield entry("gradient_penalty per pixel", "basicsr", "gradient_penalty_loss", per_pixel, inputs, gradient_in=(1,))
    yield entry("r1_penalty", "basicsr", "r1_penalty", r1, inputs, gradient_in=(1,))


if __name__ == "__main__":
    entries = []
    for seed in range(2):
        g = np.random.default_rng(seed)
        torch.manual_seed(seed)  # for the points between images, which are equal but for rounding
        entries += [*of_scores(g), *of_critics(g)]
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text("[" + ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries) + "]\n")
