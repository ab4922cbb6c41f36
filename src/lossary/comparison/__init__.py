"""Which loss did better, or was it luck? One fair experiment with a verdict.

:func:`lossary.compare` runs it: :mod:`.data` reads, :mod:`.splits` and :mod:`.preparation` keep the test folds apart,
:mod:`.candidates` says what is compared, :mod:`.search` which trainings that takes, :mod:`.engine` trains them,
:mod:`.ledger` keeps them, :mod:`.statistics` and :mod:`.verdict` judge.
"""

from .plan import ModelFactory, Plan
from .reading import read_source
from .result import (
    Choice,
    Comparison,
    Curve,
    DataSummary,
    Difference,
    Entry,
    Errors,
    Score,
    TrialSummary,
    Verdict,
)
from .run import compare

__all__ = [
    "Choice", "Comparison", "Curve", "DataSummary", "Difference", "Entry", "Errors", "ModelFactory", "Plan", "Score",
    "TrialSummary", "Verdict", "compare", "read_source",
]  # fmt: skip
