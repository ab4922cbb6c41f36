"""Losses whose values are one per element: a value and its derivatives, as arithmetic, and nothing more to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from . import element_loops
from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .threads import over_parts

__all__ = ["Elementwise"]

Parameters = tuple[float, ...]

_LOOPS: dict[tuple[int, tuple[int, ...]], Any] = {
    (1, (0,)): element_loops.one,
    (2, (0,)): element_loops.two,
    (2, (0, 1)): element_loops.pair,
    (3, (0, 2)): element_loops.three,
}
"""By the number of inputs, and which of them have a gradient."""


class Elementwise(Kernel):
    """The kernel of a loss with one value per element, from an expression of that value and its derivatives.

    Args:
        expression: A function of one number of each input tensor and then of the hyperparameters, that returns the
            value and its derivative in each input of ``wrt``, in the names of :mod:`lossary.kernels.arithmetic`.
        inputs: Number of input tensors.
        wrt: Which inputs have a gradient. Where another one requires it, the composition is taken.
        parameters: From the loss's hyperparameters, by name, to the numbers that the expression takes after the inputs;
            ``None`` where it does not know them. By default they are those that the expression names.
    """

    def __init__(
        self,
        expression: Callable[..., Any],
        *,
        inputs: int = 2,
        wrt: tuple[int, ...] = (0,),
        parameters: Callable[..., Parameters | None] | None = None,
    ) -> None:
        self.expression, self.inputs, self.wrt = expression, inputs, wrt
        self._source = _LOOPS[inputs, wrt]
        self._parameters = parameters
        code = expression.__code__
        self._names = code.co_varnames[inputs : code.co_argcount]

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        first = tensors[0]
        if first.dtype != torch.float32:
            return None
        for i, t in enumerate(tensors):
            if t.shape != first.shape or t.dtype == torch.float64 or not t.is_contiguous():
                return None
            if t.requires_grad and i not in self.wrt:
                return None
        parameters = self.numbers(options)
        if parameters is None:
            return None
        weigh = weighing(first.shape, options)
        return None if weigh is None else _Elements(self, parameters, weigh)

    def numbers(self, options: Mapping[str, Any]) -> Parameters | None:
        """What the expression takes after the inputs, for these options of the loss; ``None`` where it can't."""
        given = {name: options.get(name, default) for name, default in self.defaults.items()}
        if any(isinstance(value, Tensor) for value in given.values()):
            return None
        if self._parameters is not None:
            return self._parameters(**given)
        return tuple(float(given[name]) for name in self._names)

    @cached_property
    def loop(self) -> Any:
        """The machine code, made or loaded when it is first asked for."""
        from .compiled import Loop

        return Loop(self._source, self.name, body=self.expression)


class _Elements(Work):
    def __init__(self, kernel: Elementwise, parameters: Parameters, weigh: Weighing) -> None:
        self._kernel, self._parameters, self._weigh = kernel, parameters, weigh

    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        weigh, loop = self._weigh, self._kernel.loop
        gradients = [gradient_like(t) if need else None for t, need in zip(tensors, needed, strict=True)]
        values = None if weigh.reduced else torch.empty_like(tensors[0])
        arrays = [_flat(t if t.dtype is torch.float32 else t.float()) for t in tensors]
        outs = [_flat(gradients[i]) for i in self._kernel.wrt]
        rest = (
            _flat(values),
            _flat(weigh.weight),
            _flat(weigh.mask),
            loop.single(weigh.factor),
            tuple(loop.single(p) for p in self._parameters),
        )
        size = arrays[0].size
        total = over_parts(lambda a, b: loop(*arrays, *outs, *rest, a, b), size, size, element_loops.BLOCK)
        return torch.scalar_tensor(total * weigh.factor) if values is None else values, tuple(gradients)


def _flat(t: Tensor | None) -> Any:
    return None if t is None else t.numpy().reshape(-1)
