"""What is special in the losses of several views: small batches, relations between them, what they own."""

import copy
import math
import pickle

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, Y = normal(0, 6, 4), normal(1, 6, 4)


class TestRelations:
    def test_sup_con_of_two_views_is_nt_xent(self):
        both = lossary.sup_con_loss(torch.cat([X, Y]), torch.arange(6).repeat(2), temperature=0.3)
        assert_close(both, lossary.nt_xent_loss(X, Y, temperature=0.3))

    def test_clip_is_info_nce_both_ways(self):
        there = lossary.info_nce_loss(X, Y, temperature=0.25, reduction="none")
        back = lossary.info_nce_loss(Y, X, temperature=0.25, reduction="none")
        assert_close(lossary.clip_loss(X, Y, torch.tensor(4.0), reduction="none"), (there + back) / 2)

    def test_byol_is_twice_the_negative_cosine_and_2(self):
        byol = (F.normalize(X) - F.normalize(Y)).square().sum(-1)
        assert_close(byol, 2 + 2 * lossary.negative_cosine_loss(X, Y, reduction="none"))

    def test_dino_with_a_sharp_teacher_is_cross_entropy(self):
        hard = lossary.dino_loss(X, Y, torch.zeros(4), temperature=1.0, teacher_temperature=1e-4)
        assert_close(hard, F.cross_entropy(X, Y.argmax(1)))

    def test_the_centre_comes_off_the_teacher(self):
        center = normal(2, 4)
        assert_close(lossary.dino_loss(X, Y, center), lossary.dino_loss(X, Y - center, torch.zeros(4)))


class TestSmallBatches:
    @pytest.mark.parametrize(
        "loss", [lossary.NTXentLoss(), lossary.InfoNCELoss(), lossary.CLIPLoss()], ids=lambda loss: type(loss).__name__
    )
    def test_one_sample_has_nothing_to_be_told_from(self, loss):
        x, y = X[:1].clone().requires_grad_(), Y[:1].clone().requires_grad_()
        value = loss(x, y)
        assert value == 0
        assert not any(g.any() for g in torch.autograd.grad(value, (x, y)))

    def test_barlow_twins_of_one_sample_has_no_correlations(self):
        assert lossary.barlow_twins_loss(X[:1], Y[:1]) == 4  # (1 - 0)^2 for each feature

    def test_vicreg_of_one_sample_has_no_variance(self):
        """2 * 25 * (1 - sqrt(1e-4)), as of equal views."""
        assert_close(lossary.vicreg_loss(X[:1], X[:1]), torch.tensor(49.5, dtype=torch.float64))

    def test_a_constant_feature_costs_1_in_barlow_twins(self):
        x = torch.tensor([[1.0, 7.0], [-1.0, 7.0]], dtype=torch.float64)
        assert_close(lossary.barlow_twins_loss(x, x, eps=1e-12), torch.tensor(1.0, dtype=torch.float64))

    def test_small_losses_keep_their_digits(self):
        """log(1 + exp(-20)) and log(1 + exp(-80)) in float32, where 1 + exp(-20) is 1."""
        x = torch.eye(2)
        assert_close(lossary.info_nce_loss(x, x, temperature=0.05), torch.tensor(math.exp(-20)), rtol=1e-5, atol=0.0)
        scale = torch.tensor(80.0)
        assert_close(lossary.clip_loss(x, x, scale).item(), math.exp(-80), rtol=1e-4, atol=0.0)


class TestSwAV:
    def test_a_batch_of_one_mind_is_spread_evenly(self):
        """All prefer the first prototype alike, so that each is assigned to all evenly: the mean of -log p."""
        target = torch.tensor([[1.0, 0.0, 0.0]]).expand(5, 3)
        scores = normal(0, 5, 3).float()
        expected = -torch.log_softmax(scores / 0.1, 1).mean(1)
        assert_close(lossary.swav_loss(scores, target, reduction="none"), expected)

    def test_each_prototype_gets_its_share(self):
        """Of four samples that all prefer the first of two, the two that prefer it less go to the second."""
        target = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.8], [1.0, 0.9]])
        scores = torch.tensor([[100.0, 0.0]]).expand(4, 2)
        cost = lossary.swav_loss(
            scores, target, temperature=1.0, sinkhorn_epsilon=0.02, sinkhorn_iterations=300, reduction="none"
        )
        assert_close(cost, torch.tensor([0.0, 0.0, 100.0, 100.0]), rtol=0.0, atol=2.0)

    def test_scores_may_be_large(self):
        assert lossary.swav_loss(1e4 * X.float(), 1e4 * Y.float()).isfinite()


class TestWhatTheyOwn:
    def test_clip_owns_its_scale(self):
        loss = lossary.CLIPLoss().double()
        assert_close(loss.log_scale.exp().item(), 1 / 0.07, rtol=1e-6, atol=0.0)
        value = loss(X, Y)
        assert_close(value, lossary.clip_loss(X, Y, loss.log_scale.exp()))
        value.backward()
        assert loss.log_scale.grad is not None and loss.log_scale.grad != 0
        assert list(loss.state_dict()) == ["log_scale"]

    def test_the_scale_can_be_limited(self):
        loss = lossary.CLIPLoss(scale=300.0)
        loss.limit_scale()
        assert_close(loss.log_scale.exp().item(), 100.0, rtol=1e-5, atol=0.0)
        loss.limit_scale(200.0)
        assert_close(loss.log_scale.exp().item(), 100.0, rtol=1e-5, atol=0.0)

    def test_siglip_begins_where_negatives_cost_little(self):
        """Orthogonal pairs of three: log 2 of the own pair and twice softplus(-10)."""
        loss = lossary.SigLIPLoss()
        x = torch.eye(3)
        assert_close(loss(x, x).item(), math.log(2) + 2 * math.log1p(math.exp(-10)), rtol=1e-5, atol=0.0)
        loss(x, x).backward()
        assert loss.log_scale.grad is not None and loss.bias.grad is not None
        assert sorted(loss.state_dict()) == ["bias", "log_scale"]

    def test_dino_owns_its_centre_and_leaves_it_alone(self):
        loss = lossary.DINOLoss(4, temperature=0.5).double()
        assert list(loss.state_dict()) == ["center"] and not list(loss.parameters())
        assert_close(loss(X, Y), lossary.dino_loss(X, Y, torch.zeros(4), temperature=0.5))
        assert not loss.center.any()

    def test_the_centre_is_a_running_mean(self):
        loss = lossary.DINOLoss(4).double()
        loss.update_center(torch.ones(2, 3, 4, dtype=torch.float64).requires_grad_())  # 0.9 * 0 + 0.1 * 1
        assert_close(loss.center, torch.full((4,), 0.1, dtype=torch.float64))
        loss.update_center(torch.ones(3, 4), momentum=0.5)  # 0.5 * 0.1 + 0.5 * 1
        assert_close(loss.center, torch.full((4,), 0.55, dtype=torch.float64))
        assert not loss.center.requires_grad

    @pytest.mark.parametrize(
        "loss", [lossary.CLIPLoss(scale=3.0), lossary.SigLIPLoss(scale=3.0, bias=-1.0), lossary.DINOLoss(4)],
        ids=lambda loss: type(loss).__name__,
    )  # fmt: skip
    def test_they_are_saved_copied_and_compiled(self, loss):
        x, y = X.float(), Y.float()
        expected = loss(x, y)
        for copied in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
            assert torch.equal(copied(x, y), expected)
        assert_close(torch.compile(loss, fullgraph=True, backend="eager")(x, y), expected)
        assert_close(loss(x, y, mask=torch.arange(6) < 4), loss(x[:4], y[:4]))

    def test_bad_arguments_are_refused(self):
        with pytest.raises(LossInputError, match="CLIPLoss: `scale` must be a number above 0, got 0"):
            lossary.CLIPLoss(scale=0.0)
        with pytest.raises(LossInputError, match="limit_scale: `maximum` must be a number above 0, got 0"):
            lossary.CLIPLoss().limit_scale(0)
        with pytest.raises(LossInputError, match="SigLIPLoss: `scale`"):
            lossary.SigLIPLoss(scale=-1.0)
        with pytest.raises(LossInputError, match="DINOLoss: `num_prototypes` must be a whole number of at least 1"):
            lossary.DINOLoss(0)
        with pytest.raises(LossInputError, match=r"update_center: `momentum` must be a number in \[0, 1\], got 2"):
            lossary.DINOLoss(4).update_center(X, momentum=2)
