"""What a card and a docstring say, in words: for the terminal and for the page of a loss."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

from lossary.core import Card, ClaimName, Definition, Domain, Either, Real, When

CLAIMS: Mapping[ClaimName, str] = {
    "nonnegative": "No value is below 0.",
    "at_most_one": "No value is above 1.",
    "zero_at_target": "A perfect prediction costs 0.",
    "positive_off_target": "Every other prediction costs more than 0.",
    "symmetric": "The first two inputs may change places.",
    "convex": "It is convex in its first input.",
    "monotone": "It does not fall as the first input moves away from the target.",
    "bounded_gradient": "The pull of one element does not grow with its error, so outliers have little say.",
    "redescending": "The pull of an element fades to 0 as its error grows, so outliers have no say.",
    "smooth": "It is differentiable everywhere in its first input.",
    "scale_invariant": "Multiplying all real inputs by one positive number changes nothing.",
    "shift_invariant": "Adding one number to all elements of the first input changes nothing.",
    "permutation_invariant": "Reordering the samples reorders the values and changes nothing else.",
    "proper": "The true probabilities minimise the expected loss.",
}
"""Each claim in a sentence."""

SECTION = re.compile(r"(Args|Returns|Raises|Note|Notes):\n")
ARGUMENT = re.compile(r" {4}(\w+): ")
ROLE = re.compile(r":(func|class|meth|mod|math):`([^`]+)`|``([^`]+)``|`([^`]+)`")
CITED = re.compile(
    r"arXiv:(?P<arxiv>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})|doi:(?P<doi>10\.\d{4,}/[^\s,;]*[^\s,;.])"
    r"|(?P<torch>torch\.nn\.\w+(?:\.\w+)?)|(?P<url>https?://[^\s,;]+)"
)


@dataclass(frozen=True)
class Documentation:
    """A docstring in its parts; paragraphs are one line each, roles as they were written."""

    paragraphs: tuple[str, ...]
    arguments: Mapping[str, str]
    sections: Mapping[str, str]
    """"Returns", "Raises", "Note"."""
    example: str
    """Lines of an interactive session."""

    @property
    def summary(self) -> str:
        """The first sentence."""
        first = self.paragraphs[0] if self.paragraphs else ""
        return re.split(r"(?<=[.!?])\s+(?=[A-Z])", first, maxsplit=1)[0]


@dataclass(frozen=True)
class Field:
    """A row of the table of arguments."""

    name: str
    kind: str
    """What it may be: the domain of an input, the bounds of a hyperparameter."""
    shape: str
    """Of an input; empty for a hyperparameter."""
    default: str
    """Of a hyperparameter, as code; empty for an input."""
    text: str
    """What the docstring says about it."""


def documentation(documented: object) -> Documentation:
    """The parts of the docstring of ``documented``, which is in Google's style."""
    paragraphs: list[str] = []
    sections: dict[str, str] = {}
    examples: list[str] = []
    current = ""
    for block in (inspect.getdoc(documented) or "").split("\n\n"):
        if block.startswith(">>>"):
            examples.append(block.strip("\n"))
        elif (start := SECTION.match(block)) is not None:
            current = start[1]
            sections[current] = block[start.end() :]
        elif block.startswith(" ") and current:
            sections[current] += "\n" + block
        elif block.strip():
            paragraphs.append(" ".join(block.split()))
    arguments = _arguments(sections.pop("Args", ""))
    flat = {name: " ".join(text.split()) for name, text in sections.items()}
    return Documentation(tuple(paragraphs), arguments, flat, "\n\n".join(examples))


def inputs(definition: Definition) -> list[Field]:
    """The tensors that the loss takes, in order."""
    said = documentation(definition.function).arguments
    return [
        Field(name, domain_words(domain), _shapes(domain), "", said.get(name, ""))
        for name, domain in zip(definition.inputs, definition.card.inputs, strict=True)
    ]


def hyperparameters(definition: Definition) -> list[Field]:
    """What can be set, in order."""
    said = documentation(definition.function).arguments
    return [
        Field(name, _sentence(str(definition.constraints.get(name, ""))), "", _code(default), said.get(name, ""))
        for name, default in definition.hyperparameters.items()
    ]


def options(definition: Definition) -> list[Field]:
    """The arguments of the docstring that are neither: options of every loss that this one has more to say about."""
    known = {*definition.inputs, *definition.hyperparameters}
    said = documentation(definition.function).arguments
    return [Field(name, "", "", "", text) for name, text in said.items() if name not in known]


def notes(card: Card) -> list[str]:
    """What else there is to know of the values, in sentences."""
    sentences = []
    if card.samples == "interacting":
        sentences.append("The value of a sample depends on the others.")
    if card.memory == "quadratic":
        sentences.append("Memory grows with the square of the number of samples.")
    if card.stops_gradient:
        sentences.append("A part of the value is held constant in the gradient.")
    return sentences


def claims(card: Card) -> list[tuple[ClaimName, str]]:
    """The claims of a card, each with a sentence that ends in its condition, in the order of :data:`CLAIMS`."""
    made: list[tuple[ClaimName, str]] = []
    for claim in card.claims:
        made.append((claim.claim, claim.condition) if isinstance(claim, When) else (claim, ""))
    order = list(CLAIMS)
    made.sort(key=lambda claim: (order.index(claim[0]), claim[1]))
    return [(name, claim_words(name, condition)) for name, condition in made]


def claim_words(name: ClaimName, condition: str = "") -> str:
    """One claim in a sentence, under a condition written in Python.

    >>> claim_words("convex", "gamma == 0 and alpha is not None")
    'It is convex in its first input, if gamma = 0 and alpha is given.'
    """
    if not condition:
        return CLAIMS[name]
    for code, words in (("==", "="), ("!=", "≠"), (">=", "≥"), ("<=", "≤"), ("is not None", "is given"),
                        ("is None", "is not given")):  # fmt: skip
        condition = condition.replace(code, words)
    return f"{CLAIMS[name].rstrip('.')}, if {condition}."


def domain_words(domain: Domain) -> str:
    """What an input may be, in a sentence."""
    if isinstance(domain, Either):
        first, *others = (domain_words(option).rstrip(".") for option in domain.options)
        return "; or ".join([first, *(other[0].lower() + other[1:] for other in others)]) + "."
    text = documentation(type(domain)).summary
    if isinstance(domain, Real):
        bounds = _bounds(domain)
        if type(domain) is Real:
            text = f"A number{bounds}." if bounds else "Any number."
        elif bounds:
            text = f"{text.rstrip('.')},{bounds}."
    for field in fields(domain):
        text = text.replace(f"``{field.name}``", f"``{getattr(domain, field.name)}``")
    return f"{text.rstrip('.')}; constant, without a gradient." if domain.constant else text


def shape_words(pattern: str) -> str:
    """A shape as Python writes it.

    >>> shape_words("n c *d | c"), shape_words("n *d | "), shape_words("*n")
    ('(n, c, *d) or (c,)', '(n, *d) or ()', '(*n)')
    """
    return " or ".join(f"({_listed(names.split())})" for names in pattern.split("|"))


def citations(source: str) -> Iterator[tuple[str, str]]:
    """The parts of a source in order, each with its address, or with ``""`` where it has none.

    >>> list(citations("arXiv:1708.02002, eq. 5"))
    [('arXiv:1708.02002', 'https://arxiv.org/abs/1708.02002'), (', eq. 5', '')]
    """
    end = 0
    for found in CITED.finditer(source):
        if found.start() > end:
            yield source[end : found.start()], ""
        yield found[0], _address(found)
        end = found.end()
    if end < len(source):
        yield source[end:], ""


def rewrite_roles(
    text: str,
    *,
    code: Callable[[str], str],
    math: Callable[[str], str],
    reference: Callable[[str], str],
    plain: Callable[[str], str] = str,
) -> str:
    """``text`` with each piece of code, formula, reference to another object and plain text as these write it.

    >>> rewrite_roles("as :func:`~lossary.l1_loss` at ``q=0.5``", code=repr, math=str, reference=str.upper)
    "as L1_LOSS at 'q=0.5'"
    """
    written, end = "", 0
    for found in ROLE.finditer(text):
        role, body, *literal = found.groups()
        written += plain(text[end : found.start()])
        if role is None:
            written += code(literal[0] or literal[1])
        elif role == "math":
            written += math(body)
        else:
            written += reference(body.removeprefix("~").rpartition(".")[2])
        end = found.end()
    return written + plain(text[end:])


def signatures(definition: Definition) -> list[str]:
    """How the function and the class are called, with their defaults."""
    settings = [f"{name}={_code(default)}" for name, default in definition.hyperparameters.items()]
    calls = [f"{definition.name}({', '.join([*definition.inputs, '*', *settings, '**options'])})"]
    if definition.module is not None:
        parameters = inspect.signature(definition.module).parameters.values()
        words = [p.name if p.default is p.empty else f"{p.name}={_code(p.default)}" for p in parameters]
        calls.append(f"{definition.module.__name__}({', '.join(words)})")
    return calls


def _arguments(text: str) -> dict[str, str]:
    lines: dict[str, list[str]] = {}
    current = ""
    for line in text.splitlines():
        start = ARGUMENT.match(line)
        if start is not None:
            current = start[1]
            lines[current] = [line[start.end() :]]
        elif current:
            lines[current].append(line)
    return {name: " ".join(" ".join(said).split()) for name, said in lines.items()}


def _shapes(domain: Domain) -> str:
    """All shapes of an input, those of each of its domains."""
    options = domain.options if isinstance(domain, Either) else (domain,)
    return " or ".join(dict.fromkeys(shape_words(option.shape) for option in options))


def _listed(names: list[str]) -> str:
    alone = len(names) == 1 and not names[0].startswith("*")
    return f"{names[0]}," if alone else ", ".join(names)


def _bounds(domain: Real) -> str:
    low, high = domain.low, domain.high
    if math.isfinite(low) and math.isfinite(high):
        return f" from {low:g} to {high:g}"
    if math.isfinite(low):
        return f" of at least {low:g}"
    return f" of at most {high:g}" if math.isfinite(high) else ""


def _address(found: re.Match[str]) -> str:
    if found["arxiv"]:
        return f"https://arxiv.org/abs/{found['arxiv']}"
    if found["doi"]:
        return f"https://doi.org/{found['doi']}"
    if found["torch"]:
        return f"https://docs.pytorch.org/docs/stable/generated/{found['torch']}.html"
    return found["url"]


def _code(default: object) -> str:
    """A default as code; a function by its name."""
    return getattr(default, "__name__", None) or repr(default)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""
