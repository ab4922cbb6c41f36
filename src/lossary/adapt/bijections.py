"""Smooth one-to-one maps from all real numbers onto what a hyperparameter may be, so that any step keeps its bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from lossary.core import LossInputError, Within

_CLOSEST = 15.0
"""exp(-15) from a bound is the closest that float32 tells from it; beyond, the sigmoid is 1 to its rounding."""
_RANGE = 80.0
"""exp(-80) and exp(80) are within the range of float32: this close to a bound of 0, and this far from any."""


@dataclass(frozen=True)
class Bijection:
    """From the real numbers onto the open interval between ``low`` and ``high``, either of which may be infinite.

    Between two bounds it is the sigmoid, so that the raw number is a log-odds; from one bound on the exponential, so
    that it is the logarithm of the distance and a step changes the distance by a share; without bounds the identity.

    >>> onto = Bijection(0.0, 1.0)
    >>> onto(torch.tensor(0.0)), onto.inverse(0.5)
    (tensor(0.5000), 0.0)
    """

    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def of(cls, constraint: Within) -> Bijection:
        """Onto what lies inside the bounds of a hyperparameter, the bounds themselves left out."""
        return cls(constraint.low, constraint.high)

    def __call__(self, raw: Tensor) -> Tensor:
        """The value; its slope is never exactly 0, so that no step is final."""
        if self._bounded:
            return self.low + (self.high - self.low) * _held(raw, -_CLOSEST, _CLOSEST).sigmoid()
        if math.isfinite(self.low):
            return self.low + self._distance(raw, self.low)
        return self.high - self._distance(raw, self.high) if math.isfinite(self.high) else raw

    def inverse(self, value: float) -> float:
        """The raw number that is mapped to ``value``.

        Raises:
            LossInputError: if the value is not inside the bounds.
        """
        if not self.low < value < self.high:
            raise LossInputError(f"Bijection: `value` must be inside ({self.low:g}, {self.high:g}), got {value!r}.")
        if self._bounded:
            return math.log(value - self.low) - math.log(self.high - value)
        if math.isfinite(self.low):
            return math.log(value - self.low)
        return math.log(self.high - value) if math.isfinite(self.high) else value

    @property
    def _bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def _distance(self, raw: Tensor, bound: float) -> Tensor:
        return _held(raw, -_RANGE if bound == 0.0 else -_CLOSEST, _RANGE).exp()


def _held(raw: Tensor, low: float, high: float) -> Tensor:
    """Kept within bounds in value but not in gradient, or a step too far could never be taken back."""
    return raw + (raw.clamp(low, high) - raw).detach()
