"""Losses of the scores of classes whose target is a distribution over them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from . import element_loops
from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .rows import FEW, MOST, TABLE, Layout, Likelihood, PerDistribution, flat, layout
from .threads import over_parts

__all__ = ["CrossEntropy", "Distillation", "SoftTarget", "SummedOverClasses"]


class _OfDistribution(Kernel):
    """Abstract: a loss of scores, and of a target in the same shape that has no gradient."""

    @override
    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        scores, target = tensors
        shape = layout(scores)
        if shape is None or target.shape != scores.shape or not target.is_contiguous():
            return None
        if target.dtype != torch.float32 or not self.serves(target) or (shape.size > 1 and shape.classes > MOST):
            return None
        given = {name: options.get(name, default) for name, default in self.defaults.items()}
        class_weight = given.pop("class_weight", None)
        if any(isinstance(value, Tensor) for value in given.values()):
            return None
        if class_weight is not None:
            if class_weight.shape != (shape.classes,) or class_weight.requires_grad:
                return None
            if not class_weight.is_floating_point():
                return None
            class_weight = class_weight.float().contiguous()
        weigh = weighing(shape.values, options)
        return None if weigh is None else _Distributions(self, shape, weigh, class_weight, given)

    def serves(self, target: Tensor) -> bool:
        """Whether such a target may be had."""
        return not target.requires_grad

    @abstractmethod
    def numbers(self, shape: Layout, class_weight: Tensor | None, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the loops take after the options: arrays and numbers."""

    @property
    @abstractmethod
    def loops(self) -> Mapping[str, Any]:
        """The machine code for ``rows``, for ``places``, and where it has one for all at once, ``plain``."""


class _Distributions(PerDistribution):
    def __init__(
        self,
        kernel: _OfDistribution,
        shape: Layout,
        weigh: Weighing,
        class_weight: Tensor | None,
        given: Mapping[str, Any],
    ) -> None:
        self._kernel, self._shape, self._weigh = kernel, shape, weigh
        self._class_weight, self._given = class_weight, given

    @override
    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        scores, target = tensors
        shape, weigh, loops = self._shape, self._weigh, self._kernel.loops
        numbers = self._kernel.numbers(shape, self._class_weight, self._given)
        gradient = gradient_like(scores) if needed[0] else None
        values = None if weigh.reduced else scores.new_empty(shape.values)
        arrays = [*map(flat, (scores, target, gradient, values, weigh.weight, weigh.mask))]
        factor = loops["rows"].single(weigh.factor)
        if "plain" in loops and weigh.reduced and weigh.weight is None and weigh.mask is None:
            plain = loops["plain"]
            size = scores.numel()
            total = over_parts(
                lambda a, b: plain(*arrays, factor, *numbers, a, b), size, size, element_loops.BLOCK
            )  # fmt: skip
        else:
            by_rows = shape.size == 1 and (shape.classes > FEW or "turned" not in loops)
            loop = loops["rows" if by_rows else "places"]
            size, step = (shape.count, shape.classes) if shape.size == 1 else (shape.size, 1)
            block = 1 if by_rows else max(16, min(256, TABLE // shape.classes))
            rest = (*numbers, factor, shape.classes, size, step, block)
            count = shape.count // size * -(-size // block)
            total = over_parts(lambda a, b: loop(*arrays, *rest, a, b), count, scores.numel())
        return torch.tensor(total * weigh.factor) if values is None else values, (gradient, None)


class SoftTarget(_OfDistribution):
    """The kernel of cross-entropy with probabilities for a target."""

    @override
    def numbers(self, shape: Layout, class_weight: Tensor | None, given: Mapping[str, Any]) -> tuple[Any, ...]:
        single, smoothing = self.loops["rows"].single, float(given["label_smoothing"])
        return flat(class_weight), single(1.0 - smoothing), single(smoothing / shape.classes)

    @cached_property
    def loops(self) -> Mapping[str, Any]:
        from . import soft_loops
        from .compiled import Loop

        places = Loop(soft_loops.soft_places, f"{self.name}_soft_places")
        return {"rows": Loop(soft_loops.soft_rows, f"{self.name}_soft_rows"), "places": places, "turned": places}


class CrossEntropy(Likelihood):
    """The kernel of :func:`lossary.cross_entropy_loss`, of indices and of probabilities.

    Args:
        expression: As for :class:`Likelihood`.
    """

    def __init__(self, expression: Callable[..., Any]) -> None:
        super().__init__(expression)
        self._soft = SoftTarget()

    @override
    def bind(self, name: str, defaults: Mapping[str, Any]) -> None:
        self._soft.bind(name, defaults)
        super().bind(name, defaults)

    @override
    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        return self._soft.plan(tensors, options) if tensors[1].is_floating_point() else super().plan(tensors, options)


class Distillation(_OfDistribution):
    """The kernel of :func:`lossary.knowledge_distillation_loss`: the softmax of both in one pass."""

    @override
    def serves(self, target: Tensor) -> bool:
        return True  # the teacher is a constant

    @override
    def numbers(self, shape: Layout, class_weight: Tensor | None, given: Mapping[str, Any]) -> tuple[Any, ...]:
        return (self.loops["rows"].single(float(given["temperature"])),)

    @cached_property
    def loops(self) -> Mapping[str, Any]:
        from . import soft_loops
        from .compiled import Loop

        places = Loop(soft_loops.distilled_places, f"{self.name}_places")
        return {"rows": Loop(soft_loops.distilled_rows, f"{self.name}_rows"), "places": places, "turned": places}


class SummedOverClasses(_OfDistribution):
    """The kernel of a loss that is a sum over the classes of an expression of score and target.

    Args:
        expression: A function of a score, of its target, and of the hyperparameters that it names after them, which
            returns the value and its slope in the score.
    """

    def __init__(self, expression: Callable[..., Any]) -> None:
        self.expression = expression
        code = expression.__code__
        self._names = code.co_varnames[2 : code.co_argcount]

    @override
    def numbers(self, shape: Layout, class_weight: Tensor | None, given: Mapping[str, Any]) -> tuple[Any, ...]:
        return (tuple(self.loops["rows"].single(float(given[name])) for name in self._names),)

    @cached_property
    def loops(self) -> Mapping[str, Any]:
        from . import soft_loops
        from .compiled import Loop

        return {
            "rows": Loop(soft_loops.summed_rows, f"{self.name}_rows", body=self.expression),
            "places": Loop(soft_loops.summed_places, f"{self.name}_places", body=self.expression),
            "plain": Loop(element_loops.two, f"{self.name}_plain", body=self.expression),
        }
