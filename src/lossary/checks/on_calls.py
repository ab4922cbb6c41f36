"""Checks of calls: nothing written, kept or printed; the same when compiled, and when mapped over samples."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .examination import NotApplicable, Subject, Violation, check
from .memory import load
from .scenarios import batch_of, singles
from .state import global_state, places, set_state, state_kept
from .subject import Inputs, LossRaised, seeded
from .variants import furnished, typed

_UNTOUCHED = "inputs left as they are"
_SAME = "the same at a second call"


@check(
    "pure",
    tries=("draws",),
    draws=2,
    always=True,
    echoes=("runs",),
    cause="An operation in place: a trailing underscore, +=, or an assignment to a slice. Copy first.",
)
def inputs_are_not_written_to(subject: Subject, x: Inputs) -> Violation | None:
    """Neither the call nor its backward pass writes to its inputs, in whatever type they come."""
    for grad in (False, True):
        found = _writes(subject, x, grad=grad)
        if found is not None:
            return found
    for form in [*typed(subject, x), *furnished(subject, x)]:
        with contextlib.suppress(LossRaised, NotApplicable):
            found = _writes(subject, form, grad=False)
            if found is not None:
                return found
    return None


def _writes(subject: Subject, x: Inputs, *, grad: bool) -> Violation | None:
    tensors = [_leaf(t, grad and i in subject.differentiable) for i, t in enumerate(x.tensors)]
    keywords = {name: value.clone() if isinstance(value, Tensor) else value for name, value in x.keywords.items()}
    before = [_leaf(t, False) for t in tensors]
    try:
        result = subject.callee(tensors, **keywords)
        found = _flags(tensors, subject.differentiable if grad else [])
        if found:
            return Violation(None, _UNTOUCHED, found, x)
        if grad and result.requires_grad:
            result.sum().backward()  # type: ignore[no-untyped-call]
    except LossRaised as error:
        if "a leaf Variable that requires grad" in error.words or "in-place operation" in error.words:
            return Violation(error.words, _UNTOUCHED, f"it writes to its input: {error.words}", x)
        raise
    except RuntimeError as error:
        if "inplace operation" in str(error):
            return Violation(str(error)[:80], _UNTOUCHED, "it changes what its gradient needs", x)
        raise NotApplicable("its backward pass raises") from None
    for i, (t, old) in enumerate(zip(tensors, before, strict=True)):
        if isinstance(t, Tensor) and not torch.equal(t.detach().nan_to_num(), old.nan_to_num()):
            return Violation(t.detach(), _UNTOUCHED, f"it writes to argument {i}", x)
    for name, value in keywords.items():
        if isinstance(value, Tensor) and not torch.equal(value, x.keywords[name]):
            return Violation(value, _UNTOUCHED, f"it writes to `{name}`", x)
    return None


def _flags(tensors: list[Any], leaves: list[int]) -> str:
    """What a call did to its inputs beside their numbers."""
    for i, t in enumerate(tensors):
        if isinstance(t, Tensor) and t.requires_grad != (i in leaves):
            return f"it sets requires_grad of argument {i}"
        if isinstance(t, Tensor) and t.is_leaf and t.grad is not None:
            return f"it runs a backward pass itself, which leaves a gradient in argument {i}"
    return ""


@check(
    "pure",
    tries=("once",),
    echoes=("runs", "inputs_are_not_written_to"),
    cause="Something is kept between calls: a running average, a cached shape or graph, a list that grows, a "
    "default argument that is changed.",
)
def calls_do_not_depend_on_each_other(subject: Subject, x: Inputs) -> Violation | None:
    """The same call gives the same again, also after other calls, in value and gradient."""
    loss = _fresh(subject, x)
    if "pure" in subject.contract.assumed and isinstance(loss, nn.Module) and any(True for _ in loss.buffers()):
        raise NotApplicable("it has buffers, and nobody said that they stay as they are")
    single = x.to(torch.float32)
    others = [x, single, *_others(subject, x)]
    others += [r.to(subject.dtype) for n in (1, 3) for r in [subject.sampler.resize(x, n)] if r is not None]
    first = _answer(subject, loss, x)
    alike = _changed(first, _answer(subject, _fresh(subject, x), x)) is None  # else it is made at random
    for other in others:
        try:
            later = _call(subject, loss, other)
        except Exception:  # it does not take this batch, which other checks ask about
            continue
        with contextlib.suppress(Exception):
            what = _changed(_call(subject, _fresh(subject, x), other), later)
            if what and alike and other is not single:
                return Violation(later[0][0], _SAME, f"after another call it gives another {what}", other)
        try:
            again = _call(subject, loss, x)
        except Exception as error:
            return Violation(str(error)[:80], _SAME, f"a second call raises {error}"[:160], x)
        what = _changed(first, again)
        if what:
            return Violation(again[0][0], _SAME, f"a second call gives another {what}", x)
    return None


@check(
    "pure",
    tries=("once",),
    settings=False,
    echoes=("runs", "inputs_are_not_written_to", "calls_do_not_depend_on_each_other"),
    cause="A cache outlives the call, and its key leaves out something that the result depends on.",
)
def nothing_is_remembered(subject: Subject, x: Inputs) -> Violation | None:
    """What it keeps in a global, a default argument or its class changes nothing: emptied, it gives the same."""
    for place in places(subject.callee.loss):
        for at in (x, *_others(subject, x)):
            used = _answer(subject, _fresh(subject, x), at)
            try:
                with place.emptied() as filled:
                    anew = _call(subject, _fresh(subject, x), at)
                    fills = filled()
            except Exception:
                break  # it needs what is there, so it's no memory
            what = _changed(used, anew)
            if fills and what:
                words = f"without what it remembers of earlier calls it gives another {what}"
                return Violation(used[0][0], _SAME, words, at)
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
    """Random state and settings of torch, numpy and Python are after a call what they were before, and don't matter."""
    told = "pure" not in subject.contract.assumed  # a loss that draws at random may be meant to
    values = []
    with state_kept(), contextlib.redirect_stdout(io.StringIO()):
        for seed, unusual in ((1234567, False), (7654321, False), (1234567, True)):
            set_state(seed, unusual=unusual)
            try:
                with seeded():
                    loss = subject.callee.built(x.keywords, subject.dtype)
                before = global_state()
                value = loss(*x.tensors)
                after = global_state()
            except Exception:  # it does not take this type, which other checks ask about
                if unusual:
                    break
                raise NotApplicable("it raises") from None
            changed = [name for name in before if before[name] != after[name] and (told or "random" not in name)]
            if changed:
                found = ", ".join(changed)
                return Violation(found, "global state left alone", f"a call changes {found}", x)
            values.append(value)
    if told and isinstance(values[0], Tensor) and not subject.same(values[0].detach(), values[1].detach()):
        return Violation(values[1].detach(), "the same for any seed", "its value depends on the global random state", x)
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
        except Exception:  # then compiling has nothing to be held against
            raise NotApplicable("it raises without torch.compile") from None
    load()
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


def _answer(subject: Subject, loss: Callable[..., Any], x: Inputs) -> tuple[list[Tensor], list[Tensor]]:
    """The same, raising :class:`LossRaised` for whatever it raises."""
    try:
        return _call(subject, loss, x)
    except Exception as error:
        raise LossRaised from error


def _fresh(subject: Subject, x: Inputs) -> Callable[..., Any]:
    """The loss as new, made with the same random numbers every time."""
    with seeded(), contextlib.redirect_stdout(io.StringIO()):
        return subject.callee.built(x.keywords, subject.dtype)


def _others(subject: Subject, x: Inputs) -> list[Inputs]:
    return [subject.draw(seed).under(x.keywords) for seed in (1, 2)]


def _changed(a: tuple[list[Tensor], list[Tensor]], b: tuple[list[Tensor], list[Tensor]]) -> str | None:
    """Which of value and gradient differ, if one does."""
    for name, before, after in zip(("value", "gradient"), a, b, strict=True):
        if len(before) != len(after) or not all(
            p.shape == q.shape and torch.allclose(p, q, rtol=1e-9, atol=1e-12, equal_nan=True)
            for p, q in zip(before, after, strict=True)
        ):
            return name
    return None


def _near(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(
        p.shape == q.shape and torch.allclose(p, q, rtol=1e-4, atol=1e-6, equal_nan=True)
        for p, q in zip(a, b, strict=True)
    )
