"""The charts of a diagnosis, as Altair charts: the course of the loss, and the gradients of the layers over time."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

from lossary.diagnosis import Diagnosis

from .drawing import PAPER, TICKS, Row, Theme, Width, data, finish, finite
from .figures import plain
from .texts import Texts, texts

if TYPE_CHECKING:
    import altair as alt

LOG_FROM = 30.0
"""The scale is logarithmic where the highest loss is this many times the lowest: else its end would be a flat line."""
DECADES = 12
"""Most powers of ten that a chart shows; what lies below is drawn at its lower end."""
LAYERS, COLUMNS = 36, 60
"""Most rows and columns of the gradient chart; of more, an even choice."""
MARKS = 5
"""Most causes whose beginning is marked."""
LABEL = 26
"""Characters of a layer's name that are shown, the last ones."""


def loss_chart(
    diagnosis: Diagnosis, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """The loss of the batches, faint, and its running median; validation losses; the trivial loss; where causes began.

    Args:
        diagnosis: Of which run.
        language: ``"en"`` or ``"zh"``.
        theme: Its colours.
        width: In pixels, or ``"container"``.
    """
    import altair as alt

    words, series = texts(language), diagnosis.series
    batches = [i * series.every for i in range(len(series.losses))]
    validation = [(at, value) for at, value in series.val_losses if math.isfinite(value)]
    shown = [v for v in (*series.losses, *(v for _, v in validation), series.trivial) if math.isfinite(v)]
    scale, axis, floor = _vertical(shown)
    last = max([*batches, *(at for at, _ in validation), 1])
    x = alt.X("batch:Q", title=words("diagnosis.batch"), scale=alt.Scale(domain=[0, last], nice=False),
              axis=alt.Axis(grid=False, tickCount=alt.ExprRef(TICKS), tickMinStep=1))  # fmt: skip
    y: Row = {"title": words("diagnosis.loss"), "scale": scale, "axis": axis}
    names = [words("diagnosis.training"), words("diagnosis.validation")]
    key = alt.Legend(title=None, orient="bottom", symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3)
    colour = alt.Color("what:N", legend=key if validation else None,
                       scale=alt.Scale(domain=names, range=[theme.series[0], theme.series[2]]))  # fmt: skip

    def chart(points: Sequence[tuple[int, float]], what: str) -> alt.Chart:
        rows = [{"batch": at, "value": finite(max(v, floor)), "what": what} for at, v in points]
        return alt.Chart(data(rows)).encode(x=x, y=alt.Y("value:Q", **y), color=colour)

    many = len(series.losses) >= 40
    raw = chart(list(zip(batches, series.losses, strict=True)), names[0])
    layers = [raw.mark_line(clip=True, strokeWidth=1.2, opacity=0.35 if many else 1.0)]
    if many:
        smooth = list(zip(batches, _running_median(series.losses), strict=True))
        layers.append(chart(smooth, names[0]).mark_line(clip=True, strokeWidth=2.4))
    if validation:
        layers.append(
            chart(validation, names[1]).mark_line(clip=True, strokeWidth=2, point=alt.OverlayMarkDef(size=36))
        )
    lone = [(batches[i], series.losses[i]) for i in _lone(series.losses)]
    if lone:
        layers.append(chart(lone, names[0]).mark_point(filled=True, size=40, opacity=1))
    began = [min(cause.began, last) for cause in diagnosis.causes]
    below = _beyond(batches, series.losses, words, x, last, theme)
    above = [*_trivial(series.trivial, words, x, y, last, theme), *_marks(diagnosis, began, x, last, theme)]
    return finish([*below, *layers, *above], height=300, theme=theme, width=width)


def gradient_chart(
    diagnosis: Diagnosis, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """A row per layer, the first at the top, a column per sampled batch: the root mean square of the gradient.

    Where a gradient is zero, the cell is grey; where it is not a number, it has the second colour of the theme.

    Args:
        diagnosis: Of which run; its series has gradients.
        language: ``"en"`` or ``"zh"``.
        theme: Its colours.
        width: In pixels, or ``"container"``.
    """
    import altair as alt

    words, series = texts(language), diagnosis.series
    layers = shown_layers(series.gradients)
    columns = _even(range(len(series.sampled)), COLUMNS)
    sampled = [series.sampled[i] for i in columns]
    sizes = [v for name in layers for v in series.gradients[name] if math.isfinite(v) and v > 0]
    high = max(sizes, default=1.0)
    low = max(min(sizes, default=0.1), high / 10.0**DECADES)
    low = low if low < high else high / 10
    lines: dict[str, list[str]] = {"zero": [], "bad": [], "number": []}
    for name in layers:
        for place, column in enumerate(columns):
            value = series.gradients[name][column]
            kind = "bad" if not math.isfinite(value) else "number" if value > 0 else "zero"
            lines[kind].append(f"{name}\t{place}\t{place + 1}\t{max(value, low) if kind == 'number' else low:.4g}")
    numbers = {"start": "number", "end": "number", "size": "number"}
    steps = alt.Axis(grid=False, ticks=False, values=[i + 0.5 for i in _even(range(len(sampled)), 15)],
                     labelExpr=f"{sampled}[floor(datum.value)]")  # fmt: skip
    across: Row = {"title": words("diagnosis.sampled"), "axis": steps,
                   "scale": alt.Scale(domain=[0, len(sampled)], nice=False)}  # fmt: skip
    y = alt.Y("layer:N", scale=alt.Scale(domain=layers, padding=0.06), axis=_layer_axis(layers))
    colour = alt.Color("size:Q", scale=alt.Scale(type="log", scheme="viridis", domain=[low, high], nice=False),
                       legend=_size_legend(low, high, words, theme))  # fmt: skip
    charts = []
    for kind, fill in (("zero", theme.rest), ("bad", theme.series[1]), ("number", None)):
        if not lines[kind]:
            continue
        text = "\n".join(["layer\tstart\tend\tsize", *lines[kind]])  # as text: Altair checks rows one by one
        values = alt.InlineData(values=text, format=alt.CsvDataFormat(type="tsv", parse=numbers))
        chart = alt.Chart(values).encode(x=alt.X("start:Q", **across), x2="end:Q", y=y)
        charts.append(chart.mark_rect().encode(color=colour) if fill is None else chart.mark_rect(fill=fill))
    began = [min(bisect_left(sampled, cause.began), len(sampled)) for cause in diagnosis.causes]
    marks = _marks(diagnosis, began, alt.X("batch:Q", **across), len(sampled), theme)
    return finish([*charts, *marks], height=max(18 * len(layers), 72), theme=theme, width=width)


def shown_layers(gradients: Mapping[str, Sequence[float]]) -> list[str]:
    """Names of the parameters that the chart has room for: weights, an even choice where they are many.

    >>> shown_layers({"0.weight": [1.0], "0.bias": [1.0]})
    ['0.weight']
    """
    weights = [name for name in gradients if not name.rpartition(".")[2].startswith("bias")]
    return _even(weights or list(gradients), LAYERS)


def unusual(diagnosis: Diagnosis) -> set[str]:
    """Which of ``"zero"`` and ``"bad"`` (not a number) are among the gradients shown."""
    values = [v for name in shown_layers(diagnosis.series.gradients) for v in diagnosis.series.gradients[name]]
    return {"zero" if v == 0 else "bad" for v in values if v == 0 or not math.isfinite(v)}


def decades(low: float, high: float, most: int = 8) -> list[float]:
    """Powers of ten from low to high, no more than so many.

    >>> decades(0.02, 30.0)
    [0.1, 1.0, 10.0]
    """
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    return [10.0**power for power in powers[:: max(1, math.ceil(len(powers) / most))]]


def _even(items: Sequence[Any], most: int) -> list[Any]:
    return [items[i * len(items) // most] for i in range(most)] if len(items) > most else list(items)


def _layer_axis(layers: Sequence[str]) -> alt.Axis:
    """Names of layers at the left, with room enough whatever the font."""
    import altair as alt

    short = f"length(datum.label) > {LABEL} ? '…' + slice(datum.label, -{LABEL - 1}) : datum.label"
    room = 8 + 7 * min(max(map(len, layers)), LABEL)
    return alt.Axis(title=None, ticks=False, domain=False, grid=False, labelExpr=short, labelLimit=room, minExtent=room)


def _size_legend(low: float, high: float, words: Texts, theme: Theme) -> alt.Legend:
    import altair as alt

    ticks = decades(low, high)
    return alt.Legend(
        title=words("diagnosis.gradient_size"), orient="bottom", gradientLength=260, titleLimit=420,
        values=ticks if len(ticks) > 1 else [low, high], format=".1~e", titleColor=theme.soft, titleFontSize=12,
        titleFontWeight="normal",
    )  # fmt: skip


def _vertical(values: Sequence[float]) -> tuple[alt.Scale, alt.Axis, float]:
    """The scale of the losses, its axis, and the value below which nothing is told apart."""
    import altair as alt

    low, high = min(values, default=0.0), max(values, default=1.0)
    positive = [v for v in values if v > 0]
    if positive and len(positive) > 0.98 * len(values) and high > LOG_FROM * min(positive):
        floor = max(min(positive), high / 10.0**DECADES)
        ticks = decades(floor, high)
        if len(ticks) < 4:
            near = [each for power in decades(floor / 10, high) for each in (power, 2 * power, 5 * power)]
            ticks = [tick for tick in near if floor <= tick <= high]
        scale = alt.Scale(type="log", domain=[floor / 1.15, high * 1.15], nice=False)
        return scale, alt.Axis(values=ticks, format=".4~g" if floor > 1e-4 and high < 1e5 else ".1~e"), floor
    typical = median(map(abs, values)) if values else 1.0
    if max(abs(low), abs(high)) > LOG_FROM * typical > 0:
        return alt.Scale(type="symlog", constant=typical), alt.Axis(tickCount=5, format=".3~g"), -math.inf
    margin = 0.05 * (high - low) or abs(high) or 1.0
    bottom = 0.0 if 0 <= low < (high - low) / 2 else low - margin
    return alt.Scale(domain=[bottom, high + margin], nice=False), alt.Axis(tickCount=5), -math.inf


def _running_median(values: Sequence[float]) -> list[float]:
    """Over a twentieth of the values, centred, of those that are finite."""
    reach = max(2, len(values) // 40)
    out = []
    for i, value in enumerate(values):
        near = [v for v in values[max(0, i - reach) : i + reach + 1] if math.isfinite(v)]
        out.append(median(near) if near and math.isfinite(value) else math.nan)
    return out


def _lone(values: Sequence[float]) -> list[int]:
    """Places of values that no line passes through: finite ones between others that are not."""
    finite_at = [False, *map(math.isfinite, values), False]
    return [i - 1 for i in range(1, len(finite_at) - 1) if finite_at[i] and not (finite_at[i - 1] or finite_at[i + 1])]


def _beyond(batches: Sequence[int], values: Sequence[float], words: Texts, x: alt.X, last: int, theme: Theme,
            ) -> list[alt.Chart]:  # fmt: skip
    """A band where the loss had ceased to be finite for good."""
    import altair as alt

    ended = next((i for i in range(len(values), 0, -1) if math.isfinite(values[i - 1])), 0)
    if ended == len(values):
        return []
    base = alt.Chart(data([{"batch": batches[ended], "last": last, "name": words("diagnosis.not_finite")}]))
    text = base.mark_text(color=theme.soft, align="left", baseline="bottom", dx=6, fontSize=12)
    return [
        base.mark_rect(fill=theme.band, opacity=0.6).encode(x=x, x2="last:Q"),
        text.encode(x=x, y=alt.value(290), text="name:N"),
    ]


def _trivial(value: float, words: Texts, x: alt.X, y: Row, last: int, theme: Theme) -> list[alt.Chart]:
    """The loss of the best constant output, as a dashed line with its name."""
    import altair as alt

    if not math.isfinite(value):
        return []
    base = alt.Chart(data([{"batch": last, "value": value, "name": words("diagnosis.trivial", value=plain(value, 3))}]))
    line = base.mark_rule(color=theme.soft, strokeDash=[5, 4]).encode(y=alt.Y("value:Q", **y))
    name = base.mark_text(align="right", baseline="bottom", dy=-4, fontSize=12, color=theme.soft)
    halo = name.mark_text(align="right", baseline="bottom", dy=-4, fontSize=12, color=theme.background, strokeWidth=5,
                          stroke=theme.background, strokeJoin="round")  # fmt: skip
    return [line, *(each.encode(x=x, y=alt.Y("value:Q", **y), text="name:N") for each in (halo, name))]


def _marks(diagnosis: Diagnosis, began: Sequence[int], x: alt.X, last: int, theme: Theme) -> list[alt.Chart]:
    """A line where causes began, with their numbers and names above the chart."""
    import altair as alt

    named = [(at, f"{i} {cause.cause}") for i, (at, cause) in enumerate(zip(began, diagnosis.causes, strict=True), 1)]
    charts = []
    together = groupby(sorted(named[:MARKS], key=lambda each: each[0]), key=lambda each: each[0])
    for row, (at, causes) in enumerate(together):
        base = alt.Chart(data([{"batch": at, "name": ", ".join(name for _, name in causes)}]))
        line = base.mark_rule(color=theme.series[1], strokeWidth=1.5).encode(x=x)
        text = base.mark_text(color=theme.series[1], fontSize=12, fontWeight=600, baseline="bottom",
                              align="left" if at < 0.6 * last else "right")  # fmt: skip
        charts += [line, text.encode(x=x, y=alt.value(-4 - 15 * row), text="name:N")]
    return charts
