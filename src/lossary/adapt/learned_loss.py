"""A loss that is a small network over prediction and target, meta-trained so that what is trained with it does well.

Bechtle et al., Meta-Learning via Learned Loss, arXiv:1906.05374: an inner step of gradient descent on the learned loss,
an outer one on the task's loss of where that led.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.checks import CheckFinding, check
from lossary.core import (
    REDUCTIONS,
    LossInputError,
    OneOf,
    PositiveInt,
    Real,
    Reduction,
    Result,
    align,
    fill_masked,
    reduce,
)
from lossary.core.combination import Combinable
from lossary.core.constraints import constraints_of, require
from lossary.core.definition import compute_dtype, result_dtype

Form = Literal["monotone", "free"]

CLAIMS = (
    "finite", "differentiable", "nonnegative", "zero_at_perfect", "positive_off_target", "best_at_perfect", "monotone",
)  # fmt: skip
"""What :func:`guard` asks of a learned loss; "monotone" says that its gradient never points away from the target."""


class LearnedLoss(Combinable, nn.Module):
    """A loss of each element whose shape is learned by :func:`meta_train_loss`; used like any loss here.

    In the form "monotone", with error :math:`e = x - y` and weights :math:`a, u_k, v_k > 0`,

    .. math:: d = a e + \\sum_k v_k (\\tanh(u_k x + c_k y + b_k) - \\tanh(u_k y + c_k y + b_k)), \\qquad
              \\ell = d^2 / (1 + \\sqrt{1 + d^2}).

    Since d rises strictly with x and is 0 at x = y, these hold by construction, whatever is learned: the loss is finite
    and smooth, 0 at the target and nowhere else, and its gradient points towards the target; far away it is at most
    linear. What is free: how steep it is where, how soon it flattens, how it differs between sides and targets. It need
    not be convex or symmetric, so that it may estimate something between mean, median and mode.

    In the form "free", as in the paper, it is a network of tanh layers with softplus at the end. Only that it is
    finite, smooth and at least 0 holds by construction; ask :func:`guard` about the rest.

    Args:
        hidden: How many units.
        form: "monotone" or "free".
        reduction: As for every loss.
        seed: Of the initial weights. Before training, "monotone" is near half the squared error of small errors.

    Raises:
        LossInputError: for a size below 1, an unknown form or an unknown reduction.

    >>> loss = LearnedLoss(hidden=4)
    >>> loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, float("nan")]), mask=torch.tensor([True, False]))
    tensor(0., grad_fn=<DivBackward0>)
    """

    def __init__(
        self, *, hidden: PositiveInt = 16, form: Form = "monotone", reduction: Reduction = "mean", seed: int = 0
    ) -> None:
        super().__init__()
        self.settings = {"hidden": hidden, "form": form, "reduction": reduction}
        constraints = {**constraints_of(LearnedLoss.__init__), "reduction": OneOf(REDUCTIONS)}
        for name, value in self.settings.items():
            require(constraints[name], "LearnedLoss", name, value)
        self.form, self.reduction = form, reduction
        g = torch.Generator().manual_seed(seed)
        if form == "monotone":
            self.linear = nn.Parameter(torch.tensor(0.0))
            self.amount = nn.Parameter(torch.full((hidden,), -3.0))
            self.steepness = nn.Parameter(torch.randn(hidden, generator=g))
            self.of_target = nn.Parameter(torch.randn(hidden, generator=g) * 0.1)
            self.offset = nn.Parameter(torch.randn(hidden, generator=g))
        else:
            sizes = [2, hidden, hidden, 1]
            self.weights = nn.ParameterList(torch.randn(m, n, generator=g) / n**0.5 for n, m in pairwise(sizes))
            self.biases = nn.ParameterList(torch.zeros(m) for m in sizes[1:])

    def values(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of each element, in float32 or float64."""
        if self.form == "free":
            x = torch.stack([prediction, target], dim=-1)
            for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                x = F.linear(torch.tanh(x) if k else x, weight.to(x), bias.to(x))
            return F.softplus(x.squeeze(-1))
        linear, amount, steepness = (F.softplus(w.to(target)) for w in (self.linear, self.amount, self.steepness))
        at = target.unsqueeze(-1) * self.of_target.to(target) + self.offset.to(target)
        rise = torch.tanh(prediction.unsqueeze(-1) * steepness + at) - torch.tanh(target.unsqueeze(-1) * steepness + at)
        d = linear * (prediction - target) + (rise * amount).sum(-1)
        return d * (d / (1.0 + torch.hypot(d, torch.ones_like(d))))  # in this order, as the square may overflow

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        """The loss of predictions and targets of one shape; the options are those of every loss.

        Raises:
            LossInputError: for tensors of different shapes, or without a floating-point one.
        """
        if prediction.shape != target.shape:
            shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            raise LossInputError(f"LearnedLoss: `prediction` and `target` must have one shape, got {shapes}.")
        if not prediction.is_floating_point():
            raise LossInputError(f"LearnedLoss: `prediction` must be floating-point, got {prediction.dtype}.")
        pair = [tensor.to(compute_dtype([prediction, target])) for tensor in (prediction, target)]
        if mask is not None:
            mask = align(mask, prediction, "mask")
            pair = [fill_masked(tensor, mask, shape=["*n"], at=["*n"], neutral=0.0) for tensor in pair]
        result = reduce(
            self.values(*pair),
            sample_weight=sample_weight,
            mask=mask,
            reduction=self.reduction,
            denominator=denominator,
        )
        wanted = result_dtype([prediction, target])
        return result.to(wanted) if wanted in (torch.float16, torch.bfloat16) else result

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the loss to a file that :meth:`load` reads."""
        torch.save({"settings": self.settings, "weights": self.state_dict()}, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LearnedLoss:
        """Read a loss that :meth:`save` wrote; the file is read as data, no code of it is run.

        Raises:
            LossInputError: if the file holds something else.
        """
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(saved, dict) or saved.keys() != {"settings", "weights"}:
            raise LossInputError(f"LearnedLoss: `path` must be a file that `save` wrote, got {os.fspath(path)!r}.")
        loss = cls(**saved["settings"])
        loss.load_state_dict(saved["weights"])
        return loss

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


@dataclass(frozen=True, kw_only=True)
class Guard(Result):
    """What a search for counterexamples found about a learned loss."""

    holds: bool
    refuted: tuple[str, ...]
    """Claims that a counterexample was found for, in the order of :data:`CLAIMS`."""
    sentence: str
    findings: tuple[CheckFinding, ...]


def guard(loss: nn.Module, *, seed: int = 0, seconds: float = 10.0) -> Guard:
    """Check a learned loss of real predictions and targets for what makes a loss usable.

    It is asked for: finite values and gradients at all edges, a gradient that is that of the value, no value below 0,
    0 at a perfect prediction and more elsewhere, and no fall on the way away from the target. A search can refute,
    never prove; what holds by construction, :class:`LearnedLoss` says.

    Args:
        loss: The loss; any module of a prediction and a target.
        seed: Of the search.
        seconds: Its time limit.

    >>> guard(nn.L1Loss()).sentence
    'L1Loss: no counterexample was found to finite, differentiable, nonnegative, ..., monotone.'
    """
    report = check(loss, inputs=[Real("n"), Real("n")], claims=set(CLAIMS), seed=seed, seconds=seconds)
    reasons = {finding.claim: finding.reason for finding in reversed(report.refuted)}
    order = [*(name for name in CLAIMS if name in reasons), *(name for name in reasons if name not in CLAIMS)]
    name = type(loss).__name__
    if order:
        sentence = f"{name}: refuted: " + "; ".join(f"`{claim}` ({reasons[claim]})" for claim in order) + "."
    else:
        sentence = f"{name}: no counterexample was found to {', '.join(CLAIMS)}."
    return Guard(holds=report.holds, refuted=tuple(order), sentence=sentence, findings=report.findings)


@dataclass(frozen=True, kw_only=True, eq=False)
class LossTasks:
    """Independent tasks of one kind, stacked along the first dimension: what a loss is learned from.

    Args:
        parameters: Where the model of each task starts, by name, ``(tasks, *)``.
        predict: The models: from parameters and inputs to predictions, ``(tasks, n)``.
        inputs: To train with the learned loss on, ``(tasks, n, *)``.
        targets: Likewise, ``(tasks, n)``, as flawed as they will be in use.
        held_out_inputs: For the task's loss.
        held_out_targets: Likewise; what should be predicted, so without outliers where those are to be ignored.
    """

    parameters: Mapping[str, Tensor]
    predict: Callable[[Mapping[str, Tensor], Tensor], Tensor]
    inputs: Tensor
    targets: Tensor
    held_out_inputs: Tensor
    held_out_targets: Tensor


SampleTasks: TypeAlias = Callable[[torch.Generator], LossTasks]
"""Draws fresh tasks."""


@dataclass(frozen=True, kw_only=True)
class LossTraining(Result):
    """The course of a loss's meta-training, and what the guard said after it."""

    losses: tuple[float, ...]
    """The task's loss on held-out data after the inner steps, at each meta-step."""
    guard: Guard | None
    seed: int
    seconds: float


def meta_train_loss(
    loss: LearnedLoss,
    sample_tasks: SampleTasks,
    *,
    task_loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    inner_steps: int = 20,
    inner_lr: float = 0.1,
    steps: int = 300,
    lr: float = 0.01,
    verify: bool = True,
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> LossTraining:
    """Meta-train ``loss`` in place: by the gradient of the task's loss through inner steps of gradient descent.

    Args:
        loss: What is trained.
        sample_tasks: Draws fresh tasks from a generator.
        task_loss: What shall be small on held-out data: of predictions and targets, a mean.
        inner_steps: Steps of gradient descent on the learned loss; all are differentiated through.
        inner_lr: Their learning rate.
        steps: Meta-steps, each one update of the loss by Adam.
        lr: Learning rate of Adam; it falls to 0 along half a cosine.
        verify: Whether to put the loss to :func:`guard` afterwards, and refuse it if a claim is refuted.
        seed: Of the draws.
        on_progress: Called after each meta-step.

    Raises:
        LossInputError: for a number that is not above 0, if the held-out loss is not finite, or, where ``verify``, if
            the guard refutes something, by its sentence.

    >>> def lines(g):
    ...     x, slope = torch.randn(4, 8, generator=g), torch.randn(4, 1, generator=g)
    ...     return LossTasks(
    ...         parameters={"w": torch.zeros(4, 1)}, predict=lambda p, x: p["w"] * x,
    ...         inputs=x, targets=slope * x, held_out_inputs=x, held_out_targets=slope * x,
    ...     )
    >>> course = meta_train_loss(LearnedLoss(hidden=4), lines, inner_steps=1, steps=20, verify=False)
    >>> course.losses[-1] < course.losses[0], course.guard
    (True, None)
    """
    numbers: dict[str, Any] = {"inner_steps": inner_steps, "inner_lr": inner_lr, "steps": steps, "lr": lr}
    for name, value in numbers.items():
        if not value > 0:
            raise LossInputError(f"meta_train_loss: `{name}` must be above 0, got {value!r}.")
    started = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(loss.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    seen: list[float] = []
    for step in range(1, steps + 1):
        tasks = sample_tasks(generator)
        trained = inner_descent(loss, tasks, steps=inner_steps, lr=inner_lr)
        held_out = task_loss(tasks.predict(trained, tasks.held_out_inputs), tasks.held_out_targets)
        seen.append(float(held_out.detach()))
        if not seen[-1] < float("inf"):
            raise LossInputError(f"meta_train_loss: `inner_lr` must leave the held-out loss finite, got {inner_lr!r}.")
        optimizer.zero_grad()
        torch.autograd.backward(held_out)
        nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if on_progress is not None:
            on_progress(step, steps, f"meta-training, loss {seen[-1]:.3g}")
    found = guard(loss, seed=seed) if verify else None
    if found is not None and not found.holds:
        raise LossInputError(f"meta_train_loss: `loss` must pass its guard to be used; {found.sentence}")
    return LossTraining(losses=tuple(seen), guard=found, seed=seed, seconds=round(time.monotonic() - started, 3))


def inner_descent(loss: LearnedLoss, tasks: LossTasks, *, steps: int, lr: float) -> dict[str, Tensor]:
    """Gradient descent of each task's model on the learned loss, differentiable in the loss.

    A step goes from the parameters to ``parameters - lr * gradient`` of the mean loss over the task's own data.
    """
    parameters = {name: value.detach().requires_grad_() for name, value in tasks.parameters.items()}
    for _ in range(steps):
        values = loss.values(tasks.predict(parameters, tasks.inputs), tasks.targets)
        total = values.flatten(1).mean(1).sum()  # a task's gradient does not depend on how many there are
        gradients = torch.autograd.grad(total, list(parameters.values()), create_graph=True)
        parameters = {n: p - lr * g for (n, p), g in zip(parameters.items(), gradients, strict=True)}
    return parameters
