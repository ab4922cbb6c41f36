"""Losses for the parameters of a distribution."""

from .crps import *
from .positive import *
from .real import *
