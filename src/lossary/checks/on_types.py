"""Checks of number types: the result's type, what double and half precision are worth, and targets of whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from lossary.core import (
    Binary,
    ClassIndex,
    Count,
    Domain,
    Image,
    LogProbability,
    LogSimplex,
    Probability,
    Sign,
)

from .examination import NotApplicable, Subject, Violation, check
from .memory import Largest
from .scenarios import batch_of
from .subject import Inputs, LossRaised

_TOLERANCE = {torch.float16: 2e-2, torch.bfloat16: 6e-2}
_MANY = 70_000
"""More numbers than float16 can count to: a sum, or a count, of them overflows."""
_SOME = 24
"""Samples that are repeated until they are many: so few as a draw has may lack a class."""
_NUDGE, _STEP = 1e-7, 1e-9
"""How far numbers are moved, about a step of float32; and what is no rounding error of float64."""
_SLOPE = 0.5
_EXACT = "float64 throughout"
_UNSUPPORTED = ("not implemented", "not support", "n't support", "unsupported", "scalar type", "the same dtype")


@check(
    "dtype",
    tries=("draws",),
    draws=3,
    echoes=("runs",),
    cause="A tensor made inside without dtype=, or a cast to float: use prediction.new_tensor, zeros_like, or "
    "dtype=prediction.dtype.",
)
def result_has_the_type_of_its_inputs(subject: Subject, x: Inputs) -> Violation | None:
    """float32 in, float32 out; float64 in, float64 out."""
    for dtype in (torch.float32, torch.float64):
        typed = x.to(dtype)
        for how in subject.forms:
            try:
                result = subject(typed, **how)
            except LossRaised as error:
                if subject.dtype == dtype:
                    raise
                return Violation(error.words, f"{dtype} accepted", f"with {dtype} it raises {error.words}", typed)
            if result.is_floating_point() and result.dtype != dtype:
                words = f"{dtype} in, {result.dtype} out"
                return Violation(str(result.dtype), "the type of the inputs", words, typed)
    return None


@check(
    "dtype",
    tries=("once",),
    echoes=("runs", "result_has_the_type_of_its_inputs"),
    cause="It casts to float32 inside, by .float() or by a constant tensor.",
)
def double_precision_is_kept(subject: Subject, x: Inputs) -> Violation | None:
    """In float64 value and gradient have more than the 24 bits of float32."""
    draws = [d.to(torch.float64) for d in (x, *(subject.like(x, s) for s in range(1, 7)))]
    values = torch.cat([subject(d).detach().flatten().double() for d in draws])
    if _rough(values, 4):
        return Violation(values[0], _EXACT, "in float64 the result has only the precision of float32")
    gradients = [subject.gradients(d) for d in draws]
    for position, slopes in zip(subject.differentiable, zip(*gradients, strict=True), strict=True):
        if position and "dtype" in subject.contract.assumed:
            continue  # of a target that may well be cast
        numbers = torch.cat([torch.zeros(0), *(g.detach().flatten() for g in slopes if g is not None)])
        if _rough(numbers, max(8, len(numbers) // 2)):  # the slopes of what is piecewise linear are few numbers
            words = f"in float64 the gradient in argument {position} has only the precision of float32"
            return Violation(numbers[0], _EXACT, words)
    return None


@check(
    "dtype",
    tries=("once",),
    echoes=("runs", "result_has_the_type_of_its_inputs", "double_precision_is_kept"),
    cause="It casts an argument or a part to float32 inside, by .float() or by writing into a float32 tensor.",
)
def double_precision_is_kept_throughout(subject: Subject, x: Inputs) -> Violation | None:
    """In float64 the result follows the inputs smoothly, and not in steps of the size of float32's."""
    if "dtype" in subject.contract.assumed:
        raise NotApplicable("nobody said that all of it is exact, and the result is")
    found = []
    for seed in range(1, 6):
        at = subject.like(x, seed).to(torch.float64)
        results = torch.stack([subject(_nudged(subject, at, k * _NUDGE)).detach().double() for k in range(4)])
        if not results.numel() or not bool(results.isfinite().all()):
            return None
        third = (results[3] - 3 * results[2] + 3 * results[1] - results[0]).abs().max()
        found.append(float(third / results.abs().max().clamp(min=1e-30)))
    if sorted(found)[1] > _STEP:  # at all draws but one, where a kink may hide or show steps
        words = f"in float64 its rounding errors are {sorted(found)[2]:.1g} of the result, those of float32"
        return Violation(sorted(found)[2], _EXACT, words)
    return None


@check(
    "dtype",
    tries=("draws",),
    draws=3,
    echoes=("runs",),
    cause="Arithmetic on whole numbers or booleans: 1 - target wraps around in uint8, a mean is truncated, a weight "
    "is rounded. Cast the target to the prediction's type first.",
)
def whole_targets_mean_what_they_say(subject: Subject, x: Inputs) -> Violation | None:
    """Targets of whole numbers or booleans give what floating-point ones give, or are refused."""
    asked = False
    wanted = subject(x)
    for i, domain in enumerate(subject.sampler.domains):
        t = x.tensors[i]
        if i == 0 or not isinstance(t, Tensor) or i in _counting(subject):
            continue
        for kind in whole_kinds(domain):
            asked = True
            typed = x.replace(i, t.to(kind))
            for how in subject.forms:
                try:
                    found = subject(typed, **how)
                    plain = wanted if not how else subject(x, **how)
                except LossRaised:
                    continue
                if not subject.same(found, plain, rtol=1e-5, atol=1e-6):
                    words = f"with argument {i} in {kind} it is {_number(found)}, not {_number(plain)}"
                    return Violation(found, "the same for whole numbers", words, typed.under(how))
    if not asked:
        raise NotApplicable("it has no target of whole numbers")
    return None


@check(
    "dtype",
    tries=("draws",),
    draws=2,
    echoes=("runs", "result_has_the_type_of_its_inputs"),
    cause="A target of another type is written into, or compared with, a tensor of the prediction's type.",
)
def mixed_types_mean_what_they_say(subject: Subject, x: Inputs) -> Violation | None:
    """A float32 prediction with a float64 target gives what float32 alone gives, or is refused."""
    single = x.to(torch.float32)
    plain = subject(single).detach().double()
    others = [i for i, t in enumerate(x.tensors) if i and isinstance(t, Tensor) and t.is_floating_point()]
    if not others:
        raise NotApplicable("only its first argument is a floating-point tensor")
    for i in others:
        mixed = single.replace(i, single.tensors[i].double())
        try:
            found = subject(mixed).detach().double()
        except LossRaised:
            continue
        scale = max(1.0, float(plain.nan_to_num().abs().max())) if plain.numel() else 1.0
        if not subject.same(found, plain, rtol=1e-3, atol=1e-3 * scale):
            words = f"with argument {i} in float64 it is {_number(found)}, not {_number(plain)}"
            return Violation(found, "the same for mixed types", words, mixed)
    return None


@check(
    "half",
    tries=("draws", "edges"),
    draws=3,
    echoes=("runs", "finite", "dtype"),
    cause="An epsilon that half precision rounds to 0, a constant beyond its range, or a step that should be "
    "computed in float32.",
)
def half_precision_is_near(subject: Subject, x: Inputs) -> Violation | None:
    """In float16 and bfloat16 value and gradient are finite and near those of float64 of the same numbers."""
    told = "half" not in subject.contract.assumed
    if x.origin.startswith("edge") and not (told and isinstance(subject.sampler.domains[0], Probability)):
        return None  # at the edges of what is unbounded half precision may well overflow
    if any(
        isinstance(t, Tensor) and t.is_floating_point() and t.numel() and float(t.abs().max()) > 100 for t in x.tensors
    ):
        return None
    for dtype, tolerance in _TOLERANCE.items():
        found = _half(subject, x.to(dtype), tolerance)
        if found is not None:
            return found
    if not told or x.origin.startswith("edge"):
        return None
    try:
        return _slopes_are_off(subject, x)
    except LossRaised:
        return None


@check(
    "half",
    tries=("once",),
    settings=False,
    heavy=True,
    echoes=("runs", "finite", "dtype", "half_precision_is_near"),
    cause="A sum over many elements overflows float16 beyond 65504: sum, or take the mean, in float32.",
)
def many_numbers_in_half_precision(subject: Subject, x: Inputs) -> Violation | None:
    """Of very many samples, or of one very large one, the float16 result is still finite and near."""
    first = x.tensors[0]
    if not isinstance(first, Tensor) or not first.numel() or not x.tensors[0].is_floating_point():
        raise NotApplicable("its first argument holds no numbers")
    if x.origin.endswith("times") or " along " in x.origin:
        raise NotApplicable("these are very many already")  # what was found can't be made simpler
    many, count = [], _count(subject)
    if subject.kind == "mean" and not _quadratic(subject, x):
        some = subject.sampler.resize(x, max(_SOME, batch_of(subject, x)))
        assert some is not None
        n, times = batch_of(subject, some), max(1, count // some.tensors[0].numel())
        many.append(subject.sampler.select(some, list(range(n)) * times, f"{some.origin}, {times} times"))
    large = subject.sampler.larger(subject.seed, count)
    if large is not None and not _quadratic(subject, x):
        many.append(large.under(x.keywords))
    if not many:
        raise NotApplicable("it is no mean over samples, and its samples can't be made larger")
    for each in many:
        found = _half(subject, each.to(torch.float16), 5e-2)
        if found is not None:
            return found
    return None


def _count(subject: Subject) -> int:
    """How many numbers are very many: of numbers between 0 and 1 a sum needs more of them to overflow."""
    small = any(isinstance(d, (Probability, Image, Binary)) for d in subject.sampler.domains)
    return 3 * _MANY if small and "half" not in subject.contract.assumed else _MANY


def _quadratic(subject: Subject, x: Inputs) -> bool:
    """Whether it needs more memory than in proportion, so that very many samples would be too many."""
    n = subject.sampler.size(x.tensors)
    if n is None:
        return False
    largest = []
    for times in (8, 16):
        with Largest() as seen:
            subject(subject.sampler.select(x, list(range(n)) * times))
        largest.append(seen.numbers)
    return bool(largest[1] > 2.5 * largest[0])


def _half(subject: Subject, x: Inputs, tolerance: float) -> Violation | None:
    exact = subject(x.to(torch.float64)).detach()
    dtype = next(t.dtype for t in x.tensors if isinstance(t, Tensor) and t.is_floating_point())
    if not bool(exact.isfinite().all()) or (dtype == torch.float16 and float(exact.abs().max()) > 2e4):
        return None
    try:
        result = subject(x).detach().double()
    except LossRaised as error:
        if any(words in error.words for words in _UNSUPPORTED):
            raise NotApplicable(f"an operation has no {dtype} here: {error.words}") from None
        return Violation(error.words, "half precision accepted", f"in {dtype} it raises {error.words}", x)
    scale = max(1.0, float(exact.abs().max()))
    if result.shape == exact.shape and not bool(((result - exact).abs() <= 2 * tolerance * scale).all()):
        words = f"in {dtype} it is {_number(result)}, in float64 of the same numbers {_number(exact)}"
        return Violation(result, "near the exact value", words, x)
    try:
        gradients = subject.gradients(x)
    except LossRaised:
        return None
    right = subject.gradients(x.to(torch.float64))
    for position, found, wanted in zip(subject.differentiable, gradients, right, strict=True):
        if found is None or wanted is None or not bool(wanted.isfinite().all()) or float(wanted.abs().max()) > 2e4:
            continue
        if not bool(found.isfinite().all()):
            words = f"in {dtype} the gradient in argument {position} is not finite"
            return Violation(found[~found.isfinite()][0], "a finite gradient in half precision", words, x)
    return None


def _slopes_are_off(subject: Subject, x: Inputs) -> Violation | None:
    """Whether the gradient in float16 is something else, at this and at other draws: near a kink one may be."""
    worst = None
    for seed in (0, 50, 51):
        at = (x if not seed else subject.like(x, seed)).to(torch.float16)
        gaps = []
        right = subject.gradients(at.to(torch.float64))
        for position, found, wanted in zip(subject.differentiable, subject.gradients(at), right, strict=True):
            if found is None or wanted is None or not 1e-3 < float(wanted.abs().max()) < 1e4:
                continue
            gaps.append((float((found.double() - wanted).norm() / wanted.norm()), position))
        if not gaps or max(gaps)[0] < _SLOPE:
            return None
        worst = max(gaps) if worst is None else worst
    assert worst is not None
    words = f"in float16 the gradient in argument {worst[1]} is off by {worst[0]:.0%}"
    return Violation(worst[0], "near the exact gradient", words, x.to(torch.float16))


def _number(value: Tensor) -> str:
    value = value.detach()
    return f"{float(value):.6g}" if value.numel() == 1 else f"{[round(v, 4) for v in value.flatten()[:4].tolist()]}..."


def whole_kinds(domain: Domain | None) -> list[torch.dtype]:
    """Types of whole numbers that values of ``domain`` fit in."""
    if isinstance(domain, ClassIndex):
        return [torch.int32]
    if isinstance(domain, Sign):
        return [torch.int64, torch.int32]
    if isinstance(domain, (Binary, Count)):
        return [torch.int64, torch.int32, torch.uint8] + ([torch.bool] if isinstance(domain, Binary) else [])
    return []


def _counting(subject: Subject) -> list[int | str | None]:
    """Positions of what says which samples count, and how much."""
    return [subject.contract.position("mask"), subject.contract.position("sample_weight")]


def _rough(numbers: Tensor, varied: int) -> bool:
    """Whether all numbers are those of float32, but neither whole nor simple fractions, nor a few only."""
    if len(set(numbers.abs().tolist())) < varied or not bool((numbers.float().double() == numbers).all()):
        return False
    return not bool((numbers * 1024 == (numbers * 1024).round()).all())


def _nudged(subject: Subject, x: Inputs, by: float) -> Inputs:
    """``x`` with its numbers moved in proportion to themselves, towards 0 where that keeps them in their domain."""
    tensors = []
    for i, (t, domain) in enumerate(zip(x.tensors, subject.sampler.domains, strict=True)):
        if isinstance(t, Tensor) and t.is_floating_point() and (domain is None or domain.differentiable):
            way = torch.rand(t.shape, generator=torch.Generator().manual_seed(i), dtype=t.dtype) + 0.5
            away = isinstance(domain, (LogSimplex, LogProbability))
            t = t * (1 + by * way) if away else t * (1 - by * way)
        tensors.append(t)
    return x.with_tensors(tensors)
