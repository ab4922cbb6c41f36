"""Weights, priors and samplers against imbalance; numbers are worked out by hand or come from scikit-learn."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

import lossary
from lossary.balance import (
    BalancedSampler,
    adjust_logits,
    class_counts,
    class_prior,
    class_weights,
    cost_weights,
    pos_weight,
)
from lossary.core import LossInputError

TARGETS = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)


def test_inverse_is_scikit_learns_balanced():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TARGETS.numpy())
    assert_close(class_weights(TARGETS), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("sqrt", lambda n: n**-0.5 * 100 / sum(m**0.5 for m in (60, 30, 10))),
        ("effective_number", lambda n: 1 / (1 - 0.9**n) * 3 / sum(1 / (1 - 0.9**m) for m in (60, 30, 10))),
        ("median_frequency", lambda n: 30 / n),
    ],
)
def test_schemes_follow_their_formulas(scheme, expected):
    assert_close(class_weights(TARGETS, scheme=scheme, beta=0.9), torch.tensor([expected(n) for n in (60, 30, 10)]))


def test_beta_goes_from_equal_to_inverse():
    assert_close(class_weights(TARGETS, scheme="effective_number", beta=0.0), torch.ones(3))
    inverse = class_weights(TARGETS)
    near = class_weights(TARGETS, scheme="effective_number", beta=1 - 1e-7)
    assert_close(near / near[0], inverse / inverse[0], rtol=1e-4, atol=0)


def test_absent_and_ignored_classes():
    maps = torch.tensor([[[0, 0], [1, 255]]])
    assert class_counts(maps, classes=4, ignore_index=255).tolist() == [2, 1, 0, 0]
    for scheme in ("inverse", "sqrt", "effective_number", "median_frequency"):
        weight = class_weights(maps, scheme=scheme, classes=4, ignore_index=255)
        assert weight.isfinite().all() and (weight > 0).all()


def test_multi_label_counts_and_positive_weights():
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert class_counts(labels).tolist() == [3, 1]
    assert_close(pos_weight(labels), torch.tensor([1 / 3, 3.0]))


def test_adjusted_logits_are_those_of_balanced_classes():
    """Bayes: dividing the posterior by the prior gives the posterior under equal priors."""
    prior, likelihood = class_prior(TARGETS), torch.tensor([[0.2, 0.3, 0.5]])
    posterior = (likelihood * prior).log()
    assert_close(adjust_logits(posterior, prior).softmax(1), likelihood / likelihood.sum())


def test_costs():
    assert_close(cost_weights(torch.tensor([0, 0, 1]), [1.0, 4.0]), torch.tensor([0.5, 0.5, 2.0]))
    table = torch.tensor([[9.0, 1.0], [3.0, 9.0]])  # what stands on the diagonal is no error
    assert_close(cost_weights(torch.tensor([0, 1]), table), torch.tensor([0.5, 1.5]))


@pytest.mark.parametrize(
    ("strategy", "expected"), [("over", [60, 60, 60]), ("under", [10, 10, 10]), ("sqrt", [47, 34, 19])]
)
def test_sampler_draws_classes_in_their_shares(strategy, expected):
    """sqrt: 100 in the shares of 7.746, 5.477 and 3.162."""
    drawn = list(BalancedSampler(TARGETS, strategy=strategy))
    assert torch.bincount(TARGETS[drawn]).tolist() == expected
    times = Counter(drawn)
    for k in range(3):
        each = [times[i] for i in range(100) if TARGETS[i] == k]
        assert max(each) - min(each) <= 1


def test_epochs_differ_and_repeat():
    sampler, twin = BalancedSampler(TARGETS, seed=1), BalancedSampler(TARGETS, seed=1)
    first, second = list(sampler), list(sampler)
    assert first != second
    twin.set_epoch(1)
    assert list(twin) == second


def test_ranks_share_one_epoch():
    whole = list(BalancedSampler(TARGETS, strategy="over", seed=3))
    parts = [list(BalancedSampler(TARGETS, strategy="over", seed=3, num_replicas=7, rank=r)) for r in range(7)]
    assert {len(part) for part in parts} == {math.ceil(180 / 7)}
    interleaved = [i for step in zip(*parts, strict=True) for i in step]
    assert interleaved[:180] == whole and interleaved[180:] == whole[: 182 - 180]


def test_multi_label_samples_count_as_of_their_rarest_label():
    labels = torch.tensor([[1, 0], [1, 0], [1, 0], [1, 1]])
    drawn = list(BalancedSampler(labels, strategy="over"))
    assert Counter(drawn)[3] == 3 and len(drawn) == 6


def test_works_in_a_loader_with_workers():
    data = TensorDataset(torch.arange(100), TARGETS)
    sampler = BalancedSampler(TARGETS, strategy="under", seed=2)
    loader = DataLoader(data, batch_size=8, sampler=sampler, num_workers=1)
    sampler.set_epoch(5)
    seen = torch.cat([y for _, y in loader])
    assert torch.bincount(seen).tolist() == [10, 10, 10]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_weights(TARGETS, scheme="rare"), "`scheme` must be one of inverse"),
        (lambda: class_weights(TARGETS, beta=1.0), "`beta` must be"),
        (lambda: class_counts(torch.tensor([3]), classes=3), "below 3, got 3"),
        (lambda: class_counts(torch.tensor([-1])), "at least 0, got -1"),
        (lambda: class_counts(torch.tensor([], dtype=torch.long)), "at least one class"),
        (lambda: pos_weight(torch.tensor([0.5])), "labels 0 and 1"),
        (lambda: adjust_logits(torch.zeros(2, 3), torch.ones(2)), "`prior` must have the shape"),
        (lambda: adjust_logits(torch.zeros(2, 2), torch.tensor([0.0, 1.0])), "above 0"),
        (lambda: cost_weights(TARGETS, [1.0, -1.0, 1.0]), "`costs` must be"),
        (lambda: cost_weights(TARGETS, [1.0, 1.0]), "below 2"),
        (lambda: BalancedSampler(TARGETS, strategy="up"), "`strategy` must be one of over"),
        (lambda: BalancedSampler(TARGETS, rank=1), "`rank` must be"),
        (lambda: BalancedSampler(torch.rand(4)), "classes \\(n,\\) or labels"),
    ],
)
def test_nonsense_is_one_sentence(call, message):
    with pytest.raises(LossInputError, match=message):
        call()


def test_it_is_reached_from_the_package():
    assert lossary.balance.class_weights is class_weights
