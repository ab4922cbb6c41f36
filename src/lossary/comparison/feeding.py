"""How a model's raw outputs become what a loss takes, and how they are read as predictions.

Every loss is trained on the same targets with the same model up to its last layer, whose outputs mean what the loss
takes: a mean, its logarithm, a mean and a spread, logits of classes or of thresholds. What is scored is the same for
all: the prediction in units of the target, or logits of the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lossary.balance import class_counts, class_prior
from lossary.core import (
    Binary,
    ClassIndex,
    Count,
    Definition,
    Domain,
    Either,
    Logit,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Sign,
    Simplex,
)
from lossary.losses.density.positive import LogMean
from lossary.losses.ordinal import Rank

from .targets import BINARY, MULTI_CLASS, MULTI_LABEL, ORDINAL, REGRESSION

__all__ = ["Feed", "as_given", "constants", "feed", "misfit", "target_domain", "unfit_target"]

_CARD_TASKS: Mapping[str, tuple[str, ...]] = {
    REGRESSION: (REGRESSION, "count regression", "probabilistic regression"),
    BINARY: (BINARY, MULTI_CLASS),
    MULTI_CLASS: (MULTI_CLASS,),
    ORDINAL: (ORDINAL, MULTI_CLASS),
    MULTI_LABEL: (MULTI_LABEL,),
}
"""Tasks on a card that a comparison of each task takes."""

_SHARES = ("bce_with_logits_loss",)
"""Losses for classes that are minimal at the mean of a target in [0, 1]: the fractional logit of Papke and Wooldridge
1996 (doi:10.1002/(SICI)1099-1255(199611)11:6<619::AID-JAE418>3.0.CO;2-1)."""

_OF_ANY_AMOUNT = ("poisson_nll_loss",)
"""Losses of counts that are minimal at the mean of any target from 0 on (Gourieroux, Monfort and Trognon 1984,
doi:10.2307/1913472)."""

_LEAST = 1e-4
"""What is added to a softplus, so that a mean or a spread stays above 0, in standard deviations of the target."""

Inputs = tuple[Tensor, Tensor, Mapping[str, Tensor]]
"""Outputs and target as the loss takes them, and its other inputs by name."""
Prepare = Callable[[Tensor, Tensor, Tensor, Tensor], Inputs]
Read = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Feed:
    """What a loss asks of a model, and how the two are joined."""

    prepare: Prepare
    """From raw outputs, standardised target, and the target's centre and scale to the loss's inputs."""
    read: Read
    """From raw outputs, centre and scale to what the metrics look at; centre and scale may be ``(t, 1)``."""
    outputs: int | None = None
    """How many outputs the model needs, where that differs from what the task asks: 1, or one per class or label."""
    fewer: int = 0
    """How many fewer than there are classes it needs."""

    def width(self, usual: int) -> int:
        """The number of outputs where the task asks for ``usual``."""
        return self.outputs if self.outputs is not None else usual - self.fewer


def target_domain(definition: Definition) -> Domain:
    """The domain of the second input; the first where there are several."""
    second = definition.card.inputs[1]
    return second.options[0] if isinstance(second, Either) else second


def misfit(definition: Definition, task: str) -> str | None:
    """Why a comparison of this task can't train the loss, as the end of a sentence; ``None`` where it can."""
    card, inputs = definition.card, ", ".join(definition.inputs)
    shares = task == REGRESSION and definition.name in _SHARES
    if not shares and not set(_CARD_TASKS[task]) & set(card.tasks):
        return f"is a loss for {' and '.join(card.tasks)}; the task here is {task}."
    if len(definition.inputs) < 2 or card.samples == "interacting":
        return f"compare trains losses of one output and one target; it takes {inputs}."
    first, second, extra = card.inputs[0], target_domain(definition), card.inputs[2:]
    if task == REGRESSION:
        alone = len(first.patterns[0]) == 1 and not isinstance(first, Logit)
        taken = isinstance(first, (Real, PositiveReal)) and isinstance(second, (Real, PositiveReal, Count))
        fits = shares or (alone and taken and all(isinstance(e, PositiveReal) for e in extra))
    else:
        fits = any(isinstance(first, f) and isinstance(second, s) for f, s in _PAIRS[task])
        of_classes = isinstance(second, ClassIndex) and all(isinstance(e, (Count, Simplex)) for e in extra)
        fits = fits and (of_classes or not extra)
    if not fits:
        kinds = " and ".join(type(domain).__name__ for domain in (first, second, *extra))
        return f"compare can't feed a loss of {kinds} for {task}."
    return None


_OF_CLASSES: tuple[tuple[type[Domain], type[Domain]], ...] = ((Logit, ClassIndex), (Simplex, ClassIndex))
_OF_LABELS: tuple[tuple[type[Domain], type[Domain]], ...] = tuple(
    (first, second) for first in (Logit, Probability) for second in (Binary, Sign)
)
_PAIRS: Mapping[str, tuple[tuple[type[Domain], type[Domain]], ...]] = {
    BINARY: (*_OF_LABELS, *_OF_CLASSES),
    MULTI_CLASS: _OF_CLASSES,
    ORDINAL: (*_OF_CLASSES, (Logit, Rank)),
    MULTI_LABEL: _OF_LABELS,
}
"""Domains of outputs and target; LogSimplex is a Simplex."""


def unfit_target(definition: Definition, target: NDArray[Any]) -> str | None:
    """What a loss asks of the values of a regression target that these don't fulfil, as the end of a sentence."""
    second, low, high = target_domain(definition), float(target.min()), float(target.max())
    if definition.name in _SHARES:
        return None if low >= 0 and high <= 1 else f"needs targets in [0, 1], got {low:g} to {high:g}."
    if isinstance(second, (NonNegativeReal, Count)) and low < 0:
        return f"needs targets of at least 0, got {low:g}."
    if isinstance(second, PositiveReal) and not isinstance(second, NonNegativeReal) and low <= 0:
        return f"needs targets above 0, got {low:g}."
    if isinstance(second, Count) and definition.name not in _OF_ANY_AMOUNT and (target != np.round(target)).any():
        return f"needs whole numbers, got {target[target != np.round(target)][0]:g}."
    return None


def feed(definition: Definition, task: str) -> Feed:
    """How the loss is joined to a model, for a task that it fits."""
    if task == REGRESSION:
        return _regression(definition)
    first, second = definition.card.inputs[0], target_domain(definition)
    if isinstance(second, Rank):
        return Feed(lambda raw, y, c, s: (raw, y, {}), _RANKS[definition.name], fewer=1)
    if isinstance(second, ClassIndex):
        return _classes(definition, task)
    link = torch.sigmoid if isinstance(first, Probability) else _as_it_is
    recode = (lambda y: 2 * y - 1) if isinstance(second, Sign) else _as_it_is
    return Feed(lambda raw, y, c, s: (link(raw), recode(y), {}), _scores)


def as_given(task: str) -> Feed:
    """For a callable of the user's: it gets the raw outputs and the target, standardised for regression."""
    return Feed(lambda raw, y, c, s: (raw, y, {}), _restore if task == REGRESSION else _scores)


def constants(definition: Definition, target: Tensor, classes: int) -> dict[str, Tensor]:
    """The loss's inputs that are computed from the classes of the training part: their counts or shares, by name."""
    if not isinstance(target_domain(definition), ClassIndex):
        return {}
    extra = zip(definition.inputs[2:], definition.card.inputs[2:], strict=True)
    return {
        name: (class_counts if isinstance(domain, Count) else class_prior)(target.long(), classes=classes)
        for name, domain in extra
        if len(domain.patterns[0]) == 1
    }


def _as_it_is(values: Tensor) -> Tensor:
    return values


def _scores(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    return raw


def _restore(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    return raw * scale + centre


# Classes -------------------------------------------------------------------------------------------------------------


def _classes(definition: Definition, task: str) -> Feed:
    first, extra = definition.card.inputs[0], dict(zip(definition.inputs[2:], definition.card.inputs[2:], strict=True))
    # Probabilities of the batch are the model's; counts and priors are constants of the training part.
    own = [name for name, domain in extra.items() if len(domain.patterns[0]) > 1]

    def link(raw: Tensor) -> Tensor:
        if isinstance(first, LogSimplex):
            return torch.log_softmax(raw, -1)
        return torch.softmax(raw, -1) if isinstance(first, Simplex) else raw

    def prepare(raw: Tensor, y: Tensor, centre: Tensor, scale: Tensor) -> Inputs:
        return link(raw), y.long(), {name: torch.softmax(raw, -1) for name in own}

    if task == BINARY:
        return Feed(prepare, lambda raw, c, s: raw[..., 1] - raw[..., 0], outputs=2)
    return Feed(prepare, _scores)


def _conditional(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Log-probabilities of the classes from the log-odds of "if it is above k - 1, is it above k?" (arXiv:2111.08851,
    eq. 6: the probability of a class above k is the product of the answers up to k)."""
    above = F.logsigmoid(raw).cumsum(-1)
    before = F.pad(above, (1, 0))
    return before + F.pad(F.logsigmoid(-raw), (0, 1))


def _cumulative(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Log-probabilities of the classes from the log-odds of "is it above k?".

    Thresholds with weights of their own need not be in order: each answer counts as at most the ones before it, and a
    class that is left with nothing has a probability of one in a million.
    """
    above = torch.sigmoid(raw).cummin(-1).values
    return (F.pad(above, (1, 0), value=1.0) - F.pad(above, (0, 1))).clamp(min=1e-6).log()


_RANKS: Mapping[str, Read] = {"corn_loss": _conditional, "coral_loss": _cumulative}


# Numbers -------------------------------------------------------------------------------------------------------------


def _regression(definition: Definition) -> Feed:
    """A model that says nothing yet, with outputs of 0, predicts the mean of the training part by every loss."""
    if definition.name in _SHARES:
        return Feed(
            lambda raw, y, c, s: (raw + torch.logit(c), (y * s + c).clamp(0.0, 1.0), {}),
            lambda raw, c, s: torch.sigmoid(raw + torch.logit(c)),
        )
    first, others = definition.card.inputs[0], definition.inputs[2:]
    if isinstance(first, LogMean):
        mean = _log_mean
    elif isinstance(first, PositiveReal):
        mean = _positive_mean
    else:
        mean = _restore
    standardised = mean is _restore and _ignores_shift(definition)

    def split(raw: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        if not others:
            return raw, {}
        return raw[..., 0], {name: F.softplus(raw[..., 1 + i]) + _LEAST for i, name in enumerate(others)}

    def prepare(raw: Tensor, y: Tensor, centre: Tensor, scale: Tensor) -> Inputs:
        prediction, more = split(raw)
        if standardised:
            return prediction, y, more
        target = _within(target_domain(definition), y * scale + centre, scale)
        return mean(prediction, centre, scale), target, more

    def read(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        prediction = mean(split(raw)[0], centre, scale)
        return prediction.exp() if mean is _log_mean else prediction

    return Feed(prepare, read, outputs=1 + len(others))


def _log_mean(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    return raw + centre.log()


def _positive_mean(raw: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    shift = torch.expm1(centre / scale).log()  # the inverse of the softplus
    return scale * (F.softplus(raw + torch.where(centre / scale > 20.0, centre / scale, shift)) + _LEAST)


def _within(domain: Domain, target: Tensor, scale: Tensor) -> Tensor:
    """The target in its own units, without what rounding took it below 0."""
    if isinstance(domain, (NonNegativeReal, Count)):
        return target.clamp(min=0.0)
    return torch.maximum(target, 1e-6 * scale) if isinstance(domain, PositiveReal) else target


def _ignores_shift(definition: Definition) -> bool:
    """Whether only the difference of prediction and target matters, so that a standardised target is as good."""
    x = torch.linspace(0.5, 3.0, 6, dtype=torch.float64)
    y = x.flip(0) + 0.1
    spreads = [torch.ones_like(x) for _ in definition.inputs[2:]]
    here, moved = (definition.function(x + s, y + s, *spreads, reduction="none") for s in (0.0, 7.5))
    return torch.allclose(here, moved, rtol=1e-6, atol=1e-9)
