from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lossary.comparison.result import Comparison, Errors, Score
from lossary.core import LossInputError
from lossary.report import comparison_page, html, pages, write_comparison

VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}


class Page(HTMLParser):
    """What is in a page: its elements with attributes, its text outside scripts and styles, its JSON."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts.append((self.elements[-1][1], data))
        elif not {"style", "svg"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(scope="module")
def regression_page(regression: Comparison) -> str:
    return comparison_page(regression)


@pytest.fixture(scope="module")
def classification_page(classification: Comparison) -> str:
    return comparison_page(classification)


def test_the_page_is_well_formed_and_its_anchors_exist(regression_page: str) -> None:
    page = Page(regression_page)
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert links and links <= {f"#{name}" for name in ids}


def test_the_page_loads_nothing(regression_page: str, classification_page: str) -> None:
    for text in (regression_page, classification_page):
        page = Page(text)
        for tag, attributes in page.elements:
            for name in ("src", "href", "xlink:href", "data", "action", "srcset", "poster"):
                value = attributes.get(name) or ""
                assert not value or value.startswith(("#", "data:")), (tag, name, value)
        assert not re.search(r"@import|url\(\s*['\"]?(?!#)", re.sub(r"<script.*?</script>", "", text, flags=re.S))
        policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
        assert policy is not None and policy.startswith("default-src 'none'")
        assert len(text.encode()) < 2.5e6


def test_all_figures_are_there(regression: Comparison, regression_page: str) -> None:
    text = Page(regression_page).text
    for entry in regression.entries:
        assert entry.label in text
        assert entry.code in text
        for name, score in entry.scores.items():
            assert any(f"{score.mean:.{places}f}".replace("-", "−") in text for places in (1, 2, 3)), name
    for finding in regression.findings:
        assert finding.reason in text
    for sentence in (*regression.verdict.reasons, *regression.verdict.cautions, regression.verdict.headline):
        assert sentence in text
    for part in (regression.verdict.code, regression.environment["command"], regression.data.fingerprint):
        assert part in text
    assert {"repeat 1, fold 1", "repeat 2, fold 5"} <= set(re.findall(r"repeat \d, fold \d", text))


def test_each_task_has_its_own_view_of_the_errors(regression_page: str, classification_page: str) -> None:
    assert 'id="errors-residual"' in regression_page and 'id="errors-confidence"' not in regression_page
    assert 'id="errors-confidence"' in classification_page and 'id="errors-residual"' not in classification_page
    assert "Recall of each class" in Page(classification_page).text


def test_specifications_are_json_of_charts_that_fit_their_place(regression_page: str) -> None:
    found = [json.loads(text) for attributes, text in Page(regression_page).scripts
             if attributes.get("type") == "application/json"]  # fmt: skip
    assert len(found) == 6
    for specification in found:
        assert specification["width"] == "container"
        assert "$schema" not in specification
        assert specification["background"] == "var(--card)"


def test_every_chart_has_words_and_a_still_picture(regression_page: str) -> None:
    page = Page(regression_page)
    plots = [attributes for _, attributes in page.elements if attributes.get("class") == "plot"]
    assert len(plots) == 6
    assert all(plot["role"] == "img" and len(plot["aria-label"] or "") > 40 for plot in plots)
    assert sum(tag == "svg" for tag, _ in page.elements) == 6
    assert regression_page.count("window.vegaEmbed=") == 1


def test_text_from_outside_is_escaped(make_classification: Callable[..., Comparison]) -> None:
    evil = "<script>alert(1)</script>"
    comparison = make_classification(losses=("cross_entropy", f"custom{evil}"), classes=("a", evil))
    data = dataclasses.replace(comparison.data, name=evil, target=(evil,))
    verdict = dataclasses.replace(comparison.verdict, headline=evil, code=f"# </script>{evil}")
    page = comparison_page(dataclasses.replace(comparison, data=data, verdict=verdict))
    assert evil not in page
    assert Page(page).open == []
    assert evil in Page(page).text


def test_chinese(classification: Comparison) -> None:
    text = comparison_page(classification, language="zh")
    assert '<html lang="zh-Hans">' in text
    words = Page(text).text
    assert "配对差异" in words and "Paired differences" not in words
    assert classification.verdict.headline in words


def test_unknown_language(regression: Comparison) -> None:
    with pytest.raises(LossInputError, match="`language` must be one of en, zh"):
        comparison_page(regression, language="de")


@pytest.mark.parametrize("count", [2, 25])
def test_two_losses_and_many(make_regression: Callable[..., Comparison], count: int) -> None:
    labels = [f"huber:delta={1 + rank / 4}" for rank in range(count)]
    page = comparison_page(make_regression(labels, splits=5))
    assert all(label in Page(page).text for label in labels)
    assert len(page.encode()) < 2.5e6


def test_scores_that_are_missing(regression: Comparison) -> None:
    nothing = Score(mean=math.nan, low=math.nan, high=math.nan, values=(math.nan,) * 10)
    infinite = Score(mean=math.inf, low=-math.inf, high=math.inf, values=(math.inf,) * 10)
    last = regression.entries[-1]
    scores = {name: infinite if name == "rmse" else nothing for name in last.scores}
    broken = dataclasses.replace(last, scores=scores, errors=Errors(), diverged=last.trials)
    page = comparison_page(dataclasses.replace(regression, entries=(*regression.entries[:-1], broken)))
    text = Page(page).text
    assert "no score" in text and not re.search(r"\b(nan|inf)\b", text, flags=re.I)


def test_no_loss_has_a_score(regression: Comparison) -> None:
    nothing = Score(mean=math.nan, low=math.nan, high=math.nan, values=(math.nan,) * 10)
    entries = tuple(
        dataclasses.replace(entry, scores=dict.fromkeys(entry.scores, nothing), errors=Errors())
        for entry in regression.entries
    )
    differences = tuple(
        dataclasses.replace(each, mean=math.nan, low=-math.inf, high=math.inf, standing="undecided")
        for each in regression.differences
    )
    comparison = dataclasses.replace(regression, entries=entries, differences=differences, best_group=(),
                                     margin=math.nan)  # fmt: skip
    assert "nan" not in Page(comparison_page(comparison)).text.lower()


def test_an_absent_class(classification: Comparison) -> None:
    recall = {"setosa": 0.9, "virginica": math.nan}
    entries = tuple(
        dataclasses.replace(entry, errors=dataclasses.replace(entry.errors, recall=recall))
        for entry in classification.entries
    )
    counts = dataclasses.replace(classification.data, class_counts=(100, 0, 50))
    page = comparison_page(dataclasses.replace(classification, entries=entries, data=counts))
    assert "nan" not in Page(page).text.lower()
    assert "n = 0" in Page(page).text


def test_multi_label_has_no_accuracy(classification: Comparison) -> None:
    entries = tuple(
        dataclasses.replace(entry, scores={n: s for n, s in entry.scores.items() if n != "accuracy"})
        for entry in classification.entries
    )
    higher = {name: better for name, better in classification.higher_is_better.items() if name != "accuracy"}
    data = dataclasses.replace(classification.data, task="multi-label classification", target=("a", "b", "c"))
    page = comparison_page(dataclasses.replace(classification, entries=entries, higher_is_better=higher, data=data))
    assert 'id="errors-confidence"' not in page and "Recall of each class" in page


def test_writing_makes_the_folder_and_three_files(regression: Comparison, tmp_path: Path) -> None:
    path = write_comparison(regression, tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / "report.html"
    assert sorted(file.name for file in path.parent.iterdir()) == ["report.html", "result.json", "trials.csv"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads((path.parent / "result.json").read_text(encoding="utf-8")) == regression.to_dict()
    with (path.parent / "trials.csv").open(encoding="utf-8", newline="") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == len(regression.trials) == 60
    assert trials[0]["label"] == "huber" and trials[0]["hyperparameters"].startswith("delta=")


def test_nothing_is_written_if_rendering_fails(
    regression: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "result.json").write_text("old")

    def fail(*_: Any) -> None:
        raise RuntimeError("no chart today")

    monkeypatch.setattr(html, "_figures", fail)
    with pytest.raises(RuntimeError, match="no chart today"):
        write_comparison(regression, tmp_path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"report.html": "old", "result.json": "old"}


def test_a_file_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def interrupted(self: Path, text: str, **_: Any) -> None:
        with self.open("w") as file:
            file.write(text[:3])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", interrupted)
    with pytest.raises(OSError, match="disk full"):
        pages.write_files(tmp_path, {"report.html": "new and longer"})
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert target.read_text() == "old"
