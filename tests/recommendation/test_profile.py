"""What is measured of data that were drawn to be so, and of what scikit-learn bundles."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets

from lossary.core import LossInputError
from lossary.recommendation import profile, recommend

from .conftest import N, draw


@pytest.mark.parametrize(
    ("drawn", "kind"),
    [
        ("normal", "real"), ("relative", "positive"), ("share", "bounded"), ("poisson", "count"),
        ("negative binomial", "count"), ("zero-inflated counts", "zero-inflated"), ("zero-inflated", "zero-inflated"),
        ("clean labels", "binary"), ("three classes", "multi-class"), ("labels", "multi-label"),
    ],
)  # fmt: skip
def test_kinds(recommended, drawn, kind):
    found = recommended(drawn).profile
    assert found.kind == kind and found.why


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (["no", "yes", "no", "yes"], "binary"),
        (["a", "b", "c"] * 4, "multi-class"),
        ([True, False, True], "binary"),
        (pd.Series(pd.Categorical(["low", "high", "mid"] * 3, ["low", "mid", "high"], ordered=True)), "ordinal"),
        ([3] * 5 + [4] * 20 + [5] * 60 + [6] * 40 + [7] * 10, "ordinal"),
        ([0] * 40 + [1] * 42 + [2] * 39 + [3] * 41 + [4] * 40, "multi-class"),
        ([1] * 40 + [2] * 42 + [3] * 39 + [4] * 41, "multi-class"),
        (torch.tensor([[0.5], [1.5], [-2.0]]), "real"),
        (pd.DataFrame({"a": [0, 1, 1], "b": [1, 0, 1]}), "multi-label"),
    ],
)
def test_kinds_by_form(y, kind):
    assert profile(y).kind == kind


def test_declared_order_is_kept():
    grades = pd.Categorical(["mid", "low", "high", "mid"], ["low", "mid", "high", "never"], ordered=True)
    found = profile(pd.Series(grades))
    assert found.classes == ("low", "mid", "high") and found.counts == (1, 2, 1)


def test_a_task_overrides_what_values_suggest():
    y = [0] * 20 + [1] * 20 + [2] * 20
    assert profile(y).kind == "multi-class" and profile(y).doubts
    assert profile(y, task="count").kind == "count"
    assert profile(y, task="ordinal classification").kind == "ordinal"
    assert profile(y, task="multiclass").kind == "multi-class"
    assert profile([0, 1, 1, 0, 1], task="regression").kind == "count"


def test_normal_residuals_look_normal(recommended):
    """Noise of scale 1 about a line; the bounds are three standard errors for 800 rows."""
    p = recommended("normal").profile
    assert p.value("residual_scale") == pytest.approx(1.0, abs=0.12)
    assert p.value("tails") == pytest.approx(2.906, abs=0.4)
    assert abs(p.value("skew")) < 0.12
    assert p.value("outlier_influence") < 0.15
    assert abs(p.value("heteroscedasticity")) < 0.15
    assert p.value("target_scale") > 2.0  # sqrt(1 + 1 + 4 + 0.25) = 2.5


def test_outliers_are_counted_and_weighed(recommended):
    """5% lie at 30 standard deviations: they hold 0.05 * 900 / (0.05 * 900 + 1) = 98% of the squares."""
    p = recommended("outliers").profile
    assert p.value("outlier_share") == pytest.approx(0.05, abs=0.03)
    assert p.value("outlier_influence") == pytest.approx(0.98, abs=0.02)
    assert p.value("residual_scale") == pytest.approx(1.05, abs=0.15)


def test_varying_noise_does_not_pass_for_outliers(recommended):
    """The noise's scale is exp(x): its outer quarters differ by far more than 3."""
    p = recommended("varying noise").profile
    assert p.value("heteroscedasticity") > 0.5 and p.value("spread_ratio") > 3
    assert p.value("outlier_influence") < 0.25
    assert "divided by" in p.figures["tails"].method


def test_skew_is_seen(recommended):
    assert recommended("exponential").profile.value("skew") > 0.2
    assert recommended("relative").profile.value("spread_with_mean") > 0.3


def test_counts(recommended):
    poisson, negative = recommended("poisson").profile, recommended("negative binomial").profile
    assert poisson.value("dispersion") == pytest.approx(1.0, abs=0.2)
    assert abs(poisson.value("zero_excess")) < 0.04
    assert negative.value("overdispersion") == pytest.approx(1.0, abs=0.35)
    assert recommended("zero-inflated counts").profile.value("zero_excess") > 0.08


def test_label_noise_is_told_from_difficulty(recommended):
    """20% of labels were turned over; of labels that a line explains none are doubted."""
    assert recommended("clean labels").profile.value("label_noise") < 0.01
    noisy = recommended("noisy labels").profile
    assert 0.1 < noisy.value("label_noise") < 0.25 < noisy.value("disagreement") + 0.1
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    overlapping = profile(rng.normal(size=(N, 1)) + 2 * y[:, None], y)  # the best rule errs on 16%
    assert overlapping.value("disagreement") == pytest.approx(0.16, abs=0.05)
    assert overlapping.value("label_noise") < 0.08


def test_class_figures():
    p = profile([0] * 60 + [1] * 30 + [2] * 10, task="multi-class")
    assert p.counts == (60, 30, 10) and p.value("imbalance_ratio") == 6.0 and p.value("rarest_count") == 10
    expected = (1 - 0.999**60) / (1 - 0.999**10)
    assert p.value("effective_ratio") == pytest.approx(expected, rel=1e-3)


def test_conflicting_duplicates():
    """Of 100 rows 10 are twins in pairs, and two of the pairs disagree."""
    x = np.arange(100.0)[:, None]
    y = np.arange(100) % 2
    x[90:95], x[95:] = x[:5], x[:5]
    x[:5] = np.arange(200.0, 205.0)[:, None]
    y[90:95] = 0
    y[95:] = [0, 0, 0, 1, 1]
    assert profile(x, y).value("conflicts") == pytest.approx(0.04)


def test_every_figure_says_how_it_was_measured(recommended):
    for drawn in ("normal", "poisson", "noisy labels", "labels"):
        for figure in recommended(drawn).profile.figures.values():
            assert figure.meaning and figure.method and isinstance(figure.value, float)


def test_features_of_every_form_give_the_same():
    x, y = draw("clean labels")
    names = ["a", "b", "c", "d"]
    plain = profile(x, y)
    assert profile(pd.DataFrame(x, columns=names), pd.Series(y)).figures == plain.figures
    assert profile(torch.from_numpy(x), torch.from_numpy(y)).figures == plain.figures
    assert profile(x.reshape(N, 2, 2), y).figures == plain.figures


def test_texts_and_gaps_among_features():
    x, y = draw("clean labels")
    table = pd.DataFrame({"number": x[:, 1], "text": np.where(x[:, 0] > 0, "up", "down"), "sometimes": x[:, 3]})
    table.loc[::7, "sometimes"] = np.nan
    table.loc[::9, "text"] = None
    found = profile(table, y)
    assert found.features == 4 and found.value("disagreement") < 0.2


@pytest.mark.parametrize(
    ("name", "kind", "noise"),
    [("iris", "multi-class", 0.03), ("wine", "multi-class", 0.02), ("breast_cancer", "binary", 0.03)],
)
def test_bundled_sets(name, kind, noise):
    """All three are known to be clean and nearly separable."""
    found = profile(*getattr(datasets, f"load_{name}")(return_X_y=True))
    assert found.kind == kind and found.value("label_noise") < noise


def test_diabetes_is_a_well_behaved_amount():
    found = profile(*datasets.load_diabetes(return_X_y=True))
    assert found.kind == "positive" and found.value("outlier_influence") < 0.15
    assert 45 < found.value("residual_scale") < 65  # linear models reach a root mean squared error of 54


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([1.0, 1.0, 1.0],), {}, "`y` must vary"),
        (([1.0, np.nan, 2.0],), {}, "`y` must have a finite value in every row, got 1 without one"),
        ((["a", None, "b"],), {}, "got 1 without one"),
        ((np.zeros((3, 2, 2)),), {}, "`y` must be (n,)"),
        (([[1.5, 2.0], [0.0, 1.0]],), {}, "must hold labels 0 and 1 only, got 1.5"),
        (([[0, 1], [0, 0]],), {}, "`y` must vary in each column"),
        ((["a", "b", "c", "d"],), {}, "must hold numbers or classes"),
        ((np.zeros((4, 2)), [0, 1, 1]), {}, "`X` must have a row for each of the 3 targets"),
        (([0.5, -1.0],), {"task": "count"}, "`task` must suit the target, got count"),
        (([0, 1, 2],), {"task": "binary"}, "got binary"),
        ((["a", "b", "a"],), {"task": "regression"}, "got regression for 2 classes"),
        (([0, 1],), {"task": "clustering"}, "`task` must be one of"),
        (([[0, 1], [1, 0]],), {"task": "ordinal"}, "got ordinal for 2 columns"),
    ],
)
def test_bad_data_get_one_clear_sentence(arguments, options, words):
    with pytest.raises(LossInputError) as error:
        profile(*arguments, **options)
    message = str(error.value)
    assert words in message and message.startswith("recommend: ") and message.count("\n") == 0


def test_large_data_are_measured_on_a_part():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 2))
    found = profile(x, x[:, 0] + rng.normal(size=5000))
    assert found.samples == 5000 and any("4000 of the 5000 rows" in note for note in found.notes)
    assert found.value("residual_scale") == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((60, 2)), np.arange(60) % 7 - 3.5),  # features that say nothing
        (np.arange(60.0)[:, None] * 1e12, np.r_[np.zeros(50), np.arange(10.0)] - 1),  # most targets equal
        (np.arange(60.0)[:, None], np.r_[np.zeros(59, int), 1]),  # one sample of a class
        (np.arange(60.0)[:, None], np.r_[np.zeros(57, int), 1, 1, 1]),  # fewer of a class than folds
        (np.arange(6.0)[:, None], np.arange(6) * 0.7),  # too few rows for a model
        (np.full((50, 1), np.nan), np.arange(50) * 0.5),  # nothing known at all
    ],
)
def test_poor_data_still_have_a_recommendation(x, y):
    found = recommend(x, y)
    assert found.best.code and found.to_json()
    assert all(np.isfinite(found.profile.value(name)) or name == "tails" for name in found.profile.figures)
