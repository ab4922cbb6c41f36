"""The public face of watching: ``with lossary.watch(model, loss_fn, optimizer) as run`` and its observer form."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from lossary.core import LossInputError

from .live import Live
from .result import Diagnosis
from .run import diagnose
from .watching import Watcher


class Run(Watcher):
    """A run that is watched: tell it what happens, then ask what is wrong.

    Args:
        probes: Whether doubts may be settled by trials: the first steps anew on a copy of the model, with a remedy.
            They run in :meth:`diagnose`, after the training, and leave model and random numbers alone.
        seconds: What trials may take together, of the processor: a busy machine does not cut them short.
        live: Whether a line is printed for each cause as soon as it is sure, while training goes on.

    Raises:
        LossInputError: for a time that is not positive.

    >>> import torch
    >>> model = torch.nn.Linear(3, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> run = Run(probes=False)
    >>> run.on_start(model, torch.nn.functional.mse_loss, optimizer)
    >>> for step in range(8):
    ...     x = torch.randn(16, 3)
    ...     y = x.sum(1)
    ...     output = model(x)
    ...     loss = torch.nn.functional.mse_loss(output, y.expand(16, 16).T[:, :1] * 1)
    ...     run.on_batch((x, y), output, loss)
    ...     loss.backward()
    ...     run.on_step_end(step, 0, model, optimizer)
    >>> run.on_end()
    >>> run.diagnose().best.cause
    'missing_step'
    """

    def __init__(self, *, probes: bool = True, seconds: float = 10.0, live: bool = False) -> None:
        if not seconds > 0:
            raise LossInputError(f"watch: `seconds` must be positive, got {seconds!r}.")
        super().__init__()
        self._probes, self._seconds = probes, seconds
        self._live = Live() if live else None

    def on_batch(self, batch: Any, output: Any, loss: Tensor) -> None:
        if self._live is not None and self._live.due(len(self.record.moments)):
            started = time.thread_time()
            self._settle()
            self._live(self.record)
            self._spent += time.thread_time() - started
        super().on_batch(batch, output, loss)

    on_batch.__doc__ = Watcher.on_batch.__doc__

    def diagnose(self) -> Diagnosis:
        """Ask every rule about what was seen so far; may be asked again later."""
        self._settle()
        return diagnose(self.record, probes=self._probes, seconds=self._seconds)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended_by(kind, error, trace)


def watch(
    model: nn.Module,
    loss_fn: Any = None,
    optimizer: Any = None,
    *,
    probes: bool = True,
    seconds: float = 10.0,
    live: bool = False,
) -> Run:
    """Watch a plain loop.

    Args:
        model: The module that is trained.
        loss_fn: What computes the loss.
        optimizer: The optimizer, or several.
        probes: See :class:`Run`.
        seconds: See :class:`Run`.
        live: See :class:`Run`.
    """
    run = Run(probes=probes, seconds=seconds, live=live)
    run.on_start(model, loss_fn, optimizer)
    return run
