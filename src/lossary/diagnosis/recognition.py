"""Which loss is in use: losses that are known are computed anew from output and target and held against the value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Expects = Literal["logits", "probabilities", "log-probabilities", "values", "logit", "probability", "vectors"]
_EPSILONS = (0.0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_FACTORS = 1e-4
"""Relative agreement that identifies a loss."""


@dataclass(frozen=True)
class Known:
    """A loss as its mean over elements."""

    name: str
    expects: Expects
    value: Callable[[Tensor, Tensor], Tensor]
    applies: Callable[[Tensor, Tensor], bool]


@dataclass(frozen=True)
class Recognised:
    """The loss in use: ``factor`` times a known one, or the known one by its graph only, where factor is NaN."""

    known: Known
    factor: float = 1.0

    @property
    def name(self) -> str:
        """Name of the known loss."""
        return self.known.name


def class_layout(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor] | None:
    """Output as (n, classes) and target as (n,), for class indices; ``None`` where the shapes aren't those."""
    if target.is_floating_point() or target.dtype == torch.bool or output.ndim < 2 or not output.is_floating_point():
        return None
    if output.ndim == target.ndim + 1:
        if output.shape[:1] + output.shape[2:] == target.shape:
            return output.movedim(1, -1).reshape(-1, output.shape[1]), target.reshape(-1)
        if output.shape[:-1] == target.shape:
            return output.reshape(-1, output.shape[-1]), target.reshape(-1)
    if output.ndim == 2 and output.shape[0] == target.numel():
        return output, target.reshape(-1)
    if output[..., 0].numel() == target.numel():
        return output.reshape(-1, output.shape[-1]), target.reshape(-1)
    return None


def _classes(output: Tensor, target: Tensor) -> bool:
    laid = class_layout(output, target)
    return laid is not None and bool(((laid[1] >= 0) & (laid[1] < laid[0].shape[1])).all())


def _same(output: Tensor, target: Tensor) -> bool:
    return output.is_floating_point() and output.shape == target.shape


def _shares(output: Tensor, target: Tensor) -> bool:
    return _same(output, target) and bool(((target >= 0) & (target <= 1)).all())


def _soft(output: Tensor, target: Tensor) -> bool:
    if not _shares(output, target) or output.ndim < 2 or output.shape[1] < 2:
        return False
    return bool((target.double().sum(1) - 1).abs().max() < 1e-4)


def _several(output: Tensor, target: Tensor) -> bool:
    """Labels 0 and 1 of which a sample may have several."""
    return (
        _same(output, target)
        and output.ndim == 2
        and output.shape[1] > 1
        and bool(((target == 0) | (target == 1)).all())
    )


def _broadcasts(output: Tensor, target: Tensor) -> bool:
    if not output.is_floating_point() or output.shape == target.shape or target.ndim == output.ndim == 0:
        return False
    try:
        shape = torch.broadcast_tensors(output, target)[0].shape  # type: ignore[no-untyped-call]
    except RuntimeError:
        return False
    return bool(shape != output.shape or shape != target.shape)


def _squeezed(output: Tensor, target: Tensor) -> bool:
    """(n, 1) beside (n,): the loop squeezed one of them."""
    return output.is_floating_point() and output.shape != target.shape and output.numel() == target.numel()


def _spread(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    both = torch.broadcast_tensors(output, target.to(output.dtype))  # type: ignore[no-untyped-call]
    return both[0], both[1]


def _laid(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def value(output: Tensor, target: Tensor) -> Tensor:
        laid = class_layout(output, target)
        assert laid is not None
        return function(laid[0], laid[1].long())

    return value


def _flat(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda output, target: function(output.reshape(-1), target.reshape(-1).to(output.dtype))


def _bce(epsilon: float, *, inside: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy of probabilities kept away from 0 and 1, or with the epsilon inside the logarithm."""

    def value(output: Tensor, target: Tensor) -> Tensor:
        if inside:
            return -(target * (output + epsilon).log() + (1 - target) * (1 - output + epsilon).log()).mean()
        p = output.clamp(epsilon, 1 - epsilon)
        return -(target * p.log().clamp(min=-100) + (1 - target) * (-p).log1p().clamp(min=-100)).mean()

    return value


def _kl(output: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(output, target, reduction="batchmean")


_BASE = (
    Known("cross_entropy", "logits", _laid(F.cross_entropy), _classes),
    Known("nll", "log-probabilities", _laid(F.nll_loss), _classes),
    *(
        Known("nll_of_log", "probabilities", _laid(lambda p, y, e=e: F.nll_loss((p + e).log(), y)), _classes)  # type: ignore[misc]
        for e in _EPSILONS
    ),
    *(
        Known("nll_of_log", "probabilities", _laid(lambda p, y, e=e: F.nll_loss(p.clamp(min=e).log(), y)), _classes)  # type: ignore[misc]
        for e in _EPSILONS[1:]
    ),
    Known("cross_entropy", "logits", lambda o, y: F.cross_entropy(o, y.to(o.dtype)), _soft),
    Known("cross_entropy", "logits", lambda o, y: F.cross_entropy(o, y.to(o.dtype)), _several),
    Known("bce_with_logits", "logit", lambda o, y: F.binary_cross_entropy_with_logits(o, y.to(o.dtype)), _same),
    *(Known("bce", "probability", _bce(e), _same) for e in _EPSILONS),
    *(Known("bce", "probability", _bce(e, inside=True), _same) for e in _EPSILONS[1:]),
    Known("kl_div", "log-probabilities", _kl, _soft),
    Known("kl_div", "log-probabilities", lambda o, y: F.kl_div(o, y, reduction="none").mean(), _soft),
    Known("mse", "values", lambda o, y: F.mse_loss(o, y.to(o.dtype)), _same),
    Known("l1", "values", lambda o, y: F.l1_loss(o, y.to(o.dtype)), _same),
    Known("smooth_l1", "values", lambda o, y: F.smooth_l1_loss(o, y.to(o.dtype)), _same),
    Known("poisson_nll", "values", lambda o, y: F.poisson_nll_loss(o, y.to(o.dtype)), _same),
    Known("rmse", "values", lambda o, y: F.mse_loss(o, y.to(o.dtype)).sqrt(), _same),
    Known("cosine_distance", "vectors", lambda o, y: 1 - F.cosine_similarity(o, y.to(o.dtype), dim=-1).mean(), _same),
    Known("cosine_similarity", "vectors", lambda o, y: F.cosine_similarity(o, y.to(o.dtype), dim=-1).mean(), _same),
)
_FLATTENED = tuple(
    Known(k.name, k.expects, _flat(k.value), _squeezed)
    for k in _BASE
    if k.name in ("bce_with_logits", "mse", "l1", "smooth_l1", "poisson_nll", "rmse") or k.name == "bce"
)
_SPREAD = tuple(
    Known(f"{name}_broadcast", "values", value, _broadcasts)
    for name, value in (
        ("mse", lambda o, y: (o - y).pow(2).mean()),
        ("l1", lambda o, y: (o - y).abs().mean()),
        ("smooth_l1", lambda o, y: F.smooth_l1_loss(*_spread(o, y))),
        (
            "bce_with_logits",
            lambda o, y: F.binary_cross_entropy_with_logits(*_spread(o, y)),
        ),
    )
)
KNOWN = _BASE + _FLATTENED + _SPREAD


def of_name(name: str) -> Known:
    """The first known loss of that name."""
    return next(known for known in KNOWN if known.name == name)


def recognise(triples: list[tuple[Any, Any, float]], names: tuple[str, ...] = ()) -> Recognised | None:
    """The known loss of which every value is the same multiple; exact ones before multiples.

    Args:
        triples: Output, target and the loss computed of them, for some batches.
        names: What the graph or the loss function's class suggests, looked at first.
    """
    usable = [(o.detach(), y.detach(), v) for o, y, v in triples if _tensors(o, y) and math.isfinite(v)]
    if not usable:
        return None
    order = sorted(KNOWN, key=lambda known: known.name not in names)
    ratios: dict[int, list[float]] = {}
    for place, known in enumerate(order):
        for output, target, value in usable:
            ratio = _ratio(known, output, target, value)
            ratios.setdefault(place, []).append(ratio)
            if not math.isfinite(ratio):
                break
    exact = [i for i, found in ratios.items() if all(abs(r - 1) < _FACTORS for r in found)]
    if exact:
        return Recognised(order[exact[0]])
    negative = [
        i for i, found in ratios.items() if all(abs(r + 1) < _FACTORS for r in found) and _bounded(order[i], usable)
    ]
    if negative:
        return Recognised(order[negative[0]], -1.0)
    values = [value for _, _, value in usable]
    if len(usable) < 3 or max(values) - min(values) <= 1e-6 * max(abs(v) for v in values):
        return None  # of values that don't change everything is a multiple
    for place, found in ratios.items():
        middle = sorted(found)[len(found) // 2]
        if math.isfinite(middle) and middle != 0 and all(abs(r / middle - 1) < _FACTORS for r in found):
            return Recognised(order[place], middle)
    return _by_elements(order, ratios, usable)


def _bounded(known: Known, usable: list[tuple[Tensor, Tensor, float]]) -> bool:
    """Whether the loss can't be negative itself: of targets outside [0, 1] the binary cross-entropy can."""
    return not known.name.startswith("bce") or all(bool(((y >= 0) & (y <= 1)).all()) for _, y, _ in usable)


def _by_elements(
    order: list[Known], ratios: dict[int, list[float]], usable: list[tuple[Tensor, Tensor, float]]
) -> Recognised | None:
    """A sum: the ratio is the number of samples or of elements, also where the last batch is smaller."""
    for place, found in ratios.items():
        for counts in ([len(y) if y.ndim else 1 for _, y, _ in usable], [o.numel() for o, _, _ in usable]):
            if all(abs(abs(r) / n - 1) < _FACTORS for r, n in zip(found, counts, strict=False)):
                return Recognised(order[place], math.copysign(sum(counts) / len(counts), found[0]))
    return None


def _tensors(output: Any, target: Any) -> bool:
    return (
        isinstance(output, Tensor) and isinstance(target, Tensor) and output.is_floating_point() and output.numel() > 0
    )


def _ratio(known: Known, output: Tensor, target: Tensor, value: float) -> float:
    if not known.applies(output, target):
        return math.nan
    try:
        expected = float(known.value(output.float(), target))
    except (RuntimeError, ValueError, IndexError):
        return math.nan
    if not math.isfinite(expected) or abs(expected) < 1e-12:
        return 1.0 if expected == value else math.nan
    return value / expected
