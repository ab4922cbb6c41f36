"""The one meaning of weight, mask and mean; numbers are worked out by hand."""

import pytest
import torch
from torch.testing import assert_close

from lossary.core import LossInputError, fill_masked, masked_sum, reduce

VALUES = torch.tensor([1.0, 2.0, 3.0, 6.0])


def test_mean_divides_by_the_total_weight():
    weight = torch.tensor([1.0, 0.0, 1.0, 2.0])
    assert reduce(VALUES, sample_weight=weight) == (1 + 3 + 12) / 4
    assert reduce(VALUES, sample_weight=weight, reduction="sum") == 16
    assert_close(reduce(VALUES, sample_weight=weight, reduction="none"), torch.tensor([1.0, 0.0, 3.0, 12.0]))


def test_mask_and_weight_together():
    weight, mask = torch.tensor([1.0, 1.0, 5.0, 2.0]), torch.tensor([True, True, False, True])
    assert reduce(VALUES, sample_weight=weight, mask=mask) == (1 + 2 + 12) / 4


def test_a_mean_over_nothing_is_zero():
    values = VALUES.clone().requires_grad_()
    for how in ({"mask": torch.zeros(4, dtype=torch.bool)}, {"sample_weight": torch.zeros(4)}):
        result = reduce(values, **how)
        assert result == 0
        assert not torch.autograd.grad(result, values)[0].any()
    assert reduce(torch.zeros(0, 3)) == 0


def test_counts_enter_the_denominator_alone():
    assert reduce(VALUES, counts=torch.tensor([1.0, 2.0, 3.0, 6.0])) == 1.0


def test_a_denominator_makes_parts_add_up():
    parts = sum(reduce(part, denominator=4) for part in VALUES.split(3))
    assert parts == reduce(VALUES)


def test_weights_align_from_the_left():
    values = torch.arange(6.0).reshape(2, 3)
    assert reduce(values, sample_weight=torch.tensor([1.0, 0.0])) == 1.0
    with pytest.raises(LossInputError, match=r"`sample_weight`.*\(2, 3\).*got \(3,\)"):
        reduce(values, sample_weight=torch.ones(3))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"reduction": "avg"}, "`reduction` must be one of 'none', 'mean', 'sum', got 'avg'"),
        ({"mask": torch.ones(4)}, "`mask` must be boolean"),
        ({"denominator": 3.0, "reduction": "sum"}, '`denominator` must come with reduction="mean"'),
    ],
)
def test_bad_options_are_refused(how, message):
    with pytest.raises(LossInputError, match=message):
        reduce(VALUES, **how)


def test_masked_sum_and_fill():
    x = torch.tensor([[1.0, torch.nan], [3.0, 4.0]])
    mask = torch.tensor([[True, False], [True, True]])
    assert masked_sum(x, mask, 1).tolist() == [1.0, 7.0]
    assert fill_masked(x, mask, shape=["n", "c"], at=["n", "c"], neutral=0.5)[0, 1] == 0.5


@pytest.mark.parametrize(
    ("shape", "at", "size", "mask"),
    [
        (["n", "c", "*d"], ["n", "*d"], (2, 3, 4, 5), (2, 4, 5)),  # classes are missing in the mask, in the middle
        (["*n", "4"], ["*n"], (2, 3, 4), (2, 3)),  # box corners, at the end
        (["n", "d"], ["n"], (2, 6), (2,)),
        (["n", "*d", "2"], ["n"], (2, 3, 4, 2), (2,)),  # as many as the star stands for
        (["n"], ["n", "t"], (2,), (2, 3)),  # the mask is finer: what has no part left is filled
    ],
)
def test_fill_goes_across_missing_dimensions(shape, at, size, mask):
    kept = torch.zeros(mask, dtype=torch.bool)
    kept[0] = True
    filled = fill_masked(torch.ones(size), kept, shape=shape, at=at, neutral=9.0)
    assert (filled[0] == 1).all() and (filled[1] == 9).all()


def test_a_finer_mask_keeps_what_has_a_part_left():
    kept = torch.tensor([[False, True], [False, False]])
    filled = fill_masked(torch.ones(2), kept, shape=["n"], at=["n", "t"], neutral=9.0)
    assert filled.tolist() == [1.0, 9.0]
