"""Records what piq makes of fixed features, into ``recorded/image.json``.

It needs torchvision, of which nothing is used here. To make the record again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy
    v/bin/pip install --no-deps piq
    v/bin/python tests/oracles/record_image.py
"""

import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn

RECORD = Path(__file__).parent / "recorded" / "image.json"

package = types.ModuleType("piq")
package.__path__ = [str(Path(sysconfig.get_path("purelib"), "piq"))]
sys.modules["piq"] = package
sys.modules["torchvision"] = types.ModuleType("torchvision")
sys.modules["torchvision.models"] = types.SimpleNamespace(vgg16=None, vgg19=None)

from piq.perceptual import ContentLoss, StyleLoss  # noqa: E402


def entries():
    for seed in range(3):
        g = np.random.default_rng(seed)
        inputs = [g.uniform(size=(2, 3, 4, 5)) for _ in range(2)]
        for name, loss in (("content", ContentLoss), ("gram_style", StyleLoss)):
            same = nn.Sequential(nn.Identity())
            peer = loss(same, layers=["0"], mean=[0.0] * 3, std=[1.0] * 3, reduction="mean")
            leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
            value = peer(*leaves)
            yield {
                "loss": name,
                "library": "piq",
                "version": version("piq"),
                "call": f"{loss.__name__}(identity, mean 0, std 1)(features, target)",
                "options": {},
                "inputs": [x.tolist() for x in inputs],
                "value": value.item(),
                "gradients": [t.tolist() for t in torch.autograd.grad(value, leaves)],
            }


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
