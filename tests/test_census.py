"""The 120 losses that libraries share most are all here, by the names that a census of 110 libraries gave them."""

import csv
from pathlib import Path

import pytest

from lossary.catalogue import find, get, to_dict

with (Path(__file__).parent / "census.csv").open() as file:
    ROWS = list(csv.DictReader(file))


def test_the_census_is_whole():
    assert len(ROWS) == 120


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['tier']}-{row['row']}")
def test_every_row_resolves(row):
    assert to_dict(get(row["name"]))["formula"]


def test_the_catalogue_is_large():
    assert len(find()) >= 150
