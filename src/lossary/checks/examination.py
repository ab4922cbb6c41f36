"""The loss with all that is known of it, and what a check may ask of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from .contract import Contract
from .sampling import Sampler
from .subject import Callee, Inputs, LossRaised

Try = Literal["draws", "wide", "edges", "perfect", "once"]


class NotApplicable(Exception):
    """Raised by a check that can't be asked of this loss; its message completes "not applicable, because"."""


@dataclass(frozen=True)
class Violation:
    """What was found where something else was wanted."""

    found: Any
    wanted: str
    words: str = ""
    """What happened, where the two alone don't say it."""
    inputs: Inputs | None = None
    """The inputs that show it, where they are not those that the check was given."""


@dataclass(frozen=True)
class Check:
    """One question to a loss: a function of it and of one input that returns what is wrong, or ``None``."""

    name: str
    claim: str
    violates: Callable[[Subject, Inputs], Violation | None]
    tries: tuple[Try, ...]
    cause: str
    """What usually causes it."""
    echoes: tuple[str, ...] = ()
    """Claims whose refutation explains a refutation of this one."""
    always: bool = False
    """Whether it is asked of every loss, whatever it claims."""
    draws: int = 12
    settings: bool = True
    """Whether it is asked under every setting of the hyperparameters, too."""
    heavy: bool = False
    """Whether its inputs are so large that a slow loss is no sign of a fault."""
    least: float = 0.0
    """Seconds that it may take, however few are left."""


CHECKS: dict[str, Check] = {}


def check(
    claim: str,
    *,
    tries: Sequence[Try] = ("draws",),
    cause: str,
    echoes: Sequence[str] = (),
    always: bool = False,
    draws: int = 12,
    settings: bool = True,
    heavy: bool = False,
    least: float = 0.0,
) -> Callable[[Callable[[Subject, Inputs], Violation | None]], Callable[[Subject, Inputs], Violation | None]]:
    """Enter a question under its own name; several may belong to one claim."""

    def enter(violates: Callable[[Subject, Inputs], Violation | None]) -> Callable[[Subject, Inputs], Violation | None]:
        name = violates.__name__
        assert name not in CHECKS, f"two checks are called {name}"
        CHECKS[name] = Check(
            name, claim, violates, tuple(tries), cause, tuple(echoes), always, draws, settings, heavy, least
        )
        return violates

    return enter


@dataclass
class Subject:
    """A loss under examination: called by checks, drawn for by its sampler, held to its contract."""

    callee: Callee
    sampler: Sampler
    contract: Contract
    params: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Hyperparameters that were told to vary: two numbers are a range, else the values themselves."""
    seed: int = 0
    thorough: bool = False
    ranks: int | None = None
    patience: bool = True
    """Whether a call that does not come back may still be waited for."""
    known_settings: Sequence[Mapping[str, Any]] = ()
    """Hyperparameters that were told to go together."""

    def __call__(self, x: Inputs, **keywords: Any) -> Tensor:
        """The loss of ``x``. Raises :class:`LossRaised` for whatever it raises."""
        return self.callee(x.tensors, **{**x.keywords, **keywords})

    # ---- what it is called with

    @cached_property
    def dtype(self) -> torch.dtype:
        """The widest type that it computes in: float64, or float32 for a loss that refuses that."""
        try:
            self(self.sampler.draw(self.seed))
        except LossRaised:
            try:
                self(self.sampler.draw(self.seed).to(torch.float32))
            except LossRaised:
                return torch.float64
            return torch.float32
        return torch.float64

    @property
    def exact(self) -> bool:
        """Whether it computes in float64, so that rounding explains little."""
        return self.dtype == torch.float64

    @property
    def rounding(self) -> float:
        """What rounding may make of 0, relative to the size of the inputs."""
        return 1e-7 if self.exact else 1e-4

    def draw(self, seed: int = 0, *, wide: bool = False, sizes: Mapping[str, tuple[int, ...]] | None = None) -> Inputs:
        return self.sampler.draw(self.seed + seed, wide=wide, sizes=sizes).to(self.dtype)

    def like(self, x: Inputs, seed: int, *, wide: bool = False) -> Inputs:
        """Another draw in the shapes of ``x``, under its keywords."""
        return self.sampler.like(x, self.seed + seed, wide=wide).to(self.dtype).under(x.keywords)

    def same(self, a: Tensor, b: Tensor, *, rtol: float | None = None, atol: float | None = None) -> bool:
        """Whether two results differ by no more than rounding; NaN equals NaN, shapes must agree."""
        if a.shape != b.shape:
            return False
        loose, least = (1e-6, 1e-8) if self.exact else (1e-3, 1e-5)
        rtol, atol = loose if rtol is None else rtol, least if atol is None else atol
        return torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol, equal_nan=True)

    # ---- what it answers

    @cached_property
    def reductions(self) -> list[Mapping[str, Any]]:
        """Keywords for the default and for each reduction that it claims or takes."""
        told = self.contract.get("reductions")
        if not self.callee.accepts("reduction"):
            return [{}]
        names = told if isinstance(told, (list, tuple)) else ("none",) if self.reduces else ()
        return [{}, *({"reduction": name} for name in names)]

    @property
    def forms(self) -> list[Mapping[str, Any]]:
        """Keywords for the default and for the unreduced values: where a reduction hides nothing."""
        return [how for how in self.reductions if how.get("reduction", "none") == "none"]

    def is_empty(self, x: Inputs) -> bool:
        return self.sampler.size(x.tensors) == 0

    @cached_property
    def reduces(self) -> bool:
        """Whether it takes ``reduction="none"`` and then gives more than one number."""
        if not self.callee.accepts("reduction"):
            return False
        try:
            x = self.draw()
            return self(x, reduction="none").numel() > 1 or self.sampler.size(x.tensors) == 1
        except LossRaised:
            return False

    def values(self, x: Inputs) -> Tensor | None:
        """The unreduced values, where it gives them: by ``reduction="none"`` or always."""
        if self.reduces:
            return self(x, reduction="none")
        return self(x) if self.kind == "none" else None

    @cached_property
    def kind(self) -> Literal["mean", "sum", "none", "other"]:
        """What it gives by default of a batch, found by giving it the batch twice."""
        x = self.draw()
        n = self.sampler.size(x.tensors)
        try:
            once = self(x)
            if once.ndim and n is not None and once.shape[0] == n and n > 1:
                return "none"
            if n is None:
                return "other"
            twice = self(self.sampler.select(x, [*range(n), *range(n)]))
        except LossRaised:
            return "other"
        if self.same(once, twice):
            return "mean"
        return "sum" if self.same(2 * once, twice) else "other"

    @cached_property
    def differentiable(self) -> list[int]:
        """Positions of the arguments that a gradient flows into: as told, else by their domains and a trial."""
        told = self.contract.get("differentiable")
        if isinstance(told, int) and not isinstance(told, bool):
            return [told]
        if isinstance(told, (list, tuple)):
            return list(told)
        x = self.draw()
        found = []
        for i, domain in enumerate(self.sampler.domains):
            t = x.tensors[i]
            if not isinstance(t, Tensor) or not t.is_floating_point():
                continue
            if not domain.has_gradient if domain is not None else i > 0:
                continue
            try:
                flows = self.gradients(x, [i])[0] is not None
            except LossRaised:
                flows = i == 0
            if flows or i == 0:
                found.append(i)
        return found

    def gradients(
        self, x: Inputs, wrt: Sequence[int] | None = None, *, upstream: Tensor | float | None = None, **keywords: Any
    ) -> list[Tensor | None]:
        """The gradient in each of the arguments ``wrt``; ``None`` where none flows.

        ``upstream`` is the gradient that comes in: a number for what is reduced, a tensor in the shape of the result.
        Raises :class:`LossRaised` if the loss or its backward pass raises.
        """
        at = self.differentiable if wrt is None else list(wrt)
        leaves = {i: x.tensors[i].detach().clone().requires_grad_() for i in at}
        result = self.callee([leaves.get(i, t) for i, t in enumerate(x.tensors)], **{**x.keywords, **keywords})
        if not result.requires_grad:
            return [None] * len(at)
        coming = torch.as_tensor(1.0 if upstream is None else upstream, dtype=result.dtype).expand_as(result)
        try:
            return list(torch.autograd.grad(result, list(leaves.values()), coming, allow_unused=True))
        except Exception as error:
            raise LossRaised from error

    # ---- its hyperparameters

    @cached_property
    def settings(self) -> list[Mapping[str, Any]]:
        """The defaults, each told hyperparameter at some of its values, and some values together."""
        spread = {name: _values(range_) for name, range_ in self.params.items() if self.callee.accepts(name)}
        alone = [{name: value} for name, values in spread.items() for value in values]
        many = math.prod(map(len, spread.values()))
        chosen = itertools.islice(itertools.product(*spread.values()), 0, None, max(1, many // 4))
        some = [dict(zip(spread, values, strict=True)) for values in chosen] if len(spread) > 1 and many < 10**6 else []
        return [{}, *self.known_settings, *alone, *some]

    # ---- what explains a difference

    @cached_property
    def independent(self) -> bool:
        """Whether samples do not look at each other: as claimed, or as two halves of a batch show."""
        if any(claim in self.contract for claim in ("per_sample", "mean_of_singles", "vmap")):
            return True
        x = self.sampler.resize(self.draw(), 4)
        if x is None:
            return False
        try:
            whole, *halves = (self(self.sampler.select(x, rows)) for rows in (range(4), range(2), range(2, 4)))
        except LossRaised:
            return False
        if whole.ndim:
            return bool(halves[0].ndim) and self.same(whole, torch.cat(halves))
        return self.same(whole, halves[0] + halves[1]) or self.same(2 * whole, halves[0] + halves[1])

    @cached_property
    def exact_inside(self) -> bool:
        """Whether it also computes in float64 inside, so that numbers of float32 give other results."""
        draws = [self.draw(seed) for seed in (3, 4, 5)]
        return self.exact and any(not torch.equal(self(x), self(x.to(torch.float32).to(torch.float64))) for x in draws)


def _values(told: Sequence[Any]) -> list[Any]:
    """Some of what a hyperparameter may be: the ends and the middle of a range, or the values told."""
    if len(told) == 2 and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in told):
        low, high = told
        if all(isinstance(v, int) for v in told):
            return list(dict.fromkeys([low, (low + high) // 2, high]))
        return [low, (low + high) / 2, high]
    return list(told)
