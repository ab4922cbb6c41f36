"""Structured targets: how they are told, what is measured of them, what leads, and whether the code runs and learns."""

import numpy as np
import pandas as pd
import pytest
import torch

import lossary
from lossary.core import LossInputError
from lossary.recommendation import RULES, Situation, profile, recommend
from lossary.recommendation.kinds import STRUCTURED
from lossary.recommendation.structured.targets import tell

from . import structured as drawn

CASES = {
    "interval": (drawn.interval(), {"task": "interval"}),
    "interval with outliers": (drawn.interval(outliers=0.06), {"task": "interval"}),
    "wide interval": (drawn.interval(width=3.0), {"task": "interval"}),
    "survival": (drawn.survival(), {}),
    "discs": ((None, drawn.discs()), {}),
    "empty images": ((None, drawn.discs(empty=3)), {}),
    "lines": ((None, drawn.lines()), {}),
    "half": ((None, np.stack([np.arange(32) // 16] * 32)[None].repeat(3, 0)), {}),
    "three classes": ((None, drawn.discs() + drawn.discs(8) + 0), {}),
    "unlabelled": ((None, np.where(drawn.lines() == 1, 255, drawn.discs(images=4))), {}),
    "three, unlabelled": ((None, np.where(drawn.lines() == 1, 255, (drawn.discs(2) + drawn.discs(8))[:4])), {}),
    "boxes": ((None, drawn.boxes()), {}),
    "tiny boxes": ((None, drawn.boxes(4.0, 8.0)), {}),
    "long boxes": ((None, drawn.boxes(100.0, 120.0, aspect=2.5)), {}),
    "pairs": ((drawn.features(), drawn.pairs()), {}),
    "triplets": ((drawn.features(), drawn.triplets()), {"task": "triplets"}),
    "few identities": ((drawn.features(), drawn.identities(8)), {"task": "metric learning"}),
    "many identities": ((drawn.features(), drawn.identities(120)), {"task": "metric learning"}),
    "graded lists": ((drawn.features(), drawn.ranked()[0]), {"group": drawn.ranked()[1]}),
    "clicks": ((drawn.features(), drawn.ranked(grades=2)[0]), {"group": drawn.ranked()[1]}),
    "tokens": ((None, drawn.tokens()), {}),
}


@pytest.fixture(scope="module")
def found():
    kept = {}

    def of(name):
        if name not in kept:
            (x, y), options = CASES[name]
            kept[name] = recommend(y, **options) if x is None else recommend(x, y, **options)
        return kept[name]

    return of


@pytest.mark.parametrize(
    ("case", "kind", "leaders"),
    [
        ("interval", "interval", {"mse"}),
        ("interval with outliers", "interval", {"huber"}),
        ("survival", "censored", {"cox_partial_likelihood"}),
        ("discs", "mask", {"dice_bce"}),
        ("empty images", "mask", {"dice_bce"}),
        ("lines", "mask", {"dice_cl_dice"}),
        ("half", "mask", {"bce_with_logits", "dice_bce"}),
        ("three classes", "mask", {"dice_cross_entropy"}),
        ("boxes", "boxes", {"giou", "ciou"}),
        ("tiny boxes", "boxes", {"giou", "ciou", "smooth_l1"}),
        ("long boxes", "boxes", {"ciou"}),
        ("pairs", "pairs", {"contrastive"}),
        ("triplets", "triplets", {"triplet_margin"}),
        ("few identities", "identities", {"multi_similarity"}),
        ("many identities", "identities", {"cosface"}),
        ("graded lists", "lists", {"lambdarank", "listnet"}),
        ("clicks", "lists", {"listnet"}),
        ("tokens", "sequences", {"cross_entropy"}),
    ],
)
def test_the_kind_and_the_leader(found, case, kind, leaders):
    result = found(case)
    assert result.profile.kind == kind and result.profile.why
    assert result.best.loss in leaders and result.best.pros
    assert result.to_json() and result.losses == ()  # compare trains on plain targets only


@pytest.mark.parametrize("case", CASES)
def test_all_code_runs_and_has_gradients(found, case):
    """For every loss that is ranked, on a model with as many outputs as it says."""
    result = found(case)
    kind, (_, y) = result.profile.kind, CASES[case][0]
    if kind == "lists":
        y = np.stack([y, CASES[case][1]["group"]], axis=1)
    y = torch.from_numpy(y)[:4] if kind == "mask" else torch.from_numpy(y)
    for advice in result.ranking:
        model, x = drawn.model_for(kind, advice.outputs)
        x = x[: len(y)] if kind in ("mask", "boxes", "sequences") else x
        scope = {}
        exec(advice.code, scope)
        value = scope["training_loss"](model, x, y)
        assert value.ndim == 0 and value.isfinite(), advice.loss
        value.backward()
        weight = list(model.parameters())[-1]
        assert weight.grad.isfinite().all(), advice.loss
        flat = "vanishing gradient" in lossary.get(advice.loss.split(":")[0]).card.bad_at
        assert flat or weight.grad.abs().sum() > 0, advice.loss


def test_figures_of_intervals(found):
    """Width 0.5 about noise of scale 0.5."""
    p = found("interval").profile
    assert p.value("interval_width") == pytest.approx(0.5) and p.value("open_share") == 0.0
    assert p.value("residual_scale") == pytest.approx(0.5, abs=0.1)
    low, high = drawn.interval()[1].T
    ends = np.stack([low, np.where(np.arange(len(high)) % 4 == 0, np.inf, high)], axis=1)
    assert profile(ends, task="interval").value("open_share") == 0.25


def test_figures_of_survival():
    y = np.array([[1.0, 1], [1.0, 1], [2.0, 0], [3.0, 1], [0.0, 0], [4.0, 0]])
    p = profile(y, task="survival")
    assert p.value("censoring_share") == 0.5 and p.value("events") == 3
    assert p.value("ties") == pytest.approx(2 / 3) and p.value("earliest") == 1.0
    assert p.value("events_per_batch") == 32


def test_figures_of_masks():
    """Two images of 10 by 10: one square of 4 by 4, whose inner 2 by 2 survives an erosion; and one pixel."""
    y = np.zeros((2, 10, 10), dtype=int)
    y[0, 2:6, 2:6] = 1
    y[1, 5, 5] = 1
    p = profile(y)
    assert p.value("foreground_share") == pytest.approx(17 / 200) and p.counts == (183, 17)
    assert p.value("regions") == 1.0 and p.value("region_pixels") == 8.5
    assert p.value("thin_share") == pytest.approx(1 - 4 / 17) and p.value("absent_share") == 0.0
    y[1, 5, 5] = 0
    y[1, 0, :] = 255
    p = profile(y)
    assert (
        p.value("absent_share") == 0.5
        and p.value("ignored_share") == pytest.approx(0.05)
        and p.value("ignore_index") == 255
    )


def test_figures_of_boxes():
    y = np.array([[0, 0, 10, 10], [0, 0, 40, 10], [0, 0, 100, 100], [0, 0, 64, 64.0]])
    p = profile(y)
    assert p.value("tiny_share") == 0.5 and p.value("elongated_share") == 0.25
    assert p.value("box_scale") == pytest.approx((20 + 64) / 2)
    assert "shares of the image" in profile(y / 100).figures["tiny_share"].method


def test_figures_of_pairs_triplets_and_identities():
    y = np.array([[0, 1, 1], [1, 0, 0], [2, 3, 0], [4, 5, 0]])
    p = profile(y)
    assert p.value("positives_share") == 0.25 and p.value("contradictions") == 0.5 and p.value("used_rows") == 6
    p = profile(np.array([[0, 1, 2], [0, 2, 1], [3, 4, 5], [3, 4, 6]]), task="triplets")
    assert p.value("contradictions") == 0.5 and p.value("triplets_per_anchor") == 2
    p = profile([0, 0, 1, 1], task="metric learning")
    assert p.value("partners_per_batch") == pytest.approx(63 / 3)  # one of three others is of the class
    assert profile(["ann", "bob", "ann"], task="identities").classes == ("ann", "bob")


def test_figures_of_lists():
    p = profile([0, 1, 0, 0, 0, 2], group=["a", "a", "b", "b", "c", "c"])
    assert p.value("lists") == 3 and p.value("list_length") == 2 and p.value("grades") == 3
    assert p.value("one_relevant") == pytest.approx(2 / 3) and p.value("flat_share") == pytest.approx(1 / 3)


def test_figures_of_sequences():
    y = drawn.tokens()
    p = profile(y)
    assert p.value("vocabulary") == 50 and p.value("padding_index") == 0
    assert p.value("padding_share") == pytest.approx((y == 0).mean())
    assert np.isnan(profile(drawn.tokens(padded=False)).value("padding_index"))
    assert profile(np.where(y == 0, -100, y)).value("padding_index") == -100
    inside = y.copy()
    inside[:, 1] = 0  # the number stands in the middle too: then it is a token
    assert np.isnan(profile(inside).value("padding_index"))


def test_settings_come_from_the_data(found):
    of = {advice.loss: advice for advice in found("interval with outliers").ranking}
    scale = found("interval with outliers").profile.value("residual_scale")
    assert of["huber"].hyperparameters["delta"] == pytest.approx(1.345 * scale, rel=0.005)
    of = {advice.loss: advice for advice in found("discs").ranking}
    share = drawn.discs().mean()
    assert of["sigmoid_focal"].hyperparameters["alpha"] == pytest.approx(1 - share, abs=0.001)
    weight = of["bce_with_logits:pos_weight=balanced"].hyperparameters["pos_weight"]
    assert weight == pytest.approx((1 - share) / share, rel=1e-4)
    of = {advice.loss: advice for advice in found("tokens").ranking}
    assert of["cross_entropy"].hyperparameters == {"ignore_index": 0}
    grades = np.arange(drawn.ROWS) % 31
    of = {advice.loss: advice for advice in recommend(grades, group=drawn.ranked()[1]).ranking}
    assert of["lambdarank"].hyperparameters == {"gain": "linear"}


def trained(code, model, x, y, steps=200):
    scope = {}
    exec(code, scope)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        scope["training_loss"](model, x, y).backward()
        optimizer.step()
    return model


def test_training_on_intervals_finds_the_line(found):
    _, y = CASES["interval"][0]
    model, inputs = drawn.model_for("interval", 1)
    trained(found("interval").best.code, model, inputs, torch.from_numpy(y))
    assert torch.allclose(model.weight[0], torch.tensor([1.0, 2.0, 0.0]), atol=0.15)


@pytest.mark.parametrize(("loss", "sign"), [("cox_partial_likelihood", 1), ("mse", -1)])
def test_training_on_times_finds_who_is_early(found, loss, sign):
    """The hazard is exp(x1): Cox's output grows with it, and the logarithm of the time falls."""
    _, y = CASES["survival"][0]
    code = next(advice.code for advice in found("survival").ranking if advice.loss == loss)
    model, inputs = drawn.model_for("censored", 1)
    trained(code, model, inputs, torch.from_numpy(y))
    weight = model.weight[0].detach() * sign
    assert 0.6 < weight[0] < 1.4 and weight[1:].abs().max() < 0.3


def test_training_on_lists_finds_the_order():
    x, query = drawn.features(), drawn.ranked()[1]
    grade = np.digitize(x[:, 0], [-1.0, 0.0, 1.0])
    y = torch.from_numpy(np.stack([grade, query], axis=1))
    for advice in recommend(x, grade, group=query).ranking:
        model, inputs = drawn.model_for("lists", 1)
        trained(advice.code, model, inputs, y, steps=60)
        score = model(inputs)[:, 0].detach().numpy()
        assert np.corrcoef(score, x[:, 0])[0, 1] > 0.8, advice.loss


def test_boxes_are_learned_from_nothing():
    y = torch.from_numpy(drawn.boxes())
    advice = recommend(drawn.boxes()).best
    model = torch.nn.Linear(100, 4)
    trained(advice.code, model, torch.eye(100), y, steps=400)
    scope = {}
    exec(advice.code, scope)
    assert scope["training_loss"](model, torch.eye(100), y).detach() < 0.2


def test_masks_ignore_what_has_no_label(found):
    """A pixel without a label may be predicted as it likes."""
    y = torch.from_numpy(CASES["unlabelled"][0][1])
    for advice in found("unlabelled").ranking:
        if advice.loss in ("boundary", "hausdorff_dt", "log_hausdorff_dt"):
            continue  # distances to a border reach over it
        logits = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        scope = {}
        exec(advice.code, scope)
        values = [
            float(scope["training_loss"](torch.nn.Identity(), torch.where(y[:, None] == 255, fill, logits), y))
            for fill in (-3.0, 3.0)
        ]
        assert values[0] == pytest.approx(values[1], abs=1e-5), advice.loss


@pytest.mark.parametrize(
    ("y", "task", "kind"),
    [
        ([[1.0, 1], [2.5, 0], [3.0, 1]], None, "censored"),
        (pd.DataFrame({"time": [1.0, 2.5, 3.0], "event": [True, False, True]}), None, "censored"),
        (pd.DataFrame({"low": [1.0, 2.5], "high": [2.0, np.inf]}), None, "interval"),
        (torch.randint(3, (4, 8, 8), generator=torch.Generator().manual_seed(0)), None, "mask"),
        (np.array([[[True, False]], [[False, True]]]), None, "mask"),
        (np.array([[0.0, 0, 1, 1], [0.2, 0.1, 0.4, 0.5]]), None, "boxes"),
        (np.arange(24).reshape(4, 6), None, "sequences"),
        (np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), "segmentation", "mask"),
        ([[0, 1, 1], [0, 2, 0]], "metric learning", "pairs"),
        ([[0, 1, 2], [0, 2, 3]], "metric learning", "triplets"),
        ([[1.0, 2.0], [3.0, 5.0]], "Interval_Regression", "interval"),
        ([0, 1, 0, 1], None, None),
        ([[0, 1], [1, 0], [1, 1]], None, None),  # labels
        ([[1.5, 2.0], [0.0, 1.0]], None, None),
    ],
)
def test_how_a_kind_is_told(y, task, kind):
    target = tell(y, task)
    assert (None if target is None else target.kind) == kind


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        ([[2.0, 1.0], [0.0, 1.0]], {"task": "interval"}, "1 rows whose low is above"),
        ([[1.0, 2.0]] * 3, {"task": "survival"}, "must hold the event"),
        ([[1.0, 0.0], [2.0, 0.0]], {"task": "survival"}, "got 0 events"),
        ([[-1.0, 1.0], [2.0, 0.0]], {"task": "survival"}, "finite times of at least 0, got -1"),
        ([[np.nan, 1.0], [2.0, 0.0]], {"task": "survival"}, "an open end of an interval is inf"),
        ([1.0, 2.0], {"task": "survival"}, "must have 2 columns, time and event"),
        (np.zeros((3, 4, 4), dtype=int), {}, "more than one of them"),
        (np.full((3, 4, 4), 0.5), {}, "`y` must be (n,)"),
        (np.full((3, 4, 4), 0.5), {"task": "segmentation"}, "whole numbers of classes"),
        ([[0, 0, 0, 5], [0, 0, 5, 5.0]], {"task": "detection"}, "got 1 boxes without"),
        ([[0, 1, 1], [2, 3, 1]], {"task": "pairs"}, "both of them, got 1"),
        ([[0, 0, 1], [2, 3, 1]], {"task": "triplets"}, "three different rows"),
        ([[-1, 0, 1], [2, 3, 1]], {"task": "triplets"}, "rows by whole numbers from 0 on"),
        ([1, 0, 2], {"task": "ranking"}, "`group` must say which list"),
        ([1, 0, 2], {"group": [1, 1]}, "one grade for each of the 2 items"),
        ([1, 0, -2], {"group": [1, 1, 1]}, "grades of relevance"),
        ([1, 0, 2], {"group": [1, 1, 1], "task": "count"}, "`group` must come with a target to rank"),
        ([[0.5, 1.0], [1.0, 2.0]], {"task": "sequences"}, "tokens (n, t) as whole numbers"),
        ([5, 5, 5], {"task": "identities"}, "a class for each sample"),
    ],
)
def test_bad_targets_get_one_clear_sentence(y, options, words):
    with pytest.raises(LossInputError) as error:
        profile(y, **options)
    message = str(error.value)
    assert words in message and message.startswith("recommend: ") and message.count("\n") == 0


def test_features_must_match():
    with pytest.raises(LossInputError, match="`X` must have 6 rows for this target, got 5"):
        profile(np.zeros((5, 1, 32, 32)), drawn.discs())
    with pytest.raises(LossInputError, match="`X` must have at least"):
        profile(drawn.features()[:50], drawn.pairs())


def test_every_structured_rule_has_its_figures(found):
    """Evidence can be told wherever a rule holds, and each kind has a usual loss."""
    for case in CASES:
        p = found(case).profile
        for rule in RULES:
            if rule.condition.applies(Situation(p)):
                assert set(rule.figures) <= p.figures.keys(), rule.condition.name
    usual = {kind for rule in RULES if rule.condition.name.startswith("usual") for kind in rule.condition.kinds}
    assert usual >= STRUCTURED


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("interval with outliers", "outlying intervals"), ("wide interval", "wide intervals"),
        ("discs", "small foreground"), ("lines", "thin structures"), ("half", "areas of like size"),
        ("empty images", "empty images"), ("unlabelled", "unlabelled pixels"), ("tiny boxes", "tiny boxes"),
        ("long boxes", "long boxes"), ("boxes", "sizes differ"), ("pairs", "few of the same"),
        ("few identities", "partners in a batch"), ("many identities", "no partners in a batch"),
        ("clicks", "yes or no"), ("tokens", "small logits"),
    ],
)  # fmt: skip
def test_rules_fire_where_they_should_and_nowhere_else(found, case, rule):
    fired = {name: {each.rule for each in found(name).rules if each.fired} for name in CASES}
    assert rule in fired[case]
    kind = found(case).profile.kind
    assert any(rule not in fired[name] for name in CASES if found(name).profile.kind == kind) or rule in (
        "few of the same", "small logits", "sizes differ",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "goal", "leaders"),
    [
        ("discs", "probabilities", {"bce_with_logits"}),
        ("graded lists", "top-k", {"lambdarank"}),
        ("survival", "ranking", {"cox_partial_likelihood"}),
        ("interval", "robustness", {"huber", "log_cosh"}),
    ],
)
def test_goals_lead(found, case, goal, leaders):
    assert recommend(found(case).profile, goals=[goal]).best.loss in leaders


def test_a_large_vocabulary_asks_for_memory():
    assert recommend(drawn.tokens(200_000)).best.loss == "linear_cross_entropy"
