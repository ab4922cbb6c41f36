"""The seam between a loss and its kernel.

A kernel gives a loss and its gradient in one pass. The composition of torch operations that the loss is written in
stays the source of truth: it is taken whenever somebody needs more than a number and a gradient of ordinary tensors,
and where a kernel doesn't know an option. From the outside nothing changes but time and memory.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from lossary.core.definition import result_dtype

from .settings import missing, smallest

__all__ = ["FAILED", "KERNELS", "CompilationError", "Gradients", "Kernel", "Work", "ordinary"]

Composed = Callable[[Sequence[Tensor]], Tensor]
Gradients = tuple[Tensor | None, ...]

_HALF = (torch.float16, torch.bfloat16)
KERNELS: dict[str, Kernel] = {}
"""By the name of the loss that each is for."""
FAILED: dict[str, str] = {}
"""Losses whose kernel could not be compiled, with the reason."""


class Work(ABC):
    """One call of a kernel: what is left to do once shapes, types and options are known to fit."""

    @abstractmethod
    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        """The loss, and its gradient in each tensor that is ``needed`` (``None`` for the others).

        The gradient of a loss that is not reduced is that of each value in its own elements.
        """

    def spread(self, upstream: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of the result, one per value, in a shape that broadcasts against a gradient of this kernel."""
        return upstream.reshape(upstream.shape + (1,) * (gradient.ndim - upstream.ndim))


class Kernel(ABC):
    """Abstract: a way to compute a loss and its gradient at once. A subclass serves one shape of computation."""

    name: str = ""
    defaults: Mapping[str, Any] = {}

    def bind(self, name: str, defaults: Mapping[str, Any]) -> None:
        """Learn whose kernel this is: the name of the loss, and its hyperparameters with their defaults."""
        self.name, self.defaults = name, defaults
        KERNELS[name] = self

    @abstractmethod
    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        """What to do for these float32 or integer tensors; ``None`` where this kernel can't, which costs nothing more.

        ``options`` are all that the loss was called with; what is not there has its default.
        """

    def __call__(self, tensors: Sequence[Tensor], options: Mapping[str, Any], composed: Composed) -> Tensor | None:
        """The loss, or ``None`` where its composition is to be taken."""
        least = smallest()
        if least is None or tensors[0].numel() < max(least, 1) or not ordinary(tensors):
            return None
        if missing() is not None or self.name in FAILED:
            return None
        wide = [t.float() if t.dtype in _HALF else t for t in tensors]
        work = self.plan(wide, options)
        if work is None:
            return None
        try:
            if torch.is_grad_enabled() and any(t.requires_grad for t in wide):
                result = cast(Tensor, _Fused.apply(work, composed, *wide))  # type: ignore[no-untyped-call]
            else:
                result, _ = work.compute([t.detach() for t in wide], [False] * len(wide))
        except CompilationError as error:
            FAILED[self.name] = str(error)
            warnings.warn(f"A kernel is not used, its loss is computed by torch: {error}", RuntimeWarning, stacklevel=4)
            return None
        if not math.isfinite((result.detach() if result.ndim == 0 else result.detach().sum()).item()):
            return None  # what isn't a number, or lies beyond single precision, is what the composition makes of it
        wanted = result_dtype(tensors)
        return result.to(wanted) if wanted in _HALF and not torch.is_autocast_enabled("cpu") else result


class CompilationError(RuntimeError):
    """A kernel that could not be compiled on this machine."""


def ordinary(tensors: Sequence[Tensor]) -> bool:
    """Whether these are plain tensors on the CPU that nobody traces, maps, transforms or differentiates forward."""
    return (
        not torch.compiler.is_compiling()
        and all(type(t) in (Tensor, nn.Parameter) and t.device.type == "cpu" for t in tensors)
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._is_torch_function_mode_enabled()
        and torch._C._len_torch_dispatch_stack() == 0
        and forward_ad._current_level < 0
        and not torch._C._is_tracing()
    )


class _Fused(torch.autograd.Function):
    """Keeps the gradient that came with the loss until it is asked for, and multiplies it by what comes from above."""

    @staticmethod
    def forward(ctx: Any, work: Work, composed: Composed, *tensors: Tensor) -> Tensor:
        value, gradients = work.compute([t.detach() for t in tensors], ctx.needs_input_grad[2:])
        ctx.work, ctx.composed, ctx.gradients = work, composed, gradients
        ctx.save_for_backward(*tensors)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        tensors, needed = ctx.saved_tensors, ctx.needs_input_grad[2:]
        if torch.is_grad_enabled() or not _one_number_each(upstream):
            # The gradient itself is to be differentiated, or many are wanted at once.
            return (None, None, *_by_composition(ctx.composed, tensors, needed, upstream))
        gradients, ctx.gradients = ctx.gradients, None  # handed over once: who gets it may write on it
        if gradients is None:
            _, gradients = ctx.work.compute([t.detach() for t in tensors], needed)
        if upstream.numel() == 1 and upstream.item() == 1.0:
            return (None, None, *gradients)
        return (None, None, *(None if g is None else g.mul_(ctx.work.spread(upstream, g)) for g in gradients))


def _one_number_each(upstream: Tensor) -> bool:
    """Whether this is an ordinary tensor, and not many of them that are mapped over."""
    mapped = torch._C._functorch.is_legacy_batchedtensor(upstream)
    return not mapped and not torch._C._are_functorch_transforms_active()


def _by_composition(
    composed: Composed, tensors: Sequence[Tensor], needed: Sequence[bool], upstream: Tensor
) -> list[Tensor | None]:
    create_graph = torch.is_grad_enabled()
    wanted = [i for i, need in enumerate(needed) if need]
    with torch.enable_grad():
        inputs = (
            list(tensors)
            if create_graph
            else [t.detach().requires_grad_(n) for t, n in zip(tensors, needed, strict=True)]
        )
        value = composed(inputs)
    found = torch.autograd.grad(
        value, [inputs[i] for i in wanted], upstream, create_graph=create_graph, allow_unused=True
    )
    result: list[Tensor | None] = [None] * len(tensors)
    for i, gradient in zip(wanted, found, strict=True):
        result[i] = gradient
    return result
