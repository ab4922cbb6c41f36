"""Causes in the order of dimensions: samples taken for time steps, pixels for channels."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .causes import Evidence, cause
from .on_data import CONSEQUENCES
from .seen import Seen


@cause(
    "data", "dimensions are mixed up on the way into or through the model",
    remedy="x = x.permute(0, 3, 1, 2)  # view and reshape don't move data; batch_first=True where samples come first",
    confirm="the output of a sample changes when another sample of its batch does",
    source="torch.Tensor.view, torch.permute; torch.nn.LSTM: batch_first",
    explains=(*CONSEQUENCES, "labels_shuffled", "inputs_not_normalized", "labels_conflicting", "eval_mode_left_on"),
)  # fmt: skip
def layout_scrambled(seen: Seen) -> Evidence | None:
    """Samples that influence each other, or images whose neighbouring pixels have nothing in common."""
    mixed = _mixes_samples(seen)
    if mixed is not None:
        return Evidence(0.95, f"In evaluation mode the output of a sample changes with the other samples of its batch "
                        f"({mixed}).", {})  # fmt: skip
    return _rough_images(seen)


def _mixes_samples(seen: Seen) -> str | None:
    model, kept = seen.record.initial, seen.first_batches[:1]
    if model is None or not kept or not kept[0].arguments or isinstance(model, (nn.ModuleDict, nn.ModuleList)):
        return None
    x, target = kept[0].arguments[0], kept[0].target
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) < 3 or not x.is_floating_point() or seen.compound:
        return None
    if not isinstance(target, Tensor) or target.ndim == 0 or len(target) != len(x):
        return None
    sizes = {tuple(k.target.shape[:2]) for k in seen.first_batches if isinstance(k.target, Tensor)}
    if target.shape[:2] == x.shape[:2] and target.ndim > 1 and len({steps for steps, *_ in sizes}) == 1 < len(sizes):
        return None  # only the second dimension changes from batch to batch: samples are there, and time comes first
    with torch.random.fork_rng(), torch.no_grad():
        try:
            copied = copy.deepcopy(model).eval()
            first = copied(*kept[0].arguments, **kept[0].keywords)
            changed = x.clone()
            changed[:-1] = changed[:-1].flip(0) * 0.5 + 1.0
            second = copied(changed, *kept[0].arguments[1:], **kept[0].keywords)
        except Exception:  # not callable so
            return None
    if not (isinstance(first, Tensor) and isinstance(second, Tensor)) or first.ndim == 0 or len(first) != len(x):
        return None
    away = float((first[-1] - second[-1]).abs().max())  # of the last, which a recurrence over samples reaches, too
    if away <= 1e-3 * float(first.abs().max().clamp(min=1e-12)):
        return None
    recurrent = [m for m in seen.modules if isinstance(m, (nn.RNNBase, nn.MultiheadAttention)) and not m.batch_first]
    if recurrent:
        return f"{type(recurrent[0]).__name__} has batch_first=False and takes samples for time steps"
    return f"by {away:.3g}"


def _rough_images(seen: Seen) -> Evidence | None:
    x = seen.inputs
    convolutions = [m for m in seen.modules if isinstance(m, nn.Conv2d)]
    if x is None or not convolutions or x.ndim != 4 or not x.is_floating_point() or min(x.shape[2:]) < 4:
        return None
    x = x[:256].double()
    n, c, h, w = x.shape
    given = _smoothness(x)
    others = {
        "the last dimension as channels": x.reshape(n, h, w, c).permute(0, 3, 1, 2) if c > 1 else None,
        "rows and columns in another order": x.reshape(n, c, h * w).reshape(n, c, w, h).transpose(2, 3)
        if h != w
        else None,
    }
    for words, other in others.items():
        if other is not None and _smoothness(other) > given + 0.3:
            return Evidence(0.93, f"Neighbouring pixels correlate by {given:.2f}; read with {words}, by "
                            f"{_smoothness(other):.2f}.", {"correlation": given})  # fmt: skip
    if given < 0.15 and len(x) >= 16 and seen.poor:
        return Evidence(0.8, f"Neighbouring pixels of the images hardly correlate ({given:.2f}), while convolutions "
                        "count on it.", {"correlation": given})  # fmt: skip
    return None


def _smoothness(x: Tensor) -> float:
    """Correlation of each pixel with those right of it and below it, after the mean image is taken off."""
    x = x - x.mean(0)
    total = float(x.pow(2).mean().clamp(min=1e-30))
    return float(((x[..., 1:] * x[..., :-1]).mean() + (x[..., 1:, :] * x[..., :-1, :]).mean()) / 2) / total
