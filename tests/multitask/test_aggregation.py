"""Aggregated gradients: against answers worked out by hand, and against torchjd's own way for trunks and heads."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchjd.aggregation import PCGrad
from torchjd.autojac import jac_to_grad, mtl_backward

from lossary import MSELoss
from lossary.core import LossInputError
from lossary.multitask import MultitaskLoss, Uncertainty
from lossary.multitask.aggregation import leaves, shared_leaves

SOLVERS = {"cagrad": ("cvxpy", "clarabel"), "nash_mtl": ("cvxpy", "ecos"), "upgrad": ("qpsolvers", "quadprog")}


class Linear(nn.Module):
    """Its gradient is its target."""

    def forward(self, input, target):
        return (input * target).sum()


quiet = pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")  # cvxpy, of how fast Nash-MTL is


def aggregate(name, *gradients):
    for package in SOLVERS.get(name, ()):
        pytest.importorskip(package)
    names = [f"t{i}" for i in range(len(gradients))]
    loss = MultitaskLoss({n: Linear() for n in names}, aggregation=name)
    point = torch.zeros(len(gradients[0]), requires_grad=True)
    loss.backward(dict.fromkeys(names, point), {n: torch.tensor(g) for n, g in zip(names, gradients, strict=True)})
    return point.grad, loss


def projected(g, onto):
    """``g`` without its part against ``onto``."""
    return g - min(0.0, float(g @ onto)) / float(onto @ onto) * onto


FIRST, SECOND = [1.0, 0.0], [-1.0, 2.0]
G1, G2 = torch.tensor(FIRST), torch.tensor(SECOND)


def test_pcgrad_takes_out_what_conflicts():
    """arXiv:2001.06782, algorithm 1: the sum of the two projections, (4/5, 2/5) and (0, 2)."""
    gradient, _ = aggregate("pcgrad", FIRST, SECOND)
    assert_close(gradient, projected(G1, G2) + projected(G2, G1))
    assert_close(gradient, torch.tensor([0.8, 2.4]))


def test_upgrad_is_the_mean_of_the_projections():
    """arXiv:2406.16232: for two gradients the dual cone's projection is PCGrad's, and they are averaged."""
    gradient, loss = aggregate("upgrad", FIRST, SECOND)
    assert_close(gradient, torch.tensor([0.4, 1.2]), atol=1e-3, rtol=0)
    by = list(loss.last.gradient_weights.values())
    assert_close(by[0] * G1 + by[1] * G2, gradient)


def test_mgda_is_the_shortest_in_the_hull():
    """The point of the line from (1, 0) to (-1, 2) next to the origin is (0.5, 0.5)."""
    assert_close(aggregate("mgda", FIRST, SECOND)[0], torch.tensor([0.5, 0.5]), atol=1e-2, rtol=0)


def test_aligned_mtl_evens_out_a_scale():
    """Orthogonal gradients of lengths 1 and 100: each is brought to the least singular value, and they are averaged."""
    assert_close(aggregate("aligned_mtl", [1.0, 0.0], [0.0, 100.0])[0], torch.tensor([0.5, 0.5]), atol=1e-2, rtol=0)


def test_a_weighting_takes_the_scale_away_before_the_gradients_are_aligned():
    """At 1e4 the squares of the lengths are too far apart for float32; over their first losses they are alike."""
    loss = MultitaskLoss({"a": Linear(), "b": Linear()}, "initial", aggregation="aligned_mtl")
    point = torch.ones(2, requires_grad=True)
    loss.backward({"a": point, "b": point}, {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0.0, 1e4])})
    assert_close(point.grad, torch.tensor([0.5, 0.5]))


@quiet
def test_nash_mtl_evens_out_a_scale():
    """arXiv:2202.01017: at G G^T a = 1/a orthogonal gradients get a = 1/|g|; torchjd brings the sum to length 1."""
    gradient, _ = aggregate("nash_mtl", [1.0, 0.0], [0.0, 100.0])
    assert_close(gradient, torch.tensor([0.5**0.5, 0.5**0.5]), atol=1e-2, rtol=0)


def test_cagrad_serves_the_worst_task_near_the_mean():
    """arXiv:2110.14048, eq. 2: within half its length of the mean gradient, the direction best for the worst task."""
    gradient, _ = aggregate("cagrad", FIRST, SECOND)
    mean = (G1 + G2) / 2
    angles = torch.linspace(0, 2 * math.pi, 20001)
    ring = mean + 0.5 * mean.norm() * torch.stack([angles.cos(), angles.sin()], 1)
    best = torch.minimum(ring @ G1, ring @ G2).max()
    assert_close(torch.minimum(gradient @ G1, gradient @ G2), best, atol=1e-2, rtol=0)


def heads(scale=1.0):
    torch.manual_seed(0)
    trunk, a, b = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    x, targets = torch.randn(8, 3), {"a": torch.randn(8, 1), "b": scale * torch.randn(8, 1)}
    return trunk, a, b, x, targets


def gradients(*modules):
    return [p.grad.clone() for module in modules for p in module.parameters()]


@pytest.mark.parametrize("explicit", [False, True])
def test_trunk_is_aggregated_and_heads_are_not(explicit):
    """As torchjd does where it is told the features by hand."""
    trunk, a, b, x, targets = heads(scale=30.0)
    loss = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, {"b": 0.5}, aggregation="pcgrad")
    hidden = trunk(x)
    shared = list(trunk.parameters()) if explicit else None
    value = loss.backward({"a": a(hidden), "b": b(hidden)}, targets, shared=shared)
    ours = gradients(trunk, a, b)
    for module in (trunk, a, b):
        module.zero_grad()
    hidden = trunk(x)
    rows = [MSELoss()(a(hidden), targets["a"]), 0.5 * MSELoss()(b(hidden), targets["b"])]
    mtl_backward(rows, features=hidden)
    jac_to_grad(list(trunk.parameters()), PCGrad())
    assert_close(ours, gradients(trunk, a, b))
    assert_close(value, sum(rows).detach())
    assert loss.last.backward_passes == 3


def test_gradients_accumulate():
    trunk, a, b, x, targets = heads()
    loss = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, aggregation="pcgrad")
    loss.backward({"a": a(trunk(x)), "b": b(trunk(x))}, targets)
    once = gradients(trunk, a, b)
    loss.backward({"a": a(trunk(x)), "b": b(trunk(x))}, targets)
    assert_close(gradients(trunk, a, b), [2 * g for g in once])
    assert not hasattr(trunk.weight, "jac") or trunk.weight.jac is None


def test_a_parameter_that_only_two_of_three_tasks_share():
    p, q = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    loss = MultitaskLoss({n: Linear() for n in "abc"}, aggregation="pcgrad")
    targets = {"a": G1, "b": G2, "c": G1}
    loss.backward({"a": p, "b": p, "c": q}, targets)
    assert_close(p.grad, torch.tensor([0.8, 2.4]))
    assert_close(q.grad, G1)


def test_a_batch_of_one_task_is_plain():
    trunk, a, _, x, targets = heads()
    loss = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, aggregation="pcgrad")
    loss.backward({"a": a(trunk(x))}, {"a": targets["a"]})
    ours = gradients(trunk, a)
    trunk.zero_grad(), a.zero_grad()
    MSELoss()(a(trunk(x)), targets["a"]).backward()
    assert_close(ours, gradients(trunk, a))


def test_weightings_learn_beside_an_aggregation():
    trunk, a, b, x, targets = heads()
    loss = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, Uncertainty(noise=1.0), aggregation="pcgrad")
    loss.backward({"a": a(trunk(x)), "b": b(trunk(x))}, targets)
    errors = torch.tensor(list(loss.last.losses.values()))
    assert_close(loss.weighting.log_variance.grad, 0.5 - 0.5 * errors)  # of e^-s L / 2 + s / 2 at s = 0


def test_what_a_weighting_learns_is_not_aggregated():
    """Losses of 0 at noise 1 leave the derivative of s / 2, whatever PCGrad does to the conflict of the point."""
    loss = MultitaskLoss({"a": Linear(), "b": Linear()}, Uncertainty(noise=1.0), aggregation="pcgrad")
    point = torch.zeros(2, requires_grad=True)
    loss.backward({"a": point, "b": point}, {"a": G1, "b": G2})
    assert_close(loss.weighting.log_variance.grad, torch.tensor([0.5, 0.5]))
    assert_close(point.grad, torch.tensor([0.4, 1.2]))  # half of PCGrad's, as the weights are 1/2


def test_neither_of_two_conflicting_quadratics_is_made_worse():
    """Minima at (-1, 0) and (1, 0), the second ten times as steep: a sum leaves the first behind, PCGrad never."""

    def run(**options):
        squares = {"left": MSELoss(reduction="sum"), "right": MSELoss(reduction="sum")}
        loss = MultitaskLoss(squares, {"right": 10.0}, **options)
        point = torch.tensor([0.0, 0.5], requires_grad=True)
        targets = {"left": torch.tensor([-1.0, 0.0]), "right": torch.tensor([1.0, 0.0])}
        optimizer = torch.optim.SGD([point], lr=0.002)
        seen = []
        for _ in range(1000):
            optimizer.zero_grad()
            loss.backward({"left": point, "right": point}, targets)
            optimizer.step()
            seen.append(loss.last.losses)
        return point.detach(), seen

    plain, seen = run()
    assert_close(plain, torch.tensor([9 / 11, 0.0]), atol=1e-3, rtol=0)
    assert seen[-1]["left"] > seen[0]["left"] + 1
    point, seen = run(aggregation="pcgrad")
    for before, after in pairwise(seen):
        assert all(after[task] <= before[task] + 1e-6 for task in after)
    assert (
        -1 <= point[0] <= 1 and abs(point[1]) < 0.02
    )  # between the minima: where no task gains without the other's loss


def test_who_shares_what():
    trunk, a, b, x, _ = heads()
    hidden = trunk(x)
    rows = [a(hidden).sum(), b(hidden).sum()]
    assert set(shared_leaves(rows)) == set(trunk.parameters())
    assert shared_leaves(rows, apart=[trunk.bias]) == (trunk.weight,)
    assert [set(own) for own in leaves(rows)] == [{*trunk.parameters(), *m.parameters()} for m in (a, b)]
    leaf = torch.zeros((), requires_grad=True)
    assert leaves([leaf, torch.zeros(())]) == [[leaf], []]


def test_refusals():
    trunk, a, b, x, targets = heads()
    loss = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, aggregation="pcgrad")
    given = {"a": a(trunk(x)), "b": b(trunk(x))}
    with pytest.raises(LossInputError, match=r"with `aggregation`, call backward\(outputs, targets\) in training"):
        loss(given, targets)
    with torch.no_grad():
        loss(given, targets)
    with pytest.raises(LossInputError, match="`shared` must hold what several tasks depend on"):
        loss.backward({"a": a(x.new_ones(8, 4)), "b": b(x.new_ones(8, 4))}, targets)
    for package in SOLVERS["nash_mtl"]:
        pytest.importorskip(package)
    nash = MultitaskLoss({"a": MSELoss(), "b": MSELoss()}, aggregation="nash_mtl")
    with pytest.raises(LossInputError, match="with Nash-MTL, `targets` must hold every task"):
        nash.backward({"a": a(trunk(x))}, {"a": targets["a"]})
