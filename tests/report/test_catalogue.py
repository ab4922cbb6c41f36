"""The catalogue on the terminal."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from lossary.catalogue import find, get, short_name
from lossary.report import show_catalogue, show_loss
from lossary.report.curves import curve
from lossary.report.descriptions import claims, documentation

ALL = find()


def shown(definition, width=80):
    """What is printed where the output is a pipe."""
    out = io.StringIO()
    show_loss(definition, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
def test_all_that_the_card_says_is_there_within_80_columns(definition):
    text = shown(definition)
    squeezed = "".join(text.split())
    card, said = definition.card, documentation(definition.function)
    for part in (
        definition.name, definition.module.__name__, *card.known_as, *card.tasks, card.formula, *definition.inputs,
        *definition.hyperparameters, *(sentence for _, sentence in claims(card)), *card.good_at, *card.bad_at,
        *card.elsewhere,
    ):  # fmt: skip
        assert "".join(part.split()) in squeezed, part
    assert said.example in text
    assert "\x1b" not in text
    above = text.removesuffix(said.example + "\n")
    assert all(cell_len(line) <= 80 for line in above.splitlines())
    assert ("┤" in text) == (curve(definition) is not None)


def test_the_page_of_huber():
    text = shown(get("huber"))
    rows = {line[:12].strip(): line[12:].strip() for line in text.splitlines()}
    assert text.startswith("lossary.huber_loss · lossary.HuberLoss\n")
    assert rows["formula"] == "½ (x - y)² if |x - y| ≤ δ; δ (|x - y| - ½ δ) otherwise"
    assert rows["source"] == "https://doi.org/10.1214/aoms/1177703732"
    assert rows["parameters"] == "delta = 1.0: a number above 0"
    assert re.match(r"[\d.]+ times the MSE in time", rows["costs"])
    assert "curvaturefrom0to1:nonebelow0wasmet." in "".join(text.split())
    assert rows["module"] == "HuberLoss(delta=1.0, reduction='mean')"
    assert "prediction - target; delta = 1 (default)" in text
    assert "None" not in text and "()" not in text


def test_it_is_styled_on_a_terminal():
    out = io.StringIO()
    show_loss(get("huber"), Console(file=out, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[" in out.getvalue()


def test_markup_in_a_card_is_text():
    """Brackets, as in "in [0, 1]", would be styles to rich."""
    assert "a number in [0, 1]" in shown(get("cross_entropy"))


@pytest.mark.parametrize("width", [20, 40, 200])
def test_any_width_will_do(width):
    assert "huber_loss" in shown(get("huber"), width)
    assert "┤" in shown(get("huber"), width)


def test_an_encoding_without_room_for_it_gets_latex_and_no_curve():
    out = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\n")
    show_loss(get("huber"), Console(file=out, width=80))
    out.seek(0)
    text = out.read()
    assert r"\begin{cases}" in text and "in LaTeX" not in text and "prediction - target" not in text
    assert ">>> huber_loss(" in text


def test_the_list_has_every_loss_once_under_its_task():
    out = io.StringIO()
    show_catalogue(ALL, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    names = [line.split()[0] for line in lines if line.startswith("  ") and line[2:3].strip()]
    assert sorted(names) == sorted(map(short_name, ALL))
    headings = [line for line in lines[:-1] if line.strip() and not line.startswith(" ")]
    assert headings == sorted({d.card.tasks[0] for d in ALL})
    assert lines[-1].startswith(f"{len(ALL)} losses.")
