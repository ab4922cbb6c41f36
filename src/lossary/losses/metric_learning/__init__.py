"""Losses of embeddings: what is alike shall be near, what is not shall be far."""

from .batches import *
from .pairs import *
from .prototypes import *
