"""Bijections keep bounds, are undone by their inverse, and are smooth."""

import math

import pytest
import torch
from torch.testing import assert_close

from lossary.adapt.bijections import Bijection
from lossary.core import LossInputError

BOUNDS = [(0.0, 1.0), (-1.0, 1.0), (0.0, math.pi), (0.0, math.inf), (1.0, math.inf), (-math.inf, 0.0),
          (-math.inf, math.inf)]  # fmt: skip
ONTO = pytest.mark.parametrize("onto", [Bijection(*bounds) for bounds in BOUNDS], ids=str)
RAW = torch.tensor([-1e4, -30.0, -2.0, 0.0, 0.5, 30.0, 1e4])


@ONTO
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_step_leaves_the_bounds_or_is_final(onto, dtype):
    raw = RAW.to(dtype).requires_grad_()
    value = onto(raw)
    assert ((onto.low < value) & (value < onto.high)).all() and value.isfinite().all()
    slope = torch.autograd.grad(value.sum(), raw)[0]
    assert (slope != 0).all() and slope.isfinite().all()
    assert (slope > 0).all() or (slope < 0).all(), "it is one-to-one"


@ONTO
def test_the_inverse_undoes_it(onto):
    raw = torch.tensor([-5.0, -0.3, 0.0, 2.0, 7.0], dtype=torch.float64)
    again = [onto.inverse(value) for value in onto(raw).tolist()]
    assert_close(torch.tensor(again, dtype=torch.float64), raw)


@ONTO
def test_its_slope_is_that_of_finite_differences(onto):
    raw = torch.tensor([-3.0, 0.1, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(onto, raw)


def test_a_step_is_a_share_of_the_distance_from_one_bound():
    onto = Bijection(low=1.0)
    assert_close(onto(torch.tensor(onto.inverse(5.0) + math.log(2.0))), torch.tensor(9.0))


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, math.nan, math.inf])
def test_what_is_not_inside_has_no_inverse(value):
    with pytest.raises(LossInputError, match=r"`value` must be inside \(0, 1\)"):
        Bijection(0.0, 1.0).inverse(value)
