"""Losses of images against pytorch-msssim, MONAI, kornia, torchmetrics, and values recorded from piq."""

import math

import kornia
import numpy as np
import pytest
import pytorch_msssim
import torch
from monai.losses import SSIMLoss
from torch import nn
from torch.testing import assert_close
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure, total_variation
from torchmetrics.functional.image.lpips import _LPIPS, NetLinLayer

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded

SHAPES = [(2, 3, 14, 17), (2, 1, 12, 13, 14)]


def pair(seed, *shape):
    """An image and a noisy one, in [0, 1]."""
    g = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=g, dtype=torch.float64)
    return (target + 0.2 * torch.randn(shape, generator=g, dtype=torch.float64)).clamp(0, 1), target


def window(channels, dimensions, size=11, sigma=1.5):
    """The peer makes its own in float32."""
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-(offset**2) / (2 * sigma**2))
    return (weights / weights.sum()).expand(channels, *(1,) * dimensions, size)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("data_range", "k"), [(1.0, (0.01, 0.03)), (255.0, (0.02, 0.4))])
def test_ssim(shape, data_range, k):
    def ours(x, y):
        return lossary.ssim_loss(x, y, data_range=data_range, k1=k[0], k2=k[1])

    def theirs(x, y):
        return 1 - pytorch_msssim.ssim(x, y, data_range, win=window(shape[1], len(shape) - 2), K=k)

    x, y = (data_range * t for t in pair(0, *shape))
    agree(ours, theirs, x, y, gradient_in=(0, 1))


@pytest.mark.parametrize(("size", "sigma"), [(11, 1.5), (5, 0.8)])
def test_ssim_of_monai(size, sigma):
    """It computes in float32 whatever it is given."""
    x, y = pair(1, 2, 3, 14, 17)
    peer = SSIMLoss(spatial_dims=2, win_size=size, kernel_sigma=sigma)
    assert_close(lossary.ssim_loss(x, y, window_size=size, sigma=sigma), peer(x, y).double(), rtol=1e-5, atol=1e-6)


def test_ssim_where_images_are_padded():
    """torchmetrics, and kornia unless told, let the window reach over the border; kornia halves the loss too."""
    x, y = pair(2, 2, 1, 40, 40)
    ours = lossary.ssim_loss(x, y)
    padded = 1 - structural_similarity_index_measure(x, y, data_range=1.0)
    assert_close(2 * kornia.losses.ssim_loss(x, y, window_size=11, padding="valid"), ours, rtol=1e-5, atol=0)
    assert_close(2 * kornia.losses.ssim_loss(x, y, window_size=11), padded, rtol=1e-5, atol=0)
    assert_close(padded - ours, torch.tensor(0.0055, dtype=torch.float64), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("shape", "size", "weights"), [
    ((1, 2, 176, 192), 11, (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)),
    ((2, 1, 36, 40), 3, (0.5, 0.3, 0.2)),
    ((1, 1, 8, 36, 36), 3, (0.4, 0.6)),
], ids=str)  # fmt: skip
def test_ms_ssim(shape, size, weights):
    def ours(x, y):
        return lossary.ms_ssim_loss(x, y, window_size=size, scale_weights=weights)

    def theirs(x, y):
        peer = window(shape[1], len(shape) - 2, size)
        return 1 - pytorch_msssim.ms_ssim(x, y, 1.0, win=peer, weights=list(weights))

    agree(ours, theirs, *pair(3, *shape), gradient_in=(0, 1))


def test_ms_ssim_l1():
    """Kornia's loss of this name is another; these are the parts of which the paper's is the mean."""

    def theirs(x, y):
        structure = 1 - pytorch_msssim.ms_ssim(x, y, 1.0, win=window(1, 2))
        return 0.84 * structure + 0.16 * nn.functional.l1_loss(x, y)

    agree(lossary.ms_ssim_l1_loss, theirs, *pair(4, 1, 1, 176, 176), gradient_in=(0, 1))


def test_smoothing_the_absolute_error_changes_its_mean_at_the_border_alone():
    """As the paper does, with the Gaussian of its coarsest scale, in the place of the plain mean."""
    x, y = pair(5, 1, 1, 96, 96)
    error = (x - y).abs()
    inside = nn.functional.pad(error[..., 33:-33, 33:-33], (33,) * 4)  # nothing near the border
    smoothed = kornia.filters.gaussian_blur2d(inside, (33, 33), (8.0, 8.0), border_type="constant")
    assert_close(smoothed.sum(), inside.sum())


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_psnr(data_range):
    x, y = (data_range * t for t in pair(6, 3, 2, 5, 6))

    def theirs(x, y):
        return -peak_signal_noise_ratio(x, y, data_range, dim=(1, 2, 3), reduction="elementwise_mean")

    agree(lambda x, y: lossary.psnr_loss(x, y, data_range=data_range, eps=1e-12), theirs, x, y, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", range(3))
def test_total_variation(seed):
    image, _ = pair(seed, 3, 2, 5, 6)
    agree(lambda x: lossary.total_variation_loss(x, reduction="sum"), total_variation, image)
    of_channels = kornia.losses.total_variation
    agree(lossary.total_variation_loss, lambda x: of_channels(x, reduction="sum").sum(1).mean(), image)


def test_isotropic_total_variation():
    def theirs(x):
        total = 0.0
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                down = x[i + 1, j] - x[i, j] if i + 1 < x.shape[0] else 0.0
                right = x[i, j + 1] - x[i, j] if j + 1 < x.shape[1] else 0.0
                total += math.hypot(down, right)
        return total

    image, _ = pair(0, 4, 5)
    agree(lambda x: lossary.total_variation_loss(x[None, None], isotropic=True), numerically(theirs), image)


@pytest.mark.parametrize("entry", recorded("image", "content"), ids=origin)
def test_content(entry):
    """piq has no half and divides by the places, here 20."""
    agree_with_record(lambda x, y: lossary.content_loss(x, y) * 2 / 20, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("entry", recorded("image", "gram_style"), ids=origin)
def test_gram_style(entry):
    """piq has the mean squared difference of the Gram matrices: no quarter, and not divided by the places squared."""
    agree_with_record(lambda x, y: lossary.gram_style_loss(x, y) * 4 * 20**2, entry, gradient_in=(0, 1))


class Stages(nn.Module):
    """Stands in for a pretrained network: three layers of features."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.stages = nn.ModuleList(nn.Conv2d(i, o, 3) for i, o in ((3, 4), (4, 5), (5, 6))).double()

    def forward(self, x):
        features = []
        for stage in self.stages:
            x = nn.functional.softplus(stage(x))  # no place without features, where peers add a constant
            features.append(x)
        return features


def test_lpips():
    """The network of torchmetrics is replaced, its arithmetic is not."""
    stages = Stages()
    peer = _LPIPS.__new__(_LPIPS)
    nn.Module.__init__(peer)
    peer.net, peer.scaling_layer, peer.L, peer.spatial, peer.resize = stages, nn.Identity(), 3, False, None
    peer.lins = nn.ModuleList(NetLinLayer(c).double() for c in (4, 5, 6))
    weights = [torch.rand(c, generator=torch.Generator().manual_seed(c), dtype=torch.float64) for c in (4, 5, 6)]
    for lin, weight in zip(peer.lins, weights, strict=True):
        lin.model[-1].weight.data = weight.reshape(1, -1, 1, 1)
    peer.eval()
    ours = lossary.PerceptualLoss(stages, [lossary.LPIPSLoss(weight) for weight in weights])
    agree(ours, lambda x, y: peer(x, y).mean(), *pair(7, 2, 3, 9, 10))


def test_kornia_sums_total_variation_over_pixels_by_default_but_not_over_the_batch():
    image, _ = pair(0, 3, 2, 5, 6)
    assert kornia.losses.total_variation(image).shape == (3, 2)
    assert_close(kornia.losses.total_variation(image).sum(1), lossary.total_variation_loss(image, reduction="none"))


def test_kornia_psnr_is_not_finite_for_equal_images():
    x = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    theirs = kornia.losses.psnr_loss(x, x.detach(), 1.0)
    assert theirs == -np.inf and torch.autograd.grad(theirs, x)[0].isnan().all()
    assert_close(lossary.psnr_loss(x, x.detach()), torch.tensor(-80.0))
