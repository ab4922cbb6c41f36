"""MultitaskLoss: what it takes, what it reports, what survives saving."""

import copy
import json
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lossary import CrossEntropyLoss, DiceLoss, HuberLoss, L1Loss, MSELoss
from lossary.core import LossInputError
from lossary.multitask import DWA, MultitaskLoss, Ramp

NAMES = ("equal", "uncertainty", "gradnorm", "rlw", "imtl_l", "famo", "geometric_mean", "initial", "running")
WEIGHTINGS = [*NAMES, lambda: DWA(every=2), lambda: {"b": Ramp(0.0, 1.0, steps=3)}]


def make(weighting):
    return weighting() if callable(weighting) else weighting


def problem(weighting="equal", **options):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    loss = MultitaskLoss({"a": MSELoss(), "b": L1Loss()}, make(weighting), **options)
    return model, loss, torch.randn(8, 3), {"a": torch.randn(8), "b": torch.randn(8)}


def outputs(model, x):
    both = model(x)
    return {"a": both[:, 0], "b": both[:, 1]}


def test_the_example_of_the_readme():
    torch.manual_seed(0)
    seg = 0.5 * CrossEntropyLoss() + 0.3 * DiceLoss()
    loss = MultitaskLoss({"seg": seg, "depth": HuberLoss()}, "uncertainty")
    logits, classes = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randint(3, (2, 4, 4))
    depth, truth = torch.randn(2, 4, 4, requires_grad=True), torch.randn(2, 4, 4)
    loss({"seg": logits, "depth": depth}, {"seg": classes, "depth": truth}).backward()
    assert logits.grad.abs().sum() > 0 and depth.grad.abs().sum() > 0
    assert loss.weighting.log_variance.grad is not None
    assert loss.last.losses["depth"] == pytest.approx(float(HuberLoss()(depth.detach(), truth)))
    assert set(seg.last) == {"cross_entropy", "dice"}


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=lambda case: case if isinstance(case, str) else "object")
def test_every_weighting_trains_reports_and_survives_saving(weighting):
    """Two steps, then a copy by state dict and one by pickle go on exactly as the original."""
    model, loss, x, targets = problem(weighting)
    optimizer = torch.optim.SGD([*model.parameters(), *loss.parameters()], lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        total = loss(outputs(model, x), targets)
        total.backward()
        optimizer.step()
    report = loss.last
    assert report.step == 1 and list(report.losses) == ["a", "b"] and report.missing == ()
    assert report.total == pytest.approx(total.item())
    assert report.backward_passes == (3 if weighting == "gradnorm" else 1)
    assert set(report.seconds) == {"losses", "weighting"} and min(report.seconds.values()) > 0
    json.loads(report.to_json())
    fresh = MultitaskLoss({"a": MSELoss(), "b": L1Loss()}, make(weighting))
    fresh.load_state_dict(loss.state_dict())
    for twin in (fresh, pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        torch.manual_seed(1)
        value = twin(outputs(model, x), targets)
        torch.manual_seed(1)
        assert twin.step == 3
        original = copy.deepcopy(loss)(outputs(model, x), targets)
        assert_close(value, original)


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=lambda case: case if isinstance(case, str) else "object")
def test_missing_tasks_neither_count_nor_move(weighting):
    model, loss, x, targets = problem(weighting)
    for given in ({"a": targets["a"]}, {"a": targets["a"], "b": None}):
        before = None if loss._last is None else loss.last.weights
        value = loss(outputs(model, x), given)
        assert loss.last.missing == ("b",) and list(loss.last.losses) == ["a"] and value.isfinite()
        assert before is None or set(before) == {"a"}
    value = loss(outputs(model, x), {"b": targets["b"]})
    assert loss.last.missing == ("a",) and value.isfinite()
    value = loss(outputs(model, x), targets)
    value.backward()
    assert loss.last.missing == () and value.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_sum_is_of_weighted_losses():
    model, loss, x, targets = problem({"a": 2.0, "b": 0.5})
    given = outputs(model, x)
    expected = 2 * MSELoss()(given["a"], targets["a"]) + 0.5 * L1Loss()(given["b"], targets["b"])
    assert_close(loss(given, targets), expected)
    assert_close(loss.backward(outputs(model, x), targets), expected.detach())
    assert set(loss.last.seconds) == {"losses", "weighting", "backward"}
    gradient = model.weight.grad.clone()
    model.zero_grad()
    expected.backward()
    assert_close(model.weight.grad, gradient)


def test_options_and_tuples_reach_the_loss():
    loss = MultitaskLoss({"a": L1Loss(), "b": nn.TripletMarginLoss(margin=1.0)})
    x, y = torch.tensor([1.0, float("nan")]), torch.zeros(2)
    same = torch.ones(1, 2)
    total = loss({"a": x, "b": (same, same)}, {"a": y, "b": same}, options={"a": {"mask": torch.tensor([True, False])}})
    assert_close(total, torch.tensor(2.0))  # 1 of what is not masked, and the margin


def test_evaluation_moves_nothing():
    for weighting in WEIGHTINGS:
        model, loss, x, targets = problem(weighting)
        loss(outputs(model, x), targets)
        before = copy.deepcopy(loss.state_dict())
        with torch.no_grad():
            loss(outputs(model, x), targets)
        loss.eval()
        loss(outputs(model, x), targets)
        assert_close(dict(loss.state_dict()), dict(before), equal_nan=True)


def test_double_precision_and_mixed_types():
    loss = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, "geometric_mean")
    one = torch.ones(2, dtype=torch.float64, requires_grad=True)
    total = loss({"a": one, "b": one.float()}, {"a": 3 * one.detach(), "b": 2 * one.detach().float()})
    assert_close(total, torch.tensor(2.0, dtype=torch.float64))
    total.backward()


def test_the_step_holds_no_graph():
    model, loss, x, targets = problem("uncertainty")
    loss(outputs(model, x), targets)
    kept = [v for v in vars(loss._last).values() if isinstance(v, torch.Tensor)]
    assert len(kept) == 3 and not any(v.requires_grad for v in kept)


A = torch.zeros(2)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: MultitaskLoss({}), "`tasks` must hold at least one loss"),
        (lambda: MultitaskLoss({"a b": L1Loss()}), "`tasks` must have names that are free identifiers, got 'a b'"),
        (lambda: MultitaskLoss({"a": max}), "`tasks` must be modules"),
        (lambda: MultitaskLoss({"a": L1Loss()}, "dwa"), r"a Weighting such as DWA\(every=100\); got 'dwa'"),
        (lambda: MultitaskLoss({"a": L1Loss()}, aggregation="graddrop"), "`aggregation` must be one of pcgrad"),
        (lambda: MultitaskLoss({"a": L1Loss()}, aggregation=3), "`aggregation` must be a name or of torchjd, got 3"),
        (lambda: MultitaskLoss({"a": L1Loss()}).last, "`last` must be read after a call"),
        (lambda: MultitaskLoss({"a": L1Loss()})({"b": A}, {"a": A}), "`outputs` must be of the tasks a; got 'b'"),
        (lambda: MultitaskLoss({"a": L1Loss()})({"a": A}, {"b": A}), "`targets` must be of the tasks a; got 'b'"),
        (lambda: MultitaskLoss({"a": L1Loss()})({}, {"a": A}), "`outputs` must have `a`, as it has a target"),
        (lambda: MultitaskLoss({"a": L1Loss()})({"a": A}, {"a": None}), "`targets` must hold at least one task"),
        (
            lambda: MultitaskLoss({"a": L1Loss()})({"a": A}, {"a": A}, options={"b": {}}),
            "`options` must be of the tasks a; got 'b'",
        ),
        (
            lambda: MultitaskLoss({"a": L1Loss(reduction="none")})({"a": A}, {"a": A}),
            r"the loss of `a` must be one number, got shape \(2,\)",
        ),
        (
            lambda: MultitaskLoss({"a": L1Loss()}, "uncertainty").to("meta")({"a": A}, {"a": A}),
            r"it must be where its losses are, on cpu; call .to\('cpu'\)",
        ),
    ],
)
def test_refuses_with_one_sentence(act, sentence):
    with pytest.raises(LossInputError, match=sentence):
        act()
