"""Put a loss to all checks that its claims call for, and report what was found, the root cause first."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossary.core import Domain, Finding, LossInputError, Result
from lossary.kernels import enabled
from lossary.kernels.settings import SMALLEST, smallest

from .assumptions import assumed
from .catalogued import definition_behind, told_by
from .contract import contract
from .examination import CHECKS, Check, Subject
from .inference import infer
from .limits import OutOfTime, time_limit
from .memory import load
from .sampling import Drawing, Sampler
from .snippets import snippet
from .subject import Callee, name_of
from .trial import Outcome, try_check

_SECONDS, _THOROUGH_SECONDS = 10.0, 60.0
_AT_LEAST = 0.5
"""Seconds that any one check may take, however little is left."""


@dataclass(frozen=True, kw_only=True)
class CheckFinding(Finding):
    """What one check found: "refuted", "survived" or "not applicable"."""

    claim: str
    counterexample: str | None = None
    """Code that shows it, ready to paste."""
    cause: str | None = None
    """What usually causes it."""
    echo_of: str | None = None
    """The finding that explains this one."""


@dataclass(frozen=True, kw_only=True)
class CheckReport(Result):
    """What held of one loss, and what did not; what was refuted comes first, root causes before their echoes."""

    loss: str
    findings: tuple[CheckFinding, ...]
    taken_for: tuple[str, ...]
    """What each argument was taken for where that was inferred, and why."""
    assumed: Mapping[str, str]
    """Claims that were not told, and why they are assumed."""
    seed: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was refuted."""
        return not self.refuted

    @property
    def refuted(self) -> tuple[CheckFinding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "refuted")


@contextlib.contextmanager
def _nothing_compiled() -> Iterator[None]:
    """A kernel's first call compiles it, which takes seconds, and must not be broken off by a time limit.

    Kernels are tested for themselves; where they are asked for at sizes below the usual, they are meant to be checked.
    """
    least = smallest()
    with contextlib.nullcontext() if least is not None and least < SMALLEST else enabled(False):
        yield


@_nothing_compiled()
def check(
    loss: Callable[..., Any],
    *,
    inputs: Sequence[Domain] | None = None,
    example: Drawing | Sequence[Any] | None = None,
    perfect: Drawing | Sequence[Any] | None = None,
    task: str | None = None,
    claims: Set[str] | Mapping[str, Any] | None = None,
    params: Mapping[str, Sequence[Any]] | None = None,
    sizes: Mapping[str, tuple[int, ...]] | None = None,
    seed: int = 0,
    thorough: bool = False,
    ranks: int | None = None,
    seconds: float | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> CheckReport:
    """Check whether a loss keeps its word.

    A draw can refute, never prove: what is not refuted has survived so many draws and edges.

    Args:
        loss: Any callable that takes tensors and returns one, or a class or function that makes such a callable. A
            loss of the catalogue needs nothing else: its card says what it takes and claims.
        inputs: The domain of each argument, as on a card: ``[Logit("n c"), ClassIndex("n")]``.
        example: Instead, a tuple of tensors, or a function of a ``torch.Generator`` that draws one. The domains are
            then inferred, and the report says what each argument was taken for.
        perfect: Likewise, inputs at which the prediction is perfect.
        task: What the loss is for, "regression" or "segmentation"; it implies claims where none are told.
        claims: Names of claims, or a mapping of names to values; :data:`lossary.checks.CLAIM_TEXTS` lists them.
        params: Hyperparameters to vary, each with a range ``(low, high)`` or with the values to try.
        sizes: Sizes of the dimensions named in ``inputs``, where the usual small ones won't do.
        seed: Of all draws.
        thorough: Four times as many draws, and a minute instead of ten seconds.
        ranks: How many processes to simulate for the claim ``distributed``.
        seconds: The time limit instead.
        progress: Called with how many checks are done, how many there are, and the claim that comes next.

    Raises:
        LossInputError: for what makes no sense, before any check.

    >>> from lossary.core import Probability, Binary
    >>> def bce(probs, target):
    ...     return -(target * probs.log() + (1 - target) * (1 - probs).log()).mean()
    >>> report = check(bce, inputs=[Probability("n"), Binary("n")], claims={"finite", "nonnegative"})
    >>> report.holds, report.refuted[0].claim
    (False, 'finite')
    """
    load()  # once in a process, and not on the clock of the first check
    started = time.monotonic()
    settings: Sequence[Mapping[str, Any]] = ()
    if inputs is None and example is None and (definition := definition_behind(loss)) is not None:
        card = told_by(definition)
        inputs, sizes = card["inputs"], sizes or card["sizes"]
        claims, settings = card["claims"] if claims is None else claims, card["settings"]
    limit = seconds if seconds is not None else _THOROUGH_SECONDS if thorough else _SECONDS
    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore")
        try:
            with time_limit(limit):
                subject, taken_for = _subject(loss, inputs, example, perfect, task, claims, params, sizes, seed)
        except OutOfTime:
            return stopped(name_of(loss), "runs", f"no answer after {limit:g} s", limit)
        subject.thorough, subject.ranks, subject.known_settings = thorough, ranks, settings
        asked = [c for c in CHECKS.values() if c.always or c.claim in subject.contract]
        outcomes = []
        for done, one in enumerate(asked):
            if progress is not None:
                progress(done, len(asked), one.claim)
            left = limit - (time.monotonic() - started)
            outcomes.append(try_check(subject, one, seconds=max(_AT_LEAST, one.least, left / 3)))
    return CheckReport(
        loss=subject.callee.name,
        findings=_ranked(subject, outcomes),
        taken_for=taken_for,
        assumed=subject.contract.assumed,
        seed=seed,
        seconds=round(time.monotonic() - started, 3),
    )


def _subject(
    loss: Callable[..., Any],
    inputs: Sequence[Domain] | None,
    example: Drawing | Sequence[Any] | None,
    perfect: Drawing | Sequence[Any] | None,
    task: str | None,
    claims: Set[str] | Mapping[str, Any] | None,
    params: Mapping[str, Sequence[Any]] | None,
    sizes: Mapping[str, tuple[int, ...]] | None,
    seed: int,
) -> tuple[Subject, tuple[str, ...]]:
    """Everything known of the loss, from what was told and what that implies."""
    if inputs is None and example is None:
        raise LossInputError("check: `inputs` or `example` must say what the loss takes, got neither.")
    for domain in inputs or ():
        if not isinstance(domain, Domain) and (domain is not None or example is None):
            raise LossInputError(f"check: `inputs` must be domains, as Logit('n c'); got {domain!r}.")
    told = contract(claims, {}) if claims is not None else None
    for name, values in (params or {}).items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise LossInputError(f"check: `params` must give a range or values for {name!r}, got {values!r}.")
    taken_for: tuple[str, ...] = ()
    if inputs is not None:
        domains: list[Domain | None] = list(inputs)
        callee = Callee.of(loss, Sampler(domains, sizes=sizes).draw().to(torch.float32).tensors)
    else:
        assert example is not None
        draws = [_drawn(example, k) for k in range(8 if callable(example) else 1)]
        callee = Callee.of(loss, draws[0])
        places = {claim: told.position(claim) for claim in ("mask", "sample_weight")} if told else {}
        roles = {at: claim for claim, at in places.items() if isinstance(at, int)}
        found = infer(draws, callee.arguments, roles)
        domains, taken_for = [domain for domain, _ in found], tuple(reason for _, reason in found)
    sampler = Sampler(domains, example=example, perfect=perfect, sizes=sizes)
    kept = told if told is not None else contract(None, assumed(callee, domains, task))
    return Subject(callee, sampler, kept, {n: tuple(v) for n, v in (params or {}).items()}, seed), taken_for


def stopped(name: str, at: str, words: str, seconds: float) -> CheckReport:
    """The report of an examination that could not go on: what came, and during which claim."""
    finding = CheckFinding(
        subject="runs", claim="runs", verdict="refuted", evidence={"during": at, "found": words},
        reason=f"{words} while it was checked for {at}",
        cause="It hangs, or breaks the interpreter or its memory: call it by hand on the inputs of that claim.",
    )  # fmt: skip
    return CheckReport(loss=name, findings=(finding,), taken_for=(), assumed={}, seed=0, seconds=round(seconds, 3))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Inputs are small: threads would spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _drawn(example: Drawing | Sequence[Any], seed: int) -> list[Any]:
    drawn = example(torch.Generator().manual_seed(seed)) if callable(example) else example
    return [drawn] if isinstance(drawn, Tensor) else list(drawn)


def _ranked(subject: Subject, outcomes: Sequence[Outcome]) -> tuple[CheckFinding, ...]:
    """Findings in the order to read them: root causes, their echoes, what survived, what could not be asked."""
    broken = [outcome.check for outcome in outcomes if outcome.violation is not None]
    refuted = {name for one in broken for name in (one.claim, one.name)}
    findings: list[CheckFinding] = []
    for outcome in outcomes:
        found = _finding(subject, outcome, refuted)
        if found.verdict == "refuted" and any((f.claim, f.reason) == (found.claim, found.reason) for f in findings):
            found = dataclasses.replace(found, echo_of=found.claim)  # two checks that met the same
        findings.append(found)
    order = {"refuted": 0, "survived": 2, "not applicable": 3}
    return tuple(sorted(findings, key=lambda f: order[f.verdict] + (f.echo_of is not None)))


def _finding(subject: Subject, outcome: Outcome, refuted: Set[str]) -> CheckFinding:
    one: Check = outcome.check
    evidence: dict[str, Any] = {"draws": outcome.draws, "edges": outcome.edges, "seed": subject.seed}
    if outcome.violation is not None and outcome.inputs is not None:
        evidence |= {
            "found": _plain(outcome.violation.found), "wanted": outcome.violation.wanted, "at": outcome.inputs.origin
        }  # fmt: skip
        words = outcome.violation.words or f"found {_plain(outcome.violation.found)}, wanted {outcome.violation.wanted}"
        words, evidence["at"] = (_named(text, subject.callee.arguments) for text in (words, evidence["at"]))
        root = next((other for other in one.echoes if other in refuted and other != one.claim), None)
        return CheckFinding(
            subject=one.name, claim=one.claim, verdict="refuted", evidence=evidence, reason=words,
            counterexample=snippet(subject, outcome.inputs, outcome.violation), cause=one.cause, echo_of=root,
        )  # fmt: skip
    if outcome.skipped:
        return CheckFinding(
            subject=one.name, claim=one.claim, verdict="not applicable", evidence=evidence, reason=outcome.skipped
        )
    words = f"survived {outcome.draws} draws and {outcome.edges} edges"
    if outcome.raised:
        evidence["raised"] = outcome.raised[0]
        words += f"; at {len(outcome.raised)} others it raised"
    return CheckFinding(subject=one.name, claim=one.claim, verdict="survived", evidence=evidence, reason=words)


def _named(words: str, arguments: Sequence[str]) -> str:
    """``words`` with the names of arguments instead of their positions."""

    def name(found: re.Match[str]) -> str:
        at = int(found[1])
        return f"`{arguments[at]}`" if at < len(arguments) else found[0]

    return re.sub(r"argument (\d+)", name, words)


def _plain(value: Any) -> Any:
    """Something that goes into JSON and reads well."""
    if isinstance(value, Tensor):
        value = value.detach()
        some = f"tensor of shape {tuple(value.shape)}: {value.flatten()[:6].tolist()}"
        return value.item() if value.numel() == 1 else some
    return value if isinstance(value, (int, float, str, bool)) or value is None else repr(value)
