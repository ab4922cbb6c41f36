"""Losses for rare classes and rare hard samples."""

from .focal import *
from .hard_samples import *
from .long_tail import *
