"""A diagnosis on the terminal and as a page, from series made up by hand."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lossary.core import LossInputError
from lossary.diagnosis import CAUSES, Diagnosis, Suspicion
from lossary.diagnosis.result import Series
from lossary.report import diagnosis_page, show_cause, show_causes, show_diagnosis, write_diagnosis
from lossary.report.training import COLUMNS, LAYERS, gradient_chart, loss_chart, shown_layers

SAMPLED = (0, 1, 2, 3, 10, 11, 24, 25)


def suspicion(name: str, sure: float, began: int = 0, consequences: tuple[str, ...] = ()) -> Suspicion:
    cause = CAUSES[name]
    return Suspicion(
        cause=name, title=cause.title, sure=sure, words=f"Seen {name}: 1 < 2.", figures={"x": 1.0}, began=began,
        remedy=cause.remedy, confirm=cause.confirm, source=cause.source, consequences=consequences,
    )  # fmt: skip


def series(**changes: Any) -> Series:
    losses = tuple(2.3 * 0.97**i for i in range(100))
    made = Series(
        losses=losses, every=1, val_losses=((50, 1.0), (100, 0.5)), sampled=SAMPLED, trivial=2.302,
        gradients={"0.weight": tuple(1e-6 for _ in SAMPLED), "0.bias": tuple(1.0 for _ in SAMPLED),
                   "2.weight": tuple(1e-2 for _ in SAMPLED)},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def diagnosis(*causes: Suspicion, summary: str = "", **changes: Any) -> Diagnosis:
    drawn = series(**changes)
    return Diagnosis(
        causes=causes, findings=(), series=drawn, not_looked_at=("Trials of remedies: probes are off.",),
        summary=summary or (causes[0].words if causes else "Nothing wrong seen in 100 batches: the loss fell."),
        looked_at={
            "batches": len(drawn.losses), "steps": 100, "sampled": 8, "epochs": 2, "parameters": 1234,
            "loss": "cross_entropy", "optimizer": "SGD", "lr": 0.1, "start": 2.3, "end": 0.12, "trivial": drawn.trivial,
            "causes looked for": len(CAUSES), "trials": [], "seconds": 12.0, "share of watching": 0.012,
        },
    )  # fmt: skip


ILL = diagnosis(
    suspicion("lr_too_high", 0.93, began=16, consequences=("dead_relu",)), suspicion("class_imbalance", 0.7)
)
WELL = diagnosis()


def printed(found: Diagnosis, width: int = 80, **options: Any) -> str:
    file = io.StringIO()
    show_diagnosis(found, Console(file=file, width=width, **options))
    return file.getvalue()


class Tags(HTMLParser):
    """Which ids and addresses a page has, and whether every element is closed."""

    VOID = frozenset(("meta", "link", "br", "wbr", "img"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open = self.open[: -(tag not in self.VOID) or None]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_terminal_says_what_how_sure_since_when_and_what_to_do() -> None:
    text = printed(ILL)
    flat = " ".join(text.split())
    assert text.startswith("1. The learning rate is too high (lr_too_high)")
    assert flat.index("(lr_too_high)") < flat.index("(class_imbalance)")
    for words in ("93% sure, since batch 16", "70% sure, from the start", "Seen lr_too_high: 1 < 2.",
                  "Seen class_imbalance: 1 < 2.", "ReLU units are dead (dead_relu)",
                  "Trials of remedies: probes are off."):  # fmt: skip
        assert words in flat
    for cause in ILL.causes:
        assert cause.source in flat
        for line in filter(str.strip, cause.remedy.splitlines()):
            assert f"    {line}\n" in text, "code stands on one line, so that it can be pasted"


def test_one_cause_has_no_number() -> None:
    assert printed(diagnosis(suspicion("dead_relu", 0.9))).startswith("ReLU units are dead (dead_relu)")


def test_nothing_wrong_is_said_with_what_was_looked_at() -> None:
    flat = " ".join(printed(WELL).split())
    assert flat.startswith(WELL.summary)
    for words in ("2.3 → 0.12", "cross_entropy", "SGD, learning rate 0.1", "100, 100 steps, 8 sampled", "1,234",
                  f"Causes looked for {len(CAUSES)}", "12 s, of which watching 1.2%"):  # fmt: skip
        assert words in flat
    assert "Trials on a copy" not in flat, "there were none"


def test_only_code_is_wider_than_asked_and_a_pipe_gets_plain_text() -> None:
    text = printed(ILL)
    for line in (line for cause in ILL.causes for line in cause.remedy.splitlines()):
        text = text.replace(line, "")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text and "\x1b" in printed(ILL, force_terminal=True, color_system="standard")


def test_causes_are_listed_and_explained() -> None:
    file = io.StringIO()
    show_causes(Console(file=file, width=100))
    show_cause("no_shuffling", Console(file=file, width=100))
    flat = " ".join(file.getvalue().split())
    assert all(f"{cause.name} {cause.title}" in flat for cause in CAUSES.values() if len(cause.title) < 50)
    assert CAUSES["no_shuffling"].remedy.splitlines()[0] in file.getvalue() and "same_batch_every_step" in flat
    with pytest.raises(LossInputError, match=r"got 'no_shufling'; did you mean 'no_shuffling'\?"):
        show_cause("no_shufling", Console(file=file))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_whole_and_needs_nothing_else(language: str) -> None:
    page = diagnosis_page(ILL, name="train.py", language=language)
    tags = Tags(page)
    assert len(tags.ids) == len(set(tags.ids)), "the pictures' ids don't meet"
    assert all(address.startswith(("#", "data:")) for address in tags.addresses)
    assert "<script" not in page and "http://" not in page and "https://" not in page
    assert all(f"#{target}" in [f"#{i}" for i in tags.ids] for target in re.findall(r"url\(#([^)]*)\)", page))
    for cause in ILL.causes:
        assert cause.cause in page and cause.words.replace("<", "&lt;") in page
    assert page.count("<svg") == 2 and "1 lr_too_high" in page and "2 class_imbalance" in page
    assert ("从一开始" if language == "zh" else "from the start") in page


def test_texts_of_a_run_can_not_break_the_page() -> None:
    hostile = dataclasses.replace(suspicion("dead_relu", 0.9), words="</p><script>alert(1)</script>")
    page = diagnosis_page(diagnosis(hostile, gradients={"<b>.weight": (1.0,) * 8}), name="<i>")
    Tags(page)
    assert "<script" not in page and "<b>" not in page and "<i>" not in page


def test_a_page_of_nothing_wrong_and_of_nothing_seen() -> None:
    page = diagnosis_page(WELL)
    assert "Nothing wrong seen in 100 batches</h1>" in page and "The loss fell." in page and 'class="well"' in page
    empty = diagnosis(summary="No loss was seen: nothing can be said.", losses=(), val_losses=(), gradients={},
                      sampled=(), trivial=math.nan)  # fmt: skip
    page = diagnosis_page(empty)
    Tags(page)
    assert "No loss was seen</h1>" in page and "<svg" not in page and 'class="ill"' in page


def test_a_page_is_the_same_again_and_knows_its_languages(tmp_path: Path) -> None:
    path = write_diagnosis(ILL, tmp_path, name="train.py")
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == diagnosis_page(ILL, name="train.py")
    assert json.loads((tmp_path / "diagnosis.json").read_text())["causes"][0]["cause"] == "lr_too_high"
    with pytest.raises(LossInputError, match="`language` must be one of en, zh"):
        diagnosis_page(ILL, language="fr")


def values_of(chart: Any) -> list[Any]:
    """The data of each layer of a chart, which is validated."""
    specification = chart.to_dict()
    found = [each.get("data", specification.get("data")) for each in specification["layer"]]
    named = specification.get("datasets", {})
    return [each["values"] if "values" in each else named[each["name"]] for each in found]


def rows(chart: Any, field: str) -> list[list[dict[str, Any]]]:
    """The rows of the layers that draw the field."""
    return [values for values in values_of(chart) if isinstance(values, list) and field in values[0]]


def scale_of(chart: Any) -> dict[str, Any]:
    layers = chart.to_dict()["layer"]
    return next(each["encoding"]["y"]["scale"] for each in layers if "scale" in each["encoding"].get("y", {}))


def test_the_loss_is_logarithmic_where_it_pays() -> None:
    assert "type" not in scale_of(loss_chart(WELL)), "2.3 to 0.11 is 20 times"
    falling = tuple(2.3 * 0.93**i for i in range(100))
    scale = scale_of(loss_chart(diagnosis(losses=falling)))
    assert scale["type"] == "log" and scale["domain"][0] <= min(falling)
    negative = (*(-1.0 for _ in range(99)), -1e9)
    assert scale_of(loss_chart(diagnosis(losses=negative, trivial=math.nan)))["type"] == "symlog"


def test_every_loss_is_drawn_at_its_batch_and_what_is_not_finite_is_a_gap() -> None:
    losses = (3.0, math.nan, 2.0, math.inf, math.inf)
    chart = loss_chart(diagnosis(losses=losses, every=10, val_losses=()))
    drawn = rows(chart, "value")
    assert [(row["batch"], row["value"]) for row in drawn[0]] == [
        (0, 3.0),
        (10, None),
        (20, 2.0),
        (30, None),
        (40, None),
    ]
    assert [(row["batch"], row["value"]) for row in drawn[1]] == [(0, 3.0), (20, 2.0)], "dots, for no line passes there"
    assert [row["batch"] for row in rows(chart, "last")[0]] == [30], "a band from the last finite loss on"


def test_the_trivial_loss_and_where_causes_began_are_marked() -> None:
    text = json.dumps(loss_chart(ILL).to_dict())
    assert "best constant output: 2.3" in text
    marks = [row for each in rows(loss_chart(ILL), "name") for row in each if row["name"][0] in "12"]
    assert {(row["batch"], row["name"]) for row in marks} == {(16, "1 lr_too_high"), (0, "2 class_imbalance")}
    together = diagnosis(suspicion("dead_relu", 0.9), suspicion("class_imbalance", 0.8))
    assert "1 dead_relu, 2 class_imbalance" in json.dumps(loss_chart(together).to_dict())
    assert "best constant" not in json.dumps(loss_chart(diagnosis(trivial=math.nan)).to_dict())


def cells(found: Diagnosis) -> list[list[str]]:
    tables = [values for values in values_of(gradient_chart(found)) if isinstance(values, str)]
    return [line.split("\t") for table in tables for line in table.splitlines()[1:]]


def test_gradients_have_a_row_per_weight_and_a_column_per_sample() -> None:
    drawn = cells(WELL)
    assert {row[0] for row in drawn} == {"0.weight", "2.weight"}
    assert len(drawn) == 2 * len(SAMPLED)
    assert {float(row[3]) for row in drawn if row[0] == "0.weight"} == {1e-6}
    scale = gradient_chart(WELL).to_dict()["layer"][0]["encoding"]["color"]["scale"]
    assert (scale["type"], scale["domain"]) == ("log", [1e-6, 1e-2])


def test_a_mark_stands_before_the_first_sample_of_its_time() -> None:
    marks = rows(gradient_chart(ILL), "name")
    assert {(row["batch"], row["name"]) for each in marks for row in each} == {
        (0, "2 class_imbalance"), (SAMPLED.index(24), "1 lr_too_high"),
    }  # fmt: skip


def test_no_gradient_and_no_number_are_told_apart() -> None:
    odd = diagnosis(gradients={"a.weight": (0.0, math.nan, *(1.0 for _ in SAMPLED[2:]))})
    fills = [each["mark"].get("fill") for each in gradient_chart(odd).to_dict()["layer"]]
    assert fills[0] != fills[1] and None not in fills[:2] and fills[2] is None
    scale = gradient_chart(odd).to_dict()["layer"][2]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0.1, 1.0], "a decade, since all others are 1"
    page = diagnosis_page(odd)
    assert "no gradient" in page and "not a number" in page
    assert "no gradient" not in diagnosis_page(WELL)


def test_many_layers_and_samples_are_thinned() -> None:
    sampled = tuple(range(100))
    deep = diagnosis(sampled=sampled, gradients={f"{i}.weight": (1.0,) * 100 for i in range(200)})
    assert len(shown_layers(deep.series.gradients)) == LAYERS and shown_layers(deep.series.gradients)[0] == "0.weight"
    assert len(cells(deep)) == LAYERS * COLUMNS
