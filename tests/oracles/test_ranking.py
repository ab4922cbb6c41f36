"""Ranking losses against torch, and values recorded from rax, optax, allRank and catalyst. Every option that torch has
is compared in tests/losses/test_ranking.py."""

import math

import pytest
import torch
from torch.nn import functional as F

import lossary
from tests.oracles.agreement import agree
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

THE_SAME = [
    entry
    for loss in ("ranknet", "listnet", "listmle", "lambdarank", "lambda")
    for entry in recorded("ranking", loss)
]  # fmt: skip


def of(*losses):
    entries = [entry for loss in losses for entry in recorded("ranking", loss)]
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: f"{entry['loss']} {origin(entry)}")


def summed(loss, factor=1.0):
    """A loss of scores, target and mask: ``factor`` times the sum of its lists."""
    return lambda scores, target, mask, **options: factor * loss(scores, target, mask=mask, reduction="sum", **options)


def loss_of(entry):
    return getattr(lossary, f"{entry['loss'].split()[0]}_loss")


def pairs(entry):
    """How many pairs of items of different relevance all lists have together."""
    _, target, mask = tensors(entry)
    better = target.unsqueeze(-1) > target.unsqueeze(-2)
    return int((better & mask.unsqueeze(-1) & mask.unsqueeze(-2)).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("margin", [0.0, 0.7])
def test_margin_ranking_and_torch(seed, margin):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 12, generator=generator, dtype=torch.float64)
    target = torch.randint(2, (12,), generator=generator) * 2.0 - 1.0
    agree(lambda *x: lossary.margin_ranking_loss(*x, margin=margin),
          lambda *x: F.margin_ranking_loss(*x, margin=margin), first, second, target, gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("entry", THE_SAME, ids=lambda entry: f"{entry['loss']} {origin(entry)} {entry['call']}")
def test_as_recorded(entry):
    agree_with_record(summed(loss_of(entry)), entry, rtol=1e-9)


@of("bpr")
def test_bpr_and_catalyst(entry):
    """Catalyst adds 1e-10 to the probability."""
    agree_with_record(lossary.bpr_loss, entry, rtol=1e-8)


@of("ranknet of pairs")
def test_ranknet_and_the_mean_over_pairs(entry):
    """rax by default, and allRank always, average over the pairs of all lists; allRank in part in float32."""
    agree_with_record(summed(lossary.ranknet_loss, 1.0 / pairs(entry)), entry, rtol=1e-6)


@of("lambdarank in natural logarithms", "lambda in natural logarithms")
def test_lambda_and_allrank(entry):
    """allRank computes discounts in float32."""
    agree_with_record(summed(loss_of(entry)), entry, rtol=1e-6)


@of("lambdarank in binary logarithms", "lambda in binary logarithms")
def test_lambda_and_the_logarithms_of_base_2_of_allrank(entry):
    agree_with_record(summed(loss_of(entry), 1.0 / math.log(2.0)), entry, rtol=1e-6)


@of("lambdarank at k")
def test_lambdarank_at_k_is_not_that_of_allrank(entry):
    """allRank leaves out every pair that is not within the first k, which includes those that would enter them."""
    mine = summed(lossary.lambdarank_loss)(*tensors(entry), **entry["options"]).item()
    assert entry["value"] < 0.9 * mine


@of("listnet of plain relevance")
def test_listnet_and_plain_relevance(entry):
    """rax does not normalise: each list weighs as much as its relevances together."""

    def weighted(scores, target, mask):
        total = torch.where(mask, target, 0.0).sum(-1)
        return lossary.listnet_loss(
            scores, target, mask=mask, normalization="sum", sample_weight=total, reduction="sum"
        )  # fmt: skip

    agree_with_record(weighted, entry)


@of("listnet of the mean", "listmle of the mean")
def test_the_means_of_allrank(entry):
    """It averages over lists as we do, and adds 1e-10 to probabilities."""
    loss = loss_of(entry)
    agree_with_record(lambda scores, target, mask: loss(scores, target, mask=mask), entry, rtol=1e-8)


@of("approx_ndcg")
def test_approx_ndcg_and_rax(entry):
    """rax's is NDCG, ours what is missing to 1 in each list."""

    def ndcg(scores, target, mask, **options):
        return len(scores) - lossary.approx_ndcg_loss(scores, target, mask=mask, reduction="sum", **options)

    agree_with_record(ndcg, entry, rtol=1e-9)


@of("approx_ndcg of the mean")
def test_approx_ndcg_and_allrank(entry):
    """allRank's is minus NDCG, with discounts of the best ranking in float32."""

    def minus_ndcg(scores, target, mask, **options):
        return lossary.approx_ndcg_loss(scores, target, mask=mask, **options) - 1.0

    agree_with_record(minus_ndcg, entry, rtol=1e-6)
