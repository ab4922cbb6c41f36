"""Many losses at once: terms of one task by arithmetic, several tasks by :class:`MultitaskLoss`."""

from lossary.core.combination import Combination, Ramp, Term

from .adaptive import FAMO, GradNorm
from .objective import MultitaskLoss, StepReport
from .weighting import DWA, IMTLL, RLW, Batch, Fixed, GeometricMean, Normalised, Uncertainty, Weighting

__all__ = [
    "DWA", "FAMO", "IMTLL", "RLW", "Batch", "Combination", "Fixed", "GeometricMean", "GradNorm", "MultitaskLoss",
    "Normalised", "Ramp", "StepReport", "Term", "Uncertainty", "Weighting",
]  # fmt: skip
