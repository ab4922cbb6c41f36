"""Losses for regions of pixels.

Regions are ``(n, c, *d)``: one mask per sample and class, so that a pixel may be in several or in none. Targets given
by the index of a class become masks by ``one_hot(target, c).movedim(-1, 1)``.
"""

from .compounds import *
from .distances import *
from .lovasz import *
from .regions import *
from .skeletons import *
