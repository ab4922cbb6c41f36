"""Meta-gradients against training again: one step, or to the optimum; and what they are refused for."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lossary
from lossary.adapt import Learnable, MetaGradient
from lossary.adapt.linear_systems import conjugate_gradients
from lossary.core import LossInputError

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd with weight decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.3),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.95), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.3),
    "two groups": lambda p: torch.optim.SGD(
        [{"params": list(p)[:1], "lr": 0.3}, {"params": list(p)[1:], "momentum": 0.5}], lr=0.1
    ),
}


def data(seed, n=40):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=g, dtype=torch.float64)
    noise = torch.empty(n, 1, dtype=torch.float64).cauchy_(generator=g)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64) + 0.5 * noise


TRAIN, HELD_OUT = data(0), data(1)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def robust(alpha=0.7, scale=1.3):
    loss = lossary.GeneralRobustLoss(alpha=alpha, scale=scale)
    return Learnable(loss, "alpha", "scale", by="held_out").double()


def train(model, loss, optimizer, steps=1):
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(TRAIN[0]), TRAIN[1]).backward()
        optimizer.step()


def held_out_loss(model):
    with torch.no_grad():
        return lossary.huber_loss(model(HELD_OUT[0]), HELD_OUT[1]).item()


class TestUnrolled:
    @pytest.mark.parametrize("before", [0, 3])
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_as_finite_differences_of_taking_the_step(self, name, before):
        model, loss = network(), robust()
        optimizer = OPTIMIZERS[name](model.parameters())
        train(model, loss, optimizer, before)
        found = MetaGradient(loss, model, lossary.HuberLoss(), optimizer).gradient(TRAIN, HELD_OUT)

        def after(hyperparameter, move):
            again, moved = copy.deepcopy(model), copy.deepcopy(loss)
            with torch.no_grad():
                moved.raw[hyperparameter] += move
            stepper = OPTIMIZERS[name](again.parameters())
            stepper.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            train(again, moved, stepper)
            return held_out_loss(again)

        for hyperparameter, slope in found.items():
            h = 1e-4
            expected = (after(hyperparameter, h) - after(hyperparameter, -h)) / (2 * h)
            assert slope.item() == pytest.approx(expected, rel=1e-4, abs=1e-9)

    def test_nothing_but_the_hyperparameters_moves(self):
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double()
        loss = robust()
        optimizer = torch.optim.Adam(model.parameters())
        train(model, loss, optimizer)
        before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
        gradients = [p.grad.clone() for p in model.parameters()]
        step = MetaGradient(loss, model, lossary.L1Loss(), optimizer, lr=0.1).step(TRAIN, HELD_OUT)
        assert_close(model.state_dict(), before[0], rtol=0, atol=0)
        assert_close(optimizer.state_dict()["state"], before[1]["state"], rtol=0, atol=0)
        assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
        assert all(raw.grad is None for raw in loss.raw.values())
        assert step.values == loss.values != {"alpha": 0.7, "scale": 1.3}
        assert json.loads(step.to_json())["values"] == step.values

    def test_a_frozen_layer_stays_frozen(self):
        model, loss = network(), robust()
        last = list(model[2].parameters())
        found = MetaGradient(loss, model, lossary.HuberLoss(), torch.optim.SGD(last, lr=0.1)).gradient(TRAIN, HELD_OUT)
        whole = MetaGradient(loss, model, lossary.HuberLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
        assert found["alpha"] != whole.gradient(TRAIN, HELD_OUT)["alpha"]

    def test_prototypes_of_the_loss_take_part_in_the_step(self):
        torch.manual_seed(0)
        model = nn.Linear(3, 4)
        loss = Learnable(lossary.CosFaceLoss(2, 4, margin=0.2, scale=5.0), "scale", "margin", by="held_out")
        optimizer = torch.optim.SGD([*model.parameters(), *loss.loss.parameters()], lr=0.1)
        x, y = torch.randn(8, 3), torch.arange(8) % 2

        def judge(embeddings, target):
            return lossary.mse_loss(embeddings.norm(dim=1), 1.0 + target)

        found = MetaGradient(loss, model, judge, optimizer).gradient((x, y), (x, y))
        assert all(slope != 0 for slope in found.values())

    def test_works_where_gradients_are_off(self):
        model, loss = network(), robust()
        meta = MetaGradient(loss, model, lossary.HuberLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
        expected = meta.gradient(TRAIN, HELD_OUT)
        with torch.no_grad():
            assert_close(meta.gradient(TRAIN, HELD_OUT), expected)

    def test_finds_the_expectile_that_a_grid_search_finds(self):
        """One constant is fitted by expectiles; the held-out data ask for their 0.8-quantile."""
        g = torch.Generator().manual_seed(0)
        y, other = (torch.randn(400, 1, generator=g, dtype=torch.float64).exp() for _ in range(2))
        ones, judge = torch.ones_like(y), lossary.QuantileLoss(q=0.8)
        grid = torch.linspace(0.5, 0.99, 50).tolist()

        def fitted(q):
            low, high = 0.0, 50.0  # the expectile is where its slope changes sign
            for _ in range(60):
                middle = (low + high) / 2
                pull = torch.where(y > middle, q, 1 - q) * (y - middle)
                low, high = (middle, high) if pull.sum() > 0 else (low, middle)
            return judge(torch.full_like(other, low), other).item()

        best = min(grid, key=fitted)
        model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
        loss = Learnable(lossary.ExpectileLoss(q=0.6), "q", by="held_out").double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        meta = MetaGradient(loss, model, judge, optimizer, lr=0.03)
        for _ in range(300):
            meta.step((ones, y), (ones, other))
            optimizer.zero_grad()
            loss(model(ones), y).backward()
            optimizer.step()
        assert loss.values["q"] == pytest.approx(best, abs=0.02)
        assert 0.6 < best < 0.98


def linear():
    return nn.Linear(3, 1, bias=False, dtype=torch.float64)


class Ridge:
    """Half the squared error over scale^2 and weight decay: ridge regression, of which everything is known."""

    decay = 0.5

    def __init__(self, scale):
        loss = lossary.GeneralRobustLoss(alpha=2.0, scale=scale)
        self.loss = Learnable(loss, "scale", by="held_out").double()
        self.model = linear()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, weight_decay=self.decay)
        g = torch.Generator().manual_seed(1)
        truth = torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)
        self.x, self.other_x = (torch.randn(n, 3, generator=g, dtype=torch.float64) for n in (8, 60))
        self.y, self.other_y = (
            x @ truth + 2.0 * torch.randn(len(x), 1, generator=g, dtype=torch.float64) for x in (self.x, self.other_x)
        )
        self.batches = (self.x, self.y), (self.other_x, self.other_y)

    def matrix(self, scale):
        return self.x.T @ self.x / len(self.x) + self.decay * scale**2 * torch.eye(3, dtype=torch.float64)

    def solution(self, scale):
        return torch.linalg.solve(self.matrix(scale), self.x.T @ self.y / len(self.x))

    def settle(self):
        with torch.no_grad():
            self.model.weight.copy_(self.solution(self.loss.values["scale"]).T)

    def validation(self, scale):
        return (self.other_x @ self.solution(scale) - self.other_y).square().mean().item()


class TestImplicit:
    @pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
    def test_as_the_closed_form_of_ridge_regression(self, scale):
        """With A = X'X/n + d s^2 I and w = A^-1 X'y/n, dw/ds = -2 d s A^-1 w; the raw number is log s."""
        ridge = Ridge(scale)
        ridge.settle()
        meta = MetaGradient(ridge.loss, ridge.model, lossary.MSELoss(), ridge.optimizer, method="implicit",
                            tolerance=1e-12)  # fmt: skip
        w = ridge.solution(scale)
        moved = torch.linalg.solve(ridge.matrix(scale), -2 * ridge.decay * scale * w)
        pull = 2 * ridge.other_x.T @ (ridge.other_x @ w - ridge.other_y) / len(ridge.other_x)
        expected = scale * (pull * moved).sum().item()
        assert meta.gradient(*ridge.batches)["scale"].item() == pytest.approx(expected, rel=1e-6)
        assert meta.step(*ridge.batches).residual < 1e-6

    @pytest.mark.parametrize("start", [0.3, 8.0])
    def test_finds_the_ridge_penalty_that_a_grid_search_finds(self, start):
        ridge = Ridge(start)
        grid = torch.logspace(-1.0, 1.0, 201, dtype=torch.float64).tolist()
        best = min(grid, key=ridge.validation)
        assert grid[20] < best < grid[-20]
        meta = MetaGradient(ridge.loss, ridge.model, lossary.MSELoss(), ridge.optimizer, method="implicit", lr=0.1)
        for _ in range(150):
            ridge.settle()
            meta.step(*ridge.batches)
        assert ridge.loss.values["scale"] == pytest.approx(best, rel=0.03)

    def test_as_finite_differences_of_training_to_the_optimum(self):
        loss = Learnable(lossary.PseudoHuberLoss(delta=0.8), "delta", by="held_out").double()

        def settled(move):
            again, model = copy.deepcopy(loss), linear()
            with torch.no_grad():
                again.raw["delta"] += move
                model.weight.zero_()
            optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-12,
                                          tolerance_change=1e-15, line_search_fn="strong_wolfe")  # fmt: skip

            def closure():
                optimizer.zero_grad()
                value = again(model(TRAIN[0]), TRAIN[1])
                value.backward()
                return value

            optimizer.step(closure)
            return model

        h = 1e-3
        expected = (held_out_loss(settled(h)) - held_out_loss(settled(-h))) / (2 * h)
        model = settled(0.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        meta = MetaGradient(loss, model, lossary.HuberLoss(), optimizer, method="implicit", tolerance=1e-10)
        assert meta.gradient(TRAIN, HELD_OUT)["delta"].item() == pytest.approx(expected, rel=1e-3)

    def test_a_loss_that_is_not_convex_there_is_refused_until_it_is_damped(self):
        model, loss = linear(), robust(alpha=-2.0, scale=0.1)
        with torch.no_grad():
            model.weight.fill_(0.5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        meta = MetaGradient(loss, model, lossary.HuberLoss(), optimizer, method="implicit")
        with pytest.raises(LossInputError, match=r"must be convex around the weights, got a curvature of -.*`damping`"):
            meta.gradient(TRAIN, HELD_OUT)
        damped = MetaGradient(loss, model, lossary.HuberLoss(), optimizer, method="implicit", damping=10.0)
        assert damped.gradient(TRAIN, HELD_OUT)["scale"].isfinite()


class TestConjugateGradients:
    matrix = torch.tensor([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
    right = torch.tensor([1.0, 2.0, -5.0], dtype=torch.float64)

    def solve(self, **options):
        return conjugate_gradients(
            lambda v: self.matrix @ v, self.right, **{"iterations": 9, "tolerance": 0, **options}
        )

    def test_as_direct_solution_and_no_sooner_than_in_as_many_products_as_rows(self):
        assert_close(self.solve(iterations=3)[0], torch.linalg.solve(self.matrix, self.right))
        assert self.solve(iterations=2)[1] > 1e-3

    def test_the_residual_is_what_is_left(self):
        solution, residual = self.solve(iterations=1)
        assert residual == pytest.approx(float((self.right - self.matrix @ solution).norm() / self.right.norm()))

    def test_stops_at_the_tolerance(self):
        assert 1e-2 < self.solve(tolerance=0.9)[1] < 0.9

    def test_nothing_to_solve(self):
        solution, residual = conjugate_gradients(lambda v: v, torch.zeros(3), iterations=5, tolerance=1e-6)
        assert not solution.any() and residual == 0.0


def meta(loss=None, model=None, judge=None, optimizer=torch.optim.SGD, extra=(), **options):
    loss, model = loss or robust(), model or network()
    own = options.pop("own", model.parameters())
    return MetaGradient(loss, model, judge or lossary.HuberLoss(), optimizer([*own, *extra]), **options)


LEARNED = robust()


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: meta(Learnable(lossary.StudentTNLLLoss(), "df")), "by=\"held_out\", got 'likelihood'"),
    (lambda: meta(lossary.HuberLoss()), "must be Learnable with by=\"held_out\", got HuberLoss"),
    (lambda: meta(LEARNED, judge=LEARNED), "`validation_loss` must not depend on the hyperparameters that it judges"),
    (lambda: meta(LEARNED, judge=LEARNED.loss), "`validation_loss` must not depend on the hyperparameters"),
    (lambda: meta(LEARNED, judge=lossary.MSELoss() + 0.1 * LEARNED), "`validation_loss` must not depend on"),
    (lambda: meta(judge="mse"), "`validation_loss` must be a loss of output and target, got str"),
    (lambda: meta(method="exact"), "`method` must be one of 'unrolled', 'implicit'; got 'exact'"),
    (lambda: meta(lr=0.0), "`lr` must be a number above 0, got 0.0"),
    (lambda: meta(damping=-1.0), "`damping` must be a number of at least 0, got -1.0"),
    (lambda: meta(iterations=0), "`iterations` must be a whole number of at least 1, got 0"),
    (lambda: meta(optimizer=torch.optim.Adagrad), "`optimizer` must be SGD, Adam or AdamW of torch.optim, got Adagrad"),
    (lambda: meta(optimizer=lambda p: torch.optim.Adam(p, amsgrad=True)), "must be without amsgrad"),
    (lambda: meta(optimizer=lambda p: torch.optim.SGD(p, maximize=True)), "must be without maximize"),
    (lambda: meta(LEARNED, extra=LEARNED.parameters()), "`optimizer` must not hold the hyperparameters"),
    (lambda: meta(own=network().parameters()), "`optimizer` must hold parameters of the model"),
    (lambda: meta(optimizer=torch.optim.AdamW, method="implicit"), "must not decouple weight decay"),
    (lambda: meta(judge=lossary.HuberLoss(reduction="none")).gradient(TRAIN, HELD_OUT),
     r"`validation_loss` must give one number, got shape \(40, 1\)"),
    (lambda: meta(model=nn.LSTM(3, 1).double()).gradient(TRAIN, HELD_OUT), "`model` must give one tensor, got tuple"),
])  # fmt: skip
def test_one_clear_sentence(make, sentence):
    with pytest.raises(LossInputError, match=sentence) as caught:
        make()
    assert str(caught.value).startswith("MetaGradient: `") and "\n" not in str(caught.value)
