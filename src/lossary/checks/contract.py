"""What a loss is held to: the claims that were told, and those that its task implies where none were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from lossary.core import LossInputError

CLAIM_TEXTS: Mapping[str, str] = {
    "finite": "value and gradient are finite at every edge of every domain",
    "nonnegative": "no value is below 0",
    "bounded": "all values lie within (low, high)",
    "zero_at_perfect": "0 at a perfect prediction",
    "positive_off_target": "above 0 at every other one",
    "best_at_perfect": "no prediction is better than the perfect one",
    "symmetric": "the first two arguments may change places",
    "convex": "convex in the first argument",
    "monotone": "does not fall as the first argument moves away from the perfect prediction",
    "scale_invariant": "may be multiplied by a positive number",
    "shift_invariant": "a number may be added",
    "permutation": "reordering the samples reorders the values and leaves the mean",
    "per_sample": "the value of a sample depends on that sample alone",
    "replicate": "the batch twice gives the same mean",
    "mean_of_singles": "the mean over a batch is the mean over its samples one at a time",
    "strict_shape": "shapes that do not fit are refused, not broadcast",
    "pure": "inputs are untouched, and a second call gives what the first gave",
    "dtype": "computes and answers in the type of its inputs",
    "half": "finite and near the exact value in half precision",
    "device": "works on another device than the default one",
    "compile": "torch.compile captures it whole and changes nothing",
    "vmap": "torch.vmap over samples is the loop over samples",
    "empty": "what an empty batch gives",
    "all_ignored": "what a batch gives in which nothing counts",
    "ignore_index": "targets of this number might as well not be there",
    "mask": "masked entries do not matter",
    "sample_weight": "a weight of 1 changes nothing, and a weight of 0 drops the sample",
    "class_weight": "each value counts by the weight of its class",
    "reductions": "sum and mean are those of the unreduced values",
    "reject_reduction": "an unknown reduction is refused",
    "differentiable": "the gradient is that of the value, and not dead",
    "equals": "equal to a reference",
    "options": "every hyperparameter that was told has an effect",
    "domain_check": "arguments outside their domain are refused",
    "memory": "the largest intermediate grows linearly with the number of samples",
    "distributed": "the mean over ranks is the loss of the whole batch",
}
"""The name of each claim, and what it says."""

_VALUES: Mapping[str, Sequence[Any]] = {
    "empty": ("zero", "nan", "raise", "finite"),
    "all_ignored": ("zero", "nan", "raise", "finite"),
    "memory": ("linear",),
}
_NEED_A_VALUE = ("bounded", "empty", "all_ignored", "ignore_index", "mask", "sample_weight", "reductions", "equals")
_DETAILS = {"mean_over": ("elements", "batch", "valid", "weight"), "weight_scale": ("invariant", "linear")}
"""Entries of a mapping of claims that say more about another: what the mean divides by, what class weights do to it."""


@dataclass(frozen=True)
class Contract:
    """The claims of one loss with their values, and for those that nobody told, why they are assumed."""

    claims: Mapping[str, Any]
    assumed: Mapping[str, str]
    mean_over: str | None = None
    weight_scale: str | None = None

    def __contains__(self, claim: str) -> bool:
        return claim in self.claims

    def get(self, claim: str) -> Any:
        return self.claims.get(claim)

    def position(self, claim: str) -> int | str | None:
        """Where the tensor of ``mask``, ``sample_weight`` or ``class_weight`` is given: a position or a keyword."""
        told = self.claims.get(claim)
        if isinstance(told, Mapping):
            at = told["arg"]
            assert isinstance(at, (int, str))
            return at
        return told if isinstance(told, str) else None


def contract(claims: Set[str] | Mapping[str, Any] | None, assumed: Mapping[str, tuple[Any, str]]) -> Contract:
    """Check what was told and complete it by ``assumed`` (claim: value and reason) where nothing was.

    Raises:
        LossInputError: for a claim that does not exist or whose value makes no sense.
    """
    if claims is None:
        return Contract({n: value for n, (value, _) in assumed.items()}, {n: why for n, (_, why) in assumed.items()})
    told = dict(claims) if isinstance(claims, Mapping) else dict.fromkeys(claims, True)
    details: dict[str, Any] = {name: told.pop(name, None) for name in _DETAILS}
    for name, value in details.items():
        if value is not None and value not in _DETAILS[name]:
            raise LossInputError(f"check: `{name}` must be one of {', '.join(_DETAILS[name])}, got {value!r}.")
    kept = {name: value for name, value in told.items() if value is not False and value is not None}
    for name, value in kept.items():
        _check(name, value)
    return Contract(kept, {}, mean_over=details["mean_over"], weight_scale=details["weight_scale"])


def _check(name: str, value: Any) -> None:
    if name not in CLAIM_TEXTS:
        raise LossInputError(f"check: `claims` must be among {', '.join(CLAIM_TEXTS)}; got {name!r}.")
    if value is True and name in _NEED_A_VALUE:
        raise LossInputError(f"check: the claim `{name}` must come with a value, got {name!r} alone.")
    if name in _VALUES and value not in (True, *_VALUES[name]):
        raise LossInputError(f"check: `{name}` must be one of {', '.join(_VALUES[name])}, got {value!r}.")
    placed = isinstance(value, Mapping) and isinstance(value.get("arg"), (int, str))
    if name in ("mask", "sample_weight") and not placed:
        raise LossInputError(f'check: `{name}` must be {{"arg": a position or a keyword}}, got {value!r}.')
    if name == "bounded" and not (isinstance(value, Sequence) and len(value) == 2):
        raise LossInputError(f"check: `bounded` must be (low, high), got {value!r}.")
    if name == "differentiable" and value is not True and not all(isinstance(i, int) for i in _several(value)):
        raise LossInputError(f"check: `differentiable` must be positions of arguments, got {value!r}.")
    if name == "equals" and not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in _several(value)):
        raise LossInputError(f"check: `equals` must be pairs of keywords and a reference, got {value!r}.")


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]
