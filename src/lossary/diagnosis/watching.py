"""The observer of a training run: events come in, a record comes out, and the run does not notice."""

from __future__ import annotations

import copy
import math
import time
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from lossary.core import LossInputError

from .batches import copied, elements_of, first_tensor, parts_of, size_of
from .graph import facts_of, last_operation
from .hooks import Hooks
from .measuring import StepMeasure, activation, depends_on_mode, tracked
from .record import Activation, Call, Epoch, Kept, Moment, Record

_SHARE = 0.01
"""Of the processor's time in the training thread, what sampling may take."""
_FREE = 0.03
"""Seconds of sampling that are free of that bound."""
_SPARSE = 1.5
"""Steps lie at most that many times as far from the start as the one sampled before, whatever it takes: so there is
something of every part of a run, and its length costs no more than its logarithm."""
_KEPT_SAMPLES = 2048
_KEPT_BATCHES = 64
_KEPT_ELEMENTS = 8_000_000
_LARGEST_COPY = 50_000_000
"""Elements of a model that is still copied before training."""
_GRAPHS = 6


class Watcher:
    """Takes in the events of a run and fills a record."""

    def __init__(self) -> None:
        self.record = Record()
        self._hooks: Hooks | None = None
        self._watching = False
        self._began = self._began_by_clock = 0.0
        self._spent = self._between = 0.0
        self._next_sample = self._last_pair = 4
        self._sampled, self._sampled_next = False, True
        self._pending: list[tuple[Moment, Tensor]] = []
        self._elements = self._rows = 0
        self._names: dict[int, str] = {}
        self._measures: dict[int, StepMeasure] = {}
        self._current_sample: Any = None
        self._closure = False
        self._activations: list[Activation] = []
        self._call: tuple[tuple[Any, ...], dict[str, Any], Any] | None = None
        self._epoch = 0

    # ---- events of the observer form

    def on_start(self, model: nn.Module, loss_fn: Any = None, optimizer: Any = None, example_batch: Any = None) -> None:
        """Training is about to begin.

        Args:
            model: The module that is trained; several as a ``ModuleDict`` or ``ModuleList``.
            loss_fn: What computes the loss of ``(output, target)``, where there is such a thing.
            optimizer: The optimizer, or a list of them.
            example_batch: ``(inputs, target)``, as the loop gets it.
        """
        if not isinstance(model, nn.Module):
            raise LossInputError(f"watch: `model` must be a torch.nn.Module, got {type(model).__name__}.")
        given = list(optimizer.values()) if isinstance(optimizer, Mapping) else optimizer
        optimizers = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
        for each in optimizers:
            if not isinstance(each, torch.optim.Optimizer):
                raise LossInputError(f"watch: `optimizer` must be a torch.optim.Optimizer, got {type(each).__name__}.")
        started = time.thread_time()
        record = self.record
        record.model, record.loss_fn, record.example = model, loss_fn, example_batch
        self._names = {id(module): name for name, module in model.named_modules()}
        if sum(p.numel() for p in model.parameters()) <= _LARGEST_COPY:
            try:
                record.initial = copy.deepcopy(model)
            except Exception:  # whatever a model does not let itself be copied for: nothing is retrained then
                record.initial = None
        for each in optimizers:
            self._add(each)
        if self._hooks is None:
            self._hooks = Hooks(self)
            self._hooks.install()
            # A run that is dropped without its end, as in a notebook, must not go on listening.
            weakref.finalize(self, self._hooks.remove).atexit = False
            self._watching = True
            self._began, self._began_by_clock = time.thread_time(), time.perf_counter()
        self._hooks.listen_to_modules(True)
        self._spent += time.thread_time() - started

    def on_context(self, train_loader: Any = None, val_loader: Any = None, scheduler: Any = None) -> None:
        """What else belongs to the run; ``None`` for what is not there."""
        self.record.train_loader, self.record.val_loader = train_loader, val_loader
        self.record.scheduler = scheduler

    def on_batch(self, batch: Any, output: Any, loss: Tensor) -> None:
        """A loss was computed; call it before ``backward``.

        Args:
            batch: What the loader gave, ``(inputs, target)`` or anything else.
            output: What went into the loss.
            loss: The loss ``()``.
        """
        self._sampled = self._sampled_next
        started = self._now()
        record = self.record
        number = len(record.moments)
        model = record.model
        tensor = isinstance(loss, Tensor)
        here = not tensor or loss.device.type == "cpu"
        moment = Moment(
            number=number,
            epoch=self._epoch,
            loss=(loss.item() if tensor and loss.numel() == 1 else float(loss)) if here else math.nan,
            size=size_of(batch),
            training=model.training if model is not None else True,
            requires_grad=tensor and loss.requires_grad,
        )
        record.moments.append(moment)
        if not here:  # read in bulk later: each reading waits for the device
            self._pending.append((moment, loss.detach().reshape(-1)[:1].clone()))
            if len(self._pending) >= 64:
                self._settle()
        if self._sampled:
            moment.sampled = True
            moment.output_requires_grad = (first := first_tensor(output)) is not None and first.requires_grad
            self._sample_batch(moment, batch, output, loss)
        elif number < _KEPT_BATCHES:
            self._keep(moment, batch, output)
        due = self._due(number + 1)
        if self._hooks is not None and (due != self._sampled or number == 0):
            self._hooks.listen_to_modules(due)
        self._sampled_next = due
        self._took(started)

    def on_step_end(self, step: int, epoch: int, model: nn.Module | None = None, optimizer: Any = None) -> None:
        """A turn of the loop is over, whether an optimizer stepped in it or not."""
        self.record.loop_steps += 1
        self._epoch = int(epoch)

    def on_epoch_end(self, train_loss: float | None = None, val_loss: float | None = None) -> None:
        """An epoch is over; the losses are the loop's own figures, where it has some."""
        epochs = self.record.epochs
        numbers = [None if x is None else float(x) for x in (train_loss, val_loss)]
        epochs.append(Epoch(len(epochs), len(self.record.moments), *numbers))
        self._epoch = len(epochs)

    def on_end(self) -> None:
        """Training is over."""
        if not self._watching:
            return
        self._settle()
        if self._hooks is not None:
            self._hooks.remove()
        self._hooks = None
        self._watching = False
        self.record.seconds = time.perf_counter() - self._began_by_clock
        self.record.watching = (self._spent + self._between) / max(time.thread_time() - self._began, 1e-9)

    # ---- events that torch tells

    def step_begins(self, optimizer: torch.optim.Optimizer, closure: bool) -> None:
        """Before a step: gradients as they are used."""
        sampled = self._sampled_next if closure else self._sampled
        started = self._now(sampled)
        record = self.record
        record.steps += 1
        index = self._add(optimizer)
        self._closure = closure
        if not closure:
            self._stepped(optimizer, index)
        if sampled and (closure or record.moments):
            number = len(record.moments) if closure else record.moments[-1].number
            self._current_sample = self._measures[index].begin(number, index)
        self._took(started, sampled)

    def step_ends(self, optimizer: torch.optim.Optimizer) -> None:
        """After a step: what it changed. A closure computed its losses within the step."""
        if self._closure:
            self._stepped(optimizer, self._add(optimizer))
        if self._current_sample is None:
            return
        started = time.thread_time()
        sample, self._current_sample = self._current_sample, None
        self._measures[self._add(optimizer)].end(sample, gradients_now=self._closure)
        sample.activations, self._activations = self._activations, []
        self.record.samples.append(sample)
        self._spent += time.thread_time() - started

    def _stepped(self, optimizer: torch.optim.Optimizer, index: int) -> None:
        """The losses since the last step are those that this one used."""
        record = self.record
        groups = optimizer.param_groups
        rates = [float(group.get("lr", math.nan)) for group in groups]
        lr = rates[0] if len(rates) == 1 else max(rates, default=math.nan)
        empty, gone = None, False
        for moment in reversed(record.moments):
            if moment.optimizer != -1:
                break
            moment.optimizer, moment.lr, moment.step = index, lr, record.steps
            moment.cleared = None if moment.cleared is None else index not in moment.dirty
            if moment.sampled and not self._closure:
                if empty is None:
                    own = [p for group in groups for p in group["params"]]
                    empty, gone = not any(map(_some_gradient, own)), all(p.grad is None for p in own)
                moment.empty_step, moment.gone = empty, gone
                moment.backward = moment.backward or not empty

    def zeroed(self) -> None:
        """Gradients were zeroed; too late, if backward has been and the step has not."""
        record = self.record
        record.zeroings += 1
        if record.moments and record.moments[-1].optimizer == -1 and record.moments[-1].backward:
            record.moments[-1].zeroed_late = True

    def set_to_evaluation(self) -> None:
        """A module was set to evaluation mode."""
        self.record.evaluations += 1

    def dropped(self, share: float) -> None:
        """Dropout was applied."""
        if share > self.record.dropout and torch.is_grad_enabled():
            self.record.dropout = share

    def clipped(self, norm: Any, most: Any) -> None:
        """The gradient was cut, or would have been had it been larger."""
        if self._sampled and self.record.moments:
            moment = self.record.moments[-1]
            moment.norm_before_clipping, moment.clipped_to = float(norm), float(most)

    def module_called(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], out: Any) -> None:
        """A module was called while modules are listened to."""
        started = time.perf_counter()
        record = self.record
        name = self._names.get(id(module))
        if name is None:
            return
        if not torch.is_grad_enabled():
            if module is record.model and module.training and any(map(depends_on_mode, module.modules())):
                record.validation_in_training_mode += 1
            return
        record.called.add(name)
        if module is record.model:
            self._call = (arguments, keywords, out)
        elif isinstance(record.model, (nn.ModuleDict, nn.ModuleList)) and "." not in name:
            self._keep_call(name, arguments, out)
        self._activations += activation(name, module, arguments, out)
        self._spent += time.perf_counter() - started

    # ---- within

    def _add(self, optimizer: torch.optim.Optimizer) -> int:
        record = self.record
        for index, known in enumerate(record.optimizers):
            if known is optimizer:
                return index
        record.optimizers.append(optimizer)
        record.hyperparameters.append(
            [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
        )
        names = {id(p): name for name, p in record.model.named_parameters()} if record.model is not None else {}
        own = [p for group in optimizer.param_groups for p in group["params"]]
        index = len(record.optimizers) - 1
        self._measures[index] = StepMeasure(
            tracked([(names.get(id(p), f"parameter {i} outside the model"), p) for i, p in enumerate(own)])
        )
        return index

    def _now(self, sampled: bool | None = None) -> float:
        """The thread's own time where something is measured; between, where microseconds pass, the clock on the wall:
        to ask the system for the other would take longer than what it is to time."""
        return time.thread_time() if (self._sampled if sampled is None else sampled) else time.perf_counter()

    def _took(self, started: float, sampled: bool | None = None) -> None:
        """Add the time since then to what sampling took, or to what passed between samples."""
        sampled = self._sampled if sampled is None else sampled
        if sampled:
            self._spent += self._now(sampled) - started
        else:
            self._between += self._now(sampled) - started

    def _due(self, number: int) -> bool:
        """The first steps, then pairs of steps, further and further apart, as far as time allows."""
        if number < 4:
            return True
        if number == self._next_sample + 1:
            self._next_sample = int(number * 1.2) + 4
            return True
        if number < self._next_sample:
            return False
        scarce = number < _SPARSE * self._last_pair
        if scarce and self._spent > _FREE + _SHARE * (time.thread_time() - self._began):
            self._next_sample = number + 1 + number // 16
            return False
        self._next_sample = self._last_pair = number
        return True

    def _sample_batch(self, moment: Moment, batch: Any, output: Any, loss: Any) -> None:
        record = self.record
        self._keep(moment, batch, output)
        if isinstance(loss, Tensor) and loss.requires_grad:
            if len(record.graphs) < _GRAPHS:
                facts = facts_of(loss)
                if facts is not None:
                    record.graphs[moment.number] = facts
                first = first_tensor(output)
                record.last_operations[moment.number] = last_operation(first) if first is not None else ""
            loss.register_hook(_BackwardBegins(self, moment))  # type: ignore[no-untyped-call]
        self._call = None

    def backward_begins(self, moment: Moment) -> None:
        """The gradient of a sampled loss is about to be computed."""
        if moment.backward:
            return
        moment.backward = True
        held = [[p for g in optimizer.param_groups for p in g["params"]] for optimizer in self.record.optimizers]
        moment.dirty = frozenset(i for i, own in enumerate(held) if any(map(_some_gradient, own[:8] + own[-8:])))
        moment.cleared = not moment.dirty

    def _keep(self, moment: Moment, batch: Any, output: Any) -> None:
        """Copy a batch: the first ones in a row, later ones where they are sampled, as far as memory is given."""
        record = self.record
        late = moment.number >= _KEPT_BATCHES
        if self._elements > _KEPT_ELEMENTS or len(record.kept) >= 2 * _KEPT_BATCHES:
            return
        if self._rows > (2 * _KEPT_SAMPLES if late else _KEPT_SAMPLES) and len(record.kept) > 4:
            return
        arguments, keywords = (self._call[0], self._call[1]) if self._call is not None else ((), {})
        own = copied(batch)
        x, target = parts_of(own)
        if not arguments and not keywords and x is not None:
            arguments = (x,)
        kept = Kept(
            number=moment.number,
            arguments=copied(arguments),
            keywords=copied(keywords),
            batch=own,
            target=target,
            output=copied(output),
            loss=moment.loss,
            training=moment.training,
        )
        self._elements += elements_of(kept.batch) + elements_of(kept.output) + elements_of(kept.arguments)
        self._rows += moment.size
        record.kept.append(kept)

    def _keep_call(self, name: str, arguments: tuple[Any, ...], out: Any) -> None:
        calls = self.record.calls
        if len(calls) > 400:
            del calls[100]
        first = arguments[0] if arguments and isinstance(arguments[0], Tensor) else None
        given = out if isinstance(out, Tensor) else None
        own = copied(arguments)
        calls.append(Call(name, own, own[0] if first is not None else None, copied(given), len(self.record.moments)))

    def _settle(self) -> None:
        if not self._pending:
            return
        values = torch.cat([value.float().cpu() for _, value in self._pending]).tolist()
        for (moment, _), value in zip(self._pending, values, strict=True):
            moment.loss = value
        self._pending = []
        losses = {moment.number: moment.loss for moment in self.record.moments[-256:]}
        for kept in self.record.kept:
            if kept.number in losses:
                kept.loss = losses[kept.number]

    def ended_by(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The run ended, by an exception or well."""
        self.record.error = error
        self.on_end()


class _BackwardBegins:
    """A hook on a loss; an object of its own so that the graph holds no more than it needs."""

    def __init__(self, watcher: Watcher, moment: Moment) -> None:
        self._watcher, self._moment = watcher, moment

    def __call__(self, gradient: Tensor) -> None:
        self._watcher.backward_begins(self._moment)


def _some_gradient(parameter: Tensor) -> bool:
    gradient = parameter.grad
    if gradient is None:
        return False
    return gradient.is_sparse or bool((gradient != 0).any())
