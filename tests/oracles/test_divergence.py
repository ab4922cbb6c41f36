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


def squares(seed):
    """Points in two squares that overlap: without outliers, Sinkhorn's iterations converge in a few hundred."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(6, 2, generator=generator, dtype=torch.float64)
    return x, torch.rand(5, 2, generator=generator, dtype=torch.float64) + 0.4


def masses(seed, points):
    return torch.rand(len(points), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.2


def transport_by_pot(cost, a, b, epsilon):
    """Entropic transport from POT's plan; which is best, so that the slope is that at a constant plan."""
    plan = torch.tensor(ot.sinkhorn(a, b, cost.detach().numpy(), epsilon, method="sinkhorn_log", stopThr=1e-11,
                                    numItermax=5000))  # fmt: skip
    return (plan * cost).sum() + epsilon * torch.tensor(rel_entr(plan.numpy(), np.outer(a, b)).sum())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("p", "blur"), [(2, 0.4), (1, 0.3)])
def test_sinkhorn_and_the_plans_of_pot(seed, p, blur):
    x, y = squares(seed)
    a, b = masses(seed, x), masses(seed, y)
    by_pot = {"x": (a / a.sum()).numpy(), "y": (b / b.sum()).numpy()}

    def peer(x, y):
        def between(one, other):
            cloud = {"x": x, "y": y}
            square = (cloud[one].unsqueeze(1) - cloud[other].unsqueeze(0)).square().sum(2)
            cost = square / 2 if p == 2 else torch.where(square > 0, square, 1e-300).sqrt()
            return transport_by_pot(cost, by_pot[one], by_pot[other], blur**p)

        return between("x", "y") - (between("x", "x") + between("y", "y")) / 2

    agree(lambda x, y: lossary.sinkhorn_divergence_loss(x, y, p=p, blur=blur, iterations=200, weight=a,
                                                        target_weight=b),
          peer, x, y, gradient_in=(0, 1), rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("p", "blur"), [(2, 0.4), (1, 0.3)])
def test_sinkhorn_and_geomloss(seed, p, blur):
    """geomloss stops once it is down at ``blur``: its scaling is how well it has converged by then."""
    peer = SamplesLoss("sinkhorn", p=p, blur=blur, scaling=0.99, backend="tensorized")
    agree(lambda x, y: lossary.sinkhorn_divergence_loss(x, y, p=p, blur=blur, iterations=200), peer,
          *squares(seed), gradient_in=(0, 1), rtol=1e-3, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_sinkhorn_tends_to_optimal_transport(seed):
    x, y = squares(seed)
    exact = ot.emd2(np.full(6, 1 / 6), np.full(5, 1 / 5), ot.dist(x.numpy(), y.numpy()) / 2)
    ours = lossary.sinkhorn_divergence_loss(x, y, blur=0.01, iterations=200)
    assert ours.item() == pytest.approx(exact, rel=5e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sinkhorn_divergence_of_pot_leaves_out_the_entropy(seed):
    """It is of the transport parts alone, and of the whole square: not twice ours."""
    x, y = squares(seed)
    theirs = ot.bregman.empirical_sinkhorn_divergence(x.numpy(), y.numpy(), reg=2 * 0.2**2)
    ours = lossary.sinkhorn_divergence_loss(x, y, blur=0.2, iterations=200)
    assert abs(theirs / ours.item() - 2.0) > 0.02


@pytest.mark.parametrize("seed", SEEDS)
class TestMMD:
    @pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
    @pytest.mark.parametrize("blur", [0.4, 1.5])
    def test_geomloss_gives_the_half(self, seed, kernel, blur):
        """For the laplacian it holds distances at 1e-4 of the bandwidth or more, that of a point to itself too."""
        x, y = clouds(seed)
        missing = 0.0 if kernel == "gaussian" else (1 / len(x) + 1 / len(y)) * -np.expm1(-1e-4)
        peer = SamplesLoss(kernel, blur=blur, backend="tensorized")
        agree(lambda x, y: 0.5 * (lossary.mmd_loss(x, y, kernel=kernel, bandwidths=(blur,)) - missing), peer, x, y,
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
        assert abs(ours(x, y).item() - theirs(x.numpy(), y.numpy())) > 0.003
