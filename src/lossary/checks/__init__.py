"""Does a loss keep its word? The laws that bind every loss, and the claims that it makes.

:func:`lossary.check` examines any callable: :mod:`.inference` and :mod:`.assumptions` complete what was told,
:mod:`.sampling` draws, each module ``on_...`` asks questions, :mod:`.trial` puts them and makes counterexamples small,
:mod:`.run` reports. :mod:`.laws` and :mod:`.claims` hold the catalogue to its cards.
"""

from . import on_batches as on_batches  # importing a module of checks enters them
from . import on_calls as on_calls
from . import on_changes as on_changes
from . import on_devices as on_devices
from . import on_gradients as on_gradients
from . import on_options as on_options
from . import on_reductions as on_reductions
from . import on_scale as on_scale
from . import on_shapes as on_shapes
from . import on_types as on_types
from . import on_values as on_values
from . import on_weights as on_weights
from .cases import SIZES, Case, cases
from .catalogued import told_by
from .claims import CLAIMS
from .contained import check_contained
from .contract import CLAIM_TEXTS
from .laws import LAWS
from .run import CheckFinding, CheckReport, check
from .search import Counterexample, applies, counterexample
from .words import parse_told

__all__ = [
    "CLAIMS", "CLAIM_TEXTS", "LAWS", "SIZES", "Case", "CheckFinding", "CheckReport", "Counterexample", "applies",
    "cases", "check", "check_contained", "counterexample", "parse_told", "told_by",
]  # fmt: skip
