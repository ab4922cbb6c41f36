"""The figures of structured targets, each with what it says and how it was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError

from ..kinds import Kind, Target
from ..measures import Figure, measure_numbers
from ..reading import Array
from .targets import IGNORED

Codes = NDArray[np.int64]

BATCH = 64
"""Samples in the batch that figures about batches assume."""
_MOST_PIXELS = 8_000_000
"""Masks are measured on as many images as have no more pixels than this."""
_MOST_ROWS = 4000
_LEAST_ROWS = 40
_SMALL = 0.01
"""A region of less than this share of its image is small."""
_TINY = 32.0
"""A box whose area is below that of a square of so many pixels is small in the evaluation of COCO."""
_ELONGATED = 3.0
_RARE_TOKEN = 5


def measure(target: Target, table: Array | None) -> tuple[dict[str, Figure], tuple[int, ...], list[str]]:
    """The figures, how many pixels or samples each class has, and what limits the figures."""
    return _MEASURES[target.kind](target.values, table)


Measured = tuple[dict[str, Figure], tuple[int, ...], list[str]]


def _interval(y: Array, table: Array | None) -> Measured:
    low, high = y.T
    closed = np.isfinite(low) & np.isfinite(high)
    figures = {
        "open_share": Figure(float((~closed).mean()), "share of intervals that are open at an end", "counted"),
        "exact_share": Figure(float((low == high).mean()), "share of intervals of no width", "counted"),
    }
    if not closed.any():
        return figures, (), ["no interval is closed, so that there is no middle to measure"]
    width = (high - low)[closed]
    figures["interval_width"] = Figure(float(np.median(width)), "width of an interval", "median of those closed")
    middle = (low + high)[closed] / 2
    notes = ["tails, outliers and scale are those of the intervals' middles"]
    if np.ptp(middle) > 0:
        figures |= _residuals(middle, None if table is None else table[closed])
        size = figures["residual_scale"].value
        if size > 0:
            figures["width_ratio"] = Figure(
                float(np.median(width)) / size,
                "times the residuals' scale is an interval wide",
                "median of those closed",
            )
    return figures, (), notes


def _censored(y: Array, table: Array | None) -> Measured:
    time, event = y[:, 0], y[:, 1] == 1
    events = int(event.sum())
    _, of_time, count = np.unique(time[event], return_inverse=True, return_counts=True)
    figures = {
        "censoring_share": Figure(float((~event).mean()), "share of rows without an event", "counted"),
        "events": Figure(float(events), "events", "counted"),
        "ties": Figure(float((count[of_time] > 1).mean()), "share of events at the same time as another", "counted"),
        "events_per_batch": Figure(
            BATCH * float(event.mean()), f"events in a batch of {BATCH}", "expected of random batches"
        ),
        "zero_times": Figure(float((time == 0).mean()), "share of times that are 0", "counted"),
        "earliest": Figure(float(time[time > 0].min()), "the earliest time above 0", "the smallest"),
    }
    if table is not None:
        figures["events_per_feature"] = Figure(events / table.shape[1], "events for each feature", "counted")
    seen = event & (time > 0)
    notes = []
    if len(np.unique(time[seen])) > 1:
        figures |= _residuals(np.log(time[seen]), None if table is None else table[seen])
        notes.append("tails and scale are those of the logarithms of the times with an event, the shorter ones")
    return figures, (), notes


def _residuals(y: Array, table: Array | None) -> dict[str, Figure]:
    """What is measured of the residuals of a real target, of those figures that losses are set by."""
    rows = np.arange(len(y))
    if table is not None and len(y) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:_MOST_ROWS])
    part = None if table is None or len(y) < _LEAST_ROWS else table[rows]
    found = measure_numbers("real", y, rows, part)
    return {name: found[name] for name in ("tails", "skew", "outlier_share", "outlier_influence", "residual_scale")}


def _mask(y: Codes, _: Array | None) -> Measured:
    notes = []
    most = max(2, _MOST_PIXELS // max(1, y[0].size))
    if len(y) > most:
        notes.append(f"masks were measured on {most} of the {len(y)} images, drawn at random")
        y = y[np.sort(np.random.default_rng(0).permutation(len(y))[:most])]
    kept = ~np.isin(y, IGNORED)
    classes = int(y[kept].max()) + 1
    counts = np.bincount(y[kept], minlength=classes)
    shares = counts / counts.sum()
    foreground = kept & (y > 0)
    present = np.array([[bool((image == k).any()) for k in range(1, classes)] for image in y])
    figures = {
        "classes": Figure(float(classes), "classes, with the background", "the largest number and one"),
        "foreground_share": Figure(float(1 - shares[0]), "share of pixels that are not class 0", "counted"),
        "rarest_share": Figure(float(shares[counts > 0].min()), "share of pixels of the rarest class", "counted"),
        "imbalance_ratio": Figure(
            float(shares.max() / shares[counts > 0].min()),
            "pixels of the commonest class per one of the rarest",
            "counted",
        ),
        "absent_share": Figure(
            float(1 - present.mean()), "share of classes that an image lacks", "counted over images, class 0 left out"
        ),
        "ignored_share": Figure(float(1 - kept.mean()), "share of pixels without a label", "those of -100 or 255"),
    }
    if not kept.all():
        figures["ignore_index"] = Figure(float(y[~kept].max()), "marks pixels without a label", "the number itself")
    return figures | _region_figures(y, foreground), tuple(int(n) for n in counts), notes


def _region_figures(y: Codes, foreground: NDArray[np.bool_]) -> dict[str, Figure]:
    """Of connected regions of one class, background apart."""
    ndimage = _scipy_ndimage()
    cross = np.zeros((3, 3, 3), dtype=bool)
    cross[1, 1, :] = cross[1, :, 1] = True  # neighbours within an image only
    sizes, inside = [], 0
    for k in np.unique(y[foreground]):
        region = foreground & (y == k)
        numbered, _ = ndimage.label(region, structure=cross)
        sizes.append(np.bincount(numbered.ravel())[1:])
        inside += int(ndimage.binary_erosion(region, structure=cross, border_value=1).sum())
    areas = np.concatenate(sizes) / y[0].size
    return {
        "regions": Figure(len(areas) / len(y), "regions in an image", "4-connected, one class each"),
        "region_size": Figure(float(np.median(areas)), "share of the image that a region takes", "the middle one"),
        "region_pixels": Figure(float(np.median(areas) * y[0].size), "pixels of a region", "the middle one"),
        "small_regions": Figure(
            float((areas < _SMALL).mean()), f"share of regions of less than {_SMALL:.0%} of the image", "counted"
        ),
        "thin_share": Figure(
            1 - inside / int(foreground.sum()), "share of the foreground that lies at a border of its region",
            "lost to an erosion by one pixel",
        ),
    }  # fmt: skip


def _scipy_ndimage() -> Any:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise LossInputError(
            "recommend: `y` must come with SciPy installed where it is a mask, "
            "pip install 'lossary[compare]', got none."
        ) from error
    return ndimage


def _boxes(y: Array, _: Array | None) -> Measured:
    width, height = y[:, 2] - y[:, 0], y[:, 3] - y[:, 1]
    side = np.sqrt(width * height)
    low, high = np.quantile(side, (0.05, 0.95))
    relative = bool(y.max() <= 1.0 + 1e-6 and y.min() >= -1e-6)
    tiny = _TINY / 640 if relative else _TINY
    unit = f"{_TINY:g} of 640, the corners being shares of the image" if relative else f"{_TINY:g}, taken for pixels"
    aspect = np.maximum(width / height, height / width)
    return {
        "box_scale": Figure(float(np.median(side)), "side of a square of a box's area", "the middle one"),
        "scale_span": Figure(float(high / low), "times as large is a large box as a small one",
                             "95% and 5% quantile of the side"),
        "tiny_share": Figure(float((side < tiny).mean()), "share of boxes that are small",
                             f"side below {unit}, the bound of COCO's evaluation"),
        "aspect": Figure(float(np.median(aspect)), "long side over short side", "the middle one"),
        "elongated_share": Figure(float((aspect > _ELONGATED).mean()),
                                  f"share of boxes more than {_ELONGATED:g} times as long as wide", "counted"),
    }, (), []  # fmt: skip


def _pairs(y: Codes, _: Array | None) -> Measured:
    same = y[:, 2] == 1
    ends = np.sort(y[:, :2], axis=1)
    _, of_pair = np.unique(ends, axis=0, return_inverse=True)
    of_pair = of_pair.ravel()
    share = np.bincount(of_pair, weights=same) / np.bincount(of_pair)
    used = len(np.unique(y[:, :2]))
    positives = int(same.sum())
    return {
        "positives_share": Figure(float(same.mean()), "share of pairs of the same", "counted"),
        "imbalance_ratio": Figure(max(positives, len(y) - positives) / min(positives, len(y) - positives),
                                  "pairs of the commoner kind for one of the rarer", "counted"),
        "used_rows": Figure(float(used), "rows of the features that pairs name", "counted"),
        "pairs_per_row": Figure(2 * len(y) / used, "pairs that a row takes part in", "mean"),
        "contradictions": Figure(float(((share > 0) & (share < 1))[of_pair].mean()),
                                 "share of pairs that another calls otherwise", "the same two rows"),
    }, (len(y) - positives, positives), []  # fmt: skip


def _triplets(y: Codes, _: Array | None) -> Measured:
    told = {tuple(row) for row in y.tolist()}
    turned = sum((a, n, p) in told for a, p, n in y.tolist())
    anchors = len(np.unique(y[:, 0]))
    return {
        "anchors": Figure(float(anchors), "different anchors", "counted"),
        "triplets_per_anchor": Figure(len(y) / anchors, "triplets of an anchor", "mean"),
        "used_rows": Figure(float(len(np.unique(y))), "rows of the features that triplets name", "counted"),
        "contradictions": Figure(turned / len(y), "share of triplets that another turns around",
                                 "the same anchor, positive and negative exchanged"),
    }, (), []  # fmt: skip


def _identities(y: Codes, _: Array | None) -> Measured:
    counts = np.bincount(y).astype(np.float64)
    n = len(y)
    partners = (BATCH - 1) * float((counts * (counts - 1)).sum()) / (n * (n - 1))
    distinct = float((1 - (1 - counts / n) ** BATCH).sum())
    return {
        "classes": Figure(float(len(counts)), "classes", "counted"),
        "samples_per_class": Figure(float(np.median(counts)), "samples of a class", "the middle one"),
        "rarest_count": Figure(float(counts.min()), "samples of the rarest class", "counted"),
        "imbalance_ratio": Figure(float(counts.max() / counts.min()), "samples of the commonest class per rarest",
                                  "counted"),
        "singletons": Figure(float((counts == 1).mean()), "share of classes with one sample", "counted"),
        "partners_per_batch": Figure(partners, f"others of its class that a sample meets in a batch of {BATCH}",
                                     "expected of random batches"),
        "classes_per_batch": Figure(distinct, f"classes in a batch of {BATCH}", "expected of random draws"),
    }, tuple(int(c) for c in counts), []  # fmt: skip


def _lists(y: Array, _: Array | None) -> Measured:
    grade, query = y[:, 0], y[:, 1].astype(np.int64)
    length = np.bincount(query)
    low, high = np.full(len(length), np.inf), np.full(len(length), -np.inf)
    np.minimum.at(low, query, grade)
    np.maximum.at(high, query, grade)
    relevant = np.bincount(query, weights=grade > 0)
    return {
        "lists": Figure(float(len(length)), "lists", "counted"),
        "list_length": Figure(float(np.median(length)), "items in a list", "the middle one"),
        "longest": Figure(float(length.max()), "items in the longest list", "counted"),
        "grades": Figure(float(len(np.unique(grade))), "different grades", "counted"),
        "highest_grade": Figure(float(grade.max()), "the highest grade", "counted"),
        "relevant_share": Figure(float((grade > 0).mean()), "share of items with a grade above 0", "counted"),
        "one_relevant": Figure(float((relevant == 1).mean()), "share of lists with one item above 0", "counted"),
        "flat_share": Figure(float((low == high).mean()), "share of lists whose grades are all the same", "counted"),
    }, (), []  # fmt: skip


def _sequences(y: Codes, _: Array | None) -> Measured:
    padding, why = _padding(y)
    kept = np.ones(y.shape, dtype=bool) if padding is None else y != padding
    tokens = y[kept]
    counts = np.bincount(tokens)
    used = counts[counts > 0]
    vocabulary = int(max(len(counts), 0 if padding is None else padding + 1))
    length = float(np.median(kept.sum(1)))
    figures = {
        "vocabulary": Figure(float(vocabulary), "tokens that there are", "the largest number and one"),
        "used_vocabulary": Figure(float(len(used)), "different tokens that occur", "counted"),
        "rare_tokens": Figure(float((used < _RARE_TOKEN).mean()),
                              f"share of occurring tokens that occur less than {_RARE_TOKEN} times", "counted"),
        "commonest_share": Figure(float(used.max() / used.sum()), "share of the commonest token", "counted"),
        "length": Figure(length, "tokens in a sequence", "the middle one, without padding"),
        "padding_share": Figure(float(1 - kept.mean()), "share of places that are padding", why),
        "logit_gigabytes": Figure(BATCH * y.shape[1] * vocabulary * 4 / 1e9,
                                  f"gigabytes that the logits of a batch of {BATCH} take", "32 bits each"),
    }  # fmt: skip
    if padding is not None:
        figures["padding_index"] = Figure(float(padding), "marks padding", why)
    return figures, (), []


def _padding(y: Codes) -> tuple[int | None, str]:
    """The number of the padding: -100, or what fills the ends of most rows and stands nowhere else."""
    if (y == IGNORED[0]).any():
        return IGNORED[0], "those of -100"
    last = y[:, -1]
    number = int(np.bincount(last).argmax())
    tail = np.cumprod((y == number)[:, ::-1], axis=1)[:, ::-1].astype(bool)
    lengths = tail.sum(1)
    only_there = bool(((y == number) == tail).all())
    if only_there and (lengths > 0).mean() >= 0.25 and len(np.unique(lengths)) > 2 and lengths.max() > 1:
        return number, f"those of {number}, which fills the ends of rows and stands nowhere else"
    return None, "none seen: no number fills ends of rows only"


_MEASURES: Mapping[Kind, Callable[[Any, Array | None], Measured]] = {
    "interval": _interval, "censored": _censored, "mask": _mask, "boxes": _boxes, "pairs": _pairs,
    "triplets": _triplets, "identities": _identities, "lists": _lists, "sequences": _sequences,
}  # fmt: skip
