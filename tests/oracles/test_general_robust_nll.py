"""Barron's density against SciPy's quadrature of its formula, and against the distributions that it contains."""

import mpmath
import numpy as np
import pytest
import scipy.stats
import torch
from scipy.integrate import quad
from torch.testing import assert_close

import lossary
from lossary.losses.regression.barron import general_robust, log_partition

PIECES = [(-36.0, -10.0), (-10.0, -3.0), (-3.0, 0.0), (0.0, 2.0), (2.0, 6.0), (6.0, 38.0)]
"""Of the integral over v, where x = exp(v); the last matters below alpha 1 alone, and overflows above."""


def pieces(alpha):
    return PIECES[: 4 if alpha >= 3 else 5 if alpha >= 1 else 6]


def rho(x, alpha):
    """Eq. 8 of arXiv:1701.03077 at scale 1, with its limits at 0 and 2; also for complex alpha."""
    if alpha == 0:
        return np.log1p(x * x / 2)
    if alpha == 2:
        return x * x / 2
    bend = 2 - alpha if alpha.real < 2 else alpha - 2
    return bend / alpha * ((x * x / bend + 1) ** (alpha / 2) - 1)


def partition(alpha):
    def integrand(v):
        return 2 * np.exp(v - rho(np.exp(v), alpha))

    return sum(quad(integrand, *ends, epsabs=0, epsrel=1e-12, limit=200)[0] for ends in pieces(alpha))


def slope(alpha):
    """Of log Z, by the derivative of rho with a complex step."""

    def integrand(v):
        x = np.exp(v)
        return -2 * np.exp(v - rho(x, alpha)) * rho(x, complex(alpha, 1e-30)).imag / 1e-30

    return sum(quad(integrand, *ends, epsabs=1e-13, epsrel=1e-10, limit=200)[0] for ends in pieces(alpha)) / partition(
        alpha
    )


def f64(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(
    "alpha", [0.01, 0.3, 0.999, 1.0, 1.5, 1.99, 1.9999, 2.001, 2.5, 2.999, 3.0, 4.0, 9.9, 10.0, 50.0]
)
def test_the_integral_and_its_derivative_as_quadrature(alpha):
    at = f64(alpha).requires_grad_()
    ours = log_partition(at)
    assert ours.exp().item() == pytest.approx(partition(alpha), rel=1e-10)
    assert torch.autograd.grad(ours, at)[0].item() == pytest.approx(slope(alpha), rel=1e-8)


def test_the_integral_where_it_has_a_name():
    """Cauchy's at 0, the normal one at 2, and exp(1 - exp(x^2 / 2)) as alpha grows."""
    limit = quad(lambda x: np.exp(-np.expm1(x * x / 2)), -6, 6, epsabs=0, epsrel=1e-12)[0]
    for alpha, expected in ((0.0, np.pi * 2**0.5), (2.0, (2 * np.pi) ** 0.5), (1e9, limit)):
        assert log_partition(f64(alpha)).exp().item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 1.0, 1.5, 2.0, 3.0, 10.0, 1e3, 1e6])
def test_float32_is_right_to_its_rounding(alpha):
    at = torch.tensor(alpha, requires_grad=True)
    ours = log_partition(at)
    assert ours.item() == pytest.approx(log_partition(f64(alpha)).item(), abs=1e-6)
    assert torch.autograd.grad(ours, at)[0].isfinite()


@pytest.mark.parametrize("alpha", [1.9999, 2.0 - 1e-12, 2.0 + 1e-12, 2.0001, 0.5, 1.0])
def test_the_loss_has_the_slope_of_its_formula_next_to_2(alpha):
    """Where the formula itself, in floating point, loses 8 digits; here it has 60."""
    square = torch.tensor([1e-3, 0.5, 4.0, 100.0], dtype=torch.float64)
    at = f64(alpha).requires_grad_()
    ours = torch.autograd.functional.jacobian(lambda a: general_robust(square, a), at)
    with mpmath.workdps(60):
        for s, found in zip(square.tolist(), ours.tolist(), strict=True):
            exact = mpmath.diff(
                lambda a, s=s: abs(a - 2) / a * ((s / abs(a - 2) + 1) ** (a / 2) - 1),
                mpmath.mpf(alpha),
                h=mpmath.mpf(10) ** -25,
            )
            assert found == pytest.approx(float(exact), rel=1e-6)


@pytest.mark.parametrize(
    ("alpha", "theirs"), [(0.0, scipy.stats.cauchy(scale=0.7 * 2**0.5)), (2.0, scipy.stats.norm(scale=0.7))]
)
def test_its_named_members_as_scipy(alpha, theirs):
    x = torch.linspace(-9.0, 9.0, 19, dtype=torch.float64)
    ours = lossary.general_robust_nll_loss(x, torch.zeros_like(x), alpha=alpha, scale=0.7, reduction="none")
    assert_close(ours, torch.from_numpy(-theirs.logpdf(x.numpy())), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 1.7, 2.5])
def test_its_gradient_in_shape_and_scale(alpha):
    x = torch.linspace(-9.0, 9.0, 7, dtype=torch.float64)

    def values(a, c):
        return lossary.general_robust_nll_loss(x, torch.zeros_like(x), alpha=a, scale=c, reduction="none")

    assert torch.autograd.gradcheck(values, (f64(alpha).requires_grad_(), f64(0.8).requires_grad_()))


@pytest.mark.parametrize("alpha", [0.3, 1.0, 1.5, 1.95, 2.05, 3.0])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_far_errors_keep_their_digits(alpha, dtype, rtol):
    x = torch.tensor([1e2, 1e4, 1e6], dtype=dtype)
    ours = general_robust(x**2, torch.tensor(alpha, dtype=dtype))
    expected = torch.from_numpy(rho(x.double().numpy(), alpha))
    assert_close(ours.double(), expected, rtol=rtol, atol=0.0)
