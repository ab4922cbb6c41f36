"""Losses and optimizers that learn: hyperparameters as parameters, trained by a likelihood or on held-out data."""

from .hyperparameters import Learnable
from .learned_loss import Guard, LearnedLoss, LossTasks, LossTraining, guard, meta_train_loss
from .learned_optimizer import LearnedOptimizer, UpdateRule
from .meta_gradient import MetaGradient, MetaStep
from .meta_training import MetaTraining, meta_train
from .optimizer_comparison import OptimizerScore, compare_optimizers, tune_rate
from .problems import Problems, trajectories

__all__ = [
    "Guard", "Learnable", "LearnedLoss", "LearnedOptimizer", "LossTasks", "LossTraining", "MetaGradient", "MetaStep",
    "MetaTraining", "OptimizerScore", "Problems", "UpdateRule", "compare_optimizers", "guard", "meta_train",
    "meta_train_loss", "trajectories", "tune_rate",
]  # fmt: skip
