"""A kernel over as many threads as torch uses.

Kernels are compiled for one thread and give up the interpreter's lock, so plain threads run them side by side. numba's
own parallel loops are not used: of their engines one aborts the process when two threads call it, another when the
process forks, as data loaders do.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["WORTH_A_THREAD", "over_parts"]

WORTH_A_THREAD = 1 << 17
"""Elements that a thread must have to do: handing them over costs some 20 microseconds."""

_pool: tuple[int, int, ThreadPoolExecutor] | None = None


def over_parts(work: Callable[[int, int], float], count: int, size: int, step: int = 1) -> float:
    """The sum of ``work(start, stop)`` over parts of ``range(count)`` that begin at multiples of ``step``.

    ``size`` is the number of elements in all; it decides how many threads are worth it.
    """
    threads = min(torch.get_num_threads(), size // WORTH_A_THREAD, -(-count // step))
    if threads <= 1:
        return work(0, count)
    steps = -(-count // step)
    bounds = [min(i * steps // threads * step, count) for i in range(threads + 1)]
    pool = _executor(threads - 1)
    others = [pool.submit(work, start, stop) for start, stop in itertools.pairwise(bounds[1:])]
    first = work(0, bounds[1])
    return first + sum(other.result() for other in others)


def _executor(threads: int) -> ThreadPoolExecutor:
    """Threads of this process: those of a parent are gone after a fork."""
    global _pool
    if _pool is None or _pool[0] != os.getpid() or _pool[1] < threads:
        _pool = (os.getpid(), threads, ThreadPoolExecutor(threads, thread_name_prefix="lossary-kernel"))
    return _pool[2]
