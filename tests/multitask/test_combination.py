"""Arithmetic of losses: values are those of the terms, weighed by hand."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot
from torch.testing import assert_close

from lossary import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    DiceLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SoftmaxFocalLoss,
)
from lossary.core import LossInputError
from lossary.multitask import Combination, Ramp

X, Y = torch.tensor([1.0, 4.0]), torch.tensor([0.0, 2.0])  # L1 1.5, MSE 2.5


def maps():
    torch.manual_seed(0)
    return torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))


def linear_in(step):
    return float(step)


def test_operators():
    l1, mse = L1Loss(), MSELoss()
    assert_close((0.5 * l1 + 0.3 * mse)(X, Y), torch.tensor(0.75 + 0.75))
    assert_close((l1 * 2 - mse / 5)(X, Y), torch.tensor(3.0 - 0.5))
    assert_close((-(l1 + mse) * 2)(X, Y), torch.tensor(-8.0))
    assert_close(sum([l1, mse, l1])(X, Y), torch.tensor(5.5))
    assert_close((l1 - (mse - 2 * l1))(X, Y), torch.tensor(1.5 - 2.5 + 3.0))


def test_numpy_numbers_are_weights():
    for two in (np.float64(2), np.float32(2), np.int64(2)):
        loss = two * L1Loss()
        assert isinstance(loss, Combination) and loss.weights() == {"l1": 2.0}


def test_terms_are_named_and_logged():
    loss = 0.5 * L1Loss() + 0.3 * MSELoss() + L1Loss()
    assert loss.last == {}
    x = X.clone().requires_grad_()
    total = loss(x, Y)
    assert list(loss.last) == ["l1", "mse", "l1_2"]
    assert [term.weight for term in loss.last.values()] == [0.5, 0.3, 1.0]
    assert_close([term.value for term in loss.last.values()], [torch.tensor(v) for v in (1.5, 2.5, 1.5)])
    assert not any(term.value.requires_grad for term in loss.last.values())
    terms = loss.terms(x, Y)
    assert_close(total, sum(w * v for w, v in zip((0.5, 0.3, 1.0), terms.values(), strict=True)))
    assert all(value.requires_grad for value in terms.values())


def test_names_of_ones_own():
    loss = (0.5 * L1Loss() + MSELoss()).named("absolute", "squared") + L1Loss()
    assert loss.weights() == {"absolute": 0.5, "squared": 1.0, "l1": 1.0}
    assert list(loss.state_dict()) == ["_extra_state"]


def test_a_number_that_is_part_of_a_name_is_not_taken_twice():
    """`l1`, again `l1`, and a term that is named `l1_2` already."""
    loss = L1Loss() + (1 * L1Loss()).named("l1_2") + L1Loss() + L1Loss()
    assert len(loss.weights()) == 4
    assert_close(loss(X, Y), torch.tensor(6.0))


def test_any_module_joins():
    assert_close((L1Loss() + nn.MSELoss())(X, Y), torch.tensor(4.0))
    assert_close((nn.MSELoss() + 2 * L1Loss())(X, Y), torch.tensor(5.5))
    assert_close((2 * L1Loss() - nn.MSELoss())(X, Y), torch.tensor(0.5))
    assert_close(Combination({"own": nn.MSELoss()}, {"own": 0.1})(X, Y), torch.tensor(0.25))


def test_weights_follow_the_step():
    loss = L1Loss() + 2 * (Ramp(0.0, 1.0, steps=4, after=1) * MSELoss()) + linear_in * L1Loss()
    seen = []
    for _ in range(7):
        loss(X.requires_grad_(), Y)
        seen.append([term.weight for term in loss.last.values()])
    assert seen == [[1.0, m, s] for s, m in enumerate([0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.0])]


def test_cosine_ramp():
    ramp = Ramp(2.0, 0.0, steps=3, shape="cosine")
    assert [round(ramp(s), 6) for s in range(5)] == [2.0, 1.5, 0.5, 0.0, 0.0]  # 1 + cos(pi s / 3)


def test_only_training_counts_steps():
    loss = linear_in * L1Loss()
    with torch.no_grad():
        loss(X, Y)
    loss.eval()(X, Y)
    assert loss.step == 0
    loss.train()(X, Y)
    assert loss.step == 1
    loss.set_step(7)
    assert_close(loss(X, Y), torch.tensor(7 * 1.5))
    assert_close(loss(X, Y), torch.tensor(7 * 1.5))


def test_set_step_reaches_combinations_inside():
    inner = linear_in * L1Loss()
    outer = Combination({"inner": inner})
    outer.set_step(3)
    assert_close(outer(X, Y), torch.tensor(4.5))


def test_pickled_and_copied_with_its_step():
    loss = 0.5 * HuberLoss(delta=2.0) + Ramp(0.0, 1.0, steps=4) * MSELoss()
    loss(X, Y)
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert twin.step == 1 and twin.last == {}
        assert_close(twin.eval()(X, Y), loss.eval()(X, Y))


def test_state_dict_holds_step_and_buffers_and_loads_safely():
    weight = torch.tensor([1.0, 2.0, 3.0])
    loss = CrossEntropyLoss(class_weight=weight) + linear_in * DiceLoss()
    for _ in range(3):
        loss(*maps())
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    fresh = CrossEntropyLoss(class_weight=torch.ones(3)) + linear_in * DiceLoss()
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh.step == 3 and fresh.losses["cross_entropy"].class_weight.tolist() == [1, 2, 3]
    assert all(isinstance(value, torch.Tensor) for value in loss.state_dict().values())


def test_cross_entropy_and_dice_take_the_same_tensors():
    logits, classes = maps()
    expected = 0.5 * CrossEntropyLoss()(logits, classes) + 0.3 * DiceLoss()(
        logits.softmax(1), one_hot(classes, 3).movedim(-1, 1).float()
    )
    assert_close((0.5 * CrossEntropyLoss() + 0.3 * DiceLoss())(logits, classes), expected)
    assert_close((0.3 * DiceLoss() + 0.5 * CrossEntropyLoss())(logits, classes), expected)


def test_what_one_term_ignores_no_term_sees():
    logits, classes = maps()
    loss = CrossEntropyLoss(ignore_index=255) + DiceLoss()
    ignored, other = classes.clone(), logits.clone()
    ignored[0, :2] = 255
    other[0, :, :2] = torch.nan
    other.requires_grad_()
    value = loss(other, ignored)
    assert_close(value, loss(logits, ignored))
    value.backward()
    assert other.grad.isfinite().all() and (other.grad[0, :, :2] == 0).all() and other.grad.abs().sum() > 0
    counted = (ignored != 255).unsqueeze(1).expand(2, 3, 4, 4)
    dice = DiceLoss()(logits.softmax(1), one_hot(classes, 3).movedim(-1, 1).float(), mask=counted)
    assert_close(loss.last["dice"].value, dice)
    masked = CrossEntropyLoss() + DiceLoss()
    assert_close(masked(logits, classes, mask=ignored != 255), value.detach())


def test_soft_targets_pass_as_they_are():
    logits, _ = maps()
    soft = torch.rand(2, 3, 4, 4).softmax(1)
    expected = CrossEntropyLoss()(logits, soft) + DiceLoss()(logits.softmax(1), soft)
    assert_close((CrossEntropyLoss() + DiceLoss())(logits, soft), expected)


def test_logits_for_probabilities_and_log_probabilities():
    logits, classes = torch.randn(5, 3), torch.tensor([0, 2, 1, -100, 0])
    both = SoftmaxFocalLoss() + NLLLoss()
    expected = SoftmaxFocalLoss()(logits, classes) + CrossEntropyLoss()(logits, classes)
    assert_close(both(logits, classes), expected)
    labels, mask = (logits > 0.3).float(), torch.rand(5, 3) > 0.5
    bad = torch.where(mask, logits, torch.nan).requires_grad_()
    value = (BCEWithLogitsLoss() + BCELoss())(bad, labels, mask=mask)
    assert_close(value, 2 * BCEWithLogitsLoss()(logits, labels, mask=mask))
    value.backward()
    assert bad.grad.isfinite().all()


def test_compiles_whole():
    loss = 0.5 * CrossEntropyLoss() + 0.3 * DiceLoss()
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert_close(compiled(*maps()), loss(*maps()))


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: Combination({}), "`terms` must hold at least one loss"),
        (lambda: Combination({"a.b": L1Loss()}), "must have names that are free identifiers, got 'a.b'"),
        (lambda: Combination({"keys": L1Loss()}), "must have names that are free identifiers, got 'keys'"),
        (lambda: Combination({"a": abs}), "`terms` must be modules"),
        (lambda: Combination({"a": L1Loss()}, {"b": 1.0}), "`weights` must be of a; got 'b'"),
        (lambda: float("nan") * L1Loss(), "must be a finite number"),
        (lambda: Ramp(0.0, 1.0, 3) * (linear_in * L1Loss()), "must have one schedule"),
        (lambda: L1Loss() / 0, "must not be 0"),
        (lambda: Ramp(0.0, 1.0, steps=0), "`steps` must be at least 1"),
        (lambda: Ramp(0.0, 1.0, steps=1, after=-1), "`after` must be at least 0"),
        (lambda: Ramp(0.0, float("inf"), steps=1), "`end` must be a finite number"),
        (lambda: Ramp(0.0, 1.0, steps=1, shape="cubic"), "`shape` must be one of"),
        (lambda: ((lambda step: None) * L1Loss())(X, Y), "weights of l1 at step 0"),
        (lambda: (L1Loss() + MSELoss()).named("a"), "`names` must be one each for l1, mse"),
        (lambda: (L1Loss() + MSELoss()).named("a", "a"), "`names` must be one each"),
        (lambda: (L1Loss() + nn.MSELoss())(X, Y, mask=X > 0), "the term `mse` .* has none"),
        (lambda: (L1Loss() + MSELoss(reduction="none"))(X, Y), "values of one shape, got \\(\\) for `l1` and \\(2,\\)"),
        (lambda: (1 * L1Loss()).set_step(-1), "`step` must be at least 0"),
    ],
)
def test_refuses_with_one_sentence(act, sentence):
    with pytest.raises(LossInputError, match=sentence):
        act()


@pytest.mark.parametrize(
    "act",
    [
        lambda: L1Loss() * MSELoss(),
        lambda: L1Loss() * "2",
        lambda: L1Loss() * torch.tensor(2.0),
        lambda: L1Loss() + 1,
        lambda: 1 + L1Loss(),
        lambda: L1Loss() / "2",
        lambda: L1Loss() - 1,
    ],
)
def test_what_is_no_arithmetic_is_pythons_error(act):
    with pytest.raises(TypeError, match=r"unsupported operand|can't multiply sequence"):
        act()
