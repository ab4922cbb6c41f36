"""Losses over all pairs without the matrix of all pairs: computed block by block, with a backward pass by hand.

A :class:`Blockwise` has three methods that say the same: ``plain``, an ordinary composition of differentiable
operations, is its definition; ``forward`` and ``backward`` do the same in blocks, in less memory and time. Whoever
differentiates twice, transforms or compiles gets ``plain``, which torch knows how to treat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

_LEAST, _MOST = 64, 512
"""Rows of a block: fewer don't pay for their calls, more don't stay in the cache."""
_NUMBERS = 2**18
"""In a block of :func:`slices`: 1 MB of float32, about what a core has to itself."""


class Blockwise(ABC):
    """A function of tensors, to be called. What isn't differentiated, such as a mask, is a field of the subclass.

    >>> class Squares(Blockwise):
    ...     def plain(self, *tensors):
    ...         return tensors[0].square()
    ...
    ...     def forward(self, tensors, keep):
    ...         return tensors[0] * tensors[0], ()
    ...
    ...     def backward(self, tensors, kept, upstream):
    ...         return [2 * tensors[0] * upstream]
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Squares()(x).backward()
    >>> x.grad
    tensor(6.)
    """

    @abstractmethod
    def plain(self, *tensors: Tensor) -> Tensor:
        """The function as an ordinary composition of differentiable operations."""

    @abstractmethod
    def forward(self, tensors: Sequence[Tensor], keep: bool) -> tuple[Tensor, Sequence[Tensor]]:
        """The result, and what ``backward`` needs besides the tensors; nothing is needed unless ``keep``."""

    @abstractmethod
    def backward(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
        """The gradient in each tensor. The tensors and what was kept are left as they are."""

    def __call__(self, *tensors: Tensor) -> Tensor:
        if not all(map(_is_ordinary, tensors)) or _is_transformed():
            return self.plain(*tensors)
        if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
            result: Tensor = _ByHand.apply(self, *tensors)  # type: ignore[no-untyped-call]
            return result
        return self.forward(tensors, keep=False)[0]


class _ByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, blockwise: Blockwise, *tensors: Tensor) -> Tensor:
        result, kept = blockwise.forward(tensors, keep=True)
        ctx.blockwise, ctx.number = blockwise, len(tensors)
        ctx.save_for_backward(*tensors, *kept)
        return result

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = grad_outputs
        tensors, kept = ctx.saved_tensors[: ctx.number], ctx.saved_tensors[ctx.number :]
        wanted = ctx.needs_input_grad[1:]
        device = upstream.device.type
        with torch.autocast(device, enabled=False) if device != "meta" else nullcontext():
            if torch.is_grad_enabled() or _is_transformed() or _is_batched(upstream):
                gradients = _of_plain(ctx.blockwise, tensors, wanted, upstream)
            else:
                gradients = list(ctx.blockwise.backward(tensors, kept, upstream))
        return None, *(g if w else None for g, w in zip(gradients, wanted, strict=True))


def _of_plain(
    blockwise: Blockwise, tensors: Sequence[Tensor], wanted: Sequence[bool], upstream: Tensor
) -> list[Tensor | None]:
    """The gradients of the ordinary composition, which may be differentiated again."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        own = [t.view_as(t) for t in tensors]  # so that one tensor given twice has two gradients
        result = blockwise.plain(*own)
        places = [i for i, want in enumerate(wanted) if want]
        found = torch.autograd.grad(result, [own[i] for i in places], upstream, create_graph=again)
    gradients = dict(zip(places, found, strict=True))
    return [gradients.get(i) for i in range(len(tensors))]


def _is_ordinary(tensor: Tensor) -> bool:
    if type(tensor) not in (Tensor, nn.Parameter):
        return False
    return unpack_dual(tensor).tangent is None  # type: ignore[no-untyped-call]


def _is_transformed() -> bool:
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return True
    return torch._C._get_tracing_state() is not None


def _is_batched(upstream: Tensor) -> bool:
    """Whether many gradients come in at once, by ``is_grads_batched``; a key that torch has under no name in Python."""
    return "Batched" in str(torch._C._dispatch_keys(upstream))


def block_rows(width: int) -> int:
    """Rows whose products with n vectors of ``width`` numbers take about as much memory as those vectors.

    >>> block_rows(128)
    128
    """
    return min(max(width, _LEAST), _MOST)


def slices(rows: int, row: int) -> Iterator[slice]:
    """Cut ``rows``, of ``row`` numbers each, into blocks that stay in the cache; at least one block, if an empty one.

    >>> [(block.start, block.stop) for block in slices(3, 2**17)]
    [(0, 2), (2, 4)]
    """
    step = max(1, _NUMBERS // max(row, 1))
    return (slice(start, start + step) for start in range(0, max(rows, 1), step))
