"""The first steps of the run again, on a copy and with one thing changed: what helps there is a cause here."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .batches import averaged, size_of
from .recognition import Recognised
from .record import Kept, Record

_STEPS = 120
_HELD = 512
"""Samples on which the outcome is measured."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is otherwise than in the run."""

    lr: float = 1.0
    """Factor of the learning rate."""
    momentum: float | None = None
    weight_decay: float | None = None
    model: Callable[[nn.Module], None] | None = None
    """Edits the copy before training."""
    inputs: Callable[[Tensor], Tensor] | None = None
    batches: Callable[[list[Kept]], list[Kept]] | None = None
    dropout: float | None = None
    """At most this share is dropped."""
    clip: float | None = None
    """The norm to which gradients are cut."""
    training: bool | None = None
    """The model's mode, where it is not the one of the run."""
    all_parameters: bool = False
    """Whether all are trained, also those that the run's optimizer has not."""


@dataclass
class Replay:
    """Repeats a run's beginning. Losses are of the training data, measured after the steps in the same mode."""

    record: Record
    loss: Callable[[Any, Kept], Tensor]
    """Of the model's output and what else the batch has."""
    batches: list[Kept]
    seconds: float
    spent: float = 0.0
    results: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record, recognised: Recognised | None, seconds: float) -> Replay | None:
        """A replay, if the model could be copied and the loss of its batches can be computed anew."""
        batches = [k for i, k in enumerate(record.kept) if k.number == i and k.arguments]
        if record.initial is None or isinstance(record.initial, (nn.ModuleDict, nn.ModuleList)) or not batches:
            return None
        if len(record.optimizers) != 1 or type(record.optimizers[0]).__name__ in ("LBFGS", "SparseAdam"):
            return None
        candidates: list[Callable[[Any, Kept], Tensor]] = []
        if callable(record.loss_fn):
            loss_fn = record.loss_fn
            candidates += [lambda output, kept: loss_fn(output, kept.target),
                           lambda output, kept: loss_fn(output, kept.batch)]  # fmt: skip
        if recognised is not None and math.isfinite(recognised.factor):
            factor, known = recognised.factor, recognised.known
            candidates.append(lambda output, kept: factor * known.value(output, kept.target))
        finite = [k for k in batches[:3] if math.isfinite(k.loss)]  # what is NaN equals nothing, not even itself
        for candidate in candidates if finite else ():
            if all(_reproduces(candidate, k) for k in finite):
                replay = cls(record, candidate, batches, seconds)
                return replay if math.isfinite(replay.untrained) else None
        return None

    @property
    def _warm(self) -> float:
        """The highest learning rate over the first: more than 1 where the run warmed up."""
        first = max((float(g.get("lr", 0.0)) for g in self.record.hyperparameters[0]), default=0.0)
        highest = max((m.lr for m in self.record.moments if math.isfinite(m.lr)), default=0.0)
        return max(highest / first, 1.0) if first > 0 else 1.0

    @property
    def untrained(self) -> float:
        """The loss of the held samples before any step."""
        if "untrained" not in self.results:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                model = copy.deepcopy(self.record.initial)
                assert model is not None
                try:
                    self.results["untrained"] = self._measure(model, self.batches)
                except Exception:  # the model can't be called as it was
                    self.results["untrained"] = math.nan
        return self.results["untrained"]

    @torch.no_grad()
    def of_mean(self, outputs: list[Any]) -> float:
        """The loss if every sample of a batch had the mean of the batch's outputs; NaN where they are no rows.

        Args:
            outputs: The model's, for each of the first batches.
        """
        total, rows = 0.0, 0
        try:
            for kept, output in zip(self.batches, outputs, strict=False):
                n = max(size_of(kept.batch), 1)
                total, rows = total + n * float(self.loss(averaged(output), kept)), rows + n
        except Exception:  # a loss that does not take it
            return math.nan
        return total / rows if rows else math.nan

    def __call__(self, name: str = "as it was", change: Change | None = None) -> float:
        """The loss after the steps; infinite if it diverged, NaN if there was no time or it can't be done."""
        if name in self.results:
            return self.results[name]
        if self.spent > self.seconds:
            return math.nan
        began = time.thread_time()
        try:
            with torch.random.fork_rng(), torch.enable_grad():
                torch.manual_seed(0)
                self.results[name] = self._run(change or Change())
        except Exception:  # a change that the model does not take
            self.results[name] = math.nan
        self.spent += time.thread_time() - began
        return self.results[name]

    def _run(self, change: Change) -> float:
        if change.dropout is None:
            return self._trained(change)
        original, most = F.dropout, change.dropout

        def less(input: Tensor, p: float = 0.5, *rest: Any, **more: Any) -> Tensor:
            return original(input, min(p, most), *rest, **more)

        try:
            F.dropout = less
            return self._trained(change)
        finally:
            F.dropout = original

    def _trained(self, change: Change) -> float:
        model = copy.deepcopy(self.record.initial)
        assert model is not None
        if change.model is not None:
            change.model(model)
        batches = change.batches(self.batches) if change.batches is not None else self.batches
        if change.inputs is not None:
            edit = change.inputs
            batches = [_with_arguments(k, (edit(k.arguments[0]), *k.arguments[1:])) for k in batches]
        optimizer = self._optimizer(model, change)
        steps = max(8, min(_STEPS, 3 * max(len(batches), 20)))
        began = time.thread_time()
        for step in range(steps):
            kept = batches[step % len(batches)]
            model.train(kept.training if change.training is None else change.training)
            optimizer.zero_grad()
            loss = self.loss(model(*kept.arguments, **kept.keywords), kept)
            if not bool(torch.isfinite(loss)):
                return math.inf
            loss.backward()  # type: ignore[no-untyped-call]
            if change.clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), change.clip)
            optimizer.step()
            if time.thread_time() - began > self.seconds / 4:
                break
        return self._measure(model, batches)

    def _optimizer(self, model: nn.Module, change: Change) -> torch.optim.Optimizer:
        original = self.record.optimizers[0]
        names = {id(p): name for name, p in self.record.model.named_parameters()} if self.record.model else {}
        copies = dict(model.named_parameters())
        groups = []
        for group, settings in zip(original.param_groups, self.record.hyperparameters[0], strict=False):
            own = [copies[names[id(p)]] for p in group["params"] if id(p) in names and names[id(p)] in copies]
            new = {**settings, "params": own, "lr": float(settings.get("lr", 1e-3)) * self._warm * change.lr}
            new.pop("initial_lr", None)
            if change.momentum is not None:
                if "betas" in new:
                    new["betas"] = (change.momentum, new["betas"][1])
                elif "momentum" in new:
                    new["momentum"] = change.momentum
            if change.weight_decay is not None and "weight_decay" in new:
                new["weight_decay"] = change.weight_decay
            groups.append(new)
        if change.all_parameters or not any(group["params"] for group in groups):  # or it has none of the model's
            groups = [{**groups[0], "params": list(copies.values())}]
        kind: Any = type(original)
        new_optimizer: torch.optim.Optimizer = kind(groups)
        return new_optimizer

    @torch.no_grad()
    def _measure(self, model: nn.Module, batches: list[Kept]) -> float:
        total, rows = 0.0, 0
        for kept in batches:
            model.train(kept.training)
            value = float(self.loss(model(*kept.arguments, **kept.keywords), kept))
            if not math.isfinite(value):
                return math.inf
            n = (
                len(kept.target)
                if isinstance(kept.target, Tensor) and kept.target.ndim
                else max(size_of(kept.batch), 1)
            )
            total, rows = total + value * n, rows + n
            if rows >= _HELD:
                break
        return total / rows


def _reproduces(loss: Callable[[Any, Kept], Tensor], kept: Kept) -> bool:
    try:
        with torch.random.fork_rng(), torch.no_grad():
            value = float(loss(kept.output, kept))
    except Exception:  # not a function of output and target
        return False
    return value == kept.loss or abs(value - kept.loss) <= 1e-3 * max(abs(kept.loss), 1e-6)


def _with_arguments(kept: Kept, arguments: tuple[Any, ...]) -> Kept:
    return Kept(kept.number, arguments, kept.keywords, kept.batch, kept.target, kept.output, kept.loss, kept.training)
