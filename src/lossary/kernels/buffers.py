"""Memory for large gradients, used again.

On Linux memory of 32 MiB and more is fetched from the system page by page at every allocation, and writing to such
fresh pages costs four times what the arithmetic of a loss does. So buffers of that size come from here, and return here
when nothing refers to them any more. What is kept unused is bounded, and :func:`release` gives it back.
"""

from __future__ import annotations

import mmap
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["KEPT", "LARGE", "gradient_like", "kept", "release"]

LARGE = 32 << 20
"""Bytes from which on the C library of Linux asks the kernel for every allocation."""
KEPT = 1 << 30
"""The most that is kept unused, in bytes."""

_unused: dict[int, list[mmap.mmap]] = {}
_lock = threading.Lock()


class _Borrowed(np.ndarray):
    """An array over a buffer that goes back when the array, and with it the tensor over it, is gone."""

    _buffer: tuple[int, mmap.mmap] | None

    def __array_finalize__(self, source: Any) -> None:
        self._buffer = None

    def __del__(self) -> None:
        if self._buffer is not None:
            size, buffer = self._buffer
            with _lock:
                if sum(n * len(buffers) for n, buffers in _unused.items()) + size <= KEPT:
                    _unused.setdefault(size, []).append(buffer)


def gradient_like(x: Tensor) -> Tensor:
    """A tensor of any content, in the shape and type of a contiguous ``x``."""
    size = x.numel() * x.element_size()
    if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):  # elsewhere than on Linux this gains nothing
        return torch.empty_like(x)
    with _lock:
        found = _unused.get(size)
        buffer = found.pop() if found else None
    if buffer is None:
        buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a fork has its own
        buffer.madvise(mmap.MADV_HUGEPAGE)
    array = np.frombuffer(buffer, dtype=np.uint8).view(_Borrowed)
    array._buffer = (size, buffer)
    return torch.from_numpy(array).view(x.dtype).view(x.shape)


def kept() -> int:
    """Bytes that are kept unused.

    >>> kept() <= KEPT
    True
    """
    with _lock:
        return sum(size * len(buffers) for size, buffers in _unused.items())


def release() -> None:
    """Give back to the system what is kept unused.

    >>> release()
    >>> kept()
    0
    """
    with _lock:
        _unused.clear()
