"""Find losses by name and by what their cards say."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from . import losses as losses  # defining them is what fills the catalogue
from .core import ClaimName, Definition, UnknownNameError, When, definitions


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a loss costs, and how its curvature varies, as ``benchmarks/costs.py`` measured it at the defaults.

    Times and memory are of one forward and backward pass in float32, on one thread of a CPU. Curvatures are
    eigenvalues of the Hessian of the values in the first input, over usual and wide draws; draws show what there is,
    and can't prove that there is no more.
    """

    nanoseconds: float
    """Processor time per element of the first input."""
    time: float
    """The same, in times of the squared error of as many elements."""
    memory: float
    """Bytes held at once beyond the inputs, at most, per byte of the first input."""
    least_curvature: float | None
    """The least eigenvalue that was met; ``None`` where none was finite."""
    most_curvature: float | None
    """The greatest."""

    @property
    def flat(self) -> bool:
        """Whether the second derivative was 0 everywhere: it is linear, or piecewise linear, in its first input."""
        return self.least_curvature == 0 and self.most_curvature == 0

    @property
    def nonconvex(self) -> bool:
        """Whether negative curvature was met."""
        return self.least_curvature is not None and self.least_curvature < 0


def find(*, task: str | None = None, claims: Iterable[ClaimName] = (), good_at: Iterable[str] = ()) -> list[Definition]:
    """All losses for ``task`` that make all ``claims`` at their defaults and are good at all of ``good_at``, by name.

    >>> [definition.name for definition in find(task="ordinal classification")]
    ['coral_loss', 'corn_loss']
    """
    wanted, strengths = set(claims), set(good_at)
    found = [
        d
        for d in definitions()
        if (task is None or task in d.card.tasks)
        and wanted <= d.card.claims_under(d.hyperparameters)
        and strengths <= set(d.card.good_at)
    ]
    return sorted(found, key=lambda d: d.name)


def get(name: str) -> Definition:
    """The loss of that name: of its function or class, with or without "loss", or one that the field knows it by.

    Raises:
        UnknownNameError: if there is none; the message suggests the nearest.

    >>> get("Huber").name, get("MAE").name, get("QuantileLoss").name
    ('huber_loss', 'l1_loss', 'quantile_loss')
    """
    names = _names()
    for reading in _readings(name):
        if _key(reading) in names:
            return names[_key(reading)]
    key = _key(name)
    near = difflib.get_close_matches(key, names, n=3, cutoff=0.5)
    suggestions = list(dict.fromkeys(short_name(names[n]) for n in near))
    hint = f"did you mean {' or '.join(suggestions)}?" if suggestions else "see lossary.find() for all."
    raise UnknownNameError(f"lossary: no loss is called {name!r}; {hint}")


def cost(name: str) -> Cost | None:
    """What the loss of that name costs; ``None`` where it was not measured, as a loss of your own.

    Args:
        name: As for :func:`get`.

    Raises:
        UnknownNameError: if there is no such loss.

    >>> found = cost("cauchy")
    >>> found.nonconvex, found.flat, cost("L1").flat
    (True, False, True)
    """
    measured = _costs()
    return measured[name] if name in measured else measured.get(get(name).name)


def short_name(definition: Definition) -> str:
    """The name without "_loss", as it is written on the command line: ``"huber"``."""
    return definition.name.removesuffix("_loss")


def to_dict(definition: Definition) -> dict[str, Any]:
    """The card as plain data, for JSON."""
    card, module, measured = definition.card, definition.module, cost(definition.name)
    return {
        "name": definition.name,
        "module": None if module is None else module.__name__,
        "known_as": list(card.known_as),
        "tasks": list(card.tasks),
        "formula": card.formula,
        "source": card.source,
        "inputs": [
            {"name": name, "domain": type(domain).__name__, "shape": domain.shape}
            for name, domain in zip(definition.inputs, card.inputs, strict=True)
        ],
        "values": card.values,
        "hyperparameters": [
            {"name": name, "default": _plain(default), "bounds": str(definition.constraints.get(name, ""))}
            for name, default in definition.hyperparameters.items()
        ],
        "claims": sorted(f"{c.claim} if {c.condition}" if isinstance(c, When) else c for c in card.claims),
        "samples": card.samples,
        "memory": card.memory,
        "likelihood": sorted(card.likelihood),
        "good_at": sorted(card.good_at),
        "bad_at": sorted(card.bad_at),
        "elsewhere": dict(card.elsewhere),
        "cost": None if measured is None else asdict(measured),
    }


@functools.cache
def _costs() -> Mapping[str, Cost]:
    """All that was measured, by the name of the function."""
    stored = json.loads(files("lossary").joinpath("costs.json").read_text(encoding="utf-8"))
    return {name: Cost(**figures) for name, figures in stored["losses"].items()}


def _names() -> dict[str, Definition]:
    """Every name by which a loss is found; its own names win over what others are known as."""
    found: dict[str, Definition] = {}
    for d in definitions():
        for known in d.card.known_as:
            found.setdefault(_key(known), d)
    for d in definitions():
        found[_key(d.name)] = d
    return found


def _readings(name: str) -> list[str]:
    """What a name may mean: itself, itself without remarks in brackets, the alternatives it names, and the remarks."""
    plain = re.sub(r"\([^)]*\)", "", name)
    remarks = re.findall(r"\(([^)]*)\)", name)
    return [name, plain, *plain.split("/"), *(part for remark in remarks for part in re.split("[/;]", remark))]


def _key(name: str) -> str:
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    return squeezed.removesuffix("loss") or squeezed


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
