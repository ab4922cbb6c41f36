"""Does a loss keep its word? The laws that bind every loss, and the claims on its card."""

from .cases import SIZES, Case, cases
from .claims import CLAIMS
from .laws import LAWS
from .run import CheckReport, check_definition
from .search import Counterexample, applies, counterexample

__all__ = [
    "CLAIMS", "LAWS", "SIZES", "Case", "CheckReport", "Counterexample", "applies", "cases", "check_definition",
    "counterexample",
]  # fmt: skip
