"""Watching under a trainer: ``LightningDiagnosis`` for Lightning, ``TrainerDiagnosis`` for Hugging Face's Trainer.

Both turn the trainer's hooks into the events of a :class:`~lossary.diagnosis.Run`. The classes are made when they are
first asked for, so that neither package is needed by anything else here::

    watching = LightningDiagnosis()
    lightning.Trainer(callbacks=[watching]).fit(model, loader)
    print(watching.diagnosis.summary)
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .discovery import LOSSES
from .hooks import Patches, after_each_module
from .result import Diagnosis
from .watch import Run

__all__ = ["LightningDiagnosis", "TrainerDiagnosis"]  # noqa: F822 - made by __getattr__


def __getattr__(name: str) -> Any:
    if name == "LightningDiagnosis":
        return _lightning()
    if name == "TrainerDiagnosis":
        return _hugging_face()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True, slots=True)
class _Called:
    """The last call of an outermost module while gradients were recorded."""

    module: nn.Module
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    out: Any


class _Listening:
    """What trainers don't tell their callbacks: which part is called, and what goes into the loss."""

    def __init__(self, network: nn.Module) -> None:
        self._names = {id(m): name for name, m in network.named_modules() if next(m.parameters(), None) is not None}
        self._calls: dict[str, _Called] = {}
        self._narrowed = False
        self.loss: Tensor | None = None
        self.fed: tuple[Any, Any] = (None, None)
        self.others: list[Tensor] = []
        """Losses that were computed without gradients, as in validation."""
        self.patches = Patches()
        for name in LOSSES:
            self.patches.after(F, name, self._loss_computed)
        self._deafen = after_each_module(self._module_called)

    def stop(self) -> None:
        """Leave everything as it was."""
        self._deafen()
        self.patches.undo()
        self.forget()

    def forget(self) -> None:
        """A batch is done."""
        self._calls, self.loss, self.fed = {}, None, (None, None)

    def outermost(self) -> list[_Called]:
        """Calls in this batch of modules that no other called one contains; only these are listened to from then on."""
        found = {n: c for n, c in self._calls.items() if not any(o != n and _inside(n, o) for o in self._calls)}
        if found and not self._narrowed:
            self._names = {id(call.module): name for name, call in found.items()}
            self._narrowed = True
        return list(found.values())

    def _module_called(self, module: nn.Module, arguments: Any, keywords: Any, out: Any) -> None:
        name = self._names.get(id(module))
        if name is not None and torch.is_grad_enabled():
            self._calls[name] = _Called(module, arguments, keywords, out)

    def _loss_computed(self, result: Any, arguments: Any, keywords: Any) -> None:
        if not isinstance(result, Tensor) or result.numel() != 1:
            return
        if not torch.is_grad_enabled():
            self.others.append(result.detach().reshape(()))
            return
        output = arguments[0] if arguments else keywords.get("input")
        target = arguments[1] if len(arguments) > 1 else keywords.get("target")
        ignored = keywords.get("ignore_index", -100)
        if _places(output, target) and bool((target == ignored).any()):
            output, target = output[target != ignored], target[target != ignored]
        self.loss, self.fed = result, (output, target)


def _inside(name: str, other: str) -> bool:
    return not other or name.startswith(f"{other}.")


def _places(output: Any, target: Any) -> bool:
    """Whether these are rows of class scores and a class for each."""
    tensors = isinstance(output, Tensor) and isinstance(target, Tensor)
    return tensors and output.ndim == 2 and target.ndim == 1 and not target.is_floating_point()


class _Watching:
    """What the two callbacks share: a run, what is listened to, and the diagnosis."""

    def __init__(self, *, probes: bool = True, seconds: float = 10.0) -> None:
        super().__init__()
        self._probes, self._seconds = probes, seconds
        self.run = Run(probes=probes, seconds=seconds)
        self._listening: _Listening | None = None
        self._diagnosis: Diagnosis | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """What was found; asking for it ends the watch."""
        self._end()
        if self._diagnosis is None:
            self._diagnosis = self.run.diagnose()
        return self._diagnosis

    def _begin(self, network: nn.Module) -> _Listening:
        self._end()
        self.run, self._diagnosis = Run(probes=self._probes, seconds=self._seconds), None
        self._listening = _Listening(network)
        return self._listening

    def _end(self, error: BaseException | None = None) -> None:
        if self._listening is not None:
            self._listening.stop()
            self._listening = None
            self.run.ended_by(None if error is None else type(error), error, None)


def _missing(owner: str, package: str, extra: str) -> ImportError:
    return ImportError(f"{owner}: needs {package}, which is not installed: pip install 'lossary[{extra}]'.")


@functools.cache
def _lightning() -> type[Any]:
    """The class for whichever of Lightning's two packages is in use."""
    names = ("lightning.pytorch", "pytorch_lightning")
    for name in sorted(names, key=lambda name: name not in sys.modules):
        try:
            base: Any = importlib.import_module(name).Callback
        except ModuleNotFoundError:
            continue
        break
    else:
        raise _missing("LightningDiagnosis", "lightning", "lightning")

    class LightningDiagnosis(_Watching, base):  # type: ignore[misc]  # Lightning is no dependency
        """Watches a ``lightning.Trainer``; give it as a callback, and ask for ``diagnosis`` afterwards.

        Args:
            probes: See :class:`~lossary.diagnosis.Run`.
            seconds: See :class:`~lossary.diagnosis.Run`.
            val_loss: The name under which the module logs its validation loss. Where it logs none, the mean of the
                losses of ``torch.nn.functional`` that validation computes stands in.
        """

        def __init__(self, *, probes: bool = True, seconds: float = 10.0, val_loss: str = "val_loss") -> None:
            super().__init__(probes=probes, seconds=seconds)
            self._val_loss = val_loss
            self._started = self._told = self._validated = False
            self._batch: Any = None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """Listen; the run begins with the first loss, when it is known what is called."""
            self._begin(pl_module)
            self._started = self._told = self._validated = False

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            """A batch comes."""
            self._batch, self._told = batch, False

        def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
            """A loss was computed."""
            self._tell(trainer, pl_module, loss)

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *more: Any
        ) -> None:
            """A turn is over; a loss of manual optimization that never went backward is told now."""
            listening = self._listening
            if listening is None:
                return
            if not self._told and listening.loss is not None:
                self._tell(trainer, pl_module, listening.loss)
            self.run.on_step_end(trainer.global_step, trainer.current_epoch)
            listening.forget()
            self._batch = None

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            """From here on losses without gradients are those of validation."""
            if self._listening is not None:
                self._listening.others.clear()

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            """There may be a validation loss."""
            self._validated = True

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """An epoch is over, and the validation at its end."""
            if self._listening is None or not self._started:
                return
            logged = trainer.callback_metrics.get(self._val_loss) if self._validated else None
            others = self._listening.others
            value = float(logged) if logged is not None else float(torch.stack(others).mean()) if others else None
            self.run.on_epoch_end(None, value)
            self._validated = False
            others.clear()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            """Training ended so."""
            self._end(exception)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            """Training is over."""
            self._end()

        def _tell(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
            listening = self._listening
            if listening is None:
                return
            self._told = True
            calls = listening.outermost()
            if not self._started:
                self._started = True
                self._start(trainer, pl_module, calls)
            batch = tuple(self._batch) if isinstance(self._batch, (list, tuple)) else self._batch
            output, target = listening.fed
            last = calls[-1] if calls else None
            if output is None and last is not None:
                output = last.out
            if target is None and isinstance(batch, tuple) and len(batch) > 1:
                target = batch[-1]
            x = batch[0] if isinstance(batch, tuple) and batch else batch
            if last is not None and last.arguments:
                x = last.arguments[0]
            self.run.on_batch(x if target is None else (x, target), output, loss)

        def _start(self, trainer: Any, pl_module: Any, calls: list[_Called]) -> None:
            model: nn.Module = calls[0].module if len(calls) == 1 else pl_module
            if len(trainer.optimizers) > 1:  # parts of a game are told apart by their names
                parts = {n: m for n, m in pl_module.named_children() if next(m.parameters(), None) is not None}
                model = nn.ModuleDict(parts)
            self.run.on_start(model, None, list(trainer.optimizers), self._batch)
            self.run.on_context(trainer.train_dataloader, trainer.val_dataloaders, _schedulers(trainer))
            for call in calls:  # this first time it was not known yet
                self.run.module_called(call.module, call.arguments, call.keywords, call.out)

    return _named(LightningDiagnosis)


def _schedulers(trainer: Any) -> Any:
    found = [config.scheduler for config in trainer.lr_scheduler_configs]
    return found[0] if len(found) == 1 else found or None


class _Answering(nn.Module):
    """A model of keywords, which gives an object, as a function of its inputs that gives scores."""

    def __init__(self, model: nn.Module, only: str = "") -> None:
        super().__init__()
        self.model = model
        self.only = only
        """The input's name, where there is one besides the labels."""

    def forward(self, inputs: Any) -> Any:
        """Scores for the inputs: a tensor where there is one, otherwise by name."""
        return _scores(self.model(**({self.only: inputs} if self.only else inputs)))


def _scores(out: Any) -> Any:
    """What a model of transformers gives besides the loss."""
    if isinstance(out, Mapping):
        rest = [value for key, value in out.items() if key != "loss"]
        return out["logits"] if "logits" in out else rest[0] if rest else None
    if isinstance(out, (tuple, list)):  # the loss comes first where it was computed
        scores = out[1:] if len(out) > 1 and isinstance(out[0], Tensor) and out[0].ndim == 0 else out
        return scores[0] if scores else None
    return out


@functools.cache
def _hugging_face() -> type[Any]:
    try:
        base: Any = importlib.import_module("transformers").TrainerCallback
    except ModuleNotFoundError:
        raise _missing("TrainerDiagnosis", "transformers", "hf") from None

    class TrainerDiagnosis(_Watching, base):  # type: ignore[misc]  # transformers is no dependency
        """Watches a ``transformers.Trainer``; give it as a callback, and ask for ``diagnosis`` afterwards.

        The Trainer does not tell its callbacks of an exception: the watch then ends when ``diagnosis`` is asked for.

        Args:
            probes: See :class:`~lossary.diagnosis.Run`.
            seconds: See :class:`~lossary.diagnosis.Run`.
        """

        _started = False
        _context: Mapping[str, Any]

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            """Listen; the run begins with the first loss, when the inputs' names are known."""
            listening = self._begin(more["model"])
            listening.patches.before(torch.Tensor, "backward", lambda a, k: self._backward(a[0]))
            self._started, self._context = False, more

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            """The optimizer has stepped."""
            if self._listening is not None:
                self.run.on_step_end(state.global_step, int(state.epoch or 0))
                self._listening.forget()

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            """Validation is done; it comes after the end of its epoch."""
            if self._listening is not None and self._started:
                self.run.on_epoch_end(None, (more.get("metrics") or {}).get("eval_loss"))

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            """Training is over."""
            self._end()

        def _backward(self, loss: Any) -> None:
            listening = self._listening
            calls = listening.outermost() if listening is not None else []
            if listening is None or not calls or not isinstance(loss, Tensor) or loss.numel() != 1:
                return
            call, (output, target) = calls[0], listening.fed
            inputs = dict(call.keywords)
            labels = inputs.pop("labels", None)
            names = [name for name, value in inputs.items() if isinstance(value, Tensor)]
            if output is None:
                output, target = _scores(call.out), labels
            x = inputs[names[0]] if len(names) == 1 else {name: inputs[name] for name in names}
            batch = (x, target) if target is not None else x
            if not self._started:
                self._started = True
                self._start(_Answering(call.module, names[0] if len(names) == 1 else ""), batch)
            self.run.on_batch(batch, output, loss)
            listening.forget()

        def _start(self, model: nn.Module, batch: Any) -> None:
            told = self._context
            optimizer = told.get("optimizer")
            while isinstance(optimizer, torch.optim.Optimizer) and hasattr(optimizer, "optimizer"):
                optimizer = optimizer.optimizer  # accelerate's wrapper, whose hooks never fire
            self.run.on_start(model, None, optimizer, batch)
            self.run.on_context(told.get("train_dataloader"), told.get("eval_dataloader"), told.get("lr_scheduler"))

    return _named(TrainerDiagnosis)


def _named(made: type[Any]) -> type[Any]:
    """The class, found under its name by pickle."""
    made.__qualname__ = made.__name__
    return made
