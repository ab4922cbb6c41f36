"""A loss under one setting of its hyperparameters, and inputs drawn from the domains on its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lossary.core import Definition, Domain, Either, perfect_prediction, shape_of

SIZES: Mapping[str, tuple[int, ...]] = {
    "*n": (5, 3), "n": (5,), "c": (3,), "*d": (4, 4), "d": (6,), "k": (4,), "m": (4,), "l": (7,), "t": (8,),
    "h": (6,), "w": (7,), "s": (3,), "b": (4,),
}  # fmt: skip
"""Sizes to test with: all different where they could be confused, and small."""

SAMPLES = ("n", "*n")
"""Names of the dimension that runs over the samples."""


@dataclass(frozen=True)
class Case:
    """One loss, one setting, and for inputs that may be in one of several domains which of them."""

    definition: Definition
    setting: Mapping[str, Any]
    option: int = 0

    def __call__(self, *tensors: Tensor, **how: Any) -> Tensor:
        return self.definition.function(*tensors, **self.setting, **how)

    def __str__(self) -> str:
        words = [f"{name}={_short(value)}" for name, value in self.setting.items()]
        words += [type(self.domains[i]).__name__ for i, d in enumerate(self._declared) if isinstance(d, Either)]
        return " ".join([self.definition.name, *words])

    @property
    def _declared(self) -> list[Domain]:
        return list(self.definition.card.inputs)

    @cached_property
    def domains(self) -> list[Domain]:
        return [d.options[self.option] if isinstance(d, Either) else d for d in self._declared]

    @cached_property
    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        return {**SIZES, **self.definition.card.sizes}

    @cached_property
    def hyperparameters(self) -> Mapping[str, Any]:
        return {**self.definition.hyperparameters, **self.setting}

    @property
    def samples(self) -> int:
        """Number of samples in :meth:`inputs`."""
        name = next(part for d in self.domains for part in d.pattern() if part in SAMPLES)
        return self.sizes[name][0]

    @cached_property
    def axes(self) -> list[int | None]:
        """Along which dimension each input runs over the samples; ``None`` where it does not."""
        found = [[i for i, name in enumerate(d.pattern()) if name in SAMPLES] for d in self.domains]
        return [axes[0] if axes else None for axes in found]

    @property
    def differentiable(self) -> list[int]:
        """Positions of the inputs that a gradient flows into."""
        return [i for i, d in enumerate(self.domains) if d.has_gradient]

    @property
    def values_shape(self) -> tuple[int, ...]:
        return shape_of(_first(self.definition.card.values), self.sizes)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        return shape_of(_first(self.definition.card.mask or self.definition.card.values), self.sizes)

    @property
    def mask_is_by_sample(self) -> bool:
        """Whether the first dimension of the mask runs over the samples."""
        pattern = _first(self.definition.card.mask or self.definition.card.values)
        return bool(pattern) and pattern[0] in SAMPLES

    @property
    def independent(self) -> bool:
        return self.definition.card.samples == "independent"

    def inputs(self, seed: int = 0, *, wide: bool = False, dtype: torch.dtype = torch.float64) -> list[Tensor]:
        """One draw of all inputs; ``wide`` mixes magnitudes."""
        generator = torch.Generator().manual_seed(seed)
        return [self.cast(d.sample(self.sizes, generator, wide=wide), dtype) for d in self.domains]

    def edges(self, *, dtype: torch.dtype = torch.float32) -> Iterator[tuple[str, list[Tensor]]]:
        """Inputs at the exact edges of the domains: each input in turn, and identical inputs where domains agree."""
        generator = torch.Generator().manual_seed(0)
        edges = [d.edges(self.sizes, generator) for d in self.domains]
        ordinary = self.inputs(1, dtype=dtype)
        for i, found in enumerate(edges):
            for name, edge in found.items():
                for j, others in enumerate(edges):
                    for other_name, other in others.items() if j != i else [("ordinary", ordinary[j])]:
                        x = list(ordinary)
                        x[i], x[j] = (self.cast(edge, dtype), self.cast(other, dtype)) if i != j else (
                            self.cast(edge, dtype), self.cast(edge, dtype))  # fmt: skip
                        names = self.definition.inputs
                        yield f"{names[i]} {name}, {names[j]} {other_name}" if i != j else f"{names[i]} {name}", x
        for j in range(1, len(ordinary)):
            if type(self.domains[j]) is type(self.domains[0]) and ordinary[j].shape == ordinary[0].shape:
                x = list(ordinary)
                x[j] = x[0].clone()
                yield f"{self.definition.inputs[j]} equal to {self.definition.inputs[0]}", x

    def perfect(self, x: list[Tensor]) -> list[Tensor] | None:
        """``x`` with the first input such that it predicts the target perfectly, where the domains say what that is."""
        target = self.definition.target
        if target == 0:
            return None
        best = perfect_prediction(self.domains[0], self.domains[target], x[target], self.sizes)
        return None if best is None or best.shape != x[0].shape else [best.to(x[0].dtype), *x[1:]]

    @staticmethod
    def cast(t: Tensor, dtype: torch.dtype) -> Tensor:
        return t.to(dtype) if t.is_floating_point() else t


def cases(definition: Definition) -> Iterator[Case]:
    """The loss at its defaults and at the settings on its card, in every domain that its inputs may have."""
    options = max((len(d.options) for d in definition.card.inputs if isinstance(d, Either)), default=1)
    for setting in ({}, *definition.card.settings):
        for option in range(options):
            yield Case(definition, setting, option)


def _first(shapes: str) -> list[str]:
    """The pattern of the first alternative, the one that inputs are drawn in."""
    return shapes.split("|")[0].split()


def _short(value: Any) -> str:
    return f"tensor{tuple(value.shape)}" if isinstance(value, Tensor) else str(value)
