"""A candidate loss: which one, what is fixed, what is tuned, and how a model's outputs become its inputs."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lossary.balance import class_weights, pos_weight
from lossary.catalogue import get, short_name
from lossary.core import (
    Definition,
    Loss,
    LossInputError,
    definition_of,
)

from .feeding import Feed, as_given, constants, feed, misfit, unfit_target
from .targets import REGRESSION

if TYPE_CHECKING:
    from .data import Dataset

BALANCED = "balanced"
"""Value of a weight that is computed from the class counts of each training part."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "regression": ("mse", "l1", "huber", "log_cosh"),
    "binary classification": ("bce_with_logits", "bce_with_logits:pos_weight=balanced", "sigmoid_focal", "hinge"),
    "multi-class classification": (
        "cross_entropy",
        "cross_entropy:class_weight=balanced",
        "softmax_focal",
        "generalized_cross_entropy",
    ),
    "multi-label classification": (
        "bce_with_logits",
        "bce_with_logits:pos_weight=balanced",
        "sigmoid_focal",
        "asymmetric",
    ),
    "ordinal classification": ("corn", "coral", "cross_entropy"),
}
"""What is compared when no losses are given: the usual one of each kind."""

Objective = Callable[[Tensor, Tensor, Tensor, Tensor, Mapping[str, Tensor]], Tensor]
"""Mean loss of raw outputs ``(b,)`` or ``(b, c)`` against targets; the others are the centre and the scale of a
regression target, and the tensors among the hyperparameters."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One loss to compare."""

    label: str
    """As the user writes it, and unique in a comparison."""
    name: str
    """Name of the loss function, or of the user's own callable."""
    function: Callable[..., Tensor]
    definition: Definition | None
    """``None`` for a callable that is not in the catalogue: it is called with the raw outputs and the targets."""
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def tuned(self) -> list[dict[str, float]]:
        """The hyperparameter settings to try: first the usual one, then the others that the card declares."""
        if self.definition is None:
            return [{}]
        grid = {name: values for name, values in self.definition.card.tune.items() if name not in self.fixed}
        combined = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        usual = {name: self.definition.hyperparameters[name] for name in grid}
        return [usual, *(setting for setting in combined if setting != usual)]

    def identity(self) -> dict[str, Any]:
        """What tells this loss from others in a ledger, besides tuned hyperparameters."""
        if self.definition is not None:
            return {"loss": self.name, "fixed": dict(self.fixed)}
        try:
            source = inspect.getsource(self.function if inspect.isroutine(self.function) else type(self.function))
        except (OSError, TypeError):  # defined where there is no source: at a prompt, or in C
            source = repr(self.function)
        return {"loss": self.name, "source": hashlib.sha256(source.encode()).hexdigest()}

    def weights(self, target: Tensor, outputs: int) -> dict[str, Tensor]:
        """What is computed from the targets of a training part: hyperparameters that were given as "balanced", and
        class counts and priors that the loss takes as inputs."""
        found = {n: _balanced(n, target, outputs) for n, value in self.fixed.items() if value == BALANCED}
        more = {} if self.definition is None else constants(self.definition, target, max(outputs, 2))
        return found | more

    def feed_for(self, task: str) -> Feed:
        """How a model's outputs become the loss's inputs, and how they are read."""
        return as_given(task) if self.definition is None else feed(self.definition, task)

    def objective(self, task: str, setting: Mapping[str, Any]) -> Objective:
        """The mean loss of a model's raw outputs, under a setting of the tuned hyperparameters."""
        joined = self.feed_for(task)
        scalars = {**{n: v for n, v in self.fixed.items() if v != BALANCED}, **setting}
        loss = self.function

        def objective(
            raw: Tensor, target: Tensor, centre: Tensor, scale: Tensor, tensors: Mapping[str, Tensor]
        ) -> Tensor:
            outputs, wanted, more = joined.prepare(raw, target, centre, scale)
            return loss(outputs, wanted, **more, **scalars, **tensors)

        return objective

    def code(self, setting: Mapping[str, Any]) -> str:
        """A line of Python that makes this loss."""
        if self.definition is None or self.definition.module is None:
            return f"loss_fn = {self.name}"
        given = {**self.fixed, **setting}
        usual = self.definition.hyperparameters
        words = [f"{n}={n if v == BALANCED else repr(v)}" for n, v in given.items() if v != usual[n]]
        return f"loss_fn = lossary.{self.definition.module.__name__}({', '.join(words)})"


def candidates(losses: Sequence[Any] | None, task: str) -> list[Candidate]:
    """The candidates named by ``losses``, or the usual ones for ``task``.

    Each may be a string ``"quantile:q=0.9"``, a class or an instance of a catalogued loss, its function, or any
    callable of raw outputs and targets.

    Raises:
        LossInputError: if a name is unknown, a hyperparameter is unknown or out of its bounds, a loss does not fit the
            task, or two candidates are the same.
    """
    found = [_candidate(loss) for loss in (DEFAULTS[task] if losses is None else losses)]
    if len(found) < 2:
        raise LossInputError(f"compare: `losses` must name at least two losses, got {[c.label for c in found]}.")
    labels = [candidate.label for candidate in found]
    for label in labels:
        if labels.count(label) > 1:
            raise LossInputError(f"compare: `losses` must all be different, got {label!r} twice.")
    for candidate in found:
        _require_fit(candidate, task)
    return found


def check_target(competing: Sequence[Candidate], dataset: Dataset) -> None:
    """Refuse losses that the values of a regression target can't be given to.

    Raises:
        LossInputError: with what the loss asks for and the first value that is not so.
    """
    if dataset.task != REGRESSION:
        return
    for candidate in competing:
        if candidate.definition is not None and (reason := unfit_target(candidate.definition, dataset.target)):
            raise LossInputError(f"{candidate.label}: {reason}")


def parse(text: str) -> Candidate:
    """The candidate that ``"name"`` or ``"name:hyperparameter=value:..."`` stands for."""
    name, *assignments = [part.strip() for part in text.split(":")]
    definition = get(name)
    fixed = dict(_assignment(definition, text) for text in assignments)
    checked = {n: v for n, v in fixed.items() if v != BALANCED}
    definition.check(short_name(definition), checked)
    label = ":".join([short_name(definition), *(f"{n}={v}" for n, v in fixed.items())])
    return Candidate(label, definition.name, definition.function, definition, fixed)


def _candidate(loss: Any) -> Candidate:
    if isinstance(loss, str):
        return parse(loss)
    if isinstance(loss, type) and issubclass(loss, Loss) and hasattr(loss, "definition"):
        return parse(loss.definition.name)
    if isinstance(loss, Loss):
        definition = loss.definition
        usual = definition.hyperparameters
        fixed = {n: getattr(loss, n) for n in usual}
        shown = [f"{n}={v}" for n, v in fixed.items() if v is not usual[n] and v != usual[n]]
        return Candidate(
            ":".join([short_name(definition), *shown]), definition.name, definition.function, definition, fixed
        )
    if callable(loss):
        try:
            return parse(definition_of(loss).name)
        except KeyError:
            name = getattr(loss, "__name__", type(loss).__name__)
            if isinstance(loss, nn.Module) and any(True for _ in loss.parameters()):
                raise LossInputError(
                    f"compare: {name} has parameters of its own, which would not be trained."
                ) from None
            return Candidate(name, name, loss, None)
    raise LossInputError(f"compare: `losses` must hold names, losses or callables, got {loss!r}.")


def _assignment(definition: Definition, text: str) -> tuple[str, Any]:
    name, equals, value = (part.strip() for part in text.partition("="))
    owner = short_name(definition)
    if not equals:
        raise LossInputError(f"{owner}: a hyperparameter must be written name=value, got {text!r}.")
    if name not in definition.hyperparameters:
        known = sorted(definition.hyperparameters)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(known) or 'none'}."
        raise LossInputError(f"{owner}: `{name}` is not a hyperparameter; {hint}")
    return name, _value(value)


def _value(text: str) -> Any:
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _require_fit(candidate: Candidate, task: str) -> None:
    definition = candidate.definition
    if definition is None:
        return
    owner = candidate.label
    if reason := misfit(definition, task):
        raise LossInputError(f"{owner}: {reason}")
    if candidate.fixed.get("log_input") is False:
        raise LossInputError(f"{owner}: `log_input` must stay True: compare gives it the logarithm of a mean.")
    for name, value in candidate.fixed.items():
        if value == BALANCED and name not in ("class_weight", "pos_weight"):
            raise LossInputError(f"{owner}: `{name}` can't be balanced; class_weight and pos_weight can.")


def _balanced(name: str, target: Tensor, outputs: int) -> Tensor:
    """Weights that make every class, or the labels 1 and 0, count the same in the training part."""
    if name == "pos_weight":
        return pos_weight(target)
    return class_weights(target if outputs > 1 else target.long(), classes=max(outputs, 2))
