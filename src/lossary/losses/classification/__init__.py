"""Losses for a class, a label, or several labels."""

from .cross_entropy import *
from .margins import *
