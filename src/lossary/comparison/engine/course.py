"""Early stopping: which epoch of a trial is kept, and when it stops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Course:
    """The validation scores of one trial so far; higher is better."""

    patience: int
    curve: list[float] = field(default_factory=list)
    best: float = -math.inf
    epoch: int = 0
    """Epoch whose weights are kept, counted from 1; 0 while there is none."""
    _rose: int = 0
    """Epoch at which the best score was first reached."""

    def add(self, score: float) -> bool:
        """Enter the score of an epoch; whether its weights are to be kept. A score that is not a number never is best.

        Of epochs with equal scores the last is kept: a metric that counts right decisions is soon at its ceiling on
        a small validation part, long before the model has learned what it can.
        """
        self.curve.append(score)
        if not score >= self.best or score == -math.inf:
            return False
        if score > self.best:
            self._rose = len(self.curve)
        self.best, self.epoch = score, len(self.curve)
        return True

    @property
    def stopped(self) -> bool:
        """Whether the score has not risen for ``patience`` epochs."""
        return len(self.curve) - self._rose >= self.patience

    @property
    def diverged(self) -> bool:
        """Whether no epoch gave finite predictions."""
        return self.epoch == 0
