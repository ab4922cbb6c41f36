"""Ways of training many trials. They differ in speed alone: each gives the same outcome for the same trial."""

from .base import ENGINES, Engine, engine_for
from .batched import BatchedEngine
from .sequential import SequentialEngine

__all__ = ["ENGINES", "BatchedEngine", "Engine", "SequentialEngine", "engine_for"]
