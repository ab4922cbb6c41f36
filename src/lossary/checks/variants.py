"""The forms that one input comes in: in other types, with weights and a mask, with something that does not count."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .examination import NotApplicable, Subject
from .on_types import whole_kinds
from .scenarios import batch_of, class_weights, given, ignored, mask_in
from .subject import Inputs


def typed(subject: Subject, x: Inputs) -> Iterator[Inputs]:
    """``x`` in float32, and with its targets as whole numbers: where a conversion hands on the very tensor."""
    yield x.to(torch.float32)
    whole = x
    for i, domain in enumerate(subject.sampler.domains):
        kinds = whole_kinds(domain)
        if i and kinds and isinstance(x.tensors[i], Tensor):
            whole = whole.replace(i, x.tensors[i].to(torch.int64))
    if whole is not x:
        yield whole


def furnished(subject: Subject, x: Inputs) -> Iterator[Inputs]:
    """``x`` with what the loss is told to take beside it: weights of classes and samples, a mask, ignored targets."""
    ways: dict[str, Callable[[], Inputs]] = {
        "class_weight": lambda: given(x, *class_weights(subject, x)),
        "sample_weight": lambda: _weighted(subject, x),
        "mask": lambda: _masked(subject, x),
        "ignore_index": lambda: ignored(subject, x, [0]),
    }
    for claim, way in ways.items():
        if claim in subject.contract:
            with contextlib.suppress(NotApplicable, IndexError):
                yield way()


def _weighted(subject: Subject, x: Inputs) -> Inputs:
    at = subject.contract.position("sample_weight")
    assert at is not None
    n = x.tensors[at].numel() if isinstance(at, int) else batch_of(subject, x)
    weights = torch.linspace(0.5, 2.0, n, dtype=subject.dtype)
    return given(x, at, weights.reshape(x.tensors[at].shape) if isinstance(at, int) else weights)


def _masked(subject: Subject, x: Inputs) -> Inputs:
    at, ones = mask_in(subject, x)
    mask = ones.clone()
    if mask.numel() > 1:
        mask.view(-1)[0] = 0
    return given(x, at, mask)
