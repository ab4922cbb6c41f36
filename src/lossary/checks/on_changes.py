"""Checks of how a loss answers to changes: exchanged, scaled, shifted and reordered inputs, lines and segments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lossary.core import Image, LogSimplex, Probability, Real, Simplex

from .examination import NotApplicable, Subject, Violation, check
from .moves import best, by_sample, inside, uphill
from .subject import Inputs

_CONSTANTS = {"rtol": 1e-4, "atol": 1e-5}
"""What small constants in a loss may do to a symmetry."""
_SCALED = {"rtol": 2e-3, "atol": 2e-4}
"""What those against division by 0 may do where the numbers get smaller."""
_BEND = 1e-6
"""Relative to the values: what rounding may do to a line or chord."""
_POINTS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
_CLOSE_POINTS = (0.0, 0.003, 0.01, 0.03, *(k / 25 for k in range(2, 26)))


@check(
    "symmetric",
    tries=("draws", "wide"),
    draws=6,
    echoes=("runs", "finite"),
    cause="One of the two is normalised, detached, squared or clamped and the other is not.",
)
def arguments_may_change_places(subject: Subject, x: Inputs) -> Violation | None:
    """The first two arguments may change places."""
    if len(x.tensors) < 2 or not all(isinstance(t, Tensor) for t in x.tensors[:2]):
        raise NotApplicable("it has no two tensors")
    if x.tensors[0].shape != x.tensors[1].shape:
        raise NotApplicable("its first two arguments differ in shape")
    there, back = subject(x), subject(x.with_tensors([x.tensors[1], x.tensors[0], *x.tensors[2:]]))
    if there.ndim and not subject.independent:  # the pairs may be sorted by the first argument
        there, back = there.sum(), back.sum()
    if not subject.same(there, back, **_CONSTANTS):
        return Violation(back, "the same either way", f"exchanged it is {_first(back):.6g}, not {_first(there):.6g}")
    return None


@check(
    "convex",
    tries=("draws", "wide"),
    draws=16,
    echoes=("runs", "finite"),
    cause="A bound, a square root, or a product of two functions of the prediction bends it the other way.",
)
def lies_below_its_chords(subject: Subject, x: Inputs) -> Violation | None:
    """Half way between two predictions the value is at most the mean of their values."""
    if x.origin.startswith("wide") and not subject.sampler.is_unbounded(0):
        return None  # where a probability is kept from 0 by a small constant
    for end in _ends(subject, x):
        excess = _above_chord(subject, x, end)
        if float(excess.max()) > 0 and (float(excess.max()) > 1e-3 or subject.exact_inside):
            words = f"half way to another prediction it is {float(excess.max()):.3g} above the chord"
            return Violation(float(excess.max()), "below the chord", words)
    return None


@check(
    "convex",
    tries=("draws", "wide"),
    draws=4,
    echoes=("runs", "finite", "lies_below_its_chords"),
    cause="A bound, a square root, or a product of two functions of the prediction bends it the other way.",
)
def lies_below_its_chords_uphill(subject: Subject, x: Inputs) -> Violation | None:
    """So it does where the gradient of the difference leads."""
    if not subject.sampler.is_unbounded(0) or not subject.exact_inside:
        raise NotApplicable("its first argument is bounded, or it computes in float32")
    other = subject.like(x, 77).tensors[0]
    if other.shape != x.tensors[0].shape:
        raise NotApplicable("its draws differ in shape")
    for at, excess in uphill(subject, x, lambda at: _above_chord(subject, at, other).max(), first=True):
        if excess > 0:
            words = f"half way to another prediction it is {excess:.3g} above the chord"
            return Violation(excess, "below the chord", words, at)
    return None


@check(
    "monotone",
    tries=("draws", "wide"),
    draws=12,
    echoes=("runs", "finite", "nonnegative"),
    cause="A sign, a bound or a wrong branch makes a larger error cost less.",
)
def does_not_fall_along_a_line(subject: Subject, x: Inputs) -> Violation | None:
    """From the perfect prediction outwards the value does not fall: of all elements, or of one alone."""
    at = best(subject, x)
    if at is None or at.tensors[0].shape != x.tensors[0].shape:
        raise NotApplicable("nothing says what a perfect prediction is")
    domain, origin = subject.sampler.domains[0], at.tensors[0]
    whole = isinstance(domain, (Simplex, LogSimplex))
    reach = 1.0 if whole else 3.0
    end = inside(domain, origin + reach * (x.tensors[0] - origin)) if not whole else x.tensors[0]
    ways = [(end, _POINTS), *((lone, _CLOSE_POINTS) for lone in (() if whole else _one_element(origin, end)))]
    for to, points in ways:
        line = [at.replace(0, _between(domain, origin, to, s)) for s in points]
        for nearer, farther in pairwise(line):
            fall = _fall(subject, nearer, farther)
            if fall is not None:
                words = f"farther from the perfect prediction it falls by {fall:.6g}"
                return Violation(fall, "no fall away from the perfect prediction", words, farther)
    return None


@check(
    "monotone",
    tries=("draws", "wide"),
    draws=4,
    echoes=("runs", "finite", "nonnegative", "does_not_fall_along_a_line"),
    cause="A sign, a bound or a wrong branch makes a larger error cost less.",
)
def does_not_fall_uphill(subject: Subject, x: Inputs) -> Violation | None:
    """So it does not where the gradient of the fall leads."""
    at = best(subject, x)
    if at is None or at.tensors[0].shape != x.tensors[0].shape or not subject.sampler.is_unbounded(0):
        raise NotApplicable("nothing says what a perfect prediction is, or its first argument is bounded")
    origin = at.tensors[0]

    def half_way(y: Inputs) -> Inputs:
        return y.replace(0, (origin + y.tensors[0]) / 2)

    def amount(y: Inputs) -> Tensor:
        return (_values(subject, half_way(y)) - _values(subject, y)).max()

    for y, excess in uphill(subject, at.replace(0, x.tensors[0]), amount, first=True):
        fall = _fall(subject, half_way(y), y) if excess > 0 else None
        if fall is not None:
            words = f"farther from the perfect prediction it falls by {fall:.6g}"
            return Violation(fall, "no fall away from the perfect prediction", words, y)
    return None


@check(
    "scale_invariant",
    tries=("draws",),
    draws=6,
    echoes=("runs", "finite"),
    cause="A normalisation is missing, or its epsilon is large beside the numbers.",
)
def may_be_scaled(subject: Subject, x: Inputs) -> Violation | None:
    """The first argument, or all real ones together, may be multiplied by a positive number."""
    return _invariant(subject, x, "scaled", torch.mul, (0.1, 3.0, 20.0, 1000.0))


@check(
    "shift_invariant",
    tries=("draws",),
    draws=6,
    echoes=("runs", "finite"),
    cause="A mean or maximum is not subtracted, or over the wrong dimension.",
)
def may_be_shifted(subject: Subject, x: Inputs) -> Violation | None:
    """To the first argument, or to all real ones together, a number may be added."""
    return _invariant(subject, x, "shifted", torch.add, (1.5, -3.0, 20.0, 100.0))


@check(
    "permutation",
    tries=("draws",),
    draws=6,
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
        for how in subject.forms:
            here, there = subject(x, **how), subject(moved, **how)
            if not any(subject.same(one, there, **_CONSTANTS) for one in _reordered(here, order)):
                words = "another order of the samples gives other values"
                return Violation(there, "the same, reordered", words, moved.under(how))
    return None


def _reordered(values: Tensor, order: Sequence[int]) -> Iterator[Tensor]:
    """``values`` in that order along a dimension that may run over the samples, or along several, as of pairs."""
    index = torch.tensor(list(order))
    axes = [axis for axis, size in enumerate(values.shape) if size == len(order)]
    if not axes:
        yield values
    for count in range(1, len(axes) + 1):
        for some in itertools.combinations(axes, count):
            moved = values
            for axis in some:
                moved = moved.index_select(axis, index)
            yield moved


def _ends(subject: Subject, x: Inputs) -> Iterator[Tensor]:
    """Other predictions: those of other samples, near and far; and with one element changed."""
    first, unbounded = x.tensors[0], subject.sampler.is_unbounded(0)
    other = first.roll(1, 0) if first.ndim and len(first) > 1 else subject.like(x, 77).tensors[0]
    if other.shape != first.shape:
        return
    yield other
    yield first + 0.1 * (other - first)
    if unbounded:
        yield -first
        yield first + 4.0 * (other - first)
    if unbounded or isinstance(subject.sampler.domains[0], (Real, Probability, Image)):
        at = int((other - first).abs().argmax()) if first.numel() else 0
        for factor in (1.0, 8.0) if unbounded else (1.0,):
            lone = first.clone()
            lone.view(-1)[at] = (first + factor * (other - first)).reshape(-1)[at]
            yield lone


def _above_chord(subject: Subject, x: Inputs, end: Tensor) -> Tensor:
    """By how much more than rounding each value half way is above the mean of both ends."""
    middle = _values(subject, x.replace(0, (x.tensors[0] + end) / 2))
    here, there = _values(subject, x), _values(subject, x.replace(0, end))
    chord = (here + there) / 2
    # below rounding of the larger end, however close to each other the three are
    excess = middle - chord - _BEND * torch.maximum(here.abs(), there.abs()) - subject.rounding
    return excess.nan_to_num(-1.0) if excess.numel() else excess.new_full((1,), -1.0)


def _one_element(origin: Tensor, end: Tensor) -> Iterator[Tensor]:
    """Only the element with the farthest way goes it; then only one in the middle."""
    if origin.numel() < 2:
        return
    for at in {int((end - origin).abs().argmax()), origin.numel() // 2}:
        lone = origin.clone()
        lone.view(-1)[at] = end.reshape(-1)[at]
        yield lone


def _between(domain: object, origin: Tensor, end: Tensor, share: float) -> Tensor:
    if isinstance(domain, LogSimplex):
        return ((1 - share) * origin.exp() + share * end.exp()).log()
    return (1 - share) * origin + share * end


def _fall(subject: Subject, nearer: Inputs, farther: Inputs) -> float | None:
    """By how much a value falls, if by more than rounding and small constants explain."""
    near, far = _values(subject, nearer).detach(), _values(subject, farther).detach()
    fall = near - far
    slack = (1e-5 if subject.exact_inside else 1e-3) * near.abs() + 1e-6 + subject.rounding
    worst = fall - slack
    if not worst.numel() or not float(worst.max()) > 0:
        return None
    return float(fall.flatten()[int(worst.argmax())])


def _values(subject: Subject, x: Inputs) -> Tensor:
    """The values where each is a loss of its own sample, else what it gives."""
    values = subject.values(x) if subject.independent else None
    return subject(x) if values is None else by_sample(values)


def _invariant(
    subject: Subject, x: Inputs, word: str, change: Callable[[Tensor, float], Tensor], by: Sequence[float]
) -> Violation | None:
    domains = subject.sampler.domains
    real = [
        i
        for i, d in enumerate(domains)
        if isinstance(x.tensors[i], Tensor)
        and x.tensors[i].is_floating_point()
        and (i == 0 or (d is not None and d.has_gradient))
    ]
    here = subject(x)
    if not bool(here.isfinite().all()):
        return None
    ways = list(dict.fromkeys(tuple(real[:count]) for count in (1, 2, len(real))))
    found = []
    for way in ways:
        changed = [[change(t, number) if i in way else t for i, t in enumerate(x.tensors)] for number in by]
        fitting = [ts for ts in changed if all(torch.allclose(inside(domains[i], ts[i]), ts[i]) for i in way)]
        for tensors in fitting or changed:
            moved = x.with_tensors(tensors, f"{x.origin}, {word}")
            there = subject(moved)
            if not subject.same(here, there, **_SCALED):
                words = f"{word} it is {_first(there):.6g}, not {_first(here):.6g}"
                found.append(Violation(there, f"the same when {word}", words, moved))
                break
    return found[0] if len(found) == len(ways) else None


def _first(t: Tensor) -> float:
    return float(t.detach().flatten()[0]) if t.numel() else 0.0
