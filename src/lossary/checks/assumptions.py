"""What any user would expect of a loss of which nothing was claimed: from its task, its domains and its options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lossary.core import Binary, Box, ClassIndex, Domain, Image, Logit, LogSimplex, Probability, Real, Simplex

from .subject import Callee

Assumed = Mapping[str, tuple[Any, str]]
"""Claim: its value, and why it is assumed."""

_EVERY = ("finite", "differentiable", "pure", "dtype", "half", "device")
_NONNEGATIVE = ("regression", "classification", "segmentation", "detection", "metric learning")
_SIGNED = r"policy|critic|wasserstein|gan|reward|elbo|crps|density|dpo"
"""In the name of a loss: it may well be negative, or not be best at its target."""
_OF_DENSITIES = r"nll|likelihood"
"""Likewise, where the target is no class."""


def assumed(callee: Callee, domains: Sequence[Domain | None], task: str | None) -> Assumed:
    found: dict[str, tuple[Any, str]] = {name: (True, "holds for any loss") for name in _EVERY}
    guessed = task or implied_task(domains)
    why = f"its task is {task}" if task else f"its arguments look like {guessed}"
    classes = any(isinstance(d, (ClassIndex, Binary)) for d in domains[1:2])
    signed = re.search(_SIGNED if classes else f"{_SIGNED}|{_OF_DENSITIES}", callee.name.lower()) is not None
    if guessed and not signed:
        if task and any(word in task for word in _NONNEGATIVE):
            found["nonnegative"] = (True, why)
        found["best_at_perfect"] = (True, why)
    if callee.accepts("reduction") and "reduction" in callee.options:
        found["reject_reduction"] = (True, "it has the option reduction")
        found["reductions"] = (("none", "mean", "sum"), "it has the option reduction")
    ignored = callee.options.get("ignore_index")
    if isinstance(ignored, int) and not isinstance(ignored, bool) and any(isinstance(d, ClassIndex) for d in domains):
        found["ignore_index"] = (ignored, "it has the option ignore_index")
    return found


def implied_task(domains: Sequence[Domain | None]) -> str | None:
    """What the first two arguments look like, where they leave little doubt."""
    if len(domains) < 2:
        return None
    first, target = domains[:2]
    if isinstance(first, (Logit, LogSimplex, Simplex)) and isinstance(target, ClassIndex):
        return "multi-class classification"
    if isinstance(first, (Logit, Probability)) and isinstance(target, Binary):
        return "binary classification"
    if isinstance(first, Box) and isinstance(target, Box):
        return "detection"
    if type(first) in (Real, Image) and first == target:
        return "regression"
    return None
