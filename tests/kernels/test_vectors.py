"""Pairs and triplets of vectors by kernel are those by composition."""

import pytest
import torch

import lossary

from .agreement import assert_agrees, served

NAN, INF = float("nan"), float("inf")
PAIRS = [lossary.cosine_distance_loss, lossary.negative_cosine_loss]
LABELLED = [lossary.contrastive_loss, lossary.cosine_embedding_loss]
LOSSES = [*PAIRS, *LABELLED, lossary.triplet_margin_loss]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)


def inputs(loss, *shape, spread=0.3, seed=0):
    """Vectors near one another, so that margins count, and labels of both kinds."""
    generator = torch.Generator().manual_seed(seed)
    vectors = [torch.randn(shape, generator=generator) * spread for _ in range(3)]
    if loss in LABELLED:
        equal = torch.rand(shape[:-1], generator=generator) < 0.5
        vectors[2] = torch.where(equal, 1.0, -1.0 if loss is lossary.cosine_embedding_loss else 0.0)
    return vectors[: 2 if loss in PAIRS else 3]


def wrt(loss):
    return {lossary.negative_cosine_loss: (0,), lossary.triplet_margin_loss: (0, 1, 2)}.get(loss, (0, 1))


@each_loss
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_reduction(loss, reduction):
    assert_agrees(loss, inputs(loss, 3, 40, 17), wrt(loss), reduction=reduction)


@each_loss
@pytest.mark.parametrize("shape", [(5,), (1, 2), (300, 3), (7, 2049), (2, 3, 64)], ids=str)
def test_shapes(loss, shape):
    spread = 0.5 / shape[-1] ** 0.5
    assert_agrees(loss, inputs(loss, *shape, spread=spread), wrt(loss), reduction="none")


def test_numbers():
    """Vectors of one element: the slope of a cosine is 0, of which rounding leaves some parts in a million."""
    for loss in (lossary.contrastive_loss, lossary.triplet_margin_loss):
        assert_agrees(loss, inputs(loss, 300, 1), wrt(loss), reduction="none")
    x, y = (t.requires_grad_() for t in inputs(lossary.cosine_distance_loss, 300, 1))
    with lossary.kernels.enabled(smallest=1):
        lossary.cosine_distance_loss(x, y, reduction="sum").backward()
    assert (x.grad * x).abs().max() < 1e-6 > (y.grad * y).abs().max()


@pytest.mark.parametrize("margin", [0.1, 3.0])
def test_margins(margin):
    for loss in (lossary.contrastive_loss, lossary.triplet_margin_loss):
        assert_agrees(loss, inputs(loss, 200, 8, spread=0.6), wrt(loss), reduction="none", margin=margin)
    loss = lossary.cosine_embedding_loss
    assert_agrees(loss, inputs(loss, 200, 8), wrt(loss), reduction="none", margin=margin / 4)
    assert_agrees(loss, inputs(loss, 200, 8), wrt(loss), reduction="none", margin=-margin / 4)


@pytest.mark.parametrize("loss", [lossary.contrastive_loss, lossary.cosine_embedding_loss, lossary.triplet_margin_loss])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_weight_and_mask(loss, reduction):
    tensors = inputs(loss, 4, 50, 9)
    generator = torch.Generator().manual_seed(2)
    weight, mask = torch.rand(4, 50, generator=generator), torch.rand(4, 50, generator=generator) < 0.5
    for t, odd in zip(tensors, (NAN, INF, NAN), strict=False):
        t[~mask] = odd
    assert_agrees(loss, tensors, wrt(loss), reduction=reduction, sample_weight=weight, mask=mask)
    nothing = torch.zeros(4, 50, dtype=torch.bool)
    assert_agrees(loss, tensors, wrt(loss), reduction=reduction, sample_weight=weight, mask=nothing)


def test_denominator():
    assert_agrees(lossary.triplet_margin_loss, inputs(lossary.triplet_margin_loss, 30, 5), (0, 1, 2), denominator=7.0)


@each_loss
def test_equal_and_zero_vectors(loss):
    x, *rest = inputs(loss, 60, 6)
    x[:20] = 0.0
    rest[0][10:30] = 0.0
    rest[0][30:40] = x[30:40]
    if loss is lossary.triplet_margin_loss:
        rest[1][35:45] = x[35:45]
        assert_agrees(loss, (x, *rest), wrt(loss), reduction="none", eps=0.0)
    assert_agrees(loss, (x, *rest), wrt(loss), reduction="none")


@each_loss
def test_nan_and_infinity(loss):
    """In every place of a row, the value and the other rows as in the composition."""
    for place in range(3 if loss is lossary.triplet_margin_loss else 2):
        tensors = inputs(loss, 3, 4)
        tensors[place][0, 1], tensors[place][1, 2] = NAN, INF
        with lossary.kernels.enabled(smallest=1):
            found = loss(*[t.requires_grad_(i in wrt(loss)) for i, t in enumerate(tensors)], reduction="none")
        with lossary.kernels.enabled(False):
            expected = loss(*[t.detach() for t in tensors], reduction="none")
        torch.testing.assert_close(found.detach(), expected, equal_nan=True)


@each_loss
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_scale(loss, scale):
    first, second, *rest = inputs(loss, 50, 12)
    rest = [t if loss in LABELLED else scale * t for t in rest]
    assert_agrees(loss, (scale * first, scale * second, *rest), wrt(loss), reduction="none")


def test_gradient_of_some():
    """Only what requires a gradient gets one, and is right without the others."""
    loss = lossary.triplet_margin_loss
    for wanted in ((0,), (1, 2)):
        assert_agrees(loss, inputs(loss, 40, 5), wanted)


def test_value_alone():
    tensors = inputs(lossary.triplet_margin_loss, 40, 5)
    with lossary.kernels.enabled(smallest=1):
        value = lossary.triplet_margin_loss(*tensors)
    torch.testing.assert_close(value, lossary.triplet_margin_loss(*tensors))


@each_loss
def test_left_to_the_composition(loss):
    tensors = inputs(loss, 8, 4)
    assert served(loss, tensors)
    assert not served(loss, [t.double() for t in tensors])
    assert not served(loss, (tensors[0].T.contiguous().T, *tensors[1:]))
    assert not served(loss, (tensors[0][:4], *tensors[1:]))
    assert not served(loss, tensors, sample_weight=torch.ones(8, requires_grad=True))
    if loss in LABELLED:
        assert served(loss, (*tensors[:2], tensors[2].long()))
        assert not served(loss, (*tensors[:2], tensors[2].requires_grad_()))


def test_options_left_to_the_composition():
    tensors = inputs(lossary.triplet_margin_loss, 8, 4)
    assert not served(lossary.triplet_margin_loss, tensors, p=1.0)
    assert not served(lossary.triplet_margin_loss, tensors, swap=True)
    assert not served(lossary.negative_cosine_loss, (tensors[0], tensors[1].requires_grad_()))
