"""Whether a gradient can learn a hyperparameter of a loss: tried out on inputs drawn from its card."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lossary.core import Either, Fits, Loss, Optional

from .bijections import Bijection

_DRAWS = 5
_STEP = 1e-4
"""Of the finite differences, as a share of the value or of its distance from the nearer bound."""


def hindrance(loss: Loss, name: str, bounds: Bijection, *, mixed: bool) -> str | None:
    """Why no gradient can learn ``name``, as the end of a sentence; ``None`` where one can.

    Autograd is held against finite differences: the slope of the loss in the hyperparameter; if ``mixed``, the slope of
    the gradient that the model gets, which is what held-out data see of it and may be wrong where the other is right.
    A draw may fall on a kink, so most of them decide. What has no effect on ordinary inputs, as a guard against
    division by zero, passes with a slope of 0.
    """
    here = float(getattr(loss, name))
    step = _STEP * min(max(abs(here), 1e-3), here - bounds.low, bounds.high - here)
    right = 0
    for seed in range(_DRAWS):
        quantity = _quantity(loss, name, seed, mixed)
        at = torch.tensor(here, dtype=torch.float64, requires_grad=True)
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # torch warns of a tensor that becomes a number: found out below
            try:
                value = quantity(at)
            except TypeError:
                return "it enters an operation that takes plain numbers alone"
            slope = torch.autograd.grad(value, at, allow_unused=True)[0] if value.requires_grad else None
            ahead, behind = (float(quantity(at.detach() + move)) for move in (step, -step))
        if slope is None:
            what = "the gradient of the loss" if mixed else "the loss"
            return f"{what} is not differentiable in it, as it only selects, counts, or enters as a constant"
        finite = (ahead - behind) / (2.0 * step)
        noise = 1e-13 * (abs(ahead) + abs(behind)) / step  # what rounding of the two leaves in their difference
        right += abs(slope.item() - finite) <= 1e-3 * abs(finite) + noise
    return None if right > _DRAWS // 2 else "autograd and finite differences disagree about the slope in it"


def _quantity(loss: Loss, name: str, seed: int, mixed: bool) -> Callable[[Tensor], Tensor]:
    """What of the loss is looked at, as a function of the hyperparameter."""
    definition = loss.definition
    options = {n: _on_cpu(getattr(loss, n)) for n in definition.hyperparameters if n != name}
    domains = [d.options[0] if isinstance(d, Either) else d for d in definition.card.inputs]
    sizes = _sizes(loss, options)
    generator = torch.Generator().manual_seed(seed)
    x = [d.sample(sizes, generator) for d in domains]

    def total(value: Tensor) -> Tensor:
        return definition.function(*x, **options, **{name: value}, reduction="sum")

    if not mixed:
        return total
    leaves = [t.requires_grad_() for t, d in zip(x, domains, strict=True) if d.has_gradient]
    ways = [torch.randn(t.shape, generator=generator, dtype=torch.float64) for t in leaves]

    def directional(value: Tensor) -> Tensor:
        slopes = torch.autograd.grad(total(value), leaves, create_graph=True, allow_unused=True)
        return torch.stack([(s * w).sum() for s, w in zip(slopes, ways, strict=True) if s is not None]).sum()

    return directional


def _sizes(loss: Loss, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """A size for each name in the shapes: that of a tensor that was given, as class weights; the card's; or a few."""
    sizes: dict[str, tuple[int, ...]] = {}
    for name, value in options.items():
        constraint = loss.definition.constraints.get(name)
        shape = constraint.inner if isinstance(constraint, Optional) else constraint
        if isinstance(shape, Fits) and isinstance(value, Tensor) and "*" not in shape.shape:
            sizes |= {part: (n,) for part, n in zip(shape.shape.split(), value.shape, strict=True)}
    sizes = {**loss.card.sizes, **sizes}
    names = dict.fromkeys(part for domain in loss.card.inputs for part in domain.pattern())
    return {**{part: (4 + i,) for i, part in enumerate(names)}, **sizes}


def _on_cpu(value: Any) -> Any:
    return value.detach().cpu() if isinstance(value, Tensor) else value
