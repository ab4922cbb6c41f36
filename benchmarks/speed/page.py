"""``python -m benchmarks.speed.page [FILE]``: the tables and the chart of docs/performance.md from a stored run.

FILE, the ``speed.json`` of a run, is kept as docs/performance.json first; without it, what is kept is rendered anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lossary.report.drawing import PAPER, data, finish

from .figures import COUNTED, Found, Standing, absent, lost, standings, troubles

DOCS = Path(__file__).parents[2] / "docs"
START, END = "<!-- results: python -m benchmarks.speed.page -->", "<!-- end of results -->"
CHART = "images/performance.svg"
ROW = 15
MEGABYTE = 2**20


def rendered(page: str, found: Found) -> str:
    """``page`` with what stands between the markers made anew.

    Raises:
        ValueError: if the page lacks a marker.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"rendered: `page` must hold {START} and {END}, got neither or one.")
    return "".join([before, START, "\n\n", "\n".join(_results(found)), "\n\n", END, after])


def _results(found: Found) -> Iterator[str]:
    known = {s.name: s for s in standings(found)}
    all_of_them = list(known.values())
    yield f"{_machine(found['about'])}\n"
    if all_of_them:
        yield from _overview(all_of_them)
        yield f"\n![Time of each loss over the floor, and that of the best other]({CHART})"
    for group in dict.fromkeys(case["group"] for case in found["cases"].values()):
        yield f"\n### {group.capitalize()}\n"
        cases = {name: case for name, case in found["cases"].items() if case["group"] == group}
        yield from _table(cases, known)
    if found["small"]:
        yield "\n### Some 50 numbers\n"
        yield "What a call costs where there is nothing to compute: microseconds, forward and backward.\n"
        yield from _small(found["small"])
    yield "\n### Where we lose\n"
    behind = [f"- **{s.name}**: {s.best} takes {s.lead:.2f} of our time ({_ms(s.best_ms)} and {_ms(s.ours)} ms)."
              for s in lost(all_of_them)]  # fmt: skip
    yield "\n".join(behind or ["Nowhere in this run."])
    yield "\n### What did not run, or not as expected\n"
    missing = [f"- {who}: {', '.join(names)}." for who, names in absent(found).items()]
    yield "\n".join([*missing, *(f"- {text}." for text in troubles(found)), *_other_definitions(found)] or ["Nothing."])


def _machine(about: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    scale = "" if about["scale"] == 1.0 else f" Sizes are multiplied by {about['scale']:.3g}: a trial, no result."
    pinned = "pinned to cores of their own" if about["pinned"] else "not pinned"
    memory = f" Memory: {about['memory']}." if about["memory"] else ""
    return (f"Measured on {about['processor']}, {about['system']}, threads: {about['threads']}, {pinned}; Python "
            f"{about['python']}; {versions}; {about['rounds']} rounds.{scale}{memory}")  # fmt: skip


def _overview(all_of_them: list[Standing]) -> Iterator[str]:
    leads = [s.lead for s in all_of_them]
    ahead, worst = sum(lead > 1 / 0.95 for lead in leads), min(all_of_them, key=lambda s: s.lead)
    yield (f"In {len(leads)} cases the best other takes {statistics.median(leads):.2f} times our time in the median. "
           f"We are ahead by more than 5% in {ahead}, behind by more than 5% in {len(lost(all_of_them))}; the worst is "
           f"{worst.name} with {worst.lead:.2f}. We take "
           f"{statistics.median(s.over_floor for s in all_of_them):.2f} times the floor in the median.")  # fmt: skip


def _table(cases: Found, known: Mapping[str, Standing]) -> Iterator[str]:
    yield ("| case | size | floor | lossary | kernels off | torch | eager | best peer | compiled | best other / ours"
           " | ours / floor | peak MB: ours / least other |")  # fmt: skip
    yield "|---|---|" + "---:|" * 10
    for name, case in cases.items():
        ran = case["contenders"]
        standing = known.get(name)
        peers = {who: c for who, c in ran.items() if c.get("kind") == "peer" and "median_ms" in c}
        best = min(peers, key=lambda who: peers[who]["median_ms"], default=None)
        cells = [
            name, case["size"],
            *(_time(ran.get(who)) for who in ("floor", "lossary", "kernels off", "torch", "eager")),
            f"{_time(ran[best])} ({best})" if best else "–", _time(ran.get("torch.compile")),
            f"{standing.lead:.2f}" if standing else "–", f"{standing.over_floor:.2f}" if standing else "–",
            _memory(ran),
        ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def _time(contender: Mapping[str, Any] | None) -> str:
    """Median and half the spread, marked where the definition is another or the result is off."""
    if contender is None or "median_ms" not in contender:
        return "–"
    mark = {"another definition": "²", "imprecise": "³", "wrong": "⁴"}.get(contender.get("status", ""), "")
    return f"{_ms(contender['median_ms'])} ± {_ms((contender['high_ms'] - contender['low_ms']) / 2)}{mark}"


def _ms(time: float) -> str:
    return f"{time:.0f}" if time >= 100 else f"{time:.3g}"


def _memory(ran: Mapping[str, Any]) -> str:
    ours = ran.get("lossary", {}).get("peak_bytes")
    same = (c for c in ran.values() if c.get("kind") in ("torch", "eager", "peer") and c.get("status") in COUNTED)
    others = [c["peak_bytes"] for c in same if "peak_bytes" in c]
    mine = "–" if ours is None else f"{ours / MEGABYTE:.0f}"
    return f"{mine} / {min(others) / MEGABYTE:.0f}" if others else mine


def _small(small: Found) -> Iterator[str]:
    yield "| case | numbers | lossary | eager | torch | eager / ours |"
    yield "|---|" + "---:|" * 5
    for name, case in small.items():
        ran = case["contenders"]
        if "lossary" not in ran or "eager" not in ran:
            continue
        ours, eager = ran["lossary"]["median_ms"], ran["eager"]["median_ms"]
        torch = f"{1e3 * ran['torch']['median_ms']:.0f}" if "torch" in ran else "–"
        numbers = ran["lossary"]["numbers"]
        cells = (name.partition("@")[0], numbers, f"{1e3 * ours:.0f}", f"{1e3 * eager:.0f}", torch)
        yield f"| {' | '.join(map(str, cells))} | {eager / ours:.2f} |"


def _other_definitions(found: Found) -> Iterator[str]:
    for name, case in found["cases"].items():
        for who, contender in case["contenders"].items():
            if contender.get("status") == "another definition":
                yield f"- {name}: {who} has another definition: {contender['note']}."


def chart(all_of_them: list[Standing]) -> str:
    """Ours and the best other, over the floor, as SVG: the shorter the line to the left, the less is left to win."""
    import altair as alt
    import vl_convert

    ordered = [s.name for s in sorted(all_of_them, key=lambda s: s.over_floor)]
    rows = [
        {"case": s.name, "who": who, "over": over, "lead": s.over_floor, "other": s.over_floor * s.lead}
        for s in all_of_them
        for who, over in (("lossary", s.over_floor), ("best other", s.over_floor * s.lead))
    ]
    y = alt.Y("case:N", scale=alt.Scale(domain=ordered), axis=alt.Axis(title=None, ticks=False, labelLimit=240))
    axis = alt.Axis(title="time over the floor (log scale)")
    x = alt.X("over:Q", scale=alt.Scale(type="log"), axis=axis)
    names, colours = ["lossary", "best other"], [PAPER.series[0], PAPER.series[1]]
    key = alt.Color("who:N", scale=alt.Scale(domain=names, range=colours), legend=alt.Legend(title=None, orient="top"))
    base = alt.Chart(data(rows)).encode(y=y)
    lines = base.mark_rule(color=PAPER.grid, strokeWidth=2).encode(
        x=alt.X("lead:Q", scale=alt.Scale(type="log"), axis=axis), x2="other:Q"
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x=x, color=key)
    made = finish([lines, points], height=ROW * len(ordered) + 20, theme=PAPER, width=640)
    return str(vl_convert.vegalite_to_svg(made.to_dict()))


def write(docs: Path, found: Found) -> None:
    """The page and its chart, from ``found``."""
    page = docs / "performance.md"
    page.write_text(rendered(page.read_text(), found))
    (docs / CHART).parent.mkdir(exist_ok=True)
    (docs / CHART).write_text(chart(list(standings(found))))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.page", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="speed.json of a run")
    file = parser.parse_args().file
    kept = DOCS / "performance.json"
    if file is not None:
        kept.write_text(file.read_text())
    write(DOCS, json.loads(kept.read_text()))
    print(DOCS / "performance.md")


if __name__ == "__main__":
    main()
