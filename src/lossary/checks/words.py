"""What the checker is told in words, as on a command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from lossary import core
from lossary.core import Domain, LossInputError


def parse_told(
    *,
    inputs: Sequence[str] | None = None,
    claims: str | None = None,
    params: Sequence[str] | None = None,
    task: str | None = None,
) -> dict[str, Any]:
    """Keywords of :func:`lossary.check` from words.

    Raises:
        LossInputError: for what can't be read.

    >>> told = parse_told(inputs=["Logit n c", "ClassIndex n"], claims="finite,empty=zero", params=["gamma=0.5..5"])
    >>> told["inputs"][1], told["claims"], told["params"]
    (ClassIndex(shape='n', constant=False, of='c'), {'finite': True, 'empty': 'zero'}, {'gamma': (0.5, 5)})
    """
    found: dict[str, Any] = {}
    if inputs:
        found["inputs"] = [_domain(words) for words in inputs]
    if claims is not None:
        parts = [part.strip() for part in re.split(r",(?![^(]*\))", claims) if part.strip()]
        found["claims"] = {name: _value(value) if equals else True for name, equals, value in map(_halves, parts)}
    if params:
        found["params"] = {}
        for words in params:
            name, equals, values = _halves(words)
            if not equals or not values:
                raise LossInputError(f"check: `--param` must read name=low..high or name=value,value; got {words!r}.")
            found["params"][name] = tuple(_value(v) for v in values.split(".." if ".." in values else ","))
    if task is not None:
        found["task"] = task
    return found


def _halves(words: str) -> tuple[str, str, str]:
    name, equals, value = words.partition("=")
    return name.strip(), equals, value.strip()


def _domain(words: str) -> Domain:
    kind, _, shape = words.strip().partition(" ")
    found = getattr(core, kind, None)
    if not (isinstance(found, type) and issubclass(found, Domain)) or found is Domain:
        known = sorted(n for n, v in vars(core).items() if isinstance(v, type) and issubclass(v, Domain))
        raise LossInputError(f"check: `--input` must begin with one of {', '.join(known)}; got {words!r}.")
    return found(shape.strip())


def _value(words: str) -> Any:
    try:
        return ast.literal_eval(words)
    except (ValueError, SyntaxError):
        return words
