"""Put one check to one loss: over draws, edges and settings, until something is wrong, which is then made small."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .examination import Check, NotApplicable, Subject, Violation
from .limits import OutOfTime, time_limit
from .subject import Inputs, LossRaised

_SHRINKS = 60
_HANGS = 1.5
"""Seconds that one call on inputs of a few numbers may compute before it is said to hang."""
_PATIENCE = 5.0
"""Seconds that it is given where it seems to wait."""


@dataclass
class Outcome:
    """What came of one check."""

    check: Check
    draws: int = 0
    edges: int = 0
    violation: Violation | None = None
    inputs: Inputs | None = None
    skipped: str = ""
    """Why it could not be asked."""
    raised: list[str] = field(default_factory=list)
    """What the loss raised on the way, where that is another check's business."""


def try_check(subject: Subject, check: Check, *, seconds: float) -> Outcome:
    """Ask ``check`` of ``subject`` for at most ``seconds``; an input that takes most of them alone is a violation."""
    outcome = Outcome(check)
    ends = time.monotonic() + seconds
    x: Inputs | None = None
    try:
        with time_limit(seconds):
            for x in _candidates(subject, check):
                if _try(subject, check, x, outcome):
                    break
    except OutOfTime:
        if x is not None and not check.heavy and outcome.violation is None and _hangs(subject, check, x, seconds):
            words = "it hangs, or takes far too long"
            outcome.violation, outcome.inputs = Violation("no answer", "an answer", words), x
            return outcome
    if outcome.violation is not None and outcome.inputs is not None:
        outcome.inputs, outcome.violation = _shrink(subject, check, outcome.inputs, outcome.violation, ends)
    elif not outcome.draws and not outcome.edges and not outcome.skipped:
        raised = f"it raised at every input: {outcome.raised[0]}" if outcome.raised else ""
        nothing = "there was nothing to try it with" if x is None else "there was no time left for it"
        outcome.skipped = raised or nothing
    return outcome


def _hangs(subject: Subject, check: Check, x: Inputs, seconds: float) -> bool:
    """Whether one call on ``x`` took most of the time, and does so again when it is given much more.

    A busy machine may keep a call waiting; so the time counts that the call itself has computed, or a long wait.
    """
    if subject.callee.began is None:
        return False
    clock, computed = (now - then for now, then in zip(_now(), subject.callee.began, strict=True))
    if computed > _HANGS:
        return True
    if clock < 0.8 * seconds or not subject.patience:
        return False
    subject.patience = False  # once is enough: a slow loss would be waited for at every check
    try:
        with time_limit(_PATIENCE):
            check.violates(subject, x)
    except OutOfTime:
        return True
    except Exception:
        return False
    return False


def _now() -> tuple[float, float]:
    return time.monotonic(), time.thread_time()


def _try(subject: Subject, check: Check, x: Inputs, outcome: Outcome) -> bool:
    """Ask at one input; whether that settles it."""
    try:
        violation = check.violates(subject, x)
    except NotApplicable as reason:
        if not outcome.draws and not outcome.edges:
            outcome.skipped = str(reason)
        return bool(outcome.skipped)
    except LossRaised as error:
        outcome.raised.append(error.words)
        return False
    except Exception as error:  # of the check, not of the loss: it must not keep the other checks from their work
        outcome.skipped = f"the check itself failed: {type(error).__name__}: {error}"
        return True
    if x.origin.startswith("edge"):
        outcome.edges += 1
    else:
        outcome.draws += 1
    if violation is not None:
        outcome.violation, outcome.inputs = violation, violation.inputs or x
    return violation is not None


def _candidates(subject: Subject, check: Check) -> Iterator[Inputs]:
    settings = subject.settings if check.settings else subject.settings[:1]
    more = 4 if subject.thorough else 1
    if "once" in check.tries:
        for setting in settings:
            yield _under(subject.draw(), setting)
    if "draws" in check.tries:
        for k, setting in enumerate(settings):
            for seed in range((check.draws if not k else max(2, check.draws // 4)) * more):
                yield _under(subject.draw(seed), setting)
    if "draws" in check.tries and check.claim != "runs" and subject.sampler.example is None:
        for name in subject.sampler.starred:  # any number of dimensions: none and one, too
            for size in ((6,), ()):
                yield subject.draw(900, sizes={name: size})
    if "perfect" in check.tries:
        for setting in settings:
            for seed in range(3):
                best = subject.sampler.perfect(subject.seed + seed)
                if best is not None:
                    yield _under(best.to(subject.dtype), setting)
    if "edges" in check.tries:
        for k, setting in enumerate(settings):
            for x in subject.sampler.edges(limit=(200 if not k else 40) * more):
                yield _under(x.to(subject.dtype), setting)
    if "wide" in check.tries:
        for setting in settings if subject.thorough else settings[:1]:
            for seed in range(max(2, check.draws // 2) * more):
                yield _under(subject.draw(seed, wide=True), setting)


def _under(x: Inputs, setting: object) -> Inputs:
    assert isinstance(setting, dict)
    return Inputs(x.tensors, x.origin + (f", {setting}" if setting else ""), setting)


def _shrink(subject: Subject, check: Check, x: Inputs, found: Violation, ends: float) -> tuple[Inputs, Violation]:
    """Simpler inputs that are still wrong: fewer samples, rounder numbers, default hyperparameters."""
    tries = 0
    progress = True
    while progress and tries < _SHRINKS:
        progress = False
        for simpler in _simpler(subject, x):
            tries += 1
            if tries >= _SHRINKS or time.monotonic() > ends:
                return x, found
            try:
                with time_limit(1.0):
                    violation = check.violates(subject, simpler)
            except (Exception, OutOfTime):  # made simple, inputs may be nothing that the check can take
                continue
            if violation is not None and violation.wanted == found.wanted:
                x, found, progress = violation.inputs or simpler, violation, True
                break
    return x, found


def _simpler(subject: Subject, x: Inputs) -> Iterator[Inputs]:
    n = subject.sampler.size(x.tensors)
    sizes = [
        t.shape[a] if t.ndim > a else None
        for t, a in zip(x.tensors, subject.sampler.axes, strict=True)
        if a is not None
    ]
    if n is not None and n > 1 and sizes == [n] * len(sizes):
        yield subject.sampler.select(x, range(n // 2))
        yield subject.sampler.select(x, range(n // 2, n))
        if n <= 6:
            for i in range(n):
                yield subject.sampler.select(x, [k for k in range(n) if k != i])
    for name in x.keywords:
        yield Inputs(x.tensors, x.origin, {k: v for k, v in x.keywords.items() if k != name})
    for i, t in enumerate(x.tensors):
        domain = subject.sampler.domains[i]
        if isinstance(t, Tensor) and t.is_floating_point() and domain is not None and domain.differentiable:
            for digits in (0, 1, 2):
                rounder = t.round(decimals=digits)
                if not torch.equal(rounder, t) and _valid(rounder, t):
                    yield x.replace(i, rounder)
                    break


def _valid(rounder: Tensor, t: Tensor) -> bool:
    """Whether rounding kept the number in the domain as far as one can tell: signs, and sums of probabilities."""
    if not bool(((t > 0) == (rounder > 0)).all()):
        return False
    sums = t.sum(-1) if t.ndim else t
    return not bool(((sums - 1).abs() < 1e-6).all()) or bool(((rounder.sum(-1) - 1).abs() < 1e-6).all())
