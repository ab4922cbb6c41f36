"""The losses of boxes as arithmetic: their values and slopes, for the kernels of :mod:`lossary.losses.detection`.

Each takes, for either axis, the sides of overlap, box, target and hull and the way between the centres, and returns the
value and the slopes in all of these but the target's side, by axis. The target is constant.
"""

from __future__ import annotations

import math

from lossary.kernels import Element, atan, log, maximum, where

Axis = tuple[Element, Element, Element, Element, Element]
Slopes = tuple[Element, tuple[Element, ...], tuple[Element, ...]]

_SCALE = 4 / math.pi**2


def _share(part: Element, whole: Element, otherwise: Element) -> tuple[Element, Element, Element]:
    """``part / whole``, or ``otherwise`` where that is empty, and its slopes in both."""
    empty = whole == 0.0
    divisor = where(empty, 1.0, whole)
    quotient = where(empty, otherwise, part / divisor)
    slope = where(empty, 0.0, 1.0 / divisor)
    return quotient, slope, -quotient * slope


def _overlap(x: Axis, y: Axis, same: Element) -> tuple[Element, Element, Element, Element]:
    """IoU and union, and the slopes of the IoU in intersection and union."""
    across, width, true_width, _, _ = x
    down, height, true_height, _, _ = y
    intersection = across * down
    # Equal sides have the very same product, which multiplication and subtraction in one instruction would not give.
    area = where((across == width) & (down == height), intersection, width * height)
    true_area = where((across == true_width) & (down == true_height), intersection, true_width * true_height)
    union = area + true_area - intersection
    iou, part, whole = _share(intersection, union, where(same, 1.0, 0.0))
    return iou, union, part, whole


def _distance(x: Axis, y: Axis) -> tuple[Element, Element, Element]:
    """Squared way over the squared diagonal of the hull, its slope in the way, and that in the hull, by its length."""
    _, _, _, wide, right = x
    _, _, _, high, up = y
    share, part, whole = _share(right * right + up * up, wide * wide + high * high, 0.0)
    return share, 2.0 * part, 2.0 * whole


def iou(x: Axis, y: Axis, same: Element) -> Slopes:
    """1 - IoU."""
    across, width, _, _, _ = x
    down, height, _, _, _ = y
    overlap, _, part, whole = _overlap(x, y, same)
    inner = whole - part  # the intersection is no part of the union's two areas but is taken from their sum
    return 1.0 - overlap, (inner * down, -whole * height, 0.0, 0.0), (inner * across, -whole * width, 0.0, 0.0)


def log_iou(x: Axis, y: Axis, same: Element, eps: Element) -> Slopes:
    """-log of the IoU, which is held above ``eps``."""
    across, width, _, _, _ = x
    down, height, _, _, _ = y
    overlap, _, part, whole = _overlap(x, y, same)
    slope = where(overlap >= eps, 1.0 / maximum(overlap, eps), 0.0)
    inner, outer = slope * (whole - part), -slope * whole
    return (
        -log(maximum(overlap, eps)),
        (inner * down, outer * height, 0.0, 0.0),
        (inner * across, outer * width, 0.0, 0.0),
    )


def giou(x: Axis, y: Axis, same: Element) -> Slopes:
    """1 - IoU and the empty share of the hull."""
    across, width, _, wide, _ = x
    down, height, _, high, _ = y
    overlap, union, part, whole = _overlap(x, y, same)
    around = where((width == wide) & (height == high), width * height, wide * high)
    vacant, rest, hull = _share(around - union, around, 0.0)
    outer = -whole - rest
    inner = -part - outer
    hull = hull + rest
    return (
        1.0 - overlap + vacant,
        (inner * down, outer * height, hull * high, 0.0),
        (inner * across, outer * width, hull * wide, 0.0),
    )


def diou(x: Axis, y: Axis, same: Element) -> Slopes:
    """1 - IoU and the squared distance of the centres as a share of the hull's."""
    _, _, _, wide, right = x
    _, _, _, high, up = y
    value, (inner_x, outer_x, _, _), (inner_y, outer_y, _, _) = iou(x, y, same)
    far, way, hull = _distance(x, y)
    return value + far, (inner_x, outer_x, hull * wide, way * right), (inner_y, outer_y, hull * high, way * up)


def _angle(width: Element, height: Element) -> Element:
    """The angle whose tangent is width over height; 0 for a point."""
    return where((width == 0.0) & (height == 0.0), 0.0, atan(width / height))


def ciou(x: Axis, y: Axis, same: Element) -> Slopes:
    """The same, and a share of the squared difference of the angles of the diagonals; the share is constant."""
    _, width, true_width, _, _ = x
    _, height, true_height, _, _ = y
    value, (inner_x, outer_x, hull_x, way_x), (inner_y, outer_y, hull_y, way_y) = diou(x, y, same)
    overlap, _, _, _ = _overlap(x, y, same)
    apart = _angle(width, height) - _angle(true_width, true_height)
    v = _SCALE * apart * apart
    alpha, _, _ = _share(v, 1.0 - overlap + v, 0.0)
    point = (width == 0.0) & (height == 0.0)
    upright = where(point, 1.0, height)  # a point is taken to be an upright line
    turn = 2.0 * alpha * _SCALE * apart / (width * width + upright * upright)
    return (
        value + alpha * v,
        (inner_x, outer_x + turn * upright, hull_x, way_x),
        (inner_y, outer_y - where(point, 0.0, turn * width), hull_y, way_y),
    )


def eiou(x: Axis, y: Axis, same: Element) -> Slopes:
    """DIoU's, and the squared differences of the sides as shares of the hull's."""
    _, width, true_width, wide, _ = x
    _, height, true_height, high, _ = y
    value, (inner_x, outer_x, hull_x, way_x), (inner_y, outer_y, hull_y, way_y) = diou(x, y, same)
    wider, higher = width - true_width, height - true_height
    share_x, part_x, whole_x = _share(wider * wider, wide * wide, 0.0)
    share_y, part_y, whole_y = _share(higher * higher, high * high, 0.0)
    return (
        value + (share_x + share_y),
        (inner_x, outer_x + 2.0 * part_x * wider, hull_x + 2.0 * whole_x * wide, way_x),
        (inner_y, outer_y + 2.0 * part_y * higher, hull_y + 2.0 * whole_y * high, way_y),
    )
