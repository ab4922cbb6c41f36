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
    """Epoch of the best score, counted from 1; 0 while there is none."""

    def add(self, score: float) -> bool:
        """Enter the score of an epoch; whether it is the best so far. A score that is not a number never is."""
        self.curve.append(score)
        if not score > self.best:
            return False
        self.best, self.epoch = score, len(self.curve)
        return True

    @property
    def stopped(self) -> bool:
        return len(self.curve) - self.epoch >= self.patience

    @property
    def diverged(self) -> bool:
        """Whether no epoch gave finite predictions."""
        return self.epoch == 0
