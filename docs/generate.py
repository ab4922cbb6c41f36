"""The page of each loss, from its card and its docstring: a hook of MkDocs, which writes them at every build.

Formulas become MathML and curves become SVG, so that the site needs no script and no network to show them.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from math_core import LatexError, LatexToMathML

from lossary.catalogue import cost, find, short_name
from lossary.core import Definition
from lossary.report.costs import cost_sentence
from lossary.report.curves import curve, loss_svg
from lossary.report.descriptions import (
    CLAIMS,
    Field,
    citations,
    claims,
    documentation,
    hyperparameters,
    inputs,
    notes,
    options,
    rewrite_roles,
    shape_words,
    signatures,
)
from lossary.report.drawing import NIGHT, PAPER

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

LATEX = LatexToMathML(fancy_error=False)
CODE = 84
"""Characters of a line of code."""
ALIKE = 8
"""Losses under "See also", at most."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages below the entry of the catalogue, by family."""
    families: dict[str, list[Definition]] = {}
    for d in find():
        families.setdefault(family(d), []).append(d)
    below = [{name: [{title(d): path(d)} for d in members]} for name, members in sorted(families.items())]
    config.nav = [{"Losses": ["losses/index.md", *below]} if "Losses" in entry else entry for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the colours of the curves."""
    from mkdocs.structure.files import File

    definitions = find()
    pages = {path(d): page(d, definitions) for d in definitions}
    for uri, content in {**pages, "losses/index.md": index(definitions), "assets/curves.css": colours()}.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link the losses of the guide to choosing, which has no links where it is read as a file."""
    return linked(text) if page.file.src_uri == "choosing.md" else text


def linked(text: str) -> str:
    """The text, with each name of a loss that stands as code leading to its page."""
    pages = {short_name(d): path(d) for d in find()}
    return re.sub(r"`(\w+)`", lambda name: f"[{name[0]}]({pages[name[1]]})" if name[1] in pages else name[0], text)


def page(definition: Definition, definitions: Sequence[Definition]) -> str:
    """The page of one loss, in Markdown; sections of which there is nothing to say are left out.

    Raises:
        LatexError: if a formula is wrong, or has a command that is not known.
    """
    try:
        return "\n\n".join([f"# {title(definition)}", *_head(definition), *_sections(definition, definitions)]) + "\n"
    except LatexError as error:
        error.add_note(f"in the card or the docstring of {definition.name}")
        raise


def index(definitions: Sequence[Definition]) -> str:
    """The table of all losses, and what each claim means."""
    rows = [
        (_link(d), ", ".join(d.card.tasks), markdown(documentation(d.function).summary), _claim_names(d))
        for d in definitions
    ]
    meanings = [(_words(name), sentence) for name, sentence in CLAIMS.items()]
    return "\n\n".join(
        [
            "---\nhide:\n  - toc\n---",
            "# Losses",
            f"{len(definitions)} losses, each a function and a module."
            " Every claim is tested by a search for a counterexample; [what the claims say](#what-the-claims-say).",
            '<div class="losses" markdown>',
            _table(("Loss", "Task", "What it is", "Claims"), rows),
            "</div>",
            "## What the claims say",
            "They hold at the defaults; a page says under which condition, where there is one.",
            _table(("Claim", "In words"), meanings),
        ]
    ) + "\n"  # fmt: skip


def colours() -> str:
    """Rules that give the curves the colours of the night where the site is dark."""
    pairs = [*zip(PAPER.series, NIGHT.series, strict=True), (PAPER.ink, NIGHT.ink), (PAPER.soft, NIGHT.soft),
             (PAPER.grid, NIGHT.grid), (PAPER.rest, NIGHT.rest)]  # fmt: skip
    rules = [f'.curve svg [{part}="{PAPER.background}"] {{ {part}: none; }}' for part in ("fill", "stroke")]
    rules += [
        f'[data-md-color-scheme="slate"] .curve svg [{part}="{day}"] {{ {part}: {night}; }}'
        for day, night in pairs
        for part in ("fill", "stroke")
    ]
    return "\n".join(rules) + "\n"


def title(definition: Definition) -> str:
    """The name of the class, and of the function where there is none."""
    return definition.name if definition.module is None else definition.module.__name__


def path(definition: Definition) -> str:
    return f"losses/{short_name(definition)}.md"


def family(definition: Definition) -> str:
    """The name of the module below ``lossary.losses`` that defines the loss, as a heading."""
    module = definition.function.__module__.removeprefix("lossary.losses.").partition(".")[0]
    return module.replace("_", " ").capitalize()


def formula(latex: str, *, block: bool) -> str:
    """MathML that Markdown leaves alone; in a block, what ``\\quad`` sets apart has a line of its own."""
    if block:
        lines = [LATEX.convert_with_local_state(line, displaystyle=True) for line in _lines(latex)]
        return f'<div class="formula">{"".join(lines)}</div>'
    mathml = LATEX.convert_with_local_state(latex, displaystyle=False)
    return re.sub(r"[*_`\[\]\\]", lambda sign: f"&#{ord(sign[0])};", mathml)


def _lines(latex: str) -> Iterator[str]:
    """The parts between one ``\\quad`` and the next, but for those inside of a group or an environment."""
    line = ""
    for part in re.split(r"(\\q?quad\b)", latex):
        groups = line.count("{") - line.count("\\{") - line.count("}") + line.count("\\}")
        closed = groups == 0 and line.count(r"\begin") == line.count(r"\end")
        if part.startswith((r"\quad", r"\qquad")) and closed and line.strip():
            yield line
            line = ""
        else:
            line += part
    yield line


def markdown(text: str) -> str:
    """A sentence of a docstring or a card as Markdown, fit for the cell of a table."""
    return rewrite_roles(text, code=_code, math=lambda latex: formula(latex, block=False), reference=_reference,
                         plain=_escaped)  # fmt: skip


def _head(definition: Definition) -> Iterator[str]:
    card = definition.card
    named = f" Also known as {_escaped(', '.join(card.known_as))}." if card.known_as else ""
    yield f"For {_escaped(', '.join(card.tasks))}.{named}\n{{ .facts }}"
    yield from map(markdown, documentation(definition.function).paragraphs)
    yield formula(card.formula, block=True)
    sources = [f"[{_escaped(text)}]({html.escape(address)})" if address else _escaped(text)
               for text, address in _encoded(card.source)]  # fmt: skip
    yield f"Source: {''.join(sources)}"


def _sections(definition: Definition, definitions: Sequence[Definition]) -> Iterator[str]:
    card, said = definition.card, documentation(definition.function)
    found = curve(definition)
    if found is not None:
        yield "## Curve { data-search-exclude }"
        panels = [f"<div><p>{quantity}</p>{loss_svg(found, quantity)}</div>" for quantity in ("value", "gradient")]
        yield f'<figure class="curve">{"".join(panels)}</figure>'
    yield "## Arguments"
    yield "```python\n" + "\n".join(map(_wrapped, signatures(definition))) + "\n```"
    yield _fields("Input", "Shape", inputs(definition))
    if definition.hyperparameters:
        yield _fields("Parameter", "Default", hyperparameters(definition))
    here = "".join(f" {_code(field.name)} here: {markdown(field.text)}" for field in options(definition))
    yield f"Besides, it has the [options of every loss](../index.md#options-of-every-loss).{here}"
    shape = f"Before the reduction the values have the shape {_code(shape_words(card.values))}."
    yield " ".join([shape, *notes(card)])
    if (measured := cost(definition.name)) is not None:
        yield cost_sentence(measured)
    yield from (f"**{name}**: {markdown(text)}" for name, text in said.sections.items())
    if said.example:
        yield "## Example"
        yield f"```pycon\n{said.example}\n```"
    if card.claims:
        yield "## Claims"
        yield "\n".join(f"- **{_words(name)}**: {_escaped(sentence)}" for name, sentence in claims(card))
    if card.good_at or card.bad_at:
        yield "## Good and bad at"
        both = [("Good at", card.good_at), ("Bad at", card.bad_at)]
        yield "\n".join(f"- **{label}**: {', '.join(sorted(traits))}" for label, traits in both if traits)
    if card.elsewhere:
        yield "## Elsewhere"
        yield _table(("Library", "What it has"), [(_escaped(name), markdown(t)) for name, t in card.elsewhere.items()])
    alike = see_also(definition, definitions)
    if alike:
        yield "## See also { data-search-exclude }"
        yield "\n".join(f"- {_link(d)}: {markdown(documentation(d.function).summary)}" for d in alike)


def see_also(definition: Definition, definitions: Sequence[Definition]) -> list[Definition]:
    """Losses for the same task, those first whose cards have most in common with this one."""

    def marks(d: Definition) -> set[str]:
        return {*d.card.claims_under(d.hyperparameters), *d.card.good_at, *d.card.bad_at}

    own = marks(definition)
    others = [d for d in definitions if d is not definition and definition.card.tasks[0] in d.card.tasks]
    return sorted(others, key=lambda d: -len(own & marks(d)) / max(1, len(own | marks(d))))[:ALIKE]


def _fields(kind: str, detail: str, fields: Sequence[Field]) -> str:
    rows = [(_code(f.name), _code(f.shape or f.default), markdown(f.kind), markdown(f.text)) for f in fields]
    return _table((kind, detail, "What it may be", "What it is"), rows)


def _wrapped(call: str) -> str:
    """A call in lines of code that need no scrolling."""
    call = f"lossary.{call}"
    indent = " " * (call.index("(") + 1)
    return textwrap.fill(call, CODE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _link(definition: Definition) -> str:
    return f"[{_code(short_name(definition))}]({path(definition).removeprefix('losses/')})"


def _reference(name: str) -> str:
    """A link to the page of a loss, by the name of its function or class; else code."""
    for d in find():
        if name in (d.name, d.module and d.module.__name__):
            return f"[{_code(name)}]({path(d).removeprefix('losses/')})"
    return _code(name)


def _encoded(source: str) -> Iterator[tuple[str, str]]:
    """The citations, their addresses without what would end a link in Markdown."""
    for text, address in citations(source):
        yield text, address.replace("(", "%28").replace(")", "%29")


def _claim_names(definition: Definition) -> str:
    made = definition.card.claims_under(definition.hyperparameters)
    return ", ".join(_words(name) for name in CLAIMS if name in made)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _code(text: str) -> str:
    """Code in a line of Markdown, where a bar would end the cell of a table."""
    return f"<code>{_escaped(text)}</code>"


def _escaped(text: str) -> str:
    return re.sub(r"[*_`\[\]\\|]", lambda sign: f"&#{ord(sign[0])};", html.escape(text, quote=False))
