"""Shapes fit their patterns, and draws and edges lie in their domains."""

import math

import pytest
import torch

from lossary.checks import SIZES
from lossary.core import (
    Binary,
    Box,
    ClassIndex,
    Count,
    Domain,
    Embedding,
    Image,
    Length,
    Logit,
    LogProbability,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Relevance,
    Score,
    Sign,
    Simplex,
    Waveform,
    perfect_prediction,
)
from lossary.core.domains import fits


@pytest.mark.parametrize(
    ("pattern", "shape", "fit"),
    [
        ("n c", (2, 3), True),
        ("n c", (2, 3, 4), False),
        ("*n", (), True),
        ("*n", (2, 3), True),
        ("n c *d", (2, 3), True),
        ("n c *d", (2, 3, 4, 5), True),
        ("n c *d", (2,), False),
        ("*n 4", (5, 4), True),
        ("*n 4", (5, 3), False),
        ("*n 4", (4,), True),
        ("", (), True),
        ("", (1,), False),
    ],
)
def test_fits(pattern, shape, fit):
    assert fits(pattern.split(), shape, {}) is fit


def test_a_name_has_one_size():
    sizes = {}
    assert fits(["n", "c"], (2, 3), sizes)
    assert fits(["n"], (2,), sizes)
    assert not fits(["n"], (1,), sizes), "(N, 1) against (N,) would broadcast"
    assert sizes == {"n": (2,), "c": (3,)}


BELONGS = {
    Real: lambda x: x.isfinite(),
    Logit: lambda x: x.isfinite(),
    Score: lambda x: x.isfinite(),
    PositiveReal: lambda x: x > 0,
    NonNegativeReal: lambda x: x >= 0,
    Count: lambda x: (x >= 0) & (x == x.round()),
    Relevance: lambda x: (x >= 0) & (x == x.round()),
    Probability: lambda x: (x >= 0) & (x <= 1),
    LogProbability: lambda x: x <= 0,
    Binary: lambda x: (x == 0) | (x == 1),
    Sign: lambda x: x.abs() == 1,
    Image: lambda x: (x >= 0) & (x <= 1),
    Waveform: lambda x: x.abs() <= 1,
}


@pytest.mark.parametrize("kind", BELONGS, ids=lambda kind: kind.__name__)
def test_draws_and_edges_belong(kind):
    domain, generator = kind("*n"), torch.Generator().manual_seed(0)
    drawn = [domain.sample(SIZES, generator, wide=wide) for wide in (False, True)]
    assert all(BELONGS[kind](x).all() for x in [*drawn, *domain.edges(SIZES, generator).values()])
    assert BELONGS[kind](torch.tensor(domain.neutral)).all()


def test_the_table_knows_every_elementwise_domain():
    structured = {Simplex, LogSimplex, ClassIndex, Length, Box, Embedding}
    known = {
        kind for kind in _descendants(Domain) if kind.__module__ == Domain.__module__ and kind.__name__ != "Either"
    }
    assert known == set(BELONGS) | structured


def test_structured_domains():
    generator = torch.Generator().manual_seed(0)
    simplex = Simplex("n c *d")
    for x in [simplex.sample(SIZES, generator), *simplex.edges(SIZES, generator).values()]:
        assert torch.allclose(x.sum(1), torch.ones(()).double()) and (x >= 0).all()
    for x in LogSimplex("n c").edges(SIZES, generator).values():
        assert torch.allclose(x.exp().sum(1), torch.ones(()).double())
    for x in ClassIndex("n").edges(SIZES, generator).values():
        assert ((x >= 0) & (x < SIZES["c"][0])).all()
    for x in [Box("n 4").sample(SIZES, generator), *Box("n 4").edges(SIZES, generator).values()]:
        assert (x[:, 2:] >= x[:, :2]).all()
    assert Length("n").sample(SIZES, generator).min() >= 1
    zero = Embedding("n d").edges(SIZES, generator)
    assert any(not x.any() for x in zero.values()), "a zero vector is an edge"


def test_perfect_predictions():
    target = torch.tensor([0, 2])
    logits = perfect_prediction(Logit("n c"), ClassIndex("n"), target, {"c": (3,)})
    assert logits.argmax(1).tolist() == [0, 2]
    y = torch.tensor([0.0, 1.0])
    assert perfect_prediction(Probability("n"), Binary("n"), y, {}) is y
    assert (perfect_prediction(Logit("n"), Binary("n"), y, {}) * (2 * y - 1) > 50).all()
    assert perfect_prediction(Real("n"), ClassIndex("n"), target, {}) is None


def test_bounds_of_real():
    low = Real("*n", low=-2.0, high=3.0)
    x = low.sample(SIZES, torch.Generator().manual_seed(0), wide=True)
    assert x.min() >= -2 and x.max() <= 3 and math.isfinite(float(x.sum()))


def _descendants(kind):
    return {kind for child in kind.__subclasses__() for kind in {child, *_descendants(child)}}
