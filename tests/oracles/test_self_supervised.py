"""Losses of several views against pytorch-metric-learning, MONAI and torch, and values recorded from lightly,
open_clip, optax, info-nce-pytorch and catalyst."""

import pytest
import torch
from monai.losses import BarlowTwinsLoss, ContrastiveLoss
from pytorch_metric_learning import distances, losses, reducers
from torch.nn import functional as F
from torch.testing import assert_close

import lossary
from tests.oracles.agreement import agree
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

SEEDS = range(3)


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def of(loss):
    return pytest.mark.parametrize("entry", recorded("self_supervised", loss), ids=origin)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.1, 0.5])
class TestNTXent:
    def test_as_pytorch_metric_learning(self, seed, temperature):
        x, y = normal(seed, 6, 4), normal(seed + 10, 6, 4)
        peer = losses.SelfSupervisedLoss(losses.NTXentLoss(temperature))
        agree(lambda a, b: lossary.nt_xent_loss(a, b, temperature=temperature), peer, x, y, gradient_in=(0, 1))

    def test_as_monai(self, seed, temperature):
        x, y = normal(seed, 6, 4), normal(seed + 10, 6, 4)
        # It holds its mask in float32, whose rounding does not matter to zeros and ones.
        agree(lambda a, b: lossary.nt_xent_loss(a, b, temperature=temperature), ContrastiveLoss(temperature), x, y,
              gradient_in=(0, 1))  # fmt: skip


@of("nt_xent")
def test_nt_xent_as_optax(entry):
    agree_with_record(lossary.nt_xent_loss, entry, gradient_in=(0, 1))


@of("info_nce")
def test_info_nce(entry):
    agree_with_record(lossary.info_nce_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_info_nce_of_inner_products_is_the_n_pairs_loss(seed):
    x, y = normal(seed, 6, 4), normal(seed + 10, 6, 4)
    peer = losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False))
    agree(lambda a, b: lossary.info_nce_loss(a, b, temperature=1.0, similarity="dot"),
          lambda a, b: peer(torch.cat([a, b]), torch.arange(6).repeat(2)), x, y, gradient_in=(0, 1))  # fmt: skip


@of("clip")
def test_clip(entry):
    agree_with_record(lossary.clip_loss, entry, gradient_in=(0, 1, 2))


@of("siglip")
def test_siglip(entry):
    agree_with_record(lossary.siglip_loss, entry, gradient_in=(0, 1, 2, 3))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_sup_con(seed, temperature):
    x = normal(seed, 9, 4)
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0])
    peer = losses.SupConLoss(temperature, reducer=reducers.MeanReducer())
    agree(lambda e: lossary.sup_con_loss(e, target, temperature=temperature), lambda e: peer(e, target), x)


@of("sup_con")
def test_sup_con_as_catalyst(entry):
    """By way of distances, which costs it half the digits: 1 - d^2 / 2 for a cosine."""
    agree_with_record(lossary.sup_con_loss, entry, rtol=1e-5, atol=1e-7)


@of("sup_con_inside")
def test_sup_con_of_catalyst_by_default_is_the_lower_equation_3(entry):
    x, target = tensors(entry)
    assert entry["value"] < lossary.sup_con_loss(x, target, **entry["options"]) - 1e-3


@of("barlow_twins")
def test_barlow_twins(entry):
    agree_with_record(lossary.barlow_twins_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_barlow_twins_of_monai_has_smaller_correlations(seed):
    """It divides by the unbiased standard deviation, plus 1e-6, and then by n: (n - 1) / n of ours.

    So equal views, which here cost nothing on the diagonal, cost d / n^2 there.
    """
    x, y = normal(seed, 6, 4), normal(seed + 10, 6, 4)
    a, b = (F.normalize(t - t.mean(0), dim=0) for t in (x, y))
    correlation = a.T @ b
    theirs = BarlowTwinsLoss(lambd=0.3)(x, y)

    def of_correlations(c):
        return 0.7 * (1 - c.diagonal()).square().sum() + 0.3 * (c - torch.eye(4)).square().sum()

    assert_close(lossary.barlow_twins_loss(x, y, redundancy_weight=0.3, eps=1e-12), of_correlations(correlation))
    assert_close(theirs, of_correlations(5 / 6 * correlation), rtol=1e-5, atol=1e-5)
    assert_close(BarlowTwinsLoss(lambd=0.0)(x, x), torch.tensor(4 / 6**2, dtype=torch.float64), rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_vicreg(seed):
    """pytorch-metric-learning halves the variance term, as the authors' code does and the paper does not."""
    x, y = normal(seed, 6, 4), 0.5 * normal(seed + 10, 6, 4)
    options = {"invariance_weight": 2.0, "variance_weight": 1.5, "covariance_weight": 4.0}
    agree(lambda a, b: lossary.vicreg_loss(a, b, **options),
          lambda a, b: losses.VICRegLoss(2.0, 3.0, 4.0)(a, ref_emb=b), x, y, gradient_in=(0, 1))  # fmt: skip


@of("vicreg")
def test_vicreg_as_lightly(entry):
    agree_with_record(lossary.vicreg_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_negative_cosine(seed):
    x, y = normal(seed, 6, 4), normal(seed + 10, 6, 4)
    agree(lossary.negative_cosine_loss, lambda p, z: -F.cosine_similarity(p, z).mean(), x, y)


@of("negative_cosine")
def test_negative_cosine_as_lightly(entry):
    agree_with_record(lossary.negative_cosine_loss, entry)


@of("swav")
def test_swav(entry):
    """The mean of both directions."""

    def both(a, b, **options):
        return (lossary.swav_loss(a, b, **options) + lossary.swav_loss(b, a, **options)) / 2

    agree_with_record(both, entry, gradient_in=(0, 1))


@of("dino")
def test_dino(entry):
    """The mean over the two pairs of different views."""

    def both(student0, student1, teacher0, teacher1, center, **options):
        there = lossary.dino_loss(student0, teacher1, center, **options)
        return (there + lossary.dino_loss(student1, teacher0, center, **options)) / 2

    agree_with_record(both, entry, gradient_in=(0, 1))


@of("dino_center")
def test_dino_center(entry):
    teacher0, teacher1, center = tensors(entry)
    loss = lossary.DINOLoss(5).double()
    loss.center.copy_(center)
    loss.update_center(torch.stack([teacher0, teacher1]), **entry["options"])
    assert_close(loss.center, torch.tensor(entry["value"], dtype=torch.float64))
