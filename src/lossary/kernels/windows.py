"""Structural similarity, whose windows slide over images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .threads import over_parts

__all__ = ["StructuralSimilarity"]


class StructuralSimilarity(Kernel):
    """The kernel of :func:`lossary.ssim_loss` of images ``(n, c, h, w)`` and signals ``(n, c, t)``.

    The gradient is that in the first; where the second one requires it, and for volumes, the composition is taken.

    Args:
        window: From its size and its standard deviation to the weights of a symmetric window.
    """

    def __init__(self, window: Callable[[int, float], Tensor]) -> None:
        self._window = window

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        first, target = tensors
        if first.shape != target.shape or first.ndim not in (3, 4) or first.numel() == 0 or target.requires_grad:
            return None
        if any(t.dtype != torch.float32 or not t.is_contiguous() for t in tensors):
            return None
        given = {name: options.get(name, default) for name, default in self.defaults.items()}
        if any(isinstance(value, Tensor) for value in given.values()):
            return None
        if min(first.shape[2:]) < given["window_size"]:
            return None  # what the composition has a sentence for
        weigh = weighing(first.shape[:1], options)
        if weigh is None:
            return None
        window = self._window(given["window_size"], given["sigma"]).float()
        squares = tuple((given[k] * given["data_range"]) ** 2 for k in ("k1", "k2"))
        return _Similarity(self.loop, weigh, window, squares)

    @cached_property
    def loop(self) -> Any:
        """The machine code, made or loaded when it is first asked for."""
        from .compiled import Loop
        from .window_loops import similarity

        return Loop(similarity, self.name)


class _Similarity(Work):
    def __init__(self, loop: Any, weigh: Weighing, window: Tensor, squares: tuple[float, ...]) -> None:
        self._loop, self._weigh, self._window, self._squares = loop, weigh, window, squares

    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        first, target = tensors
        loop, weigh = self._loop, self._weigh
        gradient = gradient_like(first) if needed[0] else None
        values = None if weigh.reduced else first.new_empty(first.shape[:1])
        arrays = [
            None if t is None else t.view(-1).numpy()
            for t in (first, target, gradient, values, weigh.weight, weigh.mask)
        ]
        across = self._window.numpy()
        down = across if first.ndim == 4 else torch.ones(1).numpy()  # a signal is an image of one row
        height, width = first.shape[2:] if first.ndim == 4 else (1, first.shape[2])
        rest = (
            loop.single(weigh.factor), down, across, *map(loop.single, self._squares), first.shape[1], height, width
        )  # fmt: skip
        total = over_parts(lambda a, b: loop(*arrays, *rest, a, b), len(first), first.numel())
        return torch.scalar_tensor(total * weigh.factor) if values is None else values, (gradient, None)
