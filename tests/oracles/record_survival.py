"""Records what other libraries make of fixed survival data, into ``recorded/survival.json``.

They need packages of their own, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy statsmodels torchsurv "setuptools<81"
    v/bin/python tests/oracles/record_survival.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from statsmodels.duration.hazard_regression import PHReg
from torchsurv.loss.cox import neg_partial_log_likelihood

RECORD = Path(__file__).parent / "recorded" / "survival.json"
N = 12


def draw(seed, *, ties):
    g = np.random.default_rng(seed)
    time = g.integers(1, 5, size=N).astype(float) if ties else g.gamma(2.0, size=N)
    return [g.normal(size=N), time, (g.uniform(size=N) < 0.7).astype(float)]


def entry(library, call, inputs, value, gradient, **options):
    return {
        "loss": "cox_partial_likelihood",
        "library": library,
        "version": version(library),
        "call": call,
        "options": {**options, "reduction": "sum"},
        "inputs": [x.tolist() for x in inputs],
        "value": float(value),
        "gradients": [gradient.tolist(), None, None],
    }


def by_torchsurv(inputs, ties):
    log_hazard, time, event = (torch.tensor(x) for x in inputs)
    log_hazard.requires_grad_()
    value = neg_partial_log_likelihood(log_hazard, event.bool(), time, ties_method=ties, reduction="sum")
    (gradient,) = torch.autograd.grad(value, log_hazard)
    return entry("torchsurv", f"neg_partial_log_likelihood(ties_method={ties}, reduction=sum)", inputs, value.item(),
                 gradient, ties=ties)  # fmt: skip


def by_statsmodels(inputs, ties):
    """One covariate per subject, which is 1 for that subject alone, so that the parameters are the log-hazards."""
    log_hazard, time, event = inputs
    model = PHReg(time, np.eye(N), status=event, ties=ties)
    return entry("statsmodels", f"PHReg(time, eye, status, ties={ties})", inputs, -model.loglike(log_hazard),
                 -model.score(log_hazard), ties=ties)  # fmt: skip


if __name__ == "__main__":
    entries = []
    for seed in range(3):
        for with_ties in (False, True):
            for ties in ("efron", "breslow"):
                inputs = draw(seed, ties=with_ties)
                entries += [by_torchsurv(inputs, ties), by_statsmodels(inputs, ties)]
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text("[" + ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries) + "]\n")
