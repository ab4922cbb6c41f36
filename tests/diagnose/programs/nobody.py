"""An observer that does nothing: what a program of the collection is run with when nobody watches it."""

from __future__ import annotations

from typing import Any


class Nobody:
    """Every call of the observer form, without effect."""

    def on_start(self, model: Any, loss_fn: Any, optimizer: Any, example_batch: Any) -> None:
        """Training begins."""

    def on_context(self, train_loader: Any, val_loader: Any, scheduler: Any) -> None:
        """What there is besides; None where there is none."""

    def on_batch(self, batch: Any, output: Any, loss: Any) -> None:
        """A loss was computed."""

    def on_step_end(self, step: int, epoch: int, model: Any, optimizer: Any) -> None:
        """The optimizer has stepped."""

    def on_epoch_end(self, train_loss: float | None, val_loss: float | None) -> None:
        """An epoch is over."""

    def on_end(self) -> None:
        """Training is over."""
