"""Batches in which something does not count, or counts more: for the checks of batches, weights and reductions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from lossary.core import ClassIndex, shape_of

from .examination import NotApplicable, Subject
from .subject import Inputs, LossRaised

CLASS_WEIGHTS = ("class_weight", "class_weights", "weight", "weights", "alpha")
_MOST = 12
"""Samples in a batch whose size shall agree with another dimension."""


def batch_of(subject: Subject, x: Inputs) -> int:
    """How many samples ``x`` has. Raises :class:`NotApplicable` where that can't be known."""
    n = subject.sampler.size(x.tensors)
    if n is None:
        raise NotApplicable("nothing says along which dimension the samples run")
    return n


def batches(subject: Subject, x: Inputs) -> Iterator[Inputs]:
    """``x``, and where it is no edge batches as large as another dimension, where a mistaken one goes unnoticed."""
    n = batch_of(subject, x)
    yield x
    if x.origin.startswith("edge"):
        return
    others = {size for t in x.tensors if isinstance(t, Tensor) for size in t.shape if 1 < size <= _MOST} - {n}
    for size in sorted(others):
        resized = subject.sampler.resize(x, size)
        if resized is not None:
            yield resized.to(subject.dtype)


def mean_how(subject: Subject) -> Mapping[str, Any]:
    """Keywords under which the loss is a mean: none where it is by default."""
    return {"reduction": "mean"} if subject.reduces else {}


def singles(subject: Subject, x: Inputs, how: Mapping[str, Any]) -> list[Tensor]:
    """The loss of each sample alone."""
    return [subject(subject.sampler.select(x, [i]), **how) for i in range(batch_of(subject, x))]


def target_of(subject: Subject, x: Inputs) -> int:
    """Position of a target of classes. Raises :class:`NotApplicable` where there is none."""
    for i, domain in enumerate(subject.sampler.domains):
        if isinstance(domain, ClassIndex) and isinstance(x.tensors[i], Tensor):
            return i
    raise NotApplicable("none of its arguments is a class index")


def ignored(subject: Subject, x: Inputs, rows: list[int], *, value: int | None = None) -> Inputs:
    """``x`` with the targets of ``rows`` set to what is ignored."""
    at = target_of(subject, x)
    told = subject.contract.get("ignore_index")
    target = x.tensors[at].clone()
    axis = subject.sampler.axes[at]
    if axis is None:
        raise NotApplicable("its targets do not run over the samples")
    for row in rows:
        target.select(axis, row).fill_(told if value is None else value)
    keywords = {} if value is None else {"ignore_index": value}
    return x.replace(at, target).under(keywords)


def class_weights(subject: Subject, x: Inputs) -> tuple[str | int, Tensor]:
    """Where class weights are given, and some of them. Raises :class:`NotApplicable` where that can't be known."""
    at: int | str | None = subject.contract.position("class_weight")
    if at is None:
        at = next((name for name in CLASS_WEIGHTS if name in subject.callee.options), None)
    if at is None:
        raise NotApplicable("nothing says how it takes class weights")
    weight = torch.tensor([0.5, 2.0, 1.25, 3.0, 0.75, 1.5, 0.3, 2.5, 1.1, 0.9] * 20, dtype=subject.dtype)
    return at, weight[: classes_of(subject, x)]


def classes_of(subject: Subject, x: Inputs) -> int:
    domain = subject.sampler.domains[target_of(subject, x)]
    assert isinstance(domain, ClassIndex)
    return shape_of((domain.of,), subject.sampler.sizes)[0]


def given(x: Inputs, at: str | int, tensor: Any) -> Inputs:
    """``x`` with ``tensor`` at a position, or as a keyword."""
    return x.replace(at, tensor) if isinstance(at, int) else x.under({at: tensor})


def mask_in(subject: Subject, x: Inputs) -> tuple[str | int, Tensor]:
    """Where the mask is given, and one of ones in the shape and type that the loss takes."""
    at = subject.contract.position("mask")
    assert at is not None
    if isinstance(at, int):
        return at, torch.ones_like(x.tensors[at])
    shapes = dict.fromkeys(
        tuple(t.shape[:k]) for j in of_mask(subject) for t in [x.tensors[j]] for k in range(t.ndim, 0, -1)
    )
    for dtype in (torch.bool, subject.dtype):
        for shape in sorted(shapes, key=len, reverse=True):
            mask = torch.ones(shape, dtype=dtype)
            try:
                subject(x.under({at: mask}))
            except LossRaised:
                continue
            return at, mask
    raise NotApplicable(f"no mask as `{at}` is accepted")


def of_mask(subject: Subject) -> list[int]:
    told = subject.contract.get("mask")
    return list(told.get("of", [0]))


def spread(mask: Tensor, over: Tensor) -> Tensor | None:
    """``mask`` in the shape of ``over``: it may lack trailing dimensions, or the second one, of classes."""
    kept = mask.bool()
    if kept.shape == over.shape[: kept.ndim]:
        return kept.reshape(kept.shape + (1,) * (over.ndim - kept.ndim)).expand_as(over)
    if over.ndim == kept.ndim + 1 and kept.shape == over.shape[:1] + over.shape[2:]:
        return kept.unsqueeze(1).expand_as(over)
    if kept.ndim == over.ndim and all(a in (b, 1) for a, b in zip(kept.shape, over.shape, strict=True)):
        return kept.expand_as(over)
    return None


def is_zero(subject: Subject, result: Tensor) -> bool:
    return bool((result.detach().abs() <= subject.rounding).all())
