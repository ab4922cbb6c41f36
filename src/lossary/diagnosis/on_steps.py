"""Causes in the steps: learning rate, momentum, decay, clipping, and how gradients arrive."""

from __future__ import annotations

import math

import numpy as np
import torch

from .causes import Evidence, cause
from .on_data import helps
from .replay import Change
from .seen import Seen

_BY_STEP_SIZE = (
    "dead_relu", "loss_oscillating", "exploding_gradient", "saturated_activation", "early_plateau", "overfitting",
    "vanishing_gradient", "numerical_instability", "batch_too_small", "class_imbalance", "bad_initialization",
    "lr_too_low", "missing_nonlinearity", "dropout_too_high", "output_range_mismatch",
)  # fmt: skip
"""What too large a step brings about."""


def _trial(before: float, after: float) -> str:
    return f"a trial reached a loss of {after:.3g} instead of {before:.3g}"


def _troubled(seen: Seen) -> bool:
    return seen.poor or seen.spikes > 5 or seen.noise > 0.5


@cause(
    "step", "the learning rate is too high",
    remedy="optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # try a tenth of the present rate, then less",
    confirm="at a tenth of the rate the loss falls steadily",
    source="Smith 2017, arXiv:1506.01186; Bengio 2012, arXiv:1206.5533, sec. 2.1",
    explains=_BY_STEP_SIZE,
)  # fmt: skip
def lr_too_high(seen: Seen) -> Evidence | None:
    """A loss that left, swings or stands, and does better with smaller steps."""
    if seen.compound or len(seen.finite) < 2 or not seen.record.steps or not _troubled(seen):
        return None
    ratio = seen.updates
    began = seen.first_bad if seen.first_bad is not None else int(np.argmax(seen.finite))
    state = ("the loss ceased to be a number" if seen.first_bad is not None else
             f"the loss rose to {seen.finite.max():.3g}" if seen.spikes > 2 or seen.diverged else
             f"the loss ended at {seen.end:.3g}, where a constant would be at {seen.reference:.3g}")  # fmt: skip
    words = f"With a learning rate of {seen.lr:.3g} {state}; a step changes the weights by up to {ratio:.1%}"
    figures = {"lr": seen.lr, "update ratio": ratio}
    if seen.replay is None:
        # The level of an unknown loss may rise with what it measures, as an agent's does: steps must be large, too.
        known = seen.recognised is not None or seen.first_bad is not None
        if ratio > 0.3 or (seen.diverged and (known or ratio > 0.05)):
            return Evidence(0.75, words + ".", figures, began)
        return None
    before = seen.replay()
    after = {f: seen.replay(f"lr x {f:g}", Change(lr=f)) for f in (0.1, 0.01)}
    if seen.diverged and not any(helps(before, value, seen) for value in after.values()):
        after |= {f: seen.replay(f"lr x {f:g}", Change(lr=f)) for f in (1e-3, 1e-4)}
    factor = min(after, key=lambda f: after[f] if math.isfinite(after[f]) else math.inf)
    best = after[factor]
    if helps(before, best, seen) and best < 0.9 * seen.end:
        figures |= {"trial factor": factor, "trial": best}
        sure = 0.93 if best < 0.6 * min(before, seen.end) or not math.isfinite(before) else 0.85
        return Evidence(sure, words + f"; at {factor:g} times the rate {_trial(before, best)}.", figures, began)
    if seen.diverged and ratio > 0.1 and math.isfinite(best) and best < seen.end:
        return Evidence(0.7, words + ".", figures, began)
    return None


@cause(
    "step", "the learning rate is too low",
    remedy="optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # try ten times the present rate, then more",
    confirm="at ten times the rate the loss falls further in the same steps",
    source="Smith 2017, arXiv:1506.01186; Bengio 2012, arXiv:1206.5533, sec. 2.1",
    explains=("early_plateau", "vanishing_gradient", "class_imbalance", "missing_nonlinearity", "frozen_parameters",
              "bad_initialization", "saturated_activation", "gradient_clipped_too_tight"),
)  # fmt: skip
def lr_too_low(seen: Seen) -> Evidence | None:
    """A loss that hardly moved, and falls with larger steps."""
    if seen.compound or seen.diverged or not seen.record.steps or len(seen.finite) < 8:
        return None
    moved = (seen.start - seen.end) / max(abs(seen.start), 1e-12)
    if not (seen.stuck or moved < 0.25) or seen.progress > 0.5:
        return None
    words = (
        f"In {seen.record.steps} steps at a rate of {seen.lr:.3g} the loss went from {seen.start:.4g} to {seen.end:.4g}"
    )
    figures = {"lr": seen.lr, "start": seen.start, "end": seen.end, "update ratio": seen.updates}
    if seen.replay is None:
        return Evidence(0.6, words + ".", figures) if seen.updates < 1e-5 else None
    before = seen.replay()
    after = {f: seen.replay(f"lr x {f:g}", Change(lr=f)) for f in (10.0, 100.0, 1000.0)}
    factor = min(after, key=lambda f: after[f] if math.isfinite(after[f]) else math.inf)
    best = after[factor]
    if not math.isfinite(best) or not math.isfinite(before):
        return None
    fell, could = seen.start - min(before, seen.end), seen.start - best
    if best < 0.75 * min(before, seen.end) and could > 3 * max(fell, 0.0):
        return Evidence(0.92 if factor > 10 or best < 0.5 * seen.end else 0.85,
                        words + f"; at {factor:g} times the rate {_trial(before, best)}.",
                        {**figures, "trial factor": factor, "trial": best})  # fmt: skip
    return None


@cause(
    "step", "the schedule takes the learning rate away too soon",
    remedy="scheduler.step()  # once an epoch if its period counts epochs; or a slower decay",
    confirm="with a constant rate the loss goes on falling",
    source="torch.optim.lr_scheduler: chained per-epoch scheduling; arXiv:1608.03983",
    explains=("early_plateau", "lr_too_low", "frozen_parameters", "vanishing_gradient", "class_imbalance",
              "missing_nonlinearity"),
)  # fmt: skip
def lr_killed_by_schedule(seen: Seen) -> Evidence | None:
    """A rate that is next to nothing for most of a run that was not done."""
    rates = np.array([m.lr for m in seen.moments if m.optimizer == 0])
    if seen.compound or len(rates) < 10 or not math.isfinite(seen.lr) or seen.lr <= 0 or seen.first_bad is not None:
        return None
    gone = rates < 0.01 * seen.lr
    peak = int(np.argmax(rates))
    gone[: peak + 1] = False
    share = float(gone.mean())
    if share < 0.5 or not gone[-1] or not seen.progress < 0.7:
        return None
    at = int(np.argmax(gone))
    fell = seen.start - float(np.mean(seen.finite[max(at - 5, 0) : at + 1]))
    later = float(np.mean(seen.finite[max(at - 5, 0) : at + 1])) - seen.end
    words = f"The learning rate fell from {seen.lr:.3g} below {0.01 * seen.lr:.3g} by batch {at} of {len(rates)}; " \
            f"the loss fell by {fell:.3g} until then and by {later:.3g} after it"  # fmt: skip
    figures = {"lr": seen.lr, "last lr": float(rates[-1]), "share": share}
    if seen.replay is not None:
        constant = seen.replay()
        if constant < 0.85 * seen.end:
            return Evidence(0.95, words + f"; at the first rate {_trial(seen.end, constant)}.", figures, at)
        if at > 60 and not seen.stuck:
            return Evidence(0.6, words + ".", figures, at)
        return Evidence(0.8, words + ".", figures, at) if at <= len(rates) // 4 and seen.poor else None
    return Evidence(0.8, words + ".", figures, at)


@cause(
    "step", "momentum is too high",
    remedy="optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)",
    confirm="with 0.9 the loss falls without swinging",
    source="Sutskever et al. 2013, On the importance of initialization and momentum in deep learning, sec. 3",
    explains=(*_BY_STEP_SIZE, "lr_too_high", "lr_too_low"),
)  # fmt: skip
def momentum_too_high(seen: Seen) -> Evidence | None:
    """Momentum beyond the usual, and a run that does better with the usual."""
    if seen.compound or seen.momentum <= 0.95 or not (_troubled(seen) or seen.spikes > 1.5) or not seen.record.steps:
        return None
    past = f"count {1 / (1 - seen.momentum):.0f} fold" if seen.momentum < 1 else "never fade"
    words = f"Momentum is {seen.momentum:g}: past gradients {past}"
    figures = {"momentum": seen.momentum, "lr": seen.lr}
    if seen.replay is None:
        return Evidence(0.7, words + ".", figures)
    before, after = seen.replay(), seen.replay("momentum 0.9", Change(momentum=0.9))
    if helps(before, after, seen) or (after < 0.8 * seen.end and math.isfinite(after)):
        return Evidence(0.94, words + f"; with 0.9 {_trial(before, after)}.", {**figures, "trial": after})
    return None


@cause(
    "step", "weight decay is too strong",
    remedy="optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)",
    confirm="without decay the loss falls further and weights don't shrink",
    source="Loshchilov and Hutter 2019, arXiv:1711.05101; Goodfellow et al. 2016, sec. 7.1.1",
    explains=("early_plateau", "lr_too_low", "vanishing_gradient", "class_imbalance", "dead_relu", "loss_oscillating",
              "missing_nonlinearity", "batch_too_small", "bad_initialization", "saturated_activation"),
)  # fmt: skip
def weight_decay_too_high(seen: Seen) -> Evidence | None:
    """Decay beyond the usual, and a run that does better without."""
    decay = float(seen.settings.get("weight_decay", 0.0) or 0.0)
    if seen.compound or decay < 5e-3 or not seen.poor:
        return None
    words = f"Weight decay is {decay:g}"
    left = 1.0
    first, last = (seen.samples[0], seen.samples[-1]) if seen.samples else (None, None)
    if first is not None and last is not None:
        shrink = [last.layers[n].weight / v.weight for n, v in first.layers.items()
                  if v.weight > 0 and n in last.layers and "bias" not in n]  # fmt: skip
        if shrink:
            left = float(np.median(shrink))
            words += f": weights went to {left:.0%} of their size"
    figures = {"weight decay": decay}
    if seen.replay is None:
        return Evidence(0.6, words + ".", figures) if left < 0.3 else None
    before, after = seen.replay(), seen.replay("no weight decay", Change(weight_decay=0.0))
    if helps(before, after, seen) or (after < 0.7 * seen.end and after < 0.9 * before):
        return Evidence(0.93, words + f"; without it {_trial(before, after)}.", {**figures, "trial": after})
    return None


@cause(
    "step", "the gradient is clipped so tightly that nothing is left of it",
    remedy="torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # above the usual norm",
    confirm="the norm before clipping is many times the limit in every step",
    source="Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, sec. 3.2",
    explains=("lr_too_low", "early_plateau", "vanishing_gradient", "missing_nonlinearity", "class_imbalance",
              "bad_initialization", "loss_scale_wrong"),
)  # fmt: skip
def gradient_clipped_too_tight(seen: Seen) -> Evidence | None:
    """A gradient of the same small norm in every step, in a run that hardly moves."""
    samples = [s for s in seen.samples if s.gradient_norm > 0 and s.finite]
    if seen.compound or len(samples) < 6 or seen.progress > 0.6:
        return None
    told = [m for m in seen.sampled if m.clipped_to is not None and m.norm_before_clipping]
    norms = np.array([s.gradient_norm for s in samples])
    constant = float(norms.std() / norms.mean()) < 1e-3
    by_value = (
        np.median([s.share_at_largest for s in samples]) > 0.2
        and float(np.std([s.largest_gradient for s in samples]) / np.mean([s.largest_gradient for s in samples])) < 1e-3
    )
    if told:
        ratios = [(m.norm_before_clipping or 0.0) / max(m.clipped_to or 0.0, 1e-30) for m in told[:4]]
        excess = float(np.median(ratios))
        if excess < 10:
            return None
        words = f"The norm is cut to {told[0].clipped_to:g}, which is 1/{excess:.0f} of what it was"
        figures = {"limit": told[0].clipped_to, "times": excess}
    elif constant or by_value:
        words = (
            f"The gradient has the norm {norms.mean():.3g} in every step"
            if constant
            else f"Most entries of the gradient have the size {samples[0].largest_gradient:.3g} in every step"
        )
        figures = {"norm": float(norms.mean())}
    else:
        return None
    if seen.replay is None:
        return Evidence(0.8, words + ".", figures)
    free = seen.replay()
    if free < 0.8 * seen.end:
        return Evidence(0.95, words + f"; without the limit {_trial(seen.end, free)}.", {**figures, "trial": free})
    return Evidence(0.6, words + ".", figures) if seen.stuck and not free > seen.end else None


@cause(
    "step", "gradients vanish on the way to the first layers",
    remedy="# ReLU or GELU instead of sigmoid, normalisation layers, residual connections, He or Glorot initialization",
    confirm="the first layer's gradient is orders of magnitude below the last's",
    source="Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
    explains=("lr_too_low", "early_plateau", "class_imbalance", "batch_too_small",
              "weight_decay_too_high", "missing_nonlinearity"),
)  # fmt: skip
def vanishing_gradient(seen: Seen) -> Evidence | None:
    """Gradients of the first layers far below those of the last, in a deep network that does not learn."""
    if seen.compound or not seen.poor or len(seen.samples) < 2:
        return None
    profile = _profile(seen)
    if len(profile) < 3:
        return None
    ratio = profile[0][1] / max(profile[-1][1], 1e-30)
    if ratio > 2e-3:
        return None
    if profile[-1][1] == 0 or not math.isfinite(ratio):
        return None
    return Evidence(
        0.9 if ratio < 1e-4 or seen.stuck else 0.7,
        f"The gradient of {profile[0][0]} is {ratio:.1e} of that of {profile[-1][0]}, {len(profile)} layers on.",
        {"ratio": ratio, "layers": len(profile)},
    )


def _profile(seen: Seen) -> list[tuple[str, float]]:
    """Median over early samples of each weight's gradient, relative to the weight; first layer first."""
    samples = [s for s in seen.samples if s.finite and s.gradient_norm > 0][:10]
    if not samples:
        return []
    names = [n for n, v in samples[0].layers.items() if "bias" not in n and v.weight > 0 and "outside" not in n]
    shapes = dict(seen.record.model.named_parameters()) if seen.record.model is not None else {}
    names = [n for n in names if n in shapes and shapes[n].ndim > 1 and shapes[n].requires_grad]
    return [(n, float(np.median([s.layers[n].gradient for s in samples if n in s.layers]))) for n in names]


@cause(
    "step", "gradients explode",
    remedy="torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # and normalisation layers",
    confirm="the norm of the gradient jumps by orders of magnitude before the loss does",
    source="Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, sec. 2",
    explains=("loss_oscillating", "early_plateau", "dead_relu", "lr_too_high", "numerical_instability",
              "saturated_activation", "batch_too_small"),
)  # fmt: skip
def exploding_gradient(seen: Seen) -> Evidence | None:
    """Large and spreading gradients in a deep or recurrent network, which clipping would have tamed."""
    if seen.compound or not _troubled(seen) or not seen.samples:
        return None
    norms = np.array([s.gradient_norm for s in seen.samples if s.finite])
    if len(norms) == 0:
        return None
    highest, typical = float(norms.max()), float(np.median(norms))
    profile = [(n, v) for n, v in _profile(seen) if v > 0]
    growth = profile[0][1] / max(profile[-1][1], 1e-30) if len(profile) >= 3 else 1.0
    recurrent = seen.has(torch.nn.RNNBase, torch.nn.RNNCellBase)
    deep = max(len(profile), seen.graph.weighted if seen.graph is not None else 0) >= 4  # a loop of a step is deep, too
    early = seen.samples[0].gradient_norm  # before any step, whose size might be to blame
    blown_up = deep and early > 100 and math.isfinite(seen.trivial) and seen.untrained > 20 * seen.trivial
    spreading = growth > 20 or (recurrent and (highest > 30 * typical or early > 100)) or blown_up
    if highest < 50 or not (spreading or (early > 1e3 and deep)):
        return None
    at = int(next(s.number for s in seen.samples if s.finite and s.gradient_norm == highest))
    words = f"The gradient's norm reached {highest:.3g} (median {typical:.3g})"
    if growth > 20:
        words += f", and that of {profile[0][0]} is {growth:.3g} times that of {profile[-1][0]}"
    if blown_up:
        words += f"; at the start the loss was {seen.untrained:.3g} and a constant would have {seen.trivial:.3g}"
    sure = 0.94 if blown_up else 0.88 if spreading else 0.7
    figures = {"norm": highest, "growth": growth}
    if spreading and not blown_up and seen.replay is not None:
        before, clipped = seen.replay(), seen.replay("gradient clipped", Change(clip=1.0))
        slower = min(
            v if math.isfinite(v) else math.inf for v in (seen.replay(f"lr x {f:g}", Change(lr=f)) for f in (0.1, 0.01))
        )
        if helps(before, clipped, seen) and clipped < 1.25 * slower:
            return Evidence(0.95, words + f"; clipped to a norm of 1, {_trial(before, clipped)}.",
                            {**figures, "trial": clipped}, at)  # fmt: skip
    return Evidence(sure, words + ".", figures, at)
