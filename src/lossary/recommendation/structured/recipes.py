"""Which losses a model can be trained with on a structured target: settings from the figures, and code to paste.

A recipe is what stands between ``model(x)`` and the call of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from lossary.catalogue import find, get
from lossary.core import Binary, ClassIndex, Definition, Embedding, Logit, Probability

from ..candidates import Candidate, settings_of
from ..kinds import Kind
from ..literals import literal
from ..profiling import Profile
from ..rules import Situation

EMBEDDING = 64
"""Numbers in an embedding, where the data do not say how many."""
CONVEX = ("mse", "l1", "huber", "smooth_l1", "pseudo_huber", "log_cosh")
"""Losses of an error that are convex in it, so that their distance to an interval is convex too."""


class Recipe(NamedTuple):
    """How a model's outputs and the target become the loss's inputs."""

    outputs: int
    shape: str
    lines: tuple[str, ...]
    arguments: tuple[str, ...]
    model: str = "outputs = model(x)"
    constructor: Mapping[str, Any] = {}


def competing(situation: Situation) -> list[Candidate]:
    """All losses that can be trained on this target, by name, with the settings that the figures ask for."""
    profile = situation.profile
    out = []
    for definition in sorted(_FITTING[profile.kind](profile), key=lambda d: d.name):
        settings, reasons = _settings(definition, situation)
        out.append(Candidate(definition, settings, reasons))
        if weighted := _balanced(definition, profile):
            name, value, why = weighted
            out.append(Candidate(definition, {**settings, name: value}, {**reasons, name: why}, balanced=name))
    return out


def outputs_of(candidate: Candidate, profile: Profile) -> int:
    """How many numbers the model gives for a sample, pixel or token."""
    return _RECIPES[profile.kind](candidate.definition, profile).outputs


def code(candidate: Candidate, profile: Profile) -> str:
    """A function ``training_loss(model, x, y)``, with what it needs; ``y`` is a batch of the target as it was given."""
    recipe = _RECIPES[profile.kind](candidate.definition, profile)
    module = candidate.definition.module
    assert module is not None  # every catalogued loss has one
    given = {**recipe.constructor, **candidate.settings}
    words = ", ".join(f"{name}={literal(value)}" for name, value in given.items())
    learns = "  # has parameters: give them to the optimizer too" if recipe.constructor else ""
    lines = [
        "import torch",
        "import lossary",
        "",
        f"loss_fn = lossary.{module.__name__}({words}){learns}",
        "",
        "def training_loss(model, x, y):",
        f"    {recipe.model}  # {recipe.shape}",
        *(f"    {line}" for line in recipe.lines),
        f"    return loss_fn({', '.join(recipe.arguments)})",
    ]
    return "\n".join(lines)


def _named(*names: str) -> list[Definition]:
    return [get(name) for name in names]


def _on_masks(profile: Profile) -> list[Definition]:
    """Two classes: one map of foreground. More: a map of each, of which one holds at a pixel."""
    found = []
    for d in [
        *find(task="segmentation"),
        *_named("cross_entropy", "softmax_focal", "bce_with_logits", "sigmoid_focal"),
    ]:
        first, second = d.card.inputs[0], _target(d)
        single = isinstance(second, Binary) and isinstance(first, (Logit, Probability))
        several = isinstance(second, ClassIndex) or (isinstance(second, Binary) and isinstance(first, Probability))
        if d.name == "boundary_loss" or (single if len(profile.counts) == 2 else several):
            found.append(d)
    return found


def _target(definition: Definition) -> Any:
    second = definition.card.inputs[1]
    return getattr(second, "options", (second,))[0]


def _on_identities(_: Profile) -> list[Definition]:
    return [
        d for d in find(task="metric learning")
        if isinstance(d.card.inputs[0], Embedding) and isinstance(d.card.inputs[1], ClassIndex)
    ]  # fmt: skip


_FITTING: Mapping[Kind, Callable[[Profile], list[Definition]]] = {
    "interval": lambda _: _named(*CONVEX),
    "censored": lambda _: _named("cox_partial_likelihood", *CONVEX),
    "mask": _on_masks,
    "boxes": lambda _: _named("iou", "giou", "diou", "ciou", "eiou", "log_iou", "l1", "smooth_l1", "mse"),
    "pairs": lambda _: _named("contrastive", "cosine_embedding", "hinge_embedding"),
    "triplets": lambda _: _named("triplet_margin", "triplet_margin_with_distance", "margin_ranking", "bpr"),
    "identities": _on_identities,
    "lists": lambda _: _named(
        "ranknet", "listnet", "listmle", "lambdarank", "lambda", "approx_ndcg", "mse"
    ),
    "sequences": lambda _: _named(
        "cross_entropy", "nll", "linear_cross_entropy", "softmax_focal", "poly1_cross_entropy"
    ),
}  # fmt: skip


def _settings(definition: Definition, situation: Situation) -> tuple[dict[str, Any], dict[str, str]]:
    profile, names = situation.profile, definition.hyperparameters
    if profile.kind in ("interval", "censored"):
        settings, reasons = settings_of(definition, situation)
        if profile.kind == "censored":
            reasons = {name: f"{why}, in logarithms of the time" for name, why in reasons.items()}
        return settings, reasons
    marked = {"mask": "ignore_index", "sequences": "padding_index"}.get(profile.kind, "")
    if "ignore_index" in names and profile.value(marked) >= -100:
        index = int(profile.value(marked))
        return (
            ({"ignore_index": index}, {"ignore_index": profile.figures[marked].meaning}) if index != -100 else ({}, {})
        )
    if profile.kind == "mask" and "alpha" in names and definition.name in ("sigmoid_focal_loss", "dice_focal_loss"):
        alpha = float(f"{1 - profile.value('foreground_share'):.3g}")
        return {"alpha": alpha}, {"alpha": f"{1 - alpha:.1%} of the pixels are foreground: inverse frequency "
                                           "(arXiv:1708.02002)"}  # fmt: skip
    if profile.kind == "boxes" and definition.name == "smooth_l1_loss":
        return {"beta": 0.1}, {"beta": "a tenth of a box's side, the errors being in units of the middle one"}
    if profile.kind == "triplets" and definition.name in ("triplet_margin_loss", "triplet_margin_with_distance_loss"):
        return {"margin": 0.2}, {"margin": "that of arXiv:1503.03832 for embeddings of length 1"}
    if profile.kind == "triplets" and definition.name == "margin_ranking_loss":
        return {"margin": 0.2}, {"margin": "a tenth of the range of the cosine"}
    if profile.kind == "lists" and "gain" in names and profile.value("highest_grade") > 10:
        return {"gain": "linear"}, {"gain": f"the highest grade is {profile.value('highest_grade'):g}, and 2 to that "
                                            "power would drown all others"}  # fmt: skip
    return {}, {}


def _balanced(definition: Definition, profile: Profile) -> tuple[str, Any, str] | None:
    """Weights for the plain losses of pixels, against background that drowns the rest."""
    from ..candidates import IMBALANCED

    if profile.kind != "mask" or not profile.value("imbalance_ratio") >= IMBALANCED:
        return None
    counts = torch.tensor(profile.counts, dtype=torch.float32)
    if definition.name == "bce_with_logits_loss":
        return "pos_weight", counts[0] / counts[1], "pixels of background for one of foreground"
    if definition.name == "cross_entropy_loss" and bool((counts > 0).all()):
        return "class_weight", counts.sum() / (len(counts) * counts), "inverse frequencies of the classes' pixels"
    return None


_PREDICTED = "predicted = outputs.squeeze(-1)"


def _interval(_: Definition, __: Profile) -> Recipe:
    return Recipe(
        1, "1 output: (batch, 1)",
        (_PREDICTED, "nearest = predicted.detach().clamp(y[:, 0], y[:, 1]).to(predicted)  # no error inside"),
        ("predicted", "nearest"),
    )  # fmt: skip


def _censored(definition: Definition, profile: Profile) -> Recipe:
    if definition.name == "cox_partial_likelihood_loss":
        line = "log_hazard = outputs.squeeze(-1)  # higher is sooner; batches of many rows"
        return Recipe(1, "1 output: (batch, 1)", (line,), ("log_hazard", "y[:, 0].float()", "y[:, 1].float()"))
    earliest = f"{profile.value('earliest'):.6g}"
    return Recipe(
        1, "1 output, the logarithm of the time: (batch, 1)",
        (_PREDICTED, f"log_time = y[:, 0].clamp(min={earliest}).log().to(predicted)",
         "later = torch.maximum(log_time, predicted.detach())  # of the censored it is known that it was later",
         "nearest = torch.where(y[:, 1] > 0, log_time, later)"),
        ("predicted", "nearest"),
    )  # fmt: skip


def _mask(definition: Definition, profile: Profile) -> Recipe:
    classes, first = len(profile.counts), definition.card.inputs[0]
    maps = 1 if classes == 2 else classes
    ignored = profile.value("ignore_index")
    own = "ignore_index" in definition.hyperparameters or ignored != ignored  # not a number: nothing is ignored
    keep = "" if own else f"kept = (y != {int(ignored)}).unsqueeze(1).expand_as(outputs)"
    known = "y" if own else f"y.where(y != {int(ignored)}, 0)"
    name = "probs" if isinstance(first, Probability) else "logits"
    link = {True: "torch.sigmoid(outputs)", False: "torch.softmax(outputs, dim=1)"}[maps == 1]
    lines = [f"{name} = {link if name == 'probs' else 'outputs'}"]
    if isinstance(_target(definition), ClassIndex):
        target = "y.long()"
    else:
        hot = f"torch.nn.functional.one_hot({known}.long(), {classes}).movedim(-1, 1).float()"
        lines.append(f"target = {f'{known}.unsqueeze(1).float()' if maps == 1 else hot}")
        target = "target"
        if definition.name == "boundary_loss":
            lines.append("target = signed_distance_map(target)  # better kept with each image than made at every step")
            lines.insert(0, "from lossary.losses.segmentation.distances import signed_distance_map")
    if keep:
        lines.append(keep)
    arguments = (name, target, *(("mask=kept",) if keep else ()))
    shape = f"{maps} map{'s' if maps > 1 else ''}: (batch, {maps}, height, width)"
    return Recipe(maps, shape, tuple(lines), arguments)


def _boxes(definition: Definition, profile: Profile) -> Recipe:
    size = f"{profile.value('box_scale'):.4g}"
    lines = (
        "centre, side = outputs.chunk(2, dim=-1)  # both in units of the middle box's side",
        "side = torch.nn.functional.softplus(side)",
        f"boxes = {size} * torch.cat([centre - side / 2, centre + side / 2], dim=-1)",
    )
    arguments = ("boxes", "y.to(boxes)")
    if not definition.card.inputs[0].shape.endswith("4"):
        arguments = (f"boxes / {size}", f"y.to(boxes) / {size}")
    return Recipe(4, "4 outputs: (batch, 4)", lines, arguments)


_EMBEDDED = f"{EMBEDDING} outputs, or as many as you like: an embedding of each row of x"


def _pairs(definition: Definition, _: Profile) -> Recipe:
    lines = ["first, second = embeddings[y[:, 0]], embeddings[y[:, 1]]"]
    sign = "2.0 * y[:, 2] - 1.0"
    arguments: tuple[str, ...] = ("first", "second", "y[:, 2].float()")
    if definition.name == "cosine_embedding_loss":
        arguments = ("first", "second", sign)
    elif definition.name == "hinge_embedding_loss":
        lines.append("distance = torch.nn.functional.pairwise_distance(first, second)")
        arguments = ("distance", sign)
    return Recipe(EMBEDDING, _EMBEDDED, tuple(lines), arguments, "embeddings = torch.nn.functional.normalize(model(x))")


def _triplets(definition: Definition, _: Profile) -> Recipe:
    lines = ["anchor, positive, negative = (embeddings[rows] for rows in y.unbind(1))"]
    arguments: tuple[str, ...] = ("anchor", "positive", "negative")
    if definition.name in ("bpr_loss", "margin_ranking_loss"):
        lines += ["near, far = (anchor * positive).sum(-1), (anchor * negative).sum(-1)"]
        arguments = ("near", "far", *(("torch.ones_like(near)",) if definition.name != "bpr_loss" else ()))
    return Recipe(EMBEDDING, _EMBEDDED, tuple(lines), arguments, "embeddings = torch.nn.functional.normalize(model(x))")


def _identities(definition: Definition, profile: Profile) -> Recipe:
    own = len(definition.inputs) == 3
    constructor = {"num_classes": len(profile.counts), "embedding_dim": EMBEDDING} if own else {}
    return Recipe(EMBEDDING, _EMBEDDED, (), ("embeddings", "y.long()"), "embeddings = model(x)", constructor)


def _lists(definition: Definition, _: Profile) -> Recipe:
    shape = "1 output, the score: (items, 1); y has grade and list of each item, of whole lists"
    if definition.name == "mse_loss":
        return Recipe(1, shape, (), ("outputs.squeeze(-1)", "y[:, 0].to(outputs)"))
    lines = (
        "_, number, length = y[:, 1].unique(return_inverse=True, return_counts=True)",
        "order = number.argsort(stable=True)",
        "real = torch.arange(int(length.max()), device=y.device) < length.unsqueeze(1)  # the rest is padding",
        "scores = outputs.new_zeros(real.shape).masked_scatter(real, outputs.squeeze(-1)[order])",
        "grades = outputs.new_zeros(real.shape).masked_scatter(real, y[order, 0].to(outputs))",
    )
    return Recipe(1, shape, lines, ("scores", "grades", "mask=real"))


def _sequences(definition: Definition, profile: Profile) -> Recipe:
    size = int(profile.value("vocabulary"))
    shape = f"{size} outputs for each place: (batch, length, {size})"
    if definition.name == "linear_cross_entropy_loss":
        shape = f"{EMBEDDING} outputs for each place, or as many as in_features says: the loss has the last layer"
        constructor = {"in_features": EMBEDDING, "num_classes": size}
        arguments = ("outputs.flatten(0, 1)", "y.long().flatten()")
        return Recipe(EMBEDDING, shape, (), arguments, constructor=constructor)
    first = "outputs.movedim(-1, 1)"
    if definition.name == "nll_loss":
        first = "torch.log_softmax(outputs, dim=-1).movedim(-1, 1)"
    return Recipe(size, shape, (), (first, "y.long()"))


_RECIPES: Mapping[Kind, Callable[[Definition, Profile], Recipe]] = {
    "interval": _interval, "censored": _censored, "mask": _mask, "boxes": _boxes, "pairs": _pairs,
    "triplets": _triplets, "identities": _identities, "lists": _lists, "sequences": _sequences,
}  # fmt: skip
