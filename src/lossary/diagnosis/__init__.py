"""``lossary diagnose``: why does the loss not fall? Watches a run, and names causes with evidence and remedy."""

from .causes import CAUSES as CAUSES
from .causes import Cause as Cause
from .result import Diagnosis as Diagnosis
from .result import Suspicion as Suspicion
from .watch import Run as Run
from .watch import watch as watch

__all__ = ["CAUSES", "Cause", "Diagnosis", "Run", "Suspicion", "watch"]
