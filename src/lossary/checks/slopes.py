"""The slope of a loss by finite differences, and where its gradient is another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .examination import Subject, Violation
from .moves import along, inside, interior
from .subject import Inputs

_FINE, _COARSE = ((1e-5, 3e-5, 3e-6), 1e-4, 1e-3), ((1e-2, 3e-2, 3e-3), 1e-2, 5e-2)
"""Steps of finite differences, by how much their slopes may differ, and by how much a gradient may differ from them."""


def told(subject: Subject) -> bool:
    """Whether somebody said which arguments a gradient flows into."""
    return isinstance(subject.contract.get("differentiable"), (int, list, tuple)) and (
        subject.contract.get("differentiable") is not True
    )


def wrong_slope(subject: Subject, x: Inputs, how: Mapping[str, Any], *, estimates: bool = False) -> Violation | None:
    """Where the slope along a direction, with random gradients coming in, is not that of the value.

    ``estimates`` may be gradients by design: those of a staircase, as of rounding, and those that are held back.
    """
    x = off_the_edges(subject, x).under(how)
    generator = torch.Generator().manual_seed(11)
    value = subject(x)
    if not bool(value.isfinite().all()):
        return None
    upstream = 0.5 + torch.rand(value.shape, generator=generator, dtype=torch.float64).to(value.dtype)
    gradients = subject.gradients(x, upstream=upstream)
    for position, gradient in zip(subject.differentiable, gradients, strict=True):
        if (gradient is None or not bool(gradient.any())) and (estimates or (position and not told(subject))):
            continue
        for direction in _directions(subject, x, position, generator):
            slope = _Slope(subject, position, direction, upstream)
            wanted = slope.where_it_disagrees(x, gradient)
            if wanted is None or (estimates and wanted == 0):
                continue
            beside = inside(subject.sampler.domains[position], x.tensors[position] + 0.02 * slope.size(x) * direction)
            close = x.replace(position, beside)
            if slope.where_it_disagrees(close, subject.gradients(close, [position], upstream=upstream)[0]) is None:
                continue  # a kink was near
            found = slope.told(x, gradient)
            words = f"along a direction in argument {position} the gradient says {found:.6g}, the values {wanted:.6g}"
            return Violation(found, "the slope of the value", words, x)
    return None


def off_the_edges(subject: Subject, x: Inputs) -> Inputs:
    """``x`` with what a gradient flows into kept from the edges of its domain."""
    generator = torch.Generator().manual_seed(11)
    moved = [
        interior(d, t, generator) if i in subject.differentiable else t
        for i, (d, t) in enumerate(zip(subject.sampler.domains, x.tensors, strict=True))
    ]
    return x.with_tensors(moved)


def _directions(subject: Subject, x: Inputs, position: int, generator: torch.Generator) -> Iterator[Tensor]:
    """A random one, and one of an element alone, whose error would drown among many."""
    t, domain = x.tensors[position], subject.sampler.domains[position]
    everywhere = torch.randn(t.shape, generator=generator, dtype=torch.float64).to(t.dtype)
    yield along(domain, t, everywhere)
    if t.numel() > 1:
        lone = torch.zeros_like(t)
        lone.view(-1)[int(torch.randint(t.numel(), (1,), generator=generator))] = 1.0
        yield along(domain, t, lone)


@dataclass(frozen=True)
class _Slope:
    """The slope in one direction of one argument, with gradients coming in."""

    subject: Subject
    position: int
    direction: Tensor
    upstream: Tensor

    def told(self, x: Inputs, gradient: Tensor | None) -> float:
        return 0.0 if gradient is None else float((gradient * self.direction).sum())

    def size(self, x: Inputs) -> float:
        return max(1e-3, min(1.0, float(x.tensors[self.position].abs().mean())))

    def measured(self, x: Inputs, step: float) -> tuple[float, float]:
        """The slope over a step, and what rounding may make of it."""
        h = step * self.size(x)
        ahead, behind = (
            self.subject(x.replace(self.position, x.tensors[self.position] + side * h * self.direction))
            for side in (1.0, -1.0)
        )
        rounding = 1e-15 if self.subject.exact_inside else 1e-6
        noise = rounding * float((ahead.abs() * self.upstream).sum()) / (2 * h)
        return float(((ahead - behind) * self.upstream).sum()) / (2 * h), noise

    def where_it_disagrees(self, x: Inputs, gradient: Tensor | None) -> float | None:
        """What central differences find, if that is clearly not what the gradient says.

        Those over three steps must agree with each other: at a kink, or where rounding rules, they don't.
        """
        steps, apart, wrong = _FINE if self.subject.exact_inside else _COARSE
        found = self.told(x, gradient)
        first, noise = self.measured(x, steps[0])
        steepest = float(gradient.abs().max()) if gradient is not None and gradient.numel() else 0.0
        if abs(found - first) <= wrong * max(abs(found), abs(first), 1e-3 * steepest, 1e-7) + 10 * noise:
            return None
        slopes = [first, *(self.measured(x, step)[0] for step in steps[1:])]
        spread = max(slopes) - min(slopes)
        agree = spread <= apart * max(map(abs, slopes)) + 1e-9
        return first if agree and abs(found - first) > 10 * spread else None
