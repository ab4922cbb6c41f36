"""What all pages share: how templates are found and filled, and how files are written whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .drawing import NIGHT, PAPER, Theme
from .texts import TEMPLATES

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def page(template: str, **content: Any) -> str:
    """The page of that template, with the colours of paper and of night."""
    return environment().get_template(template).render(light=variables(PAPER), dark=variables(NIGHT), **content)


def variables(theme: Theme) -> str:
    """The colours of a theme as properties of a style sheet."""
    named = {f"c{rank}": shade for rank, shade in enumerate(theme.series)} | {
        "rest": theme.rest, "ink": theme.ink, "soft": theme.soft, "grid": theme.grid, "band": theme.band,
        "card": theme.background,
    }  # fmt: skip
    return " ".join(f"--{name}: {shade};" for name, shade in named.items())


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write ``files`` into ``folder``, which is made if it isn't there, and return the path of the last one.

    Each file appears whole or not at all; what stood there before stays until then.

    Raises:
        OSError: if the folder can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder
    for name, text in files.items():
        path = folder / name
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return path
