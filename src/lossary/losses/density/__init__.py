"""Losses for the parameters of a distribution."""

from . import crps, positive, real
from .crps import *
from .positive import *
from .real import *

__all__: list[str] = []
__all__ += crps.__all__
__all__ += positive.__all__
__all__ += real.__all__
