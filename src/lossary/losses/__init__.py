"""The losses, one file per task; each file says in ``__all__`` what it offers."""

from .classification import *
from .metric_learning import *
from .regression import *
