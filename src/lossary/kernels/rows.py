"""Losses of logits and the index of a class: functions of the negative log-likelihood of that class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from .buffers import gradient_like
from .dispatch import Composed, Gradients, Kernel, Work
from .reducing import Weighing, weighing
from .threads import over_parts

__all__ = ["Layout", "Likelihood", "LogLikelihood", "OutOfRange", "flat", "layout"]

FEW = 48
"""Classes up to which the places of a block are taken side by side, even where they lie one behind the other."""
MOST = 4096
"""Classes up to which a block of places has a table."""
TABLE = 1 << 16
"""Numbers that the table of a block should have, to stay in the second-level cache."""


class OutOfRange(Exception):
    """A target that is the index of no class: what the composition has an error for, or another meaning."""


@dataclass(frozen=True)
class Layout:
    """How scores ``(n, c, *d)`` or ``(c,)`` lie in memory."""

    classes: int
    values: tuple[int, ...]
    """The shape of what has one number per distribution."""
    samples: int
    size: int
    """Places of a sample, that is, distances from one class to the next; 1 where the classes are neighbours."""

    @property
    def count(self) -> int:
        return self.samples * self.size


def layout(scores: Tensor) -> Layout | None:
    """The layout of contiguous float32 scores; ``None`` for any others."""
    if scores.ndim == 0 or scores.dtype != torch.float32 or not scores.is_contiguous() or scores.numel() == 0:
        return None
    if scores.ndim == 1:
        return Layout(len(scores), (), 1, 1)
    samples, classes, *places = scores.shape
    size = scores.numel() // (samples * classes)
    return Layout(classes, (samples, *places), samples, size)


def flat(t: Tensor | None) -> Any:
    """A contiguous tensor as an array of one dimension."""
    return None if t is None else t.view(-1).numpy()


class PerDistribution(Work):
    """A call whose values are one per distribution."""

    @override
    def spread(self, upstream: Tensor, gradient: Tensor) -> Tensor:
        return upstream if upstream.ndim == 0 else upstream.unsqueeze(1)


class _OfClass(Kernel):
    """Abstract: a loss of scores and indices, with ``class_weight``, ``ignore_index`` and its own denominator."""

    @override
    def __call__(self, tensors: Sequence[Tensor], options: Mapping[str, Any], composed: Composed) -> Tensor | None:
        try:
            return super().__call__(tensors, options, composed)
        except OutOfRange:
            return None

    def targets(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Targets | None:
        """What the loss is of and how it is weighed; ``None`` where the composition is to be taken."""
        scores, target = tensors
        shape = layout(scores)
        if shape is None or target.shape != shape.values or target.dtype != torch.int64 or not target.is_contiguous():
            return None
        if shape.size > 1 and shape.classes > MOST:
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
        averaged = options.get("reduction", "mean") == "mean" and options.get("denominator") is None
        weigh = weighing(shape.values, {**options, "denominator": 1.0} if averaged else options)
        return None if weigh is None else Targets(shape, weigh, averaged, class_weight, given)


@dataclass(frozen=True)
class Targets:
    """The options of a loss of indices."""

    layout: Layout
    weigh: Weighing
    averaged: bool
    """Whether the sum is divided by the weight of the targets that count."""
    class_weight: Tensor | None
    given: Mapping[str, Any]
    """The other hyperparameters."""

    def factor(self, tally: Any, target: Any) -> float:
        """What the sum of the values is multiplied by.

        Raises:
            OutOfRange: if a target that counts is the index of no class.
        """
        weigh, shape = self.weigh, self.layout
        rest = (flat(weigh.weight), flat(weigh.mask), flat(self.class_weight), self.given["ignore_index"])
        total = over_parts(lambda a, b: tally(target, *rest, shape.classes, a, b), shape.count, shape.count)
        if total != total:
            raise OutOfRange
        return weigh.factor if not self.averaged else 1.0 / total if total != 0.0 else 1.0

    def weights(self, share: float = 1.0) -> Tensor:
        """A share of the weight of each class."""
        return torch.full((self.layout.classes,), share) if self.class_weight is None else self.class_weight * share


class Likelihood(_OfClass):
    """The kernel of a loss that is a function of the negative log-likelihood of the target's class under a softmax.

    A hyperparameter ``label_smoothing`` means what it does to cross-entropy.

    Args:
        expression: A function of the negative log-likelihood and of the hyperparameters that it names after it, which
            returns the value and its slope.
    """

    def __init__(self, expression: Callable[..., Any]) -> None:
        self.expression = expression
        code = expression.__code__
        self._names = code.co_varnames[1 : code.co_argcount]

    @override
    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        targets = self.targets(tensors, options)
        if targets is None:
            return None
        return _OfLikelihood(self, targets, tuple(float(targets.given[name]) for name in self._names))

    @cached_property
    def loops(self) -> Mapping[str, Any]:
        """The machine code, made or loaded when it is first asked for."""
        from . import row_loops
        from .compiled import Loop

        return {
            "tally": Loop(row_loops.tally, "tally"),
            "rows": Loop(row_loops.by_rows, f"{self.name}_by_rows", body=self.expression),
            "places": Loop(row_loops.by_places, f"{self.name}_by_places", body=self.expression),
        }


class _OfLikelihood(PerDistribution):
    def __init__(self, kernel: Likelihood, targets: Targets, parameters: tuple[float, ...]) -> None:
        self._kernel, self._targets, self._parameters = kernel, targets, parameters

    @override
    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        scores, target = tensors
        targets, loops = self._targets, self._kernel.loops
        shape, weigh, classes = targets.layout, targets.weigh, targets.layout.classes
        factor = targets.factor(loops["tally"], flat(target))
        smoothing = float(targets.given.get("label_smoothing", 0.0))
        own, shares = targets.weights(1.0 - smoothing), targets.weights(smoothing / classes)
        gradient = gradient_like(scores) if needed[0] else None
        values = None if weigh.reduced else scores.new_empty(shape.values)

        by_rows = shape.size == 1 and classes > FEW
        loop = loops["rows" if by_rows else "places"]
        size, step = (shape.count, classes) if shape.size == 1 else (shape.size, 1)
        block = 1 if by_rows else max(16, min(256, TABLE // classes))
        arguments = (
            *map(flat, (scores, target, gradient, values, weigh.weight, weigh.mask, own)),
            flat(shares) if smoothing else None,
            loop.single(float(shares.sum())),
            targets.given["ignore_index"],
            loop.single(factor),
            tuple(loop.single(p) for p in self._parameters),
            size,
            step,
            block,
        )
        count = shape.count // size * -(-size // block)
        total = over_parts(lambda a, b: loop(*arguments, a, b), count, scores.numel())
        return torch.tensor(total * factor) if values is None else values, (gradient, None)


class LogLikelihood(_OfClass):
    """The kernel of :func:`lossary.nll_loss`, whose scores are log-probabilities already."""

    @override
    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        targets = self.targets(tensors, options)
        return None if targets is None else _OfLogLikelihood(self, targets)

    @cached_property
    def loops(self) -> Mapping[str, Any]:
        """The machine code, made or loaded when it is first asked for."""
        from . import row_loops
        from .compiled import Loop

        return {"tally": Loop(row_loops.tally, "tally"), "scatter": Loop(row_loops.scatter, self.name)}


class _OfLogLikelihood(PerDistribution):
    def __init__(self, kernel: LogLikelihood, targets: Targets) -> None:
        self._kernel, self._targets = kernel, targets

    @override
    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        scores, target = tensors
        targets, loops = self._targets, self._kernel.loops
        shape, weigh, loop = targets.layout, targets.weigh, loops["scatter"]
        factor = targets.factor(loops["tally"], flat(target))
        gradient = gradient_like(scores).zero_() if needed[0] else None
        values = None if weigh.reduced else scores.new_empty(shape.values)
        arguments = (
            *map(flat, (scores, target, gradient, values, weigh.weight, weigh.mask, targets.weights())),
            targets.given["ignore_index"],
            loop.single(factor),
            shape.classes,
            shape.size,
        )
        total = over_parts(lambda a, b: loop(*arguments, a, b), shape.count, scores.numel())
        return torch.tensor(total * factor) if values is None else values, (gradient, None)
