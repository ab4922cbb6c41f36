"""Time and memory of steps that are known to run."""

from __future__ import annotations

import ctypes
import gc
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SAMPLE = 0.02
"""Seconds that one sample takes at the least; a step that is shorter is repeated."""
MOST_REPEATS = 2000
LEAST_ROUNDS = 3


def timed(steps: Mapping[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Processor time of each step in milliseconds: the median over the rounds and its quartiles.

    In each round every step has its turn, in an order drawn anew, so that what else the machine does meets all alike.
    """
    repeats = {name: _repeats(step) for name, step in steps.items()}
    found: dict[str, list[float]] = {name: [] for name in steps}
    order, shuffler = list(steps), random.Random(0)
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    try:
        for round_ in range(rounds):
            if round_ >= LEAST_ROUNDS and time.perf_counter() - started > seconds:
                break
            shuffler.shuffle(order)
            for name in order:
                found[name].append(1e3 * _sample(steps[name], repeats[name]))
            gc.collect()
    finally:
        gc.enable()
    return {name: _summary(times) for name, times in found.items()}


def _repeats(step: Callable[[], object]) -> int:
    step()
    started = time.process_time()
    step()
    return min(MOST_REPEATS, max(1, int(SAMPLE / max(time.process_time() - started, 1e-6))))


def _sample(step: Callable[[], object], repeats: int) -> float:
    if repeats > 1:
        step()  # brings caches back that the one before it had filled
    started = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - started) / repeats


def _summary(times: list[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {"median_ms": middle, "low_ms": low, "high_ms": high, "rounds": len(times)}


def tracker(folder: Path) -> Path | None:
    """Compiles what counts memory; ``None`` where there is no C compiler, or it can't."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source, library = Path(__file__).with_name("peak_memory.c"), folder.resolve() / "peak_memory.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl", "-lpthread"]
    return library if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


class Memory(NamedTuple):
    """Bytes beyond those that were held before."""

    peak: int
    kept: int


class PeakMemory:
    """Reads the tracker that this process was started with."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._reset = library.peak_memory_reset
        self._live, self._highest = library.peak_memory_live, library.peak_memory_highest
        self._live.restype = self._highest.restype = ctypes.c_longlong

    def of(self, step: Callable[[], object], cleared: Callable[[], object]) -> Memory:
        """The most that ``step`` held, and what is still held after ``cleared`` has dropped its results."""
        cleared()
        gc.collect()
        before = self._live()
        self._reset()
        step()
        peak = self._highest() - before
        cleared()
        gc.collect()
        return Memory(peak, self._live() - before)
