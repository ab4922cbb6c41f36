"""The line through the inputs of a loss along which its curve says most.

Elementwise losses are followed along their first input, losses of class scores along the score of the true class,
losses of pairs of vectors along their distance or angle, and losses of boxes as one box slides over another. Losses
whose samples depend on each other have no such line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossary.core import (
    Binary,
    Box,
    ClassIndex,
    Count,
    Definition,
    Domain,
    Either,
    Embedding,
    Logit,
    LogProbability,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Score,
    Sign,
    Simplex,
)

Build = Callable[[Tensor], list[Tensor]]

POINTS = 161
"""Odd, so that the middle, where kinks are, is one of them."""
CLASSES = 3
WEIGHT_ON_TRUE = 0.6
"""What a target that is not certain gives the first class; the others share the rest."""
REFERENCES: Sequence[tuple[type[Domain], float]] = (
    (Binary, 1.0), (Sign, 1.0), (Probability, WEIGHT_ON_TRUE), (Count, 1.0), (PositiveReal, 1.0),
    (LogProbability, -3.0), (Real, 0.0),
)  # fmt: skip
"""At what an input is held while another moves; the first class that fits decides."""


@dataclass(frozen=True)
class View:
    """A line through the inputs of a loss, in versions that differ in the target."""

    x_label: str
    x: Tensor
    versions: Mapping[str, Build]


def view_of(definition: Definition) -> View | None:
    """The line to follow, or ``None`` where no line says much."""
    card = definition.card
    domains = [d.options[0] if isinstance(d, Either) else d for d in card.inputs]
    values = card.values.split("|")[0].split()
    if card.samples != "independent" or not values:
        return None
    if len(domains) == 2 and all(isinstance(domain, Box) for domain in domains):
        return _box_view()
    if isinstance(domains[0], Embedding):
        return _embedding_view(definition, domains)
    of_scores = isinstance(domains[0], (Logit, LogSimplex, Simplex)) and "c" in domains[0].pattern()
    if of_scores and len(domains) <= 2 and values == [name for name in domains[0].pattern() if name != "c"]:
        return _class_view(domains) or _elementwise_view(definition, domains)
    return _elementwise_view(definition, domains)


def _elementwise_view(definition: Definition, domains: Sequence[Domain]) -> View | None:
    """Along the first input, all others held."""
    pattern, values = list(domains[0].pattern()), definition.card.values.split("|")[0].split()
    elementwise = all(list(domain.pattern()) == pattern for domain in domains) and pattern in (values, [*values, "c"])
    x = _range(domains[0], definition)
    references = {name: _reference(d) for name, d in zip(definition.inputs[1:], domains[1:], strict=True)}
    held = {name: value for name, value in references.items() if value is not None}
    if not elementwise or x is None or len(held) < len(references):
        return None
    shape = (-1, *(1 for name in pattern[1:] if not name.startswith("*")))

    def holding(values: Mapping[str, float]) -> Build:
        return lambda t: [t.reshape(shape), *(torch.full_like(t, value).reshape(shape) for value in values.values())]

    first, name, target = definition.inputs[0], definition.inputs[definition.target], domains[definition.target]
    others = {other: value for other, value in held.items() if other != name}
    if isinstance(target, (Binary, Sign)):
        positive, negative = {**held, name: 1.0}, {**held, name: 0.0 if isinstance(target, Binary) else -1.0}
        if _mirrored(definition, x, holding(positive), holding(negative)):
            return View(_label(first, positive), x, {"": holding(positive)})
        versions = {f"{name} {values[name]:g}": holding(values) for values in (positive, negative)}
        return View(_label(first, others), x, versions)
    if held and type(domains[0]) is type(target) is Real:
        moved = {**held, name: held[name] + 1.0}
        here, there = holding(held), holding(moved)
        if agree(evaluate(definition, {}, here, x)[0], evaluate(definition, {}, there, x + 1.0)[0]):
            return View(_label(f"{first} - {name}", others), x, {"": here})
        return View(_label(first, moved), x, {"": there})
    return View(_label(first, held), x, {"": holding(held)})


def _class_view(domains: Sequence[Domain]) -> View | None:
    """Along the score of the first class, which is the true one; the other classes are equal to each other."""
    scores, target = domains[0], domains[-1]
    if isinstance(scores, Logit):
        x = _grid(-6.0, 6.0)
        label = "logit of {} class, others 0"
    else:
        x = _grid(0.01, 0.99)
        label = "probability of {} class"

    def first(t: Tensor) -> Tensor:
        rest = torch.zeros_like(t) if isinstance(scores, Logit) else (1.0 - t) / (CLASSES - 1)
        rows = torch.stack([t] + [rest] * (CLASSES - 1), dim=1)
        return rows.log() if isinstance(scores, LogSimplex) else rows

    if len(domains) == 1:
        return View(label.format("one"), x, {"": lambda t: [first(t)]})
    if isinstance(target, ClassIndex):
        return View(label.format("the true"), x, {"": lambda t: [first(t), torch.zeros(len(t), dtype=torch.long)]})
    if isinstance(target, (Logit, LogSimplex, Simplex)) and "c" in target.pattern():
        rest = (1.0 - WEIGHT_ON_TRUE) / (CLASSES - 1)
        row = torch.tensor([WEIGHT_ON_TRUE] + [rest] * (CLASSES - 1), dtype=torch.float64)
        row = row if type(target) is Simplex else row.log()
        label = f"{label.format('one')} (target = {WEIGHT_ON_TRUE:g})"
        return View(label, x, {"": lambda t: [first(t), row.expand(len(t), CLASSES)]})
    return None


def _embedding_view(definition: Definition, domains: Sequence[Domain]) -> View | None:
    """Two vectors that move apart, in direction where only that counts; a third stays at a distance of 1."""
    if not all(isinstance(domain, Embedding) and domain.pattern() == ("*n", "d") for domain in domains[:2]):
        return None
    turning = "scale_invariant" in definition.card.claims_under(definition.hyperparameters)
    x = _grid(0.0, math.pi if turning else 3.0)
    first, second = definition.inputs[:2]
    label = f"angle between {first} and {second}" if turning else f"distance from {first} to {second}"

    def pair(t: Tensor) -> list[Tensor]:
        zero = torch.zeros_like(t)
        if turning:
            return [torch.stack([t.cos(), t.sin()], dim=1), torch.stack([zero + 1.0, zero], dim=1)]
        return [torch.stack([zero, zero], dim=1), torch.stack([t, zero], dim=1)]

    if len(domains) == 2:
        return View(label, x, {"": pair})
    third = domains[2]
    if len(domains) == 3 and isinstance(third, (Binary, Sign)):
        other = 0.0 if isinstance(third, Binary) else -1.0

        def labelled(value: float) -> Build:
            return lambda t: [*pair(t), torch.full_like(t, value)]

        return View(label, x, {f"{definition.inputs[2]} {value:g}": labelled(value) for value in (1.0, other)})
    if len(domains) == 3 and isinstance(third, Embedding) and not turning:
        at_one = torch.tensor([0.0, 1.0], dtype=torch.float64)
        return View(f"{label}, {definition.inputs[2]} at 1", x, {"": lambda t: [*pair(t), at_one.expand(len(t), 2)]})
    return None


def _box_view() -> View:
    """A box that slides through the middle of a unit box, as wide and half as high, so that shape has a say too."""
    x = _grid(-2.5, 2.5)

    def build(t: Tensor) -> list[Tensor]:
        zero, one = torch.zeros_like(t), torch.ones_like(t)
        moving = torch.stack([t, zero + 0.25, t + 1.0, zero + 0.75], dim=1)
        return [moving, torch.stack([zero, zero, one, one], dim=1)]

    return View("shift of a box half as high, in widths", x, {"": build})


def _range(domain: Domain, definition: Definition) -> Tensor | None:
    """Where an input of this domain is worth looking at."""
    if isinstance(domain, Logit):
        low, high = -6.0, 6.0
    elif isinstance(domain, Score):
        low, high = -4.0, 4.0
    elif isinstance(domain, Real):
        # Far enough to see what a threshold such as Tukey's 4.685 does.
        numbers = [abs(v) for v in definition.hyperparameters.values() if type(v) in (int, float) and math.isfinite(v)]
        reach = min(max([4.0, *(2.0 * number for number in numbers)]), 20.0)
        low, high = max(-reach, domain.low), min(reach, domain.high)
    elif isinstance(domain, Probability):
        low, high = 0.01, 0.99
    elif isinstance(domain, LogProbability):
        low, high = -6.0, 0.0
    elif isinstance(domain, PositiveReal):
        low, high = (0.0 if isinstance(domain, NonNegativeReal) else 0.05), 4.0
    else:
        return None
    return _grid(low, high)


def _grid(low: float, high: float) -> Tensor:
    """Points from ``low`` to ``high``; their middle is exact, for that is where a kink may be."""
    return low + (high - low) * (torch.arange(POINTS, dtype=torch.float64) / (POINTS - 1))


def _reference(domain: Domain) -> float | None:
    if type(domain) is Real and domain.constant:
        return 1.0  # a factor, such as an advantage, which 0 would leave nothing of
    return next((value for kind, value in REFERENCES if isinstance(domain, kind)), None)


def _label(moving: str, held: Mapping[str, float]) -> str:
    if len(held) > 2 and len(set(held.values())) == 1:
        return f"{moving} (others = {next(iter(held.values())):g})"
    words = ", ".join(f"{name} = {value:g}" for name, value in held.items())
    return f"{moving} ({words})" if words else moving


def _mirrored(definition: Definition, x: Tensor, build: Build, other: Build) -> bool:
    """Whether the loss is the same when its first input and its target change sides."""
    return agree(evaluate(definition, {}, build, x)[0], evaluate(definition, {}, other, x)[0].flip(0))


def evaluate(definition: Definition, setting: Mapping[str, Any], build: Build, x: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes at ``x``, both of its shape; the slopes by automatic differentiation."""
    t = x.clone().requires_grad_()
    values = definition.function(*build(t), reduction="none", **setting)
    values = values.reshape(len(x), -1).sum(1)
    (slopes,) = torch.autograd.grad(values.sum(), t)
    return values.detach(), slopes


def agree(values: Tensor, others: Tensor | Sequence[float]) -> bool:
    """Whether they are equal to rounding."""
    return torch.allclose(values, torch.as_tensor(others, dtype=values.dtype), rtol=1e-6, atol=1e-9)
