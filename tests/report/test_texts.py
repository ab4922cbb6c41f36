from __future__ import annotations

import json
import string

import pytest

from lossary.comparison.metrics import METRICS
from lossary.comparison.targets import TASKS
from lossary.core import LossInputError
from lossary.report.texts import LANGUAGES, TEMPLATES, texts

TABLES = {name: json.loads((TEMPLATES / f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_all_languages_have_the_same_keys() -> None:
    assert set(TABLES) == {"en", "zh"}
    assert TABLES["en"].keys() == TABLES["zh"].keys()


@pytest.mark.parametrize("key", sorted(TABLES["en"]))
def test_a_text_takes_the_same_values_in_all_languages(key: str) -> None:
    # A sentence may do without a value that another language needs, but not ask for one that isn't given.
    assert fields(TABLES["zh"][key]) <= fields(TABLES["en"][key])
    assert TABLES["zh"][key].strip() and TABLES["en"][key].strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_metric_and_task_has_a_name(language: str) -> None:
    words = texts(language)
    for name in METRICS:
        assert words.metric(name) != "" and words.about_metric(name) != "", name
    for task in TASKS:
        assert words(f"task.{task}")
    for name, metric in METRICS.items():
        if language == "en":  # as the verdict calls it
            assert words.metric(name) == metric.title


def test_an_unknown_metric_keeps_its_name() -> None:
    assert texts("en").metric("my_score") == "my_score"
    assert texts("en").about_metric("my_score") == ""


def test_no_space_between_chinese_characters() -> None:
    words = texts("zh")
    assert "10 个测试折上的对数损失均值" in words("ranking.lead", splits=10, metric="对数损失", direction="")
    assert "上的 RMSE 均值" in words("ranking.lead", splits=10, metric="RMSE", direction="")


def test_unknown_language() -> None:
    with pytest.raises(LossInputError, match=r"report: `language` must be one of en, zh, got 'fr'\."):
        texts("fr")
