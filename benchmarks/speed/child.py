"""``python -m benchmarks.speed.child MODE FILE SETTINGS [CASE]``: one case in a process of its own.

Each line that it adds to FILE is a record in JSON, so that a process that dies leaves what it had found.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .case import Case, Drawn, Step, differentiated
from .catalogue import CASES
from .contenders import OURS, contenders, examined, failure, loaded, reference
from .measuring import PeakMemory, timed
from .settings import Settings

NUMBERS = 50
"""How many a small input has."""
WARM = 200_000
"""Numbers that are enough for a kernel to be compiled, and too few for memory that it keeps."""

Emit = Callable[[dict[str, Any]], None]


def _drawn(case: Case, scale: float) -> Drawn:
    torch.manual_seed(0)
    drawn = case.draw(scale)
    for leaf in drawn.leaves:
        leaf.requires_grad_()
    return drawn


def _numbers(drawn: Drawn) -> int:
    return max(leaf.numel() for leaf in drawn.leaves)


def _clear(drawn: Drawn) -> None:
    for leaf in drawn.leaves:
        leaf.grad = None


def time_case(case: Case, settings: Settings, emit: Emit) -> None:
    """Checks every contender, then times those that run, and the floor."""
    drawn = _drawn(case, settings.scale)
    true = reference(case, drawn)
    steps: dict[str, Step] = {}
    for contender in contenders(case):
        step, found = loaded(contender, settings.compile)
        if step is not None:
            found = examined(step, drawn, true, contender.differs)
            _clear(drawn)
            if found["status"] != "failed":
                steps[contender.name] = step
        emit({"contender": contender.name, "kind": contender.kind, **found})
    del true
    floor = case.floor(drawn)
    run = {name: partial(step, drawn) for name, step in steps.items()}
    for name, found in timed({**run, "floor": floor}, settings.rounds, settings.seconds).items():
        emit({"contender": name, **found})


def measure_memory(case: Case, settings: Settings, emit: Emit) -> None:
    """The peak of each contender that runs.

    Libraries allocate on their first call what they keep: tables, compiled code, buffers of the products. So each has a
    call beforehand, this library on a smaller input, for memory that it recycles must count where it is first taken.
    """
    memory, drawn = PeakMemory(), _drawn(case, settings.scale)
    few = _drawn(case, settings.scale * min(1.0, WARM / _numbers(drawn)))
    case.floor(drawn)()
    for contender in contenders(case):
        step, _ = loaded(contender, settings.compile)
        if step is None:
            continue
        warm = few if contender.kind in OURS else drawn
        try:
            step(warm)
            _clear(warm)
            found = memory.of(partial(step, drawn), partial(_clear, drawn))
        except Exception as error:
            emit({"contender": contender.name, "memory_note": failure(error)["note"]})
            continue
        emit({"contender": contender.name, "peak_bytes": found.peak, "kept_bytes": found.kept})


def time_small(case: Case, settings: Settings, emit: Emit) -> None:
    """Times this library, torch and the plain expression on some 50 numbers."""
    drawn = _drawn(case, NUMBERS / _numbers(case.draw(1.0)))
    steps = {"lossary": case.loss, "eager": case.eager, **({"torch": case.builtin} if case.builtin else {})}
    run = {name: partial(differentiated(function), drawn) for name, function in steps.items()}
    for name, found in timed(run, settings.rounds, settings.seconds).items():
        emit({"contender": name, "numbers": _numbers(drawn), **found})


MODES = {"time": time_case, "memory": measure_memory, "small": time_small}


def pin(threads: int) -> None:
    """Holds this process to as many cores as it has threads, where the system can, and to half of the memory."""
    torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; not everywhere allowed
        import resource

        half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        resource.setrlimit(resource.RLIMIT_DATA, (half, resource.RLIM_INFINITY))


def main() -> None:
    mode, file, settings_text, *names = sys.argv[1:]
    settings = Settings(**json.loads(settings_text))
    pin(settings.threads)
    with Path(file).open("a") as lines:
        for name in names:

            def emit(record: dict[str, Any], name: str = name) -> None:
                print(json.dumps({"mode": mode, "case": name, **record}), file=lines, flush=True)

            MODES[mode](CASES[name], settings, emit)


if __name__ == "__main__":
    main()
