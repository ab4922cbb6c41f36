"""What the tools return: a frozen result made of findings, which serialises to JSON and leaves rendering to others."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One statement of a tool: about what, what is held of it, the figures it rests on, and the reason in words."""

    subject: str
    verdict: str
    evidence: Mapping[str, Any]
    reason: str


class Result:
    """Base of the frozen dataclasses that the tools return."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers; a number that is not finite becomes ``None``."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain

    def to_json(self, *, indent: int | None = 2) -> str:
        """Strict JSON: no ``NaN`` and no ``Infinity``, which other languages refuse."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (Sequence, set, frozenset)):
        return [_plain(part) for part in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    raise TypeError(f"a result holds {type(value).__name__} {value!r}, which has no plain form")
