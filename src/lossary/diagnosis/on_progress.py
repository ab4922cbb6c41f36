"""Causes that are read off the course of the loss alone, named where nothing behind them is found."""

from __future__ import annotations

import math

import numpy as np

from .causes import Evidence, cause
from .on_data import agreement
from .seen import Seen


@cause(
    "progress", "the model fits the training data and not the rest",
    remedy="# stop at the lowest validation loss; more data, augmentation, weight decay, dropout, or a smaller model",
    confirm="the validation loss rises while the training loss falls",
    source="Prechelt 1998, Early stopping - but when?; Goodfellow et al. 2016, sec. 5.2",
)  # fmt: skip
def overfitting(seen: Seen) -> Evidence | None:
    """A validation loss that turned, while the training loss went on falling."""
    pairs = [(e.at, e.train_loss, e.val_loss) for e in seen.record.epochs]
    val = np.array([v for _, _, v in pairs if v is not None and math.isfinite(v)])
    if len(val) < 3 or seen.first_bad is not None or seen.compound:
        return None
    lowest = int(val.argmin())
    rise = (float(np.mean(val[-max(1, len(val) // 10) :])) - val[lowest]) / max(abs(val[lowest]), 1e-12)
    train = [t for _, t, _ in pairs if t is not None]
    end = train[-1] if train else seen.end
    then = train[lowest] if len(train) == len(val) else float(np.mean(seen.finite[: max(1, pairs[lowest][0])][-20:]))
    later = len(val) - 1 - lowest
    if rise < 0.15 or later < 2 or not end < 0.9 * then:
        return None
    if end > 0.5 * val[-1] or rise * val[lowest] < 0.15 * seen.reference:
        return None  # of all that was gained little is lost again
    return Evidence(
        0.9 if rise > 0.3 else 0.8,
        f"The validation loss was lowest after epoch {lowest + 1} of {len(val)} ({val[lowest]:.3g}) and has risen by "
        f"{rise:.0%} since, while the training loss fell from {then:.3g} to {end:.3g}.",
        {"lowest": float(val[lowest]), "rise": rise, "train": float(end)},
        pairs[lowest][0],
    )


@cause(
    "progress", "the loss swings",
    remedy="# a smaller learning rate or a larger batch; then lower momentum, gradient clipping, a decay of the rate",
    confirm="the swings shrink with the learning rate",
    source="Bengio 2012, arXiv:1206.5533, sec. 3.1; McCandlish et al. 2018, arXiv:1812.06162",
    explains=("early_plateau",),
)  # fmt: skip
def loss_oscillating(seen: Seen) -> Evidence | None:
    """A loss that jumps by its own size from batch to batch and does not get down."""
    if seen.compound or seen.first_bad is not None or len(seen.finite) < 30 or seen.progress > 0.6:
        return None
    tail = seen.finite[len(seen.finite) // 3 :]
    window = max(3, len(tail) // 20)
    smooth = np.convolve(tail, np.ones(window) / window, "valid")
    turns = float(smooth.std() / max(abs(float(np.median(smooth))), 1e-12))
    if turns < 0.25 and (seen.noise < 0.35 or turns < 0.15):
        return None
    if seen.recognised is None or not math.isfinite(seen.trivial):
        return None  # a loss of one's own may swing as it likes
    return Evidence(0.7, f"From batch to batch the loss jumps by {seen.noise:.0%} of its level, and its running mean "
                    f"still by {turns:.0%}.", {"noise": seen.noise, "slow": turns})  # fmt: skip


@cause(
    "progress", "the loss stopped falling early",
    remedy="# a larger model, a higher learning rate, a restart of the schedule; first try to fit one batch",
    confirm="one batch alone can't be fitted either",
    source="Karpathy 2019, A Recipe for Training Neural Networks",
)  # fmt: skip
def early_plateau(seen: Seen) -> Evidence | None:
    """A loss that stood still for most of the run far above what is reachable."""
    n = len(seen.finite)
    if (
        seen.compound
        or seen.first_bad is not None
        or n < 30
        or not math.isfinite(seen.trivial)
        or seen.recognised is None
    ):
        return None
    half = seen.finite[n // 4 :]
    moved = abs(float(np.mean(half[: len(half) // 3])) - float(np.mean(half[-len(half) // 3 :])))
    level = float(np.median(half))
    told = agreement(seen)
    reached = seen.progress
    if seen.labels is not None and seen.predictions is not None:
        reached = float((seen.predictions == seen.labels).double().mean())
    behind = told is not None and reached < 0.6 and told[0] - reached > 0.15
    if moved > (0.25 if behind else 0.05) * abs(level) or not (behind or (seen.stuck and told is None)):
        return None
    words = f"Since the first quarter of the run the loss has stayed near {level:.4g}; a constant output would have " \
            f"{seen.trivial:.4g}"  # fmt: skip
    if behind and told is not None:
        what = "of its training samples right" if seen.labels is not None else "of the loss away"
        words += f". The model gets {reached:.0%} {what}, the nearest neighbours {told[0]:.0%}"
    return Evidence(0.75 if behind else 0.6, words + ".", {"level": level, "trivial": seen.trivial}, n // 4)
