"""Inputs moved about within their domains: uphill along a gradient, away from an edge, to what is clearly wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lossary.core import (
    Binary,
    Box,
    ClassIndex,
    Domain,
    Embedding,
    Image,
    LogProbability,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Simplex,
    Waveform,
)

from .examination import Subject
from .subject import Inputs, LossRaised

_STEPS = 8
_INWARDS = 0.1
"""How far :func:`interior` goes from an edge towards the middle."""


def inside(domain: Domain | None, t: Tensor) -> Tensor:
    """The numbers of ``domain`` nearest to ``t``, or nearly so."""
    if isinstance(domain, Real):
        return t.clamp(domain.low, domain.high)
    if isinstance(domain, (Probability, Image)):
        return t.clamp(0.0, 1.0)
    if isinstance(domain, Waveform):
        return t.clamp(-1.0, 1.0)
    if isinstance(domain, LogProbability):
        return t.clamp(max=0.0)
    if isinstance(domain, PositiveReal):
        return t.clamp(min=0.0 if isinstance(domain, NonNegativeReal) else 1e-6)
    if isinstance(domain, LogSimplex):
        return torch.log_softmax(t, class_axis(domain))
    if isinstance(domain, Simplex):
        kept = t.clamp(min=0.0) + 1e-12
        return kept / kept.sum(class_axis(domain), keepdim=True)
    if isinstance(domain, Box):
        return torch.cat([torch.minimum(t[..., :2], t[..., 2:]), torch.maximum(t[..., :2], t[..., 2:])], -1)
    return t


def interior(domain: Domain | None, t: Tensor, generator: torch.Generator) -> Tensor:
    """Near ``t``, but off the edges of the domain, where a loss may have a kink or no value on the other side."""
    if isinstance(domain, LogSimplex):
        return _mixed(t.exp(), torch.softmax(_normal(t, generator), class_axis(domain))).log()
    if isinstance(domain, Simplex):
        return _mixed(t, torch.softmax(_normal(t, generator), class_axis(domain)))
    if isinstance(domain, (Probability, Image)):
        return _mixed(t, _between(t, 0.0, 1.0, generator))
    if isinstance(domain, Waveform):
        return _mixed(t, _between(t, -1.0, 1.0, generator))
    if isinstance(domain, Real) and (math.isfinite(domain.low) or math.isfinite(domain.high)):
        low = domain.low if math.isfinite(domain.low) else domain.high - 2.0
        high = domain.high if math.isfinite(domain.high) else domain.low + 2.0
        return _mixed(t, _between(t, low, high, generator))
    if isinstance(domain, LogProbability):
        return t - _between(t, 0.01, 0.1, generator)
    return t


def along(domain: Domain | None, at: Tensor, direction: Tensor) -> Tensor:
    """The part of ``direction`` that keeps what sums to 1 at that."""
    if isinstance(domain, LogSimplex):
        weights = at.exp()
        return direction - (weights * direction).sum(class_axis(domain), keepdim=True)
    if isinstance(domain, Simplex):
        return direction - direction.mean(class_axis(domain), keepdim=True)
    return direction


def uphill(
    subject: Subject, x: Inputs, amount: Callable[[Inputs], Tensor], *, first: bool = False
) -> Iterator[tuple[Inputs, float]]:
    """``x``, then ever further along the sign of the gradient of ``amount``, within the domains; and the amount there.

    All arguments that may move do, or the ``first`` alone. It ends where the gradient does.
    """
    for step in range(_STEPS + 1):
        moving = [i for i in ([0] if first else range(len(x.tensors))) if _moves(subject, x, i)]
        leaves = {i: x.tensors[i].detach().clone().requires_grad_() for i in moving}
        at = amount(x.with_tensors([leaves.get(i, t) for i, t in enumerate(x.tensors)]))
        yield x, float(at)
        if not leaves or not at.requires_grad or not bool(at.isfinite()):
            return
        try:
            slopes = torch.autograd.grad(at, list(leaves.values()), allow_unused=True)
        except Exception as error:
            raise LossRaised from error
        if all(slope is None or not bool(slope.any()) for slope in slopes):
            return
        tensors = list(x.tensors)
        for i, slope in zip(leaves, slopes, strict=True):
            if slope is not None:
                size = 2.0 ** (step - 4) * (0.2 + tensors[i].abs())
                tensors[i] = inside(subject.sampler.domains[i], tensors[i] + size * slope.nan_to_num(0.0).sign())
        x = x.with_tensors(tensors, f"uphill from {_start(x)}" if not step else None)


def best(subject: Subject, x: Inputs) -> Inputs | None:
    """A perfect prediction: what was told if anything was, else that of the target of ``x`` as its domains say."""
    if subject.sampler.tells_perfect:
        told = subject.sampler.perfect(subject.seed)
        return None if told is None else told.under(x.keywords).to(subject.dtype)
    found = subject.sampler.perfected(x)
    return None if found is None else _named(found, f"perfect, {_start(x)}")


def clearly_wrong(subject: Subject, at: Inputs) -> Iterator[Inputs]:
    """From the perfect prediction ``at``: too high, too low, the opposite, and that of other samples."""
    domain, prediction = subject.sampler.domains[0], at.tensors[0]
    told = subject.sampler.target < len(at.tensors)
    target = subject.sampler.domains[subject.sampler.target] if told else None
    size = 1.0 + prediction.abs()
    if isinstance(domain, Simplex):
        ways = {"another class": prediction.roll(1, class_axis(domain))}
    elif isinstance(target, ClassIndex) and domain is not None and target.of in domain.pattern():
        ways = {"another class": prediction.roll(1, class_axis(domain, target.of))}
    elif isinstance(domain, (Probability, Image, Binary)):
        ways = {"the opposite": 1 - prediction}
    elif isinstance(domain, (Waveform, Embedding)) or type(domain) is not type(target):
        ways = {"the opposite": -prediction}
    elif isinstance(domain, PositiveReal):
        ways = {"too high": 3 * prediction + 1, "too low": prediction / 4}
    elif isinstance(domain, Box):
        ways = {"too far right": prediction + size.amax(-1, keepdim=True)}
    else:
        ways = {"too high": prediction + size, "too low": prediction - size}
    for word, wrong in ways.items():
        yield _named(at.replace(0, inside(domain, wrong)), f"{word}: {_start(at)}")
    axis = subject.sampler.axes[0]
    if axis is not None and prediction.shape[axis] > 1:
        yield _named(at.replace(0, prediction.roll(1, axis)), f"predictions of other samples: {_start(at)}")


def by_sample(values: Tensor) -> Tensor:
    """One number for each sample: what is said of a loss need not hold of each term that it sums over a sample."""
    return values.flatten(1).sum(1) if values.ndim > 1 else values


def class_axis(domain: Domain, name: str = "c") -> int:
    """Where the classes stand: at the dimension of that name, else the second one."""
    if len(domain.pattern()) == 1:
        return 0
    return domain.axis(name) if name in domain.pattern() else 1


def _start(x: Inputs) -> str:
    """Where ``x`` was moved from, however often."""
    return re.sub(r"^((perfect|uphill from|[a-z ]*(opposite|high|low|right|class|samples)):?,? )+", "", x.origin)


def _named(x: Inputs, origin: str) -> Inputs:
    return x.with_tensors(x.tensors, origin)


def _moves(subject: Subject, x: Inputs, i: int) -> bool:
    domain, t = subject.sampler.domains[i], x.tensors[i]
    return (
        domain is not None and domain.has_gradient and isinstance(t, Tensor) and t.is_floating_point() and t.numel() > 0
    )


def _mixed(t: Tensor, other: Tensor) -> Tensor:
    return (1 - _INWARDS) * t + _INWARDS * other


def _normal(t: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(t.shape, generator=generator, dtype=torch.float64).to(t.dtype)


def _between(t: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(t.shape, generator=generator, dtype=torch.float64).to(t.dtype)
