"""Many losses at once: terms of one task by arithmetic, several tasks by :class:`MultitaskLoss`."""

from lossary.core.combination import Combination, Ramp, Term

from . import presets
from .adaptive import FAMO, GradNorm
from .adversarial import AdaptiveWeight, Lazy, gradient_ratio
from .alternation import Alternation, Turn, critic_accuracy, overfitting_gap, overfitting_sign
from .objective import MultitaskLoss, StepReport
from .weighting import DWA, IMTLL, RLW, Batch, Fixed, GeometricMean, Normalised, Uncertainty, Weighting

__all__ = [
    "DWA", "FAMO", "IMTLL", "RLW", "AdaptiveWeight", "Alternation", "Batch", "Combination", "Fixed", "GeometricMean",
    "GradNorm", "Lazy", "MultitaskLoss", "Normalised", "Ramp", "StepReport", "Term", "Turn", "Uncertainty", "Weighting",
    "critic_accuracy", "gradient_ratio", "overfitting_gap", "overfitting_sign", "presets",
]  # fmt: skip
