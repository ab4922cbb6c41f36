"""Losses for the parameters of a distribution."""

from . import crps, positive, real
from .crps import *
from .positive import *
from .real import *

__all__ = [*crps.__all__, *positive.__all__, *real.__all__]
