"""All cases, by name."""

from __future__ import annotations

from . import elementwise, embeddings, regions, rows
from .case import Case

CASES: dict[str, Case] = {
    case.name: case for module in (elementwise, rows, regions, embeddings) for case in module.CASES
}


def chosen(prefixes: list[str]) -> list[Case]:
    """The cases whose names begin with one of ``prefixes``; all where there is none.

    Raises:
        ValueError: if a prefix is that of no case.
    """
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in CASES):
            raise ValueError(f"speed: `--only` must name cases, got {prefix!r}; there are {', '.join(CASES)}.")
    return [case for name, case in CASES.items() if not prefixes or name.startswith(tuple(prefixes))]
