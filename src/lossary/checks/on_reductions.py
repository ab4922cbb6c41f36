"""Checks of reductions: "sum" and "mean" are those of "none", and what else is written is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lossary.core import ClassIndex

from .examination import NotApplicable, Subject, Violation, check
from .scenarios import CLASS_WEIGHTS, batch_of, class_weights, given, ignored
from .subject import Inputs, LossRaised


@check(
    "reductions",
    tries=("draws", "edges"),
    draws=4,
    echoes=("runs", "finite", "pure"),
    cause="The values are reduced before the reduction is looked at, or one branch forgets weights or a factor.",
)
def sum_is_that_of_the_values(subject: Subject, x: Inputs) -> Violation | None:
    """ "sum" adds up the values of "none", of which there are as many as samples or more."""
    names = _told(subject)
    for case in _cases(subject, x):
        if "none" not in names:
            raise NotApplicable("it does not claim unreduced values")
        values = subject(case, reduction="none")
        n = batch_of(subject, case)
        single = "per_sample" in subject.contract or subject.contract.mean_over is not None
        if n > 1 and single and (not values.ndim or values.numel() < n):
            words = f'of {n} samples reduction="none" gives the shape {tuple(values.shape)}'
            return Violation(tuple(values.shape), "a value per sample", words, case.under({"reduction": "none"}))
        if "sum" in names and bool(values.isfinite().all()):
            total = subject(case, reduction="sum")
            if total.ndim or not subject.same(total, values.sum(), rtol=1e-5, atol=1e-6):
                words = f"the sum is {_shown(total)}, the values add up to {float(values.sum()):.6g}"
                return Violation(total, "the sum of the values", words, case.under({"reduction": "sum"}))
    return None


@check(
    "reductions",
    tries=("once",),
    echoes=("runs", "finite", "sum_is_that_of_the_values"),
    cause="It divides by the wrong count: the number of all elements, of samples, of valid ones, or of the weights.",
)
def mean_divides_by_what_was_told(subject: Subject, x: Inputs) -> Violation | None:
    """ "mean" divides the sum by the elements, samples, valid entries or weights, as told; or always by the same."""
    names = _told(subject)
    if "mean" not in names or not {"none", "sum"} & set(names):
        raise NotApplicable("it does not claim a mean beside a sum or values")
    told = subject.contract.mean_over
    possible = None if told is None else {told}
    draws = [x, *(subject.like(x, s) for s in (1, 2, 3))]
    resized = [subject.sampler.resize(x, size) for size in (1, 3, 2 * batch_of(subject, x))]
    draws += [r.to(subject.dtype) for r in resized if r is not None]
    for draw in draws:
        for case in _cases(subject, draw):
            if _weighs_in_other_ways(subject, case):
                continue
            mean = subject(case, reduction="mean")
            total = subject(case, reduction="sum") if "sum" in names else subject(case, reduction="none").sum()
            if mean.ndim:
                words = f"the mean has the shape {tuple(mean.shape)}"
                return Violation(mean, "one number for the mean", words, case.under({"reduction": "mean"}))
            if not bool(total.isfinite()) or float(total.abs()) < 1e-6:
                continue
            counts = _counts(subject, case)
            fitting = {
                name
                for name, count in counts.items()
                if count and subject.same(mean * count, total, rtol=1e-5, atol=1e-6)
            }
            if told is None and "per_sample" not in subject.contract and _is_some_count(total, mean, counts):
                continue  # samples that interact may count by whether they have partners
            left = fitting if possible is None else possible & fitting
            if not left and (told is None or told in counts):
                wanted = told or "/".join(sorted(possible or counts))
                by = f"{float(total / mean):.6g}" if float(mean) else "infinity"
                words = f"the mean divides the sum by {by}, where {_list(counts)}; wanted: {wanted}"
                return Violation(float(mean), "the mean that was told", words, case.under({"reduction": "mean"}))
            possible = left or possible
    return None


@check(
    "reductions",
    tries=("once",),
    settings=False,
    echoes=("runs", "finite", "sum_is_that_of_the_values", "mean_divides_by_what_was_told"),
    cause="The default is another reduction than those that can be asked for.",
)
def default_is_one_of_the_reductions(subject: Subject, x: Inputs) -> Violation | None:
    """Without a reduction it gives what one of the reductions gives."""
    plain = subject(x)
    for name in _told(subject):
        if subject.same(subject(x, reduction=name), plain):
            return None
    return Violation(plain, "one of its reductions by default", "its default is none of its reductions")


@check(
    "reject_reduction",
    tries=("once",),
    settings=False,
    echoes=("runs",),
    cause="An if/elif chain without an else that raises: what is not known falls through.",
)
def unknown_reductions_are_refused(subject: Subject, x: Inputs) -> Violation | None:
    """A reduction that does not exist raises."""
    if not subject.callee.accepts("reduction"):
        raise NotApplicable("it has no option `reduction`")
    for word in ("avg", "nonsense", "Mean"):
        try:
            result = subject(x, reduction=word)
        except LossRaised:
            continue
        words = f"reduction={word!r} gives {_shown(result)}"
        return Violation(result, "an error", words, x.under({"reduction": word}))
    return None


def _told(subject: Subject) -> tuple[str, ...]:
    if not subject.callee.accepts("reduction"):
        raise NotApplicable("it has no option `reduction`")
    told = subject.contract.get("reductions")
    return tuple(told) if isinstance(told, (list, tuple)) else ("none", "mean", "sum")


def _cases(subject: Subject, x: Inputs) -> list[Inputs]:
    """``x``; with class weights; with an ignored target; and with both, where the loss claims to take them."""
    cases = [x]
    if "class_weight" in subject.contract:
        with contextlib.suppress(NotApplicable):
            cases.append(given(x, *class_weights(subject, x)))
    if "ignore_index" in subject.contract and subject.contract.mean_over in (None, "valid", "weight"):
        with contextlib.suppress(NotApplicable):
            cases += [ignored(subject, case, [0]) for case in list(cases) if batch_of(subject, case) > 1]
    return cases


def _counts(subject: Subject, x: Inputs) -> Mapping[str, float]:
    """What a mean may divide by."""
    values = subject(x, reduction="none") if "none" in _told(subject) else None
    counts: dict[str, float] = {"batch": batch_of(subject, x)}
    if values is not None:
        counts["elements"] = values.numel()
        counts["not zero"] = int((values != 0).sum())  # as where samples without a partner do not count
    valid: Tensor | None = None
    weight: Tensor | None = None
    target = next((i for i, d in enumerate(subject.sampler.domains) if isinstance(d, ClassIndex)), None)
    ignore = x.keywords.get("ignore_index", subject.contract.get("ignore_index"))
    if target is not None and ignore is not None:
        valid = (x.tensors[target] != ignore).double()
    at = subject.contract.position("mask")
    mask = x.tensors[at] if isinstance(at, int) else None
    if mask is not None:
        valid = mask.double() if valid is None or valid.shape != mask.shape else valid * mask.double()
    if valid is not None:
        counts["valid"] = float(valid.sum())
    elif values is not None:
        counts["valid"] = values.numel()
    if target is not None:
        table = next((value for name, value in x.keywords.items() if name in CLASS_WEIGHTS), None)
        told = subject.contract.position("class_weight")
        table = x.tensors[told] if isinstance(told, int) else table
        if isinstance(table, Tensor):
            classes = x.tensors[target].clamp(0, len(table) - 1).long()
            weight = table.double()[classes] * (valid if valid is not None else 1.0)
    at = subject.contract.position("sample_weight")
    if isinstance(at, int):
        own = x.tensors[at].double()
        weight = own if weight is None else weight * own.reshape(own.shape + (1,) * (weight.ndim - own.ndim))
    counts["weight"] = float(weight.sum()) if weight is not None else counts.get("valid", counts["batch"])
    return counts


def _is_some_count(total: Tensor, mean: Tensor, counts: Mapping[str, float]) -> bool:
    """Whether the mean divides by a whole number of at most all values."""
    by = float(total / mean) if float(mean) else 0.0
    return abs(by - round(by)) < 1e-6 and 1 <= round(by) <= max(counts.values())


def _weighs_in_other_ways(subject: Subject, x: Inputs) -> bool:
    """Whether keywords hold weights of which nothing says what they weigh."""
    tensors = [name for name, value in x.keywords.items() if isinstance(value, Tensor)]
    classes = any(isinstance(d, ClassIndex) for d in subject.sampler.domains)
    return any(name not in CLASS_WEIGHTS or not classes for name in tensors)


def _list(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {count:.6g}" for name, count in counts.items())


def _shown(result: Tensor) -> str:
    return f"{float(result.detach()):.6g}" if result.numel() == 1 else f"a tensor of shape {tuple(result.shape)}"
