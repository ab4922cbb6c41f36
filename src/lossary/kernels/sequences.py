"""Sequences of labels whose alignment to a longer input is not known, all of whose alignments are summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .threads import over_parts

__all__ = ["Alignments"]

STATE = 8
"""How many elements of the input one state at one time is worth."""


class Alignments(Kernel):
    """The kernel of :func:`lossary.ctc_loss`, by the recursions over alignments in both directions.

    Graves et al. 2006 (doi:10.1145/1143844.1143891), eq. 6 to 11 and 14. The composition is taken for lengths and
    labels that do not fit, and for masked sequences among targets that stand one after the other.
    """

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        log_probs, target, times, counts = tensors
        if log_probs.ndim not in (2, 3) or log_probs.dtype != torch.float32 or not log_probs.is_contiguous():
            return None
        if any(t.dtype not in (torch.int64, torch.int32) for t in tensors[1:]) or log_probs.numel() == 0:
            return None
        longest, sequences = len(log_probs), log_probs.shape[1:-1]
        if times.shape != sequences or counts.shape != sequences:
            return None
        if target.ndim == 1:
            joined = len(sequences) == 1
            room, needed = len(target), int(counts.sum())
        elif len(sequences) == 1 and target.ndim == 2 and len(target) == len(times):
            joined, room, needed = False, target.shape[1], int(counts.max())
        else:
            return None
        if needed > room or int(counts.min()) < 0 or not 1 <= int(times.min()) <= int(times.max()) <= longest:
            return None
        blank = options.get("blank", self.defaults["blank"])
        if blank >= log_probs.shape[-1]:
            return None  # what the composition has a sentence for
        weigh = weighing(tuple(sequences), options)
        if weigh is None:
            return None
        zero = options.get("zero_infinity", self.defaults["zero_infinity"])
        return _Alignments(self.loop, weigh, blank, 0.0 if zero else torch.inf, joined)

    @cached_property
    def loop(self) -> Any:
        """The machine code, made or loaded when it is first asked for."""
        from .compiled import Loop
        from .sequence_loops import alignments

        return Loop(alignments, self.name)


class _Alignments(Work):
    def __init__(self, loop: Any, weigh: Weighing, blank: int, unlikely: float, joined: bool) -> None:
        self._loop, self._weigh, self._blank, self._unlikely, self._joined = loop, weigh, blank, unlikely, joined

    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        log_probs, target, times, counts = tensors
        loop, weigh = self._loop, self._weigh
        gradient = gradient_like(log_probs) if needed[0] else None
        counts = counts.long().reshape(-1)
        number = len(counts)
        begins = counts.cumsum(0) - counts if self._joined else torch.arange(number) * target.shape[-1]
        values = log_probs.new_empty(number)
        arrays = [
            t.reshape(-1).numpy()
            for t in (
                log_probs,
                target.long(),
                begins,
                times.long(),
                counts,
                log_probs.new_empty(0) if gradient is None else gradient,
                values,
                torch.ones(number) if weigh.weight is None else weigh.weight,
                torch.ones(number, dtype=torch.bool) if weigh.mask is None else weigh.mask,
            )
        ]
        rest = (weigh.factor, self._unlikely, self._blank, (len(log_probs), number, log_probs.shape[-1]))
        size = log_probs.numel() + STATE * len(log_probs) * (2 * int(counts.sum()) + number)
        total = over_parts(lambda a, b: loop(*arrays, *rest, a, b), number, size)
        value = torch.scalar_tensor(total * weigh.factor) if weigh.reduced else values.view(log_probs.shape[1:-1])
        return value, (gradient, None, None, None)

    def spread(self, upstream: Tensor, gradient: Tensor) -> Tensor:
        return upstream.unsqueeze(-1) if upstream.ndim else upstream  # sequences come after the time
