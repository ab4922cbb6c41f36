"""Which losses can be trained on a kind of target, and with which hyperparameters the data ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lossary.balance import class_prior, class_weights, pos_weight
from lossary.catalogue import find, get, short_name
from lossary.core import (
    Binary,
    ClassIndex,
    Count,
    Definition,
    Domain,
    Either,
    Logit,
    LogProbability,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Sign,
    Simplex,
    Trait,
)
from lossary.losses.density.positive import LogMean
from lossary.losses.ordinal import Rank

from .kinds import NUMERIC, Kind
from .profiling import Profile
from .rules import Situation

_TASKS: dict[Kind, tuple[str, ...]] = {
    "real": ("regression", "probabilistic regression"),
    "positive": ("regression", "probabilistic regression"),
    "bounded": ("regression", "probabilistic regression"),
    "count": ("count regression", "regression", "probabilistic regression"),
    "zero-inflated": ("count regression", "regression", "probabilistic regression"),
    "binary": ("binary classification",),
    "multi-class": ("multi-class classification",),
    "ordinal": ("ordinal classification", "multi-class classification"),
    "multi-label": ("multi-label classification",),
}

_EFFICIENT: Mapping[str, tuple[str, float]] = {
    "huber_loss": ("delta", 1.345), "smooth_l1_loss": ("beta", 1.345), "pseudo_huber_loss": ("delta", 1.287),
    "general_robust_loss": ("scale", 1.287), "cauchy_loss": ("scale", 1.686), "welsch_loss": ("scale", 2.110),
    "geman_mcclure_loss": ("scale", 1.894), "tukey_biweight_loss": ("delta", 4.685),
    "uncertain_smooth_l1_loss": ("beta", 1.345),
}  # fmt: skip
"""Times the residual scale, so that the loss is 95% as efficient as squared error for normal noise: the solutions of
(E psi')² / E psi² = 0.95 (Huber and Ronchetti, Robust Statistics (2009), sec. 4.5; Holland and Welsch 1977,
doi:10.1080/03610917708812083)."""

PAIRWISE = ("ranknet_loss",)
"""Losses of the order of a batch, which are for those who want nothing but an order."""

SIZED: Mapping[str, str] = {
    **{name: parameter for name, (parameter, _) in _EFFICIENT.items()}, "quantile_huber_loss": "delta",
}  # fmt: skip
"""The hyperparameter that is a size, in the units of the target."""

IMBALANCED = 4.0
"""From this ratio on, losses that take class weights get them: where the rule of imbalance starts."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A loss with the hyperparameters that the data or the goals give it."""

    definition: Definition
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of hyperparameters, tensors among them, that differ from the defaults."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why, by hyperparameter."""
    balanced: str = ""
    """The weights that this variant of a loss adds: "class_weight" or "pos_weight"."""

    @property
    def name(self) -> str:
        """Its short name, which marks the variant with weights."""
        plain = short_name(self.definition)
        return f"{plain}:{self.balanced}=balanced" if self.balanced else plain

    @property
    def good_at(self) -> frozenset[Trait]:
        """What the card says, and what class weights mend."""
        mended: frozenset[Trait] = frozenset({"class imbalance", "rare classes"} if self.balanced else ())
        return frozenset(self.definition.card.good_at) - self._cost | mended

    @property
    def bad_at(self) -> frozenset[Trait]:
        """What the card says, less what class weights mend, and what they cost."""
        mended: frozenset[Trait] = frozenset({"class imbalance", "rare classes"} if self.balanced else ())
        return (frozenset(self.definition.card.bad_at) - mended) | self._cost

    @property
    def _cost(self) -> frozenset[Trait]:
        return frozenset({"calibrated probabilities"} if self.balanced else ())


def candidates(situation: Situation) -> list[Candidate]:
    """All losses that a model can be trained with on this target, by name; with class weights twice where they help."""
    profile = situation.profile
    found = {d.name: d for task in _TASKS[profile.kind] for d in find(task=task) if _fits(d, profile)}
    if situation.goal("ranking"):
        found |= {name: get(name) for name in PAIRWISE}
    if profile.kind == "bounded":
        found["bce_with_logits_loss"] = get("bce_with_logits")
    if profile.kind == "binary":  # two outputs in place of one, where that buys robustness
        robust = find(task="multi-class classification", good_at=["label noise"])
        found |= {d.name: d for d in robust if isinstance(d.card.inputs[0], Logit) and len(d.inputs) == 2
                  and isinstance(target_domain(d), ClassIndex)}  # fmt: skip
    out = []
    for definition in sorted(found.values(), key=lambda d: d.name):
        settings, reasons = settings_of(definition, situation)
        out.append(Candidate(definition, settings, reasons))
        if weight := _weights(definition, situation):
            out.append(Candidate(definition, {**settings, weight[0]: weight[1]}, {**reasons, weight[0]: weight[2]},
                                 balanced=weight[0]))  # fmt: skip
    return out


def target_domain(definition: Definition) -> Domain:
    """The domain of the second input; the first where there are several."""
    second = definition.card.inputs[1]
    return second.options[0] if isinstance(second, Either) else second


def class_tensor(profile: Profile) -> Tensor:
    """A target with the profile's class counts, for ``lossary.balance``."""
    return torch.repeat_interleave(torch.arange(len(profile.counts)), torch.tensor(profile.counts))


def _fits(definition: Definition, profile: Profile) -> bool:
    card, kind = definition.card, profile.kind
    if len(card.inputs) < 2 or (card.samples == "interacting" and kind not in NUMERIC):
        return False
    first, second, extra = card.inputs[0], target_domain(definition), card.inputs[2:]
    if kind not in NUMERIC:
        firsts, seconds = {
            "binary": ((Logit, Probability), (Binary, Sign)),
            "multi-label": ((Logit, Probability), (Binary, Sign)),
            "multi-class": ((Logit, LogSimplex), (ClassIndex,)),
            "ordinal": ((Logit, LogSimplex), (ClassIndex, Rank)),
        }[kind]
        return (
            isinstance(first, firsts)
            and isinstance(second, seconds)
            and all(isinstance(e, (Count, Simplex)) for e in extra)
        )
    if definition.name == "poisson_nll_loss" and not profile.whole:
        return True  # minimal at the mean of anything from 0 on
    positive = kind == "positive" or (kind in ("count", "zero-inflated") and profile.value("zero_share") == 0)
    allowed: tuple[type[Domain], ...] = (Real,)
    if kind != "real":
        allowed = (Real, NonNegativeReal, *((PositiveReal,) if positive else ()), *((Count,) if profile.whole else ()))
    if isinstance(second, LogMean) or not isinstance(second, allowed):
        return False
    if isinstance(first, (LogProbability, Logit)) or (kind == "bounded" and isinstance(first, LogMean)):
        return False
    return all(isinstance(e, PositiveReal) for e in extra)


def settings_of(definition: Definition, situation: Situation) -> tuple[dict[str, Any], dict[str, str]]:
    """What the figures and the goals say about the hyperparameters."""
    profile, name = situation.profile, definition.name
    size = profile.value("residual_scale")
    level = goal.level if (goal := situation.goal("quantile")) is not None else None
    if name in _EFFICIENT and size > 0:
        parameter, factor = _EFFICIENT[name]
        return {parameter: _round(factor * size)}, {
            parameter: f"{factor:g} times the residuals' scale of {size:.3g}: 95% efficient for normal noise"
        }
    if name == "quantile_huber_loss":
        delta = {"delta": _round(0.1 * size)} if size > 0 else {}
        why = {"delta": f"a tenth of the residuals' scale of {size:.3g}, to stay near the quantile"} if delta else {}
        return ({**delta, "q": level}, {**why, "q": "the goal"}) if level else (delta, why)
    if name == "quantile_loss" and level:
        return {"q": level}, {"q": "the goal"}
    if name in ("multi_quantile_loss", "quantile_crps_loss"):
        levels = sorted({0.05, 0.25, 0.5, 0.75, 0.95, *([level] if level else [])})
        return {"levels": torch.tensor(levels)}, {"levels": "the middle, a half and nine tenths of the distribution"}
    power = profile.value("variance_power")
    if name.startswith("tweedie") and power > 1:
        return {"power": _round(min(max(power, 1.1), 1.9))}, {
            "power": f"the variance grows as the mean to the power {power:.2f}, held within [1.1, 1.9]"
        }
    return _focal(definition, profile)


def _focal(definition: Definition, profile: Profile) -> tuple[dict[str, Any], dict[str, str]]:
    name, ratio = definition.name, profile.value("imbalance_ratio")
    if "alpha" in definition.hyperparameters and name in ("sigmoid_focal_loss", "poly1_sigmoid_focal_loss"):
        positives = sum(profile.counts) if profile.kind == "multi-label" else profile.counts[1]
        total = profile.samples * (len(profile.counts) if profile.kind == "multi-label" else 1)
        # As many of label 0 and 1 as there are: their inverse weights, made to add up to 1, are 1 - alpha and alpha.
        counts = torch.tensor([total - positives, positives])
        weights = class_weights(torch.repeat_interleave(torch.arange(2), counts), classes=2)
        alpha = _round(float(weights[1] / weights.sum()))
        return {"alpha": alpha}, {"alpha": f"{positives} of {total} labels are 1: inverse frequency (arXiv:1708.02002)"}
    if name == "softmax_focal_loss" and ratio >= IMBALANCED:
        weight = class_weights(class_tensor(profile))
        return {"class_weight": weight}, {"class_weight": f"inverse frequencies of {_listed(profile.counts)} samples"}
    return {}, {}


def _weights(definition: Definition, situation: Situation) -> tuple[str, Tensor, str] | None:
    """Weights for the plain losses, whose traits they change enough to make it another candidate."""
    profile = situation.profile
    least = 1.2 if situation.goal("rare class") else IMBALANCED
    if not profile.value("imbalance_ratio") >= least or definition.name not in (
        "cross_entropy_loss", "bce_with_logits_loss",
    ):  # fmt: skip
        return None
    if definition.name == "cross_entropy_loss":
        weight = class_weights(class_tensor(profile))
        return "class_weight", weight, f"inverse frequencies of {_listed(profile.counts)} samples"
    if profile.kind == "binary":
        return "pos_weight", pos_weight(class_tensor(profile)), "negatives for one positive"
    positives = torch.tensor(profile.counts, dtype=torch.float32)
    return (
        "pos_weight",
        (profile.samples - positives).clamp(min=1) / positives.clamp(min=1),
        "negatives for one positive",
    )


def prior(profile: Profile) -> Tensor:
    """The share of each class."""
    return class_prior(class_tensor(profile))


def _listed(counts: tuple[int, ...]) -> str:
    shown = ", ".join(str(n) for n in counts[:6])
    return shown if len(counts) <= 6 else f"{shown}, ..."


def _round(value: float) -> float:
    """Three significant digits: more would claim more than the figure knows."""
    return float(f"{value:.3g}")
