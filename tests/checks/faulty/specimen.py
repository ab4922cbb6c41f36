"""A wrong loss beside its corrected twin, and what the checker is told of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

Fault = Literal[
    "wrong value", "not finite", "wrong gradient", "wrong reduction", "weights", "broadcasting", "dtype", "device",
    "in place", "empty batch", "all ignored", "sign", "not zero at perfect", "asymmetry", "batch coupling", "compile",
    "distributed", "memory",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One fault that real projects had, written anew in its smallest form."""

    name: str
    fault: Fault
    faulty: Callable[..., Any]
    fixed: Callable[..., Any]
    told: Mapping[str, Any]
    """Keywords of :func:`lossary.check`, the same for both."""
    seen_in: str
    """The kind of report it stands for: project and issue."""

    @property
    def held_out(self) -> bool:
        """A third, chosen by name alone, that the checker is not tuned on."""
        return sha256(self.name.encode()).digest()[0] % 3 == 0
