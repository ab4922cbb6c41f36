from __future__ import annotations

import io

import pytest
from rich.console import Console

from lossary.comparison.result import Comparison
from lossary.report import progress, show_comparison


def printed(comparison: Comparison, **options: object) -> str:
    file = io.StringIO()
    show_comparison(comparison, Console(file=file, **({"width": 80} | options)))  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("which", ["regression", "classification"])
def test_all_is_said_within_80_columns(which: str, request: pytest.FixtureRequest) -> None:
    comparison: Comparison = request.getfixturevalue(which)
    text = printed(comparison)
    flat = " ".join(text.split())
    assert comparison.verdict.headline in flat
    for sentence in (*comparison.verdict.reasons, *comparison.verdict.cautions):
        assert sentence in flat
    assert comparison.verdict.code in text
    assert max(len(line) for line in text.splitlines()) <= 80
    for entry in comparison.entries:
        assert entry.label[:12] in text


def test_a_row_has_score_difference_and_standing(regression: Comparison) -> None:
    lines = printed(regression, width=100).splitlines()
    (winner,) = [line.split() for line in lines if line.startswith("huber ") and "[" in line]
    (other,) = [line.split() for line in lines if line.startswith("log_cosh ")]
    score = regression.winner.scores["rmse"]
    assert winner == ["huber", "54.3", f"[{score.low:.1f},", f"{score.high:.1f}]", "leads",
                      f"{regression.winner.seconds:.0f}"]  # fmt: skip
    assert other[4].startswith("-0.3") and other[-2] == "equal"  # log_cosh is 0.09 behind, give or take the noise


def test_piped_output_is_plain(regression: Comparison) -> None:
    assert "\x1b" not in printed(regression)
    assert "\x1b" in printed(regression, force_terminal=True, color_system="standard")


def test_code_is_never_wrapped(regression: Comparison) -> None:
    assert regression.verdict.code in printed(regression, width=20)


def test_labels_are_not_taken_for_markup(make_regression: object) -> None:
    comparison = make_regression(["mse", "huber:[red]x"])  # type: ignore[operator]
    assert "huber:[red]x" in printed(comparison)


def test_every_encoding_can_take_it(regression: Comparison) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")  # a pipe on Windows; raises on what it lacks
    show_comparison(regression, Console(file=file, width=80))
    file.flush()


def test_progress_is_silent_where_nobody_looks() -> None:
    file = io.StringIO()
    with progress(Console(file=file)) as advance:
        advance(1, 2, "huber")
    assert file.getvalue() == ""


def test_progress_shows_what_is_done() -> None:
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=True, width=80)) as advance:
        advance(30, 96, "huber")
        advance(96, 96, "mse")
    assert "96/96" in file.getvalue() and "mse" in file.getvalue()
