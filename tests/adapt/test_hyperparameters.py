"""Learnable hyperparameters: what is learned, what is refused and why, and Barron's shape found again."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.adapt import Learnable
from lossary.adapt.bijections import Bijection
from lossary.adapt.probing import hindrance
from lossary.catalogue import find
from lossary.core import LossInputError, Optional, Within
from lossary.losses.regression.barron import general_robust

X = torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.randn(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def barron(alpha=1.2, scale=0.8):
    return Learnable(lossary.GeneralRobustNLLLoss(alpha=alpha, scale=scale), "alpha", "scale").double()


class TestModule:
    def test_begins_at_the_values_of_the_loss_and_computes_it(self):
        loss = barron()
        assert loss.values == pytest.approx({"alpha": 1.2, "scale": 0.8})
        assert_close(loss(X, Y), lossary.general_robust_nll_loss(X, Y, alpha=1.2, scale=0.8), rtol=1e-6, atol=0.0)

    def test_gradients_in_the_hyperparameters_are_those_of_finite_differences(self):
        loss = barron()
        loss(X, Y).backward()
        for name, raw in loss.raw.items():
            value = {k: torch.tensor(v, dtype=torch.float64) for k, v in loss.values.items()}
            h = 1e-6 * value[name]  # of the exponential: the value times a step of the raw number
            ahead, behind = (loss.under({**value, name: value[name] + step}, X, Y) for step in (h, -h))
            assert raw.grad.item() == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-5)

    def test_options_of_the_call_reach_the_loss(self):
        loss, mask = barron(), torch.arange(20) < 7
        assert_close(loss(X, Y, mask=mask), loss(X[:7], Y[:7]))
        assert_close(loss(X, Y, denominator=40.0), loss(X, Y) / 2)

    @pytest.mark.parametrize("form", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
    def test_copies_and_pickles_keep_what_was_learned(self, form):
        loss = barron()
        with torch.no_grad():
            loss.raw["alpha"] += 1.0
        again = form(loss)
        assert again.values == loss.values and torch.equal(again(X, Y), loss(X, Y))

    def test_the_state_dict_holds_what_is_learned_and_no_more(self):
        loss, other = barron(), barron(alpha=0.1, scale=5.0)
        assert set(loss.state_dict()) == {"raw.alpha", "raw.scale"}
        other.load_state_dict(loss.state_dict())
        assert other.values == loss.values

    def test_moves_with_to(self):
        loss = Learnable(lossary.GeneralRobustNLLLoss(), "alpha")
        assert loss.to("meta")(X.to("meta"), Y.to("meta")).device.type == "meta"
        assert barron().to(torch.bfloat16)(X, Y).isfinite()

    def test_the_loss_that_was_given_stays_as_it_was(self):
        given = lossary.StudentTNLLLoss(df=3.0)
        loss = Learnable(given, "df")
        with torch.no_grad():
            loss.raw["df"] += 1.0
        assert given.df == 3.0 and not list(given.buffers())

    def test_is_a_loss_among_others(self):
        both = 0.5 * barron() + lossary.MSELoss()
        assert_close(both(X, Y), 0.5 * barron()(X, Y) + lossary.mse_loss(X, Y))

    def test_fixed_is_the_plain_loss_at_what_was_learned(self):
        loss = barron()
        with torch.no_grad():
            loss.raw["scale"] += 0.5
        plain = loss.fixed()
        assert type(plain) is lossary.GeneralRobustNLLLoss and plain.scale == loss.values["scale"]
        assert torch.equal(plain(X, Y), loss(X, Y)) and "alpha=1.2" in repr(plain)

    def test_a_loss_with_parameters_of_its_own(self):
        loss = Learnable(lossary.NormFaceLoss(3, 4, scale=10.0), "scale")
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
        loss(x, torch.arange(6) % 3).backward()
        assert set(dict(loss.named_parameters())) == {"raw.scale", "loss.prototypes"}
        assert loss.raw["scale"].grad != 0 and loss.loss.prototypes.grad.any()

    def test_compiles_whole(self):
        loss = barron()
        compiled = torch.compile(loss, fullgraph=True, backend="eager")
        assert_close(compiled(X, Y), loss(X, Y))


class TestHeldOut:
    def test_the_training_loss_cannot_move_it(self):
        loss = Learnable(lossary.HuberLoss(delta=0.3), "delta", by="held_out")
        x = X.clone().requires_grad_()
        loss(x, Y).backward()
        assert loss.raw["delta"].grad is None and x.grad.any()

    def test_under_is_differentiable_in_it(self):
        loss = Learnable(lossary.HuberLoss(delta=0.3), "delta", by="held_out").double()
        (slope,) = torch.autograd.grad(loss.under(loss.hyperparameters(), X, Y), list(loss.raw.values()))
        assert slope > 0

    @pytest.mark.parametrize(
        ("loss", "name"),
        [(lossary.HuberLoss(), "delta"), (lossary.SoftmaxFocalLoss(), "gamma"), (lossary.GeneralRobustLoss(), "scale"),
         (lossary.CosFaceLoss(3, 4), "scale"), (lossary.TweedieNLLLoss(), "power")],
    )  # fmt: skip
    def test_what_is_no_likelihood_is_not_learned_by_the_training_loss(self, loss, name):
        with pytest.raises(LossInputError, match=f'`{name}` of .* by="held_out".*no likelihood in it'):
            Learnable(loss, name)
        assert Learnable(loss, name, by="held_out").values

    @pytest.mark.parametrize(("loss", "name", "way"), [
        (lambda v: lossary.huber_loss(X, Y, delta=v), 1.0, -1),
        (lambda v: lossary.softmax_focal_loss(X.reshape(10, 2), (Y[:10] > 0).long(), gamma=v), 2.0, 1),
    ])  # fmt: skip
    def test_the_refusal_is_right_that_it_would_collapse(self, loss, name, way):
        """Huber's delta falls to 0 and the focal loss's gamma rises, at the same predictions."""
        raw = torch.tensor(float(np.log(name)), dtype=torch.float64, requires_grad=True)
        first = loss(raw.exp()).item()
        optimizer = torch.optim.Adam([raw], lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            loss(raw.exp()).backward()
            optimizer.step()
        assert way * (raw.exp().item() - name) > 0.9 * name and loss(raw.exp()).item() < 0.1 * first


class TestRefusals:
    @pytest.mark.parametrize(("make", "sentence"), [
        (lambda: Learnable(torch.nn.HuberLoss(), "delta"), "`loss` must be a loss module of lossary, got HuberLoss"),
        (lambda: Learnable(lossary.huber_loss, "delta"), "`loss` must be a loss module of lossary, got function"),
        (lambda: Learnable(lossary.HuberLoss(), "gamma", by="held_out"), r"HuberLoss \(delta\), got 'gamma'"),
        (lambda: Learnable(lossary.MSELoss(), "delta", by="held_out"), r"MSELoss \(none\), got 'delta'"),
        (lambda: Learnable(lossary.HuberLoss(), by="held_out"), "`names` must be hyperparameters, each once; got ''"),
        (lambda: Learnable(lossary.HuberLoss(), "delta", "delta", by="held_out"), "each once; got 'delta, delta'"),
        (lambda: Learnable(lossary.HuberLoss(), "delta", by="training"), "'likelihood', 'held_out'; got 'training'"),
        (lambda: Learnable(lossary.DiceLoss(), "area", by="held_out"), "`area` of DiceLoss must be a real number"),
        (lambda: Learnable(lossary.CrossEntropyLoss(), "ignore_index", by="held_out"), "must be a real number"),
        (lambda: Learnable(lossary.SoftmaxFocalLoss(gamma=0.0), "gamma", by="held_out"),
         r"must begin at a number inside \(0, inf\), got 0.0"),
        (lambda: Learnable(lossary.SigmoidFocalLoss(alpha=None), "alpha", by="held_out"), r"inside \(0, 1\), got None"),
        (lambda: Learnable(lossary.GeneralRobustLoss(alpha=-torch.inf), "alpha", by="held_out"), "a finite number"),
        (lambda: Learnable(lossary.SmoothL1Loss(), "beta", by="held_out"), "an operation that takes plain numbers"),
        (lambda: Learnable(lossary.OHEMCrossEntropyLoss(), "fraction", by="held_out"), "selects, counts, or enters as"),
    ])  # fmt: skip
    def test_one_clear_sentence(self, make, sentence):
        with pytest.raises(LossInputError, match=sentence) as caught:
            make()
        assert str(caught.value).startswith("Learnable: `") and "\n" not in str(caught.value)

    def test_a_gradient_that_is_right_in_the_loss_and_wrong_in_the_models_gradient_is_found(self):
        """The skew divergence takes the logarithm of beta as a number: that cancels in its slope, but only there."""
        loss = lossary.JensenShannonLoss(beta=0.4)
        assert hindrance(loss, "beta", Bijection(0.0, 1.0), mixed=False) is None
        with pytest.raises(LossInputError, match="autograd and finite differences disagree"):
            Learnable(loss, "beta", by="held_out")

    def test_a_slope_that_is_incomplete_is_found(self):
        """With smoothed labels, a part of the tempered loss takes t1 as a number; without, none does."""
        assert hindrance(lossary.BiTemperedLogisticLoss(), "t1", Bijection(0.0, 1.0), mixed=False) is None
        smoothed = lossary.BiTemperedLogisticLoss(label_smoothing=0.1)
        assert "disagree" in hindrance(smoothed, "t1", Bijection(0.0, 1.0), mixed=False)

    def test_class_weights_of_any_number_are_taken(self):
        loss = lossary.SoftmaxFocalLoss(gamma=1.5, class_weight=torch.ones(17))
        assert Learnable(loss, "gamma", by="held_out").values == {"gamma": 1.5}


def real_hyperparameters():
    for definition in find():
        for name, value in definition.hyperparameters.items():
            constraint = definition.constraints.get(name)
            bounds = constraint.inner if isinstance(constraint, Optional) else constraint
            if isinstance(bounds, Within) and not bounds.whole and "__init__" not in definition.module.__dict__:
                yield definition, name, value, bounds


NOT = {"selects", "plain numbers", "disagree"}


def test_every_real_hyperparameter_of_the_catalogue_is_learned_or_refused_for_a_reason():
    """By held-out data; of those whose default is inside their bounds, all but a few can be learned."""
    learned, refused = set(), {}
    for definition, name, value, bounds in real_hyperparameters():
        if not isinstance(value, float) or not bounds.low < value < bounds.high:
            continue
        module = definition.module
        own = any("__init__" in base.__dict__ for base in module.__mro__[1:3] if base is not lossary.core.Loss)
        loss = module(3, 4) if own else module()
        try:
            Learnable(loss, name, by="held_out")
        except LossInputError as error:
            refused[definition.name, name] = str(error)
        else:
            learned.add((definition.name, name))
    assert all(any(reason in text for reason in NOT) for text in refused.values()), refused
    assert len(learned) > 8 * len(refused)


def sample(alpha, n):
    """Errors of Barron's density by the inverse of its distribution function, summed up on a grid."""
    v = torch.linspace(-20.0, 20.0, 100_001, dtype=torch.float64)
    mass = torch.exp(-general_robust(v.sinh() ** 2, torch.tensor(alpha, dtype=torch.float64))) * v.cosh()
    below = mass.cumsum(0) / mass.sum()
    u = torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.from_numpy(np.interp(u.numpy(), below.numpy(), v.sinh().numpy()))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_barrons_shape_and_scale_are_found_again(alpha):
    """Of 4000 errors at scale 3. Cauchy's (0) and normal (2) ones by torch are drawn in the next test."""
    errors = 3.0 * sample(alpha, 4000)
    loss = fit(errors)
    assert loss.values["alpha"] == pytest.approx(alpha, abs=0.15)
    assert loss.values["scale"] == pytest.approx(3.0, rel=0.08)
    truth = lossary.general_robust_nll_loss(errors, torch.zeros_like(errors), alpha=alpha, scale=3.0)
    assert loss(errors, torch.zeros_like(errors)) <= truth + 1e-4


def test_barrons_shape_tells_cauchy_from_normal():
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(4000, generator=generator, dtype=torch.float64)
    cauchy = torch.empty(4000, dtype=torch.float64).cauchy_(generator=generator)
    assert fit(cauchy).values == pytest.approx({"alpha": 0.0, "scale": 2**-0.5}, abs=0.1)
    assert fit(normal).values == pytest.approx({"alpha": 2.0, "scale": 1.0}, abs=0.15)


def fit(errors):
    loss = barron(alpha=1.0, scale=1.0)
    optimizer = torch.optim.LBFGS(loss.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = loss(errors, torch.zeros_like(errors))
        value.backward()
        return value

    optimizer.step(closure)
    return loss
