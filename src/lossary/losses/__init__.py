"""The losses, one file per task; each file says in ``__all__`` what it offers."""

from .adversarial import *
from .audio import *
from .classification import *
from .density import *
from .detection import *
from .distillation import *
from .divergence import *
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
from .sequence import *
from .survival import *
from .uncertainty import *
