"""What watching a training costs: an MLP, a CNN and a transformer with and without ``lossary.watch``, in turn.

The primary figure is processor time of the process, which other programs on the machine disturb less than they do
wall-clock time. A pair is one training watched and one not, in changing order; a figure is the median of the ratios
within pairs, with their quartiles. The diagnosis itself, after the training, is not part of it: its price does not grow
with the run.
"""

from __future__ import annotations

import cProfile
import pstats
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lossary

PAIRS = 7
HOT = 8
"""Functions of the profile that are named."""


class Case(NamedTuple):
    """A network, what it is fed, and how many steps a training has."""

    model: Callable[[], nn.Module]
    batch: Callable[[], tuple[Tensor, Tensor]]
    steps: int


def _mlp(width: int, layers: int) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        hidden = [part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU())]
        return nn.Sequential(*hidden, nn.Linear(width, 10))

    return make


def _cnn() -> nn.Module:
    def block(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *block(3, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 32), *block(32, 32), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


class Transformer(nn.Module):
    """Predicts a class from a sequence of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(64, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(self.embedding(tokens)).mean(1))


def _numbers(*shape: int) -> Callable[[], tuple[Tensor, Tensor]]:
    return lambda: (torch.randn(*shape), torch.randint(10, shape[:1]))


CASES = {
    "tiny MLP": Case(_mlp(32, 1), _numbers(32, 32), 4000),
    "MLP": Case(_mlp(512, 4), _numbers(256, 512), 250),
    "CNN": Case(_cnn, _numbers(16, 3, 32, 32), 250),
    "transformer": Case(Transformer, lambda: (torch.randint(1000, (16, 32)), torch.randint(10, (16,))), 250),
}


def measure() -> dict[str, Any]:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        ratios, plain, by_clock = [], [], []
        for pair in range(PAIRS + 1):
            order = (False, True) if pair % 2 else (True, False)
            times = {watched: _train(case, watched) for watched in order}
            if pair:  # the first warms up
                ratios.append(times[True][0] / times[False][0] - 1)
                by_clock.append(times[True][1] / times[False][1] - 1)
                plain.append(times[False][0] / case.steps)
        low, middle, high = statistics.quantiles(ratios, n=4)
        found[name] = {
            "milliseconds a step": 1e3 * statistics.median(plain),
            "steps": case.steps,
            "overhead": middle,
            "quartiles": (low, high),
            "overhead by the clock": statistics.median(by_clock),
            "hot spots": _hot(case),
        }
    return {"summary": "\n".join(_lines(found)), "cases": found}


def _train(case: Case, watched: bool) -> tuple[float, float]:
    """Seconds of the processor and of the clock, of a training of random targets."""
    torch.manual_seed(0)
    model = case.model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batches = [case.batch() for _ in range(8)]
    processor, clock = time.process_time(), time.perf_counter()
    run = lossary.watch(model, F.cross_entropy, optimizer) if watched else None
    for step in range(case.steps):
        x, y = batches[step % len(batches)]
        optimizer.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output, y)
        if run is not None:
            run.on_batch((x, y), output, loss)
        loss.backward()
        optimizer.step()
        if run is not None:
            run.on_step_end(step, 0, model, optimizer)
    if run is not None:
        run.on_end()
    return time.process_time() - processor, time.perf_counter() - clock


def _hot(case: Case) -> dict[str, float]:
    """Share of a watched training that the most expensive functions of the watch took, callees included."""
    profile = cProfile.Profile()
    profile.runcall(_train, case, True)
    stats = pstats.Stats(profile)
    own = {
        function: cumulative / stats.total_tt  # type: ignore[attr-defined]
        for (file, _, function), (_, _, _, cumulative, _) in stats.stats.items()  # type: ignore[attr-defined]
        if "diagnosis" in file and file != __file__
    }
    return dict(sorted(own.items(), key=lambda item: -item[1])[:HOT])


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"processor time that lossary.watch adds; medians of {PAIRS} pairs, torch {torch.__version__}, one thread"]
    for name, figures in found.items():
        low, high = figures["quartiles"]
        hot = ", ".join(f"{function} {share:.1%}" for function, share in figures["hot spots"].items())
        lines.append(
            f"  {name:12} {figures['milliseconds a step']:6.2f} ms a step, {figures['steps']} steps:"
            f" {figures['overhead']:+.1%} (quartiles {low:+.1%} to {high:+.1%}; by the clock"
            f" {figures['overhead by the clock']:+.1%})"
        )
        lines.append(f"    {hot}")
    return lines
