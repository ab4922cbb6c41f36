"""Divergences against torch, kornia, torchmetrics and scipy; those of clouds against geomloss, POT and scikit-learn."""

import numpy as np
import ot
import pytest
import torch
from geomloss import SamplesLoss
from kornia.losses import js_div_loss_2d, kl_div_loss_2d
from scipy.special import rel_entr
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel
from torch.nn import functional as F
from torchmetrics.functional.regression.js_divergence import jensen_shannon_divergence

import lossary
from tests.oracles.agreement import agree, numerically

SEEDS = range(3)


def logits(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, *shape, generator=generator, dtype=torch.float64)


def clouds(seed, *, m=9, k=7, d=2):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, d, generator=generator, dtype=torch.float64)
    return x, 0.7 * torch.randn(k, d, generator=generator, dtype=torch.float64) + 0.5


@pytest.mark.parametrize("seed", SEEDS)
class TestClassProbabilities:
    def test_kl_and_torch(self, seed):
        z, y = logits(seed, 6, 4)
        agree(lambda z, y: lossary.kl_div_loss(z.log_softmax(1), y.softmax(1)),
              lambda z, y: F.kl_div(z.log_softmax(1), y.softmax(1), reduction="batchmean"),
              z, y, gradient_in=(0, 1))  # fmt: skip
        agree(lambda z, y: lossary.kl_div_loss(z.log_softmax(1), y.log_softmax(1), log_target=True),
              lambda z, y: F.kl_div(z.log_softmax(1), y.log_softmax(1), reduction="batchmean", log_target=True),
              z, y, gradient_in=(0, 1))  # fmt: skip

    def test_kl_and_kornia(self, seed):
        """kornia's distributions lie over the plane."""
        z, y = logits(seed, 2, 12)
        agree(lambda z, y: lossary.kl_div_loss(z.log_softmax(1), y.softmax(1)),
              lambda z, y: kl_div_loss_2d(z.softmax(1).view(2, 1, 3, 4), y.softmax(1).view(2, 1, 3, 4)),
              z, y, gradient_in=(0, 1))  # fmt: skip

    def test_jensen_shannon_and_kornia(self, seed):
        z, y = logits(seed, 2, 12)
        agree(lambda z, y: lossary.jensen_shannon_loss(z.log_softmax(1), y.softmax(1)),
              lambda z, y: js_div_loss_2d(z.softmax(1).view(2, 1, 3, 4), y.softmax(1).view(2, 1, 3, 4)),
              z, y, gradient_in=(0, 1))  # fmt: skip

    def test_jensen_shannon_and_torchmetrics(self, seed):
        z, y = logits(seed, 6, 4)
        agree(lambda z, y: lossary.jensen_shannon_loss(z.log_softmax(1), y.softmax(1)),
              lambda z, y: jensen_shannon_divergence(z.softmax(1), y.softmax(1)), z, y)  # fmt: skip

    @pytest.mark.parametrize("beta", [0.1, 0.5, 0.8])
    def test_jensen_shannon_and_scipy(self, seed, beta):
        def by_scipy(z, y):
            q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            m = beta * y + (1 - beta) * q
            return (beta * rel_entr(y, m) + (1 - beta) * rel_entr(q, m)).sum(1).mean()

        z, y = logits(seed, 6, 4)
        agree(lambda z, y: lossary.jensen_shannon_loss(z.log_softmax(1), y, beta=beta), numerically(by_scipy),
              z, y.softmax(1), rtol=1e-7)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("p", "blur"), [(2, 0.5), (2, 0.2), (1, 0.3)])
class TestSinkhorn:
    """geomloss goes down to ``blur`` in steps of ``scaling`` and stops there: near 1 it is converged to about 1e-6."""

    def test_geomloss(self, seed, p, blur):
        peer = SamplesLoss("sinkhorn", p=p, blur=blur, scaling=0.998, backend="tensorized")
        agree(lambda x, y: lossary.sinkhorn_divergence_loss(x, y, p=p, blur=blur, iterations=1000), peer,
              *clouds(seed), gradient_in=(0, 1), rtol=1e-4, atol=1e-6)  # fmt: skip

    def test_geomloss_with_weights(self, seed, p, blur):
        peer = SamplesLoss("sinkhorn", p=p, blur=blur, scaling=0.998, backend="tensorized")
        x, y = clouds(seed)
        a, b = torch.rand(len(x), dtype=x.dtype).add(0.2), torch.rand(len(y), dtype=x.dtype).add(0.2)
        agree(lambda x, y: lossary.sinkhorn_divergence_loss(x, y, p=p, blur=blur, iterations=1000, weight=a,
                                                            target_weight=b),
              lambda x, y: peer(a / a.sum(), x, b / b.sum(), y), x, y,
              gradient_in=(0, 1), rtol=1e-4, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
class TestSinkhornAndPot:
    def test_as_blur_fades_it_is_optimal_transport(self, seed):
        x, y = clouds(seed)
        a, b = np.full(9, 1 / 9), np.full(7, 1 / 7)
        exact = ot.emd2(a, b, ot.dist(x.numpy(), y.numpy()) / 2)
        ours = lossary.sinkhorn_divergence_loss(x, y, blur=0.01, iterations=500)
        assert ours.item() == pytest.approx(exact, rel=1e-3)

    def test_pot_leaves_out_the_entropy(self, seed):
        """Its divergence is that of the transport parts alone, of the whole square: more than twice ours at this blur."""
        x, y = clouds(seed)
        theirs = ot.bregman.empirical_sinkhorn_divergence(x.numpy(), y.numpy(), reg=2 * 0.5**2)
        ours = lossary.sinkhorn_divergence_loss(x, y, blur=0.5, iterations=500)
        assert theirs > 2.1 * ours.item()


@pytest.mark.parametrize("seed", SEEDS)
class TestMMD:
    @pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
    @pytest.mark.parametrize("blur", [0.4, 1.5])
    def test_geomloss_gives_the_half(self, seed, kernel, blur):
        peer = SamplesLoss(kernel, blur=blur, backend="tensorized")
        agree(lambda x, y: 0.5 * lossary.mmd_loss(x, y, kernel=kernel, bandwidths=(blur,)), peer, *clouds(seed),
              gradient_in=(0, 1))  # fmt: skip

    def test_scikit_learn_with_several_bandwidths_and_without_the_diagonal(self, seed):
        def kernel(x, y):
            return (rbf_kernel(x, y, gamma=1 / (2 * 0.5**2)) + rbf_kernel(x, y, gamma=1 / (2 * 2.0**2))) / 2

        def within(x):
            return (kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1))

        agree(lambda x, y: lossary.mmd_loss(x, y, bandwidths=(0.5, 2.0), unbiased=True),
              numerically(lambda x, y: within(x) + within(y) - 2 * kernel(x, y).mean()), *clouds(seed),
              gradient_in=(0, 1), rtol=1e-7)  # fmt: skip

    def test_the_laplacian_of_scikit_learn_is_of_another_distance(self, seed):
        """Of the L1 distance: in one dimension the two are the same, in more they are not."""

        def theirs(x, y):
            def mean(a, b):
                return laplacian_kernel(a, b, gamma=1.0).mean()

            return mean(x, x) + mean(y, y) - 2 * mean(x, y)

        def ours(x, y):
            return lossary.mmd_loss(x, y, kernel="laplacian")

        agree(ours, numerically(theirs), *clouds(seed, d=1), rtol=1e-7)
        x, y = clouds(seed)
        assert abs(ours(x, y).item() - theirs(x.numpy(), y.numpy())) > 0.01
