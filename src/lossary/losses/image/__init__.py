"""Losses for images: of their pixels, and of the features that a network sees in them."""

from . import features, pixels
from .features import *
from .pixels import *

__all__: list[str] = []
__all__ += features.__all__
__all__ += pixels.__all__
