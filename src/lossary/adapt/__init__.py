"""Losses and optimizers that learn: hyperparameters as parameters, trained by a likelihood or on held-out data."""

from .hyperparameters import Learnable
from .meta_gradient import MetaGradient, MetaStep

__all__ = ["Learnable", "MetaGradient", "MetaStep"]
