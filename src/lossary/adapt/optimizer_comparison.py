"""How a learned optimizer does beside the usual ones, each of them with its best learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from torch import Tensor
from torch.optim import SGD, Adam, Optimizer, RMSprop

from lossary.core import LossInputError, Result

from .learned_optimizer import LearnedOptimizer, UpdateRule
from .problems import MakeOptimizer, Problems, trajectories

MakeWithRate: TypeAlias = Callable[[list[Tensor], float], Optimizer]
"""Makes an optimizer from parameters and a learning rate."""

RIVALS: Mapping[str, MakeWithRate] = MappingProxyType({
    "SGD": lambda parameters, rate: SGD(parameters, lr=rate),
    "momentum": lambda parameters, rate: SGD(parameters, lr=rate, momentum=0.9),
    "Adam": lambda parameters, rate: Adam(parameters, lr=rate),
    "RMSprop": lambda parameters, rate: RMSprop(parameters, lr=rate),
})  # fmt: skip
"""What a learned optimizer is held against, but for the learning rate with torch's defaults, momentum with 0.9."""

RATES: Sequence[float] = tuple(10.0 ** (k / 4) for k in range(-12, 5))
"""From 0.001 to 10, four to a decade."""


@dataclass(frozen=True, kw_only=True)
class TunedRate(Result):
    """The learning rate that did best, and how well each did."""

    rate: float
    losses: Mapping[float, float]
    """The mean loss after the last step for each learning rate; not finite where it diverged."""

    @property
    def at_the_edge(self) -> bool:
        """Whether the best is the lowest or the highest that was tried, so that a wider grid may find a better one."""
        return self.rate in (min(self.losses), max(self.losses))


def tune_rate(problems: Problems, optimizer: MakeWithRate, rates: Sequence[float], steps: int) -> TunedRate:
    """The learning rate of the lowest mean loss after ``steps`` steps.

    Args:
        problems: Problems to tune on: others than those that the optimizer is judged by.
        optimizer: Makes the optimizer from parameters and a learning rate.
        rates: Learning rates to try.
        steps: After how many steps the loss counts.

    Raises:
        LossInputError: for no rates, or if the loss is finite under none.

    >>> import torch
    >>> parabolas = Problems(parameters={"x": torch.tensor([1.0, 2.0])}, loss=lambda p, step: p["x"] ** 2)
    >>> tune_rate(parabolas, lambda parameters, rate: SGD(parameters, lr=rate), [0.1, 0.5, 0.7], 3).rate
    0.5
    """
    losses = {r: float(trajectories(problems, _at(optimizer, r), steps)[-1].mean()) for r in rates}
    finite = {rate: loss for rate, loss in losses.items() if loss < float("inf")}
    if not finite:
        raise LossInputError(f"tune_rate: `rates` must hold one under which the loss is finite, got {list(rates)}.")
    return TunedRate(rate=min(finite, key=finite.__getitem__), losses=losses)


@dataclass(frozen=True, kw_only=True)
class OptimizerScore(Result):
    """One optimizer's losses after so many steps, over problems; and paired with the learned optimizer's."""

    name: str
    rate: float | None
    """Its tuned learning rate; none for the learned optimizer."""
    at_the_edge: bool
    """Whether the best learning rate was at an end of the grid."""
    mean: Mapping[int, float]
    error: Mapping[int, float]
    """Standard error of the mean."""
    median: Mapping[int, float]
    behind: Mapping[int, float]
    """How much higher its loss is than the learned optimizer's on the same problem, on average."""
    behind_error: Mapping[int, float]
    """Standard error of that."""


def compare_optimizers(
    rule: UpdateRule,
    problems: Problems,
    *,
    tuning: Problems,
    horizon: int = 100,
    steps: Sequence[int] = (100, 200),
    rates: Sequence[float] = RATES,
    rivals: Mapping[str, MakeWithRate] = RIVALS,
) -> tuple[OptimizerScore, ...]:
    """Compare a learned optimizer with others on the same problems.

    Args:
        rule: The meta-trained rule.
        problems: To judge by; at least 2.
        tuning: Other problems, on which each rival's learning rate is tuned.
        horizon: After how many steps the loss is to be lowest in tuning: what the rule was meta-trained for.
        steps: After how many steps the losses count, ascending.
        rates: Learning rates to try.
        rivals: The other optimizers.

    Raises:
        LossInputError: for fewer than two problems, steps that don't ascend from at least 1, or rates of which none
            keeps the loss finite.

    >>> import torch
    >>> parabolas = Problems(parameters={"x": torch.tensor([1.0, 2.0])}, loss=lambda p, step: p["x"] ** 2)
    >>> scores = compare_optimizers(UpdateRule(), parabolas, tuning=parabolas, horizon=1, steps=(1, 2), rates=[0.5])
    >>> [score.name for score in scores], scores[1].rate, scores[1].mean
    (['learned', 'SGD', 'momentum', 'Adam', 'RMSprop'], 0.5, {1: 0.0, 2: 0.0})
    """
    if len(problems) < 2:
        raise LossInputError(f"compare_optimizers: `problems` must be at least 2, got {len(problems)}.")
    if not steps or min(steps) < 1 or list(steps) != sorted(set(steps)):
        raise LossInputError(f"compare_optimizers: `steps` must ascend and be at least 1, got {tuple(steps)}.")
    learned = trajectories(problems, lambda parameters: LearnedOptimizer(parameters, rule), steps[-1])
    scores = [_score("learned", None, learned, learned, steps)]
    for name, make in rivals.items():
        tuned = tune_rate(tuning, make, rates, horizon)
        theirs = trajectories(problems, _at(make, tuned.rate), steps[-1])
        scores.append(_score(name, tuned, theirs, learned, steps))
    return tuple(scores)


def _score(name: str, tuned: TunedRate | None, losses: Tensor, learned: Tensor, steps: Sequence[int]) -> OptimizerScore:
    at = losses.double()
    gap, root = at - learned.double(), losses.shape[1] ** 0.5
    return OptimizerScore(
        name=name,
        rate=None if tuned is None else tuned.rate,
        at_the_edge=tuned is not None and tuned.at_the_edge,
        mean={k: float(at[k].mean()) for k in steps},
        error={k: float(at[k].std()) / root for k in steps},
        median={k: float(at[k].quantile(0.5)) for k in steps},
        behind={k: float(gap[k].mean()) for k in steps},
        behind_error={k: float(gap[k].std()) / root for k in steps},
    )


def _at(make: MakeWithRate, rate: float) -> MakeOptimizer:
    return lambda parameters: make(parameters, rate)
