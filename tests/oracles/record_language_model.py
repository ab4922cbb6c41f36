"""Records what other libraries make of fixed logits and hidden states, into ``recorded/language_model.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy transformers trl triton
    v/bin/pip install --no-deps cut-cross-entropy
    TORCHDYNAMO_DISABLE=1 v/bin/python tests/oracles/record_language_model.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from cut_cross_entropy import linear_cross_entropy
from transformers.models.switch_transformers.modeling_switch_transformers import router_z_loss_func
from trl.trainer.utils import selective_log_softmax

RECORD = Path(__file__).parent / "recorded" / "language_model.json"


def entry(loss, library, call, function, inputs, **options):
    leaves = [torch.tensor(x, requires_grad=x.dtype == np.float64) for x in inputs]
    value = function(*leaves)
    floating = [t for t in leaves if t.requires_grad]
    found = iter(torch.autograd.grad(value, floating, allow_unused=True))
    gradients = [next(found) if t.requires_grad else None for t in leaves]
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
    for seed in range(3):
        g = np.random.default_rng(seed)
        logits = 3.0 * g.normal(size=(2, 5, 4))
        yield entry("z", "transformers", "switch_transformers: router_z_loss_func", router_z_loss_func, [logits])

        hidden, weight, target = 3.0 * g.normal(size=(7, 3)), g.normal(size=(9, 3)), g.integers(0, 9, 7)
        target[2] = -100
        for softcap in (None, 2.0):
            yield entry(
                "linear_cross_entropy",
                "cut-cross-entropy",
                "linear_cross_entropy(hidden, weight, target, softcap=softcap, impl='torch_compile'); ends in float32",
                lambda h, w, t, s=softcap: linear_cross_entropy(h, w, t, softcap=s, impl="torch_compile"),
                [hidden, weight, target],
                softcap=softcap,
            )

        logits, tokens = g.normal(size=(3, 6, 8)), g.integers(0, 8, (3, 6))
        mask = (np.arange(6) >= g.integers(0, 5, (3, 1))).astype(float)
        for average in (False, True):

            def log_probs(logits, tokens, mask, average=average):
                summed = (selective_log_softmax(logits, tokens) * mask).sum(-1)
                return (summed / mask.sum(-1) if average else summed).square().sum()

            call = "(selective_log_softmax(logits, tokens) * mask).sum(-1), squared and summed"
            inputs = [logits, tokens, mask]
            yield entry("sequence_log_probs", "trl", call, log_probs, inputs, average=average)


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
