"""Losses for rare classes and rare hard samples."""

from . import focal, hard_samples, long_tail
from .focal import *
from .hard_samples import *
from .long_tail import *

__all__: list[str] = []
__all__ += focal.__all__
__all__ += hard_samples.__all__
__all__ += long_tail.__all__
