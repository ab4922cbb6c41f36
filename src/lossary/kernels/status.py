"""What is installed, which kernels are there, whether they are used, and why not."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch

from lossary.core import Result
from lossary.version import __version__

from .buffers import kept
from .dispatch import FAILED, KERNELS
from .settings import missing, smallest

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status(Result):
    """What becomes of a call of a loss that has a kernel, and of which versions this is said."""

    versions: Mapping[str, str]
    """Of Python, torch and what else matters; "not installed" where it is not."""
    active: bool
    reason: str
    """Why kernels are used, or why not, in words."""
    smallest: int | None
    """Elements from which on they are used."""
    threads: int
    losses: tuple[str, ...]
    """Losses that have a kernel, by name."""
    failed: Mapping[str, str]
    """Losses whose kernel could not be compiled in this process, and why."""
    kept_bytes: int
    """Memory for gradients that is kept to be used again."""


def status() -> Status:
    """Whether kernels are used here, for which losses, and if not, why not.

    >>> "mse_loss" in status().losses
    True
    """
    least, lacking = smallest(), missing()
    if least is None:
        reason = "turned off, by LOSSARY_KERNELS or by lossary.kernels.enabled(False)"
    elif lacking is not None:
        reason = lacking
    else:
        reason = f"used for contiguous tensors of {least:,} elements or more on the CPU"
    active = least is not None and lacking is None
    return Status(
        _versions(), active, reason, least, torch.get_num_threads(), tuple(sorted(KERNELS)), dict(FAILED), kept()
    )


def _versions() -> dict[str, str]:
    found = {"lossary": __version__, "Python": platform.python_version()}
    for name in ("torch", "numpy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
