"""Everything about a loss function, for PyTorch.

Every loss is here twice, as a function and as a module: :func:`lossary.huber_loss`, :class:`lossary.HuberLoss`.
:func:`find` and :func:`get` look losses up, :func:`compare` says which did best on some data.
"""

from .catalogue import find as find
from .catalogue import get as get
from .comparison import compare as compare
from .losses import *
from .version import __version__ as __version__
