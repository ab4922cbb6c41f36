"""Checks of what a batch is to a loss: many samples, the same sample twice, one alone, or none at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .examination import NotApplicable, Subject, Violation, check
from .scenarios import batch_of, batches, is_zero, mean_how, singles
from .subject import Inputs, LossRaised


@check(
    "per_sample",
    tries=("draws", "edges"),
    draws=6,
    echoes=("runs", "finite", "pure"),
    cause="Something is summed, normalised or maximised over the batch: a wrong dim, or none at all.",
)
def samples_do_not_mix(subject: Subject, x: Inputs) -> Violation | None:
    """The value of a sample stays when another sample is replaced."""
    if batch_of(subject, x) < 2:
        return None
    for batch in batches(subject, x):
        found = _mixed_values(subject, batch) if subject.values(batch) is not None else _not_additive(subject, batch)
        if found is not None:
            return found
    return None


@check(
    "replicate",
    tries=("draws",),
    draws=6,
    echoes=("runs", "finite", "pure"),
    cause="It sums where it should average, divides by a fixed number, or averages twice over the batch.",
)
def twice_the_batch_has_the_same_mean(subject: Subject, x: Inputs) -> Violation | None:
    """The batch twice, and three times, gives the same mean."""
    how, rows = mean_how(subject), list(range(batch_of(subject, x)))
    once = subject(x, **how)
    if once.ndim:
        raise NotApplicable("it gives no mean")
    for times in (2, 3):
        more = subject.sampler.select(x, rows * times, f"{x.origin}, {times} times")
        found = subject(more, **how)
        if not subject.same(once, found, rtol=1e-5):
            words = f"the batch {times} times gives {float(found):.6g}, once {float(once):.6g}"
            return Violation(float(found), "the same mean", words, x)
    return None


@check(
    "mean_of_singles",
    tries=("draws", "edges"),
    draws=6,
    echoes=("runs", "finite", "replicate", "per_sample"),
    cause="The batch is aggregated before the loss is computed, or the mean is over something else than samples.",
)
def mean_is_that_of_single_samples(subject: Subject, x: Inputs) -> Violation | None:
    """The mean over the batch is the mean over its samples one at a time."""
    how = mean_how(subject)
    for batch in batches(subject, x):
        whole = subject(batch, **how)
        if not batch_of(subject, batch):
            continue
        alone = torch.stack([value.mean() for value in singles(subject, batch, how)]).mean()
        whole = whole.mean()
        if bool(whole.isfinite()) and bool(alone.isfinite()) and not subject.same(whole, alone, rtol=1e-5, atol=1e-6):
            words = f"the batch gives {float(whole):.6g}, its samples one at a time on average {float(alone):.6g}"
            return Violation(float(whole), "the mean of single samples", words, batch)
    return None


@check(
    "empty",
    tries=("once",),
    echoes=("runs",),
    cause="A mean over nothing is 0/0: divide by max(count, 1), or return prediction.sum() * 0.",
)
def empty_batch_gives_what_was_told(subject: Subject, x: Inputs) -> Violation | None:
    """Over a batch of no samples the loss and its gradient are as told."""
    batch_of(subject, x)
    nothing = subject.sampler.select(x, [], "an empty batch")
    for how in subject.reductions:
        if how.get("reduction") != "none":
            found = as_told(subject, nothing, how, subject.contract.get("empty"), "an empty batch")
            if found is not None:
                return found
    return None


def as_told(subject: Subject, x: Inputs, how: Mapping[str, Any], told: Any, what: str) -> Violation | None:
    """Whether the loss of something in which nothing counts is "zero", "finite", "nan", or raises, as told."""
    wanted = "zero" if told is True else told
    shown = x.under(how)
    try:
        result = subject(x, **how)
    except LossRaised as error:
        if wanted == "raise":
            return None
        return Violation(error.words, f"{wanted} over {what}", f"over {what} it raises {error.words}", shown)
    value = result.detach()
    if wanted == "raise":
        return Violation(
            value, f"an error over {what}", f"over {what} it gives {_number(value)} and does not raise", shown
        )
    if wanted == "nan":
        if how.get("reduction") == "sum":  # of nothing: 0 for everybody
            return None
        return None if bool(value.isnan().all()) else Violation(value, f"NaN over {what}", inputs=shown)
    good = bool(value.isfinite().all()) and (wanted == "finite" or is_zero(subject, value))
    if not good:
        return Violation(value, f"{wanted} over {what}", f"over {what} it is {_number(value)}", shown)
    for position, gradient in zip(subject.differentiable, subject.gradients(x, **how), strict=True):
        bad = gradient is not None and (
            not bool(gradient.isfinite().all()) or (wanted == "zero" and bool(gradient.any()))
        )
        if bad:
            words = f"over {what} the gradient in argument {position} is not {'0' if wanted == 'zero' else 'finite'}"
            return Violation(gradient, f"{wanted} over {what}", words, shown)
    return None


def _mixed_values(subject: Subject, x: Inputs) -> Violation | None:
    n = batch_of(subject, x)
    values = subject.values(x)
    assert values is not None
    if not values.ndim or values.shape[0] != n or not bool(values.isfinite().all()):
        raise NotApplicable("its unreduced values are not one per sample")
    for seed, row in ((51, 0), (52, n - 1)):
        stranger = subject.like(x, seed, wide=seed == 52)
        changed = _with_row(subject, x, row, stranger)
        others = [i for i in range(n) if i != row]
        after = subject.values(changed)
        assert after is not None
        if after.shape != values.shape or not subject.same(after[others], values[others], rtol=1e-5):
            words = f"another sample {row} changes the values of the others"
            return Violation(after, "values that stay", words, x)
    return None


def _not_additive(subject: Subject, x: Inputs) -> Violation | None:
    """Of a mean or sum: what exchanging one sample does must not depend on the other samples."""
    if subject.kind == "other" or any(claim in subject.contract for claim in ("mask", "sample_weight")):
        raise NotApplicable("it gives no values of single samples")
    elsewhere, stranger = subject.like(x, 61), subject.like(x, 63)
    own = _with_row(subject, elsewhere, 0, x)
    here = subject(x) - subject(_with_row(subject, x, 0, stranger))
    there = subject(own) - subject(_with_row(subject, elsewhere, 0, stranger))
    size = float(max(subject(x).abs().max(), subject(elsewhere).abs().max(), here.abs().max(), there.abs().max()))
    if (
        bool(here.isfinite().all() and there.isfinite().all())
        and float((here - there).abs().max()) > 1e-5 * size + 1e-7
    ):
        words = "what exchanging the first sample does to the loss depends on the other samples"
        return Violation(float(here.detach().sum()), "samples that do not mix", words, x)
    return None


def _with_row(subject: Subject, x: Inputs, row: int, other: Inputs) -> Inputs:
    """``x`` with its sample ``row`` exchanged for the first one of ``other``."""
    n = batch_of(subject, x)
    both = subject.sampler.join(x, subject.sampler.select(other, [0]))
    chosen = subject.sampler.select(both, [n if i == row else i for i in range(n)])
    return Inputs(chosen.tensors, x.origin, x.keywords)


def _number(value: torch.Tensor) -> str:
    return f"{float(value):.6g}" if value.numel() == 1 else f"a tensor of shape {tuple(value.shape)}"
