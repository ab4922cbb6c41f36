"""What was seen of a run, as scalars for TensorBoard or anything else with an ``add_scalar``."""

from __future__ import annotations

import math
from typing import Protocol

from lossary.core import LossInputError

from .watch import Run


class ScalarWriter(Protocol):
    """What is asked of a writer, as ``torch.utils.tensorboard.SummaryWriter`` has it."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Take in one number."""


def to_tensorboard(run: Run, writer: ScalarWriter, *, tag: str = "lossary") -> None:
    """Write a run's losses and sampled signals; steps are batches, counted from 0.

    ``loss`` and ``lr`` are written for every batch, ``val_loss`` for every epoch that had one; for the sampled batches
    the norm of the whole gradient, and for each parameter the root mean square of its gradient and the ratio of its
    update to its weights, which is around 0.001 where training goes well.

    Args:
        run: A run that has ended.
        writer: A ``SummaryWriter``, or anything with its ``add_scalar``.
        tag: What the names of the scalars begin with.

    Raises:
        LossInputError: if the run has not ended: the losses of its last batches are not read yet.

    >>> import torch
    >>> class Printed:
    ...     def add_scalar(self, tag, scalar_value, global_step):
    ...         print(f"{tag} {scalar_value:.2f} at {global_step}")
    >>> run = Run(probes=False)
    >>> run.on_start(torch.nn.Linear(3, 1))
    >>> run.on_batch(torch.ones(2, 3), torch.ones(2, 1), torch.tensor(0.5))
    >>> run.on_end()
    >>> to_tensorboard(run, Printed())
    lossary/loss 0.50 at 0
    """
    record = run.record
    if record.seconds == 0:
        raise LossInputError("to_tensorboard: `run` must have ended, got one that goes on; call its on_end() first.")
    for moment in record.moments:
        writer.add_scalar(f"{tag}/loss", moment.loss, moment.number)
        if moment.optimizer >= 0 and math.isfinite(moment.lr):
            writer.add_scalar(f"{tag}/lr", moment.lr, moment.number)
    for epoch in record.epochs:
        if epoch.val_loss is not None:
            writer.add_scalar(f"{tag}/val_loss", epoch.val_loss, epoch.at)
    for sample in record.samples:
        writer.add_scalar(f"{tag}/gradient_norm", sample.gradient_norm, sample.number)
        for name, layer in sample.layers.items():
            writer.add_scalar(f"{tag}/gradient/{name}", layer.gradient, sample.number)
            if layer.weight > 0:
                writer.add_scalar(f"{tag}/update_ratio/{name}", layer.update / layer.weight, sample.number)
