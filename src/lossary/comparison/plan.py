"""How a comparison is run: the same for every loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lossary.core import LossInputError


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The budget and the rules of a comparison; every candidate loss gets exactly the same.

    Each loss is trained ``budget`` times on every outer split: first with a coarse grid of learning rates, then, at the
    best of them, with the other values of its declared hyperparameters or, where it has none, with finer learning
    rates. The inner validation part chooses among them; the test fold is looked at once, by the chosen one.

    Raises:
        LossInputError: if a number is out of its bounds.
    """

    repeats: int = 2
    """How often the k-fold cross-validation is repeated with another shuffle."""
    folds: int = 5
    validation: float = 0.2
    """Share of each training part that is kept for early stopping and tuning, in (0, 0.5]."""
    budget: int = 8
    """Trainings of each loss on each outer split, an even number of at least 2."""
    learning_rates: tuple[float, float] = (3e-4, 3e-2)
    """Lowest and highest of the coarse grid, for Adam."""
    epochs: int = 100
    """At most; training stops when the primary metric on the validation part has not improved for ``patience``."""
    patience: int = 15
    batch_size: int = 32
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of the default model, an MLP with ReLU."""
    seed: int = 0
    double: bool = False
    """Train in float64: slower, and reproducible to more digits across machines."""

    def __post_init__(self) -> None:
        whole: list[tuple[str, int]] = [("repeats", 1), ("folds", 2), ("epochs", 1), ("patience", 1), ("batch_size", 1)]
        for name, least in whole:
            _require(getattr(self, name) >= least, name, f"at least {least}", getattr(self, name))
        _require(self.budget >= 2 and self.budget % 2 == 0, "budget", "an even number of at least 2", self.budget)
        _require(0 < self.validation <= 0.5, "validation", "in (0, 0.5]", self.validation)
        low, high = self.learning_rates
        _require(0 < low < high < math.inf, "learning_rates", "two positive numbers, the lower first", (low, high))
        _require(all(width >= 1 for width in self.hidden), "hidden", "widths of at least 1", self.hidden)

    def coarse_learning_rates(self) -> list[float]:
        """Half the budget, evenly spaced on a logarithmic scale."""
        low, high = (math.log10(rate) for rate in self.learning_rates)
        steps = self.budget // 2
        if steps == 1:
            return [_rounded(10 ** ((low + high) / 2))]
        return [_rounded(10 ** (low + (high - low) * i / (steps - 1))) for i in range(steps)]

    def finer_learning_rates(self, best: float) -> list[float]:
        """As many again, on both sides of the best of the coarse ones, the nearest half-way points first."""
        low, high = (math.log10(rate) for rate in self.learning_rates)
        steps = self.budget // 2
        spacing = (high - low) / max(1, steps - 1)
        found: list[float] = []
        level = 2
        while len(found) < steps:
            # Half steps to both sides, then quarter steps, ...: no value twice, none that the coarse grid had.
            for odd in range(1, level, 2):
                found += [best * 10 ** (sign * spacing * odd / level) for sign in (-1, 1)]
            level *= 2
        return [_rounded(rate) for rate in found[:steps]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


ModelFactory = Callable[[int, int], Any]
"""Takes the number of input features and of outputs, returns a ``torch.nn.Module`` from ``(n, features)`` to
``(n, outputs)``."""


def _require(condition: bool, name: str, wanted: str, given: object) -> None:
    if not condition:
        raise LossInputError(f"Plan: `{name}` must be {wanted}, got {given!r}.")


def _rounded(rate: float) -> float:
    """To four digits, so that the rate prints as it is and a ledger recognises it."""
    return float(f"{rate:.4g}")
