"""Claims: what holds for the losses whose card says so.

Each claim is a function of a case and one draw of inputs and returns by how much the draw violates it, as a tensor that
is at most 0 where the claim holds. The search climbs that number, so it is differentiable where the loss is. ``None``
says that the claim can't be asked of this draw.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from lossary.core import CLAIM_NAMES, Binary, ClaimName, ClassIndex, Logit, LogSimplex, Probability, Real, Simplex

from .cases import Case

Violation = Callable[[Case, list[Tensor]], Tensor | None]
CLAIMS: dict[ClaimName, Violation] = {}

_ROUNDING = 1e-9


def claim(name: ClaimName) -> Callable[[Violation], Violation]:
    def enter(check: Violation) -> Violation:
        CLAIMS[name] = check
        return check

    return enter


@claim("nonnegative")
def _(case: Case, x: list[Tensor]) -> Tensor:
    return (-case(*x, reduction="none")).max() - _ROUNDING


@claim("at_most_one")
def _(case: Case, x: list[Tensor]) -> Tensor:
    return case(*x, reduction="none").max() - 1 - _ROUNDING


@claim("zero_at_target")
def _(case: Case, x: list[Tensor]) -> Tensor | None:
    best = case.perfect(x)
    return None if best is None else case(*best, reduction="none").abs().max() - 1e-6


@claim("positive_off_target")
def _(case: Case, x: list[Tensor]) -> Tensor | None:
    """A value may only be 0 where all elements that it is made of are at the target."""
    best = case.perfect(x)
    if best is None or x[0].shape != case.values_shape:
        return None
    off = (x[0] - best[0]).abs() > 1e-3
    return torch.where(off, -case(*x, reduction="none"), -1.0).max()


@claim("symmetric")
def _(case: Case, x: list[Tensor]) -> Tensor:
    there, back = case(*x, reduction="none"), case(x[1], x[0], *x[2:], reduction="none")
    return _difference(there, back)


@claim("convex")
def _(case: Case, x: list[Tensor]) -> Tensor:
    """In its first input, along the segment to another draw of it."""
    other = x[0].roll(1, 0)
    middle = case((x[0] + other) / 2, *x[1:], reduction="none")
    chord = (case(*x, reduction="none") + case(other, *x[1:], reduction="none")) / 2
    return (middle - chord - _ROUNDING * chord.abs() - 1e-12).max()


@claim("monotone")
def _(case: Case, x: list[Tensor]) -> Tensor | None:
    """Along the line from the perfect prediction through ``x``, from 0 over half way and the whole way to twice."""
    best = case.perfect(x)
    if best is None:
        return None
    step = x[0] - best[0]
    reach = 1.0 if isinstance(case.domains[0], (Probability, Simplex, LogSimplex)) else 2.0
    values = [case(best[0] + s * step, *x[1:], reduction="none") for s in (0.0, 0.25 * reach, 0.5 * reach, reach)]
    fall = torch.stack([a - b - _ROUNDING * (1 + a.abs()) for a, b in pairwise(values)])
    return fall.max()


@claim("bounded_gradient")
def _(case: Case, x: list[Tensor]) -> Tensor:
    """Ten times farther away, on either side, the steepest slope is no steeper."""
    size = 0.5 + x[0].abs().clamp(max=10.0)
    near, far = (
        torch.stack([_slopes(case, [side * reach * size, *x[1:]]).max() for side in (-1.0, 1.0)]).max()
        for reach in (1e6, 1e7)
    )
    return far - 1.01 * near - 1e-6


@claim("redescending")
def _(case: Case, x: list[Tensor]) -> Tensor:
    return torch.stack([_slopes(case, [torch.full_like(x[0], far), *x[1:]]).max() for far in (-1e7, 1e7)]).max() - 1e-3


@claim("smooth")
def _(case: Case, x: list[Tensor]) -> Tensor | None:
    """Beside this point and beside the target, the slopes on both sides agree but for what curvature explains."""
    worst = torch.full((), -1.0, dtype=torch.float64)
    if isinstance(case.domains[0], Probability):
        points = [[x[0].clamp(0.01, 0.99), *x[1:]]]
    else:
        points = [x] + ([best] if isinstance(case.domains[0], Real) and (best := case.perfect(x)) else [])
    for point in points:
        jumps = [
            (_signed_slopes(case, [point[0] + h, *point[1:]]) - _signed_slopes(case, [point[0] - h, *point[1:]])).abs()
            for h in (1e-5, 1e-6)
        ]
        # A kink jumps by the same at any distance; where there is none the jump shrinks with the distance.
        worst = torch.maximum(worst, (torch.minimum(jumps[0], jumps[1]) - 0.2 * jumps[0] - 1e-3).max())
    return worst


@claim("scale_invariant")
def _(case: Case, x: list[Tensor]) -> Tensor:
    scaled = [3.0 * t if d.floating and d.differentiable else t for d, t in zip(case.domains, x, strict=True)]
    return _difference(case(*x, reduction="none"), case(*scaled, reduction="none"))


@claim("shift_invariant")
def _(case: Case, x: list[Tensor]) -> Tensor:
    return _difference(case(*x, reduction="none"), case(x[0] + 1.5, *x[1:], reduction="none"))


@claim("permutation_invariant")
def _(case: Case, x: list[Tensor]) -> Tensor:
    order = torch.randperm(case.samples, generator=torch.Generator().manual_seed(1))
    moved = [t if axis is None else t.index_select(axis, order) for t, axis in zip(x, case.axes, strict=True)]
    there, back = case(*x, reduction="none"), case(*moved, reduction="none")
    if not there.ndim or there.shape[0] != case.samples:
        return _difference(there, back)
    return _difference(there[order], back)


@claim("proper")
def _(case: Case, x: list[Tensor]) -> Tensor | None:
    """The expected loss at the true probabilities, here drawn at random, is no larger than at the prediction."""
    outcome, prediction = case.domains[case.definition.target], case.domains[0]
    at = case.definition.target

    def expected(first: Tensor, outcomes: list[Tensor], chances: list[Tensor]) -> Tensor:
        parts = [case(first, *x[1:at], o, *x[at + 1 :], reduction="none") for o in outcomes]
        return torch.stack([p * c for p, c in zip(parts, chances, strict=True)]).sum(0)

    if x[0].shape == case.values_shape and isinstance(outcome, Binary) and isinstance(prediction, (Logit, Probability)):
        truth = torch.sigmoid(0.3 * x[0].flip(0)).clamp(0.02, 0.98)
        outcomes, chances = [torch.zeros_like(truth), torch.ones_like(truth)], [1 - truth, truth]
        honest = truth if isinstance(prediction, Probability) else torch.logit(truth)
    elif isinstance(outcome, ClassIndex) and isinstance(prediction, (Logit, LogSimplex)):
        axis = prediction.axis("c")
        truth = torch.softmax(0.3 * x[0].flip(0), axis)
        shape = [n for i, n in enumerate(truth.shape) if i != axis % truth.ndim]
        outcomes = [torch.full(shape, k) for k in range(truth.shape[axis])]
        chances = list(truth.unbind(axis))
        honest = truth.log()
    else:
        return None
    gain = expected(honest, outcomes, chances) - expected(x[0], outcomes, chances)
    return (gain - _ROUNDING * (1 + gain.abs())).max()


assert set(CLAIMS) == set(CLAIM_NAMES), "every claim has a check"


def _difference(a: Tensor, b: Tensor) -> Tensor:
    """How much more than rounding two results differ."""
    return ((a - b).abs() - 1e-7 * (a.abs() + b.abs()) - 1e-9).max()


def _signed_slopes(case: Case, x: list[Tensor]) -> Tensor:
    first = x[0].detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(case(first, *x[1:], reduction="sum"), first)
    return gradient


def _slopes(case: Case, x: list[Tensor]) -> Tensor:
    return _signed_slopes(case, x).abs()


def climbable(case: Case) -> list[int]:
    """Inputs that a gradient step can't take out of their domain: unbounded real numbers."""
    return [i for i in case.differentiable if isinstance(d := case.domains[i], Real) and d.low == -d.high]
