"""Losses of boxes given by their corners: the shares of overlap, hull and distance, and how corners move them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from . import box_loops
from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .threads import over_parts

__all__ = ["Boxes"]


class Boxes(Kernel):
    """The kernel of a loss of two boxes, ``(*n, 4)`` each, from an expression of their sides and its slopes.

    The gradient is that in the first; where the second one requires it, the composition is taken.

    Args:
        expression: A function of two axes, of whether the boxes are identical, and of the hyperparameters that it names
            after them. An axis is the length of the overlap, of the box, of the target and of the hull, and the way
            from the target's centre to that of the box. It returns the value, and for both axes the slopes in overlap,
            box, hull and way.
    """

    def __init__(self, expression: Callable[..., Any]) -> None:
        self.expression = expression
        code = expression.__code__
        self._names = code.co_varnames[3 : code.co_argcount]

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        boxes, target = tensors
        if boxes.shape != target.shape or boxes.shape[-1:] != (4,) or target.requires_grad:
            return None
        if boxes.dtype != torch.float32 or target.dtype != torch.float32:
            return None
        if not (boxes.is_contiguous() and target.is_contiguous()):
            return None
        given = [options.get(name, self.defaults[name]) for name in self._names]
        if any(isinstance(value, Tensor) for value in given):
            return None
        weigh = weighing(boxes.shape[:-1], options)
        return None if weigh is None else _Boxes(self.loop, tuple(map(float, given)), weigh)

    @cached_property
    def loop(self) -> Any:
        """The machine code, made or loaded when it is first asked for."""
        from .compiled import Loop

        clip, towards = box_loops.clipped, box_loops.drawn
        return Loop(box_loops.boxes, self.name, body=self.expression, clip=clip, towards=towards)


class _Boxes(Work):
    def __init__(self, loop: Any, parameters: tuple[float, ...], weigh: Weighing) -> None:
        self._loop, self._weigh = loop, weigh
        self._parameters = tuple(loop.single(p) for p in parameters)

    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        boxes, target = tensors
        weigh, loop = self._weigh, self._loop
        gradient = gradient_like(boxes) if needed[0] else None
        values = None if weigh.reduced else boxes.new_empty(boxes.shape[:-1])
        x, y, gx, vs, ws, ms = (
            None if t is None else t.view(-1).numpy()
            for t in (boxes, target, gradient, values, weigh.weight, weigh.mask)
        )
        rest = (gx, vs, ws, ms, loop.single(weigh.factor), self._parameters)
        number = boxes.numel() // 4
        total = over_parts(lambda a, b: loop(x, y, *rest, a, b), number, boxes.numel(), box_loops.BLOCK)
        return torch.scalar_tensor(total * weigh.factor) if values is None else values, (gradient, None)
