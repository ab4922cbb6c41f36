"""Arithmetic of losses: ``0.5 * CrossEntropyLoss() + 0.3 * DiceLoss()`` is a loss with named terms and weights."""

from __future__ import annotations

import inspect
import math
import numbers
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn

from .errors import LossInputError
from .views import View, views

Weight: TypeAlias = float | Callable[[int], float]
"""A number, or a callable that takes the step and gives one: a :class:`Ramp`, or any function of yours."""


class Term(NamedTuple):
    """One term of a combination at its last call: its value before weighting, detached, and its weight."""

    value: Tensor
    weight: float


@dataclass(frozen=True)
class Ramp:
    """A weight that goes from ``start`` to ``end`` in ``steps`` steps, and stays there.

    Args:
        start: The weight until the step ``after``.
        end: The weight from the step ``after + steps`` on.
        steps: How many steps it takes.
        after: At which step it sets out.
        shape: "linear", or "cosine", which sets out and arrives slowly.

    Raises:
        LossInputError: for no steps, a start before step 0, an unknown shape, or weights that are no finite numbers.

    >>> [Ramp(0.0, 1.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int
    after: int = 0
    shape: Literal["linear", "cosine"] = "linear"

    def __post_init__(self) -> None:
        _finite("Ramp", "start", self.start)
        _finite("Ramp", "end", self.end)
        if self.steps < 1:
            raise LossInputError(f"Ramp: `steps` must be at least 1, got {self.steps!r}.")
        if self.after < 0:
            raise LossInputError(f"Ramp: `after` must be at least 0, got {self.after!r}.")
        if self.shape not in ("linear", "cosine"):
            raise LossInputError(f"Ramp: `shape` must be one of linear, cosine; got {self.shape!r}.")

    def __call__(self, step: int) -> float:
        done = min(max((step - self.after) / self.steps, 0.0), 1.0)
        share = done if self.shape == "linear" else (1.0 - math.cos(math.pi * done)) / 2.0
        return self.start + (self.end - self.start) * share


@dataclass(frozen=True)
class Scaled:
    """A scheduled weight times a number: what ``2 * loss`` makes of the ramps in ``loss``."""

    factor: float
    weight: Callable[[int], float]

    def __call__(self, step: int) -> float:
        return self.factor * self.weight(step)


class Combinable:
    """The operators of losses: ``weight * loss``, ``loss / number``, ``loss + loss``, ``loss - loss``, ``-loss``.

    A weight is a number or a callable of the step; the other operand of ``+`` is any ``nn.Module`` that is a loss.
    """

    __array_ufunc__ = None  # or NumPy would take `np.float64(2) * loss` for arithmetic on an array of objects

    def __mul__(self, weight: Weight) -> Combination:
        if _no_weight(weight):
            return NotImplemented
        own = _parts(cast(nn.Module, self))
        return _combine((name, loss, _times(_check_weight("Combination", name, weight), w)) for name, loss, w in own)

    __rmul__ = __mul__

    def __truediv__(self, number: float) -> Combination:
        if not isinstance(number, numbers.Real) or isinstance(number, bool):
            return NotImplemented
        if not number:
            raise LossInputError("Combination: the number that a loss is divided by must not be 0, got 0.")
        return self * (1.0 / float(number))

    def __add__(self, other: nn.Module) -> Combination:
        if not isinstance(other, nn.Module):
            return NotImplemented
        return _combine([*_parts(cast(nn.Module, self)), *_parts(other)])

    def __radd__(self, other: nn.Module | int) -> Combination:
        if isinstance(other, int) and other == 0:  # what `sum` sets out from
            return _combine(_parts(cast(nn.Module, self)))
        if not isinstance(other, nn.Module):
            return NotImplemented
        return _combine([*_parts(other), *_parts(cast(nn.Module, self))])

    def __neg__(self) -> Combination:
        return self * -1.0

    def __sub__(self, other: nn.Module) -> Combination:
        if not isinstance(other, nn.Module):
            return NotImplemented
        return self + _combine((name, loss, _times(-1.0, weight)) for name, loss, weight in _parts(other))


class Combination(Combinable, nn.Module):
    """A weighted sum of losses that take the same tensors; its terms have names, and it keeps their last values.

    Made by arithmetic, or from dictionaries where a term is not one of our losses or shall have another name. A call
    passes its tensors and its options (``sample_weight``, ``mask``, ``denominator``) to every term. Losses of ours that
    take one thing in several forms work together: where one term takes logits and class indices, others get
    probabilities, log-probabilities and one-hot targets computed from them, as their cards ask (:mod:`.views`); what is
    ignored or masked for the one is masked for the others.

    Where a weight depends on the step, each call in training mode with gradients enabled is one step. To count
    otherwise (epochs, or optimizer steps under gradient accumulation), say :meth:`set_step`. The step is part of the
    state dict. Weights are not, as they are code; they are pickled with the module.

    Args:
        terms: The losses by name, any modules of the same inputs.
        weights: The weights by name: a number, or a callable of the step; 1 where not given.

    Raises:
        LossInputError: for no term, a name that can't be one, or a weight that is no finite number and no callable.

    >>> loss = Combination({"l2": nn.MSELoss(), "l1": nn.L1Loss()}, {"l1": 0.5})
    >>> loss(torch.tensor([2.0]), torch.tensor([0.0]))
    tensor(5.)
    >>> loss.last
    {'l2': Term(value=tensor(4.), weight=1.0), 'l1': Term(value=tensor(2.), weight=0.5)}
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, Weight] | None = None) -> None:
        super().__init__()
        if not terms:
            raise LossInputError("Combination: `terms` must hold at least one loss, got none.")
        for name, part in terms.items():
            check_name("Combination", "terms", name)
            if not isinstance(part, nn.Module):
                raise LossInputError(f"Combination: `terms` must be modules, got {part!r} for `{name}`.")
        given = {} if weights is None else weights
        if strange := [name for name in given if name not in terms]:
            raise LossInputError(f"Combination: `weights` must be of {', '.join(terms)}; got {strange[0]!r}.")
        self.losses = nn.ModuleDict(dict(terms))
        self._weights = {name: _check_weight("Combination", name, given.get(name, 1.0)) for name in terms}
        self._views: dict[str, View | None] = dict(zip(terms, views(list(terms.values())), strict=True))
        self._last: dict[str, Term] = {}
        self._counts = any(callable(weight) for weight in self._weights.values())
        self.step = 0

    def weights(self, step: int | None = None) -> dict[str, float]:
        """The weight of each term at a step; at the next call's where not given."""
        at = self.step if step is None else step
        return {name: weigh("Combination", name, weight, at) for name, weight in self._weights.items()}

    @property
    def last(self) -> Mapping[str, Term]:
        """Each term's value and weight at the last call; empty before it. For a log: reading a value waits for it."""
        return self._last

    def set_step(self, step: int) -> None:
        """Set the step that the weights are of; from then on it is no longer counted by calls."""
        if step < 0:
            raise LossInputError(f"Combination: `step` must be at least 0, got {step}.")
        for module in self.modules():
            if isinstance(module, Combination):
                module.step, module._counts = step, False

    def named(self, *names: str) -> Combination:
        """The same loss with other names of its terms, in their order.

        Raises:
            LossInputError: if there are more or fewer names than terms, or one twice.

        >>> Combination({"a": nn.L1Loss()}).named("mae").weights()
        {'mae': 1.0}
        """
        if len(names) != len(self.losses) or len(set(names)) != len(names):
            terms = ", ".join(self.losses)
            raise LossInputError(f"Combination: `names` must be one each for {terms}; got {', '.join(names)}.")
        parts = zip(names, self.losses.values(), self._weights.values(), strict=True)
        return _combine(parts)

    def terms(self, *tensors: Tensor, **options: Any) -> dict[str, Tensor]:
        """The value of each term before weighting, with its gradient; counts no step and keeps nothing.

        Raises:
            LossInputError: for an option that a term does not take.
        """
        values = {}
        for name, part in self.losses.items():
            _check_options(name, part, options)
            view = self._views[name]
            seen, given = (tensors, options) if view is None else view(tensors, options)
            values[name] = part(*seen, **given)
        return values

    def forward(self, *tensors: Tensor, **options: Any) -> Tensor:
        values, weights = self.terms(*tensors, **options), self.weights()
        first, *others = values.items()
        total = weights[first[0]] * first[1]
        for name, value in others:
            if value.shape != first[1].shape:
                raise LossInputError(
                    f"Combination: the terms must have values of one shape, got {tuple(first[1].shape)} for "
                    f"`{first[0]}` and {tuple(value.shape)} for `{name}`; give them the same `reduction`."
                )
            total = total + weights[name] * value
        self._last = {name: Term(value.detach(), weights[name]) for name, value in values.items()}
        if self._counts and self.training and torch.is_grad_enabled():
            self.step += 1
        return total

    def __call__(self, *tensors: Tensor, **options: Any) -> Tensor:
        return cast(Tensor, super().__call__(*tensors, **options))

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.step)  # a tensor, as formats of nothing but tensors want it

    def set_extra_state(self, state: Tensor) -> None:
        self.step = int(state)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": {}}

    def extra_repr(self) -> str:
        weights = [f"{w:g}" if isinstance(w, float) else repr(w) for w in self._weights.values()]
        return " + ".join(f"{weight} * {name}" for weight, name in zip(weights, self.losses, strict=True))


def check_name(owner: str, argument: str, name: object) -> None:
    """Refuse what can't be a name in a state dict, or is a name of PyTorch's."""
    if not isinstance(name, str) or not name.isidentifier() or hasattr(nn.ModuleDict(), name):
        raise LossInputError(f"{owner}: `{argument}` must have names that are free identifiers, got {name!r}.")


def weigh(owner: str, name: str, weight: Weight, step: int) -> float:
    """The weight at a step; what a callable gives must be a finite number."""
    return _finite(owner, f"weights of {name} at step {step}", weight(step) if callable(weight) else weight)


def _check_weight(owner: str, name: str, weight: Weight) -> Weight:
    return weight if callable(weight) and not _no_weight(weight) else _finite(owner, f"weights of {name}", weight)


def _finite(owner: str, argument: str, value: object) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
        raise LossInputError(
            f"{owner}: `{argument}` must be a finite number, or a callable of the step; got {value!r}."
        )
    return float(value)


def _no_weight(value: object) -> bool:
    """What is callable or numeric without being a weight: a loss, a tensor, an array."""
    return isinstance(value, (nn.Module, Tensor)) or not (isinstance(value, numbers.Real) or callable(value))


def _times(factor: Weight, weight: Weight) -> Weight:
    if callable(factor):
        if callable(weight):
            raise LossInputError(f"Combination: a term must have one schedule, got {factor!r} times {weight!r}.")
        return factor if weight == 1.0 else Scaled(weight, factor)
    return Scaled(factor, weight) if callable(weight) else factor * weight


def _parts(module: nn.Module) -> list[tuple[str, nn.Module, Weight]]:
    if isinstance(module, Combination):
        return [(name, part, module._weights[name]) for name, part in module.losses.items()]
    return [(_name(module), module, 1.0)]


def _name(module: nn.Module) -> str:
    bare = type(module).__name__.removesuffix("Loss") or "loss"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare).lower()


def _combine(parts: Iterable[tuple[str, nn.Module, Weight]]) -> Combination:
    """A name that occurs again gets a number: ``dice``, ``dice_2``."""
    seen: Counter[str] = Counter()
    terms, weights = {}, {}
    for name, part, weight in list(parts):
        unique = name
        while unique in terms:
            seen[name] += 1
            unique = f"{name}_{seen[name] + 1}"
        terms[unique], weights[unique] = part, weight
    return Combination(terms, weights)


def _check_options(name: str, part: nn.Module, options: Mapping[str, Any]) -> None:
    if not options:
        return
    takes = inspect.signature(part.forward).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values()):
        return
    if refused := [option for option in options if option not in takes]:
        kind = type(part).__name__
        raise LossInputError(f"Combination: `{refused[0]}` must not be given, as the term `{name}` ({kind}) has none.")
