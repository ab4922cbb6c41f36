"""Losses of regions of pixels: a few sums over a region, a loss from these, and by its slopes in them the gradient."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from lossary.core import align, definition_of

from . import region_loops
from .arithmetic import logistic
from .buffers import gradient_like
from .dispatch import Gradients, Kernel, Work
from .elementwise import Elementwise
from .region_loops import AREAS, UNIT
from .threads import over_parts

__all__ = ["Areas", "FromAreas", "LogitRegions", "Regions", "as_array", "options_of_areas"]

Loops = tuple[Any, Any]
"""What reads the pixels, and what writes their gradient."""


class Areas(NamedTuple):
    """Sums over the pixels of each region that count, ``(n, c)``, of probabilities p and a target t."""

    hit: Tensor
    """Of p t."""
    excess: Tensor
    """Of p (1 - t); of (p - t)^2 where areas are sums of squares."""
    missed: Tensor
    """Of (1 - p) t; 0 where areas are sums of squares."""
    target: Tensor
    """Of t."""
    pixels: Tensor | int
    """Their number; an integer where there is no mask."""


class Regions(Kernel):
    """The kernel of a loss of probabilities ``(n, c, *d)``, from the function that gives it by :class:`Areas`.

    Args:
        of: From areas, and the hyperparameters and options of the loss by name, to the loss.
        squares: The hyperparameters with which areas are sums of squares; ``of`` does not get them.
        over_batch: Whether the values are ``(c,)`` and not ``(n, c)`` or ``(n,)``.
    """

    def __init__(
        self, of: Callable[..., Tensor], *, squares: Mapping[str, Any] | None = None, over_batch: bool = False
    ) -> None:
        self._of, self._squares, self._over_batch = of, dict(squares or {}), over_batch

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        given = options_of_areas(self.defaults, options, tensors)
        if given is None or not _alike(tensors):
            return None
        as_squares = [given.pop(name) == value for name, value in self._squares.items()]
        loops = _probability_loops(bool(as_squares) and all(as_squares))
        of = functools.partial(self._of, **given)
        return _Planes(lambda areas, _: of(areas), loops, None, tensors, options, over_batch=self._over_batch)


@functools.cache
def _probability_loops(squares: bool) -> Loops:
    from .compiled import Loop

    pixel = region_loops.squared if squares else region_loops.linear
    slope = region_loops.squared_slope if squares else region_loops.linear_slope
    return Loop(region_loops.areas, "regions", body=pixel), Loop(region_loops.slopes, "regions", body=slope)


class LogitRegions(Kernel):
    """The kernel of a loss of the :class:`Areas` of sigmoids of logits ``(n, c, *d)``, and of the losses of pixels.

    Args:
        of: From areas, the sums of the losses of the pixels ``(n, c)``, and the hyperparameters and options by name, to
            the loss.
        pixel: The loss of a pixel, which has an elementwise kernel; it takes the hyperparameters that it knows.
    """

    def __init__(self, of: Callable[..., Tensor], pixel: Callable[..., Tensor]) -> None:
        self._of = of
        self._pixel = cast(Elementwise, definition_of(pixel).kernel)

    def plan(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Work | None:
        given = options_of_areas(self.defaults, options, tensors)
        if given is None or not _alike(tensors):
            return None
        shared = self.defaults.keys() & self._pixel.defaults.keys()
        numbers = self._pixel.numbers({name: given[name] for name in shared})
        if numbers is None or any(isinstance(given[name], Tensor) for name in self.defaults):
            return None
        of = functools.partial(self._of, **given)
        return _Planes(of, self.loops, numbers, tensors, options)

    @functools.cached_property
    def loops(self) -> Loops:
        """The machine code, made or loaded when it is first asked for."""
        from .compiled import Loop

        areas = Loop(region_loops.logit_areas, self.name, body=self._pixel.expression, logistic=logistic)
        return areas, _logit_slopes()


@functools.cache
def _logit_slopes() -> Any:
    from .compiled import Loop

    return Loop(region_loops.logit_slopes, "regions", logistic=logistic)


def options_of_areas(
    defaults: Mapping[str, Any], options: Mapping[str, Any], tensors: Sequence[Tensor]
) -> dict[str, Any] | None:
    """All that a loss of areas is given but the mask; ``None`` where a gradient in it is wanted, or it has no place."""
    given = {**defaults, **options}
    given.pop("mask", None)
    weight = given.get("class_weight")
    if weight is not None and weight.shape != tensors[0].shape[1:2]:
        return None  # what the composition has a sentence for
    return None if any(isinstance(x, Tensor) and x.requires_grad for x in given.values()) else given


def _alike(tensors: Sequence[Tensor]) -> bool:
    """Whether these are float32 planes and a target for each pixel, which is constant."""
    first, target = tensors
    if first.shape != target.shape or first.ndim < 2 or target.requires_grad or target.dtype == torch.float64:
        return False
    return first.dtype == torch.float32 and first.is_contiguous() and target.is_contiguous()


class FromAreas(Work):
    """Abstract: sums in one pass over memory, the loss from these by operations of torch, the gradient in another."""

    @abstractmethod
    def measured(self, tensors: Sequence[Tensor], gradient: Tensor | None) -> Tensor:
        """The sums ``(n, c, k)`` in float64; ``gradient`` may keep what is of use for :meth:`write`."""

    @abstractmethod
    def value(self, sums: Tensor) -> Tensor:
        """The loss."""

    @abstractmethod
    def write(self, tensors: Sequence[Tensor], slopes: Any, gradient: Tensor) -> None:
        """The gradient, from the slopes in the sums: an array of float32, a row for each region."""

    def compute(self, tensors: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor, Gradients]:
        gradient = gradient_like(tensors[0]) if needed[0] else None
        sums = self.measured(tensors, gradient)
        if gradient is None:
            return self.value(sums).float(), (None, None)
        with torch.enable_grad():
            value = self.value(sums.requires_grad_())
            (slopes,) = torch.autograd.grad(value.sum(), sums)
        self.write(tensors, slopes.float().view(-1, slopes.shape[-1]).numpy(), gradient)
        return value.detach().float(), (gradient, None)


class _Planes(FromAreas):
    """Planes of one sample and class, each with a target of its own.

    Args:
        of: From areas and the sums of the losses of pixels to the loss.
        loops: What reads the pixels, and what writes their gradient.
        parameters: Numbers that the expression for the loss of a pixel takes; ``None`` where there is none.
        over_batch: Whether a value is one class of all samples.
    """

    def __init__(
        self,
        of: Callable[[Areas, Tensor], Tensor],
        loops: Loops,
        parameters: tuple[float, ...] | None,
        tensors: Sequence[Tensor],
        options: Mapping[str, Any],
        over_batch: bool = False,
    ) -> None:
        first, mask = tensors[0], options.get("mask")
        self._of, self._loops, self._over_batch = of, loops, over_batch
        self._parameters = None if parameters is None else tuple(loops[0].single(p) for p in parameters)
        self._mask = None if mask is None else as_array(align(mask, first, "mask").contiguous())
        self._planes = first.shape[0] * first.shape[1]
        self._size = first.numel() // self._planes
        self._units = self._planes * -(-self._size // UNIT)

    def measured(self, tensors: Sequence[Tensor], gradient: Tensor | None) -> Tensor:
        sums = torch.zeros(self._units, AREAS, dtype=torch.float64)
        kept = None if gradient is None else as_array(gradient)
        more = () if self._parameters is None else (kept, self._parameters)
        self._over_units(self._loops[0], tensors, sums.numpy(), *more)
        return sums.view(*tensors[0].shape[:2], -1, AREAS).sum(2)

    def value(self, sums: Tensor) -> Tensor:
        hit, excess, missed, target, pixels, losses = sums.unbind(-1)
        number = self._size if self._mask is None else pixels.detach()
        return self._of(Areas(hit, excess, missed, target.detach(), number), losses)

    def write(self, tensors: Sequence[Tensor], slopes: Any, gradient: Tensor) -> None:
        self._over_units(self._loops[1], tensors, as_array(gradient), slopes)

    def spread(self, upstream: Tensor, gradient: Tensor) -> Tensor:
        return super().spread(upstream.unsqueeze(0) if self._over_batch and upstream.ndim else upstream, gradient)

    def _over_units(self, loop: Any, tensors: Sequence[Tensor], *rest: Any) -> None:
        first, target = tensors
        if target.dtype == torch.bool:
            target = target.view(torch.uint8)
        elif target.dtype not in (torch.uint8, torch.float32):
            target = target.float()
        arguments = (as_array(first), as_array(target), self._mask, self._size, *rest)
        over_parts(lambda a, b: loop(*arguments, a, b), self._units, first.numel())


def as_array(t: Tensor) -> Any:
    """A contiguous tensor as a flat array over the same memory."""
    return t.view(-1).numpy()
