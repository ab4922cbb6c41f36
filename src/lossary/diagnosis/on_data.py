"""Causes in the data: what inputs and targets are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .causes import Evidence, cause
from .replay import Change
from .seen import Seen

_NEIGHBOURS = 1500
"""Samples among which neighbours are looked for."""
CONSEQUENCES = (
    "lr_too_low", "early_plateau", "vanishing_gradient", "lr_too_high", "loss_oscillating", "exploding_gradient",
    "overfitting", "dead_relu", "saturated_activation", "frozen_parameters", "bad_initialization", "class_imbalance",
    "numerical_instability", "dropout_too_high", "weight_decay_too_high", "batch_too_small", "missing_nonlinearity",
    "momentum_too_high", "lr_killed_by_schedule", "gradient_clipped_too_tight",
)  # fmt: skip
"""What data bring about that say nothing."""


def standardised(x: Tensor) -> Tensor:
    """Columns with mean 0 and spread 1; constant ones are left at 0."""
    x = x.double() - x.double().mean(0)
    spread = x.std(0, correction=0)
    return torch.where(spread > 1e-9 * spread.max().clamp(min=1e-30), x / spread.clamp(min=1e-30), torch.zeros_like(x))


def neighbours(x: Tensor, k: int) -> Tensor:
    """Indices of the k nearest other rows ``(n, k)``."""
    distance = torch.cdist(standardised(x), standardised(x))
    distance.fill_diagonal_(math.inf)
    return distance.topk(k, largest=False).indices


@cause(
    "data", "the inputs are not finite",
    remedy="x = torch.nan_to_num(x)  # or drop or impute those rows, and find where they come from",
    confirm="torch.isfinite(x).all() is False",
    source="scikit-learn, User Guide, sec. 7.4: Imputation of missing values",
    explains=(*CONSEQUENCES, "inputs_not_normalized", "detached_graph", "output_range_mismatch"), live=True,
)  # fmt: skip
def nan_inputs(seen: Seen) -> Evidence | None:
    """NaN or infinity in what the model is called with, or in the targets."""
    for kept in seen.record.kept:
        for what, things in (("inputs", kept.arguments), ("targets", (kept.target,))):
            for x in things:
                if isinstance(x, Tensor) and x.is_floating_point() and not bool(torch.isfinite(x).all()):
                    share = float((~torch.isfinite(x)).float().mean())
                    return Evidence(0.99, f"Batch {kept.number} has {share:.1%} values in its {what} that are NaN or "
                                    "infinite.", {"share": share}, kept.number)  # fmt: skip
    return None


@cause(
    "data", "the inputs carry nothing: all samples are alike",
    remedy="print(x.std(0))  # and follow x back through the transforms to where it becomes constant",
    confirm="x.std(0) is 0 for every feature",
    source="Zinkevich, Rules of Machine Learning (Google), Rule 5: test the data that get into the model",
    explains=(*CONSEQUENCES, "labels_shuffled", "labels_conflicting", "inputs_not_normalized",
              "same_batch_every_step"),
    live=True,
)  # fmt: skip
def degenerate_inputs(seen: Seen) -> Evidence | None:
    """Samples of a batch that don't differ though their targets do."""
    x, y = seen.inputs, seen.target
    if x is None or len(x) < 4 or seen.compound:
        return None
    rows = x.reshape(len(x), -1).double()
    alike = float((rows == rows[:1]).all(1).double().mean())
    tiny = x.is_floating_point() and float(rows.std(0, correction=0).max()) < 1e-6 * max(float(rows.abs().max()), 1e-6)
    differs = y is None or len(torch.unique(y)) > 1
    if (alike < 0.9 and not tiny) or not differs:
        return None
    return Evidence(0.97, f"{max(alike, float(tiny)):.0%} of the samples have the same input, e.g. "
                    f"{[round(v, 4) for v in rows[0, :4].tolist()]}.", {"alike": alike})  # fmt: skip


@cause(
    "data", "the inputs are not on a common scale near 1",
    remedy="x = (x - mean) / std  # of the training set; nn.BatchNorm1d first, or sklearn's StandardScaler",
    confirm="standardised, the same run falls further",
    source="LeCun et al. 1998, Efficient BackProp, sec. 4.3",
    explains=("lr_too_low", "early_plateau", "vanishing_gradient", "lr_too_high", "loss_oscillating",
              "exploding_gradient", "dead_relu", "saturated_activation", "bad_initialization", "momentum_too_high",
              "numerical_instability", "batch_too_small", "class_imbalance", "missing_nonlinearity",
              "gradient_clipped_too_tight", "output_range_mismatch", "dropout_too_high"),
)  # fmt: skip
def inputs_not_normalized(seen: Seen) -> Evidence | None:
    """Large or uneven inputs, in a run that does badly and better when they are standardised."""
    x = seen.floats
    if x is None or len(x) < 8 or not bool(torch.isfinite(x).all()) or seen.compound:
        return None
    spread = x.std(0, correction=0)
    alive = spread[spread > 1e-8]
    if len(alive) == 0:
        return None
    size = float(x.pow(2).mean().sqrt())
    uneven = float(alive.max() / alive.median())
    offset = float((x.mean(0)[spread > 1e-8].abs() / alive).median())
    if 0.03 < size < 8 and uneven < 30 and offset < 30:
        return None
    troubled = seen.poor or seen.noise > 0.3 or seen.spikes > 5
    if not troubled:
        return None
    words = f"Inputs have a root mean square of {size:.3g}, and the widest feature is {uneven:.3g} times the median one"
    figures = {"rms": size, "uneven": uneven}
    if seen.replay is None:
        return Evidence(0.6, words + ".", figures)
    mean, scale = x.mean(0), torch.where(spread > 1e-8, spread, torch.ones_like(spread))

    def edit(batch: Tensor) -> Tensor:
        flat = batch.reshape(len(batch), -1)
        return ((flat - mean) / scale).reshape(batch.shape).to(batch.dtype)

    before, after = seen.replay(), seen.replay("inputs standardised", Change(inputs=edit))
    if helps(before, after, seen) and after < 0.85 * seen.end:
        return Evidence(0.94, words + f"; standardised, a trial reached a loss of {after:.3g} instead of {before:.3g}.",
                        {**figures, "trial": after})  # fmt: skip
    return None


def helps(before: float, after: float, seen: Seen) -> bool:
    """Whether a trial got clearly further than the one without the change."""
    if not math.isfinite(after):
        return False
    if not math.isfinite(before):
        return math.isinf(before)
    start = seen.replay.untrained if seen.replay is not None else seen.start
    known = [v for v in (seen.trivial, start) if math.isfinite(v)]
    reference = min(known) if known else start
    return after < 0.8 * before and after < 0.9 * reference


@cause(
    "data", "the targets are far from a scale of 1",
    remedy="y = (y - y.mean()) / y.std()  # of the training set; undo it in the predictions",
    confirm="standardised targets, the same run explains more of the variance",
    source="LeCun et al. 1998, Efficient BackProp, sec. 4.3; Bishop, Neural Networks (1995), sec. 8.2",
    explains=("lr_too_low", "early_plateau", "lr_too_high", "loss_oscillating", "exploding_gradient", "dead_relu",
              "bad_initialization", "gradient_clipped_too_tight", "batch_too_small", "momentum_too_high",
              "weight_decay_too_high", "missing_nonlinearity", "dropout_too_high", "overfitting"),
)  # fmt: skip
def targets_not_normalized(seen: Seen) -> Evidence | None:
    """Targets whose mean or spread an untrained network is far from, in a run that does badly."""
    y = seen.values
    if y is None or len(y) < 8 or seen.compound or not bool(torch.isfinite(y).all()):
        return None
    spread, mean = float(y.std(0).mean()), float(y.mean(0).abs().max())
    if spread < 10 and mean < 20 and (mean < 10 * spread or mean < 5) and spread > 0.01:
        return None
    if not seen.poor and seen.spikes < 5 and not seen.progress < 0.6:
        return None
    words = f"Targets have mean {mean:.3g} and spread {spread:.3g}"
    figures = {"mean": mean, "spread": spread}
    sure = 0.75
    if seen.replay is not None:
        explained = 1 - seen.replay() / seen.trivial if math.isfinite(seen.trivial) and seen.trivial > 0 else -math.inf
        if explained > 0.3:
            return None
        sure = 0.9
        words += f"; after the first steps the loss is {seen.replay():.3g}, that of a constant {seen.trivial:.3g}"
    return Evidence(sure, words + ".", figures)


@cause(
    "data", "inputs and labels don't belong together",
    remedy="# shuffle inputs and labels with one permutation; sort neither alone; check by printing pairs",
    confirm="the nearest neighbours of a sample have its label no more often than chance",
    source="Zhang et al. 2017, arXiv:1611.03530: networks fit random labels, and learn nothing of use",
    explains=("overfitting", "early_plateau", "lr_too_low", "loss_oscillating", "labels_conflicting",
              "class_imbalance", "inputs_not_normalized", "targets_not_normalized", "batch_too_small",
              "missing_nonlinearity", "dropout_too_high", "weight_decay_too_high", "vanishing_gradient",
              "no_shuffling", "bad_initialization"),
)  # fmt: skip
def labels_shuffled(seen: Seen) -> Evidence | None:
    """Neighbours whose labels agree as often as chance, or values of neighbours that tell nothing."""
    found = agreement(seen)
    if found is None:
        return None
    alike, chance, n = found
    error = math.sqrt(max(chance * (1 - chance), 0.01) / n)
    wider = agreement(seen, 25)
    above = max(alike, wider[0] if wider is not None else alike) - chance
    if above > max(3 * error, 0.12 * (1 - chance)):
        return None
    unseen = _validation_useless(seen)
    if not unseen and not seen.stuck:
        return None
    if seen.labels is not None and chance > 0.9:
        return None
    sure = 0.93 if unseen else 0.7
    return Evidence(sure, f"The nearest neighbours of a sample agree with its label in {alike:.0%} of cases; by chance "
                    f"they would in {chance:.0%}.", {"agreement": alike, "chance": chance})  # fmt: skip


def agreement(seen: Seen, k: int = 5) -> tuple[float, float, int] | None:
    """How well the majority (or mean) of the nearest neighbours tells a label (or value), what chance would, and of
    how many samples; ``None`` where inputs or targets are of another kind."""
    x = seen.floats
    if x is None or len(x) < 100 or seen.compound:
        return None
    x = x[:_NEIGHBOURS]
    if not bool(torch.isfinite(x).all()):
        return None
    labels = seen.labels
    if labels is not None and len(labels) >= len(x):
        y = labels[: len(x)]
        if len(torch.unique(y)) < 2:
            return None
        distinct = distinct_rows(x)
        x, y = x[distinct], y[distinct]
        if len(x) < 100:
            return None
        near = y[neighbours(x, k)]
        votes = torch.stack([(near == c).sum(1) for c in torch.unique(y)], 1)
        guess = torch.unique(y)[votes.argmax(1)]
        shares = torch.bincount(y).double() / len(y)
        return float((guess == y).double().mean()), float(shares.max()), len(x)
    values = seen.values
    if values is None or len(values) < len(x):
        return None
    y = values[: len(x)].double()
    distinct = distinct_rows(x)
    x, y = x[distinct], y[distinct]
    if len(x) < 100:
        return None
    rest = y - y[neighbours(x, 2 * k)].mean(1)
    explained = 1 - float(rest.pow(2).mean() / (y - y.mean(0)).pow(2).mean().clamp(min=1e-30))
    return max(explained + 1 / (2 * k), 0.0), 0.0, len(x)


def distinct_rows(x: Tensor) -> Tensor:
    """Indices of rows, each once: in a second epoch the same samples come again."""
    _, where = torch.unique(x, dim=0, return_inverse=True)
    first = torch.full((int(where.max()) + 1,), len(x), dtype=torch.long)
    return first.scatter_reduce(0, where, torch.arange(len(x)), "amin")


def _validation_useless(seen: Seen) -> bool:
    """Whether the validation loss never got clearly below that of a constant."""
    values = [e.val_loss for e in seen.record.epochs if e.val_loss is not None and math.isfinite(e.val_loss)]
    return len(values) >= 2 and min(values) > 0.93 * seen.reference


@cause(
    "data", "the same inputs have different labels",
    remedy="# find and settle the conflicts; else train robustly: lossary list --task 'noisy labels'",
    confirm="relabelled, the floor of the training loss falls",
    source="Northcutt, Jiang and Chuang 2021, arXiv:1911.00068",
    explains=("overfitting", "early_plateau", "lr_too_low", "loss_oscillating", "batch_too_small", "class_imbalance",
              "missing_nonlinearity", "dropout_too_high", "weight_decay_too_high", "lr_killed_by_schedule"),
)  # fmt: skip
def labels_conflicting(seen: Seen) -> Evidence | None:
    """Duplicates with other labels, or neighbours that agree with each other and not with the sample."""
    x, y = seen.inputs, seen.labels
    if x is None or y is None or len(x) < 50 or len(y) < len(x) or seen.compound:
        return None
    rows, y = x.reshape(len(x), -1)[:_NEIGHBOURS], y[: min(len(x), _NEIGHBOURS)]
    _, where, counts = torch.unique(rows, dim=0, return_inverse=True, return_counts=True)
    groups = int(counts.numel())
    most = torch.zeros(groups, int(y.max()) + 1, dtype=torch.long).index_put_(
        (where, y), torch.ones_like(y), accumulate=True
    )
    clash = float((counts - most.max(1).values).sum()) / len(rows)
    if clash > 0.05 and rows.is_floating_point():  # the same few words may well be followed by different ones
        return Evidence(0.94, f"{clash:.0%} of the samples have a copy with another label.", {"conflicting": clash})
    if not rows.is_floating_point():
        return None
    noisy = _consistent_dissent(seen)
    if noisy is not None and noisy[0] > 0.2 and noisy[1] > 0.85:
        return Evidence(0.85, f"{noisy[0]:.0%} of the labels disagree with both the trained model and the majority of "
                        f"their neighbours, which agree with each other in {noisy[1]:.0%} of cases.",
                        {"disagreement": noisy[0], "consistency": noisy[1]},
                        explains=("labels_shuffled",))  # fmt: skip
    return None


def _consistent_dissent(seen: Seen) -> tuple[float, float] | None:
    """Share of labels that neither the model nor the neighbours would give, and how far these two agree."""
    x, y, guess = seen.floats, seen.labels, seen.predictions
    if x is None or y is None or guess is None or not bool(torch.isfinite(x).all()):
        return None
    once = distinct_rows(x)[:_NEIGHBOURS]
    if len(once) < 100 or len(torch.unique(y)) > 20:
        return None
    y, guess = y[once], guess[once]
    near = y[neighbours(x[once], 25)]
    kinds = torch.unique(y)
    majority = kinds[torch.stack([(near == c).sum(1) for c in kinds], 1).argmax(1)]
    return float(((majority != y) & (guess != y)).double().mean()), float((majority == guess).double().mean())


@cause(
    "data", "rare classes are ignored",
    remedy="loss_fn = lossary.CrossEntropyLoss(class_weight=lossary.balance.class_weights(targets))",
    confirm="the recall of the rare classes rises with weights, resampling or a focal loss",
    source="Johnson and Khoshgoftaar 2019, doi:10.1186/s40537-019-0192-5",
    explains=("early_plateau", "overfitting", "lr_too_low", "batch_too_small", "loss_oscillating"),
)  # fmt: skip
def class_imbalance(seen: Seen) -> Evidence | None:
    """Classes far apart in number, and a trained model that hardly ever names the rare ones."""
    labels, guess = seen.labels, seen.predictions
    if labels is None or guess is None or len(labels) < 40 or seen.compound:
        return None
    classes, counts = torch.unique(labels, return_counts=True)
    text = seen.inputs is not None and not seen.inputs.is_floating_point()  # where letters are rare by nature
    if not 2 <= len(classes) <= 30 or text or float(counts.max() / counts.min()) < 4:
        return None
    recall = torch.stack([(guess[labels == c] == c).double().mean() for c in classes])
    rare = counts <= counts.max() / 4
    found, others = float(recall[rare].mean()), float(recall[~rare].mean())
    if (found > 0.55 and float(recall[rare].min()) > 0.3) or others - found < 0.25 or others < 0.6:
        return None  # found well enough, or nothing is learned, rare or not
    share = float(counts[rare].sum() / counts.sum())
    return Evidence(
        0.9,
        f"{int(rare.sum())} of {len(classes)} classes have {share:.1%} of the samples, and the trained model finds "
        f"{float(recall[rare].mean()):.0%} of them (of the others {float(recall[~rare].mean()):.0%}).",
        {"ratio": float(counts.max() / counts.min()), "recall": float(recall[rare].mean())},
    )
