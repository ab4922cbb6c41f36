"""The tables of the page: the figures of a comparison as text, row by row, ready to be set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import Any

from lossary.comparison.result import Comparison, Difference, Entry

from .charts import error_places
from .figures import NO_FIGURE, common_decimals, duration, interval, number, plain, probability, share
from .ranking import AGAINST, lead_places, leads, places_of, score_of, settings_text, standing_against_winner
from .texts import Texts

Row = dict[str, Any]

SYMBOLS = {"winner": "★", "better": "▲", "worse": "▼", "practically equal": "≈", "undecided": "?", "no score": "×"}
FEW = 8
"""So many names are written out; of more, only the number."""


def facts(comparison: Comparison, words: Texts) -> list[tuple[str, str]]:
    """What was learned from, as pairs of name and value."""
    data = comparison.data
    counts = data.class_counts or (None,) * len(data.classes)
    classes = [
        name if count is None else f"{name} ({count:,})" for name, count in zip(data.classes, counts, strict=True)
    ]
    found = [
        (words("data.name"), data.name),
        (words("data.task"), words(f"task.{data.task}")),
        (words("data.target"), listed(data.target)),
        (words("data.samples"), f"{data.samples:,}"),
        (
            words("data.features"),
            ", ".join(
                words(f"data.{kind}", count=f"{count:,}")
                for kind, count in (("numeric", data.numeric), ("categorical", data.categorical))
                if count
            ),
        ),
        (words("data.missing"), share(data.missing) if data.missing else words("none")),
    ]
    return [*found, (words("data.classes"), listed(classes))] if classes else found


def listed(names: Sequence[str]) -> str:
    """All names, or of many the first few and their number."""
    return ", ".join(names) if len(names) <= FEW else f"{', '.join(names[:3])}, … ({len(names)})"


def metric_columns(comparison: Comparison, words: Texts) -> list[Row]:
    """Every metric, the primary one first."""
    names = sorted(comparison.higher_is_better, key=lambda name: name != comparison.metric)
    return [
        {"key": name, "name": words.metric(name), "about": words.about_metric(name),
         "arrow": "↑" if comparison.higher_is_better[name] else "↓",
         "direction": words("high_is_better" if comparison.higher_is_better[name] else "low_is_better")}
        for name in names
    ]  # fmt: skip


def ranking_rows(comparison: Comparison, words: Texts) -> list[Row]:
    """Per loss: its standing, the winner's lead over it, and a cell for each of :func:`metric_columns`."""
    places = lead_places(comparison)
    against = leads(comparison)
    reasons = {finding.subject: finding.reason for finding in comparison.findings}
    columns = [_score_cells(comparison, column["key"]) for column in metric_columns(comparison, words)]
    rows = []
    for rank, entry in enumerate(comparison.entries):
        standing, lead = standing_against_winner(comparison, entry.label), against.get(entry.label)
        rows.append({
            "rank": rank, "label": entry.label, "standing": standing, "standing_text": words(f"standing.{standing}"),
            "symbol": SYMBOLS[standing], "reason": reasons.get(entry.label, ""), "code": entry.code,
            "lead": _behind(lead, places) if lead else "",
            "cells": [column[rank] for column in columns],
        })  # fmt: skip
    return rows


def _behind(lead: Difference, places: int) -> str:
    """How far the loss is behind the winner."""
    return f"{number(-lead.mean, places, signed=True)} {interval(-lead.high, -lead.low, places, signed=True)}"


def _score_cells(comparison: Comparison, metric: str) -> list[Row]:
    places = places_of(comparison, metric)
    scores = [score_of(entry, metric) for entry in comparison.entries]
    cells: list[Row] = [
        {"value": number(each.mean, places), "interval": interval(each.low, each.high, places)} for each in scores
    ]
    best = _best([each.mean for each in scores], highest=comparison.higher_is_better[metric])
    return _marked(cells, best)


def pair_rows(comparison: Comparison, words: Texts) -> list[Row]:
    """The square of all pairs: in each row, the difference of its loss to every other, or ``None`` to itself."""
    places = lead_places(comparison)
    pairs = {(each.first, each.second): each for each in comparison.differences}
    labels = [entry.label for entry in comparison.entries]
    return [
        {"rank": rank, "label": row, "cells": [_pair_cell(pairs, row, column, places, words) for column in labels]}
        for rank, row in enumerate(labels)
    ]


def _pair_cell(
    pairs: Mapping[tuple[str, str], Difference], row: str, column: str, places: int, words: Texts
) -> Row | None:
    if row == column:
        return None
    each = pairs.get((row, column)) or pairs[column, row]
    mean, low, high, standing = each.mean, each.low, each.high, str(each.standing)
    if each.first != row:
        mean, low, high, standing = -mean, -high, -low, AGAINST.get(standing, standing)
    difference = number(mean, places, signed=True)
    about = words(
        "differences.cell", row=row, column=column, difference=difference, p=probability(each.p),
        interval=interval(low, high, places, signed=True), adjusted=probability(each.p_adjusted),
        standing=words(f"standing.{standing}"),
    )  # fmt: skip
    return {"standing": standing, "symbol": SYMBOLS[standing], "value": difference, "about": about}


def recall_rows(comparison: Comparison, words: Texts) -> list[Row]:
    """Classification: per loss the recall of each class, with its depth of colour in [0, 1]."""
    recalls = [entry.errors.recall for entry in comparison.entries]
    known = [value for recall in recalls for value in recall.values() if math.isfinite(value)]
    lowest = math.floor(10 * min(known, default=0.0)) / 10
    rows = []
    for rank, (entry, recall) in enumerate(zip(comparison.entries, recalls, strict=True)):
        cells = []
        for name in comparison.data.classes:
            value = recall.get(name, math.nan)
            depth = (value - lowest) / (1 - lowest) if math.isfinite(value) and lowest < 1 else 0.0
            about = words("errors.recall_cell", loss=entry.label, name=name, recall=share(value),
                          precision=share(entry.errors.precision.get(name)))  # fmt: skip
            cells.append({"value": share(value), "depth": f"{depth:.2f}", "deep": depth > 0.6, "about": about})
        rows.append({"rank": rank, "label": entry.label, "cells": cells})
    return rows


def absolute_error_rows(comparison: Comparison) -> tuple[list[str], list[Row]]:
    """Regression: the quantiles of the absolute error as percentages, and per loss a cell for each."""
    keys = sorted({key for entry in comparison.entries for key in entry.errors.absolute_quantiles}, key=float)
    places = error_places(comparison)
    columns = []
    for key in keys:
        values = [entry.errors.absolute_quantiles.get(key, math.nan) for entry in comparison.entries]
        cells: list[Row] = [{"value": number(value, places)} for value in values]
        columns.append(_marked(cells, _best(values, highest=False)))
    rows = [
        {"rank": rank, "label": entry.label, "cells": [column[rank] for column in columns]}
        for rank, entry in enumerate(comparison.entries)
    ]
    return [share(float(key), 0) for key in keys], rows


def choice_rows(comparison: Comparison, words: Texts) -> list[Row]:
    """Per loss what the inner splits chose, and what it cost."""
    return [
        {"rank": rank, "label": entry.label,
         "rate": _range([choice.learning_rate for choice in entry.choices], digits=2),
         "others": _tally(entry) or words("none"), "epoch": _range([choice.epoch for choice in entry.choices]),
         "trials": f"{entry.trials:,}", "diverged": f"{entry.diverged:,}", "time": duration(entry.seconds)}
        for rank, entry in enumerate(comparison.entries)
    ]  # fmt: skip


def raw_rows(comparison: Comparison, words: Texts) -> list[Row]:
    """Every loss on every split: its scores in the order of :func:`metric_columns`, and what was chosen."""
    names = [column["key"] for column in metric_columns(comparison, words)]
    places = {}
    for name in names:
        values = [value for entry in comparison.entries for value in score_of(entry, name).values]
        places[name] = max(places_of(comparison, name), common_decimals((), values))
    rows = []
    for rank, entry in enumerate(comparison.entries):
        for index, (split, choice) in enumerate(zip(comparison.splits, entry.choices, strict=True)):
            scores = [number(_at(score_of(entry, name).values, index), places[name]) for name in names]
            rows.append({
                "rank": rank, "label": entry.label, "split": split, "scores": scores,
                "rate": plain(choice.learning_rate), "others": settings_text(choice.hyperparameters) or words("none"),
                "epoch": str(choice.epoch),
            })  # fmt: skip
    return rows


def settings_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values as they are, sequences separated by commas."""
    return [(name, _setting(value)) for name, value in settings.items()]


def _setting(value: Any) -> str:
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_setting(part)}" for name, part in value.items()) or NO_FIGURE
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(part) for part in value) or NO_FIGURE
    return NO_FIGURE if value is None else str(value)


def _at(values: Sequence[float], index: int) -> float | None:
    return values[index] if index < len(values) else None


def _best(values: Sequence[float], *, highest: bool) -> int | None:
    """Index of the best finite value."""
    finite = [index for index, value in enumerate(values) if math.isfinite(value)]
    sign = 1 if highest else -1
    return max(finite, key=lambda index: sign * values[index]) if finite else None


def _marked(cells: list[Row], best: int | None) -> list[Row]:
    """The best cell marked, with those that read the same."""
    for cell in cells:
        cell["best"] = best is not None and cell["value"] == cells[best]["value"]
    return cells


def _range(values: Iterable[float], digits: int = 4) -> str:
    """The median, and from where to where."""
    ordered = sorted(values)
    middle, low, high = (plain(value, digits) for value in (median_low(ordered), ordered[0], ordered[-1]))
    return middle if low == high else f"{middle} ({low}–{high})"


def _tally(entry: Entry) -> str:
    """How often each value of each hyperparameter was chosen: ``"delta: 0.5 ×3, 1 ×7"``."""
    names = {name: None for choice in entry.choices for name in choice.hyperparameters}
    parts = []
    for name in names:
        counts = Counter(choice.hyperparameters[name] for choice in entry.choices if name in choice.hyperparameters)
        tally = [f"{plain(value)}\u00a0×{count}" for value, count in sorted(counts.items())]
        parts.append(f"{name}: {', '.join(tally)}")
    return "; ".join(parts)
