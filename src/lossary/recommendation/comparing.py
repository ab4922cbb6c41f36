"""A candidate in the words of ``lossary.compare``, which puts the advice to the trial."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .candidates import SIZED, Candidate
from .kinds import NUMERIC, Kind
from .profiling import Profile

COMPARED: Mapping[Kind, str] = {
    "real": "regression", "positive": "regression", "bounded": "regression", "count": "regression",
    "zero-inflated": "regression", "binary": "binary classification", "multi-class": "multi-class classification",
    "ordinal": "ordinal classification", "multi-label": "multi-label classification",
}  # fmt: skip
"""The task of each kind, as ``lossary.compare`` calls it."""


def comparable(candidate: Candidate, measured: Profile) -> str:
    """As ``lossary.compare`` takes it, ``"huber:delta=1.4"``; empty where it does not train such a loss.

    What compare standardises, it gives to a loss in standard deviations of the target: sizes are given so too.
    """
    definition, card = candidate.definition, candidate.definition.card
    one_prediction = measured.kind not in NUMERIC or len(card.inputs[0].patterns[0]) == 1
    if measured.kind not in COMPARED or card.samples == "interacting" or not one_prediction:
        return ""
    words = [candidate.name.split(":")[0]]
    for name, value in candidate.settings.items():
        if isinstance(value, Tensor):
            value = "balanced"
        elif SIZED.get(definition.name) == name:
            value = float(f"{value / measured.value('target_deviation'):.3g}")
        words.append(f"{name}={value}")
    return ":".join(words)
