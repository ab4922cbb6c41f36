"""Search for inputs that refute a claim: ordinary and wide draws, exact edges, and uphill along the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lossary.core import ClaimName

from .cases import Case
from .claims import CLAIMS, climbable

_STEPS = 8


@dataclass(frozen=True)
class Counterexample:
    """Inputs that refute a claim, by how much, and where they came from."""

    inputs: tuple[Tensor, ...]
    violation: float
    origin: str


def counterexample(case: Case, name: ClaimName, *, draws: int = 100) -> Counterexample | None:
    """Inputs that refute the claim, made simple, or ``None`` after ``draws`` random draws, the edges and the climbs."""
    for origin, x in _candidates(case, draws):
        found = _violation(case, name, x)
        if found is not None and found > 0:
            return _shrink(case, name, Counterexample(tuple(x), found, origin))
    for seed in range(max(1, draws // 20)):
        climbed = _climb(case, name, case.inputs(seed, wide=seed % 2 == 1))
        found = None if climbed is None else _violation(case, name, climbed)
        if climbed is not None and found is not None and found > 0:
            return _shrink(case, name, Counterexample(tuple(climbed), found, f"uphill from seed {seed}"))
    return None


def applies(case: Case, name: ClaimName) -> bool:
    """Whether the claim can be asked of this case at all."""
    return CLAIMS[name](case, case.inputs()) is not None


def _candidates(case: Case, draws: int) -> Iterator[tuple[str, list[Tensor]]]:
    for seed in range(draws):
        yield f"seed {seed}", case.inputs(seed, wide=seed % 2 == 1)
    yield from case.edges(dtype=torch.float64)


def _violation(case: Case, name: ClaimName, x: list[Tensor]) -> float | None:
    """How much ``x`` violates the claim; edges at which the loss itself is not finite are the laws' business."""
    found = CLAIMS[name](case, x)
    return None if found is None or not bool(torch.isfinite(found)) else float(found)


def _climb(case: Case, name: ClaimName, x: list[Tensor]) -> list[Tensor] | None:
    """Follow the gradient of the violation, in steps relative to the size of the inputs."""
    movable = climbable(case)
    if not movable:
        return None
    x = list(x)
    for step in range(_STEPS):
        for i in movable:
            x[i] = x[i].detach().clone().requires_grad_()
        violation = CLAIMS[name](case, x)
        if violation is None or not violation.requires_grad or not bool(torch.isfinite(violation)):
            break
        gradients = torch.autograd.grad(violation, [x[i] for i in movable], allow_unused=True)
        if violation > 0 or all(g is None or not bool(g.any()) for g in gradients):
            break
        for i, gradient in zip(movable, gradients, strict=True):
            if gradient is not None:
                size = 2.0 ** (step - 4) * (1.0 + x[i].detach().abs())
                x[i] = x[i].detach() + size * torch.sign(torch.nan_to_num(gradient))
    return [t.detach() for t in x]


def _shrink(case: Case, name: ClaimName, found: Counterexample) -> Counterexample:
    """Round the inputs to as few digits as still refute the claim."""
    for digits in (0, 1, 2, 3, 4):
        x = [_rounded(t, digits) if i in climbable(case) else t for i, t in enumerate(found.inputs)]
        violation = _violation(case, name, x)
        if violation is not None and violation > 0:
            return Counterexample(tuple(x), violation, found.origin)
    return found


def _rounded(t: Tensor, digits: int) -> Tensor:
    return t.detach().round(decimals=digits)
