"""The table of causes in the guide, which is written from the rules, and what else the guide says of them."""

import re
from pathlib import Path

import pytest

from lossary.diagnosis import CAUSES
from lossary.report.causes import BEGIN, END, causes, renewed

PAGE = Path(__file__).parents[2] / "docs" / "diagnosing.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_table_of_the_guide_is_up_to_date():
    assert renewed(TEXT) == TEXT, "python -m lossary.report.causes docs/diagnosing.md"


def test_each_cause_has_one_row_with_all_that_is_known_of_it():
    rows = [line for line in causes().splitlines() if line.startswith("| `")]
    assert sorted(re.match(r"\| `(\w+)` \|", row)[1] for row in rows) == sorted(CAUSES)
    for row in rows:
        cells = row.strip("| ").split(" | ")
        assert len(cells) == 5 and all(cells)
        cause = CAUSES[cells[0].strip("`")]
        assert cells[1] == cause.title and cells[3] == cause.confirm.replace("|", "&#124;")
        assert all(line.replace("|", "&#124;") in cells[2] for line in cause.remedy.splitlines())


def test_sources_are_links_where_they_have_an_address():
    assert "[arXiv:1506.01186](https://arxiv.org/abs/1506.01186)" in causes()


def test_what_stands_around_the_table_stays():
    page = f"before\n{BEGIN}\nSTALE\n{END}\nafter\n"
    new = renewed(page)
    assert new.startswith("before\n") and new.endswith("\nafter\n") and "STALE" not in new
    assert renewed(new) == new
    with pytest.raises(ValueError, match="the page must have the lines"):
        renewed("nothing")


def test_the_guide_speaks_only_of_causes_that_exist():
    prose = TEXT.partition(BEGIN)[0] + TEXT.partition(END)[2]
    others = {"to_tensorboard", "eval_loss", "val_loss"}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+_?)`", prose))
    assert named - others <= set(CAUSES)
    assert len(named & set(CAUSES)) >= 25
