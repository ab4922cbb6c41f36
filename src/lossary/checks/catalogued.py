"""What the card of a catalogued loss tells the checker, so that ours are held to what anybody's are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import Tensor

from lossary.core import ClassIndex, Definition, Either, Loss, LossInputError, definition_of

from .cases import SIZES

_RENAMED = {"zero_at_target": "zero_at_perfect", "permutation_invariant": "permutation"}
_OURS = {
    "finite": True, "pure": True, "dtype": True, "half": True, "device": True, "strict_shape": True,
    "reject_reduction": True, "reductions": ("none", "mean", "sum"), "empty": "zero", "all_ignored": "zero",
    "sample_weight": {"arg": "sample_weight"},
}  # fmt: skip
"""What every loss of the catalogue promises."""
_ENGINE_CLAIMS = (
    "nonnegative", "symmetric", "convex", "monotone", "scale_invariant", "shift_invariant", "positive_off_target",
)  # fmt: skip


def definition_behind(loss: Callable[..., Any]) -> Definition | None:
    """The definition of a catalogued function, class or module; ``None`` for a loss of somebody else."""
    if isinstance(loss, Loss) or (isinstance(loss, type) and issubclass(loss, Loss)):
        return getattr(loss, "definition", None)
    try:
        return definition_of(cast(Callable[..., Tensor], loss))
    except (KeyError, TypeError):  # not defined here; or not even hashable
        return None


def told_by(definition: Definition, option: int = 0) -> Mapping[str, Any]:
    """Keywords of :func:`lossary.check`; ``option`` chooses the domain where an input may be in one of several.

    Raises:
        LossInputError: if no input has that many.
    """
    card = definition.card
    if option and option >= max((len(d.options) for d in card.inputs if isinstance(d, Either)), default=1):
        raise LossInputError(f"check: {definition.name} must have an input with {option + 1} domains, it has fewer.")
    domains = [d.options[option] if isinstance(d, Either) else d for d in card.inputs]
    claims: dict[str, Any] = dict(_OURS)
    if not card.stops_gradient:
        claims["differentiable"] = tuple(i for i, d in enumerate(domains) if d.has_gradient)
    claims["memory"] = card.memory == "linear" and "linear"
    settings = [definition.hyperparameters, *({**definition.hyperparameters, **each} for each in card.settings)]
    for claim in frozenset.intersection(*map(card.claims_under, settings)):
        name = _RENAMED.get(claim, claim)
        if name in _ENGINE_CLAIMS or claim in _RENAMED:
            claims[name] = True
        elif claim == "at_most_one":
            claims["bounded"] = (-float("inf"), 1.0)
    if card.samples == "independent":
        claims |= {"per_sample": True, "replicate": True}
    target = domains[definition.target] if len(domains) > 1 else None
    if "ignore_index" in definition.hyperparameters and isinstance(target, ClassIndex):
        claims["ignore_index"] = definition.hyperparameters["ignore_index"]
    return {"inputs": domains, "claims": claims, "settings": card.settings, "sizes": {**SIZES, **card.sizes}}
