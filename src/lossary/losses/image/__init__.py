"""Losses for images: of their pixels, and of the features that a network sees in them."""

from .features import *
from .pixels import *
