"""A loss is defined once, and its card is enforced at every call."""

import copy
import pickle

import pytest
import torch
from torch import nn
from typing_extensions import Unpack

import lossary
from lossary.core import (
    Card,
    LossDefinitionError,
    LossInputError,
    PairLoss,
    Positive,
    Real,
    Reduce,
    When,
    definition_of,
    loss,
    reduce,
)

X, Y = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lossary.huber_loss(X, Y[:, None]), r"huber_loss: expected .*prediction \(2,\), target \(2, 1\)"),
        (lambda: lossary.huber_loss(X), "huber_loss: expected prediction, target; got 1"),
        (lambda: lossary.huber_loss(X, Y, detla=1.0), "did you mean `delta`"),
        (lambda: lossary.huber_loss(X, Y, delta=0.0), "huber_loss: `delta` must be a number above 0, got 0.0"),
        (lambda: lossary.huber_loss(X, Y, reduction="avg"), "huber_loss: `reduction` must be one of"),
        (lambda: lossary.HuberLoss(delta=-1.0), "HuberLoss: `delta` must be"),
        (lambda: lossary.HuberLoss(reduction="avg"), "HuberLoss: `reduction` must be one of"),
        (lambda: lossary.HuberLoss(mask=None), "HuberLoss: `mask` must be given at the call"),
        (lambda: lossary.CrossEntropyLoss(size_average=True), "done here by `reduction`"),
        (lambda: lossary.CrossEntropyLoss(class_weight=[1.0, 2.0]), "`class_weight` must be a tensor of shape"),
        (
            lambda: lossary.cross_entropy_loss(torch.zeros(2, 3), torch.tensor([0, 1]), class_weight=torch.ones(4)),
            r"`class_weight` must have the shape \(c\) where n = 2, c = 3.*got \(4,\)",
        ),
    ],
)
def test_a_bad_call_gets_one_clear_sentence(call, words):
    with pytest.raises(LossInputError, match=words):
        call()


def test_tensors_may_be_named():
    assert lossary.mse_loss(prediction=X, target=Y) == lossary.mse_loss(X, Y)


def test_one_sample_may_come_without_a_batch():
    logits = torch.tensor([1.0, 2.0, 0.5])
    alone = lossary.cross_entropy_loss(logits, torch.tensor(1))
    assert alone == lossary.cross_entropy_loss(logits[None], torch.tensor([1]))


def test_types_are_brought_together():
    assert lossary.mse_loss(X.double(), Y).dtype == torch.float64
    assert lossary.bce_with_logits_loss(X, torch.tensor([1, 0])) == lossary.bce_with_logits_loss(X, Y)


def test_half_precision_is_summed_in_float32():
    many = torch.ones(2**14, dtype=torch.float16)
    assert lossary.l1_loss(3 * many, torch.zeros_like(many)) == 3.0, "a running sum in float16 stops at 2048"


def test_tensors_among_the_hyperparameters_move_and_are_saved():
    module = lossary.CrossEntropyLoss(class_weight=torch.tensor([1.0, 2.0, 3.0]))
    assert set(module.state_dict()) == {"class_weight"}
    for form in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert form.class_weight.tolist() == [1.0, 2.0, 3.0]
    assert module.double().class_weight.dtype == torch.float64
    assert lossary.CrossEntropyLoss().class_weight is None


def test_a_module_shows_its_hyperparameters():
    assert repr(lossary.HuberLoss(delta=2.0)) == "HuberLoss(delta=2.0, reduction='mean')"
    assert isinstance(lossary.HuberLoss(), nn.Module)


def test_hyperparameters_may_be_changed_later():
    module = lossary.HuberLoss()
    module.delta = 0.1
    assert module(X, Y) == lossary.huber_loss(X, Y, delta=0.1)


CARD = Card(task="test", inputs=[Real("*n"), Real("*n")], values="*n", formula="x", source="here")


def test_function_and_card_must_agree():
    with pytest.raises(LossDefinitionError, match="must describe the inputs prediction"):

        @loss(CARD)
        def single_loss(prediction: torch.Tensor, **how: Unpack[Reduce]) -> torch.Tensor:
            return reduce(prediction, **how)


def test_function_and_module_must_agree(monkeypatch):
    monkeypatch.setattr("lossary.core.definition._DEFINITIONS", {})

    @loss(CARD)
    def bent_loss(
        prediction: torch.Tensor, target: torch.Tensor, *, delta: Positive = 1.0, **how: Unpack[Reduce]
    ) -> torch.Tensor:
        return reduce(delta * (prediction - target), **how)

    assert definition_of(bent_loss).hyperparameters == {"delta": 1.0}
    with pytest.raises(LossDefinitionError, match="its fields must be"):

        class BentLoss(PairLoss, of=bent_loss):
            delta: Positive = 2.0


def test_a_card_refuses_a_claim_that_nothing_checks():
    with pytest.raises(LossDefinitionError, match="`claims` must be among"):
        Card(task="t", inputs=[], values="", formula="", source="", claims={"beautiful"})


def test_conditions_on_claims():
    claim = When("convex", "gamma == 0")
    assert claim.holds({"gamma": 0.0}) and not claim.holds({"gamma": 2.0})
