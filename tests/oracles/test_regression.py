"""Losses of a real target against torch, kornia, torchmetrics, SciPy, scikit-learn, scoringrules and fvcore, and values
recorded from Keras, optax, RLax, statsmodels, catalyst, neuralforecast and pytorch-forecasting."""

import warnings

import kornia
import numpy as np
import pytest
import scipy.special
import scoringrules
import torch
import torchmetrics.functional as metrics
from sklearn import _loss
from sklearn.metrics import mean_absolute_percentage_error, root_mean_squared_log_error
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

with warnings.catch_warnings():
    # fvcore compiles its focal losses by torch.jit.script when it is imported.
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=DeprecationWarning)
    from fvcore.nn import smooth_l1_loss

SEEDS = range(3)
REDUCTIONS = ["none", "mean", "sum"]


def errors(seed):
    """Predictions and targets whose errors lie on both sides of every threshold."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(6, 4, generator=g, dtype=torch.float64)
    return x * 10 ** torch.linspace(-1, 1.5, 4, dtype=torch.float64), torch.randn(6, 4, generator=g).double()


def amounts(seed):
    g = torch.Generator().manual_seed(seed)
    return tuple(torch.empty(6, 4, dtype=torch.float64).exponential_(0.5, generator=g) for _ in range(2))


def of(loss):
    return pytest.mark.parametrize("entry", recorded("regression", loss), ids=origin)


TORCH = [
    (lossary.MSELoss, nn.MSELoss, {}),
    (lossary.L1Loss, nn.L1Loss, {}),
    (lossary.HuberLoss, nn.HuberLoss, {}),
    (lossary.HuberLoss, nn.HuberLoss, {"delta": 0.3}),
    (lossary.SmoothL1Loss, nn.SmoothL1Loss, {}),
    (lossary.SmoothL1Loss, nn.SmoothL1Loss, {"beta": 0.3}),
    (lossary.SmoothL1Loss, nn.SmoothL1Loss, {"beta": 0.0}),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("ours", "theirs", "options"), TORCH, ids=lambda part: getattr(part, "__name__", str(part)))
def test_modules_of_torch(ours, theirs, options, reduction, seed):
    mine, peer = ours(**options, reduction=reduction), theirs(**options, reduction=reduction)
    x = errors(seed)
    assert_close(mine(*x), peer(*x), rtol=1e-14, atol=0.0)
    # Unequal weights on the values, so that a gradient that is right in the sum alone is found out.
    weight = torch.linspace(1.0, 2.0, 24, dtype=torch.float64).reshape(6, 4)
    agree(lambda a, b: (mine(a, b) * weight).sum(), lambda a, b: (peer(a, b) * weight).sum(), *x, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_smooth_l1_as_fvcore(seed, beta):
    agree(lambda a, b: lossary.smooth_l1_loss(a, b, beta=beta),
          lambda a, b: smooth_l1_loss(a, b, beta, reduction="mean"), *errors(seed), gradient_in=(0, 1))  # fmt: skip


@of("mse")
def test_mse_as_optax(entry):
    agree_with_record(lossary.mse_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_mse_is_twice_scikit_learns(seed):
    peer = numerically(lambda x, y: _loss.HalfSquaredError().loss(y.ravel(), x.ravel()).mean())
    agree(lambda a, b: 0.5 * lossary.mse_loss(a, b), peer, *errors(seed), gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_rmse_as_torchmetrics(seed):
    agree(lossary.rmse_loss, lambda a, b: metrics.mean_squared_error(a, b, squared=False), *errors(seed),
          gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_huber_as_scipy(seed):
    peer = numerically(lambda x, y: scipy.special.huber(0.7, x - y).mean())
    agree(lambda a, b: lossary.huber_loss(a, b, delta=0.7), peer, *errors(seed), gradient_in=(0, 1))


@of("log_cosh")
def test_log_cosh(entry):
    # Keras reduces in float32 whatever it is asked.
    rounding = {"rtol": 1e-5, "atol": 1e-6} if entry["library"] == "keras" else {}
    agree_with_record(lossary.log_cosh_loss, entry, gradient_in=(0, 1), **rounding)


@pytest.mark.parametrize("seed", SEEDS)
def test_log_cosh_as_torchmetrics(seed):
    x, y = errors(seed)
    agree(lossary.log_cosh_loss, lambda a, b: metrics.log_cosh_error(a, b), x.flatten(), y.flatten(),
          gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("width", [1.0, 0.2, 5.0])
class TestCharbonnierAndPseudoHuber:
    def test_as_kornia_in_other_units(self, seed, width):
        def peer(a, b):
            return kornia.losses.charbonnier_loss(a / width, b / width, reduction="mean")

        x = errors(seed)
        agree(lambda a, b: lossary.charbonnier_loss(a, b, eps=width), lambda a, b: width * (peer(a, b) + 1.0), *x,
              gradient_in=(0, 1))  # fmt: skip
        agree(lambda a, b: lossary.pseudo_huber_loss(a, b, delta=width), lambda a, b: width**2 * peer(a, b), *x,
              gradient_in=(0, 1))  # fmt: skip

    def test_as_scipy(self, seed, width):
        peer = numerically(lambda x, y: scipy.special.pseudo_huber(width, x - y).mean())
        agree(lambda a, b: lossary.pseudo_huber_loss(a, b, delta=width), peer, *errors(seed), gradient_in=(0, 1))


@of("cosine_distance")
def test_cosine_distance(entry):
    rounding = {"rtol": 1e-5, "atol": 1e-6} if entry["library"] == "keras" else {}
    agree_with_record(lossary.cosine_distance_loss, entry, gradient_in=(0, 1), **rounding)


@pytest.mark.parametrize("seed", SEEDS)
def test_cosine_distance_as_torch(seed):
    agree(lossary.cosine_distance_loss, lambda a, b: (1.0 - F.cosine_similarity(a, b, dim=-1)).mean(), *errors(seed),
          gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("q", [0.05, 0.5, 0.8])
class TestQuantile:
    def test_as_scoringrules(self, seed, q):
        agree(lambda a, b: lossary.quantile_loss(a, b, q=q),
              lambda a, b: scoringrules.quantile_score(b, a, torch.tensor(q, dtype=torch.float64), backend="torch")
              .mean(), *errors(seed), gradient_in=(0, 1))  # fmt: skip

    def test_as_scikit_learn(self, seed, q):
        peer = numerically(lambda x, y: _loss.PinballLoss(quantile=q).loss(y.ravel(), x.ravel()).mean())
        agree(lambda a, b: lossary.quantile_loss(a, b, q=q), peer, *errors(seed), gradient_in=(0, 1))


@of("multi_quantile")
def test_multi_quantile(entry):
    levels = torch.tensor(entry["options"].pop("levels"), dtype=torch.float64)
    agree_with_record(lambda a, b: lossary.multi_quantile_loss(a, b, levels=levels), entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_multi_quantile_as_scoringrules(seed):
    x, y = errors(seed)
    levels = torch.tensor([0.1, 0.3, 0.5, 0.95], dtype=torch.float64)
    for given, used in ((levels, levels), (None, torch.tensor([0.125, 0.375, 0.625, 0.875], dtype=torch.float64))):
        agree(lambda a, b, given=given: lossary.multi_quantile_loss(a, b, levels=given),
              lambda a, b, used=used: scoringrules.quantile_score(b[:, None].expand(6, 4), a, used, backend="torch")
              .mean(), x, y[:, 0].clone(), gradient_in=(0, 1))  # fmt: skip


@of("quantile_huber")
def test_quantile_huber(entry):
    agree_with_record(lossary.quantile_huber_loss, entry, gradient_in=(0, 1))


@of("expectile")
def test_expectile(entry):
    agree_with_record(lossary.expectile_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
class TestRelative:
    def test_mape_as_torchmetrics(self, seed):
        agree(lossary.mape_loss, metrics.mean_absolute_percentage_error, *errors(seed), gradient_in=(0, 1))

    def test_mape_as_scikit_learn(self, seed):
        peer = numerically(lambda x, y: mean_absolute_percentage_error(y, x))
        agree(lossary.mape_loss, peer, *errors(seed), rtol=1e-5)

    def test_smape_as_torchmetrics(self, seed):
        agree(lossary.smape_loss, metrics.symmetric_mean_absolute_percentage_error, *errors(seed), gradient_in=(0, 1))

    def test_msle_as_torchmetrics(self, seed):
        agree(lossary.msle_loss, metrics.mean_squared_log_error, *amounts(seed), gradient_in=(0, 1))

    def test_rmsle_as_scikit_learn(self, seed):
        peer = numerically(lambda x, y: root_mean_squared_log_error(y.ravel(), x.ravel()))
        agree(lossary.rmsle_loss, peer, *amounts(seed), gradient_in=(0, 1))


@of("mape")
def test_mape_as_keras(entry):
    # Keras reduces in float32 whatever it is asked.
    agree_with_record(lossary.mape_loss, entry, gradient_in=(0, 1), rtol=1e-5, atol=1e-6)


@of("msle")
def test_msle_as_keras(entry):
    agree_with_record(lossary.msle_loss, entry, gradient_in=(0, 1), rtol=1e-5, atol=1e-6)


@of("smape")
def test_smape_as_pytorch_forecasting(entry):
    # It adds 1e-8 to the denominator.
    agree_with_record(lossary.smape_loss, entry, gradient_in=(0, 1), atol=1e-7)


@of("tukey_biweight")
def test_tukey_biweight_as_statsmodels(entry):
    agree_with_record(lossary.tukey_biweight_loss, entry, gradient_in=(0, 1))


@of("tukey_biweight_of_neuralforecast")
def test_tukey_biweight_of_neuralforecast_is_turned_over(entry):
    """Within c it is c^2 / 6 (1 - u)^3, which falls as the error grows, and beyond c it is c^2 / 6."""
    x, y = tensors(entry)
    c = entry["options"]["delta"]
    far = (x - y).abs() > c
    ours = lossary.tukey_biweight_loss(x, y, delta=c, reduction="none")
    assert_close(torch.where(far, ours, c**2 / 6 - ours).mean().item(), entry["value"])


KORNIA = [
    (lossary.cauchy_loss, kornia.losses.cauchy_loss, 0.0),
    (lossary.geman_mcclure_loss, kornia.losses.geman_mcclure_loss, -2.0),
    (lossary.welsch_loss, kornia.losses.welsch_loss, -torch.inf),
    (None, kornia.losses.charbonnier_loss, 1.0),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [1.0, 0.3, 4.0])
@pytest.mark.parametrize(("ours", "theirs", "alpha"), KORNIA, ids=lambda part: getattr(part, "__name__", str(part)))
def test_robust_losses_as_kornia_in_other_units(ours, theirs, alpha, scale, seed):
    def peer(a, b):
        return theirs(a / scale, b / scale, reduction="mean")

    x = errors(seed)
    if ours is not None:
        agree(lambda a, b: ours(a, b, scale=scale), peer, *x, gradient_in=(0, 1))
    agree(lambda a, b: lossary.general_robust_loss(a, b, alpha=alpha, scale=scale), peer, *x, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alpha", [4.0, 2.0 - 1e-4, 1.5, 0.3, 1e-5, -1e-5, -1.0, -7.0, -1e6])
def test_general_robust_loss_as_written_in_the_paper(alpha, seed):
    def written(x, y):
        z, b = ((x - y) / 0.8) ** 2, abs(alpha - 2)
        return np.mean(b / alpha * ((z / b + 1) ** (alpha / 2) - 1))

    # As written it loses digits where alpha is near 0: about 1e-16 / alpha.
    rtol = 1e-9 if abs(alpha) < 1e-4 or alpha < -1e5 else 1e-11
    x = [t.clamp(-5.0, 5.0) for t in errors(seed)]
    assert_close(lossary.general_robust_loss(*x, alpha=alpha, scale=0.8).item(),
                 written(*(t.numpy() for t in x)), rtol=rtol, atol=0.0)  # fmt: skip
    agree(lambda a, b: lossary.general_robust_loss(a, b, alpha=alpha, scale=0.8), numerically(written, step=1e-5), *x,
          gradient_in=(0, 1), atol=1e-6)  # fmt: skip


@of("wing")
def test_wing_as_catalyst(entry):
    agree_with_record(lossary.wing_loss, entry, gradient_in=(0, 1))
