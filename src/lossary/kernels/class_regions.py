"""Losses of regions that exclude one another: a softmax over the classes at each pixel, and a target of indices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lossary.core import align

from . import region_loops
from .arithmetic import exp_of_negative
from .dispatch import Kernel, Work
from .region_loops import AREAS, UNIT
from .regions import Areas, FromAreas, as_array, options_of_areas
from .threads import over_parts

__all__ = ["ClassRegions"]


class ClassRegions(Kernel):
    """The kernel of a loss of the :class:`Areas` of a softmax of logits ``(n, c, *d)``, and of cross-entropies.

    Args:
        of: From areas, the sum of the cross-entropies of the pixels of each class ``(n, c)``, and the hyperparameters
            and options by name, to the loss. It does not get ``ignore_index``, and the number of pixels is that of all
            classes together.
    """

    def __init__(self, of: Callable[..., Tensor]) -> None:
        self._of = of

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        logits, target = tensors
        given = options_of_areas(self.defaults, options, tensors)
        if given is None or logits.dtype != torch.float32 or target.dtype != torch.int64:
            return None
        if logits.ndim < 2 or target.shape != logits.shape[:1] + logits.shape[2:]:
            return None
        if not (logits.is_contiguous() and target.is_contiguous()):
            return None
        ignored = given.pop("ignore_index")
        return _Classes(lambda areas, losses: self._of(areas, losses, **given), tensors, options.get("mask"), ignored)


@cache
def _loops() -> tuple[Any, Any]:
    from .compiled import Loop

    read = Loop(
        region_loops.class_areas,
        "class_regions",
        body=exp_of_negative,
        more=region_loops.spread,
        pick=region_loops.chosen,
    )
    return read, Loop(region_loops.class_slopes, "class_regions", pick=region_loops.chosen)


class _Classes(FromAreas):
    def __init__(
        self,
        of: Callable[[Areas, Tensor], Tensor],
        tensors: Sequence[Tensor],
        mask: Tensor | None,
        ignored: int,
    ) -> None:
        target = tensors[1]
        self._of, self._ignored = of, ignored
        self._mask = None if mask is None else as_array(align(mask, target, "mask").contiguous())
        self._size = target.numel() // len(target)
        self._units = len(target) * -(-self._size // UNIT)

    def measured(self, tensors: Sequence[Tensor], gradient: Tensor | None) -> Tensor:
        logits, target = tensors
        samples, classes = logits.shape[:2]
        sums = torch.zeros(self._units, classes, AREAS, dtype=torch.float64)
        kept = None if gradient is None else as_array(gradient)
        read, rest = _loops()[0], (self._mask, self._ignored, kept, sums.numpy(), self._size)
        z, t = as_array(logits), as_array(target)
        if over_parts(lambda a, b: read(z, t, *rest, a, b), self._units, logits.numel()):
            counts = target != self._ignored
            if self._mask is not None:
                counts &= torch.from_numpy(self._mask).view(target.shape)
            wrong = target[counts & ((target < 0) | (target >= classes))]
            raise IndexError(f"Target {wrong[0].item()} is out of bounds.")  # as torch.nn.functional.cross_entropy
        return sums.view(samples, -1, classes, AREAS).sum(1)

    def value(self, sums: Tensor) -> Tensor:
        hit, excess, missed, target, _, losses = sums.unbind(-1)
        number = target.detach().sum(1, keepdim=True).expand_as(target)
        return self._of(Areas(hit, excess, missed, target.detach(), number), losses)

    def write(self, tensors: Sequence[Tensor], slopes: Any, gradient: Tensor) -> None:
        logits, target = tensors
        back = _loops()[1]
        arguments = (
            as_array(target), self._mask, self._ignored, as_array(gradient), slopes, self._size, logits.shape[1]
        )  # fmt: skip
        over_parts(lambda a, b: back(*arguments, a, b), self._units, logits.numel())
