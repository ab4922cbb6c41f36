"""The guide to choosing a loss, which is written from the rules and the cards."""

import re
from pathlib import Path

import lossary
from lossary.catalogue import short_name
from lossary.recommendation import RULES
from lossary.recommendation.kinds import KINDS
from lossary.report.choosing import SECTIONS, choosing, condition_in_words

PAGE = Path(__file__).parents[2] / "docs" / "choosing.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == choosing(), "python -m lossary.report.choosing docs/choosing.md"


def test_it_has_every_rule_with_its_advice_and_source():
    page = choosing()
    for rule in RULES:
        words = condition_in_words(rule)
        assert words in page and rule.besides in page, rule.condition.name
        assert rule.source.split(",")[0].split(":")[0] in page
        for effect in rule.effects:
            assert effect.why in page and all(f"`{name}`" in page for name in effect.losses)


def test_it_has_every_loss_and_every_kind():
    page = choosing()
    assert {d.name for d in lossary.find() if f"`{short_name(d)}`" not in page} == set()
    assert {kind for section in SECTIONS for kind in section.kinds} == set(KINDS)


def test_rules_and_cards_speak_of_the_same():
    """Every loss of a rule exists, every trait of a rule is on a card, and every trait of a card is in the guide."""
    known = {short_name(d) for d in lossary.find()}
    on_cards = {trait for d in lossary.find() for trait in (*d.card.good_at, *d.card.bad_at)}
    effects = [effect for rule in RULES for effect in rule.effects]
    assert {name for effect in effects for name in effect.losses} <= known
    assert {effect.trait for effect in effects} - {None} <= on_cards
    assert {effect.task for effect in effects} - {None} <= {task for d in lossary.find() for task in d.card.tasks}
    page = choosing()
    assert {trait for trait in on_cards if trait not in page} == set()
    assert [d.name for d in lossary.find() if not d.card.good_at and not d.card.bad_at] == []


def test_conditions_are_told_in_words():
    told = {rule.condition.name: condition_in_words(rule) for rule in RULES}
    assert told["influential outliers"] == (
        "At least 0.4% of the residuals are outliers, with at least 25% of the squares."
    )
    assert told["few samples"] == "There are at most 300 samples."
    assert told["goal: quantile"] == 'The quantile q is wanted. `goals=["quantile=q"]`'
    assert told["one output"] == "No intervals were asked for. Not if the goal is intervals."
    assert "0.20 up or down" in told["skewed residuals"]
    assert not any("{" in words for words in told.values())


def test_bounds_are_told_as_they_are():
    """A bound that the figure's format would round is written out."""
    for rule in RULES:
        for bound in rule.condition.bounds:
            limit = bound.low if bound.high == float("inf") else bound.high
            words = condition_in_words(rule)
            if re.search(rf"{{{bound.figure}[:}}]", rule.evidence):
                numbers = [float(n) for n in re.findall(r"at (?:least|most) ([\d.e-]+\d|\d)", words, re.IGNORECASE)]
                assert any(abs(n - limit) < 1e-9 or abs(n / 100 - limit) < 1e-9 for n in numbers), rule.condition.name


def test_it_reads_as_a_page():
    page = choosing()
    assert page.startswith("# Choosing a loss\n") and page.count("\n## ") == len(SECTIONS) + 3
    for table in re.findall(r"(?:^\|.*\n?)+", page, re.MULTILINE):
        rows = table.strip().splitlines()
        assert len(rows) >= 3 and len({row.count(" | ") for row in rows}) == 1
    assert all(len(line) < 1200 for line in page.splitlines())
    for anchor in re.findall(r"\]\(#([\w-]+)\)", page):
        assert f"## {anchor.replace('-', ' ')}" in page.lower() or (anchor.startswith("multi-") and anchor in (
            "multi-class-classification", "multi-label-classification",
        ))  # fmt: skip
