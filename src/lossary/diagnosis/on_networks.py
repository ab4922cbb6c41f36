"""Causes in the network: how it starts, and what its layers let through."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from .causes import Evidence, cause
from .on_data import helps
from .replay import Change
from .seen import Seen

_LOUD = 2.0
"""Times 1/sqrt(fan in), above all usual initial weights; it counts where the untrained outputs are too large, too."""


def reset(model: nn.Module) -> None:
    """Give every layer its own usual initial weights."""
    for module in model.modules():
        resetting: Any = getattr(module, "reset_parameters", None)
        if callable(resetting):
            resetting()


@cause(
    "network", "the initial weights are out of scale, or all alike",
    remedy="nn.init.kaiming_normal_(layer.weight, nonlinearity='relu'); nn.init.zeros_(layer.bias)",
    confirm="with torch's own initial weights the same run learns",
    source="He et al. 2015, arXiv:1502.01852, sec. 2.2; Glorot and Bengio 2010",
    explains=("vanishing_gradient", "exploding_gradient", "dead_relu", "saturated_activation", "lr_too_low",
              "early_plateau", "lr_too_high", "loss_oscillating", "numerical_instability", "class_imbalance",
              "batch_too_small", "missing_nonlinearity", "overfitting", "output_range_mismatch"),
)  # fmt: skip
def bad_initialization(seen: Seen) -> Evidence | None:
    """Weights that start constant, or far from 1/sqrt(fan in)."""
    model = seen.record.initial
    if model is None or seen.compound:
        return None
    worst, name_of_worst, constant = 1.0, "", ""
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) or weight is None or weight.numel() < 8:
            continue
        fan = weight[0].numel()
        ratio = float(weight.detach().float().pow(2).mean().sqrt()) * math.sqrt(fan)
        if float(weight.detach().std()) < 1e-8:
            constant = constant or name
        elif max(ratio, 1 / max(ratio, 1e-30)) > max(worst, 1 / worst):
            worst, name_of_worst = ratio, name
    hidden = constant and not _is_last(model, constant)
    if hidden:
        words = f"All weights of {constant} start with the same value: its units stay alike"
        if seen.poor:
            return Evidence(0.95, words + ".", {})
        return None
    loud = math.isfinite(seen.trivial) and seen.untrained > 10 * seen.trivial
    if 0.1 < worst < (_LOUD if loud else 8):
        return None
    if not (seen.poor or seen.spikes > 5 or loud):
        return None
    words = f"The weights of {name_of_worst} start at {worst:.3g} times 1/sqrt(fan in); usual is 0.6 to 1.5"
    figures = {"scale": worst}
    if seen.replay is None:
        return Evidence(0.7, words + ".", figures)
    before, after = seen.replay(), seen.replay("usual initial weights", Change(model=reset))
    if helps(before, after, seen) or (after < 0.7 * before and after < 0.9 * seen.end):
        return Evidence(0.94, words + f"; with usual ones a trial reached {after:.3g} instead of {before:.3g}.",
                        {**figures, "trial": after})  # fmt: skip
    return None


def _is_last(model: nn.Module, name: str) -> bool:
    """Whether it is the last layer with weights, which may well start at zero."""
    layers = [n for n, m in model.named_modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))]
    return bool(layers) and layers[-1] == name


@cause(
    "network", "ReLU units are dead",
    remedy="nn.LeakyReLU()  # or smaller steps, and biases that start at 0",
    confirm="these units are 0 for all samples, and their gradients too",
    source="Lu et al. 2020, arXiv:1903.06733; Maas, Hannun and Ng 2013",
    explains=("early_plateau", "vanishing_gradient", "lr_too_low", "class_imbalance", "missing_nonlinearity",
              "batch_too_small"),
)  # fmt: skip
def dead_relu(seen: Seen) -> Evidence | None:
    """Units that are zero for all samples of the batch, in a run that does badly."""
    if seen.compound:
        return None
    worst: tuple[float, str, int] | None = None
    for sample in seen.samples:
        for a in sample.activations:
            if a.kind in ("ReLU", "ReLU6", "input") and math.isfinite(a.dead) and (worst is None or a.dead > worst[0]):
                worst = (a.dead, a.name, sample.number)
    if worst is None or worst[0] < 0.7:
        return None
    lasting = [a.dead for s in seen.samples[-3:] for a in s.activations if a.name == worst[1]]
    if not lasting or min(lasting) < 0.5:
        return None
    if not seen.poor and (min(lasting) < 0.95 or _gradient_passes(seen)):
        return None
    at_start = [a.dead for a in seen.samples[0].activations if a.name == worst[1]]
    began = 0 if at_start and at_start[0] > 0.5 else worst[2]
    return Evidence(0.9 if worst[0] > 0.9 else 0.8, f"{worst[0]:.0%} of the units of {worst[1]} are 0 for all samples.",
                    {"dead": worst[0]}, began, () if began else ("lr_too_high", "momentum_too_high"))  # fmt: skip


def _gradient_passes(seen: Seen) -> bool:
    """Whether all weights still get a gradient late in the run."""
    weights = [v.gradient for s in seen.samples[-3:] for n, v in s.layers.items() if "bias" not in n and v.weight > 0]
    return all(gradient > 0 for gradient in weights)


@cause(
    "network", "activations are saturated",
    remedy="# smaller initial weights, inputs with mean 0 and spread 1, or ReLU instead of sigmoid and tanh",
    confirm="most values are at the ends of the activation's range, where its gradient is 0",
    source="Glorot and Bengio 2010, sec. 3",
    explains=("vanishing_gradient", "early_plateau", "lr_too_low", "class_imbalance", "missing_nonlinearity"),
)  # fmt: skip
def saturated_activation(seen: Seen) -> Evidence | None:
    """Sigmoids and tanhs at the ends of their range, in a run that does badly."""
    if not seen.poor or seen.compound or not seen.samples:
        return None
    kinds = ("Sigmoid", "Tanh", "input")
    found = [(a.saturated, a.name, s.number) for s in seen.samples for a in s.activations
             if a.kind in kinds and a.zeros < 0.3 and not _is_output(seen, a.name)]  # fmt: skip
    if not found:
        return None
    worst = max(found)
    lasting = [v for v, name, _ in found if name == worst[1]]
    if worst[0] < 0.75 or float(torch.tensor(lasting).median()) < 0.6:
        return None
    began = next(n for v, name, n in found if name == worst[1] and v > 0.6)
    return Evidence(0.88, f"{worst[0]:.0%} of the values of {worst[1]} are within 1% of the ends of their range.",
                    {"saturated": worst[0]}, began, () if began else ("lr_too_high", "momentum_too_high"))  # fmt: skip


def _is_output(seen: Seen, name: str) -> bool:
    """Whether it is the last module that was registered, as a sigmoid that makes probabilities."""
    model = seen.record.model
    names = [n for n, m in model.named_modules() if not list(m.children())] if model is not None else []
    return bool(names) and names[-1] == name


@cause(
    "network", "layers follow each other without a nonlinearity",
    remedy="nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c))",
    confirm="the network is a linear function; its loss stays at the floor of linear regression",
    source="Goodfellow, Bengio and Courville, Deep Learning (2016), sec. 6.1",
    explains=("early_plateau", "lr_too_low", "overfitting", "class_imbalance", "loss_oscillating"),
)  # fmt: skip
def missing_nonlinearity(seen: Seen) -> Evidence | None:
    """Two layers with weights and more, and nothing nonlinear behind the output."""
    graph, output = seen.graph, seen.output
    if graph is None or not graph.whole or graph.weighted < 2 or graph.nonlinear > 0 or seen.compound or output is None:
        return None
    layers = [m for m in seen.modules if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    if len(layers) < 2 or seen.has(nn.Embedding, nn.RNNBase, nn.EmbeddingBag):
        return None
    if not any(_one_layer(a, b) for a, b in pairwise(layers)):
        return None
    return Evidence(0.93 if seen.progress < 0.9 else 0.7, f"{graph.weighted} layers with weights follow each other "
                    "with nothing nonlinear between them: together they are one linear layer.",
                    {"layers": graph.weighted})  # fmt: skip


def _one_layer(a: nn.Module, b: nn.Module) -> bool:
    """Whether one feeds the other and both together are no less than a single layer; through a narrow waist they are
    one of low rank, which may be meant."""
    ins, waist = _widths(a)
    next_ins, out = _widths(b)
    return next_ins % waist == 0 and next_ins >= min(ins, out)


def _widths(layer: Any) -> tuple[int, int]:
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels


@cause(
    "network", "dropout takes too much",
    remedy="nn.Dropout(0.2)",
    confirm="the training loss in evaluation mode is far below that in training mode",
    source="Srivastava et al. 2014, Dropout, sec. 7.3: retaining units with 0.4 to 0.8",
    explains=("early_plateau", "lr_too_low", "loss_oscillating", "class_imbalance", "batch_too_small",
              "vanishing_gradient", "missing_nonlinearity"),
)  # fmt: skip
def dropout_too_high(seen: Seen) -> Evidence | None:
    """Dropout of more than is usual, in a run that does better without."""
    rate = max([m.p for m in seen.modules if isinstance(m, nn.modules.dropout._DropoutNd)], default=seen.record.dropout)
    rate = max(rate, seen.record.dropout)
    if rate < 0.6 or seen.compound or not seen.progress < 0.8:
        return None
    words = f"Dropout takes {rate:.0%} of the units"
    figures = {"dropout": rate}
    if seen.replay is None:
        return Evidence(0.7, words + ".", figures) if seen.poor else None
    before, after = seen.replay(), seen.replay("dropout 0.2", Change(dropout=0.2))
    if after < 0.85 * before and after < 0.9 * seen.end:
        return Evidence(0.92, words + f"; with 20% a trial reached a loss of {after:.3g} instead of {before:.3g}.",
                        {**figures, "trial": after})  # fmt: skip
    return None
