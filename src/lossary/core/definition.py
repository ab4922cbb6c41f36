"""Define a loss once: ``@loss(Card(...))`` on a plain function enters it in the catalogue and enforces its card."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from .card import Card
from .constraints import Constraint, Fits, OneOf, Optional, constraints_of, require
from .domains import Domain, Either, alternatives, fits, shape_of
from .errors import LossDefinitionError, LossInputError
from .reduction import REDUCE_OPTIONS, REDUCTIONS, align, fill_masked

F = TypeVar("F", bound=Callable[..., Tensor])

_HALF = (torch.float16, torch.bfloat16)
_ELSEWHERE = {
    "weight": ("class_weight", "sample_weight"),
    "size_average": ("reduction",),
    "reduce": ("reduction",),
    "alpha": ("class_weight",),
    "ignore_label": ("ignore_index",),
    "smoothing": ("label_smoothing",),
}
"""What users of other libraries write, and the options that may do here what it does there."""


class Fused(Protocol):
    """A faster way to the same loss and gradient, for ordinary tensors; see :mod:`lossary.kernels`."""

    def bind(self, name: str, defaults: Mapping[str, Any]) -> None:
        """Learn whose way this is: the name of the loss, and its hyperparameters with their defaults."""

    def __call__(
        self, tensors: Sequence[Tensor], options: Mapping[str, Any], composed: Callable[[Sequence[Tensor]], Tensor]
    ) -> Tensor | None:
        """The loss; ``None`` where what it is composed of is to be computed."""


@dataclass(eq=False)
class Definition:
    """One loss: its function, its card, its hyperparameters, and its module once the class exists."""

    function: Callable[..., Tensor]
    card: Card
    inputs: tuple[str, ...]
    hyperparameters: Mapping[str, Any]
    """Names and defaults."""
    constraints: Mapping[str, Constraint]
    options: frozenset[str]
    """All keywords of the function."""
    kernel: Fused | None = None
    module: type[nn.Module] | None = None

    def __post_init__(self) -> None:
        self._mask_patterns = alternatives(self.card.mask or self.card.values)
        shapes = {domain.shape.strip() for domain in self.card.inputs if not isinstance(domain, Either)}
        name = shapes.pop() if len(shapes) == 1 else ""
        plain = name.startswith("*") and not {" ", "|"} & set(name)
        self._elementwise = name if plain and not any(isinstance(d, Either) for d in self.card.inputs) else None
        """The one name in all shapes, where every input has the same shape and any will do."""

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def target(self) -> int:
        """Position of the target among the inputs; the second where none bears that name."""
        return self.inputs.index("target") if "target" in self.inputs else min(1, len(self.inputs) - 1)

    def check(self, owner: str, options: Mapping[str, Any]) -> None:
        """Refuse unknown options and hyperparameters out of their bounds."""
        for name in options:
            if name not in self.options:
                raise LossInputError(f"{owner}: {self._unknown(name)}")
            if name in self.constraints:
                require(self.constraints[name], owner, name, options[name])

    def _unknown(self, name: str) -> str:
        known = sorted(self.options)
        near = difflib.get_close_matches(name, known, n=1)
        if near:
            return f"`{name}` is not an option; did you mean `{near[0]}`?"
        here = [f"`{option}`" for option in _ELSEWHERE.get(name, ()) if option in self.options]
        if here:
            return f"`{name}` is not an option; what it does elsewhere is done here by {' or '.join(here)}."
        return f"`{name}` is not an option; it has {', '.join(known)}."

    def prepare(self, tensors: Sequence[Tensor], options: dict[str, Any]) -> list[Tensor]:
        """Check shapes, bring the inputs to one floating-point type, and fill what is masked.

        Half precision is brought to float32. Looks at shapes and types only: no synchronisation, safe to compile and
        to vmap. ``options`` is brought in line in place: tensors to that type, a mask to its full shape.
        """
        chosen, alternative, sizes = self._match(tensors)
        compute = compute_dtype(tensors)
        floating = [d.floating for d in chosen]
        ready = [t.to(compute) if f and t.dtype != compute else t for f, t in zip(floating, tensors, strict=True)]
        for name, value in options.items():
            if isinstance(value, Tensor) and name in self.constraints:
                options[name] = value.to(compute) if value.is_floating_point() else value
                self._check_shape(name, value, sizes)
        mask = options.get("mask")
        if mask is None:
            return ready
        at = self._mask_patterns[min(alternative, len(self._mask_patterns) - 1)]
        full = torch.empty(shape_of(at, sizes), device="meta")
        options["mask"] = mask = align(mask, full, "mask")
        return [
            fill_masked(t, mask, shape=d.pattern(alternative), at=at, neutral=d.neutral) if d.filled else t
            for d, t in zip(chosen, ready, strict=True)
        ]

    def as_they_are(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> bool:
        """Whether :meth:`prepare` would give back the same: most calls, and where each microsecond shows."""
        if self._elementwise is None or options:
            return False
        shape = tensors[0].shape
        for t in tensors:  # noqa: SIM110 - twice as fast as all()
            if t.dtype is not torch.float32 or t.shape != shape:
                return False
        return True

    def _match(self, tensors: Sequence[Tensor]) -> tuple[Sequence[Domain], int, dict[str, tuple[int, ...]]]:
        """The domain that each tensor is in, which alternative of the shapes they fit, and the sizes of the names."""
        if self._elementwise is not None and all(t.shape == tensors[0].shape for t in tensors):
            return self.card.inputs, 0, {self._elementwise: tuple(tensors[0].shape)}
        chosen = [_option(domain, t) for domain, t in zip(self.card.inputs, tensors, strict=True)]
        for alternative in range(max(len(domain.patterns) for domain in chosen)):
            sizes: dict[str, tuple[int, ...]] = {}
            if all(fits(d.pattern(alternative), t.shape, sizes) for d, t in zip(chosen, tensors, strict=True)):
                return chosen, alternative, sizes
        wanted = ", ".join(f"{n} ({d.shape})" for n, d in zip(self.inputs, chosen, strict=True))
        given = ", ".join(f"{n} {tuple(t.shape)}" for n, t in zip(self.inputs, tensors, strict=True))
        raise LossInputError(f"{self.name}: expected {wanted}; got {given}.")

    def _check_shape(self, name: str, value: Tensor, sizes: Mapping[str, tuple[int, ...]]) -> None:
        constraint = self.constraints[name]
        constraint = constraint.inner if isinstance(constraint, Optional) else constraint
        if isinstance(constraint, Fits) and not fits(constraint.shape.split(), value.shape, dict(sizes)):
            wanted = ", ".join(f"{part} = {size[0] if len(size) == 1 else size}" for part, size in sizes.items())
            raise LossInputError(
                f"{self.name}: `{name}` must have the shape ({constraint.shape}) where {wanted}; "
                f"got {tuple(value.shape)}."
            )


def _option(domain: Domain, tensor: Tensor) -> Domain:
    if not isinstance(domain, Either):
        return domain
    fitting = [option for option in domain.options if option.floating == tensor.is_floating_point()]
    return fitting[0] if fitting else domain.options[0]


def compute_dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    """The type in which a loss of these inputs is computed: their widest, and at least float32."""
    result = result_dtype(tensors)
    return torch.float32 if result in _HALF else result


def result_dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    """The type of the result: the widest of the floating-point inputs, and torch's default where there is none."""
    found: torch.dtype | None = None
    for t in tensors:
        if t.is_floating_point():
            found = t.dtype if found is None else torch.promote_types(found, t.dtype)
    return torch.get_default_dtype() if found is None else found


_DEFINITIONS: dict[Callable[..., Tensor], Definition] = {}


def loss(card: Card, kernel: Fused | None = None) -> Callable[[F], F]:
    """Decorate the function that is the loss. Its tensors come first, its hyperparameters are keyword-only.

    Args:
        card: The contract of the loss.
        kernel: A faster way to the same, taken where it applies.

    Raises:
        LossDefinitionError: if the function and the card disagree about the number of inputs, or the card's
            ``likelihood`` names what is no hyperparameter.
    """

    def define(function: F) -> F:
        code, defaults = function.__code__, function.__kwdefaults__ or {}  # inspect.signature is slow a hundred times
        inputs = code.co_varnames[: code.co_argcount]
        keywords = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
        empty = inspect.Parameter.empty
        hyperparameters = {name: defaults.get(name, empty) for name in keywords if name not in REDUCE_OPTIONS}
        if len(inputs) != len(card.inputs):
            raise LossDefinitionError(
                f"{function.__name__}: its card must describe the inputs {', '.join(inputs)}, got {len(card.inputs)}."
            )

        if unknown := sorted(card.likelihood - hyperparameters.keys()):
            raise LossDefinitionError(
                f"{function.__name__}: its card's `likelihood` must name hyperparameters, got {unknown[0]!r}."
            )

        @functools.wraps(function)
        def checked(*args: Tensor, **options: Any) -> Tensor:
            tensors: Sequence[Tensor] = args
            if len(args) < len(inputs):
                tensors = [*args, *(options.pop(name) for name in inputs[len(args) :] if name in options)]
            if len(tensors) != len(inputs):
                raise LossInputError(f"{definition.name}: expected {', '.join(inputs)}; got {len(tensors)} tensors.")
            if options:
                definition.check(definition.name, options)
            if kernel is not None:
                fused = kernel(tensors, options, lambda tensors: composed(tensors, dict(options)))
                if fused is not None:
                    return fused
            return composed(tensors, options)

        def composed(tensors: Sequence[Tensor], options: dict[str, Any]) -> Tensor:
            device = tensors[0].device.type
            if device != "meta" and torch.is_autocast_enabled(device):
                # As torch's own losses under autocast: computed and returned in float32, or wider if the inputs are.
                with torch.autocast(device, enabled=False):
                    return function(*definition.prepare(tensors, options), **options)
            if definition.as_they_are(tensors, options):
                return function(*tensors)
            result = function(*definition.prepare(tensors, options), **options)
            if any(t.dtype in _HALF for t in tensors) and (wanted := result_dtype(tensors)) in _HALF:
                return result.to(wanted)
            return result

        options = frozenset({*hyperparameters, *REDUCE_OPTIONS})
        constraints = {**constraints_of(function), "reduction": OneOf(REDUCTIONS)}
        definition = Definition(checked, card, inputs, hyperparameters, constraints, options, kernel)
        if kernel is not None:
            kernel.bind(function.__name__, hyperparameters)
        _DEFINITIONS[checked] = definition
        return cast(F, checked)

    return define


def definition_of(function: Callable[..., Tensor]) -> Definition:
    """The definition of a catalogued loss function."""
    return _DEFINITIONS[function]


def definitions() -> Iterator[Definition]:
    """All losses defined so far, in the order of their definition."""
    return iter(_DEFINITIONS.values())
