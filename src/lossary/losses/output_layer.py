"""Values of the logits of an output layer that are never there all at once: for vocabularies too large for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from typing_extensions import override

from lossary.core.blocks import Blockwise

OfLogits = Callable[..., Tensor]
"""The value of each row: of its logits, then of tensors with a row each, then of options by name."""


def over_logits(
    of_logits: OfLogits,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *by_row: Tensor,
    chunk_size: int | None,
    **options: Any,
) -> Tensor:
    """``of_logits(hidden @ weight.T + bias, *by_row, **options)``, some rows at a time, forward and backward.

    Gradients reach all tensors, those among the options too. Rows must not depend on one another. Whoever
    differentiates twice, transforms or compiles gets all rows at once.

    Args:
        of_logits: What is computed of the logits: one value per row.
        hidden: Hidden states, ``(n, d)``, or ``(d,)`` for one sample.
        weight: Weight of the output layer, ``(c, d)``.
        bias: Its bias, ``(c,)``.
        by_row: What else has one row per value, such as the target.
        chunk_size: Rows at a time; ``None`` for what :func:`chunk_rows` says.
        options: Further arguments of ``of_logits``.
    """
    rows = chunk_rows(hidden, weight) if chunk_size is None else chunk_size
    if hidden.ndim == 1 or len(hidden) <= rows:
        return of_logits(F.linear(hidden, weight, bias), *by_row, **options)
    layer = [weight] if bias is None else [weight, bias]
    named = {name: value for name, value in options.items() if isinstance(value, Tensor)}
    rest = {name: value for name, value in options.items() if name not in named}
    blockwise = _OverLogits(of_logits, rows, len(layer), len(by_row), tuple(named), rest)
    return blockwise(hidden, *layer, *by_row, *named.values())


def chunk_rows(hidden: Tensor, weight: Tensor) -> int:
    """Rows whose logits take about as much memory as all hidden states, but enough to pay for a chunk.

    Each chunk reads the whole weight and adds to the whole of its gradient: ``d`` rows cost as much memory as that, and
    beyond 256 the arithmetic outweighs it.
    """
    classes, features = weight.shape
    alike = -(-hidden.numel() // max(classes, 1))
    return max(1, alike, min(features, 256))


@dataclass(eq=False)
class _OverLogits(Blockwise):
    """Its tensors are the hidden states, the layer, what has a row per value, and the options that are tensors.

    The products with the layer are differentiated by hand, so that each chunk adds to the gradients in place; what is
    computed of the logits is left to autograd, a chunk at a time.
    """

    of_logits: OfLogits
    rows: int
    layer: int
    """How many tensors are the layer's: 2 if it has a bias."""
    by_row: int
    names: tuple[str, ...]
    options: Mapping[str, Any]

    @override
    def plain(self, *tensors: Tensor) -> Tensor:
        return self._values(self._logits(tensors, slice(None)), self._given(tensors, slice(None)))

    @override
    def forward(self, tensors: Sequence[Tensor], keep: bool) -> tuple[Tensor, Sequence[Tensor]]:
        values = [
            self._values(self._logits(tensors, rows), self._given(tensors, rows)) for rows in self._chunks(tensors)
        ]
        return torch.cat(values), ()

    @override
    def backward(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
        # Of what is frozen nobody wants a gradient: zeros that take no memory stand for it.
        gradients = [torch.zeros_like(t) if t.requires_grad else t.new_zeros(()).expand_as(t) for t in tensors]
        for rows in self._chunks(tensors):
            self._add(gradients, tensors, rows, upstream[rows])
        return gradients

    def _add(self, gradients: Sequence[Tensor], tensors: Sequence[Tensor], rows: slice, upstream: Tensor) -> None:
        """Add to the gradients what these rows give; a method, so that nothing of a chunk outlives it."""
        first, wanted = 1 + self.layer, [t.requires_grad for t in tensors]
        given = [t.detach().requires_grad_(w) for t, w in zip(self._given(tensors, rows), wanted[first:], strict=True)]
        values, edge = self._recorded(tensors, rows, given)
        leaves: list[Any] = [edge, *(t for t in given if t.requires_grad)]
        found = torch.autograd.grad(values, leaves, upstream, allow_unused=True, materialize_grads=True)
        slope, others = found[0], iter(found[1:])
        if wanted[0]:
            torch.mm(slope, tensors[1], out=gradients[0][rows])
        if wanted[1]:
            gradients[1].addmm_(slope.mT, tensors[0][rows])
        if self.layer == 2 and wanted[2]:
            gradients[2].add_(slope.sum(0))
        for i in range(first, len(tensors)):
            if wanted[i]:
                part = gradients[i][rows] if i < first + self.by_row else gradients[i]
                part.add_(next(others))

    def _recorded(self, tensors: Sequence[Tensor], rows: slice, given: Sequence[Tensor]) -> tuple[Tensor, GradientEdge]:
        """The values of these rows, and where the gradient in their logits arises.

        The logits themselves are given up: of what is computed of them, most needs its own result only.
        """
        hidden = tensors[0][rows].detach().requires_grad_()
        with torch.enable_grad():
            logits = F.linear(hidden, *(t.detach() for t in tensors[1 : 1 + self.layer]))
            return self._values(logits, given), get_gradient_edge(logits)

    def _chunks(self, tensors: Sequence[Tensor]) -> list[slice]:
        return [slice(start, start + self.rows) for start in range(0, len(tensors[0]), self.rows)]

    def _logits(self, tensors: Sequence[Tensor], rows: slice) -> Tensor:
        return F.linear(tensors[0][rows], *tensors[1 : 1 + self.layer])

    def _given(self, tensors: Sequence[Tensor], rows: slice) -> list[Tensor]:
        """What is given to ``of_logits`` besides the logits of these rows."""
        given = tensors[1 + self.layer :]
        return [t[rows] if i < self.by_row else t for i, t in enumerate(given)]

    def _values(self, logits: Tensor, given: Sequence[Tensor]) -> Tensor:
        named = dict(zip(self.names, given[self.by_row :], strict=True))
        return self.of_logits(logits, *given[: self.by_row], **self.options, **named)
