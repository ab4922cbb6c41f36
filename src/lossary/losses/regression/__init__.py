"""Losses for a real target."""

from . import pointwise, quantiles, relative, robust, root
from .pointwise import *
from .quantiles import *
from .relative import *
from .robust import *
from .root import *

__all__: list[str] = []
__all__ += pointwise.__all__
__all__ += quantiles.__all__
__all__ += relative.__all__
__all__ += robust.__all__
__all__ += root.__all__
