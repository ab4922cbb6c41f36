"""From example tensors to domains: what each argument is taken for, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lossary.core import (
    Binary,
    Box,
    ClassIndex,
    Count,
    Domain,
    Embedding,
    Length,
    Logit,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Sign,
    Simplex,
)

_TINY = 1e-4
_NAMED = (
    (r"box|bbox", Box),
    (r"emb|anchor|positive|negative|feature|^z\d?$|query|keys?$", Embedding),
    (r"logit|score", Logit),
    (r"var|sigma|std|scale|rate", PositiveReal),
)
"""What an argument's name suggests, where its numbers allow it."""


def infer(
    draws: Sequence[Sequence[Any]], names: Sequence[str], roles: dict[int, str]
) -> list[tuple[Domain | None, str]]:
    """The domain of each argument in several draws of all of them, with the reason; ``None`` where nothing fits.

    ``roles`` says which positions are a mask or a weight.
    """
    first = draws[0]
    patterns = _patterns(first)
    found: list[tuple[Domain | None, str]] = []
    for i, pattern in enumerate(patterns):
        name = names[i] if i < len(names) else f"argument {i}"
        if not isinstance(first[i], Tensor):
            found.append((None, f"`{name}` is no tensor"))
        else:
            domain, reason = _domain(i, name, [d[i] for d in draws], pattern, patterns, roles, first)
            found.append((domain, f"`{name}` is {_article(domain)}, because {reason}"))
    return found


def _patterns(tensors: Sequence[Any]) -> list[str]:
    """A name for each dimension: sizes that agree with the first argument's share its names."""
    lead = next((t for t in tensors if isinstance(t, Tensor)), None)
    names: list[list[str]] = []
    extra = iter("abefgijmopqruv")
    known: list[tuple[str, int]] = []
    for t in tensors:
        if not isinstance(t, Tensor):
            names.append([])
            continue
        if t is lead:
            own = ["n", *(["c", "h", "w", "x", "y"] if t.ndim != 3 else ["c", "t"])][: t.ndim]
            known = list(zip(own, t.shape, strict=True))
        else:
            own, left = [], list(known)
            for axis, size in enumerate(t.shape):
                at = next((k for k, (_, s) in enumerate(left) if s == size), None)
                if at is None and axis == 0 and lead is not None and size == lead.shape[0]:
                    at = 0
                if at is None:
                    name = next(extra)
                    known.append((name, size))
                    own.append(name)
                else:
                    own.append(left[at][0])
                    left = left[at + 1 :] if t.ndim > 1 else []
            if lead is not None and t.shape == lead.shape:
                own = [name for name, _ in known[: t.ndim]]
            elif lead is not None and t.ndim == lead.ndim - 1 and t.shape == lead.shape[:1] + lead.shape[2:]:
                own = [known[0][0], *(name for name, _ in known[2 : lead.ndim])]
        names.append(own)
    return [" ".join(own) for own in names]


def _domain(
    i: int,
    name: str,
    values: list[Tensor],
    pattern: str,
    patterns: list[str],
    roles: dict[int, str],
    first: Sequence[Any],
) -> tuple[Domain | None, str]:
    numbers = torch.cat([v.detach().double().flatten() for v in values])
    if roles.get(i) == "mask":
        return Binary(pattern), "it is told to be a mask"
    if roles.get(i) == "sample_weight":
        return NonNegativeReal(pattern, constant=True), "it is told to be a weight"
    if not numbers.numel():
        return None, "the example has no numbers in it"
    low, high = float(numbers.min()), float(numbers.max())
    whole = bool((numbers == numbers.round()).all())
    if not values[0].is_floating_point():
        return _integer(name, values, pattern, patterns, first, low, high)
    if whole and low >= 0 and high <= 1:
        return Binary(pattern), "all its numbers are 0 or 1"
    if bool((numbers.abs() == 1).all()):
        return Sign(pattern), "all its numbers are -1 or 1"
    axis = _class_axis(values)
    if axis is not None and low >= 0:
        return Simplex(_with_classes(pattern, axis)), f"it is at least 0 and sums to 1 over dimension {axis}"
    axis = _class_axis([v.exp() for v in values]) if high <= 0 else None
    if axis is not None:
        return LogSimplex(_with_classes(pattern, axis)), f"its exponential sums to 1 over dimension {axis}"
    suggested = next((kind for words, kind in _NAMED if re.search(words, name.lower())), None)
    if _corners(values) and (suggested is Box or _other_corners(first, i)):
        return Box(" ".join([*pattern.split()[:-1], "4"])), "it has four corners in order"
    if suggested is not PositiveReal and low >= 0 and high <= 1:
        return Probability(pattern), "all its numbers lie in [0, 1]"
    if whole and low >= 0:
        return Count(pattern), "all its numbers are whole and at least 0"
    if low > 0:
        return PositiveReal(pattern), "all its numbers are above 0"
    if low >= 0:
        return NonNegativeReal(pattern), "all its numbers are at least 0"
    if name.lower().startswith("log_") and low < 0 < high:  # it will be exponentiated
        return Real(pattern, low=-10.0, high=10.0), "of its name it is a logarithm"
    if suggested in (Embedding, Logit) and suggested is not None:
        return suggested(pattern), "of its name, and its numbers have both signs"
    if i == 0 and any((isinstance(t, Tensor) and not t.is_floating_point()) or _binary(t) for t in first[1:2]):
        return Logit(pattern), "its numbers have both signs and its target is one of classes"
    return Real(pattern), "its numbers have both signs"


def _integer(
    name: str, values: list[Tensor], pattern: str, patterns: list[str], first: Sequence[Any], low: float, high: float
) -> tuple[Domain | None, str]:
    lead = first[0]
    if values[0].dtype == torch.bool:
        return Binary(pattern), "it is boolean"
    if re.search("len", name.lower()):
        of = next((d for d in ("t", "c") if d in patterns[0].split()), None)
        if of is not None and low >= 1:
            return Length(pattern, of=of), "of its name"
        return None, "nothing says what its lengths count"
    proxies = next((p.split()[0] for p in patterns[1:] if len(p.split()) == 2 and p.split()[0] != "n"), None)
    if proxies is not None and low >= 0:
        return ClassIndex(pattern, of=proxies), f"it is whole and at least 0, and `{proxies}` rows stand for classes"
    if isinstance(lead, Tensor) and lead.ndim >= 2 and "c" in patterns[0].split() and "c" not in pattern.split():
        classes = lead.shape[1]
        if low >= 0 and high < classes:
            return ClassIndex(pattern), f"it is whole, at least 0, and below the {classes} of dimension 1"
    if low >= 0 and high <= 1:
        return Binary(pattern), "all its numbers are 0 or 1"
    return None, f"its whole numbers from {low:g} to {high:g} fit no domain"


def _corners(values: list[Tensor]) -> bool:
    """Whether the last dimension is (x1, y1, x2, y2) with the corners in order."""
    return values[0].shape[-1:] == (4,) and all(bool((v[..., 2:] >= v[..., :2]).all()) for v in values)


def _other_corners(first: Sequence[Any], i: int) -> bool:
    """Whether another argument of the same shape is corners in order, too."""
    others = [t for j, t in enumerate(first) if j != i and isinstance(t, Tensor) and t.shape == first[i].shape]
    return any(_corners([t]) for t in others)


def _binary(t: Any) -> bool:
    return isinstance(t, Tensor) and bool(((t == 0) | (t == 1)).all())


def _class_axis(values: list[Tensor]) -> int | None:
    """The dimension over which all draws sum to 1; the second before the last, as classes stand there."""
    ndim = values[0].ndim
    for axis in dict.fromkeys([1, ndim - 1]) if ndim > 1 else ():
        sums = torch.cat([v.double().sum(axis).flatten() for v in values])
        if values[0].shape[axis] > 1 and bool(((sums - 1).abs() < _TINY).all()):
            return axis
    return None


def _with_classes(pattern: str, axis: int) -> str:
    return " ".join("c" if k == axis else ("k" if name == "c" else name) for k, name in enumerate(pattern.split()))


def _article(domain: Domain | None) -> str:
    return "unknown" if domain is None else f"taken for {type(domain).__name__} ({domain.shape})"
