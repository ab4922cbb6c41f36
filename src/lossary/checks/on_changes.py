"""Checks of how a loss answers to changes: exchanged, scaled, shifted and reordered inputs, lines and segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lossary.core import Box, LogSimplex, Probability, Simplex

from .examination import NotApplicable, Subject, Violation, check
from .subject import Inputs

_EPSILON = 1e-4
"""Relative: what small constants against division by 0 may do to an invariance."""


@check(
    "symmetric",
    tries=("draws", "wide"),
    echoes=("runs", "finite"),
    cause="One of the two is normalised, detached, squared or clamped and the other is not.",
)
def arguments_may_change_places(subject: Subject, x: Inputs) -> Violation | None:
    """The first two arguments may change places."""
    if len(x.tensors) < 2 or x.tensors[0].shape != x.tensors[1].shape:
        raise NotApplicable("its first two arguments differ in shape")
    there, back = subject(x), subject(x.with_tensors([x.tensors[1], x.tensors[0], *x.tensors[2:]]))
    if not subject.same(there, back):
        return Violation(back, "the same either way", f"exchanged it is {_first(back):.6g}, not {_first(there):.6g}")
    return None


@check(
    "convex",
    tries=("draws", "wide"),
    draws=40,
    echoes=("runs", "finite"),
    cause="A bound, a square root, or a product of two functions of the prediction bends it the other way.",
)
def lies_below_its_chords(subject: Subject, x: Inputs) -> Violation | None:
    """Half way between two predictions the value is at most the mean of their values."""
    first = x.tensors[0]
    other = first.roll(1, 0) if first.ndim and len(first) > 1 else subject.draw(77).tensors[0]
    for end in (other, first + 0.1 * (other - first), -first if subject.sampler.is_unbounded(0) else other):
        if end.shape != first.shape:
            continue
        middle = subject(x.replace(0, (first + end) / 2))
        chord = (subject(x) + subject(x.replace(0, end))) / 2
        excess = float((middle - chord - 1e-6 * chord.abs() - subject.rounding).detach().max())
        if excess > 0:
            return Violation(
                excess, "below the chord", f"half way to another prediction it is {excess:.3g} above the chord"
            )
    return None


@check(
    "monotone",
    tries=("draws", "wide", "perfect"),
    draws=20,
    echoes=("runs", "finite", "nonnegative"),
    cause="A sign, a bound or a wrong branch makes a larger error cost less.",
)
def does_not_fall_along_a_line(subject: Subject, x: Inputs) -> Violation | None:
    """From the perfect prediction outwards the value does not fall."""
    best = subject.sampler.perfected(x)
    if best is None:
        raise NotApplicable("the domains don't say what a perfect prediction is")
    bounded = isinstance(subject.sampler.domains[0], (Probability, Simplex, LogSimplex, Box))
    step = x.tensors[0] - best.tensors[0]
    if not bool(step.any()):
        step = 0.5 - best.tensors[0] if bounded else 0.1 * torch.ones_like(step)
    reach = 1.0 if bounded else 3.0
    points = [best.tensors[0] + s * reach * step for s in (0.0, 0.01, 0.1, 0.3, 0.6, 1.0)]
    values = [subject(x.replace(0, p)).detach().sum() for p in points]
    for nearer, farther in pairwise(values):
        fall = float(nearer - farther)
        if fall > 1e-6 * max(1.0, abs(float(nearer))) + subject.rounding:
            words = f"farther from the perfect prediction it falls from {float(nearer):.6g} to {float(farther):.6g}"
            return Violation(float(farther), "no fall away from the perfect prediction", words)
    return None


@check(
    "scale_invariant",
    tries=("draws",),
    echoes=("runs", "finite"),
    cause="A normalisation is missing, or its epsilon is large beside the numbers.",
)
def may_be_scaled(subject: Subject, x: Inputs) -> Violation | None:
    """The first argument, or all real ones together, may be multiplied by a positive number."""
    return _invariant(subject, x, "scaled", torch.mul, (0.5, 3.0, 20.0))


@check(
    "shift_invariant",
    tries=("draws",),
    echoes=("runs", "finite"),
    cause="A mean or maximum is not subtracted, or over the wrong dimension.",
)
def may_be_shifted(subject: Subject, x: Inputs) -> Violation | None:
    """To the first argument, or to all real ones together, a number may be added."""
    return _invariant(subject, x, "shifted", torch.add, (1.5, -3.0, 20.0))


@check(
    "permutation",
    tries=("draws",),
    echoes=("runs", "finite", "pure"),
    cause="The loss uses the position of a sample in the batch: arange, cumsum, neighbours, or the first as anchor.",
)
def samples_may_be_reordered(subject: Subject, x: Inputs) -> Violation | None:
    """Reordering the samples reorders the values, and leaves what is reduced."""
    n = subject.sampler.size(x.tensors)
    if n is None or n < 2:
        raise NotApplicable("it has no batch of samples")
    for order in (list(range(n))[::-1], torch.randperm(n, generator=torch.Generator().manual_seed(n)).tolist()):
        moved = subject.sampler.select(x, order, f"{x.origin}, reordered")
        here, there = subject(x), subject(moved)
        values = subject.values(x)
        if values is not None and values.ndim and values.shape[0] == n:
            here, there = values[order], subject.values(moved) if subject.reduces else there  # type: ignore[assignment]
        if not subject.same(here, there):
            return Violation(there, "the same, reordered", "another order of the samples gives other values", moved)
    return None


def _invariant(
    subject: Subject, x: Inputs, word: str, change: Callable[[Tensor, float], Tensor], by: Sequence[float]
) -> Violation | None:
    real = [
        i for i, d in enumerate(subject.sampler.domains)
        if isinstance(x.tensors[i], Tensor) and x.tensors[i].is_floating_point()
        and (i == 0 or (d is not None and d.has_gradient))
    ]  # fmt: skip
    here = subject(x)
    ways = [[0]] if len(real) == 1 else [[0], real]
    failures = []
    for way in ways:
        for number in by:
            tensors = [change(t, number) if i in way else t for i, t in enumerate(x.tensors)]
            moved = x.with_tensors(tensors, f"{x.origin}, {word}")
            there = subject(moved)
            if not subject.same(here, there, rtol=_EPSILON, atol=_EPSILON):
                words = f"{word} it is {_first(there):.6g}, not {_first(here):.6g}"
                failures.append(Violation(there, f"the same when {word}", words, moved))
                break
    return failures[0] if len(failures) == len(ways) else None


def _first(t: Tensor) -> float:
    return float(t.detach().flatten()[0]) if t.numel() else 0.0
