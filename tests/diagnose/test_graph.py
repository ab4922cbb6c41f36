"""Facts of graphs that are small enough to be read off the code that makes them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossary.diagnosis.graph import facts_of, last_operation

X, Y = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])


def network(*end):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), *end)


def test_a_loss_without_a_graph_has_no_facts():
    assert facts_of(torch.tensor(1.0)) is None
    with torch.no_grad():
        assert facts_of(network()(X).sum()) is None


def test_head_layers_and_leaves_of_an_ordinary_network():
    model = network()
    facts = facts_of(F.cross_entropy(model(X), Y))
    assert facts.head == ("NllLoss", "LogSoftmax")
    assert facts.softmax_dims == (("LogSoftmax", 1, 2),)
    assert (facts.weighted, facts.nonlinear) == (2, 1)
    assert facts.leaves == {id(parameter) for parameter in model.parameters()}
    assert (facts.normalised_twice, facts.flat, facts.delicate, facts.whole) == (False, (), (), True)


def test_a_network_without_nonlinearity_has_none():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    assert facts_of(F.mse_loss(model(X), torch.zeros(6, 3))).nonlinear == 0


def test_an_activation_at_the_end_is_of_the_head_and_not_of_the_network():
    facts = facts_of(F.mse_loss(nn.Sequential(nn.Linear(4, 3), nn.Tanh())(X), torch.zeros(6, 3)))
    assert facts.head == ("MseLoss", "Tanh")
    assert facts.nonlinear == 0


@pytest.mark.parametrize(
    ("loss", "twice"),
    [
        (lambda z: F.cross_entropy(z.softmax(1), Y), True),
        (lambda z: F.cross_entropy(z.sigmoid(), Y), True),
        (lambda z: F.binary_cross_entropy_with_logits(z.sigmoid(), torch.ones(6, 3)), True),
        (lambda z: F.nll_loss(z.softmax(1).log_softmax(1), Y), True),
        (lambda z: F.cross_entropy(z, Y), False),
        (lambda z: F.nll_loss(z.log_softmax(1), Y), False),
        (lambda z: F.nll_loss(z.softmax(1).log(), Y), False),
        (lambda z: F.binary_cross_entropy(z.sigmoid(), torch.ones(6, 3)), False),
        (lambda z: F.cross_entropy(z.tanh(), Y), False),
    ],
)
def test_what_is_normalised_twice(loss, twice):
    assert facts_of(loss(network()(X))).normalised_twice is twice


def test_a_softmax_within_the_network_is_not_at_its_end():
    model = nn.Sequential(nn.Linear(4, 8), nn.Softmax(1), nn.Linear(8, 3))
    facts = facts_of(F.cross_entropy(model(X), Y))
    assert not facts.normalised_twice
    assert [name for name, _, _ in facts.softmax_dims] == ["LogSoftmax"]


@pytest.mark.parametrize(("dim", "saved"), [(0, 0), (1, 1), (-1, -1), (-2, -2)])
def test_the_dimension_of_a_softmax(dim, saved):
    name, found, ndim = facts_of(network()(X).softmax(dim).log().mean()).softmax_dims[0]
    assert (name, ndim) == ("Softmax", 2)
    assert found % 2 == saved % 2


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (torch.round, "Round"),
        (torch.sign, "Sign"),
        (torch.floor, "Floor"),
        (torch.ceil, "Ceil"),
        (torch.trunc, "Trunc"),
    ],
)
def test_steps_have_no_gradient(step, name):
    assert facts_of(step(network()(X)).mean()).flat == (name,)


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        (lambda z: z.softmax(1).log(), ["Log"]),
        (lambda z: z.pow(2).mean(1).sqrt(), ["Sqrt", "Pow"]),
        (lambda z: z.exp() / z.exp().sum(1, keepdim=True), ["Div", "Exp", "Exp"]),
        (lambda z: z.std(1), ["Std"]),
        (lambda z: z.log_softmax(1), []),
    ],
)
def test_what_can_make_infinities(operation, names):
    assert sorted(facts_of(operation(network()(X)).sum()).delicate) == sorted(names)


def test_leaves_leave_out_what_is_detached_or_frozen():
    first, second = nn.Linear(4, 8), nn.Linear(8, 3)
    second.bias.requires_grad_(False)
    facts = facts_of(F.cross_entropy(second(first(X).detach()), Y))
    assert facts.leaves == {id(second.weight)}


@pytest.mark.parametrize(
    ("make", "weighted"),
    [
        (lambda: nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(4, 3)), 2),
        (lambda: nn.Sequential(nn.Linear(4, 3, bias=False)), 1),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)), 2),
    ],
)
def test_layers_with_weights_are_counted(make, weighted):
    assert facts_of(F.cross_entropy(make()(X), Y)).weighted == weighted


def test_a_long_graph_is_cut_short_and_says_so():
    z = network()(X)
    for _ in range(20_001):
        z = z + 1
    assert not facts_of(z.sum()).whole


@pytest.mark.parametrize(
    ("end", "name"),
    [
        ((nn.Softmax(1),), "Softmax"),
        ((nn.Sigmoid(), nn.Flatten(0)), "Sigmoid"),
        ((nn.Unflatten(1, (3, 1)), nn.Flatten()), "Addmm"),
        ((), "Addmm"),
    ],
)
def test_the_last_operation_is_found_past_reshaping(end, name):
    assert last_operation(network(*end)(X)) == name


def test_a_tensor_without_a_graph_has_no_last_operation():
    assert last_operation(X) == ""
