"""Records what other libraries make of fixed log-probabilities, into ``recorded/preference.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy
    v/bin/pip install --no-deps liger-kernel openrlhf
    v/bin/python tests/oracles/record_preference.py
"""

import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from liger_kernel.chunked_loss.dpo_loss import LigerFusedLinearDPOFunction
from liger_kernel.chunked_loss.kto_loss import LigerFusedLinearKTOFunction
from liger_kernel.chunked_loss.orpo_loss import LigerFusedLinearORPOFunction
from liger_kernel.chunked_loss.simpo_loss import LigerFusedLinearSimPOFunction

RECORD = Path(__file__).parent / "recorded" / "preference.json"
N = 6

# Its packages import what training needs; the losses need none of it.
for package in ("openrlhf", "openrlhf.models"):
    module = types.ModuleType(package)
    module.__path__ = [str(Path(sysconfig.get_path("purelib"), *package.split(".")))]
    sys.modules[package] = module
sys.modules["deepspeed"] = types.ModuleType("deepspeed")

from openrlhf.models.loss import DPOLoss  # noqa: E402


def draw(seed):
    g = np.random.default_rng(seed)
    return {
        "sums": [-10.0 * g.gamma(2.0, size=N) for _ in range(4)],
        "means": [-g.gamma(2.0, size=N) for _ in range(2)],
        "kl": np.array(g.gamma(1.0)),
        "target": g.integers(0, 2, N).astype(float),
    }


def entry(loss, library, call, function, inputs, **options):
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    value = function(*leaves)
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [x.tolist() for x in inputs],
        "value": value.item(),
        "gradients": [None if g is None else g.tolist() for g in gradients],
    }


def entries():
    both, single = torch.empty(2 * N), torch.empty(N)  # only their length is read
    dpo, kto = LigerFusedLinearDPOFunction.preference_loss_fn, LigerFusedLinearKTOFunction.preference_loss_fn
    simpo, orpo = LigerFusedLinearSimPOFunction.preference_loss_fn, LigerFusedLinearORPOFunction.preference_loss_fn
    for seed in range(3):
        x = draw(seed)
        for beta in (0.1, 0.7):
            for name, kind in (("dpo", "sigmoid"), ("preference_hinge", "hinge")):
                yield entry(
                    name,
                    "liger-kernel",
                    f"LigerFusedLinearDPOFunction.preference_loss_fn(loss_type={kind!r})[0]",
                    lambda cw, cl, rw, rl, b=beta, k=kind: dpo(cw, cl, both, rw, rl, beta=b, loss_type=k)[0],
                    x["sums"],
                    beta=beta,
                )
            for smoothing in (0.0, 0.2):
                yield entry(
                    "dpo",
                    "openrlhf",
                    "DPOLoss(beta, label_smoothing)[0]",
                    lambda *t, b=beta, s=smoothing: DPOLoss(b, s)(*t)[0],
                    x["sums"],
                    beta=beta,
                    label_smoothing=smoothing,
                )
            yield entry(
                "ipo",
                "openrlhf",
                "DPOLoss(beta, ipo=True)[0]",
                lambda *t, b=beta: DPOLoss(b, ipo=True)(*t)[0],
                x["sums"],
                beta=beta,
            )
            yield entry(
                "kto",
                "liger-kernel",
                "LigerFusedLinearKTOFunction.preference_loss_fn(log_probs, target > 0, ref, beta, kl)[0]",
                lambda p, r, kl, y, b=beta: kto(p, y > 0, single, r, b, kl)[0],
                [x["sums"][0], x["sums"][1], x["kl"], x["target"]],
                beta=beta,
            )
            yield entry(
                "orpo_odds",
                "liger-kernel",
                "LigerFusedLinearORPOFunction.preference_loss_fn(chosen, rejected, beta)[0]; no likelihood term",
                lambda w, loser, b=beta: orpo(w, loser, both, b)[0],
                x["means"],
                beta=beta,
            )
            for margin in (0.0, 1.0):
                yield entry(
                    "simpo",
                    "liger-kernel",
                    "LigerFusedLinearSimPOFunction.preference_loss_fn(chosen, rejected, beta, gamma)[0]",
                    lambda w, loser, b=beta, m=margin: simpo(w, loser, both, b, m)[0],
                    x["means"],
                    beta=beta,
                    margin=margin,
                )


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
