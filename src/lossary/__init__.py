"""Losses for PyTorch."""

from .catalogue import find as find
from .losses import *
