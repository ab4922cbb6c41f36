"""The page of each loss, and the site built from them."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from math_core import LatexError

from lossary.catalogue import find, get, short_name
from lossary.core import CLAIM_NAMES
from lossary.report import curves
from lossary.report.descriptions import citations, claims, documentation
from lossary.report.drawing import NIGHT, PAPER

ROOT = Path(__file__).parent.parent
ALL = find()


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.loss_svg = lambda found, quantity: f"<svg>{found.x_label}, {quantity}</svg>"  # drawn in test_curves
    return module


@pytest.fixture(scope="module")
def pages(generate):
    return {definition.name: generate.page(definition, ALL) for definition in ALL}


def text_of(page):
    """What a reader sees, without blanks: no tags, and entities as what they stand for."""
    bare = re.sub(r"<[^>]*>", "", page)
    signs = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), bare)
    return "".join(signs.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").split())


def sections(page):
    return {part.partition("\n")[0].partition(" {")[0]: part.partition("\n")[2] for part in page.split("\n## ")[1:]}


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
def test_a_page_has_all_that_the_card_says(pages, definition):
    page = pages[definition.name]
    text, parts = text_of(page), sections(page)
    card, said = definition.card, documentation(definition.function)
    assert page.startswith(f"# {definition.module.__name__}\n")
    assert page.count('<div class="formula"><math') == 1
    for name in (*definition.inputs, *definition.hyperparameters):
        assert f"|<code>{name}</code>|" in re.sub("&#95;", "_", parts["Arguments"]).replace(" ", "")
    assert said.example in parts["Example"]
    for _, sentence in claims(card):
        assert "".join(sentence.split()) in text_of(parts["Claims"])
    for traits in (card.good_at, card.bad_at):
        assert all(trait in parts["Good and bad at"] for trait in traits)
    assert all("".join(library.split()) in text_of(parts["Elsewhere"]) for library in card.elsewhere)
    assert "".join(re.sub(r"\s", "", part) for part, _ in citations(card.source)) in re.sub(r"\]\([^)]*\)|\[", "", text)
    assert ("Curve" in parts) == (curves.curve(definition) is not None)


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
def test_no_section_is_empty_and_no_table_is_ragged(pages, definition):
    page = pages[definition.name]
    assert all(body.strip() for body in sections(page).values())
    for table in re.findall(r"(?:^\|.*\n?)+", page, re.MULTILINE):
        rows = table.strip().splitlines()
        assert len(rows) >= 3 and len({row.count(" | ") for row in rows}) == 1


def test_what_it_sees_is_what_is_shown(generate):
    """One page in full detail, so that the tests above can't agree with a mistake."""
    page = generate.page(get("huber"), ALL)
    parts = sections(page)
    assert "For regression. Also known as Huber.\n{ .facts }" in page
    assert re.search(r"^Costs [\d.]+ times the MSE in time and .* curvature from 0 to 1: ", parts["Arguments"], re.M)
    assert "<mi>δ</mi>" in page and "<mtext>otherwise</mtext>" in page
    assert "Source: [doi:10.1214/aoms/1177703732](https://doi.org/10.1214/aoms/1177703732)" in page
    assert "<svg>prediction - target, value</svg>" in parts["Curve"]
    assert "lossary.huber_loss(prediction, target, *, delta=1.0, **options)" in parts["Arguments"]
    assert "| <code>delta</code> | <code>1.0</code> | A number above 0. | The error at which" in parts["Arguments"]
    assert "- **convex**: It is convex in its first input." in parts["Claims"]
    alike = parts["See also"].strip().splitlines()
    assert len(alike) == generate.ALIKE and not any("[<code>huber</code>]" in line for line in alike)
    nearest = [get(name).name for name in ("log_cosh", "pseudo_huber", "smooth_l1")]  # the same claims and strengths
    assert all(any(f"]({name.removesuffix('_loss')}.md)" in line for line in alike) for name in nearest)


@pytest.mark.parametrize("latex", [r"\fraction{a}{b}", r"\frac{a}{b", r"a}", r"\begin{cases} a", "a & b", "x_i_j"])
def test_a_wrong_formula_fails_and_says_where(generate, latex, monkeypatch):
    definition = get("huber")
    wrong = type(definition.card)(task="t", inputs=definition.card.inputs, values="*n", formula=latex, source="s")
    monkeypatch.setattr(definition, "card", wrong)
    with pytest.raises(LatexError) as caught:
        generate.page(definition, ALL)
    assert "huber_loss" in " ".join(caught.value.__notes__)


def test_definitions_behind_a_quad_have_lines_of_their_own(generate):
    assert list(generate._lines(r"a x,\quad a = 1,\ b = 2, \qquad c = \{\}")) == [
        "a x,",
        r" a = 1,\ b = 2, ",
        r" c = \{\}",
    ]
    for whole in (r"\frac{a \quad b}{c}", r"\begin{cases} a \quad b \end{cases}", r"\quad a"):
        assert list(generate._lines(whole)) == [whole]


def test_text_of_a_card_is_no_markup(generate):
    assert generate.markdown("a*b*c, [0, 1], x|y, <p>") == "a&#42;b&#42;c, &#91;0, 1&#93;, x&#124;y, &lt;p&gt;"
    assert generate.markdown("``a*b``") == "<code>a&#42;b</code>"
    assert generate.markdown(":func:`mse_loss` and :class:`MSELoss`, :func:`nowhere`") == (
        "[<code>mse&#95;loss</code>](mse.md) and [<code>MSELoss</code>](mse.md), <code>nowhere</code>"
    )


def test_the_index_has_every_loss_and_explains_every_claim(generate):
    page = generate.index(ALL)
    assert all(f"]({short_name(d)}.md)" in page for d in ALL)
    meanings = page.partition("## What the claims say")[2]
    assert all(f"| {name.replace('_', ' ')} |" in meanings for name in CLAIM_NAMES)


def test_the_night_has_all_colours_of_the_day(generate):
    rules = generate.colours()
    for day, night in zip((*PAPER.series, PAPER.ink), (*NIGHT.series, NIGHT.ink), strict=True):
        assert f'[stroke="{day}"] {{ stroke: {night}; }}' in rules


def test_the_site_is_built_without_a_warning(tmp_path, monkeypatch):
    mkdocs = pytest.importorskip("mkdocs.commands.build", reason="needs the docs extra: pip install lossary[docs]")
    pytest.importorskip("material", reason="needs the docs extra: pip install lossary[docs]")
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    monkeypatch.setattr(curves, "loss_svg", lambda found, quantity: "<svg></svg>")
    try:
        mkdocs.build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path / "site")))
    except Abort as abort:
        pytest.fail(f"mkdocs build --strict: {abort}")
    pages = {path.stem for path in (tmp_path / "site" / "losses").glob("*.html")}
    assert pages == {"index", *map(short_name, ALL)}
    huber = (tmp_path / "site" / "losses" / "huber.html").read_text()
    assert '<math display="block">' in huber and 'href="mse.html"' in huber
    fetched = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)"', huber)
    assert not fetched, "it opens offline"
