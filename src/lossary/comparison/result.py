"""The result of a comparison. It holds figures and words; ``lossary.report`` turns it into pages and charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lossary.core import Finding, Result

Standing = Literal["better", "worse", "practically equal", "undecided"]


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What was learned from: shown in the report, and enough to recognise the same data again."""

    name: str
    task: str
    """"regression", or "binary", "multi-class", "multi-label" or "ordinal classification"."""
    target: tuple[str, ...]
    """Name of the target column; several for multi-label."""
    samples: int
    numeric: int
    categorical: int
    missing: float
    """Share of the cells of the features that have no value."""
    classes: tuple[str, ...] = ()
    """Class labels in the order of their index (for multi-label: the labels); empty for regression."""
    class_counts: tuple[int, ...] = ()
    fingerprint: str = ""
    """SHA-256 over features and target."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one loss over the test folds."""

    mean: float
    low: float
    """Ends of the 95% interval of the mean, with the variance corrected for overlapping training sets."""
    high: float
    values: tuple[float, ...]
    """One per split, in the order of :attr:`Comparison.splits`."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the inner split chose for one loss on one outer split."""

    learning_rate: float
    hyperparameters: Mapping[str, float]
    epoch: int
    """Epoch, counted from 1, whose weights were kept."""


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """One training, in a line."""

    label: str
    split: str
    learning_rate: float
    hyperparameters: Mapping[str, float]
    validation: float
    """Best selection score: the primary metric on the validation part, negated where lower is better."""
    epoch: int
    epochs: int
    """Epochs that were trained."""
    seconds: float
    diverged: bool
    chosen: bool
    """Whether the validation part preferred it to the loss's other trials on this split."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The primary metric on the validation part after each epoch, over the chosen trials of all splits."""

    median: tuple[float, ...]
    low: tuple[float, ...]
    """First and third quartile; a stopped trial holds the value that it kept."""
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Errors:
    """What a loss did to the errors on the test folds: two losses with one score may err quite differently."""

    residual_quantiles: Mapping[str, float] = field(default_factory=dict)
    """Regression: quantiles of ``prediction - target`` in units of the target, keys "0.05", "0.25", "0.5", ..."""
    absolute_quantiles: Mapping[str, float] = field(default_factory=dict)
    """Regression: quantiles of ``|prediction - target|``, keys "0.5", "0.75", "0.9", "0.95", "0.99"."""
    recall: Mapping[str, float] = field(default_factory=dict)
    """Classification: share of each class (or label) that was recognised."""
    precision: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None
    """Classification: mean probability given to the predicted class; compare with the accuracy."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One candidate loss: how it scored and what it was given."""

    label: str
    """As the user writes it: ``"huber"``, ``"quantile:q=0.9"``."""
    loss: str
    """Name of the loss function in the catalogue."""
    fixed: Mapping[str, float]
    """Hyperparameters that the user gave; they were not tuned."""
    scores: Mapping[str, Score]
    choices: tuple[Choice, ...]
    curve: Curve
    errors: Errors
    seconds: float
    """Training time of all its trials together, as a share of the stack they were trained in."""
    trials: int
    diverged: int
    """Trials that ended in a loss or prediction that is not finite; they can't be chosen."""
    code: str
    """A line of Python that makes this loss with its usual choice of hyperparameters."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The paired difference of two losses on one metric; positive where ``first`` is better."""

    first: str
    second: str
    metric: str
    mean: float
    low: float
    high: float
    """Ends of the 95% interval (corrected resampled t, Nadeau & Bengio 2003)."""
    p: float
    """Two-sided p-value of the corrected resampled t-test."""
    p_adjusted: float
    """The same after Holm's correction over all pairs."""
    standing: Standing
    """``first`` against ``second``."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer in words."""

    headline: str
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    """What limits the answer: few samples, a metric at its ceiling, a choice at the edge of the grid."""
    code: str
    """Paste-ready PyTorch code for the winner."""


@dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """Which loss did better on these data, by how much, and whether that is luck."""

    data: DataSummary
    plan: Mapping[str, Any]
    """The fields of :class:`lossary.comparison.Plan`."""
    metric: str
    """The primary metric: early stopping, tuning and the verdict go by it."""
    higher_is_better: Mapping[str, bool]
    """For each metric reported."""
    margin: float
    """Differences of the primary metric smaller than this are of no practical interest."""
    splits: tuple[str, ...]
    """Names of the outer splits, "repeat 1, fold 1", ..."""
    entries: tuple[Entry, ...]
    """One per loss, best first on the primary metric."""
    differences: tuple[Difference, ...]
    """All pairs on the primary metric, the better-ranked loss first."""
    best_group: tuple[str, ...]
    """The winner and the losses that are practically equal to it."""
    verdict: Verdict
    findings: tuple[Finding, ...]
    """One per loss: its standing against the winner."""
    environment: Mapping[str, str]
    """Versions, machine, engine and command: what it takes to repeat this."""
    seconds: float
    """Wall-clock time of this run."""
    new_trials: int
    """Trials trained in this run; the others were in the ledger already."""
    trials: tuple[TrialSummary, ...] = ()
    """Every training that the result rests on."""

    @property
    def winner(self) -> Entry:
        return self.entries[0]
