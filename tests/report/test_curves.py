"""Curves of losses: what moves, and values and slopes against formulas written out here."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from lossary.catalogue import find, get
from lossary.report.curves import curve, extent, loss_svg
from lossary.report.drawing import PAPER

ALL = find()


def default(name):
    found = curve(get(name))
    return np.array(found.x), np.array(found.series[0].values), np.array(found.series[0].slopes)


def softplus(z):
    return np.logaddexp(0, z)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def overlap(shift):
    """IoU of a unit box and one of its width and half its height, inside its height, shifted along it."""
    common = np.clip(1 - abs(shift), 0, None) / 2
    return common / (1.5 - common)


@pytest.mark.parametrize(
    ("name", "moves", "value", "slope"),
    [
        ("mse", "prediction - target", lambda r: r**2, lambda r: 2 * r),
        ("huber", "prediction - target", lambda r: np.where(abs(r) <= 1, r**2 / 2, abs(r) - 0.5),
         lambda r: np.clip(r, -1, 1)),
        ("mape", "prediction (target = 1)", lambda x: abs(x - 1), lambda x: np.sign(x - 1)),
        ("bce_with_logits", "logits (target = 1)", lambda z: softplus(-z), lambda z: sigmoid(z) - 1),
        ("bce", "probs (target = 1)", lambda p: -np.log(p), lambda p: -1 / p),
        ("hinge", "logits (target = 1)", lambda z: np.clip(1 - z, 0, None), None),
        # three classes, of which the two wrong ones have the logit 0
        ("cross_entropy", "logit of the true class, others 0", lambda z: softplus(math.log(2) - z), None),
        ("nll", "probability of the true class", lambda p: -np.log(p), None),
        ("cosine_distance", "angle between prediction and target", lambda a: 1 - np.cos(a), np.sin),
        ("triplet_margin", "distance from anchor to positive, negative at 1", lambda d: d, None),
        ("iou", "shift of a box half as high, in widths", lambda s: 1 - overlap(s), None),
    ],
)  # fmt: skip
def test_the_default_is_the_formula(name, moves, value, slope):
    assert curve(get(name)).x_label == moves
    x, values, slopes = default(name)
    np.testing.assert_allclose(values, value(x), rtol=1e-4, atol=1e-5)
    if slope is not None:
        np.testing.assert_allclose(slopes, slope(x), rtol=1e-6, atol=1e-9)


def test_boxes_apart_are_pulled_by_giou_and_not_by_iou():
    x, _, giou = default("giou")
    _, _, iou = default("iou")
    apart = x > 1.1
    assert np.all(iou[apart] == 0) and np.all(giou[apart] > 0)


def test_a_threshold_is_in_sight():
    x, values, slopes = default("tukey_biweight")
    assert x[-1] > 2 * 4.685 - 0.1
    assert np.all(slopes[x > 4.7] == 0) and np.ptp(values[x > 4.7]) == 0


def test_settings_are_labelled_and_the_default_comes_first():
    labels = [series.label for series in curve(get("huber")).series]
    assert labels == ["delta = 1 (default)", "delta = 0.1", "delta = 0.5", "delta = 2"]
    far = [series.values[-1] for series in curve(get("huber")).series]
    np.testing.assert_allclose(far, [3.5, 0.1 * 3.95, 0.5 * 3.75, 2 * 3])  # delta (4 - delta / 2)


def test_the_other_target_is_shown_where_it_is_no_mirror_image():
    focal = [series.label for series in curve(get("sigmoid_focal")).series]
    assert focal[:2] == ["target 1, gamma = 2 (default)", "target 0, gamma = 2 (default)"]
    assert all(label.startswith("target 1") for label in focal[2:])
    assert len(curve(get("soft_margin")).series) == 1


def test_a_setting_that_changes_what_an_input_means_is_not_shown():
    assert get("kl_div").card.settings == [{"log_target": True}]
    assert len(curve(get("kl_div")).series) == 1


@pytest.mark.parametrize("name", ["sup_con", "nt_xent", "rmse", "dice", "arcface"])
def test_a_loss_without_such_a_line_has_no_curve(name):
    assert curve(get(name)) is None


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
def test_every_curve_is_finite_and_moves(definition):
    found = curve(definition)
    if found is None:
        return
    assert 1 <= len(found.series) <= 5
    assert len({series.label for series in found.series}) == len(found.series)
    assert found.x_label and all(series.label for series in found.series)
    for series in found.series:
        assert len(series.values) == len(series.slopes) == len(found.x)
        assert all(map(math.isfinite, (*series.values, *series.slopes)))
    assert np.ptp(found.series[0].values) > 0


def test_most_tasks_have_a_curve():
    """Guards against a view that quietly fits nothing any more."""
    with_curve = {d.card.tasks[0] for d in ALL if curve(d) is not None}
    assert {"regression", "binary classification", "multi-class classification", "detection"} <= with_curve


def test_a_pole_is_cut_and_a_parabola_is_not():
    _, values, slopes = default("bce")
    low, high = extent([slopes.tolist()])
    assert -40 < low < -17 and high == slopes.max()  # -1 / p is -100 at the left end and -17 at p = 0.06
    _, values, _ = default("mse")
    assert extent([values.tolist()]) == (0, 16)


def test_a_constant_line_has_a_window_with_room():
    assert extent([[2.0, 2.0]]) == (1.5, 2.5)


def test_the_chart_has_a_line_for_each_setting_and_one_legend():
    found = curve(get("huber"))
    value, gradient = loss_svg(found, "value"), loss_svg(found, "gradient")
    for svg in (value, gradient):
        ElementTree.fromstring(svg)
        for i in range(len(found.series)):
            assert f'stroke="{PAPER.series[i]}"' in svg
        assert "prediction - target" in svg
    for series in found.series:
        assert f">{series.label}<" in value and f">{series.label}<" not in gradient


def test_a_chart_goes_from_left_to_right():
    """Points in the order of the text of their numbers would run back and forth."""
    svg = loss_svg(curve(get("mse")), "gradient")
    (line,) = (e.get("d") for e in ElementTree.fromstring(svg).iter() if e.get("stroke") == PAPER.series[0])
    across = [float(point.split(",")[0]) for point in line.removeprefix("M").split("L")]
    assert across == sorted(across) and len(across) == 161
