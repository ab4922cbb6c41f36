"""A comparison as a page: one file that needs nothing else, neither the network nor another file."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossary.comparison.result import Comparison, TrialSummary

from . import charts, tables
from .drawing import NIGHT, PAPER, Theme, colour
from .figures import duration, interval, number, share
from .pages import environment, variables, write_files
from .ranking import lead_places, leads, margin_text, places_of, score_of, settings_text, standing_against_winner
from .texts import Texts, texts

if TYPE_CHECKING:
    import altair as alt
    from jinja2 import Environment
    from markupsafe import Markup

STILL_WIDTH = 680
"""Width of the pictures that are shown until the script has drawn the charts, in pixels."""

PAGE = Theme(
    series=tuple(f"var(--c{rank})" for rank in range(len(PAPER.series))), rest="var(--rest)", ink="var(--ink)",
    soft="var(--soft)", grid="var(--grid)", band="var(--band)", background="var(--card)",
)  # fmt: skip
"""Colours that the style sheet of the page sets, so that a chart follows light, dark and print by itself."""


def comparison_page(comparison: Comparison, *, language: str = "en") -> str:
    """The report of a comparison as an HTML page of its own, scripts and styles included.

    Args:
        comparison: What to report.
        language: ``"en"`` or ``"zh"`` (Simplified Chinese) for the fixed text. The verdict stays as it is.

    Raises:
        LossInputError: for a language that the reports don't speak.
    """
    words = texts(language)
    facts = [(name, value) for name, value in comparison.environment.items() if name != "command"]
    facts.append((words("data.fingerprint"), comparison.data.fingerprint))
    return _environment().get_template("page.html").render(
        t=words, c=comparison, metric=words.metric(comparison.metric), margin=margin_text(comparison),
        facts=tables.facts(comparison, words), tiles=_tiles(comparison, words),
        figures=_figures(comparison, words, language),
        columns=tables.metric_columns(comparison, words), ranking=tables.ranking_rows(comparison, words),
        pairs=tables.pair_rows(comparison, words), recall=tables.recall_rows(comparison, words),
        absolute=tables.absolute_error_rows(comparison), choices=tables.choice_rows(comparison, words),
        raw=tables.raw_rows(comparison, words), fairness=_fairness(comparison, words),
        settings=tables.settings_rows(comparison.plan),
        environment=facts, light=variables(PAPER), dark=variables(NIGHT), library=_library(),
        longest=max(len(entry.label) for entry in comparison.entries),
    )  # fmt: skip


def write_comparison(comparison: Comparison, folder: Path, *, language: str = "en") -> Path:
    """Write ``report.html``, ``result.json`` and ``trials.csv`` into ``folder``, which is made if it isn't there.

    Each file appears whole or not at all; what stood there before stays until then.

    Returns:
        The path of the page.

    Raises:
        LossInputError: for a language that the reports don't speak.
        OSError: if the folder can't be written to.
    """
    files = {
        "trials.csv": _trials_csv(comparison),
        "result.json": comparison.to_json() + "\n",
        "report.html": comparison_page(comparison, language=language),
    }
    return write_files(folder, files)


def _trials_csv(comparison: Comparison) -> str:
    """A line per trial under the names of the fields of a trial; its hyperparameters as ``delta=0.5``."""
    table = io.StringIO()
    names = [field.name for field in dataclasses.fields(TrialSummary)]
    writer = csv.DictWriter(table, names, lineterminator="\n")
    writer.writeheader()
    for trial in comparison.trials:
        writer.writerow(dataclasses.asdict(trial) | {"hyperparameters": settings_text(trial.hyperparameters)})
    return table.getvalue()


@cache
def _environment() -> Environment:
    """That of all pages, with the filters that the templates of a comparison use."""
    own = environment().overlay()
    own.filters = own.filters | {"label": _breakable, "opening": _opening, "colour": _colour_variable}
    return own


def _opening(text: str) -> str:
    """``text`` with its first letter in upper case, for a heading."""
    return text[:1].upper() + text[1:]


def _breakable(label: str) -> Markup:
    """A label that may break into lines between its words and hyperparameters."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[:,_])", label))


def _colour_variable(rank: int) -> str:
    return colour(rank, PAGE)


@cache
def _library() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script, of whose names only ``vegaEmbed`` is seen outside."""
    import vl_convert
    from markupsafe import Markup

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return Markup("(function () {" + script.replace("</script", "<\\/script") + "})();")


def _figures(comparison: Comparison, words: Texts, language: str) -> dict[str, dict[str, Any]]:
    """The charts that suit the task, by name: specification, still picture, and what they show in words."""
    primary, places, lead_digits = comparison.metric, places_of(comparison, comparison.metric), lead_places(comparison)
    winner, name = comparison.winner.label, words.metric(comparison.metric)
    entries = comparison.entries
    found: dict[str, dict[str, Any]] = {}

    def draw(key: str, chart: Callable[..., alt.LayerChart], about: dict[str, str], **values: str) -> None:
        alternative = words(f"{key}_alt", figures="; ".join(f"{label} {text}" for label, text in about.items()),
                            **values)  # fmt: skip
        found[key] = {"about": alternative} | _embedded(
            chart(comparison, language=language, theme=PAGE, width="container"), key
        )

    scores = {entry.label: score_of(entry, primary) for entry in entries}
    draw("ranking.chart", charts.ranking_chart,
         {label: f"{number(each.mean, places)} {interval(each.low, each.high, places)}"
          for label, each in scores.items()}, metric=name)  # fmt: skip
    draw("differences.chart", charts.difference_chart,
         {label: f"{number(each.mean, lead_digits, signed=True)} "
                 f"{interval(each.low, each.high, lead_digits, signed=True)}"
          for label, each in leads(comparison).items()}, winner=winner)  # fmt: skip
    draw(
        "curves.chart",
        charts.curve_chart,
        {entry.label: number(entry.curve.median[-1], places) for entry in entries if entry.curve.median},
        metric=name,
    )
    if comparison.data.task == "regression":
        errors = charts.error_places(comparison)
        draw("errors.residual", charts.residual_chart,
             {entry.label: number(entry.errors.residual_quantiles.get("0.5"), errors, signed=True)
              for entry in entries})  # fmt: skip
        draw("errors.absolute", charts.absolute_error_chart, {}, winner=winner)
    elif "accuracy" in comparison.winner.scores:
        draw("errors.confidence", charts.confidence_chart,
             {entry.label: f"{share(score_of(entry, 'accuracy').mean)}, {share(entry.errors.confidence)}"
              for entry in entries})  # fmt: skip
    draw("choices.chart", charts.choice_chart,
         {row["label"]: row["rate"] for row in tables.choice_rows(comparison, words)})  # fmt: skip
    return found


def _embedded(chart: alt.LayerChart, key: str) -> dict[str, Any]:
    """A chart as the page holds it: its specification as JSON, and a still picture."""
    import vl_convert
    from markupsafe import Markup

    specification = chart.to_dict(validate=False)  # a third of the time; the tests validate every chart
    del specification["$schema"]  # the address of a document that nobody is to load
    prefix = key.replace(".", "-")
    still = vl_convert.vegalite_to_svg(specification | {"width": STILL_WIDTH})
    still = re.sub(r' xmlns(:\w+)?="[^"]*"', "", still)
    still = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", still)
    # Characters that could end the element are written as escapes, which JSON reads as the same text.
    text = json.dumps(specification, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(
        {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&"}
    )
    return {"id": prefix, "specification": Markup(text), "still": Markup(still)}


def _tiles(comparison: Comparison, words: Texts) -> list[dict[str, str]]:
    """The figures at the head of the page."""
    winner, metric = comparison.winner, comparison.metric
    score, places = score_of(winner, metric), places_of(comparison, metric)
    trials = sum(entry.trials for entry in comparison.entries)
    tiles = [{"value": number(score.mean, places), "detail": interval(score.low, score.high, places),
              "name": words("verdict.score", metric=_opening(words.metric(metric)), winner=winner.label)}]  # fmt: skip
    for label, lead in list(leads(comparison).items())[:1]:
        digits = lead_places(comparison)
        tiles.append({"value": number(lead.mean, digits, signed=True),
                      "detail": interval(lead.low, lead.high, digits, signed=True),
                      "name": words("verdict.runner_up", label=label)})  # fmt: skip
    tiles.append(_rivals_tile(comparison, words))
    tiles.append({"value": str(len(comparison.entries)), "name": words("verdict.compared"),
                  "detail": words("verdict.compared_on", splits=len(comparison.splits), trials=f"{trials:,}"),
                  })  # fmt: skip
    return tiles


def _rivals_tile(comparison: Comparison, words: Texts) -> dict[str, str]:
    """The losses that may be as good as the leader, or if there are none, those that are practically equal to it."""
    found: dict[str, list[str]] = {"undecided": [], "practically equal": []}
    for label in leads(comparison):
        found.setdefault(standing_against_winner(comparison, label), []).append(label)
    rivals = found["undecided"] or found["practically equal"]
    return {"value": str(len(rivals)), "detail": tables.listed(rivals) or words("verdict.group_none"),
            "name": words("verdict.undecided" if found["undecided"] else "verdict.group")}  # fmt: skip


def _fairness(comparison: Comparison, words: Texts) -> list[str]:
    """What makes the comparison fair, and how long it took, in sentences."""
    budgets = [entry.trials for entry in comparison.entries]
    low, high, total = min(budgets), max(budgets), sum(budgets)
    budget = words("plan.fair.budget", trials=low) if low == high else words("plan.fair.budgets", low=low, high=high)
    took = duration(comparison.seconds)
    time = (
        words("plan.time_all", duration=took, trials=f"{total:,}") if comparison.new_trials >= total
        else words("plan.time", duration=took, trials=f"{comparison.new_trials:,}")
    )  # fmt: skip
    return [
        words("plan.fair.splits", splits=len(comparison.splits)), budget, words("plan.fair.tuning"),
        words("plan.fair.leak"), words("plan.fair.stopping", metric=words.metric(comparison.metric)), time,
    ]  # fmt: skip
