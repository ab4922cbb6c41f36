"""What the charts share: colours, the frame with a row per loss, and a window that one outlier can't stretch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import altair as alt

Width = int | Literal["container"]
Row = dict[str, Any]
Window = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of a chart, in any form that SVG takes."""

    series: tuple[str, ...]
    """One per loss, by rank."""
    rest: str
    """For the losses after those."""
    ink: str
    soft: str
    """Labels of the axes."""
    grid: str
    band: str
    """Fill of the band in which differences are of no practical interest."""
    background: str


# Okabe & Ito (2008), told apart under the common colour blindnesses; without its yellow, which is lost on white.
PAPER = Theme(
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#3c434b"), rest="#9aa3ad",
    ink="#1d232a", soft="#5a6572", grid="#e3e7eb", band="#dce5ed", background="#ffffff",
)  # fmt: skip
"""Charts on white."""

NIGHT = Theme(
    series=("#4aa3e0", "#f08040", "#2fc296", "#e29bc6", "#f2b83c", "#9bd3f5", "#dfe3e8"), rest="#79828d",
    ink="#e8ebef", soft="#a3adb8", grid="#2b323a", band="#2a3743", background="#171b20",
)  # fmt: skip
"""The same colours, lighter, on black."""

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", sans-serif'
ROW = 34
"""Height of the row of one loss, in pixels."""
LABEL = 168
"""Longest label of a row, in pixels."""
TICKS = "max(3, floor(width / 80))"
"""How many ticks a horizontal axis has room for, as an expression of Vega's."""
REACH = 2.0
"""How far beyond the better half of the losses a window may reach, in widths of that half."""


def colour(rank: int, theme: Theme = PAPER) -> str:
    """The colour of the loss at ``rank``, counted from 0."""
    return theme.series[rank] if rank < len(theme.series) else theme.rest


def finite(value: float) -> float | None:
    """``value``, or ``None`` where it is not finite: JSON has no word for that."""
    return value if math.isfinite(value) else None


def window(spans: Iterable[Sequence[float]], anchors: Sequence[float] = ()) -> Window:
    """The part of the axis to show: the better half of ``spans`` (given in rank order) and what lies near it.

    One loss that did far worse than all others would squeeze the rest into a few pixels; it is drawn at the edge.
    """
    ranges = [(min(known), max(known)) for span in spans if (known := [x for x in span if math.isfinite(x)])]
    if not ranges:
        return (0.0, 1.0)
    better = ranges[: max(2, math.ceil(len(ranges) / 2))]
    fixed = [anchor for anchor in anchors if math.isfinite(anchor)]
    low = min([start for start, _ in better] + fixed)
    high = max([end for _, end in better] + fixed)
    width = (high - low) or abs(high) or 1.0
    near = [(start, end) for start, end in ranges if low - REACH * width <= (start + end) / 2 <= high + REACH * width]
    low = max(min([low] + [start for start, _ in near]), low - REACH * width)
    high = min(max([high] + [end for _, end in near]), high + REACH * width)
    margin = 0.04 * (high - low) or width / 2
    return (low - margin, high + margin)


def placed(low: float, mean: float, high: float, shown: Window, figure: str) -> Row:
    """An interval as far as ``shown`` has room for it; its figure at the edge if its mean is not in sight."""
    start, end = shown
    row: Row = {"low": None, "mean": None, "high": None, "at_start": "", "at_end": "", "start": start, "end": end}
    if not math.isfinite(mean):
        return row | {"at_start": figure}
    if mean < start:
        return row | {"at_start": f"← {figure}"}
    if mean > end:
        return row | {"at_end": f"{figure} →"}
    if math.isfinite(low) and math.isfinite(high):
        row |= {"low": max(low, start), "high": min(high, end)}
    return row | {"mean": mean}


def data(rows: list[Row]) -> alt.InlineData:
    """Rows as a chart takes them, without a table library."""
    import altair as alt

    return alt.InlineData(values=rows)


def tip(field: str, title: str) -> alt.Tooltip:
    """A line of a tooltip: text that is already as it should be read."""
    import altair as alt

    return alt.Tooltip(f"{field}:N", title=title)


def colours(labels: Sequence[str], theme: Theme, legend: alt.Legend | None = None) -> alt.Color:
    """Each loss in the colour of its rank."""
    import altair as alt

    scale = alt.Scale(domain=list(labels), range=[colour(rank, theme) for rank in range(len(labels))])
    return alt.Color("loss:N", scale=scale, legend=legend)


def legend(symbol: Literal["stroke", "circle"]) -> alt.Legend:
    """Below the chart."""
    import altair as alt

    thickness = 3 if symbol == "stroke" else 0
    return alt.Legend(title=None, orient="bottom", symbolType=symbol, symbolOpacity=1, symbolStrokeWidth=thickness)


def quantitative(title: str, scale: alt.Scale, **axis: Any) -> Row:
    """Title, scale and axis of a horizontal channel, with no more ticks than there is room for."""
    import altair as alt

    if "values" not in axis:
        axis["tickCount"] = alt.ExprRef(TICKS)
    return {"title": title, "scale": scale, "axis": alt.Axis(**axis)}


def interval_layers(rows: list[Row], x: Mapping[str, Any], tips: list[alt.Tooltip], theme: Theme) -> list[alt.Chart]:
    """A line from ``low`` to ``high`` with a dot at ``mean``, or a word at the edge."""
    import altair as alt

    base = alt.Chart(data(rows)).encode(tooltip=tips)
    return [
        base.mark_rule(strokeWidth=3.5, strokeCap="round").encode(x=alt.X("low:Q", **x), x2="high:Q"),
        base.mark_point(filled=True, size=110, opacity=1, stroke=theme.background, strokeWidth=1.5)
        .encode(x=alt.X("mean:Q", **x)),
        base.mark_text(align="left", fontSize=12, dx=4).encode(x=alt.X("start:Q", **x), text="at_start:N"),
        base.mark_text(align="right", fontSize=12, dx=-4).encode(x=alt.X("end:Q", **x), text="at_end:N"),
    ]  # fmt: skip


def row_chart(
    layers: Sequence[alt.Chart], *, shown: Sequence[str], labels: Sequence[str], theme: Theme, width: Width,
    below: Sequence[alt.Chart] = (), padding: float = 0.15,
) -> alt.LayerChart:  # fmt: skip
    """``layers`` in one row per loss of ``shown``, over what ``below`` draws across all rows.

    ``padding`` is the share of a row that stays empty.
    """
    import altair as alt

    # "quantile:q=0.9" takes two lines: the name, and its hyperparameters.
    axis = alt.Axis(title=None, ticks=False, domain=False, labelExpr="split(datum.label, ':')", labelLimit=LABEL,
                    labelColor=theme.ink, labelPadding=8, grid=False,
                    labelOffset={"condition": {"test": "indexof(datum.value, ':') >= 0", "value": -7}, "value": 0},
                    )  # fmt: skip
    y = alt.Y("loss:N", scale=alt.Scale(domain=list(shown), padding=padding), axis=axis)
    rows = [layer.encode(y=y, color=colours(labels, theme)) for layer in layers]
    return finish([*below, *rows], height=ROW * len(shown) + 10, theme=theme, width=width)


def finish(layers: Sequence[alt.Chart], *, height: int, theme: Theme, width: Width) -> alt.LayerChart:
    """``layers`` over each other, with the look that all charts have."""
    import altair as alt

    axis = {
        "labelColor": theme.soft, "titleColor": theme.soft, "gridColor": theme.grid, "domainColor": theme.grid,
        "tickColor": theme.grid, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "titlePadding": 10,
    }  # fmt: skip
    key = {"labelColor": theme.ink, "labelFontSize": 12, "labelLimit": 240, "columns": 3, "columnPadding": 16,
           "rowPadding": 5}  # fmt: skip
    chart = alt.layer(
        *layers, width=width, height=height, background=theme.background,
        padding={"left": 4, "right": 8, "top": 6, "bottom": 4},
        autosize={"type": "fit-x", "contains": "padding"},
        config={"font": FONT, "view": {"stroke": None}, "axis": axis, "axisX": {"titleAnchor": "end"}, "legend": key},
    )  # fmt: skip
    assert isinstance(chart, alt.LayerChart)  # a facet only where a layer is one
    return chart
