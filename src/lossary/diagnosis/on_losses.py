"""Causes in the loss: what it is, and whether it is fed what it expects."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .causes import Evidence, cause
from .on_data import distinct_rows, neighbours
from .recognition import class_layout
from .replay import Change
from .seen import Seen

CONSEQUENCES = (
    "lr_too_low", "early_plateau", "vanishing_gradient", "lr_too_high", "loss_oscillating", "exploding_gradient",
    "bad_initialization", "labels_shuffled", "inputs_not_normalized", "targets_not_normalized", "overfitting",
    "class_imbalance", "frozen_parameters", "dead_relu", "saturated_activation", "weight_decay_too_high",
    "momentum_too_high", "batch_too_small", "missing_nonlinearity", "dropout_too_high", "labels_conflicting",
)  # fmt: skip
"""What a wrong loss brings about."""


def _rows(seen: Seen) -> list[Tensor]:
    """Outputs of the kept batches."""
    return [k.output.float() for k in seen.record.kept if isinstance(k.output, Tensor) and k.output.is_floating_point()]


def name_of(seen: Seen) -> str:
    return seen.recognised.name if seen.recognised is not None else ""


def _sums_to_one(x: Tensor, dim: int) -> bool:
    if x.ndim <= dim or x.shape[dim] < 2 or bool((x < 0).any()):
        return False
    return bool((x.sum(dim) - 1).abs().max() < 1e-3)


def _log_normalised(x: Tensor, dim: int = 1) -> bool:
    return x.ndim > dim and bool(x.logsumexp(dim).abs().max() < 1e-3)


@cause(
    "loss", "softmax before cross-entropy, which has its own",
    remedy="logits = model(x)  # without the softmax at the end\nloss = F.cross_entropy(logits, target)",
    confirm="the rows that go into cross_entropy sum to 1; without the softmax the loss falls below its old floor",
    source="torch.nn.CrossEntropyLoss: the input is expected to contain unnormalized logits",
    explains=CONSEQUENCES, live=True,
)  # fmt: skip
def softmax_before_cross_entropy(seen: Seen) -> Evidence | None:
    """Rows that are probabilities already, in a loss that normalises them once more."""
    graph = seen.graph
    heads = graph is not None and graph.normalised_twice and "Softmax" in graph.head and "LogSoftmax" in graph.head
    by_value = False
    if name_of(seen) == "cross_entropy" and _rows(seen):
        laid = [class_layout(o, k.target) for o, k in zip(_rows(seen), seen.record.kept, strict=False)
                if isinstance(k.target, Tensor)]  # fmt: skip
        by_value = bool(laid) and all(pair is not None and _sums_to_one(pair[0], 1) for pair in laid)
        if not laid or laid[0] is None:
            by_value = all(_sums_to_one(o, 1) for o in _rows(seen))
    if not heads and not by_value:
        return None
    floor = ""
    if seen.output is not None and seen.output.ndim > 1:
        c = seen.output.shape[1]
        floor = f" With {c} classes the loss can't fall below {math.log(1 + (c - 1) / math.e):.3f} so."
    return Evidence(0.98, "What goes into cross-entropy is a softmax's output: it is normalised twice." + floor, {})


@cause(
    "loss", "sigmoid before a loss that has its own",
    remedy="logits = model(x)  # without the sigmoid at the end\n"
    "loss = F.binary_cross_entropy_with_logits(logits, target)",
    confirm="all inputs of the loss are in (0, 1); without the sigmoid the loss falls below its old floor",
    source="torch.nn.BCEWithLogitsLoss: combines a sigmoid layer and the BCELoss",
    explains=CONSEQUENCES, live=True,
)  # fmt: skip
def sigmoid_before_bce_with_logits(seen: Seen) -> Evidence | None:
    """A sigmoid's output in a loss that applies a sigmoid."""
    graph = seen.graph
    if name_of(seen) != "bce_with_logits" and not (graph and "BinaryCrossEntropyWithLogits" in graph.head):
        return None
    rows = _rows(seen)
    inside = bool(rows) and all(bool(((o >= 0) & (o <= 1)).all()) for o in rows)
    if not inside or not ((graph and "Sigmoid" in graph.head) or seen.last_operation in ("Sigmoid", "Softmax")):
        return None
    return Evidence(0.98, "What goes into binary cross-entropy with logits is a sigmoid's output, in (0, 1).", {})


@cause(
    "loss", "binary cross-entropy of probabilities is given logits",
    remedy="loss = F.binary_cross_entropy_with_logits(logits, target)",
    confirm="inputs of the loss lie outside [0, 1]",
    source="torch.nn.BCELoss: input should be between 0 and 1",
    explains=(*CONSEQUENCES, "numerical_instability", "output_range_mismatch"), live=True,
)  # fmt: skip
def bce_on_logits(seen: Seen) -> Evidence | None:
    """Values outside [0, 1] in a loss for probabilities."""
    rows = _rows(seen)
    share = max((float(((o < 0) | (o > 1)).float().mean()) for o in rows), default=0.0)
    name = name_of(seen)
    logs = seen.graph is not None and "Log" in seen.graph.head
    y = seen.target
    binary = y is not None and bool(((y == 0) | (y == 1)).all())
    same = seen.output is not None and y is not None and seen.output.numel() == seen.record.kept[0].target.numel()
    if share < 0.05 or not binary or not same:
        return None
    if name == "bce" or (name == "" and logs and "Sigmoid" not in seen.graph.head):  # type: ignore[union-attr]
        return Evidence(0.96 if name else 0.8, f"Up to {share:.0%} of what goes into binary cross-entropy is outside "
                        "[0, 1].", {"outside": share})  # fmt: skip
    return None


@cause(
    "loss", "negative log-likelihood of something else than log-probabilities",
    remedy="loss = F.cross_entropy(logits, target)  # or F.nll_loss(F.log_softmax(logits, dim=1), target)",
    confirm="logsumexp of the rows is not 0; the loss falls below 0",
    source="torch.nn.NLLLoss: the input is expected to contain log-probabilities",
    explains=(*CONSEQUENCES, "loss_sign_wrong"), live=True,
)  # fmt: skip
def nll_without_log_softmax(seen: Seen) -> Evidence | None:
    """Rows in NLL whose logsumexp isn't 0."""
    if name_of(seen) not in ("nll", "kl_div") and not (seen.recognised is None and "nll" in seen.suggested):
        return None
    rows = _rows(seen)
    dims = {dim for o in rows for dim in range(o.ndim) if _log_normalised(o, dim)}
    if not rows or dims:
        return None
    what = "probabilities, not their logarithms" if all(_sums_to_one(o, 1) for o in rows) else "not log-probabilities"
    lowest = f"; the loss went down to {seen.finite.min():.3g}" if len(seen.finite) and seen.finite.min() < 0 else ""
    return Evidence(0.97, f"What goes into the negative log-likelihood is {what}{lowest}.", {})


@cause(
    "loss", "softmax over a dimension that is not that of the classes",
    remedy="F.softmax(logits, dim=1)  # classes are dimension 1, samples dimension 0",
    confirm="the sums over dimension 1 are not 1; those over the other dimension are",
    source="torch.nn.Softmax: dim is the dimension along which it will be computed",
    explains=(
        *CONSEQUENCES, "nll_without_log_softmax", "softmax_before_cross_entropy", "output_range_mismatch",
        "layout_scrambled",
    ),
    live=True,
)  # fmt: skip
def softmax_wrong_dim(seen: Seen) -> Evidence | None:
    """Outputs that are normalised, but not over classes."""
    output, graph = seen.output, seen.graph
    rows = _rows(seen)
    if output is None or output.ndim < 2 or not rows:
        return None
    classes = output.ndim - 1 if _laid_last(seen) else 1
    for dim in range(output.ndim):
        if dim == classes or output.shape[dim] < 2:
            continue
        other = all(_sums_to_one(o, dim) or _log_normalised(o, dim) for o in rows)
        own = all(_sums_to_one(o, classes) or _log_normalised(o, classes) for o in rows)
        if other and not own and all(o.shape[dim] > 1 for o in rows):
            return Evidence(0.97, f"Outputs are normalised over dimension {dim}, but classes are dimension {classes}.",
                            {"dim": dim})  # fmt: skip
    if graph is None:
        return None
    for name, dim, ndim in graph.softmax_dims:
        at = dim % ndim if ndim else dim
        of_classes = name_of(seen) in ("nll", "nll_of_log", "cross_entropy", "") and seen.labels is not None
        flattened = ndim > output.ndim == 2  # (n, t, c) that became (n t, c): classes were last
        wrong = ndim == output.ndim == 2 and at != classes
        if of_classes and (wrong or (flattened and at != ndim - 1 and name_of(seen).startswith("nll"))):
            return Evidence(0.98 if flattened else 0.94, f"{name} before the loss runs over dimension {at} of {ndim}; "
                            f"classes are dimension {ndim - 1 if flattened else classes}.", {"dim": at})  # fmt: skip
    return None


def _laid_last(seen: Seen) -> bool:
    """Whether classes are the output's last dimension."""
    output, kept = seen.output, seen.record.kept
    target = kept[0].target if kept else None
    return (
        output is not None and isinstance(target, Tensor) and output.ndim == target.ndim + 1
        and output.shape[:-1] == target.shape and output.shape[:1] + output.shape[2:] != target.shape
    )  # fmt: skip


@cause(
    "loss", "a loss for another kind of target",
    remedy="loss = F.cross_entropy(logits, target)  # classes; lossary recommend says which loss fits a target",
    confirm="lossary recommend on the target names another family of losses",
    source="Goodfellow, Bengio and Courville, Deep Learning (2016), sec. 6.2",
    explains=CONSEQUENCES,
)  # fmt: skip
def wrong_loss_for_task(seen: Seen) -> Evidence | None:
    """Class numbers in a loss of distances, one column in cross-entropy, targets outside [0, 1] in BCE."""
    y, output, name = seen.target, seen.output, name_of(seen)
    if y is None or output is None or y.numel() == 0:
        return None
    distinct = torch.unique(y)
    whole = bool((distinct == distinct.round()).all())
    k = len(distinct)
    if name.startswith("bce") and bool(((y < 0) | (y > 1)).any()):
        return Evidence(0.95, f"Targets from {float(y.min()):g} to {float(y.max()):g} are in a binary cross-entropy, "
                        "which is for 0 and 1.", {"lowest": float(y.min()), "highest": float(y.max())})  # fmt: skip
    of_one = output.ndim == 2 and output.shape[1] == 1 and seen.graph is not None and "LogSoftmax" in seen.graph.head
    if of_one and not seen.losses.any():
        return Evidence(0.97, "Cross-entropy of a single column is always 0.", {"columns": 1})
    indexed = name == "cross_entropy" and not y.is_floating_point() and output.ndim == 2 and y.ndim == 1
    if indexed and k > max(30, 0.2 * len(y)) and _ordered(y, output):
        return Evidence(0.85, f"{k} different values in {len(y)} samples are amounts, not classes.", {"classes": k})
    several = y.is_floating_point() and y.ndim == 2 and y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all())
    if name == "cross_entropy" and several and float(y.sum(1).max()) > 1:
        return Evidence(0.95, f"Samples have up to {int(y.sum(1).max())} labels at once, and cross-entropy is for one: "
                        "its softmax shares a single unit of probability among them.",
                        {"labels": float(y.sum(1).max())})  # fmt: skip
    distances = name in ("mse", "l1", "smooth_l1", "rmse") or (
        name == "" and seen.graph is not None and {"MseLoss", "SmoothL1Loss"} & set(seen.graph.head)
    )
    if distances and whole and float(distinct[0]) == 0 and 3 <= k <= 100 and float(distinct[-1]) == k - 1:
        single = output.reshape(len(output), -1).shape[1] == 1 if output.ndim else True
        if single and k <= math.sqrt(len(y)) and not _ranked(y) and not _in_order(seen, y):
            return Evidence(0.9, f"The targets 0, 1, ... {k - 1} are names of classes, and the loss takes their "
                            "distances for meaningful.", {"classes": k})  # fmt: skip
    two = distances and k == 2 and whole and float(distinct[0]) == 0 and single_column(output)
    if two and seen.poor and seen.last_operation not in ("Sigmoid", "Softmax"):
        return Evidence(0.7, "The targets are two classes, and the loss is one of distances.", {"classes": 2})
    return None


def single_column(output: Tensor) -> bool:
    """Whether each sample has one output."""
    return output.ndim < 2 or output[0].numel() == 1


def _ranked(y: Tensor) -> bool:
    """Counts and grades have one peak; class names have none, or about equal shares."""
    counts = torch.bincount(y.reshape(-1).long()).double()
    spread = float(counts.std() / counts.mean()) if len(counts) > 1 else 0.0
    return spread > 0.75


def _in_order(seen: Seen, y: Tensor) -> bool:
    """Whether samples that are alike and have different targets have adjoining ones."""
    x = seen.floats
    if x is None or len(x) < 60 or len(y) < len(x) or not bool(torch.isfinite(x).all()):
        return False
    once = distinct_rows(x)[:1500]
    y = y.reshape(-1)[once].double()
    near = y[neighbours(x[once], 3)]
    away = (near - y[:, None]).abs()
    unequal = away[away > 0]
    by_chance = (y[:, None] - y[None, :]).abs()
    return len(unequal) > 30 and float(unequal.mean()) < 0.85 * float(by_chance[by_chance > 0].mean())


def _ordered(y: Tensor, output: Tensor) -> bool:
    return output.shape[1] > 0.5 * float(y.max())


@cause(
    "loss", "the loss has the wrong sign",
    remedy="loss = criterion(output, target)  # without the minus; or minus the gain that is to grow",
    confirm="the loss falls without end while predictions get worse",
    source="Goodfellow, Bengio and Courville, Deep Learning (2016), sec. 8.1",
    explains=(*CONSEQUENCES, "numerical_instability", "loss_scale_wrong"), live=True,
)  # fmt: skip
def loss_sign_wrong(seen: Seen) -> Evidence | None:
    """Minus a known loss, or a similarity that is made small."""
    if seen.recognised is not None:
        name, factor = seen.recognised.name, seen.recognised.factor
        if factor < 0 and name not in ("nll", "cosine_similarity"):
            return Evidence(0.97, f"The loss is minus {name}: training makes predictions worse.", {"factor": factor})
        if name == "cosine_similarity" and factor > 0:
            return Evidence(0.95, "The loss is the cosine similarity itself: training turns predictions away.", {})
        return None
    values, y = seen.finite, seen.target
    if y is None or len(values) < 20 or seen.output is None or seen.compound:
        return None
    if values[0] <= 0 and values[-1] < 20 * min(values[0], -1e-3) and _accuracy_falls(seen):
        return Evidence(0.8, f"The loss fell from {values[0]:.3g} to {values[-1]:.3g} while predictions got worse.",
                        {"start": float(values[0]), "end": float(values[-1])})  # fmt: skip
    return None


def _accuracy_falls(seen: Seen) -> bool:
    labels, predictions = seen.labels, seen.predictions
    if labels is None or predictions is None:
        return False
    chance = float(torch.bincount(labels.clamp(min=0)).max()) / len(labels)
    return float((labels == predictions).float().mean()) < 0.5 * chance


@cause(
    "loss", "the scale of the loss doesn't fit the learning rate",
    remedy='loss = criterion(output, target)  # reduction="mean", no extra factor; or scale the learning rate by it',
    confirm="divided by the factor, the same learning rate works",
    source="Goyal et al. 2017, arXiv:1706.02677, sec. 2: gradients are averaged over the batch",
    explains=(*CONSEQUENCES, "lr_killed_by_schedule", "gradient_clipped_too_tight", "numerical_instability"),
)  # fmt: skip
def loss_scale_wrong(seen: Seen) -> Evidence | None:
    """A known loss times a large or small factor, with gradients that don't fit."""
    found = seen.recognised
    if found is None or not math.isfinite(found.factor) or found.factor <= 0 or 0.2 < found.factor < 5:
        return None
    if found.name in ("kl_div", "smooth_l1", "cosine_similarity") or not (seen.poor or seen.spikes > 5):
        return None
    if seen.recognised is not None and seen.progress > 0.3 and found.factor < 0.2:
        return None
    words = f"The loss is {found.factor:.4g} times the mean {found.name}"
    figures = {"factor": found.factor}
    if seen.replay is not None:
        as_it_was, scaled = seen.replay(), seen.replay("mean of the loss", Change(lr=1 / found.factor))
        adaptive = "betas" in seen.settings
        if not adaptive and scaled < 0.8 * as_it_was:
            return Evidence(0.95, words + f"; scaled back, a trial reached {scaled:.3g} instead of {as_it_was:.3g}.",
                            {**figures, "trial": scaled})  # fmt: skip
        if not adaptive:
            return None
    return Evidence(0.7, words + ".", figures) if seen.diverged else None


@cause(
    "loss", "output and target have shapes that broadcast",
    remedy="loss = F.mse_loss(output.squeeze(1), target)  # or target.unsqueeze(1): the same shape for both",
    confirm="(output - target).shape is (N, N)",
    source="torch: broadcasting semantics; the warning of torch.nn.functional.mse_loss",
    explains=(*CONSEQUENCES, "wrong_loss_for_task", "output_range_mismatch", "loss_scale_wrong"), live=True,
)  # fmt: skip
def target_shape_broadcast(seen: Seen) -> Evidence | None:
    """(N, 1) against (N,), in a loss of differences."""
    taken = seen.graph.differences if seen.graph is not None else ()
    if seen.output is not None and seen.target is None and len(taken) == 2 and seen.recognised is None:
        n = seen.output.numel()
        if n > 1 and taken == (n, n) and seen.output.shape != taken:
            return Evidence(0.9, f"The loss takes {n} x {n} differences of {n} outputs: each meets every target.",
                            {"output": list(seen.output.shape), "differences": list(taken)})  # fmt: skip
    kept = [k for k in seen.record.kept if isinstance(k.output, Tensor) and isinstance(k.target, Tensor)]
    if not kept:
        return None
    output, target = kept[0].output, kept[0].target
    if output.shape == target.shape or not output.is_floating_point() or output.numel() < 2:
        return None
    shapes = f"{tuple(output.shape)} and {tuple(target.shape)}"
    if name_of(seen).endswith("_broadcast"):
        return Evidence(0.98, f"Output and target have shapes {shapes}: each output meets every target.",
                        {"output": list(output.shape), "target": list(target.shape)})  # fmt: skip
    if output.numel() == target.numel() and output.ndim != target.ndim and seen.recognised is None and len(output) > 1:
        spread = (output.detach() - target).numel() > output.numel()
        known = bool({"MseLoss", "SmoothL1Loss", "L1Loss"} & set(seen.graph.head)) if seen.graph is not None else False
        if spread and (known or (seen.poor and target.is_floating_point())):
            return Evidence(0.8, f"Output and target have shapes {shapes}; in a difference each output meets every "
                            "target.", {"output": list(output.shape), "target": list(target.shape)})  # fmt: skip
    return None
