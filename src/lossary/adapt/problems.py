"""Optimization problems to learn an optimizer from, many of a kind in one tensor, and how an optimizer does on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from lossary.core import LossInputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Problems:
    """Independent problems of one kind, stacked: their first dimension counts them.

    Stacked problems are solved at once, and not only by a learned optimizer: any optimizer that treats coordinates
    apart (SGD, momentum, RMSprop, Adam) does on the sum of their losses what it would do on each.

    Args:
        parameters: Where each problem starts, by name, ``(problems, *)``.
        loss: Takes parameters of these names and shapes and the number of the step, which may choose a minibatch, and
            gives the loss of each problem, ``(problems,)``. Equal arguments must give equal losses.

    Raises:
        LossInputError: for no parameters, or parameters that are not real numbers or not of equally many problems.

    >>> start = {"x": torch.tensor([[1.0, 2.0], [0.0, 3.0]])}
    >>> len(Problems(parameters=start, loss=lambda p, step: (p["x"] ** 2).sum(1)))
    2
    """

    parameters: Mapping[str, Tensor]
    loss: Callable[[Mapping[str, Tensor], int], Tensor]

    def __post_init__(self) -> None:
        if not self.parameters:
            raise LossInputError("Problems: `parameters` must hold at least one tensor, got none.")
        for name, value in self.parameters.items():
            if not value.is_floating_point():
                raise LossInputError(f"Problems: `parameters` must be floating-point, got {value.dtype} for {name!r}.")
        shapes = {name: tuple(value.shape) for name, value in self.parameters.items()}
        if len({shape[:1] for shape in shapes.values()}) > 1 or () in shapes.values():
            raise LossInputError(f"Problems: `parameters` must have one first dimension, the problems; got {shapes}.")

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def losses(self, parameters: Mapping[str, Tensor], step: int) -> Tensor:
        """The loss of each problem, ``(problems,)``.

        Raises:
            LossInputError: if ``loss`` gives another shape.
        """
        losses = self.loss(parameters, step)
        if losses.shape != (len(self),):
            shape = tuple(losses.shape)
            raise LossInputError(
                f"Problems: `loss` must give one number for each of {len(self)} problems, got {shape}."
            )
        return losses


SampleProblems: TypeAlias = Callable[[torch.Generator], Problems]
"""Draws fresh problems."""

MakeOptimizer: TypeAlias = Callable[[list[Tensor]], Optimizer]
"""Makes an optimizer of parameters: ``lambda parameters: torch.optim.SGD(parameters, lr=0.1)``."""


def trajectories(problems: Problems, optimizer: MakeOptimizer, steps: int) -> Tensor:
    """The loss of each problem before each step of an optimizer and after the last, ``(steps + 1, problems)``.

    Args:
        problems: The problems, which are left as they are.
        optimizer: Makes the optimizer, which must treat coordinates apart.
        steps: How many steps it takes, at least 0.

    Raises:
        LossInputError: for fewer steps than 0.

    >>> parabolas = Problems(parameters={"x": torch.tensor([1.0, 2.0])}, loss=lambda p, step: p["x"] ** 2)
    >>> trajectories(parabolas, lambda parameters: torch.optim.SGD(parameters, lr=0.25), 1)
    tensor([[1.0000, 4.0000],
            [0.2500, 1.0000]])
    """
    if steps < 0:
        raise LossInputError(f"trajectories: `steps` must be at least 0, got {steps}.")
    parameters = {name: value.detach().clone().requires_grad_() for name, value in problems.parameters.items()}
    stepper = optimizer(list(parameters.values()))
    seen = []
    for step in range(steps):
        stepper.zero_grad()
        losses = problems.losses(parameters, step)
        torch.autograd.backward(losses.sum())
        stepper.step()
        seen.append(losses.detach())
    with torch.no_grad():
        seen.append(problems.losses(parameters, steps))
    return torch.stack(seen)
