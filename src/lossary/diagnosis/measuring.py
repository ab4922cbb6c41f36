"""Numbers of gradients, updates and activations, taken at sampled steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .record import Activation, LayerNumbers, Sample

_MOST_TENSORS = 200
_MOST_ELEMENTS = 20_000_000
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase, nn.ConvTranspose2d)
_RANGES: dict[type[nn.Module], tuple[float, float]] = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}


def depends_on_mode(module: nn.Module) -> bool:
    """Whether it does in training what it does not in evaluation: takes a batch's statistics, or drops anything."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
        return module.dropout > 0
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def tracked(parameters: Sequence[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """The parameters that are measured: all of them, or an even choice where they are many or large."""
    chosen = list(parameters)
    if len(chosen) > _MOST_TENSORS:
        step = len(chosen) / _MOST_TENSORS
        chosen = [chosen[int(i * step)] for i in range(_MOST_TENSORS)]
    total = 0
    out: list[tuple[str, Tensor]] = []
    for name, parameter in chosen:
        total += parameter.numel()
        if total > _MOST_ELEMENTS and out:
            break
        out.append((name, parameter))
    return out


class StepMeasure:
    """Measures one step: gradients before it, updates after it."""

    def __init__(self, parameters: Sequence[tuple[str, Tensor]]) -> None:
        self._parameters = [(name, p) for name, p in parameters if p.is_floating_point() and not p.is_sparse]
        self._before: list[Tensor] = []
        self._gradients: list[Tensor | None] = []
        self._last: list[Tensor | None] = []
        self._last_number = -2

    @torch.no_grad()
    def begin(self, number: int, optimizer: int) -> Sample:
        """Read the gradients that the step is about to use."""
        sample = Sample(number, optimizer)
        gradients = [p.grad.detach() if p.grad is not None and not p.grad.is_sparse else None
                     for _, p in self._parameters]  # fmt: skip
        there = [g for g in gradients if g is not None]
        self._before = [p.detach().clone() for _, p in self._parameters]
        self._gradients = gradients
        if there:
            total = math.sqrt(sum(n * n for n in _norms(there)))
            sample.gradient_norm, sample.finite = total, math.isfinite(total)
            largest = _norms(there, math.inf)
            sample.largest_gradient = max(largest)
            if sample.largest_gradient > 0:
                edge = sample.largest_gradient * (1 - 1e-6)
                hits = sum(int((g.abs() >= edge).sum()) for g, m in zip(there, largest, strict=True) if m >= edge)
                sample.share_at_largest = hits / sum(g.numel() for g in there)
            if self._last_number == number - 1 and total > 0:
                sample.cosine = _cosine(gradients, self._last)
            self._last, self._last_number = [None if g is None else g.clone() for g in gradients], number
        return sample

    @torch.no_grad()
    def end(self, sample: Sample, *, gradients_now: bool = False) -> None:
        """Read the weights after the step, and what has changed."""
        if gradients_now:  # a closure computed them within the step
            self._gradients = [p.grad for _, p in self._parameters]
        now = [p.detach() for _, p in self._parameters]
        weights, updates = _norms(self._before), _norms(torch._foreach_sub(now, self._before)) if now else []
        gradients = iter(_norms([g for g in self._gradients if g is not None]))
        for (name, p), weight, update, gradient in zip(
            self._parameters, weights, updates, self._gradients, strict=True
        ):
            size = max(math.sqrt(p.numel()), 1.0)
            sample.layers[name] = LayerNumbers(
                gradient=0.0 if gradient is None else next(gradients) / size,
                weight=weight / size,
                update=update / size,
                has_gradient=gradient is not None,
            )
        self._before, self._gradients = [], []


def _norms(tensors: Sequence[Tensor], order: float = 2.0) -> list[float]:
    """The norm of each, read from the device at once."""
    if not tensors:
        return []
    found: list[float] = torch.stack([n.float() for n in torch._foreach_norm(list(tensors), order)]).tolist()
    return found


def _cosine(new: Sequence[Tensor | None], old: Sequence[Tensor | None]) -> float | None:
    pairs = [(a, b) for a, b in zip(new, old, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    a, b = [a for a, _ in pairs], [b for _, b in pairs]
    dot = float(torch.stack([product.sum() for product in torch._foreach_mul(a, b)]).sum())
    sizes = math.hypot(*_norms(a)) * math.hypot(*_norms(b))
    return dot / sizes if sizes > 0 and math.isfinite(sizes) else None


@torch.no_grad()
def activation(name: str, module: nn.Module, inputs: object, output: object) -> list[Activation]:
    """Numbers of a nonlinearity's output, or of the input of a layer with weights, which shows functional ones, too."""
    for kind, own_ends in _RANGES.items():
        if isinstance(module, kind) and isinstance(output, Tensor):
            return [_numbers(name, type(module).__name__, output, own_ends)]
    if isinstance(module, (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU)) and isinstance(output, Tensor):
        return [_numbers(name, type(module).__name__, output, None)]
    if isinstance(module, WEIGHTED) and isinstance(inputs, tuple) and inputs and isinstance(inputs[0], Tensor):
        x = inputs[0]
        if x.is_floating_point() and x.requires_grad:  # what comes from the data is none of the network's doing
            low, high = float(x.min()), float(x.max())
            ends = (0.0, 1.0) if low >= 0 and high <= 1 else (-1.0, 1.0) if low >= -1 and high <= 1 else None
            return [_numbers(f"{name} (input)", "input", x, ends)]
    return []


def _numbers(name: str, kind: str, x: Tensor, ends: tuple[float, float] | None) -> Activation:
    x = x.detach().float()
    if x.numel() == 0:
        return Activation(name, kind, 0.0, 0.0, 0.0, 0.0, True)
    zero = x == 0
    rows = zero.reshape(zero.shape[0], -1) if zero.ndim > 1 else zero.reshape(1, -1)
    if zero.ndim == 4:  # a channel is a unit
        rows = zero.movedim(1, -1).reshape(-1, zero.shape[1])
    elif zero.ndim == 3:
        rows = zero.reshape(-1, zero.shape[-1])
    saturated = 0.0
    if ends is not None:
        edge = 0.01 * (ends[1] - ends[0])
        saturated = float(((x < ends[0] + edge) | (x > ends[1] - edge)).float().mean())
    return Activation(
        name=name,
        kind=kind,
        spread=float(x.pow(2).mean().sqrt()),
        zeros=float(zero.float().mean()),
        dead=float(rows.all(0).float().mean()) if rows.shape[0] > 1 else float("nan"),
        saturated=saturated,
        finite=bool(torch.isfinite(x).all()),
    )
