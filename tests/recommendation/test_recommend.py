"""The recommendation: what leads on data of known nature, why, and whether the code that it gives runs."""

import json

import numpy as np
import pytest
import torch
from sklearn import datasets

import lossary
from lossary.catalogue import Cost
from lossary.comparison.candidates import candidates as compared
from lossary.core import LossInputError
from lossary.recommendation import GOAL_NAMES, KINDS, RULES, Effect, Situation, profile, recommend, run
from lossary.recommendation.candidates import candidates
from lossary.recommendation.kinds import STRUCTURED
from lossary.recommendation.rules import parse_goal
from lossary.recommendation.run import points
from lossary.recommendation.snippets import build, outputs_of

from .conftest import draw

LEADERS = [
    ("normal", None, {"mse"}),
    ("outliers", None, {"huber"}),
    ("heavy tails", None, {"huber"}),
    ("relative", None, {"gamma_nll"}),
    ("share", None, {"bce_with_logits"}),
    ("poisson", None, {"poisson_nll"}),
    ("negative binomial", None, {"negative_binomial_nll"}),
    ("zero-inflated", None, {"tweedie_nll"}),
    ("clean labels", None, {"bce_with_logits"}),
    ("noisy labels", None, {"generalized_cross_entropy"}),
    ("rare class", None, {"bce_with_logits:pos_weight=balanced"}),
    ("three classes", None, {"cross_entropy"}),
    ("three classes", "ordinal", {"corn"}),
    ("long tail", None, {"cross_entropy:class_weight=balanced", "balanced_softmax", "logit_adjusted_cross_entropy"}),
    ("labels", None, {"bce_with_logits", "bce_with_logits:pos_weight=balanced"}),
]


@pytest.mark.parametrize(("drawn", "task", "leaders"), LEADERS)
def test_the_leader(recommended, drawn, task, leaders):
    best = recommended(drawn, task).best
    assert best.loss in leaders
    assert best.pros and best.score == pytest.approx(sum(r.weight for r in (*best.pros, *best.cons)))


@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
def test_clean_bundled_classes_get_cross_entropy(name):
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    assert recommend(x[::3], y[::3]).best.loss == "cross_entropy"


@pytest.mark.parametrize(
    ("goal", "drawn", "leaders"),
    [
        ("mean", "outliers", {"mse"}),
        ("median", "normal", {"l1"}),
        ("quantile=0.9", "normal", {"quantile"}),
        ("intervals", "varying noise", {"gaussian_crps", "gaussian_nll", "laplace_nll", "student_t_nll"}),
        ("probabilities", "rare class", {"bce_with_logits"}),
        ("rare class", "long tail", {"cross_entropy:class_weight=balanced", "balanced_softmax"}),
        ("top-k", "three classes", {"cross_entropy"}),
        ("speed", "normal", {"mse"}),
    ],
)
def test_goals_lead(recommended, goal, drawn, leaders):
    found = recommend(recommended(drawn).profile, goals=[goal])
    assert found.best.loss in leaders and found.goals == (goal,)
    assert any(reason.rule.startswith("goal: ") for advice in found.ranking for reason in advice.pros)


def test_robustness_keeps_squared_error_off():
    found = recommend(profile(*draw("normal")), goals="robustness")
    assert "outliers" in lossary.get(found.best.loss).card.good_at
    assert "mse" not in [advice.loss for advice in found.ranking[:8]]


def test_hyperparameters_come_from_the_data(recommended):
    outliers = {advice.loss: advice for advice in recommended("outliers").ranking}
    size = recommended("outliers").profile.value("residual_scale")
    assert outliers["huber"].hyperparameters["delta"] == pytest.approx(1.345 * size, rel=0.005)
    assert outliers["tukey_biweight"].hyperparameters["delta"] == pytest.approx(4.685 * size, rel=0.005)
    assert "scale" in outliers["huber"].settings["delta"]
    y = draw("rare class")[1]
    rare = {advice.loss: advice for advice in recommended("rare class").ranking}
    assert rare["sigmoid_focal"].hyperparameters["alpha"] == pytest.approx((y == 0).mean(), abs=0.002)
    weight = rare["bce_with_logits:pos_weight=balanced"].hyperparameters["pos_weight"]
    assert weight == pytest.approx((y == 0).sum() / (y == 1).sum())
    quantile = recommend(recommended("normal").profile, goals=["quantile=0.8"]).best
    assert quantile.hyperparameters["q"] == 0.8


@pytest.mark.parametrize("name", ["huber", "pseudo_huber", "cauchy", "welsch", "geman_mcclure", "tukey_biweight",
                                  "smooth_l1", "general_robust"])  # fmt: skip
def test_robust_losses_are_set_to_95_percent_efficiency(recommended, name):
    """Asymptotic efficiency for standard normal noise, (E psi')² / E psi², from the loss's own gradient."""
    p = recommended("normal").profile
    candidate = next(c for c in candidates(Situation(p)) if c.name == name)
    (parameter, value), = candidate.settings.items()  # fmt: skip
    r = torch.linspace(-9, 9, 180_001, dtype=torch.float64, requires_grad=True)
    size = p.value("residual_scale")
    loss = candidate.definition.function(r, torch.zeros_like(r), reduction="sum", **{parameter: value / size})
    (psi,) = torch.autograd.grad(loss, r)
    density = torch.exp(-(r.detach() ** 2) / 2)
    # E psi' = E r psi for normal r, by parts.
    efficiency = (r.detach() * psi * density).sum() ** 2 / ((psi**2 * density).sum() * density.sum())
    assert float(efficiency) == pytest.approx(0.95, abs=0.003)


@pytest.mark.parametrize(("drawn", "task"), [(drawn, task) for drawn, task, _ in LEADERS])
def test_all_code_runs_and_has_gradients(recommended, drawn, task):
    """For every loss that is ranked: a linear model with as many outputs as it says, on the data."""
    x, y = draw(drawn)
    batch, target = torch.from_numpy(x[:256]).float(), torch.from_numpy(y[:256])
    target = target.float() if target.is_floating_point() else target
    for advice in recommended(drawn, task).ranking:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, advice.outputs)
        scope = {}
        exec(advice.code, scope)
        value = scope["training_loss"](model, batch, target)
        assert value.ndim == 0 and value.isfinite(), advice.loss
        value.backward()
        assert model.weight.grad.isfinite().all(), advice.loss
        flat = "vanishing gradient" in lossary.get(advice.loss.split(":")[0]).card.bad_at  # as smape far off
        assert flat or model.weight.grad.abs().sum() > 0, advice.loss


def test_code_builds_what_was_advised(recommended):
    p = recommended("outliers").profile
    candidate = next(c for c in candidates(Situation(p)) if c.name == "huber")
    scope = {}
    exec(recommended("outliers").best.code, scope)
    assert repr(scope["loss_fn"]) == repr(build(candidate, p)) and outputs_of(candidate, p) == 1


def test_training_by_the_code_learns(recommended):
    """Huber's line on data with outliers finds the slopes that they were drawn with."""
    x, y = draw("outliers")
    scope = {}
    exec(recommended("outliers").best.code, scope)
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    batch, target = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        scope["training_loss"](model, batch, target).backward()
        optimizer.step()
    assert torch.allclose(model.weight[0], torch.tensor([1.0, 2.0, 0.0, 0.5]), atol=0.15)


@pytest.mark.parametrize(("drawn", "task"), [(drawn, task) for drawn, task, _ in LEADERS])
def test_compare_takes_what_is_recommended(recommended, drawn, task):
    found = recommended(drawn, task)
    labels = [advice.comparable for advice in found.ranking if advice.comparable]
    assert len(compared(labels, found.comparison_task)) == len(labels) >= 2
    assert found.losses == tuple(labels[:4])


def test_what_would_change_it_is_true(recommended):
    """The rule that a sentence names decides, and goals that it names lead where it says."""
    found = recommended("outliers")
    assert any('"influential outliers"' in sentence and "did not hold" in sentence for sentence in found.changes)
    for sentence in found.changes:
        if sentence.startswith("With goals"):
            goal, leader = sentence.removeprefix('With goals=["').rstrip(".").split('"]: ')
            assert recommend(found.profile, goals=[goal]).best.loss == leader


def test_besides_and_notes(recommended):
    assert any("outliers before training" in sentence for sentence in recommended("outliers").besides)
    assert any("BalancedSampler" in sentence for sentence in recommended("rare class").besides)
    alone = recommend(draw("normal")[1])
    assert any("without features" in note for note in alone.profile.notes)


def test_findings_and_json(recommended):
    found = recommended("noisy labels")
    plain = json.loads(found.to_json())
    assert plain["ranking"][0]["loss"] == found.best.loss == found.findings[0].subject
    assert found.findings[0].verdict == "recommended"
    assert {finding.verdict for finding in found.findings} <= {"recommended", "equal", "possible", "advised against"}
    assert any(finding.verdict == "advised against" for finding in found.findings)


def test_the_same_data_give_the_same_answer(recommended):
    assert recommend(*draw("rare class")).to_json() == recommended("rare class").to_json()


def test_rules_are_well_formed():
    names = [rule.condition.name for rule in RULES]
    assert len(set(names)) == len(names)
    known = {definition.name.removesuffix("_loss") for definition in lossary.find()}
    for rule in RULES:
        assert rule.source and rule.evidence and rule.condition.kinds <= set(KINDS)
        assert rule.effects or rule.besides, rule.condition.name
        for effect in rule.effects:
            ways = [effect.trait, effect.claim, effect.task, effect.losses or None, effect.time or None]
            assert sum(way is not None for way in ways) == 1, rule.condition.name
            assert set(effect.losses) <= known
            assert effect.trait or effect.why or effect.claim or effect.time, rule.condition.name


def test_every_rule_has_its_figures_where_it_applies(recommended):
    """Evidence can be told wherever a rule holds: no figure in its sentence is missing."""
    seen = set()
    for drawn, task, _ in LEADERS:
        p = recommended(drawn, task).profile
        for rule in RULES:
            if rule.condition.applies(Situation(p)):
                assert set(rule.figures) - {"level"} <= p.figures.keys(), rule.condition.name
                seen.add(rule.condition.name)
    plain = set(KINDS) - STRUCTURED
    assert seen == {rule.condition.name for rule in RULES if rule.condition.kinds & plain}


def test_each_rule_of_figures_fires_where_it_should(recommended):
    expected = {
        "outliers": "influential outliers", "heavy tails": "heavy tails", "normal": "well-behaved residuals",
        "exponential": "skewed residuals", "relative": "relative noise", "varying noise": "varying noise",
        "negative binomial": "overdispersed", "zero-inflated counts": "excess zeros", "noisy labels": "label noise",
        "rare class": "severe imbalance",
    }  # fmt: skip
    for drawn, rule in expected.items():
        fired = {each.rule for each in recommended(drawn).rules if each.fired}
        assert rule in fired, drawn
    for rule in set(expected.values()) - {"well-behaved residuals"}:
        assert rule not in {each.rule for each in recommended("normal").rules if each.fired}


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        (["fame"], "`goals` must be among"),
        (["top-k"], "'top-k' for a real target"),
        (["quantile"], "must say which quantile"),
        (["quantile=1.5"], "must say which quantile"),
        (["mean=2"], "a level to a quantile only"),
        (["mean", "median"], "one of mean, median and quantile"),
    ],
)
def test_bad_goals_get_one_clear_sentence(goals, words):
    with pytest.raises(LossInputError) as error:
        recommend(np.array([0.5, -1.0, 2.0, 3.3]), goals=goals)
    assert words in str(error.value) and str(error.value).startswith("recommend: ")


def test_a_profile_stands_for_its_data(recommended):
    p = recommended("normal").profile
    assert recommend(p).best == recommended("normal").best
    with pytest.raises(LossInputError, match="without data or task"):
        recommend(p, task="count")


def test_goal_names_are_all_understood():
    for name in GOAL_NAMES:
        text = f"{name}=0.5" if name == "quantile" else name
        kinds = [kind for kind in KINDS if _understood(text, kind)]
        assert kinds, name


def _understood(text, kind):
    try:
        return parse_goal(text, kind).name in text
    except LossInputError:
        return False


def test_points_follow_the_card(recommended):
    """Good at a trait: its weight; bad at it: less by as much; neither: nothing. Weights mend imbalance at a cost."""
    every = {c.name: c for c in candidates(Situation(recommended("rare class").profile))}
    for trait, name, expected in [
        ("class imbalance", "sigmoid_focal", 2.0),
        ("class imbalance", "bce_with_logits", -2.0),
        ("class imbalance", "bce_with_logits:pos_weight=balanced", 2.0),
        ("calibrated probabilities", "bce_with_logits", 2.0),
        ("calibrated probabilities", "bce_with_logits:pos_weight=balanced", -2.0),
        ("censoring", "bce_with_logits", 0.0),
    ]:
        assert points(every[name], Effect(weight=2.0, trait=trait)) == expected, (trait, name)
    assert points(every["hinge"], Effect(weight=0.5, claim="convex")) == 0.5
    assert points(every["hinge"], Effect(weight=0.5, losses=("hinge",))) == 0.5
    assert points(every["hinge"], Effect(weight=0.5, task="regression")) == 0.0


@pytest.mark.parametrize(
    ("time", "expected"), [(0.9, 2.0), (1.0, 2.0), (2.0, 1.0), (4.0, 0.0), (8.0, -1.0), (16.0, -2.0), (99.0, -2.0)]
)
def test_points_follow_the_measured_time(recommended, monkeypatch, time, expected):
    """All of the weight at the time of the squared error, nothing at 4 times, all against at 16: by its logarithm."""
    cost = Cost(nanoseconds=1.0, time=time, memory=1.0, least_curvature=0.0, most_curvature=1.0)
    monkeypatch.setattr(run, "cost", lambda name: cost if name == "hinge_loss" else None)
    every = {c.name: c for c in candidates(Situation(recommended("rare class").profile))}
    assert points(every["hinge"], Effect(weight=2.0, time=True)) == expected
    assert points(every["bce_with_logits"], Effect(weight=2.0, time=True)) == 0


def test_the_goal_of_speed_tells_the_measured_time(recommended):
    found = recommend(recommended("normal").profile, goals=["speed"])
    told = {a.loss: r.sentence for a in found.ranking for r in (*a.pros, *a.cons) if r.rule == "goal: speed"}
    for name in ("mse", "general_robust"):
        figure = lossary.catalogue.cost(name).time
        assert (
            told[name] == f"It takes {figure:g} times as long as the squared error of as many numbers. Speed is wanted."
        )
    places = [advice.loss for advice in found.ranking]
    assert places.index("mse") < places.index("general_robust")


@pytest.mark.parametrize("drawn", ["clean labels", "rare class", "three classes", "labels"])
@pytest.mark.parametrize("truth", [0, 1])
def test_code_prefers_right_predictions(recommended, drawn, truth):
    """Of every loss, for either class: outputs for the right class are better than for the wrong one."""
    y = torch.from_numpy(draw(drawn)[1])
    y = torch.full_like(y, truth)[:4]
    for advice in recommended(drawn).ranking:
        right = y.float() if y.ndim == 2 else y[:, None].float()
        if y.ndim == 1 and advice.outputs > 1:
            right = torch.nn.functional.one_hot(y, advice.outputs).float()
        scope = {}
        exec(advice.code, scope)
        good, bad = (scope["training_loss"](torch.nn.Identity(), sign * (6 * right - 3), y) for sign in (1, -1))
        assert good < bad, advice.loss
