"""Losses of pairs and triplets of vectors: what is known of a row by one number or two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from . import vector_loops
from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .threads import over_parts

__all__ = ["Vectors"]

Kind = Literal["difference", "direction", "triplet"]

_LOOPS: dict[Kind, Any] = {
    "difference": vector_loops.difference,
    "direction": vector_loops.direction,
    "triplet": vector_loops.triplet,
}


class Vectors(Kernel):
    """The kernel of a loss of vectors, ``(*n, d)`` each, from an expression of their distance or direction.

    Args:
        expression: A function of two numbers and of the hyperparameters that it names after them, which returns the
            value and its slopes. They are, for a ``"difference"``, its squared length and the label of the pair, with
            twice the slope in the first; for a ``"direction"``, its cosine and the label, with the slope in the first;
            and for a ``"triplet"``, the squared distances from the first vector to the second and the third, with
            twice the slopes in both.
        of: What the loss knows of its vectors.
        labelled: Whether a pair is followed by a label; without, the expression gets 0.
        wrt: Which vectors have a gradient; all, by default. Where another tensor requires it, the composition is taken.
        shift: The hyperparameter that is added to each element of a difference.
        only: Values of hyperparameters that this kernel is limited to.
    """

    def __init__(
        self,
        expression: Callable[..., Any],
        *,
        of: Kind,
        labelled: bool = False,
        wrt: tuple[int, ...] | None = None,
        shift: str | None = None,
        only: Mapping[str, Any] | None = None,
    ) -> None:
        self.expression, self.of, self.labelled = expression, of, labelled
        self.vectors = 3 if of == "triplet" else 2
        self.wrt = tuple(range(self.vectors)) if wrt is None else wrt
        self._shift, self._only = shift, dict(only or {})
        code = expression.__code__
        self._names = code.co_varnames[2 : code.co_argcount]

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        first = tensors[0]
        if first.ndim == 0 or first.numel() == 0:
            return None
        for i, t in enumerate(tensors):
            vector = i < self.vectors
            if t.shape != (first.shape if vector else first.shape[:-1]) or not t.is_contiguous():
                return None
            if t.dtype in (torch.float64, torch.bool) or (vector and t.dtype != torch.float32):
                return None
            if t.requires_grad and i not in self.wrt:
                return None
        given = {name: options.get(name, default) for name, default in self.defaults.items()}
        if any(isinstance(value, Tensor) for value in given.values()):
            return None
        if any(given[name] != value for name, value in self._only.items()):
            return None
        weigh = weighing(first.shape[:-1], options)
        if weigh is None:
            return None
        shift = 0.0 if self._shift is None else float(given[self._shift])
        return _Vectors(self, weigh, shift, tuple(float(given[name]) for name in self._names))

    @cached_property
    def loop(self) -> Any:
        """The machine code, made or loaded when it is first asked for."""
        from .compiled import Loop

        return Loop(_LOOPS[self.of], self.name, body=self.expression, apart=vector_loops.shifted)


class _Vectors(Work):
    def __init__(self, kernel: Vectors, weigh: Weighing, shift: float, parameters: tuple[float, ...]) -> None:
        self._kernel, self._weigh, self._shift, self._parameters = kernel, weigh, shift, parameters

    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        kernel, weigh, loop, first = self._kernel, self._weigh, self._kernel.loop, tensors[0]
        gradients = [gradient_like(t) if need else None for t, need in zip(tensors, needed, strict=True)]
        values = None if weigh.reduced else first.new_empty(first.shape[:-1])
        inputs = [_flat(t.float()) for t in tensors]
        if kernel.of != "triplet" and not kernel.labelled:
            inputs.append(None)
        rest = (
            *(_flat(g) for g in gradients[: kernel.vectors]),
            _flat(values),
            _flat(weigh.weight),
            _flat(weigh.mask),
            loop.single(weigh.factor),
            loop.single(self._shift),
            tuple(loop.single(p) for p in self._parameters),
        )
        size = first.shape[-1]
        total = over_parts(lambda a, b: loop(*inputs, *rest, size, a, b), first.numel() // size, first.numel())
        return torch.scalar_tensor(total * weigh.factor) if values is None else values, tuple(gradients)


def _flat(t: Tensor | None) -> Any:
    return None if t is None else t.view(-1).numpy()
