"""The losses, one file per task; each file says in ``__all__`` what it offers."""

from .classification import *
from .density import *
from .detection import *
from .image import *
from .imbalance import *
from .language_model import *
from .metric_learning import *
from .noisy_labels import *
from .ordinal import *
from .preference import *
from .ranking import *
from .regression import *
from .reinforcement import *
from .segmentation import *
from .self_supervised import *
from .uncertainty import *
