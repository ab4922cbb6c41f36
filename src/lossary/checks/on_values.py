"""Checks of the values of a loss: finite, within bounds, and where they are smallest."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

import torch
from torch import Tensor

from lossary.core import Binary, ClassIndex, Image, Probability, Real, Sign

from .assumptions import implied_task
from .examination import NotApplicable, Subject, Violation, check
from .moves import best, by_sample, clearly_wrong, inside, uphill
from .subject import Inputs, LossRaised

_NEARLY_ZERO = 2e-4
"""What the small constants in a loss may make of 0; a sum has one for each element."""
_ONCE_EMPTY = 1e-2
"""The same at the edges, where such a constant may stand alone in a denominator."""
_TARGETS = r"target|label|truth|gt|true|^y$|expected|reference|teacher|observed"
"""In the name of an argument: it is what the first one should be."""

_OF_PAIRS = r"metric|rank|similar|contrast|supervised|match"
"""In the name of a task: nothing is predicted, but two things are compared."""


@check("runs", tries=("draws",), cause="It fails on ordinary inputs: look at the error first.", always=True, draws=6)
def runs(subject: Subject, x: Inputs) -> Violation | None:
    """Ordinary inputs give a finite number."""
    try:
        result = subject(x)
    except LossRaised as error:
        return Violation(error.words, "a number", f"it raises {error.words}")
    if not bool(result.isfinite().all()):
        return Violation(_worst(result), "a finite number")
    return None


@check(
    "runs",
    tries=("once",),
    settings=False,
    always=True,
    echoes=("differentiable",),
    cause="The prediction never enters the result: a detach, an argmax, or the wrong variable.",
)
def value_depends_on_the_prediction(subject: Subject, x: Inputs) -> Violation | None:
    """Other predictions give another value."""
    first = x.tensors[0]
    if not isinstance(first, Tensor) or not first.is_floating_point() or not first.numel():
        raise NotApplicable("its first argument is no floating-point tensor")
    draws = [subject.like(x, seed, wide=seed > 8) for seed in range(1, 13)]
    others = [d.tensors[0] for d in draws if d.tensors[0].shape == first.shape]
    others = [t for t in others if not torch.equal(t, first)]
    if len(others) < 4:
        raise NotApplicable("there are too few predictions to try")
    constant = None
    for at in (x, *draws[:6]):  # a hinge may be 0 at all predictions of one target, but not of every one
        value = subject(at)
        if any(not torch.equal(subject(at.replace(0, t)), value) for t in others):
            return None
        constant = value if constant is None else constant
    return Violation(constant, "a value that depends on the prediction", "every prediction has the same value")


@check(
    "finite",
    tries=("edges", "wide", "draws"),
    echoes=("runs",),
    cause="A logarithm, division or root of what may be 0, or an exponential of what may be large: use the stable "
    "form (logsumexp, logsigmoid, xlogy), or keep the argument away from the edge before the operation.",
)
def value_is_finite(subject: Subject, x: Inputs) -> Violation | None:
    """The value is finite in float32, reduced and unreduced."""
    single = x.to(torch.float32)
    for how in subject.forms:
        try:
            result = subject(single, **how)
        except LossRaised as error:
            if subject.is_empty(x) or _refuses(error) or another_claims_business(subject, x) or _reshaped(subject, x):
                return None
            return Violation(error.words, "a finite number", f"it raises {error.words}", single)
        if not bool(result.isfinite().all()):
            if another_claims_business(subject, x):
                return None
            return Violation(_worst(result), "a finite number", inputs=single.under(how))
    return None


@check(
    "nonnegative",
    tries=("draws", "wide", "edges", "perfect"),
    echoes=("runs", "finite"),
    cause="A sign is wrong, a term is subtracted, or the formula holds for probabilities only and is given logits.",
)
def value_is_nonnegative(subject: Subject, x: Inputs) -> Violation | None:
    """No value is below 0, but for rounding and small constants."""
    for how in subject.forms:
        result = by_sample(subject(x, **how)).detach()
        low = float(result.nan_to_num(0.0).min()) if result.numel() else 0.0
        if low < -1e-7 and low < -_slack(subject, x):
            return Violation(low, "at least 0", f"the value is {low:.6g}, below 0", x.under(how))
    return None


@check(
    "nonnegative",
    tries=("draws", "wide"),
    draws=4,
    echoes=("runs", "finite", "value_is_nonnegative"),
    cause="A sign is wrong, a term is subtracted, or the formula holds for part of its domain only.",
)
def value_stays_nonnegative_downhill(subject: Subject, x: Inputs) -> Violation | None:
    """No value is below 0, however far the inputs go down its slope."""
    for at, excess in uphill(subject, x, lambda at: -by_sample(_values(subject, at)).min()):
        found = value_is_nonnegative(subject, at) if excess > 0 else None
        if found is not None:
            return Violation(found.found, found.wanted, found.words, found.inputs or at)
    return None


@check(
    "bounded",
    tries=("draws", "wide", "edges", "perfect"),
    echoes=("runs", "finite", "value_is_nonnegative"),
    cause="A ratio is not normalised by what bounds it, or is summed where it should be averaged.",
)
def value_is_bounded(subject: Subject, x: Inputs) -> Violation | None:
    """All values lie within the bounds that were told."""
    low, high = subject.contract.get("bounded")
    for how in subject.forms:
        if not how and subject.callee.default("reduction") == "sum":
            continue
        result = subject(x, **how).detach()
        for value in (float(result.min()), float(result.max())) if result.numel() else ():
            slack = (1e-4 if subject.exact else 1e-3) * max(1.0, abs(value))
            if (low is not None and value < low - slack) or (high is not None and value > high + slack):
                words = f"the value is {value:.6g}, outside of {low} to {high}"
                return Violation(value, "within the bounds", words, x.under(how))
    return None


@check(
    "bounded",
    tries=("draws", "wide"),
    draws=4,
    echoes=("runs", "finite", "value_is_bounded"),
    cause="A ratio is not normalised by what bounds it, or holds its bounds on part of the domain only.",
)
def value_stays_bounded_uphill(subject: Subject, x: Inputs) -> Violation | None:
    """All values lie within the bounds, however far the inputs go along its slope."""
    low, high = subject.contract.get("bounded")
    for bound, sign in ((high, 1.0), (low, -1.0)):
        if bound is None or abs(bound) == float("inf"):
            continue
        ascent = uphill(subject, x, lambda at, sign=sign: (sign * _values(subject, at)).max())  # type: ignore[misc]
        for at, value in ascent:
            found = value_is_bounded(subject, at) if value > sign * bound else None
            if found is not None:
                return Violation(found.found, found.wanted, found.words, found.inputs or at)
    return None


@check(
    "zero_at_perfect",
    tries=("perfect",),
    echoes=("runs", "finite"),
    cause="A smoothing constant stands in one of numerator and denominator only, a constant is left over, or "
    "something is normalised twice.",
)
def zero_at_a_perfect_prediction(subject: Subject, x: Inputs) -> Violation | None:
    """The value at a perfect prediction is 0, under every reduction."""
    return _not_zero(subject, x, _NEARLY_ZERO)


@check(
    "zero_at_perfect",
    tries=("draws", "wide", "edges"),
    echoes=("runs", "finite", "zero_at_a_perfect_prediction"),
    draws=6,
    cause="A constant against division by 0 stands in the denominator alone, so that nothing to find costs 1; or a "
    "class that is absent counts.",
)
def zero_at_a_perfect_prediction_of_any_target(subject: Subject, x: Inputs) -> Violation | None:
    """Whatever the classes in the target are, its perfect prediction has a value of 0."""
    if subject.sampler.tells_perfect:
        raise NotApplicable("it was told where the loss is 0, and there it was tried")
    target = subject.sampler.domains[subject.sampler.target] if len(x.tensors) > subject.sampler.target else None
    if x.origin.startswith("edge") and not isinstance(target, (Binary, ClassIndex, Sign)):
        return None  # a correlation or an angle with what is constant or 0 is not defined
    at = best(subject, x)
    if at is None:
        raise NotApplicable("the domains don't say what a perfect prediction is")
    found = _not_zero(subject, at, _ONCE_EMPTY)
    if (
        found is None
        or another_claims_business(subject, x)
        or (x.origin.startswith("wide") and not subject.exact_inside)
    ):
        return None
    return found


@check(
    "positive_off_target",
    tries=("draws",),
    echoes=("runs", "zero_at_perfect"),
    cause="The loss does not see part of its input.",
)
def positive_off_target(subject: Subject, x: Inputs) -> Violation | None:
    """At ordinary predictions, which are not perfect, the value is above 0."""
    low = float(subject(x).detach().sum())
    if low <= 0:
        return Violation(low, "above 0 off the target", f"the value of a prediction that is off is {low:.6g}")
    return None


@check(
    "positive_off_target",
    tries=("draws",),
    draws=3,
    echoes=("runs", "zero_at_perfect", "positive_off_target"),
    cause="The loss does not see some samples: it drops the last, the first, or those beyond a fixed number.",
)
def positive_where_one_sample_is_off(subject: Subject, x: Inputs) -> Violation | None:
    """One sample that is off the target is enough for a value above 0."""
    at, axis = best(subject, x), subject.sampler.axes[0]
    if at is None or axis is None or at.tensors[0].shape != x.tensors[0].shape:
        raise NotApplicable("nothing says what a perfect prediction is")
    if subject.contract.get("mask") or subject.contract.get("sample_weight"):
        raise NotApplicable("a sample may be masked")
    for row in range(x.tensors[0].shape[axis]):
        off = at.tensors[0].clone()
        off.select(axis, row).copy_(x.tensors[0].select(axis, row))
        low = float(subject(at.replace(0, off)).detach().sum())
        if low <= 0 and not torch.equal(off, at.tensors[0]):
            words = f"with sample {row} alone off the target the value is {low:.6g}"
            return Violation(low, "above 0 with one sample off", words, at.replace(0, off))
    return None


@check(
    "best_at_perfect",
    tries=("draws",),
    echoes=("runs", "finite", "zero_at_perfect"),
    cause="Its sign is wrong, prediction and target have changed places, or it is fed what it does not expect.",
)
def best_at_perfect(subject: Subject, x: Inputs) -> Violation | None:
    """A clearly wrong prediction has no lower value than the perfect one."""
    at = best(subject, x)
    if at is None:
        raise NotApplicable("nothing says what a perfect prediction is")
    domains, assumed = subject.sampler.domains, "best_at_perfect" in subject.contract.assumed
    if assumed and any(isinstance(d, (Sign, Binary, ClassIndex)) for d in domains[2:]):
        raise NotApplicable("a further argument may say which way a prediction should go")
    if assumed and re.search(_OF_PAIRS, subject.contract.assumed["best_at_perfect"]):
        raise NotApplicable("its target says something of a pair, not of a prediction")
    here = float(subject(at).detach().sum())
    if here != here or here == float("inf"):
        return None
    lower = []
    wrongs = list(clearly_wrong(subject, at)) + ([] if assumed else list(_others(subject, at, x)))
    for wrong in wrongs:
        there = float(subject(wrong).detach().sum())
        if there < here - 1e-3 * max(1.0, abs(here)):
            words = f"a wrong prediction has the value {there:.6g}, less than the perfect one's {here:.6g}"
            lower.append(Violation(there, "no better than perfect", words, wrong))
    if assumed and len(lower) < len(wrongs) and not _surely_a_target(subject):
        return None  # two numbers of one kind, of which one need not be the other's target
    return lower[0] if lower else None


def another_claims_business(subject: Subject, x: Inputs) -> bool:
    """Whether an edge is one of which another claim says what it should give.

    A batch in which nothing counts is what `all_ignored` is about; and one sample is too few for a loss of statistics
    of a batch, or of pairs in it.
    """
    for claim in ("mask", "sample_weight"):
        at = subject.contract.position(claim)
        if isinstance(at, int) and at < len(x.tensors) and not bool(x.tensors[at].any()):
            return True
    return x.origin.startswith("edge: one sample") and not subject.independent


def _reshaped(subject: Subject, x: Inputs) -> bool:
    """Whether ``x`` has more or fewer dimensions than usual: which of them a loss takes is no matter of numbers."""
    usual = subject.draw().tensors
    return any(isinstance(t, Tensor) and t.ndim != u.ndim for t, u in zip(x.tensors, usual, strict=True))


def _refuses(error: LossRaised) -> bool:
    """Whether the loss raised by its own decision, and in words: inputs that it says it is not for."""
    cause = error.__cause__
    if not isinstance(cause, (ValueError, AssertionError)) or not str(cause):
        return False
    frames = traceback.extract_tb(cause.__traceback__)
    return bool(frames) and "torch" not in re.split(r"[\\/]", frames[-1].filename)


def _not_zero(subject: Subject, x: Inputs, least: float) -> Violation | None:
    for how in subject.reductions:
        result = subject(x, **how).detach()
        worst = float(result.abs().max()) if result.numel() else 0.0
        summed = how.get("reduction") == "sum" or (not how and subject.kind == "sum")
        if not worst <= least * (_elements(x) if summed else 1):
            words = f"at a perfect prediction it is {worst:.6g}, not 0"
            return Violation(worst, "0 at a perfect prediction", words, x.under(how))
    return None


def _others(subject: Subject, at: Inputs, x: Inputs) -> Iterator[Inputs]:
    """Random predictions, far and near; of classes none, since their perfect prediction may well be too confident."""
    domains = subject.sampler.domains
    first = domains[0]
    target = domains[subject.sampler.target] if len(domains) > subject.sampler.target else None
    if type(first) is not type(target) and not subject.sampler.tells_perfect:
        return
    if not isinstance(first, (Real, Probability, Image)) or x.tensors[0].shape != at.tensors[0].shape:
        return
    yield at.replace(0, x.tensors[0])
    for share in (0.3, 0.03):
        yield at.replace(0, inside(first, at.tensors[0] + share * (x.tensors[0] - at.tensors[0])))


def _surely_a_target(subject: Subject) -> bool:
    """Whether the second argument is what the first one should be, by its domain or its name."""
    if implied_task(subject.sampler.domains) not in ("regression", None):
        return True
    names = subject.callee.arguments
    return len(names) > 1 and re.search(_TARGETS, names[1].lower()) is not None


def _values(subject: Subject, x: Inputs) -> Tensor:
    """The unreduced values, or what it gives."""
    values = subject.values(x)
    return subject(x) if values is None else values


def _slack(subject: Subject, x: Inputs) -> float:
    """What rounding and small constants may take from 0."""
    size = max((float(t.detach().abs().max()) for t in _floating(x)), default=1.0)
    rounding = 1e-7 if subject.exact_inside else 1e-4
    return rounding * max(1.0, min(size, 1e8)) + 1e-4 * (_elements(x) if subject.kind == "sum" else 1)


def _elements(x: Inputs) -> int:
    return max((t.numel() for t in _floating(x)), default=1)


def _floating(x: Inputs) -> list[Tensor]:
    return [t for t in x.tensors if isinstance(t, Tensor) and t.is_floating_point() and t.numel()]


def _worst(result: Tensor) -> Tensor:
    """The first number that is not finite."""
    return result[~result.isfinite()].flatten()[0]
