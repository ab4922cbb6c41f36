"""From a record to a diagnosis: every rule is asked, consequences are folded under their causes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import torch

from lossary.core import Finding

from . import (  # noqa: F401
    on_batches,
    on_data,
    on_games,
    on_layout,
    on_loop,
    on_losses,
    on_networks,
    on_numerics,
    on_progress,
    on_steps,
)
from .causes import CAUSES, Cause, Evidence
from .errors import told_by_error
from .record import Record
from .result import Diagnosis, Series, Suspicion
from .seen import Seen

_LEAST = 0.55
"""How sure a cause must be to be named."""
_POINTS = 400


def diagnose(record: Record, *, probes: bool = True, seconds: float = 10.0) -> Diagnosis:
    """Ask every rule of the table."""
    threads = torch.get_num_threads()
    seen = Seen(record, probes=probes, seconds=seconds)
    found: dict[str, Evidence] = {}
    failed: list[str] = []
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in trials; the run itself has given them
        for cause in CAUSES.values():
            try:
                evidence = cause.rule(seen)
            except Exception as error:  # a run of a kind that the rule does not know; the others still have their say
                failed.append(f"{cause.name}: its rule failed, {type(error).__name__}: {error}")
                continue
            if evidence is not None and evidence.sure >= _LEAST:
                found[cause.name] = evidence
    for name, words in told_by_error(seen).items():
        found.setdefault(name, Evidence(0.97, f"It said: {words}.", {}))
    assert torch.get_num_threads() == threads
    suspicions = ranked(found)
    return Diagnosis(
        causes=suspicions,
        summary=_summary(suspicions, seen),
        looked_at=_looked_at(seen),
        not_looked_at=(*_not_looked_at(seen), *failed),
        series=_series(seen),
        findings=tuple(
            Finding(subject=s.cause, verdict="suspected" if s.sure < 0.9 else "found", evidence=dict(s.figures),
                    reason=s.words)
            for s in suspicions
        ),
    )  # fmt: skip


def ranked(found: dict[str, Evidence]) -> tuple[Suspicion, ...]:
    """The surest first; a cause that a surer or equal one explains is folded under it."""
    order = sorted(found, key=lambda name: -found[name].sure)
    explained = {name: {*CAUSES[name].explains, *found[name].explains} for name in order}
    folded: dict[str, str] = {}
    for name in order:
        for other in order:
            if name not in explained[other] or found[other].sure < 0.6 or other in folded or other == name:
                continue
            surer = other in explained[name] and found[name].sure > found[other].sure  # each may explain the other
            if not surer:
                folded.setdefault(name, other)
    return tuple(
        _suspicion(CAUSES[name], found[name], tuple(n for n in order if folded.get(n) == name))
        for name in order
        if name not in folded
    )


def _suspicion(cause: Cause, evidence: Evidence, consequences: tuple[str, ...]) -> Suspicion:
    return Suspicion(
        cause=cause.name,
        title=cause.title,
        sure=round(evidence.sure, 3),
        words=evidence.words,
        figures={k: _plain(v) for k, v in evidence.figures.items()},
        began=evidence.began,
        remedy=cause.remedy,
        confirm=cause.confirm,
        source=cause.source,
        consequences=consequences,
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, bool, list)) else float(value) if isinstance(value, float) else value


def _summary(suspicions: Iterable[Suspicion], seen: Seen) -> str:
    first = next(iter(suspicions), None)
    if first is not None:
        return f"{first.title[0].upper()}{first.title[1:]} ({first.cause}, {first.sure:.0%} sure). {first.words}"
    if not seen.moments:
        return "No loss was seen: nothing can be said."
    course = f"the loss went from {seen.start:.4g} to {seen.end:.4g}"
    if math.isfinite(seen.trivial) and not seen.compound:
        course += f", a constant output would have {seen.trivial:.4g}"
    return f"Nothing wrong seen in {len(seen.moments)} batches: {course}."


def _looked_at(seen: Seen) -> dict[str, Any]:
    record, known = seen.record, seen.recognised
    return {
        "batches": len(seen.moments),
        "steps": record.steps,
        "sampled": len(seen.sampled),
        "epochs": len(record.epochs),
        "parameters": sum(p.numel() for p in record.model.parameters()) if record.model is not None else 0,
        "loss": known.name if known is not None else "not recognised",
        "optimizer": type(record.optimizers[0]).__name__ if record.optimizers else "none",
        "lr": seen.lr,
        "start": seen.start,
        "end": seen.end,
        "trivial": seen.trivial,
        "causes looked for": len(CAUSES),
        "trials": sorted(seen.replay.results) if seen.replay is not None else [],
        "seconds": record.seconds,
        "share of watching": record.watching,
    }


def _not_looked_at(seen: Seen) -> Iterable[str]:
    if seen.compound:
        yield "The course of the loss: several optimizers take turns, so that there is no single one."
    if seen.recognised is None and seen.moments:
        yield "What the loss expects: its values are those of no known loss of output and target."
    if not seen.probes:
        yield "Trials of remedies: probes are off."
    elif seen.replay is None and seen.moments:
        yield "Trials of remedies: the model could not be copied, or its loss not be computed again."
    if not any(e.val_loss is not None for e in seen.record.epochs):
        yield "Overfitting: no validation loss was seen."


def _series(seen: Seen) -> Series:
    every = max(1, math.ceil(len(seen.losses) / _POINTS))
    samples = seen.samples[:: max(1, math.ceil(len(seen.samples) / 100))]
    names = list(dict.fromkeys(name for s in samples for name in s.layers))
    return Series(
        losses=tuple(float(x) for x in seen.losses[::every]),
        every=every,
        val_losses=tuple((e.at, e.val_loss) for e in seen.record.epochs if e.val_loss is not None),
        gradients={n: tuple(s.layers[n].gradient if n in s.layers else math.nan for s in samples) for n in names},
        sampled=tuple(s.number for s in samples),
        trivial=seen.trivial,
    )
