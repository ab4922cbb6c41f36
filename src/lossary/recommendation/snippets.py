"""Code to paste: the loss with its hyperparameters, and how a model's outputs become its inputs."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from lossary.core import (
    Binary,
    ClassIndex,
    Count,
    LogSimplex,
    Loss,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Sign,
    Simplex,
)
from lossary.losses.density.positive import LogMean
from lossary.losses.ordinal import Rank

from .candidates import PAIRWISE, Candidate, class_tensor, prior, target_domain
from .kinds import NUMERIC, STRUCTURED
from .literals import literal
from .profiling import Profile
from .structured import recipes

_MEMBERS = 20


def build(candidate: Candidate, profile: Profile) -> Loss:
    """The loss as a module, with its hyperparameters."""
    module = candidate.definition.module
    assert module is not None and issubclass(module, Loss)  # every catalogued loss has one
    return module(**_constructor(candidate, profile))


def outputs_of(candidate: Candidate, profile: Profile) -> int:
    """How many outputs the model needs."""
    card = candidate.definition.card
    if profile.kind in STRUCTURED:
        return recipes.outputs_of(candidate, profile)
    if candidate.definition.name in PAIRWISE:
        return 1
    if profile.kind in NUMERIC:
        if "levels" in candidate.settings:
            return len(candidate.settings["levels"])
        if len(card.inputs[0].patterns[0]) > 1:
            return _MEMBERS
        return 1 + len(card.inputs[2:])
    if profile.kind == "binary" and not isinstance(target_domain(candidate.definition), ClassIndex):
        return 1
    classes = len(profile.counts)
    return classes - 1 if isinstance(target_domain(candidate.definition), Rank) else classes


def code(candidate: Candidate, profile: Profile) -> str:
    """A function ``training_loss(model, x, y)``, with what it needs; ``y`` is a batch of the target.

    Classes are numbered in the order of the profile's ``classes``, from 0.
    """
    if profile.kind in STRUCTURED:
        return recipes.code(candidate, profile)
    module = candidate.definition.module
    assert module is not None
    words = ", ".join(f"{name}={literal(value)}" for name, value in _constructor(candidate, profile).items())
    prepare, arguments = _inputs(candidate, profile)
    n = outputs_of(candidate, profile)
    lines = [
        "import torch",
        "import lossary",
        "",
        f"loss_fn = lossary.{module.__name__}({words})",
        *_constants(candidate, profile),
        "",
        "def training_loss(model, x, y):",
        f"    outputs = model(x)  # {n} output{'s' if n > 1 else ''}: (batch, {n})",
        *(f"    {line}" for line in prepare),
        f"    return loss_fn({', '.join(arguments)})",
    ]
    return "\n".join(lines)


def _inputs(candidate: Candidate, profile: Profile) -> tuple[list[str], list[str]]:
    """Lines before the call, and its arguments."""
    if candidate.definition.name in PAIRWISE:
        return ["scores = outputs.reshape(1, -1)  # the batch is one list, whose order counts"], [
            "scores", "y.to(scores).reshape(1, -1)",
        ]  # fmt: skip
    card = candidate.definition.card
    first, second, extra = card.inputs[0], target_domain(candidate.definition), card.inputs[2:]
    several = outputs_of(candidate, profile) > 1
    lines: list[str] = []
    if profile.kind in NUMERIC and extra:
        word = candidate.definition.inputs[2]
        lines += [f"raw, {word} = outputs.unbind(-1)", f"{word} = torch.nn.functional.softplus({word}) + 1e-4"]
        raw = "raw"
    else:
        raw = "outputs" if several or profile.kind == "multi-label" else "outputs.squeeze(-1)"
    name = candidate.definition.inputs[0]
    link = {
        Probability: f"torch.sigmoid({raw})",
        LogSimplex: f"torch.log_softmax({raw}, dim=-1)",
        PositiveReal: f"torch.nn.functional.softplus({raw}) + 1e-4",
        NonNegativeReal: f"torch.nn.functional.softplus({raw})",
    }.get(type(first), raw)
    if isinstance(first, LogMean):
        link += "  # the prediction is its exponential"
    lines.append(f"{name} = {link}")
    arguments = [name, _target(second)]
    if profile.kind in NUMERIC:
        arguments += candidate.definition.inputs[2:]
    elif not _counts_itself(candidate):
        for domain, word in zip(extra, candidate.definition.inputs[2:], strict=True):
            arguments.append(_extra(domain, word, name))
    return lines, arguments


def _target(domain: Any) -> str:
    if isinstance(domain, Sign):
        return "2 * y.float() - 1"
    if isinstance(domain, (ClassIndex, Rank)):
        return "y.long()"
    if isinstance(domain, Binary):
        return "y.float()"
    return "y.float()" if not isinstance(domain, Count) else "y"


def _extra(domain: Any, word: str, logits: str) -> str:
    """Class counts and priors are constants of the training data; probabilities of a batch are not."""
    if isinstance(domain, Simplex) and len(domain.patterns[0]) > 1:
        return f"{logits}.softmax(-1)"
    return word


def _constants(candidate: Candidate, profile: Profile) -> list[str]:
    card = candidate.definition.card
    if profile.kind in NUMERIC or candidate.definition.name in PAIRWISE or _counts_itself(candidate):
        return []
    out = []
    for domain, word in zip(card.inputs[2:], candidate.definition.inputs[2:], strict=True):
        if isinstance(domain, Count):
            out.append(f"{word} = {literal(torch.bincount(class_tensor(profile)).float())}")
        elif isinstance(domain, Simplex) and len(domain.patterns[0]) == 1:
            out.append(f"{word} = {literal(prior(profile))}")
    return out


def _constructor(candidate: Candidate, profile: Profile) -> dict[str, Any]:
    """What the module is made with."""
    size = {"num_classes": len(profile.counts)} if _counts_itself(candidate) else {}
    return {**size, **candidate.settings}


def _counts_itself(candidate: Candidate) -> bool:
    """Whether the module keeps class counts of its own, and is told only how many classes there are."""
    module = candidate.definition.module
    return module is not None and "num_classes" in inspect.signature(module).parameters
