"""Checks of shapes: what does not fit is refused, and not broadcast into something else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from .examination import NotApplicable, Subject, Violation, check
from .scenarios import batch_of
from .subject import Inputs, LossRaised


@check(
    "strict_shape",
    tries=("draws",),
    draws=2,
    settings=False,
    echoes=("runs",),
    cause="Shapes are not compared: (N, 1) against (N,) becomes (N, N), and the loss a mean over pairs.",
)
def shapes_that_do_not_fit_are_refused(subject: Subject, x: Inputs) -> Violation | None:
    """A column against a row, or another number of samples, raises or warns; or gives what fitting shapes give."""
    wanted = subject(x)
    asked = False
    for what, broken in _broken(subject, x):
        asked = True
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = subject(broken)
        except LossRaised:
            continue
        refused = any("size" in str(w.message) or "shape" in str(w.message) for w in caught)
        if refused or (
            result.numel() == wanted.numel() and subject.same(result.flatten(), wanted.flatten(), rtol=1e-5)
        ):
            continue
        shapes = [tuple(t.shape) for t in broken.tensors if isinstance(t, Tensor)]
        return Violation(shapes, "an error", f"{what}: takes the shapes {shapes} without a word", broken)
    if not asked:
        raise NotApplicable("no two of its arguments share their samples")
    return None


def _broken(subject: Subject, x: Inputs) -> Iterator[tuple[str, Inputs]]:
    n = batch_of(subject, x)
    batched = [i for i, axis in enumerate(subject.sampler.axes) if axis is not None]
    if len(batched) < 2 or n < 3 or not subject.sampler.agrees(x):
        raise NotApplicable("no two of its arguments share their samples")
    for i in batched:
        t, axis = x.tensors[i], subject.sampler.axes[i]
        assert axis is not None
        if t.ndim == 1:
            yield f"argument {i} as a column", x.replace(i, t.unsqueeze(1))
        elif t.ndim == 2 and t.shape[1] == 1:
            yield f"argument {i} as a row", x.replace(i, t.squeeze(1))
        elif _alike(x, i):
            yield f"argument {i} with one more dimension", x.replace(i, t.unsqueeze(-1))
        yield f"argument {i} with one sample alone", x.replace(i, t.narrow(axis, 0, 1))
        yield f"argument {i} with one sample less", x.replace(i, t.narrow(axis, 0, n - 1))
    lead = x.tensors[0]
    if lead.ndim == 1 and x.tensors[batched[1]].ndim == 1:
        column = torch.unsqueeze(lead, 1)
        yield "argument 0 as a column", x.replace(0, column)


def _alike(x: Inputs, i: int) -> bool:
    """Whether another argument has the same shape, so that one more dimension can mean nothing."""
    return any(j != i and isinstance(t, Tensor) and t.shape == x.tensors[i].shape for j, t in enumerate(x.tensors))


@check(
    "strict_shape",
    tries=("draws",),
    draws=2,
    settings=False,
    always=True,
    echoes=("runs",),
    cause="The inputs are a column (N, 1) and a row (N,): broadcasting makes (N, N) of them. Squeeze or unsqueeze one.",
)
def columns_do_not_meet_rows(subject: Subject, x: Inputs) -> Violation | None:
    """Where it takes a column beside a row, it gives what two rows give: it does not pair each with each."""
    n = subject.sampler.size(x.tensors)
    columns = [i for i, t in enumerate(x.tensors) if isinstance(t, Tensor) and t.ndim == 2 and t.shape == (n, 1)]
    rows = [i for i, t in enumerate(x.tensors) if isinstance(t, Tensor) and t.ndim == 1 and t.shape == (n,)]
    if n is None or n < 2 or not columns or not rows:
        raise NotApplicable("it takes no column beside a row")
    fitting = x.with_tensors([t.squeeze(1) if i in columns else t for i, t in enumerate(x.tensors)])
    here, there = subject(x), subject(fitting)
    if here.numel() != there.numel() or not subject.same(here.flatten(), there.flatten(), rtol=1e-5):
        words = f"a column {n, 1} beside a row {(n,)} gives something else than two rows: it pairs each with each"
        return Violation(here, "what two rows give", words, x)
    return None
