"""Checks of number types: the result's type, what double and half precision are worth, and targets of whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from lossary.core import Binary, ClassIndex, Count, Probability

from .examination import NotApplicable, Subject, Violation, check
from .memory import Largest
from .scenarios import batch_of
from .subject import Inputs, LossRaised

_TOLERANCE = {torch.float16: 2e-2, torch.bfloat16: 6e-2}
_MANY = 70_000
"""More numbers than float16 can count to: a sum, or a count, of them overflows."""
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
    """In float64 the result has more than the 24 bits of float32."""
    draws = [x, *(subject.like(x, s) for s in range(1, 7))]
    results = [subject(d.to(torch.float64)).detach() for d in draws]
    numbers = torch.cat([r.flatten().double() for r in results])
    rough = numbers.float().double() == numbers
    varied = len(set(numbers.tolist())) >= 4
    if varied and bool(rough.all()) and not bool((numbers * 64 == (numbers * 64).round()).all()):
        return Violation(numbers[0], "float64 throughout", "in float64 the result has only the precision of float32")
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
        if i == 0 or not isinstance(t, Tensor) or not isinstance(domain, (Binary, Count, ClassIndex)):
            continue
        if subject.contract.position("mask") == i or subject.contract.position("sample_weight") == i:
            continue
        kinds = [torch.int64, torch.int32, torch.uint8] + ([torch.bool] if isinstance(domain, Binary) else [])
        for kind in kinds if not isinstance(domain, ClassIndex) else [torch.int32]:
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
    many = []
    if subject.kind == "mean" and not _quadratic(subject, x):
        n, times = batch_of(subject, x), max(1, _MANY // first.numel())
        many.append(subject.sampler.select(x, list(range(n)) * times, f"{x.origin}, {times} times"))
    large = subject.sampler.larger(subject.seed, _MANY)
    if large is not None and not _quadratic(subject, x):
        many.append(large.under(x.keywords))
    if not many:
        raise NotApplicable("it is no mean over samples, and its samples can't be made larger")
    for each in many:
        found = _half(subject, each.to(torch.float16), 5e-2)
        if found is not None:
            return found
    return None


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


def _number(value: Tensor) -> str:
    value = value.detach()
    return f"{float(value):.6g}" if value.numel() == 1 else f"{[round(v, 4) for v in value.flatten()[:4].tolist()]}..."
