"""Checks of what does not count and of what counts more: masks, ignored targets, weights of samples and classes."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .examination import NotApplicable, Subject, Violation, check
from .on_batches import as_told
from .scenarios import (
    batch_of,
    batches,
    class_weights,
    given,
    ignored,
    mask_in,
    mean_how,
    of_mask,
    singles,
    spread,
    target_of,
)
from .subject import Inputs, LossRaised

_LOUD = 50.0
"""How far what does not count is moved; far, but within what any loss takes without overflow."""
_DROPS = (None, "valid", "weight")
"""What a mean may be over if what is ignored might as well not be there."""


@check(
    "mask",
    tries=("draws",),
    draws=5,
    echoes=("runs", "finite"),
    cause="The mask is applied before a softmax or a norm that mixes entries, to one of the arguments only, or along "
    "the wrong dimension.",
)
def masked_entries_do_not_matter(subject: Subject, x: Inputs) -> Violation | None:
    """Other numbers where the mask is 0 change neither value nor gradient."""
    for masked, mask in _masked(subject, x):
        here, gradients = subject(masked), subject.gradients(masked)
        if not bool(here.isfinite().all()):
            continue
        for position in of_mask(subject):
            kept = spread(mask, masked.tensors[position])
            if kept is None or bool(kept.all()):
                continue
            for moved in _moved(subject, masked, position, kept):
                there = subject(moved)
                if not subject.same(here, there, rtol=1e-5):
                    words = f"other numbers in argument {position} where the mask is 0 change the loss"
                    return Violation(there, "the same whatever is masked", words, moved)
            if position in subject.differentiable:
                gradient = gradients[subject.differentiable.index(position)]
                if gradient is not None and float(gradient[~kept].abs().max()) > 1e-6 * float(gradient.abs().max()):
                    words = f"a gradient reaches masked entries of argument {position}"
                    return Violation(gradient[~kept].abs().max(), "no gradient where the mask is 0", words, masked)
    return None


@check(
    "mask",
    tries=("draws",),
    draws=5,
    echoes=("runs", "finite", "masked_entries_do_not_matter"),
    cause="The sum is divided by all entries instead of those that count, or padding enters a normaliser.",
)
def masked_samples_might_as_well_not_be_there(subject: Subject, x: Inputs) -> Violation | None:
    """A batch with some samples masked whole gives what it gives without them."""
    at, ones = mask_in(subject, x)
    n = batch_of(subject, x)
    if not ones.ndim or ones.shape[0] != n or n < 2 or subject.contract.mean_over not in ("valid", "weight"):
        raise NotApplicable("its mask does not run over the samples, or its mean may count them")
    full = x.tensors[at] if isinstance(at, int) else ones
    for rows in ([n - 1], [0], list(range(n // 2))):
        mask = full.clone()
        mask[rows] = 0
        left = [i for i in range(n) if i not in rows]
        if not bool(full[left].any()):
            continue
        with_them = subject(given(x, at, mask))
        without = subject(given(subject.sampler.select(x, left), at, full[left]))
        if with_them.ndim == 0 and not subject.same(with_them, without, rtol=1e-5):
            words = f"with samples {rows} masked it is {float(with_them):.6g}, without them {float(without):.6g}"
            return Violation(float(with_them), "the same without them", words, given(x, at, mask))
    return None


@check(
    "mask",
    tries=("draws",),
    draws=2,
    echoes=("runs", "finite", "masked_entries_do_not_matter"),
    cause="The branch with a mask computes something else than the one without.",
)
def a_mask_of_ones_changes_nothing(subject: Subject, x: Inputs) -> Violation | None:
    """A mask that keeps everything gives what no mask gives."""
    at, ones = mask_in(subject, x)
    if isinstance(at, int):
        name = subject.callee.arguments[at] if at < len(subject.callee.arguments) else ""
        if at != len(x.tensors) - 1 or subject.callee.default(name) is not None:
            raise NotApplicable("its mask can't be left out")
        without: Inputs = x.with_tensors(x.tensors[:-1])
    else:
        if subject.callee.default(at) is inspect.Parameter.empty:
            raise NotApplicable("its mask can't be left out")
        without = x
    here, there = subject(without), subject(given(x, at, ones))
    if not subject.same(here, there, rtol=1e-5):
        return Violation(there, "the same as without a mask", "a mask of ones changes the loss", given(x, at, ones))
    return None


@check(
    "ignore_index",
    tries=("draws",),
    draws=4,
    echoes=("runs", "finite"),
    cause="Ignored targets are clamped or gathered and then enter the sum, the smoothing, the weights or the count.",
)
def ignored_targets_do_not_matter(subject: Subject, x: Inputs) -> Violation | None:
    """Where the target is ignored, other scores change neither value nor gradient; without them it is the same."""
    n = batch_of(subject, x)
    if n < 2:
        return None
    target_of(subject, x)
    for case in _ignoring(subject, x, [0, n - 1] if n > 3 else [0]):
        rows = [0, n - 1] if n > 3 else [0]
        try:
            here = subject(case)
        except LossRaised as error:
            return Violation(
                error.words, "ignored targets accepted", f"with ignored targets it raises {error.words}", case
            )
        loud = case.tensors[0].clone()
        axis = subject.sampler.axes[0]
        if axis is None:
            raise NotApplicable("its scores do not run over the samples")
        for row in rows:
            part = loud.select(axis, row)
            part.copy_(part.flip(-1) * 3 + torch.linspace(-_LOUD, _LOUD, max(part.numel(), 1)).reshape(part.shape))
        there = subject(case.replace(0, loud))
        if bool(here.isfinite().all()) and not subject.same(here, there, rtol=1e-5):
            words = "other scores at ignored targets change the loss"
            return Violation(there, "the same whatever is ignored", words, case)
        if 0 in subject.differentiable:
            gradient = subject.gradients(case, [0])[0]
            for row in rows:
                if gradient is not None and bool(gradient.select(axis, row).any()):
                    return Violation(gradient, "no gradient where ignored", "a gradient reaches ignored scores", case)
        left = subject.sampler.select(case, [i for i in range(n) if i not in rows])
        without = subject(left)
        if here.ndim == 0 and subject.contract.mean_over in _DROPS and not subject.same(here, without, rtol=1e-5):
            words = f"with targets {rows} ignored it is {float(here):.6g}, without them {float(without):.6g}"
            return Violation(float(here), "the same without them", words, case)
    return None


@check(
    "all_ignored",
    tries=("once",),
    echoes=("runs", "finite"),
    cause="A mean over nothing is 0/0: divide by max(count, 1), or return prediction.sum() * 0.",
)
def nothing_counted_gives_what_was_told(subject: Subject, x: Inputs) -> Violation | None:
    """With every target ignored, or every mask or weight 0, the loss and its gradient are as told."""
    told, asked = subject.contract.get("all_ignored"), False
    for case in _nothing(subject, x):
        asked = True
        for how in subject.reductions:
            if how.get("reduction") != "none":
                found = as_told(subject, case, how, told, "a batch in which nothing counts")
                if found is not None:
                    return found
    if not asked:
        raise NotApplicable("nothing says how anything is ignored")
    return None


@check(
    "sample_weight",
    tries=("draws",),
    draws=4,
    echoes=("runs", "finite"),
    cause="Weights multiply along the wrong dimension, after the reduction, or not at all.",
)
def weights_are_those_of_their_samples(subject: Subject, x: Inputs) -> Violation | None:
    """Each sample counts by its weight: in a weighted mean, a mean over all samples, or a sum."""
    for batch in batches(subject, x):
        at, ones = _weight_in(subject, batch)
        n = batch_of(subject, batch)
        if n < 2 or not ones.ndim or ones.shape[0] != n:
            continue
        how = mean_how(subject)
        unit = given(batch, at, ones)
        plain = subject(unit, **how)
        if plain.ndim:
            raise NotApplicable("it gives no mean")
        alone = torch.stack([v.mean() for v in singles(subject, unit, how)])
        average, total = alone.mean(), alone.sum()
        summed = not subject.same(plain, average, rtol=1e-5) and subject.same(plain, total, rtol=1e-5)
        if not summed and not subject.same(plain, average, rtol=1e-5):
            raise NotApplicable("its samples do not have a loss of their own")
        factors = torch.linspace(0.25, 3.0, n, dtype=subject.dtype)
        weight = ones * factors.reshape(-1, *[1] * (ones.ndim - 1))
        weighted = given(batch, at, weight)
        found = subject(weighted, **how)
        sum_ = (factors * alone).sum()
        ways = {"a sum": sum_} if summed else {"a mean over samples": sum_ / n, "a weighted mean": sum_ / factors.sum()}
        told = subject.contract.mean_over
        if told in ("weight", "batch", "elements") and not summed:
            ways = {"as told": ways["a weighted mean"] if told == "weight" else ways["a mean over samples"]}
        if not any(subject.same(found, wanted, rtol=1e-4, atol=1e-6) for wanted in ways.values()):
            wanted = ", ".join(f"{float(value):.6g} as {name}" for name, value in ways.items())
            words = f"weighted it is {float(found):.6g}; by the samples' own losses it would be {wanted}"
            return Violation(float(found), "each sample by its weight", words, weighted)
    return None


@check(
    "sample_weight",
    tries=("draws",),
    draws=4,
    echoes=("runs", "finite", "weights_are_those_of_their_samples"),
    cause="The weight is applied to part of the loss only, or a normaliser still sees the sample.",
)
def weight_zero_drops_the_sample(subject: Subject, x: Inputs) -> Violation | None:
    """A sample of weight 0 changes nothing, whatever it is; one of weight 1 counts as without weights."""
    at, ones = _weight_in(subject, x)
    n = batch_of(subject, x)
    if n < 2 or not ones.ndim or ones.shape[0] != n:
        raise NotApplicable("its weights do not run over the samples")
    how = mean_how(subject)
    plain = subject(given(x, at, ones), **how)
    alone = torch.stack([v.mean() for v in singles(subject, given(x, at, ones), how)])
    if plain.ndim or not any(subject.same(plain, v, rtol=1e-5) for v in (alone.mean(), alone.sum())):
        raise NotApplicable("its samples do not have a loss of their own")
    weight = ones.clone()
    weight[0] = 0
    here = given(x, at, weight)
    other = subject.sampler.join(x, subject.sampler.select(subject.like(x, 71), [0]))
    swapped = subject.sampler.select(other, [n, *range(1, n)])
    there = given(Inputs(swapped.tensors, x.origin, x.keywords), at, weight)
    if not subject.same(subject(here), subject(there), rtol=1e-5):
        return Violation(subject(there), "the same without it", "another sample of weight 0 changes the loss", here)
    if isinstance(at, str) and not subject.same(subject(given(x, at, ones)), subject(x), rtol=1e-5):
        words = "weights of 1 give another loss than no weights"
        return Violation(subject(given(x, at, ones)), "the same without weights", words, given(x, at, ones))
    twice = ones.clone()
    twice[0] = 5.0
    if subject.same(subject(given(x, at, twice)), subject(given(x, at, ones)), rtol=1e-9, atol=0.0):
        words = "five times the weight of a sample changes nothing"
        if len(set(alone.tolist())) > 1:
            return Violation(subject(given(x, at, twice)), "an effect of the weight", words, given(x, at, twice))
    return None


@check(
    "class_weight",
    tries=("draws",),
    draws=4,
    echoes=("runs", "finite"),
    cause="Weights are taken by position instead of by class, or enter the probability instead of the loss.",
)
def classes_count_by_their_weights(subject: Subject, x: Inputs) -> Violation | None:
    """The loss is that of its samples, each by the weight of its class; scaled weights do what was told."""
    for batch in batches(subject, x):
        at, weight = class_weights(subject, batch)
        target = batch.tensors[target_of(subject, batch)]
        unit, weighted = given(batch, at, torch.ones_like(weight)), given(batch, at, weight)
        how = mean_how(subject)
        found = subject(weighted, **how)
        if found.ndim:
            raise NotApplicable("it gives no mean")
        violation = _weight_scale(subject, batch, at, weight, how)
        if violation is not None:
            return violation
        if target.ndim != 1 or target.shape[0] != batch_of(subject, batch):
            continue
        alone = torch.stack([v.mean() for v in singles(subject, unit, how)])
        if not subject.same(subject(unit, **how), alone.mean(), rtol=1e-5) or "label_smoothing" in batch.keywords:
            continue
        each = weight[target.long()]
        ways = {"weight": (each * alone).sum() / each.sum(), "batch": (each * alone).mean()}
        told = subject.contract.mean_over
        wanted = {told: ways[told]} if told in ways else ways
        if not any(subject.same(found, value, rtol=1e-4, atol=1e-6) for value in wanted.values()):
            by = ", ".join(f"{float(value):.6g} over the {name}" for name, value in wanted.items())
            words = f"with class weights it is {float(found):.6g}; by the samples' own losses it would be {by}"
            return Violation(float(found), "each sample by the weight of its class", words, weighted)
    return None


def _weight_scale(
    subject: Subject, x: Inputs, at: str | int, weight: Tensor, how: Mapping[str, Any]
) -> Violation | None:
    told = subject.contract.weight_scale
    once, thrice = subject(given(x, at, weight), **how), subject(given(x, at, 3 * weight), **how)
    wanted = {"invariant": once, "linear": 3 * once}.get(told or "")
    if wanted is not None and not subject.same(thrice, wanted, rtol=1e-5):
        words = f"with all weights times 3 it goes from {float(once):.6g} to {float(thrice):.6g}"
        return Violation(float(thrice), f"{told} in the weights", words, given(x, at, 3 * weight))
    plain = subject(given(x, at, torch.ones_like(weight)), **how)
    if bool(once.isfinite()) and not torch.equal(plain, once):
        return None
    others = [subject(given(x, at, weight.roll(k)), **how) for k in range(1, 4)]
    if all(torch.equal(o, once) for o in others):
        words = "class weights change nothing"
        return Violation(float(once), "an effect of the weights", words, given(x, at, weight))
    return None


def _masked(subject: Subject, x: Inputs) -> list[tuple[Inputs, Tensor]]:
    """``x`` under its own mask, and under one with a part of the entries masked."""
    at, ones = mask_in(subject, x)
    own = x.tensors[at] if isinstance(at, int) else ones
    some = own.clone()
    flat = some.view(-1)
    flat[:: 3 if flat.numel() > 3 else 2] = 0
    if not bool(flat.any()):
        flat[-1] = 1
    return [(given(x, at, mask), mask) for mask in (own, some) if not bool(mask.bool().all())]


def _moved(subject: Subject, x: Inputs, position: int, kept: Tensor) -> list[Inputs]:
    """``x`` with other numbers where ``kept`` is False."""
    t = x.tensors[position]
    other = subject.like(x, 83).tensors[position]
    moved = [torch.where(kept, t, other)] if other.shape == t.shape and other.dtype == t.dtype else []
    if t.is_floating_point() and subject.sampler.is_unbounded(position):
        moved.append(torch.where(kept, t, t + _LOUD))
    return [x.replace(position, m) for m in moved]


def _ignoring(subject: Subject, x: Inputs, rows: Sequence[int]) -> list[Inputs]:
    """``x`` with ignored targets: alone, with another number that is ignored, and with class weights."""
    rows = list(rows)
    cases = [ignored(subject, x, rows)]
    if "ignore_index" in subject.callee.options:
        cases += [ignored(subject, x, rows, value=value) for value in (255, -1)]
    if "class_weight" in subject.contract:
        cases += [given(case, *class_weights(subject, x)) for case in list(cases)]
    return cases


def _nothing(subject: Subject, x: Inputs) -> list[Inputs]:
    """``x`` with every target ignored, with a mask of zeros, and with weights of 0."""
    cases = []
    if "ignore_index" in subject.contract:
        cases.append(ignored(subject, x, list(range(batch_of(subject, x)))))
    if "mask" in subject.contract:
        at, ones = mask_in(subject, x)
        cases.append(given(x, at, torch.zeros_like(ones)))
    if "sample_weight" in subject.contract and subject.contract.mean_over != "batch":
        with contextlib.suppress(NotApplicable):
            at, ones = _weight_in(subject, x)
            cases.append(given(x, at, torch.zeros_like(ones)))
    return cases


def _weight_in(subject: Subject, x: Inputs) -> tuple[str | int, Tensor]:
    """Where the weights of the samples are given, and ones in their shape."""
    at = subject.contract.position("sample_weight")
    assert at is not None
    if isinstance(at, int):
        return at, torch.ones_like(x.tensors[at])
    ones = torch.ones(batch_of(subject, x), dtype=subject.dtype)
    try:
        subject(x.under({at: ones}))
    except LossRaised as error:
        raise NotApplicable(f"it takes no weight per sample: {error.words}") from None
    return at, ones
