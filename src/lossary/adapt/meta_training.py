"""Meta-training of an update rule: by truncated backpropagation through the steps that it takes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from lossary.core import LossInputError, Result

from .learned_optimizer import LearnedOptimizer, State, UpdateRule
from .problems import Problems, SampleProblems, trajectories

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how many steps are done, how many there are, and what is being done."""

Weights = Literal["equal", "relative"]


@dataclass(frozen=True, kw_only=True)
class MetaTraining(Result):
    """The course of a meta-training."""

    losses: tuple[float, ...]
    """The meta-loss of each meta-step: the mean loss along its stretch of the trajectories. It saws: stretches begin
    at the start of fresh problems every ``horizon / unroll`` meta-steps."""
    validation: Mapping[int, float]
    """The mean loss at the horizon on problems that are kept for it, after so many meta-steps."""
    best_step: int
    """After how many meta-steps the validation loss was lowest; the rule has the weights of then."""
    diverged: int
    """How many meta-steps were left out because the loss or its gradient was not finite."""
    horizon: int
    unroll: int
    seed: int
    seconds: float


def meta_train(
    rule: UpdateRule,
    sample_problems: SampleProblems,
    *,
    horizon: int = 100,
    unroll: int = 20,
    steps: int = 1000,
    lr: float = 3e-3,
    validate_every: int = 50,
    validation: Problems | None = None,
    weights: Weights = "equal",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> MetaTraining:
    """Meta-train ``rule`` in place, and leave it with the weights that did best on validation problems.

    The meta-loss is a weighted sum of the losses along the trajectory (arXiv:1606.04474, eq. 3). It is minimised by
    Adam through stretches of ``unroll`` steps, with states and parameters carried from one to the next. The gradient
    that the rule is shown counts as constant, which saves second derivatives (sec. 2).

    Args:
        rule: What is trained.
        sample_problems: Draws fresh problems from a generator, some dozens stacked; all as many and of one shape.
        horizon: Steps on each problem.
        unroll: Steps that a meta-gradient goes back; it must divide the horizon.
        steps: Meta-steps, each one update of the rule.
        lr: Learning rate of Adam; it falls to 0 along half a cosine.
        validate_every: Meta-steps between validations.
        validation: Problems for validation, where not a draw of ``sample_problems``.
        weights: Of the losses along the trajectory: "equal", as in the paper, or "relative": inverse to the mean loss
            at that step, so that late steps, at which little is left to gain, count as much as early ones.
        seed: Of the draws. The weights that the rule sets out from are its own.
        on_progress: Called after each meta-step.

    Raises:
        LossInputError: for a horizon that is no multiple of ``unroll``, a number below 1, problems of another shape
            than documented, or if no validation loss was finite.

    >>> def parabolas(generator):
    ...     start = {"x": torch.randn(8, 2, generator=generator)}
    ...     return Problems(parameters=start, loss=lambda p, step: (p["x"] ** 2).sum(1))
    >>> course = meta_train(UpdateRule(hidden=4), parabolas, horizon=4, unroll=2, steps=6)
    >>> len(course.losses), course.horizon
    (6, 4)
    """
    sizes = {"horizon": horizon, "unroll": unroll, "steps": steps, "validate_every": validate_every}
    for name, value in sizes.items():
        if value < 1:
            raise LossInputError(f"meta_train: `{name}` must be at least 1, got {value}.")
    if horizon % unroll:
        raise LossInputError(f"meta_train: `horizon` must be a multiple of `unroll` {unroll}, got {horizon}.")
    if weights not in get_args(Weights):
        raise LossInputError(f"meta_train: `weights` must be one of {', '.join(get_args(Weights))}; got {weights!r}.")
    if not lr > 0:
        raise LossInputError(f"meta_train: `lr` must be above 0, got {lr!r}.")
    started = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    kept = sample_problems(generator) if validation is None else validation
    optimizer = torch.optim.Adam(rule.parameters(), lr=lr)
    losses: list[float] = []
    validated = {0: _final_loss(rule, kept, horizon)}
    best, best_step, diverged = copy.deepcopy(rule.state_dict()), 0, 0
    stretch: Stretch | None = None
    for step in range(1, steps + 1):
        if stretch is None or stretch.first == horizon:
            stretch = Stretch.of(sample_problems(generator), rule)
        means, after = stretch.unrolled(rule, unroll)
        loss = (means if weights == "equal" else means / means.detach().clamp(min=1e-30)).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(rule.parameters(), 1.0)
        losses.append(float(means.detach().mean()))
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1.0 + math.cos(math.pi * (step - 1) / steps))
        if bool(norm.isfinite()) and bool(means.isfinite().all()):
            optimizer.step()
            stretch = after
        else:
            diverged, stretch = diverged + 1, None
        if step % validate_every == 0 or step == steps:
            validated[step] = _final_loss(rule, kept, horizon)
            if not validated[step] >= validated[best_step]:
                best, best_step = copy.deepcopy(rule.state_dict()), step
        if on_progress is not None:
            on_progress(step, steps, f"meta-training, loss {losses[-1]:.3g}")
    rule.load_state_dict(best)
    return MetaTraining(
        losses=tuple(losses), validation=validated, best_step=best_step, diverged=diverged, horizon=horizon,
        unroll=unroll, seed=seed, seconds=round(time.monotonic() - started, 3),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Stretch:
    """Where problems are on their way: all coordinates in a row, the rule's state, the number of the next step."""

    problems: Problems
    coordinates: Tensor
    state: State
    first: int

    @classmethod
    def of(cls, problems: Problems, rule: UpdateRule) -> Stretch:
        """At the start."""
        row = torch.cat([value.flatten() for value in problems.parameters.values()])
        return cls(problems, row, rule.start(len(row)), 0)

    def unrolled(self, rule: UpdateRule, steps: int) -> tuple[Tensor, Stretch]:
        """Take steps: the mean loss after each, with its graph, and where they lead, cut off from the graph."""
        row, state = self.coordinates.detach().requires_grad_(), self.state
        losses = self._losses(row, self.first)
        means = []
        for step in range(self.first, self.first + steps):
            (gradient,) = torch.autograd.grad(losses.sum(), row, retain_graph=True)
            update, state = rule(gradient, state)
            row = row + update
            losses = self._losses(row, step + 1)
            means.append(losses.mean())
        cut = tuple(part.detach() for part in state)
        return torch.stack(means), Stretch(self.problems, row.detach(), cut, self.first + steps)

    def _losses(self, row: Tensor, step: int) -> Tensor:
        shapes = {name: value.shape for name, value in self.problems.parameters.items()}
        parts = torch.split(row, [shape.numel() for shape in shapes.values()])
        parameters = {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        return self.problems.losses(parameters, step)


def _final_loss(rule: UpdateRule, problems: Problems, horizon: int) -> float:
    return float(trajectories(problems, lambda parameters: LearnedOptimizer(parameters, rule), horizon)[-1].mean())
