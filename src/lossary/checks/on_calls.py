"""Checks of calls: nothing written, kept or printed; the same when compiled, and when mapped over samples."""

from __future__ import annotations

import contextlib
import copy
import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .examination import NotApplicable, Subject, Violation, check
from .scenarios import batch_of, singles
from .subject import Inputs, LossRaised, seeded


@check(
    "pure",
    tries=("draws",),
    draws=2,
    always=True,
    echoes=("runs",),
    cause="An operation in place: a trailing underscore, +=, or an assignment to a slice. Copy first.",
)
def inputs_are_not_written_to(subject: Subject, x: Inputs) -> Violation | None:
    """Neither the call nor its backward pass writes to its inputs."""
    for grad in (False, True):
        tensors = [_leaf(t, grad and i in subject.differentiable) for i, t in enumerate(x.tensors)]
        keywords = {name: value.clone() if isinstance(value, Tensor) else value for name, value in x.keywords.items()}
        before = [t.detach().clone() if isinstance(t, Tensor) else t for t in tensors]
        try:
            result = subject.callee(tensors, **keywords)
            if grad and result.requires_grad:
                result.sum().backward()  # type: ignore[no-untyped-call]
        except LossRaised as error:
            if "a leaf Variable that requires grad" in error.words or "in-place operation" in error.words:
                return Violation(error.words, "inputs left as they are", f"it writes to its input: {error.words}", x)
            raise
        except RuntimeError as error:
            if "inplace operation" in str(error):
                return Violation(str(error)[:80], "inputs left as they are", "it changes what its gradient needs", x)
            raise NotApplicable("its backward pass raises") from None
        for i, (t, old) in enumerate(zip(tensors, before, strict=True)):
            if isinstance(t, Tensor) and not torch.equal(t.detach().nan_to_num(), old.nan_to_num()):
                return Violation(t.detach(), "inputs left as they are", f"it writes to argument {i}", x)
        for name, value in keywords.items():
            if isinstance(value, Tensor) and not torch.equal(value, x.keywords[name]):
                return Violation(value, "inputs left as they are", f"it writes to `{name}`", x)
    return None


@check(
    "pure",
    tries=("once",),
    echoes=("runs", "inputs_are_not_written_to"),
    cause="Something is kept between calls: a running average, a cached shape or graph, a list that grows, a "
    "default argument that is changed.",
)
def calls_do_not_depend_on_each_other(subject: Subject, x: Inputs) -> Violation | None:
    """The same call gives the same again, also after other calls, in value and gradient."""
    loss = subject.callee.built(x.keywords, subject.dtype)
    if "pure" in subject.contract.assumed and isinstance(loss, nn.Module) and any(True for _ in loss.buffers()):
        raise NotApplicable("it has buffers, and nobody said that they stay as they are")
    others = [x, subject.draw(5)]
    for size in (1, 3):
        resized = subject.sampler.resize(x, size)
        if resized is not None:
            others.append(resized.to(subject.dtype))
    first = _call(subject, loss, x)
    for other in others:
        try:
            _call(subject, loss, other)
        except Exception:
            continue
        try:
            again = _call(subject, loss, x)
        except Exception as error:
            return Violation(str(error)[:80], "the same at a second call", f"a second call raises {error}"[:160], x)
        for name, a, b in zip(("value", "gradient"), first, again, strict=True):
            if not _equal(a, b):
                return Violation(
                    b[0] if b else None, "the same at a second call", f"a second call gives another {name}", x
                )
    return None


@check(
    "pure",
    tries=("once",),
    settings=False,
    echoes=("runs",),
    cause="A print left over from looking for a fault; use logging, or return what is of interest.",
)
def nothing_is_printed(subject: Subject, x: Inputs) -> Violation | None:
    """A call prints nothing."""
    subject.callee.printed = ""
    subject(x)
    if subject.callee.printed.strip():
        return Violation(
            subject.callee.printed.strip()[:80], "silence", f"it prints {subject.callee.printed.strip()[:80]!r}"
        )
    return None


@check(
    "pure",
    tries=("once",),
    settings=False,
    echoes=("runs",),
    cause="It draws random numbers, seeds the global generator, or changes a global setting of torch.",
)
def global_state_is_left_alone(subject: Subject, x: Inputs) -> Violation | None:
    """Random state and settings of torch, numpy and Python are after a call what they were before."""
    loss = subject.callee.built(x.keywords, subject.dtype)
    kept = torch.default_generator.get_state()
    try:
        before = _global_state()
        with contextlib.redirect_stdout(io.StringIO()):
            loss(*x.tensors)
        after = _global_state()
    except Exception:
        raise NotApplicable("it raises") from None
    finally:
        torch.default_generator.set_state(kept)
    changed = [name for name in before if before[name] != after[name]]
    if "pure" in subject.contract.assumed:  # a loss that draws at random may be meant to
        changed = [name for name in changed if "random" not in name]
    if changed:
        return Violation(", ".join(changed), "global state left alone", f"a call changes {', '.join(changed)}", x)
    return None


@check(
    "compile",
    tries=("once",),
    settings=False,
    echoes=("runs", "finite"),
    cause="Python that looks at values: if on a tensor, .item(), a loop over a tensor, numpy, or a print.",
)
def compiles_whole(subject: Subject, x: Inputs) -> Violation | None:
    """torch.compile captures it in one graph, and changes neither value nor gradient."""
    loss = subject.callee.built(x.keywords, subject.dtype)
    batches = [x]
    resized = subject.sampler.resize(x, 3)
    if resized is not None and batch_of(subject, x) != 3:
        batches.append(resized.to(subject.dtype))
    wanted = []
    for batch in batches:
        try:
            wanted.append(_call(subject, loss, batch))
        except Exception:
            raise NotApplicable("it raises without torch.compile") from None
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    try:
        for batch, plain in zip(batches, wanted, strict=True):
            try:
                whole = _call(subject, compiled, batch)
            except Exception as error:
                reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                return Violation(
                    reason[:100], "one graph", f"torch.compile(fullgraph=True) fails: {reason[:120]}", batch
                )
            if not all(_near(a, b) for a, b in zip(plain, whole, strict=True)):
                return Violation(whole[0][0], "the same when compiled", "compiled it gives something else", batch)
    finally:
        torch._dynamo.reset()
    return None


@check(
    "vmap",
    tries=("draws",),
    draws=2,
    echoes=("runs", "finite", "per_sample"),
    cause="Python that looks at values, an operation in place on what is mapped, or a fixed number of dimensions.",
)
def maps_over_samples(subject: Subject, x: Inputs) -> Violation | None:
    """torch.func.vmap over the samples gives what each gives alone."""
    batch_of(subject, x)
    axes = tuple(subject.sampler.axes)
    loss = subject.callee.built(x.keywords, subject.dtype)
    alone = torch.stack([value.sum() for value in singles(subject, x, {})])

    def one(*row: Tensor) -> Tensor:
        whole = [t if a is None else t.unsqueeze(a) for t, a in zip(row, axes, strict=True)]
        result: Tensor = loss(*whole).sum()
        return result

    try:
        mapped = torch.func.vmap(one, in_dims=axes, randomness="same")(*x.tensors)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return Violation(reason[:100], "a map over samples", f"vmap fails: {reason[:120]}")
    if not subject.same(mapped, alone, rtol=1e-5, atol=1e-6):
        return Violation(mapped, "the loop over samples", "vmap gives something else than the loop")
    return None


def _leaf(t: Any, grad: bool) -> Any:
    return t.detach().clone().requires_grad_(grad) if isinstance(t, Tensor) else copy.copy(t)


def _call(subject: Subject, loss: Callable[..., Any], x: Inputs) -> tuple[list[Tensor], list[Tensor]]:
    """Value and gradients of one and the same callable."""
    tensors = [_leaf(t, i in subject.differentiable) for i, t in enumerate(x.tensors)]
    with seeded(), contextlib.redirect_stdout(io.StringIO()):
        result = loss(*tensors)
        leaves = [tensors[i] for i in subject.differentiable]
        found = torch.autograd.grad(result.sum(), leaves, allow_unused=True) if result.requires_grad else ()
    return [result.detach()], [torch.zeros(()) if g is None else g for g in found]


def _equal(a: list[Tensor], b: list[Tensor]) -> bool:
    same = [
        p.shape == q.shape and torch.allclose(p, q, rtol=1e-9, atol=1e-12, equal_nan=True)
        for p, q in zip(a, b, strict=True)
    ]
    return all(same)


def _near(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(
        p.shape == q.shape and torch.allclose(p, q, rtol=1e-4, atol=1e-6, equal_nan=True)
        for p, q in zip(a, b, strict=True)
    )


def _global_state() -> dict[str, Any]:
    return {
        "torch's random state": torch.default_generator.get_state().numpy().tobytes(),
        "numpy's random state": repr(np.random.get_state()),
        "Python's random state": random.getstate(),
        "the default dtype": torch.get_default_dtype(),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "the number of threads": torch.get_num_threads(),
        "anomaly detection": torch.is_anomaly_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }
