"""Whether kernels may be used, and from which size on."""

from __future__ import annotations

import importlib.util
import os
from types import TracebackType

__all__ = ["SMALLEST", "enabled", "missing", "smallest"]

SMALLEST = 1 << 16
"""Elements below which a kernel isn't worth its compilation and its call: torch takes some 100 microseconds there."""


def _at_start() -> int | None:
    if os.environ.get("LOSSARY_KERNELS", "1").lower() in ("0", "off", "false"):
        return None
    return int(os.environ.get("LOSSARY_KERNELS_SMALLEST", SMALLEST))


_smallest = _at_start()


class enabled:
    """Turn kernels on or off, for good, or within a ``with`` block.

    Nothing but time and memory changes, up to rounding. The environment variable ``LOSSARY_KERNELS=0`` turns them off
    from the start, and ``LOSSARY_KERNELS_SMALLEST`` is the number below. The switch is one for all threads.

    Args:
        on: Whether kernels may be used.
        smallest: Number of elements from which on they are; by default 65536, below which nothing is gained.

    >>> import torch, lossary
    >>> with enabled(False):
    ...     loss = lossary.mse_loss(torch.zeros(100_000), torch.ones(100_000))  # as torch computes it
    """

    def __init__(self, on: bool = True, *, smallest: int = SMALLEST) -> None:
        global _smallest
        self._before = _smallest
        _smallest = smallest if on else None

    def __enter__(self) -> None:
        """What was set at construction holds; the end of the block puts back what was before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _smallest
        _smallest = self._before


def smallest() -> int | None:
    """Number of elements from which on kernels are used; ``None`` if they are turned off."""
    return _smallest


def missing() -> str | None:
    """Why no kernel can be compiled here, in words; ``None`` if they can."""
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed; pip install 'lossary[fast]'"
    return None
