"""Losses of several views of the same samples, without labels, and of paired modalities."""

from .contrast import *
from .decorrelation import *
from .prediction import *
