"""The loss of several tasks at once: dictionaries of outputs and targets in, one number to train on out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from lossary.core import LossInputError, Result
from lossary.core.combination import Weight, check_name

from .adaptive import FAMO, GradNorm
from .aggregation import AggregationName, aggregator, backward, shared_leaves
from .weighting import IMTLL, RLW, Batch, Fixed, GeometricMean, Normalised, Uncertainty, Weighting

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator

WeightingName = Literal[
    "equal", "uncertainty", "gradnorm", "rlw", "imtl_l", "famo", "geometric_mean", "initial", "running"
]
Values: TypeAlias = Mapping[str, Tensor | tuple[Tensor, ...] | None]


@dataclass(frozen=True, kw_only=True)
class StepReport(Result):
    """What one step was: each task's loss and weight, and what the step cost."""

    step: int
    total: float
    losses: Mapping[str, float]
    """Before weighting."""
    weights: Mapping[str, float]
    missing: tuple[str, ...]
    """Tasks without a target in this batch."""
    gradient_weights: Mapping[str, float] | None
    """What the aggregator multiplied each task's gradient by, where one was used that works so."""
    backward_passes: int
    """Backward passes that the step takes, those of the weighting included; a plain sum takes 1."""
    seconds: Mapping[str, float]
    """Time of "losses", "weighting" and, in :meth:`MultitaskLoss.backward`, "backward". On a GPU this is the time to
    queue the work, except for what waits for it."""


@dataclass
class _Step:
    """A step as tensors, so that nothing waits for the GPU unless a report is asked for."""

    step: int
    tasks: Sequence[str]
    missing: tuple[str, ...]
    losses: Tensor
    weights: Tensor
    total: Tensor
    passes: int
    seconds: dict[str, float]
    gradient_weights: Tensor | None = None


class MultitaskLoss(nn.Module):
    """The losses of several tasks, weighed against each other into one.

    A call takes a dictionary of outputs and one of targets and gives the weighted sum. A task without a target (no
    key, or ``None``) is missing in this batch: the others go on, its state stays as it is. :attr:`last` reports the
    step. What the weighting learns or remembers is in the state dict, and so is the step.

    With ``aggregation``, the tasks' gradients are made one where they conflict: in place of ``loss(...).backward()``
    say ``loss.backward(...)``. The parameters that more than one task depends on get the aggregate, all others the
    gradient of the sum.

    Each call in training mode with gradients enabled is one step.

    Args:
        tasks: A loss per task; any modules that give one number.
        weighting: One of "equal", "uncertainty", "gradnorm", "rlw", "imtl_l", "famo", "geometric_mean", "initial",
            "running"; a dictionary of fixed weights, numbers or callables of the step; or a :class:`Weighting` with
            settings of its own. "dwa" needs to know how long an epoch is: ``DWA(every=...)``.
        aggregation: One of "pcgrad", "mgda", "cagrad", "nash_mtl", "aligned_mtl", "upgrad", or an aggregator of
            torchjd. Nash-MTL keeps state of its own that is in no state dict, and takes batches with every task only.

    Raises:
        LossInputError: for no task, a name that can't be one, or an unknown weighting or aggregation.

    >>> loss = MultitaskLoss({"depth": nn.L1Loss(), "count": nn.MSELoss()}, weighting={"count": 0.5})
    >>> one, two = torch.tensor([1.0]), torch.tensor([3.0])
    >>> loss({"depth": one, "count": one}, {"depth": two, "count": two})
    tensor(4.)
    >>> loss.last.losses, loss.last.weights
    ({'depth': 2.0, 'count': 4.0}, {'depth': 1.0, 'count': 0.5})
    """

    def __init__(
        self,
        tasks: Mapping[str, nn.Module],
        weighting: WeightingName | Mapping[str, Weight] | Weighting = "equal",
        *,
        aggregation: AggregationName | Aggregator | None = None,
    ) -> None:
        super().__init__()
        if not tasks:
            raise LossInputError("MultitaskLoss: `tasks` must hold at least one loss, got none.")
        for name, loss in tasks.items():
            check_name("MultitaskLoss", "tasks", name)
            if not isinstance(loss, nn.Module):
                raise LossInputError(f"MultitaskLoss: `tasks` must be modules, got {loss!r} for `{name}`.")
        self.losses = nn.ModuleDict(dict(tasks))
        self.weighting = _weighting(weighting)
        self.weighting.bind(tuple(tasks))
        self.aggregation = aggregator(aggregation, len(tasks)) if isinstance(aggregation, str) else aggregation
        if self.aggregation is not None and not callable(self.aggregation):
            raise LossInputError(f"MultitaskLoss: `aggregation` must be a name or of torchjd, got {aggregation!r}.")
        self.step = 0
        self._last: _Step | None = None

    @property
    def last(self) -> StepReport:
        """Report of the last step. Reading it waits for the GPU; not reading it costs nothing.

        Raises:
            LossInputError: before the first call.
        """
        if (last := self._last) is None:
            raise LossInputError("MultitaskLoss: `last` must be read after a call, got none so far.")
        by = last.gradient_weights
        return StepReport(
            step=last.step,
            total=float(last.total),
            losses=_named(last.tasks, last.losses),
            weights=_named(last.tasks, last.weights),
            missing=last.missing,
            gradient_weights=None if by is None else _named(last.tasks, by),
            backward_passes=last.passes,
            seconds=dict(last.seconds),
        )

    def task_losses(
        self, outputs: Values, targets: Values, *, options: Mapping[str, Mapping[str, Any]] | None = None
    ) -> dict[str, Tensor]:
        """The loss of each task that has a target, before weighting; nothing is counted or kept.

        Raises:
            LossInputError: for a task that does not exist, a target without output, a loss that is not one number, or
                a batch in which every task is missing.
        """
        for argument, given in (("outputs", outputs), ("targets", targets), ("options", options or {})):
            if strange := [name for name in given if name not in self.losses]:
                known = ", ".join(self.losses)
                raise LossInputError(f"MultitaskLoss: `{argument}` must be of the tasks {known}; got {strange[0]!r}.")
        values: dict[str, Tensor] = {}
        for name, loss in self.losses.items():
            if (target := targets.get(name)) is None:
                continue
            if (output := outputs.get(name)) is None:
                raise LossInputError(f"MultitaskLoss: `outputs` must have `{name}`, as it has a target; got none.")
            value = loss(*_tuple(output), *_tuple(target), **(options or {}).get(name, {}))
            if value.ndim:
                shape = tuple(value.shape)
                raise LossInputError(f"MultitaskLoss: the loss of `{name}` must be one number, got shape {shape}.")
            values[name] = value
        if not values:
            raise LossInputError("MultitaskLoss: `targets` must hold at least one task, got none.")
        return values

    def forward(
        self,
        outputs: Values,
        targets: Values,
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        shared: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The weighted sum.

        Args:
            outputs: By task what the model gave: what its loss takes first, a tensor or a tuple of them.
            targets: By task what its loss takes then; a task that has none is missing in this batch.
            options: By task keywords of its loss: ``{"depth": {"mask": mask}}``.
            shared: For GradNorm, the parameters whose gradients are balanced; found where not given.

        Raises:
            LossInputError: as :meth:`task_losses`; and in training with ``aggregation``, which has a
                :meth:`backward` of its own.
        """
        update = self.training and torch.is_grad_enabled()
        if update and self.aggregation is not None:
            raise LossInputError("MultitaskLoss: with `aggregation`, call backward(outputs, targets) in training.")
        return _total(self._weigh(outputs, targets, options, shared, update)[0])

    def backward(
        self,
        outputs: Values,
        targets: Values,
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        shared: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The weighted sum, detached, its gradients added to ``.grad``; through the aggregation where there is one.

        Args:
            outputs: As for a call.
            targets: As for a call.
            options: As for a call.
            shared: The parameters whose gradients are balanced or aggregated; those that more than one of the tasks
                depends on where not given.

        Raises:
            LossInputError: as :meth:`task_losses`; or with Nash-MTL, if a task is missing.
        """
        rows, last = self._weigh(outputs, targets, options, shared, self.training)
        start = time.perf_counter()
        if self.aggregation is None or len(rows) == 1:
            torch.autograd.backward(_total(rows))
        else:
            common = self._shared(rows, shared)
            last.gradient_weights = backward(rows, common, self.aggregation)
            last.passes += len(rows)
        last.seconds["backward"] = time.perf_counter() - start
        return last.total

    def observe(
        self, outputs: Values, targets: Values, *, options: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Show the weighting the same batch again after the optimizer's step: for FAMO, which else takes the next one.

        Raises:
            LossInputError: as :meth:`task_losses`.
        """
        with torch.no_grad():
            values = self.task_losses(outputs, targets, options=options)
            self.weighting.observe(self._batch(values, (), True))

    def _weigh(
        self,
        outputs: Values,
        targets: Values,
        options: Mapping[str, Mapping[str, Any]] | None,
        shared: Sequence[Tensor] | None,
        update: bool,
    ) -> tuple[list[Tensor], _Step]:
        start = time.perf_counter()
        values = self.task_losses(outputs, targets, options=options)
        if len(values) < len(self.losses) and hasattr(self.aggregation, "n_tasks") and update:
            raise LossInputError("MultitaskLoss: with Nash-MTL, `targets` must hold every task, got fewer.")
        middle = time.perf_counter()
        looks = update and self.weighting.needs_shared and len(values) > 1
        parts = tuple(values.values())
        batch = self._batch(values, self._shared(parts, shared) if looks else (), update)
        weights, extra = self.weighting(batch)
        rows = [weight * part for weight, part in zip(weights, parts, strict=True)]
        if extra is not None:
            rows = [row + more for row, more in zip(rows, extra, strict=True)]
        self._last = last = _Step(
            step=self.step,
            tasks=tuple(values),
            missing=tuple(name for name in self.losses if name not in values),
            losses=batch.losses,
            weights=weights.detach(),
            total=_total(rows).detach(),
            passes=1 + (len(values) if looks else 0),
            seconds={"losses": middle - start, "weighting": time.perf_counter() - middle},
        )
        self.step += update
        return rows, last

    def _batch(self, values: Mapping[str, Tensor], shared: tuple[Tensor, ...], update: bool) -> Batch:
        losses = torch.stack([value.detach() for value in values.values()])
        device = str(losses.device)
        if any(str(t.device) != device for t in [*self.weighting.parameters(), *self.weighting.buffers()]):
            raise LossInputError(f"MultitaskLoss: it must be where its losses are, on {device}; call .to({device!r}).")
        order = {name: i for i, name in enumerate(self.losses)}
        index = torch.tensor([order[name] for name in values], device=losses.device)
        parts = tuple(values.values())
        return Batch(losses=losses, parts=parts, index=index, step=self.step, update=update, shared=shared)

    def _shared(self, losses: Sequence[Tensor], shared: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        found = shared_leaves(losses, apart=self.parameters()) if shared is None else tuple(shared)
        if not found:
            raise LossInputError("MultitaskLoss: `shared` must hold what several tasks depend on, got nothing.")
        return found

    def __call__(
        self,
        outputs: Values,
        targets: Values,
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        shared: Sequence[Tensor] | None = None,
    ) -> Tensor:
        return cast(Tensor, super().__call__(outputs, targets, options=options, shared=shared))

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.step)  # a tensor, as formats of nothing but tensors want it

    def set_extra_state(self, state: Tensor) -> None:
        self.step = int(state)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}


_WEIGHTINGS: dict[WeightingName, Callable[[], Weighting]] = {
    "equal": Fixed,
    "uncertainty": Uncertainty,
    "gradnorm": GradNorm,
    "rlw": RLW,
    "imtl_l": IMTLL,
    "famo": FAMO,
    "geometric_mean": GeometricMean,
    "initial": lambda: Normalised("initial"),
    "running": lambda: Normalised("running"),
}


def _weighting(given: WeightingName | Mapping[str, Weight] | Weighting) -> Weighting:
    if isinstance(given, Weighting):
        return given
    if isinstance(given, Mapping):
        return Fixed(given)
    if given not in _WEIGHTINGS:
        known = ", ".join(_WEIGHTINGS)
        raise LossInputError(
            f"MultitaskLoss: `weighting` must be one of {known}, a dictionary of weights or a Weighting such as "
            f"DWA(every=100); got {given!r}."
        )
    return _WEIGHTINGS[given]()


def _tuple(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _named(tasks: Sequence[str], values: Tensor) -> dict[str, float]:
    return dict(zip(tasks, values.tolist(), strict=True))


def _total(rows: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(rows)).sum()
