"""Losses for a class, a label, or several labels."""

from . import cross_entropy, margins
from .cross_entropy import *
from .margins import *

__all__: list[str] = []
__all__ += cross_entropy.__all__
__all__ += margins.__all__
