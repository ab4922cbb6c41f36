"""What is special to ranking losses: padding, ties, lists without relevance, and how they reduce to each other."""

import math

import pytest
import torch
from sklearn.metrics import ndcg_score
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lossary
from lossary.losses.ranking import log_sum_at_least

LISTWISE = [
    lossary.ranknet_loss, lossary.listnet_loss, lossary.listmle_loss, lossary.lambdarank_loss, lossary.lambda_loss,
    lossary.approx_ndcg_loss,
]  # fmt: skip


def draw(seed, n=4, l=6):  # noqa: E741 - the length of the lists, as on the cards
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, l, generator=generator, dtype=torch.float64)
    return scores, torch.randint(4, (n, l), generator=generator).double()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_margin_ranking_is_that_of_torch(reduction, margin):
    (first, second), target = draw(0, n=2)[0], torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    theirs = nn.MarginRankingLoss(margin=margin, reduction=reduction)(first, second, target)
    assert_close(lossary.MarginRankingLoss(margin=margin, reduction=reduction)(first, second, target), theirs)
    assert_close(lossary.margin_ranking_loss(first, second, target, margin=margin, reduction=reduction), theirs)


def test_equal_scores_are_driven_apart_as_in_torch():
    ours, theirs = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    lossary.margin_ranking_loss(ours, torch.zeros(2), torch.ones(2)).backward()
    F.margin_ranking_loss(theirs, torch.zeros(2), torch.ones(2)).backward()
    assert_close(ours.grad, theirs.grad)
    assert ours.grad.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("loss", LISTWISE, ids=lambda loss: loss.__name__)
class TestLists:
    def test_padding_might_as_well_not_be_there(self, loss):
        scores, target = draw(0)
        mask = torch.arange(6) < torch.tensor([[6], [4], [2], [0]])
        values = loss(torch.where(mask, scores, torch.nan), torch.where(mask, target, torch.nan), mask=mask,
                      reduction="none")  # fmt: skip
        for i, length in enumerate((6, 4, 2)):
            assert_close(values[i], loss(scores[i : i + 1, :length], target[i : i + 1, :length]))
        assert values[3] == 0
        assert_close(loss(scores, target, mask=mask), values[:3].mean())

    def test_the_order_of_the_items_does_not_matter(self, loss):
        scores, target = draw(1)
        order = torch.tensor([3, 1, 5, 0, 2, 4])
        assert_close(loss(scores[:, order], target[:, order]), loss(scores, target))

    def test_one_item_has_nothing_to_learn(self, loss):
        scores = torch.tensor([[3.0], [-2.0]], requires_grad=True)
        loss(scores, torch.tensor([[1.0], [0.0]]), reduction="sum").backward()
        assert scores.grad.abs().sum() == 0

    def test_a_mask_by_list(self, loss):
        scores, target = draw(2)
        mask = torch.tensor([True, False, True, True])
        assert_close(loss(scores, target, mask=mask), loss(scores[mask], target[mask]))


@pytest.mark.parametrize("loss", [lossary.ranknet_loss, lossary.lambdarank_loss, lossary.lambda_loss,
                                  lossary.approx_ndcg_loss])  # fmt: skip
def test_a_list_without_relevance_gives_0(loss):
    scores = draw(0)[0].requires_grad_()
    value = loss(scores, torch.zeros(4, 6))
    assert value == 0
    assert not torch.autograd.grad(value, scores)[0].any()


def test_listnet_by_sum_without_relevance_gives_0():
    assert lossary.listnet_loss(draw(0)[0], torch.zeros(4, 6), normalization="sum") == 0


def test_ranknet_of_two_items_is_bpr():
    scores = draw(0, l=2)[0]
    chosen = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    assert_close(lossary.ranknet_loss(scores, chosen), lossary.bpr_loss(scores[:, 0], scores[:, 1]))


def test_ranknet_does_not_compare_equals():
    # Of the pairs of three items, (a, c) and (b, c) count: softplus(-(1 - 0)) + softplus(-(2 - 0)).
    value = lossary.ranknet_loss(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    assert value.item() == pytest.approx(math.log1p(math.exp(-1.0)) + math.log1p(math.exp(-2.0)))


def test_listnet_is_least_where_scores_are_relevances():
    target = draw(0)[1]
    scores = (target + 1.7).requires_grad_()
    (slope,) = torch.autograd.grad(lossary.listnet_loss(scores, target), scores)
    assert slope.abs().max() < 1e-12


class TestTiesOfListMLE:
    SCORES, TARGET = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[1.0, 1.0, 0.0]])

    def test_breslow(self):
        # Both of the first grade compete with all three: 2 log(1 + e + e^2) - 0 - 1; the last one is alone.
        expected = 2 * math.log(1 + math.e + math.e**2) - 1
        assert lossary.listmle_loss(self.SCORES, self.TARGET).item() == pytest.approx(expected)

    def test_order(self):
        # First of all three 0, then of the two left 1.
        expected = math.log(1 + math.e + math.e**2) + math.log(math.e + math.e**2) - 1
        assert lossary.listmle_loss(self.SCORES, self.TARGET, ties="order").item() == pytest.approx(expected)
        swapped = lossary.listmle_loss(self.SCORES[:, [1, 0, 2]], self.TARGET, ties="order")
        assert swapped.item() == pytest.approx(math.log(1 + math.e + math.e**2) + math.log(1 + math.e**2) - 1)

    def test_without_ties_they_agree(self):
        scores = draw(0)[0]
        target = torch.tensor([[3.0, 0.0, 5.0, 1.0, 4.0, 2.0]]).expand(4, 6)
        assert_close(lossary.listmle_loss(scores, target), lossary.listmle_loss(scores, target, ties="order"))


def test_lambda_without_mu_is_lambdarank():
    scores, target = draw(0)
    assert_close(lossary.lambda_loss(scores, target, mu=0.0), lossary.lambdarank_loss(scores, target))


@pytest.mark.parametrize("k", [None, 2])
def test_the_weight_of_a_pair_is_the_change_of_ndcg(k):
    """For two items of different grade in a list, swap their scores and ask scikit-learn for NDCG."""
    scores, target = torch.tensor([[0.3, 1.5, -0.7, 0.9]]), torch.tensor([[2.0, 0.0, 1.0, 3.0]])
    expected = 0.0
    for i in range(4):
        for j in range(4):
            if target[0, i] > target[0, j]:
                swapped = scores.clone()
                swapped[0, [i, j]] = scores[0, [j, i]]
                change = ndcg_score(target, swapped, k=k) - ndcg_score(target, scores, k=k)
                expected += abs(change) * F.softplus(scores[0, j] - scores[0, i]).item()
    value = lossary.lambdarank_loss(scores, target, gain="linear", k=k)
    assert value.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_approx_ndcg_tends_to_ndcg(seed):
    scores, target = draw(seed)
    value = lossary.approx_ndcg_loss(scores, target, temperature=1e-6, gain="linear")
    assert value.item() == pytest.approx(1.0 - ndcg_score(target.numpy(), scores.numpy()), abs=1e-6)


def test_log_sum_at_least_has_a_second_derivative_where_nothing_flows_in():
    scores = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    key = torch.tensor([1.0, 2.0, 1.0])
    sums = log_sum_at_least(scores, key)
    everything = math.log(1 + math.e + math.e**2)
    assert_close(sums.detach(), torch.tensor([everything, 1.0, everything], dtype=torch.float64))
    assert torch.autograd.gradgradcheck(lambda x: log_sum_at_least(x, key) * torch.tensor([1.0, 0.0, 0.0]), scores)
