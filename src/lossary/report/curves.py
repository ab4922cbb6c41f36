"""The curve of a loss: its value and its gradient along one line through its inputs, and the charts of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lossary.core import Definition

from .drawing import PAPER, Theme, Window, colours, data, finish, legend
from .figures import plain
from .views import agree, evaluate, view_of

if TYPE_CHECKING:
    import altair as alt

Quantity = Literal["value", "gradient"]

EXTRA = 3
"""Settings shown besides the defaults, at most."""
OUTLYING = 3.0
"""A curve is cut where its ends reach this many times as far as its middle nine tenths."""


@dataclass(frozen=True)
class Series:
    """One loss under one setting."""

    label: str
    values: tuple[float, ...]
    slopes: tuple[float, ...]
    """Derivative of the value, by automatic differentiation: what the loss holds constant does not count."""


@dataclass(frozen=True)
class LossCurve:
    """What moves, where it goes, and what the loss makes of it; the defaults come first."""

    x_label: str
    x: tuple[float, ...]
    series: tuple[Series, ...]


def curve(definition: Definition) -> LossCurve | None:
    """The curve of a loss at its defaults and at up to three of its settings; ``None`` where it has none.

    >>> from lossary import get
    >>> found = curve(get("huber"))
    >>> found.x_label, [series.label for series in found.series]
    ('prediction - target', ['delta = 1 (default)', 'delta = 0.1', 'delta = 0.5', 'delta = 2'])
    """
    view = view_of(definition)
    if view is None:
        return None
    settings: list[Mapping[str, Any]] = [{}, *_settings(definition)]
    varied = list(dict.fromkeys(name for setting in settings for name in setting))
    series: list[Series] = []
    for setting in settings:
        for version, build in view.versions.items():
            values, slopes = evaluate(definition, setting, build, view.x)
            if not any(agree(values, known.values) and agree(slopes, known.slopes) for known in series):
                label = ", ".join(filter(None, [version, _setting_words(definition, setting, varied)]))
                series.append(Series(label, tuple(values.tolist()), tuple(slopes.tolist())))
            if setting:
                break  # another target is shown at the defaults only
    return LossCurve(view.x_label, tuple(view.x.tolist()), tuple(series))


def loss_chart(found: LossCurve, quantity: Quantity, theme: Theme = PAPER, width: int = 340) -> alt.LayerChart:
    """The values or the slopes, a line for each setting; the chart of the values has the legend."""
    import altair as alt

    labels = [series.label for series in found.series]
    lines = [series.values if quantity == "value" else series.slopes for series in found.series]
    # As text, for a row each is checked by Altair for a second.
    rows = "\n".join(
        ["loss\tx\ty"]
        + [f"{label}\t{x:.6g}\t{y:.6g}" for label, line in zip(labels, lines, strict=True)
           for x, y in zip(found.x, line, strict=True)]
    )  # fmt: skip
    numbers = alt.CsvDataFormat(type="tsv", parse={"x": "number", "y": "number"})
    key = None
    if quantity == "value" and len(labels) > 1:
        key = legend("stroke")
        key.columns = 1
    line = (
        alt.Chart(alt.InlineData(values=rows, format=numbers))
        .mark_line(strokeWidth=2.2, clip=True)
        .encode(
            x=alt.X("x:Q", title=found.x_label, axis=alt.Axis(tickCount=5), scale=alt.Scale(nice=False)),
            y=alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=list(extent(lines)))),
            color=colours(labels, theme, key),
            order="x:Q",
        )
    )
    zero = alt.Chart(data([{"y": 0.0}])).mark_rule(color=theme.soft, strokeWidth=1, clip=True).encode(y="y:Q")
    return finish([zero, line], height=190, theme=theme, width=width)


def loss_svg(found: LossCurve, quantity: Quantity) -> str:
    """The chart as an SVG that scales with the page."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(loss_chart(found, quantity).to_dict()))


def extent(lines: Sequence[Sequence[float]]) -> Window:
    """The lowest and the highest value to show: all, but for a pole at the end, which would flatten the rest."""
    low, high = min(map(min, lines)), max(map(max, lines))
    ordered = sorted(value for line in lines for value in line)
    start, end = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    reach = OUTLYING * (end - start)
    if 0.0 < reach < high - low:
        low, high = max(low, start - reach / 5), min(high, end + reach / 5)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _settings(definition: Definition) -> list[Mapping[str, Any]]:
    """Settings that differ from the defaults: values to tune of the first hyperparameter, then those of the card."""
    name, tuned = next(iter(definition.card.tune.items()), ("", ()))
    values = [value for value in tuned if value != definition.hyperparameters[name]]
    if len(values) > EXTRA:
        values = [values[round(i * (len(values) - 1) / (EXTRA - 1))] for i in range(EXTRA)]
    candidates: list[Mapping[str, Any]] = [{name: value} for value in values]
    if not candidates:
        # Not switches: some change what an input means, as that a target comes as logarithms.
        candidates = [s for s in definition.card.settings if all(type(v) in (int, float, str) for v in s.values())]
    return candidates[:EXTRA]


def _setting_words(definition: Definition, setting: Mapping[str, Any], varied: Sequence[str]) -> str:
    """``"delta = 0.5"``; the defaults by the one hyperparameter that the other settings vary, where there is one."""
    if not setting and len(varied) != 1:
        return "default"
    values = {**definition.hyperparameters, **setting}
    words = [f"{name} = {plain(values[name]) if isinstance(values[name], float) else values[name]}"
             for name in (setting or varied)]  # fmt: skip
    return ", ".join(words) + ("" if setting else " (default)")
