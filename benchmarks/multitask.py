"""What a step of training costs under each weighting and aggregation, against a plain sum of the same losses.

A step is forward, loss, backward and Adam, for three tasks on a shared trunk: a small one, where the price of Python
shows, and a large one, where that of backward passes does. All are timed in turn, again and again; a figure is the
median of the ratios within the rounds.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import lossary
from lossary.multitask import (
    DWA,
    FAMO,
    RLW,
    AdaptiveWeight,
    GeometricMean,
    GradNorm,
    MultitaskLoss,
    Normalised,
    Uncertainty,
)

ROUNDS = 11
TASKS = ("a", "b", "c")
SIZES = {"small": (64, 64, 20), "large": (256, 512, 2)}
"""Batch, width, and steps in a round."""

WEIGHTINGS: dict[str, Callable[[], Any]] = {
    "equal": lambda: "equal",
    "uncertainty": Uncertainty,
    "imtl_l": lambda: "imtl_l",
    "initial": lambda: "initial",
    "running": lambda: Normalised("running"),
    "geometric_mean": GeometricMean,
    "rlw": RLW,
    "dwa": lambda: DWA(every=10),
    "famo": FAMO,
    "famo, observed": FAMO,
    "gradnorm, last shared layer": GradNorm,
    "gradnorm": GradNorm,
    "adaptive weight, last shared layer": lambda: AdaptiveWeight("a"),
}
AGGREGATIONS = ("pcgrad", "mgda", "cagrad", "nash_mtl", "aligned_mtl", "upgrad")


class Network(nn.Module):
    """A trunk of three layers and a head for each task; learns random targets, which costs what others do."""

    def __init__(self, batch: int, width: int) -> None:
        super().__init__()
        layers = [nn.Linear(width, width) for _ in range(3)]
        self.last = layers[-1]
        self.trunk = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())])
        self.heads = nn.ModuleDict({task: nn.Linear(width, 1) for task in TASKS})
        self.x = torch.randn(batch, width)
        self.targets = {task: torch.randn(batch, 1) for task in TASKS}

    def forward(self) -> dict[str, Tensor]:
        hidden = self.trunk(self.x)
        return {task: head(hidden) for task, head in self.heads.items()}


def measure() -> dict[str, Any]:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="You are solving a parameterized problem")  # cvxpy, under Nash-MTL
    ratios: dict[str, dict[str, float]] = {}
    seconds: dict[str, float] = {}
    for size, (batch, width, steps) in SIZES.items():
        cases = {"plain": _plain(Network(batch, width))}
        for name, make in WEIGHTINGS.items():
            cases[name] = _weighted(Network(batch, width), name, make)
        for name in AGGREGATIONS:
            cases[name] = _aggregated(Network(batch, width), name)
        found = _times(cases, steps)
        seconds[size] = statistics.median(found["plain"])
        ratios[size] = {
            name: statistics.median(own / plain for own, plain in zip(times, found["plain"], strict=True))
            for name, times in found.items()
            if name != "plain"
        }
    lines = [f"  {name:36} {ratios['small'][name]:6.2f} {ratios['large'][name]:6.2f}" for name in ratios["small"]]
    head = (
        f"cost of a step in plain sums, small ({seconds['small'] * 1e3:.2f} ms) and large "
        f"({seconds['large'] * 1e3:.1f} ms); medians of {ROUNDS} rounds, torch {torch.__version__}, one thread"
    )
    return {"summary": "\n".join([head, *lines]), "ratios": ratios, "seconds": seconds}


def _times(cases: dict[str, Callable[[], None]], steps: int) -> dict[str, list[float]]:
    """Seconds of a step, by case and round."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(ROUNDS + 1):
        for name, step in cases.items():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            if round_:  # the first warms up
                found[name].append((time.perf_counter() - started) / steps)
    return found


def _plain(network: Network) -> Callable[[], None]:
    losses = {task: lossary.MSELoss() for task in TASKS}
    optimizer = torch.optim.Adam(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        outputs = network()
        sum(losses[task](outputs[task], network.targets[task]) for task in TASKS).backward()
        optimizer.step()

    return step


def _weighted(network: Network, name: str, make: Callable[[], Any]) -> Callable[[], None]:
    loss = MultitaskLoss({task: lossary.MSELoss() for task in TASKS}, make())
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()])
    shared = [network.last.weight] if "last shared layer" in name else None

    def step() -> None:
        optimizer.zero_grad()
        loss(network(), network.targets, shared=shared).backward()
        optimizer.step()
        if "observed" in name:
            with torch.no_grad():
                loss.observe(network(), network.targets)

    return step


def _aggregated(network: Network, name: Any) -> Callable[[], None]:
    loss = MultitaskLoss({task: lossary.MSELoss() for task in TASKS}, aggregation=name)
    optimizer = torch.optim.Adam(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss.backward(network(), network.targets)
        optimizer.step()

    return step
