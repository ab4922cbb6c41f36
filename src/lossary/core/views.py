"""What each term of a combination is given, where its terms take one thing in several forms.

Cross-entropy takes logits and class indices, Dice the probabilities and one-hot targets that belong to them. Which form
a loss takes is on its card; the conversions are those that the forms imply, and no value is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from .card import Card
from .domains import Binary, ClassIndex, Either, Logit, LogSimplex, Probability
from .reduction import align

Form = Literal["class logits", "label logits", "class map", "label probabilities", "log-simplex", "other"]
Call: TypeAlias = tuple[Sequence[Tensor], dict[str, Any]]
"""The tensors and the options of a call."""


@dataclass(frozen=True)
class View:
    """From logits and a target to the form that another term takes.

    What is masked or ignored becomes 0 before it is converted, so that a masked NaN stays out of the gradient.
    """

    form: Form
    ignore_index: int | None

    def __call__(self, tensors: Sequence[Tensor], options: Mapping[str, Any]) -> Call:
        if len(tensors) != 2:
            return tensors, dict(options)
        logits, target = tensors
        mask: Tensor | None = options.get("mask")
        if self.form == "label probabilities":
            safe = logits if mask is None else torch.where(align(mask, logits, "mask"), logits, 0.0)
            return (safe.sigmoid(), target), dict(options)
        axis = min(1, logits.ndim - 1)
        if target.is_floating_point() or target.ndim == logits.ndim:  # a distribution over the classes already
            return (logits.softmax(axis), target), dict(options)
        counted = torch.ones_like(target, dtype=torch.bool) if mask is None else align(mask, target, "mask")
        if self.ignore_index is not None:
            counted = counted & (target != self.ignore_index)
        safe = torch.where(counted.unsqueeze(axis), logits, 0.0)
        if self.form == "log-simplex":
            return (safe.log_softmax(axis), torch.where(counted, target, 0)), {**options, "mask": counted}
        index = torch.arange(logits.shape[axis], device=target.device).reshape(-1, *[1] * (target.ndim - 1))
        one_hot = (target.unsqueeze(axis) == index).to(logits.dtype)
        return (safe.softmax(axis), one_hot), {**options, "mask": counted.unsqueeze(axis).expand_as(one_hot)}


def views(losses: Sequence[nn.Module]) -> list[View | None]:
    """For each loss what stands between it and the tensors of the call; ``None`` where nothing does."""
    forms = [_form(loss) for loss in losses]
    if "class logits" in forms:
        ignore_index = getattr(losses[forms.index("class logits")], "ignore_index", None)
        return [View(form, ignore_index) if form in ("class map", "log-simplex") else None for form in forms]
    if "label logits" in forms:
        seen = ("class map", "label probabilities")
        return [View("label probabilities", None) if form in seen else None for form in forms]
    return [None] * len(forms)


def _form(loss: nn.Module) -> Form:
    card = getattr(loss, "card", None)
    if not isinstance(card, Card) or len(card.inputs) != 2:
        return "other"
    first, second = card.inputs
    targets = second.options if isinstance(second, Either) else (second,)
    if any(isinstance(target, ClassIndex) for target in targets):
        if isinstance(first, LogSimplex):
            return "log-simplex"
        return "class logits" if isinstance(first, Logit) else "other"
    if not any(isinstance(target, Binary) for target in targets):
        return "other"
    if isinstance(first, Logit):
        return "label logits"
    if isinstance(first, Probability):
        return "class map" if "c" in first.pattern() else "label probabilities"
    return "other"
