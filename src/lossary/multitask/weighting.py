"""How the losses of several tasks are weighed against each other, step by step.

A weighting sees the losses of the tasks in a batch and gives their weights. What it learns is either a parameter, which
the optimizer must be given, or state of its own, which it updates itself in training; both are in its state dict.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lossary.core import LossInputError
from lossary.core.combination import Weight, weigh

Noise = Literal["gaussian", "laplace", "classification"]
TINY = 1e-12
"""Losses are kept above it where they are divided by or their logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a weighting knows of one step."""

    losses: Tensor
    """Losses of the tasks that are there, ``(k,)``, detached."""
    parts: tuple[Tensor, ...]
    """The same one by one, with their gradients."""
    index: Tensor
    """Which tasks these are, ``(k,)``."""
    step: int
    update: bool
    """Whether this is a step of training, so that state moves on."""
    shared: tuple[Tensor, ...] = ()
    """What several tasks depend on, for weightings that look at gradients."""


class Weighting(nn.Module):
    """Abstract base. A subclass makes its state in :meth:`prepare` and weighs in :meth:`forward`."""

    needs_shared = False
    """Whether it looks at the gradients of the shared parameters: one more backward pass for each task."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: tuple[str, ...] = ()

    def bind(self, tasks: Sequence[str]) -> None:
        """Called once by the loss that it serves, with the names of the tasks.

        Raises:
            LossInputError: where it already serves one, as its state belongs to those tasks.
        """
        if self.tasks:
            owner = type(self).__name__
            raise LossInputError(f"{owner}: a weighting must serve one loss, got a second; make another {owner}.")
        self.tasks = tuple(tasks)
        self.prepare()

    def prepare(self) -> None:
        """Make parameters and buffers, now that the tasks are known."""

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The weights of the tasks of the batch, ``(k,)``, and what is added to each weighted loss, or ``None``."""

    def observe(self, batch: Batch) -> None:
        """Take note of the losses after the optimizer's step; only some weightings do."""

    def _check_tasks(self, argument: str, names: Mapping[str, object]) -> None:
        if strange := [name for name in names if name not in self.tasks]:
            owner, known = type(self).__name__, ", ".join(self.tasks)
            raise LossInputError(f"{owner}: `{argument}` must be of the tasks {known}; got {strange[0]!r}.")


class Fixed(Weighting):
    """The weights that are given: numbers, or callables of the step such as :class:`~lossary.core.Ramp`; else 1.

    Raises:
        LossInputError: for a task that does not exist, or a weight that is no finite number.
    """

    def __init__(self, weights: Mapping[str, Weight] | None = None) -> None:
        super().__init__()
        self.weights = dict(weights or {})

    def prepare(self) -> None:
        self._check_tasks("weights", self.weights)
        self.at(0)

    def at(self, step: int) -> list[float]:
        return [weigh("Fixed", task, self.weights.get(task, 1.0), step) for task in self.tasks]

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        return batch.losses.new_tensor(self.at(batch.step))[batch.index], None


class Uncertainty(Weighting):
    r"""The likelihood of every task under a noise level that is learned (Kendall, Gal and Cipolla, arXiv:1705.07115).

    With :math:`s = \log\sigma^2`, a task adds by its ``kind``:

    - ``"gaussian"``: :math:`\tfrac12 e^{-s} L + \tfrac12 s`, for a squared error (eq. 7);
    - ``"classification"``: :math:`e^{-s} L + \tfrac12 s`, for a cross-entropy (eq. 10);
    - ``"laplace"``: :math:`e^{-s/2} L + \tfrac12 s`, for an absolute error, whose scale is then :math:`e^{s/2}`; the
      same likelihood argument, which the paper makes for the Gaussian.

    At the optimum :attr:`noise` is the root mean squared error of a "gaussian" task, the mean absolute error of a
    "laplace" one. The sum may be negative. Give the parameters of the loss to the optimizer, or nothing is learned.

    Args:
        kinds: The kind of each task; "gaussian" where not given.
        noise: The noise level at which each task begins; where not given, the best one for the task's first loss. From
            a fixed level a loss of 1e4 is far, and Adam, having seen the slope of the first steps, gets there slowly.

    Raises:
        LossInputError: for a task or a kind that does not exist, or a noise level that is not above 0.
    """

    def __init__(self, kinds: Mapping[str, Noise] | None = None, *, noise: float | None = None) -> None:
        super().__init__()
        if noise is not None and not 0 < noise < math.inf:
            raise LossInputError(f"Uncertainty: `noise` must be a number above 0, got {noise!r}.")
        self.kinds, self.initial = dict(kinds or {}), noise
        if strange := [kind for kind in self.kinds.values() if kind not in get_args(Noise)]:
            known = ", ".join(get_args(Noise))
            raise LossInputError(f"Uncertainty: `kinds` must be one of {known}; got {strange[0]!r}.")

    def prepare(self) -> None:
        self._check_tasks("kinds", self.kinds)
        kinds = [self.kinds.get(task, "gaussian") for task in self.tasks]
        start = 0.0 if self.initial is None else 2 * math.log(self.initial)
        self.log_variance = nn.Parameter(torch.full((len(kinds),), start))
        factor = torch.tensor([0.5 if kind == "gaussian" else 1.0 for kind in kinds])
        exponent = torch.tensor([0.5 if kind == "laplace" else 1.0 for kind in kinds])
        self.factor: Tensor
        self.exponent: Tensor
        self.begun: Tensor
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("exponent", exponent, persistent=False)
        self.register_buffer("begun", torch.full((len(kinds),), self.initial is not None))

    @property
    def noise(self) -> dict[str, float]:
        """The noise level of each task, as learned so far: a standard deviation, or the scale of a "laplace" task."""
        return dict(zip(self.tasks, (self.log_variance.detach() / 2).exp().tolist(), strict=True))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        factor, exponent = self.factor[batch.index], self.exponent[batch.index]
        if batch.update and self.initial is None:
            # Where the derivative by s, 1/2 - factor * exponent * L exp(-exponent * s), is 0.
            best = (2 * factor * exponent * batch.losses.clamp(min=TINY)).log() / exponent
            _begin(self.log_variance, self.begun, batch.index, best)
        s = self.log_variance[batch.index]
        return factor * torch.exp(-s * exponent), s / 2


class IMTLL(Weighting):
    r"""Each loss times a learned scale: :math:`e^{s} L - s`, so that at the optimum all weighted losses are 1.

    IMTL-L of Liu et al., Towards Impartial Multi-Task Learning, ICLR 2021, eq. 6. Losses must be above 0. Give the
    parameters of the loss to the optimizer, or nothing is learned.

    Args:
        scale: The scale at which each task begins; where not given, one over its first loss, which is there already.

    Raises:
        LossInputError: if the scale is not above 0.
    """

    def __init__(self, *, scale: float | None = None) -> None:
        super().__init__()
        if scale is not None and not 0 < scale < math.inf:
            raise LossInputError(f"IMTLL: `scale` must be a number above 0, got {scale!r}.")
        self.initial = scale

    def prepare(self) -> None:
        start = 0.0 if self.initial is None else math.log(self.initial)
        self.log_scale = nn.Parameter(torch.full((len(self.tasks),), start))
        self.begun: Tensor
        self.register_buffer("begun", torch.full((len(self.tasks),), self.initial is not None))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if batch.update and self.initial is None:
            _begin(self.log_scale, self.begun, batch.index, -batch.losses.clamp(min=TINY).log())
        s = self.log_scale[batch.index]
        return s.exp(), -s


@torch.no_grad()
def _begin(parameter: nn.Parameter, begun: Tensor, index: Tensor, value: Tensor) -> None:
    """Set what has not begun; a branch would wait for the GPU."""
    parameter[index] = torch.where(begun[index], parameter[index], value.to(parameter.dtype))
    begun[index] = True


class DWA(Weighting):
    r"""Dynamic weight average: tasks whose loss falls more slowly weigh more.

    :math:`w_i = K \operatorname{softmax}_i(r_i / T)` with :math:`r_i` the ratio of the task's mean losses in the last
    two epochs (Liu, Johns and Davison, arXiv:1803.10704, eq. 7); 1 in the first two.

    Args:
        every: Steps in an epoch.
        temperature: T; larger is more even.

    Raises:
        LossInputError: if ``every`` is below 1, or the temperature not above 0.
    """

    def __init__(self, *, every: int, temperature: float = 2.0) -> None:
        super().__init__()
        if every < 1:
            raise LossInputError(f"DWA: `every` must be at least 1, got {every!r}.")
        if not temperature > 0:
            raise LossInputError(f"DWA: `temperature` must be above 0, got {temperature!r}.")
        self.every, self.temperature = every, temperature

    def prepare(self) -> None:
        self.sums: Tensor
        self.counts: Tensor
        self.history: Tensor
        self.register_buffer("sums", torch.zeros(len(self.tasks)))
        self.register_buffer("counts", torch.zeros(len(self.tasks)))
        self.register_buffer("history", torch.full((2, len(self.tasks)), math.nan))  # the last epoch, the one before

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        ratio = (self.history[0] / self.history[1].clamp(min=TINY)).nan_to_num(nan=1.0)  # no history yet: an even pace
        weights = (ratio / self.temperature).softmax(0) * len(self.tasks)
        if batch.update:
            self.sums[batch.index] += batch.losses.to(self.sums.dtype)
            self.counts[batch.index] += 1
            if (batch.step + 1) % self.every == 0:
                mean = torch.where(self.counts > 0, self.sums / self.counts, self.history[0])
                self.history.copy_(torch.stack([mean, self.history[0]]))
                self.sums.zero_()
                self.counts.zero_()
        return weights[batch.index], None


class RLW(Weighting):
    """Random weights, drawn anew each step: softmax of standard normal numbers, so that they add up to 1.

    Lin et al., Reasonable Effectiveness of Random Weighting, arXiv:2111.10603, sec. 3. Draws from torch's own
    generator, as dropout does; outside training all weights are equal.
    """

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        scores = torch.zeros(len(self.tasks), device=batch.losses.device)
        return (scores.normal_() if batch.update else scores).softmax(0)[batch.index], None


class GeometricMean(Weighting):
    r"""The geometric mean of the losses: :math:`(\prod_i L_i)^{1/k}` of the k tasks in the batch.

    Chennupati et al., MultiNet++, arXiv:1904.08492, sec. 3 (geometric loss strategy). Scaling a loss scales all
    gradients alike, so tasks of any scale pull alike. The weight of a task is its slope, mean / (k loss); losses must
    be above 0.
    """

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        losses = batch.losses.clamp(min=TINY)
        return losses.log().mean().exp() / (len(losses) * losses), None


class Normalised(Weighting):
    """Each loss over what it was: over its first value (``"initial"``) or over its running mean (``"running"``).

    Args:
        by: Which.
        momentum: Of the running mean, which begins at the first loss: 0 is the last loss alone.

    Raises:
        LossInputError: for another ``by``, or a momentum out of [0, 1).
    """

    def __init__(self, by: Literal["initial", "running"] = "initial", *, momentum: float = 0.9) -> None:
        super().__init__()
        if by not in ("initial", "running"):
            raise LossInputError(f"Normalised: `by` must be one of initial, running; got {by!r}.")
        if not 0 <= momentum < 1:
            raise LossInputError(f"Normalised: `momentum` must be at least 0 and below 1, got {momentum!r}.")
        self.momentum = momentum if by == "running" else 1.0

    def prepare(self) -> None:
        self.reference: Tensor
        self.register_buffer("reference", torch.full((len(self.tasks),), math.nan))

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        if batch.update:
            losses, known = batch.losses.to(self.reference.dtype), self.reference[batch.index]
            moved = self.momentum * known + (1 - self.momentum) * losses
            self.reference[batch.index] = torch.where(known.isnan(), losses, moved)
        weights = 1.0 / self.reference[batch.index].abs().clamp(min=TINY)
        return weights.nan_to_num(nan=1.0), None  # a task that training has not seen yet counts as it is
