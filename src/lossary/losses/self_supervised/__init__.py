"""Losses of several views of the same samples, without labels, and of paired modalities."""

from . import contrast, decorrelation, prediction
from .contrast import *
from .decorrelation import *
from .prediction import *

__all__: list[str] = []
__all__ += contrast.__all__
__all__ += decorrelation.__all__
__all__ += prediction.__all__
