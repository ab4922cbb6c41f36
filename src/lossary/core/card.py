"""What a loss says about itself, for programs: the checker, the chooser, the tests and the documentation read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .domains import Domain
from .errors import LossDefinitionError

ClaimName = Literal[
    "nonnegative",  # no value is below 0
    "at_most_one",  # no value is above 1
    "zero_at_target",  # 0 at a perfect prediction
    "positive_off_target",  # above 0 at every other one
    "symmetric",  # the first two inputs may change places
    "convex",  # in its first input
    "monotone",  # does not fall as the first input moves away from the target
    "bounded_gradient",  # the pull of one element does not grow with its error: robust to outliers
    "redescending",  # the pull of a far element fades to 0
    "smooth",  # differentiable everywhere in its first input
    "scale_invariant",  # all real inputs may be multiplied by one positive number
    "shift_invariant",  # one number may be added to all of the first input's elements
    "permutation_invariant",  # reordering the samples reorders the values
    "proper",  # the true probabilities minimise the expected loss
]
Trait = Literal[
    "outliers", "heavy tails", "skewed target", "counts", "zeros", "relative errors", "quantiles", "intervals",
    "heteroscedastic noise", "calibrated probabilities", "class imbalance", "rare classes", "hard examples",
    "label noise", "many classes", "ordered classes", "small regions", "thin structures", "region overlap",
    "boundary accuracy", "touching boxes", "disjoint boxes", "aspect ratio", "large margins", "small batches",
    "hard negatives", "top of the ranking", "vanishing gradient", "unstable training", "mode collapse", "small errors",
    "large errors", "smooth optimisation", "speed", "memory", "perceptual quality", "alignment", "censoring",
    "overconfidence", "multi-scale structure", "distribution shift",
]  # fmt: skip
"""The vocabulary of what a loss is good or bad at, in the terms of a data profile."""

CLAIM_NAMES: tuple[ClaimName, ...] = get_args(ClaimName)


@dataclass(frozen=True)
class When:
    """A claim under a condition on the hyperparameters, written in Python: ``When("convex", "gamma == 0")``."""

    claim: ClaimName
    condition: str

    def holds(self, hyperparameters: Mapping[str, Any]) -> bool:
        return bool(eval(self.condition, {"__builtins__": {}}, dict(hyperparameters)))


@dataclass(frozen=True, kw_only=True)
class Card:
    """The contract of one loss."""

    task: str | tuple[str, ...]
    """What it is for: "regression", "binary classification", ...; the first is its home."""
    inputs: Sequence[Domain]
    """One per tensor argument, in order."""
    values: str
    """Shape of the unreduced loss, in the names of the inputs; alternatives as in the inputs."""
    formula: str
    """One value, in LaTeX."""
    source: str
    """Where it was proposed: ``arXiv:...``, ``doi:...``, or a book, with the equation."""
    mask: str = ""
    """Shape of the mask, where it is not that of the values."""
    claims: Set[ClaimName | When] = frozenset()
    """What holds for every input; each is checked by ``checks/claims.py``."""
    settings: Sequence[Mapping[str, Any]] = ()
    """Hyperparameters to test besides the defaults."""
    samples: Literal["independent", "interacting"] = "independent"
    """"interacting" where the value of one sample depends on the others, as in contrastive and ranking losses."""
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of dimensions to test with, where the usual ones won't do."""
    stops_gradient: bool = False
    """Whether the source holds a part of the value constant in the gradient, which then is not the value's slope."""
    memory: Literal["linear", "quadratic"] = "linear"
    """How the largest intermediate grows with the number of samples."""
    tune: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Hyperparameters worth tuning, with values to try."""
    likelihood: Set[str] = frozenset()
    """Hyperparameters that the training loss itself can learn: exp(-value) is a density or a distribution of the
    target whose total doesn't depend on them, so that a smaller loss is a better fit."""
    good_at: Set[Trait] = frozenset()
    bad_at: Set[Trait] = frozenset()
    known_as: Sequence[str] = ()
    """Other names that it is looked up by: "MAE", "mean absolute error"."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """What other libraries call it and where they differ: ``{"MONAI": "TverskyLoss; alpha weighs ..."}``."""

    def __post_init__(self) -> None:
        for claim in self.claims:
            name = claim.claim if isinstance(claim, When) else claim
            if name not in CLAIM_NAMES:
                raise LossDefinitionError(f"Card: `claims` must be among {', '.join(CLAIM_NAMES)}; got {name!r}.")

    @property
    def tasks(self) -> tuple[str, ...]:
        return (self.task,) if isinstance(self.task, str) else self.task

    def claims_under(self, hyperparameters: Mapping[str, Any]) -> frozenset[ClaimName]:
        """The claims that the card makes for these hyperparameters."""
        claims: set[ClaimName] = set()
        for claim in self.claims:
            if not isinstance(claim, When):
                claims.add(claim)
            elif claim.holds(hyperparameters):
                claims.add(claim.claim)
        return frozenset(claims)
