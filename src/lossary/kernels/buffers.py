"""Memory for large gradients, used again.

On Linux large memory is fetched from the system page by page at every allocation (always from 32 MiB on, and below
whenever the heap has been trimmed), and writing to such fresh pages costs four times what the arithmetic of a loss
does. So buffers come from here, and return here when nothing refers to them any more. What is kept unused is bounded:
of sizes that are no longer asked for it is given back first, and :func:`release` gives back all.
"""

from __future__ import annotations

import mmap
import threading
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["KEPT", "LARGE", "gradient_like", "kept", "release"]

LARGE = 4 << 20
"""Bytes from which on gradients are kept: below, what a buffer costs to hand out shows."""
KEPT = 1 << 30
"""The most that is kept unused, in bytes."""

_unused: OrderedDict[int, list[mmap.mmap]] = OrderedDict()
"""By size; what was asked for last stands last."""
_returned: deque[mmap.mmap] = deque()
"""What came back and is not sorted in yet."""
_lock = threading.Lock()


class _Borrowed(np.ndarray):
    """An array over a buffer that goes back when the array, and with it the tensor over it, is gone."""

    _buffer: mmap.mmap | None

    def __array_finalize__(self, source: Any) -> None:
        self._buffer = None

    def __del__(self) -> None:
        if self._buffer is not None:
            _take_back(self._buffer)


def gradient_like(x: Tensor) -> Tensor:
    """A tensor of any content, in the shape and type of a contiguous ``x``."""
    size = x.numel() * x.element_size()
    if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):  # elsewhere than on Linux this gains nothing
        return torch.empty_like(x)
    buffer = _lend(_rounded(size))
    array = np.frombuffer(buffer, dtype=np.uint8, count=size).view(_Borrowed)
    array._buffer = buffer
    return torch.from_numpy(array).view(x.dtype).view(x.shape)


def _rounded(size: int) -> int:
    """At most an eighth more: batches that differ a little share their buffers."""
    step = 1 << (size.bit_length() - 4)
    return -(-size // step) * step


def _lend(size: int) -> mmap.mmap:
    with _lock:
        _sort_in()
        if found := _unused.get(size):
            _unused.move_to_end(size)
            return found.pop()
    buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a fork has its own
    buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer


def _take_back(buffer: mmap.mmap) -> None:
    """Called by the garbage collector, perhaps while this thread is in here and has the lock: so it never waits."""
    _returned.append(buffer)
    if _lock.acquire(blocking=False):
        try:
            _sort_in()
        finally:
            _lock.release()


def _sort_in() -> None:
    """Enter what came back, and drop the oldest beyond the bound; with the lock."""
    while _returned:
        buffer = _returned.popleft()
        if len(buffer) <= KEPT:
            _unused.setdefault(len(buffer), []).append(buffer)
            _unused.move_to_end(len(buffer))
    while _bytes() > KEPT:
        oldest = next(iter(_unused))
        if _unused[oldest]:
            _unused[oldest].pop()
        else:
            del _unused[oldest]


def _bytes() -> int:
    return sum(size * len(buffers) for size, buffers in _unused.items())


def kept() -> int:
    """Bytes that are kept unused.

    >>> kept() <= KEPT
    True
    """
    with _lock:
        _sort_in()
        return _bytes()


def release() -> None:
    """Give back to the system what is kept unused.

    >>> release()
    >>> kept()
    0
    """
    with _lock:
        _returned.clear()
        _unused.clear()
