"""Which losses may compete, and how outputs are fed to them."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.comparison.candidates import DEFAULTS, candidates, parse
from lossary.core import LossInputError, UnknownNameError

REGRESSION, BINARY, MANY, LABELS, ORDINAL = DEFAULTS


def mean_cube(raw, target):
    return (raw - target).abs().pow(3).mean()


@pytest.mark.parametrize("task", DEFAULTS)
def test_the_usual_ones_fit_their_task(task):
    assert len(candidates(None, task)) >= 2


@pytest.mark.parametrize(
    ("text", "label", "fixed"),
    [
        ("huber", "huber", {}),
        ("HuberLoss", "huber", {}),
        ("MAE", "l1", {}),
        ("quantile:q=0.9", "quantile:q=0.9", {"q": 0.9}),
        (" cross_entropy : label_smoothing=0.1 : ignore_index=-1", "cross_entropy:label_smoothing=0.1:ignore_index=-1",
         {"label_smoothing": 0.1, "ignore_index": -1}),
        ("cross_entropy:class_weight=balanced", "cross_entropy:class_weight=balanced", {"class_weight": "balanced"}),
    ],
)  # fmt: skip
def test_parse(text, label, fixed):
    candidate = parse(text)
    assert (candidate.label, candidate.fixed) == (label, fixed)


@pytest.mark.parametrize(
    ("losses", "task", "words"),
    [
        (["huber", "hubber"], REGRESSION, "did you mean huber"),
        (["huber", "mse:delta=1"], REGRESSION, "mse: `delta` is not a hyperparameter; it has none"),
        (["huber:detla=1", "mse"], REGRESSION, "did you mean `delta`"),
        (["huber:delta=-1", "mse"], REGRESSION, "huber: `delta` must be a number above 0, got -1"),
        (["huber:delta", "mse"], REGRESSION, "must be written name=value"),
        (["huber:delta=balanced", "mse"], REGRESSION, "`delta` can't be balanced"),
        (["huber", "cross_entropy"], REGRESSION, "the task here is regression"),
        (["huber", "huber"], REGRESSION, "must all be different"),
        (["huber"], REGRESSION, "at least two losses"),
        ([3, "mse"], REGRESSION, "must hold names, losses or callables, got 3"),
        ([torch.nn.Bilinear(2, 2, 1), "mse"], REGRESSION, "has parameters of its own"),
    ],
)
def test_what_is_refused(losses, task, words):
    with pytest.raises(LossInputError, match=words):
        candidates(losses, task)
    assert issubclass(UnknownNameError, LossInputError)


def test_losses_of_every_form():
    forms = [lossary.HuberLoss(delta=0.5), lossary.L1Loss, lossary.mse_loss, mean_cube, "log_cosh"]
    assert [c.label for c in candidates(forms, REGRESSION)] == ["huber:delta=0.5", "l1", "mse", "mean_cube", "log_cosh"]


def test_a_given_hyperparameter_is_not_tuned():
    assert len(parse("huber").tuned()) == len(lossary.get("huber").card.tune["delta"])
    assert parse("huber").tuned()[0] == {"delta": 1.0}, "the usual setting comes first"
    assert parse("huber:delta=3").tuned() == [{}]


NONE = (torch.tensor(0.0), torch.tensor(1.0), {})


def test_outputs_reach_each_loss_in_its_form():
    logits, classes = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    expected = lossary.cross_entropy_loss(logits, classes)
    for name in ("cross_entropy", "nll"):
        assert_close(parse(name).objective(MANY, {})(logits, classes, *NONE), expected)
    raw, y = torch.randn(5), torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    expected = lossary.bce_with_logits_loss(raw, y)
    for name in ("bce_with_logits", "bce"):
        assert_close(parse(name).objective(BINARY, {})(raw, y, *NONE), expected)


def test_a_callable_gets_raw_outputs_and_targets():
    (own, _) = candidates([mean_cube, "mse"], REGRESSION)
    assert own.objective(REGRESSION, {})(torch.tensor([2.0]), torch.tensor([0.0]), *NONE) == 8.0
    assert (
        own.identity()["source"]
        != candidates([lambda raw, y: (raw - y).mean(), "mse"], REGRESSION)[0].identity()["source"]
    )


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    classes = torch.tensor([0, 0, 0, 1, 2, 2])
    weights = parse("cross_entropy:class_weight=balanced").weights(classes, 3)["class_weight"]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=classes.numpy())
    assert_close(weights.double(), torch.tensor(expected))
    y = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert parse("bce_with_logits:pos_weight=balanced").weights(y, 1)["pos_weight"] == 3.0


def test_code_to_paste():
    assert parse("huber").code({"delta": 0.5}) == "loss_fn = lossary.HuberLoss(delta=0.5)"
    assert parse("huber").code({"delta": 1.0}) == "loss_fn = lossary.HuberLoss()"
    assert (
        parse("bce_with_logits:pos_weight=balanced").code({})
        == "loss_fn = lossary.BCEWithLogitsLoss(pos_weight=pos_weight)"
    )
