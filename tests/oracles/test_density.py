"""Likelihoods, deviances and ranked probability scores against torch, scikit-learn, torchmetrics, SciPy and
scoringrules."""

import math

import numpy as np
import pytest
import scipy.stats
import scoringrules
import torch
import torchmetrics.functional as metrics
from sklearn import _loss
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance, mean_tweedie_deviance
from torch import distributions, nn
from torch.testing import assert_close

import lossary
from tests.oracles.agreement import agree, numerically

SEEDS = range(3)
REDUCTIONS = ["none", "mean", "sum"]


def real(seed):
    """Predictions, targets, and scales from 0.02 to 50."""
    g = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(6, 4, generator=g, dtype=torch.float64) for _ in range(2))
    return 3.0 * x, y, torch.empty(6, 4, dtype=torch.float64).uniform_(-4.0, 4.0, generator=g).exp()


def counts(seed, rate=4.0):
    """Logarithms of means, and counts, of which some are 0."""
    g = torch.Generator().manual_seed(seed)
    log_mean = torch.randn(6, 4, generator=g, dtype=torch.float64)
    target = torch.poisson(torch.full((6, 4), rate, dtype=torch.float64), generator=g)
    target[0] = 0.0
    return log_mean, target


def amounts(seed):
    """Means and targets, all above 0."""
    g = torch.Generator().manual_seed(seed)
    return tuple(torch.empty(6, 4, dtype=torch.float64).exponential_(0.5, generator=g) + 0.01 for _ in range(2))


def weighted(function):
    """With unequal weights on the values, so that a gradient that is right in the sum alone is found out."""
    return lambda *x: (function(*x) * torch.linspace(1.0, 2.0, 24, dtype=torch.float64).reshape(6, 4)).sum()


class TestGaussianNLL:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("options", [{}, {"full": True}, {"eps": 0.7}, {"full": True, "eps": 1e-3}], ids=str)
    def test_as_torch(self, options, reduction, seed):
        ours = lossary.GaussianNLLLoss(**options, reduction=reduction)
        theirs = nn.GaussianNLLLoss(**options, reduction=reduction)
        mean, target, var = real(seed)
        assert_close(ours(mean, target, var), theirs(mean, target, var), rtol=1e-14, atol=0.0)
        agree(weighted(ours), weighted(theirs), mean, target, var, gradient_in=(0, 1, 2))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_as_scoringrules(self, seed):
        agree(lambda m, y, s: lossary.gaussian_nll_loss(m, y, s**2, full=True),
              lambda m, y, s: scoringrules.logs_normal(y, m, s, backend="torch").mean(),
              *(t.clamp(0.5, 2.0) for t in real(seed)), gradient_in=(0, 1, 2))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_beta_nll_as_torchs_likelihood_with_the_papers_weight(beta, seed):
    def theirs(mean, target, var):
        return var.detach() ** beta * nn.GaussianNLLLoss(reduction="none")(mean, target, var)

    agree(weighted(lambda *x: lossary.beta_nll_loss(*x, beta=beta, reduction="none")), weighted(theirs), *real(seed),
          gradient_in=(0, 1, 2))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
class TestLaplaceAndStudent:
    def test_laplace_as_torch(self, seed):
        agree(lossary.laplace_nll_loss, lambda m, y, b: -distributions.Laplace(m, b).log_prob(y).mean(), *real(seed),
              gradient_in=(0, 1, 2))  # fmt: skip

    def test_laplace_as_scoringrules(self, seed):
        x = [t.clamp(0.5, 2.0) for t in real(seed)]
        agree(lossary.laplace_nll_loss, lambda m, y, b: scoringrules.logs_laplace(y, m, b, backend="torch").mean(), *x,
              gradient_in=(0, 1, 2))  # fmt: skip

    @pytest.mark.parametrize("beta", [0.0, 0.3, 2.0])
    def test_uncertain_smooth_l1_as_mmdet3d_writes_it(self, beta, seed):
        def written(prediction, target, sigma):
            total = 0.0
            for x, y, s in zip(prediction.ravel(), target.ravel(), sigma.ravel(), strict=True):
                error = abs(x - y)
                smooth = 0.5 * error**2 / beta if error < beta else error - 0.5 * beta
                total += math.exp(-s) * smooth + s
            return total / prediction.size

        mean, target, scale = real(seed)
        agree(lambda m, y, s: lossary.uncertain_smooth_l1_loss(m, y, s.exp(), beta=beta), numerically(written),
              mean, target, scale.log(), gradient_in=(0, 1, 2))  # fmt: skip

    @pytest.mark.parametrize("df", [0.5, 1.0, 4.0, 19.0, 21.0, 1e3])
    def test_student_t_as_torch(self, df, seed):
        agree(lambda *x: lossary.student_t_nll_loss(*x, df=df),
              lambda m, y, s: -distributions.StudentT(df, m, s).log_prob(y).mean(), *real(seed),
              gradient_in=(0, 1, 2))  # fmt: skip

    def test_student_t_as_scipy_in_its_degrees_of_freedom(self, seed):
        mean, target, scale = (t.numpy() for t in real(seed))

        def of_df(df):
            return -scipy.stats.t.logpdf(target, float(df), mean, scale).mean()

        for df in (0.5, 4.0, 30.0):
            agree(lambda nu: lossary.student_t_nll_loss(*real(seed), df=nu), numerically(of_df),
                  torch.tensor(df, dtype=torch.float64))  # fmt: skip


class TestPoisson:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("full", [False, True])
    @pytest.mark.parametrize("eps", [None, 0.1])
    @pytest.mark.parametrize("log_input", [True, False])
    def test_as_torch(self, log_input, eps, full, reduction, seed):
        options = {"log_input": log_input, "full": full, "reduction": reduction}
        ours = lossary.PoissonNLLLoss(**options, eps=eps)
        theirs = nn.PoissonNLLLoss(**options, **({} if eps is None else {"eps": eps}))
        log_mean, target = counts(seed)
        x = log_mean if log_input else log_mean.exp()
        assert_close(ours(x, target), theirs(x, target), rtol=1e-14, atol=1e-14)
        agree(weighted(ours), weighted(theirs), x, target)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_as_scikit_learn(self, seed):
        peer = numerically(lambda z, y: _loss.HalfPoissonLoss().loss(y.ravel(), z.ravel()).mean())
        agree(lossary.poisson_nll_loss, peer, *counts(seed))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_deviance_as_scikit_learn_and_torchmetrics(self, seed):
        log_mean, target = counts(seed)
        x = log_mean.exp(), target
        agree(lossary.poisson_deviance_loss, numerically(lambda m, y: mean_poisson_deviance(y.ravel(), m.ravel())), *x)
        some = [t[1:].clone() for t in x]
        agree(lossary.poisson_deviance_loss, lambda m, y: metrics.tweedie_deviance_score(m, y, power=1), *some)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_deviance_of_torchmetrics_has_no_gradient_at_a_count_of_0(self, seed):
        log_mean, target = counts(seed)
        mean = log_mean.exp().requires_grad_()
        theirs = metrics.tweedie_deviance_score(mean, target, power=1)
        assert_close(lossary.poisson_deviance_loss(mean, target), theirs)
        (gradient,) = torch.autograd.grad(theirs, mean)
        assert gradient[target == 0].isnan().all()


@pytest.mark.parametrize("seed", SEEDS)
class TestNegativeBinomial:
    def test_as_torch(self, seed):
        log_mean, target = counts(seed)
        dispersion = real(seed)[2]
        agree(lossary.negative_binomial_nll_loss,
              lambda m, y, a: -distributions.NegativeBinomial(1 / a, logits=(a * m).log()).log_prob(y).mean(),
              log_mean.exp(), target, dispersion, gradient_in=(0, 2))  # fmt: skip

    def test_as_scipy(self, seed):
        def theirs(mean, target, dispersion):
            return -scipy.stats.nbinom.logpmf(target, 1 / dispersion, 1 / (1 + dispersion * mean)).mean()

        log_mean, target = counts(seed)
        agree(lossary.negative_binomial_nll_loss, numerically(theirs), log_mean.exp(), target, real(seed)[2],
              gradient_in=(0,))  # fmt: skip

    def test_as_scoringrules(self, seed):
        """Where r, the inverse of the dispersion, is above 1: below, its score is infinite."""
        log_mean, target = counts(seed)
        mean, dispersion = log_mean.exp(), real(seed)[2].clamp(0.1, 0.9)
        theirs = scoringrules.logs_negbinom(
            target.numpy(), (1 / dispersion).numpy(), (1 / (1 + dispersion * mean)).numpy()
        )
        ours = lossary.negative_binomial_nll_loss(mean, target, dispersion, reduction="none")
        assert_close(ours, torch.as_tensor(theirs), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
class TestGamma:
    def test_as_scikit_learn(self, seed):
        mean, target = amounts(seed)
        peer = numerically(lambda z, y: _loss.HalfGammaLoss().loss(y.ravel(), z.ravel()).mean())
        agree(lossary.gamma_nll_loss, peer, mean.log(), target, gradient_in=(0, 1))

    def test_as_torchs_exponential_distribution(self, seed):
        mean, target = amounts(seed)
        agree(lossary.gamma_nll_loss, lambda z, y: -distributions.Exponential((-z).exp()).log_prob(y).mean(),
              mean.log(), target, gradient_in=(0, 1))  # fmt: skip

    def test_deviance_as_scikit_learn_and_torchmetrics(self, seed):
        x = amounts(seed)
        agree(lossary.gamma_deviance_loss, numerically(lambda m, y: mean_gamma_deviance(y.ravel(), m.ravel())), *x,
              gradient_in=(0, 1))  # fmt: skip
        agree(lossary.gamma_deviance_loss, lambda m, y: metrics.tweedie_deviance_score(m, y, power=2), *x,
              gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
class TestTweedie:
    @pytest.mark.parametrize("power", [1.1, 1.5, 1.9, 3.0])
    def test_as_scikit_learn_but_for_terms_of_the_target(self, power, seed):
        """Theirs is 1 / (2 - p) - y / (1 - p) at a mean of 1, ours is 0."""
        mean, target = amounts(seed)
        if power < 2.0:
            target[0] = 0.0
        theirs = _loss.HalfTweedieLoss(power=power)

        def peer(z, y):
            constant = 1.0 / (2.0 - power) - y / (1.0 - power)
            return (theirs.loss(y.ravel(), z.ravel()) - constant.ravel()).mean()

        agree(lambda z, y: lossary.tweedie_nll_loss(z, y, power=power), numerically(peer), mean.log(), target)

    @pytest.mark.parametrize("power", [1.0, 1.1, 1.5, 1.9, 2.0, 3.0])
    def test_deviance_as_scikit_learn_and_torchmetrics(self, power, seed):
        mean, target = amounts(seed)
        if power < 2.0:
            target[0] = 0.0
        some = slice(1, None) if power == 1.0 else slice(None)  # at 0 the gradient of torchmetrics is then NaN

        def ours(m, y):
            return lossary.tweedie_deviance_loss(m, y, power=power)

        peer = numerically(lambda m, y: mean_tweedie_deviance(y.ravel(), m.ravel(), power=power))
        agree(ours, peer, mean, target)
        agree(ours, lambda m, y: metrics.tweedie_deviance_score(m, y, power=power), mean[some], target[some])


@pytest.mark.parametrize("seed", SEEDS)
class TestCRPS:
    def test_gaussian_as_scoringrules(self, seed):
        agree(lossary.gaussian_crps_loss, lambda m, y, s: scoringrules.crps_normal(y, m, s, backend="torch").mean(),
              *real(seed), gradient_in=(0, 1, 2))  # fmt: skip

    def test_gaussian_as_its_integral(self, seed):
        mean, target, scale = (float(t[0, 0]) for t in real(seed))
        z = np.linspace(mean - 12.0 * scale - 10.0, mean + 12.0 * scale + 10.0, 400_001)
        integral = np.trapezoid((scipy.stats.norm.cdf(z, mean, scale) - (z >= target)) ** 2, z)
        ours = lossary.gaussian_crps_loss(*(torch.tensor(v, dtype=torch.float64) for v in (mean, target, scale)))
        assert ours.item() == pytest.approx(integral, abs=1e-3 * (1.0 + scale))

    @pytest.mark.parametrize(("fair", "estimators"), [(False, ["nrg", "qd", "int"]), (True, ["fair", "pwm"])])
    def test_ensemble_as_scoringrules(self, fair, estimators, seed):
        members, target, _ = real(seed)
        for estimator in estimators:
            agree(lambda x, y: lossary.ensemble_crps_loss(x, y, fair=fair),
                  lambda x, y, e=estimator: scoringrules.crps_ensemble(y, x, estimator=e, backend="torch").mean(),
                  members, target[:, 0].clone(), gradient_in=(0, 1))  # fmt: skip

    def test_quantiles_as_scoringrules(self, seed):
        quantiles, target, _ = real(seed)
        levels = torch.tensor([0.1, 0.4, 0.5, 0.95], dtype=torch.float64)
        agree(lambda x, y: lossary.quantile_crps_loss(x, y, levels=levels),
              lambda x, y: scoringrules.crps_quantile(y, x, levels, backend="torch").mean(), quantiles,
              target[:, 0].clone(), gradient_in=(0, 1))  # fmt: skip
