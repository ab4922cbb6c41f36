"""An optimizer whose rule is a small recurrent network, the same for every coordinate, learned by gradient descent.

Andrychowicz et al., Learning to learn by gradient descent by gradient descent, arXiv:1606.04474.
:mod:`.meta_training` trains the rule.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeAlias, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lossary.core import LossInputError, Positive, PositiveInt
from lossary.core.constraints import constraints_of, require

State: TypeAlias = tuple[Tensor, ...]
"""Hidden and cell state of each layer in turn, each ``(coordinates, hidden)``."""


class UpdateRule(nn.Module):
    """From the gradient of each coordinate, and what was remembered of it, to the update of that coordinate.

    A recurrent network of LSTM layers runs on each coordinate apart, with weights that all share (sec. 2.1). Its input
    is the gradient in two numbers, so that gradients of any magnitude are told apart (appendix A): with
    :math:`|g| \\ge e^{-p}` they are :math:`(\\log|g| / p, \\operatorname{sgn} g)`, else :math:`(-1, e^p g)`.

    Args:
        hidden: Units of each layer.
        layers: How many layers.
        p: The exponent of the preprocessing, or None for the gradient as it is.
        scale: What the output is multiplied by: the order of magnitude of an update.

    Raises:
        LossInputError: for a size below 1, or a number that is not above 0.

    >>> rule = UpdateRule()
    >>> update, state = rule(torch.tensor([0.5, -0.5, 0.0]), rule.start(3))
    >>> update.shape, len(state)
    (torch.Size([3]), 4)
    """

    def __init__(
        self, *, hidden: PositiveInt = 20, layers: PositiveInt = 2, p: Positive | None = 10.0, scale: Positive = 0.1
    ) -> None:
        super().__init__()
        self.settings = {"hidden": hidden, "layers": layers, "p": p, "scale": scale}
        for name, constraint in constraints_of(UpdateRule.__init__).items():
            require(constraint, "UpdateRule", name, self.settings[name])
        self.hidden, self.p, self.scale = hidden, p, scale
        sizes = [1 if p is None else 2, *[hidden] * layers]
        # nn.LSTM, made for sequences that are known in advance, takes twice as long for a step at a time on a CPU.
        self.cells = nn.ModuleList(nn.LSTMCell(size, hidden) for size in sizes[:-1])
        self.output = nn.Linear(hidden, 1)

    def start(self, coordinates: int) -> State:
        """The state before the first step: zeros."""
        at = self.output.weight
        return tuple(at.new_zeros(coordinates, self.hidden) for _ in range(2 * len(self.cells)))

    def forward(self, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """One step.

        Args:
            gradient: One number for each coordinate, ``(coordinates,)``.
            state: Of the step before, or :meth:`start`.

        Returns:
            What is to be added to each coordinate, and the state for the next step.
        """
        x = gradient.unsqueeze(1) if self.p is None else preprocess(gradient, self.p)
        after: list[Tensor] = []
        for k, cell in enumerate(self.cells):
            x, c = cell(x, (state[2 * k], state[2 * k + 1]))
            after += (x, c)
        return self.output(x).squeeze(1) * self.scale, tuple(after)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rule to a file that :meth:`load` reads."""
        torch.save({"settings": self.settings, "weights": self.state_dict()}, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> UpdateRule:
        """Read a rule that :meth:`save` wrote; the file is read as data, no code of it is run.

        Raises:
            LossInputError: if the file holds something else.
        """
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(saved, dict) or saved.keys() != {"settings", "weights"}:
            raise LossInputError(f"UpdateRule: `path` must be a file that `save` wrote, got {os.fspath(path)!r}.")
        rule = cls(**saved["settings"])
        rule.load_state_dict(saved["weights"])
        return rule

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.settings.items())


def preprocess(gradient: Tensor, p: float) -> Tensor:
    """Each gradient as two numbers of moderate size, ``(coordinates, 2)``: arXiv:1606.04474, appendix A.

    >>> preprocess(torch.tensor([1.0, 0.0]), 10.0)
    tensor([[ 0.,  1.],
            [-1.,  0.]])
    """
    least = math.exp(-p)
    large = gradient.abs() >= least
    magnitude = torch.where(large, gradient, least).abs().log() / p  # never the logarithm of 0
    direction = torch.where(large, gradient.sign(), gradient / least)
    return torch.stack([magnitude, direction], dim=1)


class LearnedOptimizer(Optimizer):
    """Optimizes by an :class:`UpdateRule`: a parameter moves by what the rule makes of its gradients so far.

    A rule is good for problems like those that it was meta-trained on, for about as many steps as there; see the guide
    to learned optimizers. It remembers ``2 * layers * hidden`` numbers for each coordinate, 80 by default, where Adam
    remembers two. The state of the rule is in the state dict, its weights are not: save them by
    :meth:`UpdateRule.save`. A parameter without a gradient is skipped.

    Args:
        params: Parameters or parameter groups, as for any optimizer of torch; of real floating-point numbers.
        rule: The meta-trained rule, which optimizing does not change.
        lr: What updates are multiplied by, for each group; 1 is as meta-trained. For torch's schedulers.

    Raises:
        LossInputError: for a rule that is none, parameters of other types, or a rate that is not at least 0.

    >>> x = nn.Parameter(torch.tensor([1.0, -1.0]))
    >>> optimizer = LearnedOptimizer([x], UpdateRule())
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> sorted(optimizer.state[x])
    ['memory', 'step']
    """

    def __init__(self, params: Iterable[Any], rule: UpdateRule, *, lr: float = 1.0) -> None:
        if not isinstance(rule, UpdateRule):
            raise LossInputError(f"LearnedOptimizer: `rule` must be an UpdateRule, got {type(rule).__name__}.")
        self.rule = rule
        super().__init__(params, {"lr": lr})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in torch; refuses what the constructor refuses."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for parameter in group["params"]:
            if not parameter.is_floating_point():
                self.param_groups.pop()
                raise LossInputError(f"LearnedOptimizer: `params` must be real floating-point, got {parameter.dtype}.")
        if not group["lr"] >= 0:
            self.param_groups.pop()
            raise LossInputError(f"LearnedOptimizer: `lr` must be a number of at least 0, got {group['lr']!r}.")

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; with a closure, which computes the loss anew, its value.

        Raises:
            LossInputError: for a sparse gradient, before any parameter has moved.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [(p, group["lr"]) for group in self.param_groups for p in group["params"] if p.grad is not None]
        if any(p.grad.layout != torch.strided for p, _ in moving):
            raise LossInputError("LearnedOptimizer: the gradient of a parameter must be dense, got a sparse one.")
        like = self.rule.output.weight
        for parameter, rate in moving:
            state = self.state[parameter]
            if not state:
                state["step"], state["memory"] = 0, self.rule.start(parameter.numel())
            gradient = parameter.grad.flatten().to(like)
            update, state["memory"] = self.rule(gradient, state["memory"])
            state["step"] += 1
            parameter.add_(update.reshape(parameter.shape).to(parameter), alpha=rate)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state dict, to the bit: what the rule remembers keeps the type of the rule.

        Raises:
            LossInputError: if the rule has other sizes than the one that the state is of.
        """
        numbers = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        like = self.rule.output.weight
        memories = {k: state_dict["state"][k]["memory"] for k in numbers if k in state_dict["state"]}
        sizes = {(len(memory), memory[0].shape[1]) for memory in memories.values()}
        if sizes - {(2 * len(self.rule.cells), self.rule.hidden)}:
            raise LossInputError("LearnedOptimizer: `state_dict` must be of a rule of the same sizes, got another's.")
        super().load_state_dict(state_dict)
        ours = list(chain.from_iterable(group["params"] for group in self.param_groups))
        theirs = list(chain.from_iterable(group["params"] for group in state_dict["param_groups"]))
        for number, parameter in zip(theirs, ours, strict=True):
            if number in memories:  # torch would give them the type of the parameter, which may be coarser
                self.state[parameter]["memory"] = tuple(part.to(like, copy=True) for part in memories[number])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "rule": self.rule}  # for copies and pickles
