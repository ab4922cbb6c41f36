"""Losses of embeddings: what is alike shall be near, what is not shall be far."""

from . import batches, pairs, prototypes
from .batches import *
from .pairs import *
from .prototypes import *

__all__: list[str] = []
__all__ += batches.__all__
__all__ += pairs.__all__
__all__ += prototypes.__all__
