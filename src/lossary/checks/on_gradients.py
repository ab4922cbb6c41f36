"""Checks of the gradient of a loss: finite, that of the value, scaled by what comes in, and not dead."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from lossary.core import Binary, Box, ClassIndex, Embedding, Image, Logit, PositiveReal, Real, Waveform

from .examination import NotApplicable, Subject, Violation, check
from .moves import class_axis
from .on_values import another_claims_business
from .slopes import off_the_edges, told, wrong_slope
from .subject import Inputs, LossRaised

_CONFIDENT = 15.0
"""A logit at which a probability is 3e-7: a confident mistake, and far from where any number type rounds it to 0."""
_COSTLY = 2.5
"""What a confident mistake costs at least in a loss like cross-entropy; those that are bounded may go flat there."""


@check(
    "finite",
    tries=("edges", "wide", "perfect", "draws"),
    echoes=("runs", "value_is_finite"),
    cause="The value is finite, but the chain rule multiplies 0 by infinity: a root or norm at 0, or torch.where after "
    "the operation instead of before it. Make the argument harmless before the operation.",
)
def gradient_is_finite(subject: Subject, x: Inputs) -> Violation | None:
    """Where the value is finite in float32, so is the gradient, reduced and unreduced."""
    single = x.to(torch.float32)
    positions = _varying(subject)
    for how in subject.forms:
        found = _not_finite(subject, single, how, positions)
        if found is not None:
            finite = bool(subject(single, **how).isfinite().all())
            return found if finite and not another_claims_business(subject, x) else None
    return None


@check(
    "differentiable",
    tries=("draws",),
    always=True,
    draws=6,
    echoes=("runs", "finite"),
    cause="The chain rule multiplies 0 by infinity somewhere: a root or norm at 0, or a masked NaN.",
)
def gradient_is_finite_on_ordinary_inputs(subject: Subject, x: Inputs) -> Violation | None:
    """At ordinary inputs the gradient is finite."""
    x = off_the_edges(subject, x)
    found = _not_finite(subject, x, {}, _varying(subject))
    return found if found is not None and bool(subject(x).isfinite().all()) else None


@check(
    "differentiable",
    tries=("draws",),
    always=True,
    draws=2,
    echoes=("runs", "pure"),
    cause="Something is changed in place that the backward pass needs, or .numpy() or .item() is asked of what needs a "
    "gradient.",
)
def gradient_can_be_computed(subject: Subject, x: Inputs) -> Violation | None:
    """What answers without a gradient also answers with one, and its backward pass runs."""
    first, domain = x.tensors[0], subject.sampler.domains[0]
    if not isinstance(first, Tensor) or not first.is_floating_point() or (domain and not domain.has_gradient):
        raise NotApplicable("its first argument varies in steps")
    for how in subject.forms:
        subject(x, **how)
        try:
            subject.gradients(x, [0], **how)
        except LossRaised as error:
            words = f"once its first argument needs a gradient it raises {error.words}"
            return Violation(error.words, "a gradient", words, x.under(how))
    return None


@check(
    "differentiable",
    tries=("once",),
    settings=False,
    echoes=("runs", "finite"),
    cause="The graph is cut: .detach(), .item(), .data, numpy, torch.no_grad, argmax, or a new tensor made of values.",
)
def gradient_flows(subject: Subject, x: Inputs) -> Violation | None:
    """A gradient reaches every argument that it should reach, and is not 0 everywhere."""
    draws = [x, *(subject.like(x, seed, wide=seed > 5) for seed in range(1, 9))]
    for how in _every_form(subject):
        for position in subject.differentiable:
            gradients = [subject.gradients(d, [position], **how)[0] for d in draws]
            if all(g is None for g in gradients):
                if position and not told(subject):
                    continue
                words = f"no gradient reaches argument {position}"
                return Violation(None, "a gradient", words, x.under(how))
            if all(g is None or not bool(g.any()) for g in gradients) and _varies(subject, draws, position):
                words = f"the gradient in argument {position} is 0 at every draw"
                return Violation(0.0, "a gradient that is not 0", words, x.under(how))
    return None


@check(
    "differentiable",
    tries=("once",),
    settings=False,
    echoes=("runs", "finite"),
    cause="What is to be a constant in the gradient, as a teacher, a baseline or a target network, is not detached.",
)
def no_gradient_reaches_constants(subject: Subject, x: Inputs) -> Violation | None:
    """No gradient flows into an argument that is a constant of the loss."""
    told = [i for i, d in enumerate(subject.sampler.domains) if d is not None and d.constant and _real(x.tensors[i])]
    # Weights, which are positive, are seldom detached, and their gradient harms nobody.
    constants = [i for i in told if not isinstance(subject.sampler.domains[i], PositiveReal)]
    if not constants:
        raise NotApplicable("none of its arguments is told to be constant")
    for position in constants:
        (gradient,) = subject.gradients(x, [position])
        if gradient is not None and bool(gradient.any()):
            words = f"a gradient reaches argument {position}, which is a constant"
            return Violation(gradient.abs().max(), "no gradient in a constant", words)
    return None


def _real(t: Any) -> bool:
    return isinstance(t, Tensor) and t.is_floating_point()


@check(
    "differentiable",
    tries=("once",),
    settings=False,
    echoes=("runs", "finite", "gradient_flows"),
    cause="A slice or a fixed number leaves samples out: [:-1], [1:], range(batch_size - 1).",
)
def gradient_reaches_every_sample(subject: Subject, x: Inputs) -> Violation | None:
    """No sample is without a gradient at every draw, and without an influence on the value."""
    axis, first = subject.sampler.axes[0], x.tensors[0]
    if axis is None or 0 not in subject.differentiable:
        raise NotApplicable("its first argument has no samples, or needs no gradient")
    draws = [subject.like(x, seed, wide=seed > 9) for seed in range(1, 18)]
    draws = [x, *(d for d in draws if d.tensors[0].shape == first.shape)]
    gradients = [g for d in draws for g in subject.gradients(d, [0]) if g is not None]
    if not gradients:
        raise NotApplicable("no gradient reaches it at all")
    reached = torch.stack([g.movedim(axis, 0).unsqueeze(-1).flatten(1).any(1) for g in gradients]).any(0)
    for row in (~reached).nonzero().flatten().tolist() if bool(reached.any()) else ():
        if not any(_matters(subject, d, axis, row, draws) for d in draws[:6]):
            words = f"sample {row} of {len(reached)} has no gradient at any draw, and changes nothing"
            return Violation(row, "a gradient for each sample", words)
    return None


@check(
    "differentiable",
    tries=("draws",),
    draws=3,
    echoes=("runs", "finite"),
    cause="A clamp or a rounded probability cuts the gradient off where it is needed most: compute with logits.",
)
def gradient_reaches_confident_mistakes(subject: Subject, x: Inputs) -> Violation | None:
    """Where the prediction is confident and wrong, and this is costly, the gradient is not exactly 0."""
    if 0 not in subject.differentiable:
        raise NotApplicable("its first argument needs no gradient")
    mistaken, best = _mistaken(subject, x), subject.sampler.perfected(x)
    if best is None or not float(subject(mistaken).mean()) > float(subject(best).mean()) + _COSTLY:
        return None
    (gradient,) = subject.gradients(mistaken, [0])
    if gradient is not None and not bool(gradient.any()):
        words = f"at logits of {_CONFIDENT:g} for the wrong class the value is high and the gradient exactly 0"
        return Violation(0.0, "a gradient at confident mistakes", words, mistaken)
    return None


@check(
    "differentiable",
    tries=("draws", "wide"),
    draws=5,
    echoes=("runs", "finite", "gradient_flows"),
    cause="Part of the value is detached, rounded, or computed without a graph; or a hand-written backward is wrong.",
)
def gradient_is_that_of_the_value(subject: Subject, x: Inputs) -> Violation | None:
    """The slope along random directions is what finite differences find, for every reduction."""
    for how in subject.forms if x.keywords else _every_form(subject):
        found = wrong_slope(subject, x, how)
        if found is not None:
            return found
    return None


@check(
    "differentiable",
    tries=("draws", "wide"),
    always=True,
    draws=4,
    echoes=("runs", "finite", "gradient_is_that_of_the_value"),
    cause="A hand-written backward forgets a factor, the gradient that comes in, or how the value was reduced.",
)
def custom_backward_is_right(subject: Subject, x: Inputs) -> Violation | None:
    """A hand-written backward pass agrees with finite differences, whatever gradient comes in."""
    if not any(_has_custom_function(subject, x, how) for how in subject.forms):
        raise NotApplicable("it has no autograd.Function of its own")
    for how in _every_form(subject):
        found = wrong_slope(subject, x, how, estimates=not told(subject))
        if found is not None:
            return found
    return None


@check(
    "differentiable",
    tries=("draws",),
    always=True,
    draws=2,
    echoes=("runs", "finite"),
    cause="The backward pass ignores the gradient that comes in: a hand-written one must multiply by grad_output.",
)
def gradient_scales_with_what_comes_in(subject: Subject, x: Inputs) -> Violation | None:
    """Three times the loss has three times the gradient."""
    for how in subject.forms:
        once, thrice = subject.gradients(x, **how), subject.gradients(x, upstream=3.0, **how)
        for position, a, b in zip(subject.differentiable, once, thrice, strict=True):
            if a is None or b is None or not bool(a.isfinite().all()):
                continue
            if subject.same(3 * a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max())):
                continue
            again = subject.gradients(x, [position], **how)[0]
            if again is not None and torch.equal(a, again):  # else it is a matter of chance
                words = f"3 * loss does not scale the gradient in argument {position}"
                return Violation(b, "three times the gradient", words, x.under(how))
    return None


def _every_form(subject: Subject) -> list[Mapping[str, Any]]:
    """Keywords for the default, the unreduced values, and the usual reductions where it takes them."""
    found = list(subject.forms)
    for name in ("mean", "sum") if subject.reduces else ():
        with contextlib.suppress(LossRaised):
            subject(subject.draw(), reduction=name)
            found.append({"reduction": name})
    return found


def _varying(subject: Subject) -> list[int]:
    """Arguments whose gradient must be finite at edges, too.

    That of a target may be infinite: nobody descends along it, and in an entropy of the target, or of what a softmax
    makes of it, it is.
    """
    if told(subject):
        return subject.differentiable
    kinds = (Real, Box, Image, Waveform, Embedding)
    weights = [subject.contract.position(claim) for claim in ("mask", "sample_weight")]
    return [
        i
        for i in subject.differentiable
        if i == 0
        or (i not in weights and i != subject.sampler.target)
        or (i not in weights and type(subject.sampler.domains[i]) in kinds)
    ]


def _not_finite(subject: Subject, x: Inputs, how: Mapping[str, Any], positions: Sequence[int]) -> Violation | None:
    for position, gradient in zip(positions, subject.gradients(x, positions, **how), strict=True):
        if gradient is not None and not bool(gradient.isfinite().all()):
            words = f"the value is finite, the gradient in argument {position} is not"
            return Violation(gradient[~gradient.isfinite()][0], "a finite gradient", words, x.under(how))
    return None


def _mistaken(subject: Subject, x: Inputs) -> Inputs:
    """``x`` with logits that are confident in the wrong class."""
    first, at = subject.sampler.domains[0], subject.sampler.target
    if not isinstance(first, Logit) or len(x.tensors) <= at:
        raise NotApplicable("its first argument is not logits")
    target, logits = subject.sampler.domains[at], x.tensors[0]
    if isinstance(target, ClassIndex) and target.of in first.pattern():
        axis = class_axis(first, target.of)
        hot = torch.nn.functional.one_hot(x.tensors[at].long().clamp(min=0), logits.shape[axis]).movedim(-1, axis)
        wrong = (1 - 2 * hot.to(logits.dtype)) * _CONFIDENT / 2
    elif isinstance(target, Binary):
        wrong = (1 - 2 * x.tensors[at].to(logits.dtype)) * _CONFIDENT
    else:
        raise NotApplicable("its targets are not classes")
    if wrong.shape != logits.shape:
        raise NotApplicable("its targets do not fit its logits")
    return x.replace(0, wrong)


def _matters(subject: Subject, x: Inputs, axis: int, row: int, others: Sequence[Inputs]) -> bool:
    """Whether the value changes with one sample of the first argument."""
    value = subject(x)
    for other in others:
        changed = x.tensors[0].clone()
        changed.select(axis, row).copy_(other.tensors[0].select(axis, row))
        if not torch.equal(subject(x.replace(0, changed)), value):
            return True
    return False


def _varies(subject: Subject, draws: list[Inputs], position: int) -> bool:
    """Whether the value differs between values of that argument."""
    values = []
    for draw in draws:
        if draw.tensors[position].shape == draws[0].tensors[position].shape:
            try:
                values.append(subject(draws[0].replace(position, draw.tensors[position])))
            except LossRaised:
                continue
    return any(not torch.equal(v, values[0]) for v in values)


def _has_custom_function(subject: Subject, x: Inputs, how: Mapping[str, Any]) -> bool:
    """Whether the graph of the loss has a node whose backward pass is written in Python."""
    at = subject.differentiable
    leaves = [t.detach().clone().requires_grad_() if i in at else t for i, t in enumerate(x.tensors)]
    stack, seen = [subject.callee(leaves, **{**x.keywords, **how}).grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, BackwardCFunction):
            return True
        seen.add(node)
        stack += [parent for parent, _ in node.next_functions]
    return False
