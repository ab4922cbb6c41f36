"""Causes in how samples are put into batches: order, repetition, number."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .causes import Evidence, cause
from .on_data import helps
from .record import Kept
from .replay import Change
from .seen import Seen


@cause(
    "data", "samples come sorted, not shuffled",
    remedy="DataLoader(dataset, batch_size=..., shuffle=True)",
    confirm="batches hold one class each, or targets in order",
    source="Bengio 2012, arXiv:1206.5533, sec. 3.1.2",
    explains=("loss_oscillating", "early_plateau", "lr_too_high", "batch_too_small", "overfitting", "lr_too_low",
              "labels_conflicting", "momentum_too_high", "class_imbalance", "same_batch_every_step",
              "dead_relu", "exploding_gradient", "labels_shuffled"),
    live=True,
)  # fmt: skip
def no_shuffling(seen: Seen) -> Evidence | None:
    """Batches that differ in their targets far more than by chance."""
    batches = [
        k.target for k in seen.first_batches if isinstance(k.target, Tensor) and k.target.ndim and len(k.target) > 1
    ]
    if len(batches) < 4 or seen.compound or any(b.ndim > 2 or (b.ndim == 2 and b.shape[1] > 1) for b in batches):
        return None
    values = [b.reshape(-1).double() for b in batches]
    joined = torch.cat(values)
    if float(joined.std()) == 0 or all(torch.equal(v, values[0]) for v in values if len(v) == len(values[0])):
        return None
    classes = seen.labels is not None
    if classes:
        labels = torch.unique(joined)
        shares = torch.stack([(joined == c).double().mean() for c in labels])
        expected = float((shares * (1 - shares)).sum())
        within = float(torch.tensor([_gini(v) * len(v) / max(len(v) - 1, 1) for v in values]).mean())
    else:
        expected = float(joined.var())
        within = float(torch.stack([v.var() for v in values if len(v) > 1]).mean())
    if seen.recognised is None and seen.record.train_loader is None:
        return None  # in a game or an episode the order may be the point
    ratio = within / max(expected, 1e-30)
    if ratio > 0.5:
        return None
    what = "classes" if classes else "target values"
    return Evidence(0.93 if ratio < 0.3 else 0.75, f"Within a batch {what} vary only {ratio:.0%} as much as over all "
                    "batches: samples come in the order of their targets.", {"ratio": ratio})  # fmt: skip


def _gini(values: Tensor) -> float:
    _, counts = torch.unique(values, return_counts=True)
    shares = counts.double() / counts.sum()
    return float((shares * (1 - shares)).sum())


@cause(
    "data", "every step gets the same batch",
    remedy="for x, y in loader: ...  # instead of next(iter(loader)) in each step",
    confirm="the inputs of two successive steps are equal",
    source="Bengio 2012, arXiv:1206.5533, sec. 3.1.2; torch.utils.data.DataLoader",
    explains=("overfitting", "loss_oscillating", "batch_too_small", "early_plateau", "class_imbalance", "no_shuffling",
              "labels_shuffled", "labels_conflicting"),
    live=True,
)  # fmt: skip
def same_batch_every_step(seen: Seen) -> Evidence | None:
    """Equal batches in a row although there are more data."""
    first = seen.first_batches
    x = [k.arguments[0] for k in first if k.arguments and isinstance(k.arguments[0], Tensor)]
    if len(x) < 4 or seen.compound:
        return None
    same = sum(torch.equal(a, b) for a, b in pairwise(x))
    if same < 0.9 * (len(x) - 1):
        return None
    size = len(x[0])
    loader = seen.record.train_loader
    try:
        total = len(loader.dataset)
    except (AttributeError, TypeError):
        total = 0
    if not total:  # the batch may be all there is
        val = [e.val_loss for e in seen.record.epochs if e.val_loss is not None]
        if size > 128 or not val or not val[-1] > 3 * abs(seen.end) or not val[-1] > 0.8 * seen.reference:
            return None
        return Evidence(0.85, f"The same {size} samples came in {same + 1} successive batches; the loss on others is "
                        f"{val[-1]:.3g}, on them {seen.end:.3g}.", {"batch": size},
                        explains=("labels_shuffled",))  # fmt: skip
    if total <= 1.2 * size:
        return None
    return Evidence(0.97, f"The same {size} of {total} samples came in {same + 1} successive batches.",
                    {"batch": size, "samples": total})  # fmt: skip


@cause(
    "data", "the batch is too small for its noise",
    remedy="DataLoader(dataset, batch_size=32, shuffle=True)",
    confirm="with four times the batch the loss swings less and ends lower",
    source="McCandlish et al. 2018, arXiv:1812.06162; Ioffe 2017, arXiv:1702.03275 (BatchNorm in small batches)",
    explains=("loss_oscillating", "early_plateau", "overfitting", "class_imbalance"),
)  # fmt: skip
def batch_too_small(seen: Seen) -> Evidence | None:
    """One or a few samples a step, and a loss that swings, or BatchNorm over them."""
    sizes = [m.size for m in seen.moments if m.size > 0]
    if not sizes or seen.compound:
        return None
    size = sorted(sizes)[len(sizes) // 2]
    steps = len({m.optimizer for m in seen.moments}) and seen.record.steps
    if steps and len(seen.moments) > 1.5 * steps:
        return None  # gradients are accumulated over several
    norm = seen.has(nn.modules.batchnorm._BatchNorm)
    if size > (4 if norm else 3):
        return None
    if not (seen.poor or seen.noise > 0.6):
        return None
    words = f"Batches have {size} sample{'s' * (size > 1)}" + (
        ", over which BatchNorm takes its statistics" if norm else ""
    )
    figures = {"size": size, "noise": seen.noise}
    if seen.replay is None:
        return Evidence(0.6, words + ".", figures)
    before, after = seen.replay(), seen.replay("larger batches", Change(batches=_merged))
    if norm or helps(before, after, seen) or after < 0.9 * before:
        slower = seen.replay("lr x 0.1", Change(lr=0.1))
        return Evidence(
            0.88 if norm or after < 0.8 * before else 0.7,
            words + f"; with 8 times as many a trial reached {after:.3g} instead of {before:.3g}.",
            figures,
            explains=("lr_too_high", "momentum_too_high") if after < slower else (),
        )
    return None


def _merged(kept: list[Kept]) -> list[Kept]:
    """Eight batches as one."""
    out = []
    for at in range(0, len(kept) - 7, 8):
        part = kept[at : at + 8]
        arguments = (torch.cat([k.arguments[0] for k in part]), *part[0].arguments[1:])
        target = torch.cat([k.target for k in part])
        out.append(
            Kept(part[0].number, arguments, part[0].keywords, None, target, None, part[0].loss, part[0].training)
        )
    return out
