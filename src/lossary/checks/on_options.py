"""Checks of options: each has an effect, some make a known loss, and what lies outside a domain is refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lossary.core import Binary, ClassIndex, NonNegativeReal, PositiveReal, Probability, Simplex, shape_of

from .examination import NotApplicable, Subject, Violation, check
from .scenarios import batches
from .subject import Inputs, LossRaised
from .variants import furnished

_QUIET = r"eps|smooth(?!ing)|reduction|reduce|ignore|average"
"""Hyperparameters that may well change nothing on ordinary inputs."""


@check(
    "equals",
    tries=("draws", "wide", "edges"),
    echoes=("runs", "finite"),
    settings=False,
    cause="The formula is another one: compare it term by term at this input.",
)
def equals_its_reference(subject: Subject, x: Inputs) -> Violation | None:
    """With the keywords told, the loss is its reference, in value and where both have one in gradient."""
    told = subject.contract.get("equals")
    pairs = [told] if isinstance(told, tuple) and len(told) == 2 and isinstance(told[0], dict) else list(told)
    for keywords, reference in pairs:
        case = x.under(keywords)
        leaves = [
            t.detach().clone().requires_grad_() if i in subject.differentiable else t for i, t in enumerate(x.tensors)
        ]
        try:
            wanted = reference(*leaves)
        except Exception:  # the reference does not know these options
            continue
        wanted = torch.as_tensor(wanted, dtype=subject.dtype)
        if not bool(wanted.isfinite().all()):
            continue
        found = subject(case)
        if found.shape != wanted.shape and found.numel() == wanted.numel() == 1:
            found = found.reshape(wanted.shape)
        if not subject.same(found, wanted, rtol=1e-4, atol=1e-5):
            words = f"with {keywords or 'its defaults'} it is {_number(found)}, its reference {_number(wanted)}"
            return Violation(found, "the value of its reference", words, case)
        if "differentiable" in subject.contract and wanted.requires_grad and not x.origin.startswith(("edge", "wide")):
            right = torch.autograd.grad(wanted.sum(), [leaves[i] for i in subject.differentiable], allow_unused=True)
            for position, a, b in zip(subject.differentiable, subject.gradients(case), right, strict=True):
                if (
                    a is not None
                    and b is not None
                    and bool(b.isfinite().all())
                    and not subject.same(a, b, rtol=1e-3, atol=1e-5)
                ):
                    words = (
                        f"with {keywords or 'its defaults'} its gradient in argument {position} is not its reference's"
                    )
                    return Violation(a, "the gradient of its reference", words, case)
    return None


@check(
    "domain_check",
    tries=("once",),
    settings=False,
    echoes=("runs",),
    cause="Values are taken as they come: an index wraps around or a logarithm of a negative number is clamped.",
)
def values_outside_their_domain_are_refused(subject: Subject, x: Inputs) -> Violation | None:
    """A class that does not exist, a probability beyond 1, a negative scale: each raises."""
    asked = False
    counting = [subject.contract.position(claim) for claim in ("mask", "sample_weight")]
    for i, domain in enumerate(subject.sampler.domains):
        if i in counting:
            continue  # what counts how much is no number that the loss is about
        for what, bad in _outside(subject, domain, x.tensors[i]):
            asked = True
            broken = x.replace(i, bad)
            try:
                result = subject(broken)
            except LossRaised:
                continue
            words = f"takes {what} for argument {i} and gives {_number(result)}"
            return Violation(result, "an error", words, broken)
    if not asked:
        raise NotApplicable("its domains have no outside")
    return None


@check(
    "options",
    tries=("once",),
    settings=False,
    always=True,
    echoes=("runs",),
    cause="The option is stored and never used, or overwritten by a constant.",
)
def hyperparameters_have_an_effect(subject: Subject, x: Inputs) -> Violation | None:
    """Every hyperparameter that was told to vary changes some value somewhere."""
    names = [n for n in subject.params if subject.callee.accepts(n) and not re.search(_QUIET, n)]
    if not names:
        raise NotApplicable("no hyperparameter was told to vary")
    for name in names:
        values = list(dict.fromkeys([*subject.params[name]])) if len(subject.params[name]) else []
        tried = [s for s in subject.settings if set(s) == {name}]
        settings = tried or [{name: v} for v in values]
        if len(settings) > 1 and not _matters(subject, x, settings):
            words = f"`{name}` changes nothing: {[s[name] for s in settings]} all give the same"
            return Violation(None, "an effect of every hyperparameter", words, x.under(settings[0]))
    return None


def _matters(subject: Subject, x: Inputs, settings: list[Any]) -> bool:
    draws = [
        *_varied(subject, x),
        *(subject.like(x, s, wide=s > 4) for s in range(1, 8)),
    ]
    draws += [e.to(subject.dtype) for e in subject.sampler.edges(limit=60)]
    asked = False
    for draw in draws:
        for how in subject.reductions:
            found = []
            for setting in settings:
                try:
                    result = subject(draw, **{**how, **setting})
                    found.append(
                        [result.detach(), *(g for g in subject.gradients(draw, **{**how, **setting}) if g is not None)]
                    )
                except LossRaised:
                    break
            if len(found) < len(settings):
                continue
            asked = True
            first = found[0]
            for other in found[1:]:
                if len(other) != len(first) or any(
                    a.shape != b.shape or not torch.equal(a, b) for a, b in zip(first, other, strict=True)
                ):
                    return True
    return not asked


def _varied(subject: Subject, x: Inputs) -> Iterator[Inputs]:
    """Batches with weights, a mask and targets that don't count where it takes them: some options are about these."""
    yield from furnished(subject, x)
    with contextlib.suppress(NotApplicable):
        yield from batches(subject, x)


def _outside(subject: Subject, domain: Any, t: Any) -> Iterator[tuple[str, Tensor]]:
    """Values of which one is not in the domain."""
    if not isinstance(t, Tensor) or not t.numel():
        return

    def one(value: float) -> Tensor:
        bad = t.clone()
        bad.view(-1)[0] = value
        return bad

    if isinstance(domain, ClassIndex):
        classes = shape_of((domain.of,), subject.sampler.sizes)[0]
        yield f"class {classes} of {classes}", one(classes)
        if subject.contract.get("ignore_index") != -1:
            yield "class -1", one(-1)
    elif isinstance(domain, Probability) and not isinstance(domain, Simplex):
        yield "a probability of 1.5", one(1.5)
        yield "a probability of -0.5", one(-0.5)
    elif isinstance(domain, (PositiveReal, NonNegativeReal)):
        yield "-1", one(-1.0)
    elif isinstance(domain, Binary) and t.is_floating_point():
        yield "2 for 0 or 1", one(2.0)


def _number(value: Tensor) -> str:
    value = value.detach()
    return f"{float(value):.6g}" if value.numel() == 1 else f"{[round(v, 4) for v in value.flatten()[:4].tolist()]}..."
