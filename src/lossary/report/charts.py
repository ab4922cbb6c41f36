"""The charts of a comparison, as Altair charts: a notebook shows them, ``chart.save("chart.png")`` writes them.

Every loss keeps its colour in all charts: the first seven ranks have one of their own, the rest share a grey.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossary.comparison.result import Comparison, Entry

from .drawing import (
    PAPER,
    TICKS,
    Row,
    Theme,
    Width,
    Window,
    colours,
    data,
    finish,
    finite,
    interval_layers,
    legend,
    placed,
    quantitative,
    row_chart,
    tip,
    window,
)
from .figures import common_decimals, duration, interval, number, plain, probability, share
from .ranking import (
    lead_places,
    leads,
    learning_rate_ends,
    places_of,
    score_of,
    settings_text,
    standing_against_winner,
)
from .texts import texts

if TYPE_CHECKING:
    import altair as alt

WARM_UP = 0.25
"""Share of the epochs whose scores may lie above or below what the chart of the curves shows."""


def ranking_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """The primary metric of each loss: its mean, the 95% interval of the mean, and a tick for every split."""
    import altair as alt

    words = texts(language)
    name = words.metric(comparison.metric)
    places = places_of(comparison, comparison.metric)
    scores = {entry.label: score_of(entry, comparison.metric) for entry in comparison.entries}
    shown = window((each.low, each.mean, each.high, *each.values) for each in scores.values())
    rows = [
        placed(each.low, each.mean, each.high, shown, number(each.mean, places)) | {
            "loss": entry.label, "seconds": duration(entry.seconds),
            "figure": f"{number(each.mean, places)} {interval(each.low, each.high, places)}",
        }
        for entry, each in zip(comparison.entries, scores.values(), strict=True)
    ]  # fmt: skip
    ticks = [
        {"loss": label, "value": value, "split": split, "figure": number(value, places)}
        for label, each in scores.items()
        for split, value in zip(comparison.splits, each.values, strict=True)
        if shown[0] <= value <= shown[1]
    ]
    direction = words("high_is_better" if comparison.higher_is_better[comparison.metric] else "low_is_better")
    x = quantitative(f"{name} ({direction})", alt.Scale(domain=list(shown), zero=False, nice=False))
    loss = tip("loss", words("tip.loss"))
    splits = alt.Chart(data(ticks)).mark_tick(thickness=1.5, size=18, opacity=0.4)
    layers = [
        splits.encode(x=alt.X("value:Q", **x), tooltip=[loss, tip("split", words("tip.split")), tip("figure", name)]),
        *interval_layers(rows, x, [loss, tip("figure", words("tip.mean", metric=name)),
                                   tip("seconds", words("tip.seconds"))], theme),
    ]  # fmt: skip
    labels = list(scores)
    return row_chart(layers, shown=labels, labels=labels, theme=theme, width=width)


def difference_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """The winner's lead over each other loss with its 95% interval; the band is what is of no practical interest."""
    import altair as alt

    words = texts(language)
    name = words.metric(comparison.metric)
    places = lead_places(comparison)
    all_leads = leads(comparison)
    shown = window(
        [(each.low, each.mean, each.high) for each in all_leads.values()],
        anchors=(-1.2 * comparison.margin, 0.0, 1.2 * comparison.margin),
    )
    rows = [
        placed(each.low, each.mean, each.high, shown, number(each.mean, places, signed=True)) | {
            "loss": label, "standing": words(f"standing.{standing_against_winner(comparison, label)}"),
            "p": words("tip.p", p=probability(each.p), adjusted=probability(each.p_adjusted)),
            "figure": f"{number(each.mean, places, signed=True)} "
                      f"{interval(each.low, each.high, places, signed=True)}",
        }
        for label, each in all_leads.items()
    ]  # fmt: skip
    title = words("differences.axis", metric=name)
    x = quantitative(title, alt.Scale(domain=list(shown), nice=False))
    band = alt.Chart(data([{"from": finite(-comparison.margin), "to": finite(comparison.margin)}]))
    zero = alt.Chart(data([{"at": 0.0}]))
    tips = [tip("loss", words("tip.loss")), tip("figure", words("tip.lead", metric=name)),
            tip("standing", words("tip.standing")), tip("p", "p")]  # fmt: skip
    return row_chart(
        interval_layers(rows, x, tips, theme),
        shown=list(all_leads), labels=[entry.label for entry in comparison.entries], theme=theme, width=width,
        below=[band.mark_rect(color=theme.band, opacity=1).encode(x=alt.X("from:Q", **x), x2="to:Q"),
               zero.mark_rule(color=theme.soft).encode(x=alt.X("at:Q", **x))],
    )  # fmt: skip


def curve_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """The primary metric on the validation part after each epoch: median and quartiles over the splits, per loss."""
    import altair as alt

    words = texts(language)
    name = words.metric(comparison.metric)
    places = places_of(comparison, comparison.metric)
    rows = [
        {"loss": entry.label, "epoch": epoch, "median": finite(median), "low": finite(low), "high": finite(high),
         "figure": f"{number(median, places)} {interval(low, high, places)}"}
        for entry in comparison.entries
        for epoch, (median, low, high) in enumerate(
            zip(entry.curve.median, entry.curve.low, entry.curve.high, strict=True), start=1)
    ]  # fmt: skip
    y: Row = {"title": words("curves.axis", metric=name),
         "scale": alt.Scale(domain=list(_curve_window(comparison)), zero=False, nice=False)}  # fmt: skip
    chosen = alt.selection_point("chosen", fields=["loss"], bind="legend")
    base = alt.Chart(data(rows)).encode(
        x=alt.X("epoch:Q", title=words("curves.epoch"), scale=alt.Scale(nice=False, zero=False),
                axis=alt.Axis(tickMinStep=1, grid=False, tickCount=alt.ExprRef(TICKS))),
        color=colours([entry.label for entry in comparison.entries], theme, legend("stroke")),
    )  # fmt: skip
    # Faint while all are shown, clear for the loss that was chosen, gone for the others.
    states = [{"param": chosen.name, "empty": False, "value": 0.25}, {"param": chosen.name, "value": 0.09}]
    band = base.mark_area(clip=True).encode(
        y=alt.Y("low:Q", **y), y2="high:Q", opacity=alt.OpacityValue(0.0, condition=states)
    )
    line = base.mark_line(clip=True, strokeWidth=2.2).encode(
        y=alt.Y("median:Q", **y), opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.12)),
        tooltip=[tip("loss", words("tip.loss")), tip("epoch", words("curves.epoch")),
                 tip("figure", words("tip.median", metric=name))],
    )  # fmt: skip
    return finish([band, line.add_params(chosen)], height=320, theme=theme, width=width)


def residual_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """Regression: where the residuals of each loss lie; their median, their middle half and their middle 90%."""
    import altair as alt

    words = texts(language)
    places = error_places(comparison)
    rows: list[Row] = []
    for entry in comparison.entries:
        quantile = entry.errors.residual_quantiles
        if not quantile:  # every one of its models diverged
            continue
        rows.append({
            "loss": entry.label,
            **{f"at{key.replace('.', '_')}": finite(value) for key, value in quantile.items()},
            "middle": number(quantile["0.5"], places, signed=True),
            "half": interval(quantile["0.25"], quantile["0.75"], places, signed=True),
            "most": interval(quantile["0.05"], quantile["0.95"], places, signed=True),
        })  # fmt: skip
    x = quantitative(words("errors.residual_axis"), alt.Scale(zero=True))
    zero = alt.Chart(data([{"at": 0.0}])).mark_rule(color=theme.soft).encode(x=alt.X("at:Q", **x))
    base = alt.Chart(data(rows)).encode(tooltip=[
        tip("loss", words("tip.loss")), tip("middle", words("errors.median")), tip("half", words("errors.half")),
        tip("most", words("errors.most")),
    ])  # fmt: skip
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("at0_05:Q", **x), x2="at0_95:Q"),
        base.mark_bar(size=13, opacity=0.4, cornerRadius=2).encode(x=alt.X("at0_25:Q", **x), x2="at0_75:Q"),
        base.mark_tick(thickness=3, size=20).encode(x=alt.X("at0_5:Q", **x)),
    ]
    labels = [entry.label for entry in comparison.entries]
    return row_chart(layers, shown=labels, labels=labels, theme=theme, width=width, below=[zero])


def absolute_error_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """Regression: quantiles of the absolute error of each loss, in percent of those of the winner."""
    import altair as alt

    words = texts(language)
    reference = comparison.winner.errors.absolute_quantiles
    places = error_places(comparison)
    rows: list[Row] = [
        {"loss": entry.label, "level": share(float(key), 0), "relative": finite(100 * (value / reference[key] - 1)),
         "figure": number(value, places), "against": number(100 * (value / reference[key] - 1), 1, signed=True) + "%"}
        for entry in comparison.entries
        for key, value in sorted(entry.errors.absolute_quantiles.items(), key=lambda item: float(item[0]))
        if reference.get(key)
    ]  # fmt: skip
    values = [row["relative"] for row in rows if isinstance(row["relative"], float)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    ticks = [tick for tick in (-80, -50, -20, -10, -5, 0, 5, 10, 20, 50, 100, 200, 500, 1000)
             if low - 5 <= tick <= high + 5]  # fmt: skip
    base = alt.Chart(data(rows)).encode(
        x=alt.X("level:O", sort=None, title=words("errors.level_axis"), axis=alt.Axis(labelAngle=0, grid=False),
                scale=alt.Scale(type="point", padding=0.2)),
        y=alt.Y("relative:Q", title=words("errors.relative_axis"),
                scale=alt.Scale(type="symlog", constant=10),
                axis=alt.Axis(values=ticks, labelExpr="(datum.value > 0 ? '+' : '') + format(datum.value, 'd') + '%'")),
        color=colours([entry.label for entry in comparison.entries], theme, legend("circle")),
        tooltip=[tip("loss", words("tip.loss")), tip("level", words("errors.level")),
                 tip("figure", words("errors.absolute")), tip("against", words("errors.against"))],
    )  # fmt: skip
    layers = [base.mark_line(strokeWidth=2), base.mark_point(filled=True, size=60, opacity=1)]
    return finish(layers, height=300, theme=theme, width=width)


def confidence_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """Classification: the accuracy of each loss (dot) and the mean confidence of its predictions (diamond)."""
    import altair as alt

    words = texts(language)
    rows: list[Row] = []
    for entry in comparison.entries:
        right, sure = score_of(entry, "accuracy").mean, entry.errors.confidence
        if sure is None or not math.isfinite(right) or not math.isfinite(sure):
            continue
        gap = words("errors.too_sure" if sure > right else "errors.too_shy", points=f"{100 * abs(sure - right):.1f}")
        rows.append({"loss": entry.label, "right": right, "sure": sure, "gap": gap, "accuracy": share(right),
                     "confidence": share(sure)})  # fmt: skip
    x = quantitative(words("errors.confidence_axis"), alt.Scale(zero=False, padding=14), format=".0%", tickMinStep=0.01)
    base = alt.Chart(data(rows)).encode(tooltip=[
        tip("loss", words("tip.loss")), tip("accuracy", words("errors.accuracy")),
        tip("confidence", words("errors.confidence")), tip("gap", words("errors.gap")),
    ])  # fmt: skip
    layers = [
        base.mark_rule(strokeWidth=3, opacity=0.45).encode(x=alt.X("right:Q", **x), x2="sure:Q"),
        base.mark_point(filled=True, size=120, opacity=1).encode(x=alt.X("right:Q", **x)),
        base.mark_point(shape="diamond", size=120, strokeWidth=2, fill=theme.background, opacity=1)
        .encode(x=alt.X("sure:Q", **x)),
    ]  # fmt: skip
    labels = [entry.label for entry in comparison.entries]
    return row_chart(layers, shown=[row["loss"] for row in rows], labels=labels, theme=theme, width=width)


def choice_chart(
    comparison: Comparison, *, language: str = "en", theme: Theme = PAPER, width: Width = 640
) -> alt.LayerChart:
    """The learning rate that each loss was given, a dot per split; dashed: the ends of the coarse grid."""
    import altair as alt

    words = texts(language)
    rows: list[Row] = [
        {"loss": entry.label, "split": split, "rate": choice.learning_rate, "figure": plain(choice.learning_rate),
         "others": settings_text(choice.hyperparameters) or words("none"), "epoch": choice.epoch}
        for entry in comparison.entries
        for split, choice in zip(comparison.splits, entry.choices, strict=True)
    ]  # fmt: skip
    rates = [row["rate"] for row in rows]
    ends = learning_rate_ends(comparison) or (min(rates), max(rates))
    low, high = min(*ends, *rates), max(*ends, *rates)
    scale = alt.Scale(type="log", domain=[low / 1.5, high * 1.5], nice=False)
    decades = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    marks = decades + [end for end in ends if all(abs(math.log10(end / decade)) > 0.4 for decade in decades)]
    x = quantitative(words("choices.rate_axis"), scale, values=sorted(marks), format=".1~e")
    dashes = alt.Chart(data([{"at": end} for end in ends])).mark_rule(color=theme.soft, strokeDash=[4, 3])
    points = alt.Chart(data(rows)).mark_point(filled=True, size=34, opacity=0.8).encode(
        x=alt.X("rate:Q", **x),
        yOffset=alt.YOffset("split:N", sort=list(comparison.splits)),
        tooltip=[tip("loss", words("tip.loss")), tip("split", words("tip.split")), tip("figure", words("choices.rate")),
                 tip("others", words("choices.others")), tip("epoch", words("choices.epoch"))],
    )  # fmt: skip
    labels = [entry.label for entry in comparison.entries]
    return row_chart([points], shown=labels, labels=labels, theme=theme, width=width,
                     below=[dashes.encode(x=alt.X("at:Q", **x))], padding=0.35)  # fmt: skip


def error_places(comparison: Comparison) -> int:
    """Decimals for errors in units of the target: three digits of a typical one."""
    return common_decimals((), [value for entry in comparison.entries for value in _error_sizes(entry)])


def _error_sizes(entry: Entry) -> list[float]:
    return [*entry.errors.absolute_quantiles.values(), *entry.errors.residual_quantiles.values()]


def _curve_window(comparison: Comparison) -> Window:
    spans = []
    for entry in comparison.entries:
        start = math.floor(WARM_UP * len(entry.curve.median))
        spans.append((*entry.curve.low[start:], *entry.curve.high[start:]))
    return window(spans)
