"""Weightings that learn scores of the tasks by steps of their own: GradNorm and FAMO."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lossary.core import LossInputError

from .weighting import TINY, Batch, Weighting


class Scores(nn.Module):
    """One score per task, whose softmax gives shares, moved by Adam (arXiv:1412.6980, algorithm 1).

    Kept apart from the user's optimizer, as its gradient is not the loss's.
    """

    def __init__(self, tasks: int, *, lr: float, decay: float = 0.0) -> None:
        super().__init__()
        self.lr, self.decay = lr, decay
        self.value: Tensor
        self.first: Tensor
        self.second: Tensor
        self.count: Tensor
        for name in ("value", "first", "second"):
            self.register_buffer(name, torch.zeros(tasks))
        self.register_buffer("count", torch.zeros(()))

    def shares(self) -> Tensor:
        return self.value.softmax(0)

    def descend(self, slope: Tensor, *, where: Tensor | None = None) -> None:
        """One step against ``slope``, the derivative by the shares of what is to fall; none if ``where`` is False."""
        shares = self.shares()
        gradient = shares * (slope - (shares * slope).sum()) + self.decay * self.value  # the softmax's Jacobian
        count = self.count + 1
        first, second = self.first.lerp(gradient, 0.1), self.second.lerp(gradient.square(), 0.001)
        step = first / (1 - 0.9**count) / ((second / (1 - 0.999**count)).sqrt() + 1e-8)
        new = {"value": self.value - self.lr * step, "first": first, "second": second, "count": count}
        for name, moved in new.items():
            old = self.get_buffer(name)
            old.copy_(moved if where is None else torch.where(where, moved, old))  # a branch would wait for the GPU


class GradNorm(Weighting):
    r"""Weights under which all tasks' gradients have norms in proportion to how far behind they are.

    Chen et al., arXiv:1711.02257, eq. 1-2 and algorithm 1: minimises :math:`\sum_i |G_i - \bar G r_i^\alpha|` over the
    weights, with :math:`G_i = \|\nabla_W w_i L_i\|`, their mean :math:`\bar G`, and :math:`r_i` the task's
    :math:`L_i / L_i(0)` over the mean of those; the target is held constant. The paper descends on the weights and then
    scales them to add up to the number of tasks K, which a long step can make negative; here they are K times a
    softmax, which is always both. The sum is divided by :math:`\bar G`, likewise constant, so that the steps do not
    depend on the scale of the losses, nor on how it changes.

    Costs one more backward pass to the shared parameters for each task. They are found by themselves; the paper takes
    the last shared layer alone, which is cheaper: give it as ``shared``.

    Args:
        alpha: How strongly tasks that are behind gain; 0 makes all norms equal.
        lr: Of the scores under the softmax, by Adam.

    Raises:
        LossInputError: if ``alpha`` is below 0, or ``lr`` not above 0.
    """

    needs_shared = True

    def __init__(self, *, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__()
        if not alpha >= 0:
            raise LossInputError(f"GradNorm: `alpha` must be at least 0, got {alpha!r}.")
        if not lr > 0:
            raise LossInputError(f"GradNorm: `lr` must be above 0, got {lr!r}.")
        self.alpha, self.lr = alpha, lr

    def prepare(self) -> None:
        self.scores = Scores(len(self.tasks), lr=self.lr)
        self.initial: Tensor
        self.register_buffer("initial", torch.full((len(self.tasks),), math.nan))

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        weights = (self.scores.shares() * len(self.tasks))[batch.index]
        if batch.update and len(batch.losses) > 1:  # one task alone has nothing to be balanced with
            self._update(batch, weights)
        return weights, None

    def _update(self, batch: Batch, weights: Tensor) -> None:
        losses = batch.losses.to(self.initial.dtype)
        known = self.initial[batch.index]
        self.initial[batch.index] = known = torch.where(known.isnan(), losses, known)
        norms = torch.stack([gradient_norm(loss, batch.shared) for loss in batch.parts]).to(weights.dtype)
        progress = losses / known.clamp(min=TINY)
        rate = progress / progress.mean().clamp(min=TINY)
        mean = (weights * norms).mean().clamp(min=TINY)
        target = mean * rate.clamp(min=0.0) ** self.alpha
        slope = torch.zeros_like(self.initial)
        slope[batch.index] = torch.sign(weights * norms - target) * norms / mean * len(self.tasks)
        self.scores.descend(slope)


def gradient_norm(loss: Tensor, shared: Sequence[Tensor]) -> Tensor:
    """Length of the loss's gradient in all tensors of ``shared`` together; 0 where it depends on none of them."""
    if not loss.requires_grad:
        return loss.new_zeros(())
    gradients = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
    norms = [torch.linalg.vector_norm(g) for g in gradients if g is not None]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else loss.new_zeros(())


class FAMO(Weighting):
    r"""Weights under which the logarithms of all losses fall at the same rate, without gradients of each task.

    Liu et al., arXiv:2306.03792, algorithm 1, with the rates of algorithm 2: descends on
    :math:`\sum_i z_i \log(L_i - b_i)` with z a softmax of scores, scaled so that the weights
    :math:`z_i / (L_i - b_i)` add up to 1; the scores then move by how much each logarithm fell. That is measured
    against the next batch's losses, or, as in the paper, against those of the same batch after the optimizer's step,
    where they are given to :meth:`MultitaskLoss.observe`, at the price of one more forward pass.

    Args:
        lr: Of the scores, by Adam.
        decay: Pulls the scores to 0.
        minimum: The least value that each loss may have; 0 where not given.

    Raises:
        LossInputError: if ``lr`` is not above 0, ``decay`` is below 0, or a minimum is of no task.
    """

    def __init__(self, *, lr: float = 0.025, decay: float = 0.001, minimum: Mapping[str, float] | None = None) -> None:
        super().__init__()
        if not lr > 0:
            raise LossInputError(f"FAMO: `lr` must be above 0, got {lr!r}.")
        if not decay >= 0:
            raise LossInputError(f"FAMO: `decay` must be at least 0, got {decay!r}.")
        self.lr, self.decay, self.minimum = lr, decay, dict(minimum or {})

    def prepare(self) -> None:
        self._check_tasks("minimum", self.minimum)
        self.scores = Scores(len(self.tasks), lr=self.lr, decay=self.decay)
        self.bound: Tensor
        self.previous: Tensor
        bound = torch.tensor([float(self.minimum.get(task, 0.0)) for task in self.tasks])
        self.register_buffer("bound", bound, persistent=False)
        self.register_buffer("previous", torch.full((len(self.tasks),), math.nan))

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        gap = self._gap(batch)
        if batch.update:
            self._move(batch, gap)
            self.previous[batch.index] = gap.log()
        shares = self.scores.shares()[batch.index] / gap
        return shares / shares.sum(), None

    def observe(self, batch: Batch) -> None:
        self._move(batch, self._gap(batch))
        self.previous[batch.index] = math.nan  # so that the next batch does not count as the same fall again

    def _gap(self, batch: Batch) -> Tensor:
        losses = batch.losses.to(self.bound.dtype)
        return (losses - self.bound[batch.index]).clamp(min=0.0) + 1e-8

    def _move(self, batch: Batch, gap: Tensor) -> None:
        fall = torch.zeros_like(self.bound)
        fall[batch.index] = (self.previous[batch.index] - gap.log()).nan_to_num(nan=0.0)
        self.scores.descend(fall, where=self.previous[batch.index].isfinite().any())
