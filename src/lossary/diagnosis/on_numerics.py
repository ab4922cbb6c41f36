"""Causes in the numbers: what the loss can't compute, and what the output can't reach."""

from __future__ import annotations

import math

import numpy as np
import torch

from .causes import Evidence, cause
from .on_losses import CONSEQUENCES, name_of
from .replay import Change
from .seen import Seen


@cause(
    "loss", "the loss computes an infinity or NaN from finite numbers",
    remedy="loss = F.cross_entropy(logits, target)  # instead of log(softmax); eps inside sqrt, log and divisions",
    confirm="the same batch in float64, or with the fused loss, is finite",
    source="Goodfellow, Bengio and Courville, Deep Learning (2016), sec. 4.1",
    explains=("exploding_gradient", "lr_too_high", "loss_oscillating", "bad_initialization", "early_plateau"),
)  # fmt: skip
def numerical_instability(seen: Seen) -> Evidence | None:
    """A loss or gradient that is not finite though weights and inputs are and nothing had grown."""
    bad, graph = seen.first_bad, seen.graph
    gradients = next((s.number for s in seen.samples if not s.finite), None)
    if bad is None and gradients is None:
        return None
    if seen.floats is not None and not bool(torch.isfinite(seen.floats).all()):
        return None
    at = min(x for x in (bad, gradients) if x is not None)
    before = seen.losses[:at]
    grown = len(before) > 0 and np.nanmax(before) > 20 * max(abs(seen.start), 1e-6)
    weights = [n.update / n.weight for s in seen.samples if s.number < at for n in s.layers.values() if n.weight > 0]
    leaping = bool(weights) and max(weights[-20:]) > 3
    delicate = [name for name in graph.delicate if name != "Div"] if graph is not None else []
    if not delicate and graph is not None:
        return None
    if grown or leaping:
        return None
    operations = ", ".join(dict.fromkeys(name.lower() for name in delicate[:3])) or "an operation"
    sure = 0.95
    calm = bool(weights) and max(weights[-20:]) < 0.1  # then a lower rate only gets there later
    if (
        not calm
        and seen.replay is not None
        and seen.replay("lr x 0.1", Change(lr=0.1)) < math.inf
        and seen.replay() == math.inf
    ):
        sure = 0.85
    what = "The loss" if bad is not None and bad == at else "The gradient"
    return Evidence(sure, f"{what} ceased to be finite at batch {at} although nothing had grown before; "
                    f"the loss computes {operations}.", {"batch": at}, at)  # fmt: skip


@cause(
    "loss", "the last activation can't reach the targets",
    remedy="# no activation after the last layer, or one whose range is that of the target",
    confirm="targets lie outside the range of the outputs",
    source="Goodfellow, Bengio and Courville, Deep Learning (2016), sec. 6.2.2",
    explains=(*CONSEQUENCES, "missing_nonlinearity", "wrong_loss_for_task"),
)  # fmt: skip
def output_range_mismatch(seen: Seen) -> Evidence | None:
    """A bounded last activation, with targets or logits that need more."""
    ends = {"Relu": (0.0, math.inf), "Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Softmax": (0.0, 1.0),
            "Softplus": (0.0, math.inf), "Hardtanh": (-1.0, 1.0), "Exp": (0.0, math.inf),
            "LogSoftmax": (-math.inf, 0.0), "Clamp": (0.0, 1.0)}.get(seen.last_operation)  # fmt: skip
    name = name_of(seen)
    if ends is None or seen.output is None or seen.compound:
        return None
    last = seen.last_operation.lower()
    if name in ("cross_entropy", "bce_with_logits") and seen.last_operation in ("Relu", "Sigmoid", "Tanh", "Hardtanh"):
        return Evidence(0.93, f"The logits pass a {last}: they can't leave [{ends[0]:g}, {ends[1]:g}].", {})
    y = seen.target
    if y is None or not y.is_floating_point() or not name.startswith(("mse", "l1", "smooth_l1", "rmse")):
        return None
    outside = float(((y < ends[0] - 0.01) | (y > ends[1] + 0.01)).float().mean())
    if outside < 0.02:
        return None
    return Evidence(
        0.95,
        f"{outside:.0%} of the targets (from {float(y.min()):.3g} to {float(y.max()):.3g}) are outside the range of "
        f"the last activation, {last}: [{ends[0]:g}, {ends[1]:g}].",
        {"outside": outside},
    )
