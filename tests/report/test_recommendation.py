"""A recommendation on the terminal."""

import io

import numpy as np
import pytest
from rich.console import Console

from lossary.recommendation import recommend
from lossary.report.recommendation import show_recommendation


@pytest.fixture(scope="module")
def outliers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    return recommend(x, x @ [1.0, 2.0] + rng.normal(size=200) + 30.0 * (rng.random(200) < 0.05))


def printed(result, width=80, explain=False, **options):
    file = io.StringIO()
    show_recommendation(result, Console(file=file, width=width, **options), explain=explain)
    return file.getvalue()


def test_it_says_which_why_and_how(outliers):
    text = printed(outliers)
    flat = " ".join(text.split())
    assert text.startswith("huber (delta=")
    for reason in (*outliers.best.pros, *outliers.best.cons):
        assert reason.sentence in flat
    for sentence in (*outliers.besides, *outliers.changes):
        assert " ".join(sentence.split()) in flat
    assert outliers.best.code in text


def test_nothing_but_code_is_wider_than_asked(outliers):
    text = printed(outliers, explain=True).replace(outliers.best.code, "")
    assert max(len(line) for line in text.splitlines()) <= 80


def test_explain_shows_which_rule_fired_on_which_figure(outliers):
    short, long = printed(outliers), " ".join(printed(outliers, explain=True, width=300).split())
    assert "Rules" not in short
    influence = outliers.profile.figures["outlier_influence"]
    assert influence.method in long and "Huber 1964" in long
    for firing in outliers.rules:
        assert f"{'+' if firing.fired else '-'} {firing.rule}: {firing.condition}" in long
    assert f"(here outlier share {outliers.profile.value('outlier_share'):.3g}" in long


def test_doubts_and_missing_features_are_said():
    flat = " ".join(printed(recommend([0] * 30 + [1] * 30 + [2] * 30)).split())
    assert "task='ordinal'" in flat and "without features" in flat


def test_piped_output_is_plain(outliers):
    assert "\x1b" not in printed(outliers)
    assert "\x1b" in printed(outliers, force_terminal=True, color_system="standard")
