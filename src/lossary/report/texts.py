"""The fixed text of the reports, one table per language in ``templates/``."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from lossary.core import LossInputError

LANGUAGES = ("en", "zh")
TEMPLATES = Path(__file__).parent / "templates"

BETWEEN_HAN = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
"""The space that a text keeps around a Latin word, where a Chinese one was filled in."""


class Texts:
    """Texts of one language by key: ``texts("ranking.title", metric="RMSE")``."""

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table

    def __call__(self, key: str, **values: object) -> str:
        return BETWEEN_HAN.sub("", self._table[key].format(**values))

    def metric(self, name: str) -> str:
        """How a metric is written within a sentence: ``"rmse"`` -> ``"RMSE"``; an unknown one keeps its name."""
        return self._table.get(f"metric.{name}", name)

    def about_metric(self, name: str) -> str:
        """What a metric measures, in a sentence; empty for an unknown one."""
        return self._table.get(f"metric.{name}.about", "")


def texts(language: str = "en") -> Texts:
    """The texts of a language.

    Raises:
        LossInputError: for a language that has no table.
    """
    if language not in LANGUAGES:
        raise LossInputError(f"report: `language` must be one of {', '.join(LANGUAGES)}, got {language!r}.")
    return _load(language)


@cache
def _load(language: str) -> Texts:
    return Texts(json.loads((TEMPLATES / f"{language}.json").read_text(encoding="utf-8")))
