"""Losses for a real target."""

from .pointwise import *
from .quantiles import *
from .relative import *
from .robust import *
from .root import *
