"""What the record amounts to: the course of the loss, what a constant would have reached, what the data look like."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .graph import GraphFacts
from .recognition import Recognised, class_layout, of_name, recognise
from .record import Kept, Moment, Record, Sample
from .replay import Replay

_OF_CLASSES = {
    "CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll", "BCEWithLogitsLoss": "bce_with_logits", "BCELoss": "bce",
    "MSELoss": "mse", "L1Loss": "l1", "SmoothL1Loss": "smooth_l1", "HuberLoss": "smooth_l1", "KLDivLoss": "kl_div",
    "PoissonNLLLoss": "poisson_nll", "cross_entropy": "cross_entropy", "nll_loss": "nll", "mse_loss": "mse",
    "binary_cross_entropy_with_logits": "bce_with_logits", "binary_cross_entropy": "bce", "l1_loss": "l1",
}  # fmt: skip


class Seen:
    """Figures of a record, each computed when it is first asked for."""

    def __init__(self, record: Record, *, probes: bool = True, seconds: float = 10.0) -> None:
        self.record = record
        self.probes = probes
        self._seconds = seconds

    # ---- the loop

    @cached_property
    def moments(self) -> list[Moment]:
        """All losses that were computed."""
        return self.record.moments

    @cached_property
    def sampled(self) -> list[Moment]:
        """Those at which gradients were looked at."""
        return [m for m in self.moments if m.sampled]

    @cached_property
    def compound(self) -> bool:
        """Whether several optimizers take turns, so that there is no one course of the loss."""
        return len({m.optimizer for m in self.moments if m.optimizer >= 0}) > 1

    @cached_property
    def samples(self) -> list[Sample]:
        """Sampled steps of the optimizer that stepped most."""
        if not self.record.samples:
            return []
        often = [s.optimizer for s in self.record.samples]
        main = max(set(often), key=often.count)
        return [s for s in self.record.samples if s.optimizer == main]

    @cached_property
    def graph(self) -> GraphFacts | None:
        """Of the first loss that had one."""
        return next(iter(self.record.graphs.values()), None)

    @cached_property
    def last_operation(self) -> str:
        """What made the output that went into the loss."""
        return next(iter(self.record.last_operations.values()), "")

    # ---- the course of the loss

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """Of all moments, in order."""
        return np.array([m.loss for m in self.moments])

    @cached_property
    def first_bad(self) -> int | None:
        """The first loss that is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.losses))
        return int(bad[0]) if len(bad) else None

    @cached_property
    def finite(self) -> NDArray[np.float64]:
        """Losses up to the first that is not finite."""
        return self.losses[: self.first_bad]

    @cached_property
    def untrained(self) -> float:
        """The loss before the first step."""
        return float(self.losses[0]) if len(self.losses) else math.nan

    @cached_property
    def start(self) -> float:
        """The loss of the first batches."""
        return float(np.mean(self.finite[: max(1, min(4, len(self.finite) // 20))])) if len(self.finite) else math.nan

    @cached_property
    def end(self) -> float:
        """The loss over the last tenth."""
        if self.first_bad is not None:
            return math.inf
        return float(np.mean(self.finite[-max(1, len(self.finite) // 10) :])) if len(self.finite) else math.nan

    @cached_property
    def trivial(self) -> float:
        """What the best constant output would reach on the targets seen; NaN where the loss is not known."""
        if self.recognised is None or self.target is None:
            return math.nan
        y, name = self.target, self.recognised.name
        value = math.nan
        if name in ("cross_entropy", "nll", "nll_of_log"):
            if not y.is_floating_point():
                shares = torch.bincount(y.reshape(-1).clamp(min=0)).double()
                shares = shares[shares > 0] / shares.sum()
                value = float(-(shares * shares.log()).sum())
            elif y.ndim > 1:
                shares = y.double().reshape(len(y), -1).mean(0)
                value = float(-(torch.xlogy(shares, shares)).sum())
        elif name.startswith("bce"):
            p = y.double().reshape(len(y), -1).mean(0)
            value = float(-(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).mean())
        elif name.startswith(("mse", "rmse")):
            value = float(y.double().reshape(len(y), -1).var(0, correction=0).mean())
            value = math.sqrt(value) if name == "rmse" else value
        elif name.startswith(("l1", "smooth_l1")):
            flat = y.double().reshape(len(y), -1)
            away = (flat - flat.median(0).values).abs()
            value = float((away if name.startswith("l1") else torch.where(away < 1, away**2 / 2, away - 0.5)).mean())
        return value * abs(self.recognised.factor) if math.isfinite(self.recognised.factor) else value

    @cached_property
    def floor(self) -> float:
        """The lowest loss that the targets allow: the entropy of targets that are shares, else 0."""
        y, found = self.target, self.recognised
        if y is None or found is None or not y.is_floating_point() or not math.isfinite(found.factor):
            return 0.0
        y = y.double()
        if found.name.startswith("bce") and bool(((y >= 0) & (y <= 1)).all()):
            value = float(-(torch.xlogy(y, y) + torch.xlogy(1 - y, 1 - y)).mean())
        elif found.name == "cross_entropy" and y.ndim > 1:
            value = float(-torch.xlogy(y, y).sum(1).mean())
        else:
            return 0.0
        return value * abs(found.factor)

    @cached_property
    def reference(self) -> float:
        """What is to be undercut: the trivial loss, or the one at the start where that is all that is known."""
        return self.trivial if math.isfinite(self.trivial) and self.trivial > 0 else self.start

    @cached_property
    def progress(self) -> float:
        """Share of the reference that is gone at the end: 1 at the lowest possible loss, 0 for nothing learned."""
        if not math.isfinite(self.reference):
            return math.nan
        if not math.isfinite(self.end):
            return -math.inf
        return (self.reference - self.end) / max(abs(self.reference - self.floor), 1e-12)

    @cached_property
    def diverged(self) -> bool:
        """Whether the loss left for good, or ceased to be a number."""
        if self.first_bad is not None:
            return True
        highest = max(self.start, self.trivial) if math.isfinite(self.trivial) else self.start
        return self.end > 2 * abs(highest) + 1e-12 and self.end > self.start

    @cached_property
    def indifferent(self) -> bool:
        """Whether the trained model's outputs are no better than their own mean, so that it ignores its inputs."""
        if self.recognised is not None and math.isfinite(self.recognised.factor):
            return False  # what a constant reaches is known then
        if self.replay is None or self.compound or len(self.final_raw) < 2:
            return False
        mean = self.replay.of_mean([output for output, _ in self.final_raw])
        return 0 < mean < math.inf and self.end > 0.97 * mean

    @cached_property
    def stuck(self) -> bool:
        """Whether the loss ended near where a constant, or no training, would be."""
        return self.diverged or not self.progress > 0.1 or self.indifferent

    @cached_property
    def poor(self) -> bool:
        """Whether less than half of the trivial loss is gone."""
        return self.stuck or not self.progress > 0.5

    @cached_property
    def noise(self) -> float:
        """Jumps between successive losses in the second half, relative to their level."""
        tail = self.finite[len(self.finite) // 2 :]
        if len(tail) < 8:
            return 0.0
        return float(np.median(np.abs(np.diff(tail))) / max(abs(float(np.median(tail))), 1e-12))

    @cached_property
    def spikes(self) -> float:
        """The largest of the losses after the first tenth, over the one at the start."""
        later = self.finite[max(1, len(self.finite) // 20) :]
        return float(later.max() / max(abs(self.start), 1e-12)) if len(later) else 0.0

    @cached_property
    def still_falling(self) -> bool:
        """Whether the last third of the run fell clearly, against its own noise."""
        n = len(self.finite)
        if self.first_bad is not None or n < 12:
            return False
        thirds = self.finite[n // 3 : 2 * n // 3], self.finite[2 * n // 3 :]
        error = math.sqrt(sum(float(t.var()) / len(t) for t in thirds))
        return float(thirds[0].mean() - thirds[1].mean()) > max(2 * error, 1e-4 * abs(float(thirds[0].mean())))

    # ---- the loss in use

    @cached_property
    def triples(self) -> list[tuple[Any, Any, float]]:
        """Output, target and loss of some batches."""
        return [(k.output, k.target, k.loss) for k in self.record.kept[:6]]

    @cached_property
    def recognised(self) -> Recognised | None:
        """The loss in use, from its values."""
        found = recognise(self.triples, self.suggested)
        if found is None and self.suggested and self.target is not None:
            known = of_name(self.suggested[0])
            output = self.output
            if output is not None and known.applies(output, self.target):
                return Recognised(known, math.nan)
        return found

    @cached_property
    def suggested(self) -> tuple[str, ...]:
        """What the loss function's name says of it, or its graph."""
        loss_fn = self.record.loss_fn
        own = [cls.__name__ for cls in type(loss_fn).__mro__] + [getattr(loss_fn, "__name__", "")]
        names = [_OF_CLASSES[name] for name in own if name in _OF_CLASSES]
        head = self.graph.head if self.graph is not None else ()
        if "BinaryCrossEntropyWithLogits" in head:
            names.append("bce_with_logits")
        if any(name.startswith("NllLoss") for name in head):
            names.append("cross_entropy" if "LogSoftmax" in head else "nll")
        return tuple(dict.fromkeys(names))

    @cached_property
    def output(self) -> Tensor | None:
        """The first batch's output."""
        kept = self.record.kept
        return kept[0].output if kept and isinstance(kept[0].output, Tensor) else None

    @cached_property
    def last_output(self) -> Tensor | None:
        """That of the last batch kept."""
        kept = self.record.kept
        return kept[-1].output if kept and isinstance(kept[-1].output, Tensor) else None

    # ---- the data

    @cached_property
    def first_batches(self) -> list[Kept]:
        """The batches that were kept in a row from the first on."""
        kept = self.record.kept
        return [k for i, k in enumerate(kept) if k.number == i]

    @cached_property
    def target(self) -> Tensor | None:
        """Targets of the first batches."""
        return _joined([k.target for k in self.first_batches])

    @cached_property
    def inputs(self) -> Tensor | None:
        """Inputs of the first batches ``(n, ...)``."""
        return _joined([k.arguments[0] if k.arguments else None for k in self.first_batches])

    @cached_property
    def floats(self) -> Tensor | None:
        """Inputs as rows of numbers, where they are numbers."""
        if self.inputs is None or not self.inputs.is_floating_point():
            return None
        return self.inputs.reshape(len(self.inputs), -1).float()

    @cached_property
    def labels(self) -> Tensor | None:
        """Class of each sample, where targets are classes; ``(n,)``."""
        y = self.target
        if y is None or self.output is None:
            return None
        name = self.recognised.name if self.recognised is not None else ""
        if name.startswith("bce"):
            flat = y.reshape(len(y), -1)
            return flat[:, 0].long() if flat.shape[1] == 1 and bool(((flat == 0) | (flat == 1)).all()) else None
        if y.is_floating_point():
            one_hot = (
                y.ndim == 2 and y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all()) and bool((y.sum(1) == 1).all())
            )
            return y.argmax(1) if one_hot else None
        return y.long() if y.ndim == 1 else None

    @cached_property
    def values(self) -> Tensor | None:
        """Targets as numbers ``(n, k)``, where the loss in use is one of numbers."""
        if self.recognised is None or self.recognised.known.expects != "values" or self.target is None:
            return None
        return self.target.reshape(len(self.target), -1).float()

    # ---- the model

    @cached_property
    def modules(self) -> list[nn.Module]:
        """All modules of the model."""
        return list(self.record.model.modules()) if self.record.model is not None else []

    def has(self, *kinds: type) -> bool:
        """Whether the model has a module of one of these types."""
        return any(isinstance(module, kinds) for module in self.modules)

    @cached_property
    def in_optimizers(self) -> set[int]:
        """Identities of all tensors that some optimizer moves."""
        return {id(p) for o in self.record.optimizers for g in o.param_groups for p in g["params"]}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Of the first optimizer's first group, as they were at the start."""
        groups = self.record.hyperparameters
        return dict(groups[0][0]) if groups and groups[0] else {}

    @cached_property
    def lr(self) -> float:
        """The largest learning rate that was used."""
        rates = [m.lr for m in self.moments if m.optimizer >= 0 and math.isfinite(m.lr)]
        return max(rates, default=float(self.settings.get("lr", math.nan) or math.nan))

    @cached_property
    def momentum(self) -> float:
        """Momentum of SGD, or the first beta of Adam and kin."""
        betas = self.settings.get("betas")
        return float(betas[0]) if betas else float(self.settings.get("momentum", 0.0) or 0.0)

    @cached_property
    def updates(self) -> float:
        """Median over early steps of the largest update of a weight matrix relative to the matrix."""
        out = []
        for sample in [s for s in self.samples if s.finite][:12]:
            ratios = [n.update / n.weight for name, n in sample.layers.items() if n.weight > 0 and "bias" not in name]
            if ratios:
                out.append(max(ratios))
        return float(np.median(out)) if out else math.nan

    @cached_property
    def replay(self) -> Replay | None:
        """The run anew in small, for trying remedies; ``None`` where it can't be had."""
        return Replay.of(self.record, self.recognised, self._seconds) if self.probes else None

    @cached_property
    def final_raw(self) -> list[tuple[Any, Any]]:
        """What the trained model gives for the first batches in evaluation mode, beside their targets."""
        model = self.record.model
        if model is None or isinstance(model, (nn.ModuleDict, nn.ModuleList)):
            return []
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            try:
                copied = copy.deepcopy(model).eval()
                return [(copied(*k.arguments, **k.keywords), k.target) for k in self.first_batches]
            except Exception:  # a model that can't be copied, or called so
                return []

    @cached_property
    def final_outputs(self) -> list[tuple[Tensor, Tensor]]:
        """Those that are a tensor, beside one."""
        return [(o, y) for o, y in self.final_raw if isinstance(o, Tensor) and isinstance(y, Tensor)]

    @cached_property
    def predictions(self) -> Tensor | None:
        """Classes that the trained model gives for the samples of :attr:`labels`."""
        if self.labels is None or not self.final_outputs:
            return None
        out = []
        for output, target in self.final_outputs:
            laid = class_layout(output, target.long() if target.ndim == 1 else target)
            if output.ndim >= 2 and output.shape[-1] > 1:
                out.append(output.argmax(-1 if laid is None else 1).reshape(-1))
            else:
                cut = 0.5 if self.recognised is not None and self.recognised.name == "bce" else 0.0
                out.append((output.reshape(-1) > cut).long())
        joined = torch.cat(out)
        return joined if joined.shape == self.labels.shape else None


def _joined(parts: list[Any]) -> Tensor | None:
    tensors = [p for p in parts if isinstance(p, Tensor) and p.ndim]
    if not tensors or len(tensors) != len(parts) or any(t.shape[1:] != tensors[0].shape[1:] for t in tensors):
        return None
    return torch.cat(tensors)
