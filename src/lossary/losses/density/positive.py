"""Likelihoods and deviances of a target that is at least 0: counts, and amounts.

A likelihood takes the logarithm of the mean, which is any number, as a network puts out; a deviance takes the mean
itself. The deviance is twice what the likelihood lacks to that of a perfect prediction, as in statistics: half of it is
what some call half-deviance, and its gradient is that of the negative log-likelihood.
"""

import math

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import (
    AtLeastOne,
    Card,
    Count,
    NonNegativeReal,
    PairLoss,
    Positive,
    PositiveReal,
    Real,
    Reduce,
    Sizes,
    TripletLoss,
    loss,
    reduce,
)
from lossary.kernels import Element, Elementwise, exp
from lossary.losses.regression.box_cox import box_cox

from .log_gamma import log_rising_ratio

__all__ = [
    "GammaDevianceLoss", "GammaNLLLoss", "NegativeBinomialNLLLoss", "PoissonDevianceLoss", "PoissonNLLLoss",
    "TweedieDevianceLoss", "TweedieNLLLoss",
    "gamma_deviance_loss", "gamma_nll_loss", "negative_binomial_nll_loss", "poisson_deviance_loss",
    "poisson_nll_loss", "tweedie_deviance_loss", "tweedie_nll_loss",
]  # fmt: skip

_TORCH_EPS = 1e-8


class LogMean(Real):
    """The logarithm of a mean: any number whose exponential is within the range of floating point."""

    extremes = (0.0, 30.0, -30.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return super().draw(shape, sizes, generator, wide).clamp(-30.0, 30.0)


def _poisson(x: Element, y: Element) -> tuple[Element, ...]:
    mean = exp(x)
    return mean - y * x, mean - y


def _if_of_logarithms(log_input: bool, full: bool, eps: float | None) -> tuple[float, ...] | None:
    return () if log_input and not full else None


@loss(
    Card(
        task="count regression",
        inputs=[LogMean("*n"), Count("*n")],
        values="*n",
        claims={"convex", "smooth"},
        formula=r"e^z - y z \;\big(+ \log y!\big)",
        source="McCullagh and Nelder, Generalized Linear Models (1989), sec. 6.2",
        settings=[{"full": True}],
        good_at={"counts", "zeros", "skewed target"},
        bad_at={"outliers", "unstable training"},
        known_as=("Poisson NLL", "Poisson", "Poisson NLL / deviance"),
        elsewhere={
            "torch": "PoissonNLLLoss; the same, but it broadcasts",
            "keras": "Poisson; log_input=False with eps 1e-7",
            "scikit-learn": "HalfPoissonLoss; the same",
        },
    ),
    kernel=Elementwise(_poisson, parameters=_if_of_logarithms),
)  # fmt: skip
def poisson_nll_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: Positive | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    """Negative log-likelihood of a count that is Poisson distributed about a predicted mean.

    Equal to ``torch.nn``'s, which uses Stirling's formula for log y! too, but shapes must be the same. Large counts are
    likely to scatter more than Poisson ones do: see :func:`negative_binomial_nll_loss`.

    Args:
        prediction: The logarithm of the mean, any shape ``(*n)``; the mean itself, above 0, if not ``log_input``.
        target: The count, at least 0, the same shape.
        log_input: Whether the prediction is the logarithm of the mean.
        full: Whether to add Stirling's y log y - y + log(2 pi y) / 2 for log y! where y is above 1, so that the mean
            over data compares with other likelihoods. For whole y it is too small by at most 0.041, at y = 2.
        eps: What is added to a mean before its logarithm is taken, 1e-8 unless given; of no effect if ``log_input``.

    >>> poisson_nll_loss(torch.tensor([0.0, 1.0]), torch.tensor([3.0, 0.0]), reduction="none")
    tensor([1.0000, 2.7183])
    """
    if log_input:
        values = prediction.exp() - target * prediction
    else:
        values = prediction - target * (prediction + (_TORCH_EPS if eps is None else eps)).log()
    return reduce(values + _stirling(target) if full else values, **how)


class PoissonNLLLoss(PairLoss, of=poisson_nll_loss):
    """Module form of :func:`poisson_nll_loss`."""

    log_input: bool = True
    full: bool = False
    eps: Positive | None = None


@loss(
    Card(
        task="count regression",
        inputs=[PositiveReal("*n"), Count("*n")],
        values="*n",
        claims={"nonnegative", "convex"},
        formula=r"2 \Big(y \log \frac{y}{\mu} - y + \mu\Big)",
        source="McCullagh and Nelder, Generalized Linear Models (1989), sec. 2.3",
        good_at={"counts", "zeros", "skewed target"},
        bad_at={"outliers"},
        known_as=("Poisson deviance",),
        elsewhere={
            "scikit-learn": "mean_poisson_deviance; the same, and HalfPoissonLoss is poisson_nll_loss",
            "torchmetrics": "tweedie_deviance_score(power=1); the same, but its gradient is NaN at a count of 0",
        },
    )
)  # fmt: skip
def poisson_deviance_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Poisson deviance: twice :func:`poisson_nll_loss` above its minimum, so that a perfect prediction costs 0.

    Args:
        prediction: The mean, above 0, any shape ``(*n)``.
        target: The count, at least 0, the same shape; it need not be whole.

    >>> poisson_deviance_loss(torch.tensor([1.0, 1.0]), torch.tensor([0.0, torch.e]), reduction="none")
    tensor([2., 2.])
    """
    ratio = torch.where(target == 0, prediction, target) / prediction  # its logarithm is then 0, as is y log y
    return reduce(2.0 * (target * ratio.log() - target + prediction), **how)


class PoissonDevianceLoss(PairLoss, of=poisson_deviance_loss):
    """Module form of :func:`poisson_deviance_loss`."""


@loss(
    Card(
        task=("count regression", "probabilistic regression"),
        inputs=[PositiveReal("*n"), Count("*n"), PositiveReal("*n")],
        values="*n",
        claims={"nonnegative"},
        formula=r"-\log \frac{\Gamma(y + 1/\alpha)}{y!\, \Gamma(1/\alpha)} + \tfrac1\alpha \log(1 + \alpha\mu)"
                r" - y \log \frac{\alpha\mu}{1 + \alpha\mu}",
        source="Hilbe, Negative Binomial Regression (2011), sec. 8.2; of a network's two outputs arXiv:1704.04110",
        good_at={"counts", "zeros", "skewed target", "heteroscedastic noise", "heavy tails"},
        known_as=("negative-binomial NLL", "negative binomial", "NB2"),
        elsewhere={
            "torch": "distributions.NegativeBinomial; total_count is 1 / dispersion, logits are log(dispersion * mean)",
            "SciPy": "nbinom; n is 1 / dispersion, p is 1 / (1 + dispersion * mean)",
            "scvi-tools": "NegativeBinomial(mu, theta); theta is 1 / dispersion",
            "pytorch-forecasting": "NegativeBinomialDistributionLoss; rescales mean and shape",
        },
    )
)  # fmt: skip
def negative_binomial_nll_loss(prediction: Tensor, target: Tensor, dispersion: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Negative log-likelihood of a count that scatters more than a Poisson one, with mean and dispersion predicted.

    The variance is mean + dispersion * mean^2. As the dispersion goes to 0 this becomes the whole Poisson likelihood,
    log y! included; it is exact on the way there, where differences of log-gamma functions lose all digits.

    Args:
        prediction: The mean, above 0, any shape ``(*n)``.
        target: The count, at least 0, the same shape.
        dispersion: Above 0, the same shape: the alpha of Hilbe and of DeepAR; its inverse is known as r, n or theta.

    >>> negative_binomial_nll_loss(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), torch.ones(2), reduction="none")
    tensor([0.6931, 1.3863])
    """
    r = 1.0 / dispersion
    # log Gamma(r + y) / Gamma(r) is y log r and a rest that vanishes for a large r; y log r goes into the mean's part.
    combinations = log_rising_ratio(r, target) - torch.lgamma(target + 1.0)
    values = (r + target) * torch.log1p(dispersion * prediction) - target * prediction.log() - combinations
    return reduce(values, **how)


class NegativeBinomialNLLLoss(TripletLoss, of=negative_binomial_nll_loss):
    """Module form of :func:`negative_binomial_nll_loss`."""


def _gamma(x: Element, y: Element) -> tuple[Element, ...]:
    ratio = y * exp(-x)
    return x + ratio, 1.0 - ratio


@loss(
    Card(
        task="regression",
        inputs=[LogMean("*n"), PositiveReal("*n")],
        values="*n",
        claims={"convex", "smooth"},
        formula=r"z + y e^{-z}",
        source="McCullagh and Nelder, Generalized Linear Models (1989), sec. 8.3",
        good_at={"relative errors", "skewed target"},
        bad_at={"zeros"},
        known_as=("gamma NLL", "exponential NLL", "gamma NLL / deviance"),
        elsewhere={
            "scikit-learn": "HalfGammaLoss; the same",
            "LightGBM": "objective gamma; the same, XGBoost's reg:gamma too",
        },
    ),
    kernel=Elementwise(_gamma),
)  # fmt: skip
def gamma_nll_loss(log_mean: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Negative log-likelihood of an amount that scatters in proportion to its mean, up to what the mean can't change.

    Any gamma distribution of fixed shape gives the same loss but for a factor and terms of the target alone; for shape
    1, the exponential distribution, it is the whole likelihood.

    Args:
        log_mean: The logarithm of the mean, any shape ``(*n)``.
        target: Above 0, the same shape. A target of 0 has a finite value, but would drive the mean to 0.

    >>> gamma_nll_loss(torch.tensor([0.0, 1.0]), torch.tensor([2.0, torch.e]), reduction="none")
    tensor([2., 2.])
    """
    return reduce(log_mean + target * (-log_mean).exp(), **how)


class GammaNLLLoss(PairLoss, of=gamma_nll_loss):
    """Module form of :func:`gamma_nll_loss`."""


@loss(
    Card(
        task="regression",
        inputs=[PositiveReal("*n"), PositiveReal("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "monotone", "scale_invariant"},
        formula=r"2 \Big(\frac{y}{\mu} - 1 - \log \frac{y}{\mu}\Big)",
        source="McCullagh and Nelder, Generalized Linear Models (1989), sec. 8.3",
        good_at={"relative errors", "skewed target"},
        bad_at={"zeros"},
        known_as=("gamma deviance",),
        elsewhere={
            "scikit-learn": "mean_gamma_deviance; the same, and HalfGammaLoss is gamma_nll_loss",
            "torchmetrics": "tweedie_deviance_score(power=2); the same",
        },
    )
)  # fmt: skip
def gamma_deviance_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Gamma deviance: twice :func:`gamma_nll_loss` above its minimum. It depends on the ratio of the two alone.

    Args:
        prediction: The mean, above 0, any shape ``(*n)``.
        target: Above 0, the same shape.

    >>> gamma_deviance_loss(torch.tensor([1.0, 1.0]), torch.tensor([1.0, torch.e]), reduction="none")
    tensor([0.0000, 1.4366])
    """
    log_ratio = target.log() - prediction.log()
    return reduce(2.0 * (torch.expm1(log_ratio) - log_ratio), **how)


class GammaDevianceLoss(PairLoss, of=gamma_deviance_loss):
    """Module form of :func:`gamma_deviance_loss`."""


@loss(
    Card(
        task="regression",
        inputs=[LogMean("*n"), NonNegativeReal("*n")],
        values="*n",
        claims={"convex", "smooth"},
        formula=r"\frac{e^{(2 - p) z} - 1}{2 - p} - y\, \frac{e^{(1 - p) z} - 1}{1 - p}",
        source="doi:10.1111/j.2517-6161.1987.tb01685.x",
        settings=[{"power": 1.0}, {"power": 1.2}, {"power": 2.0}],
        tune={"power": (1.1, 1.5, 1.9)},
        good_at={"zeros", "skewed target", "relative errors"},
        known_as=("Tweedie NLL", "Tweedie", "Tweedie deviance / NLL"),
        elsewhere={
            "scikit-learn": "HalfTweedieLoss; without the two -1, so 1 / (2 - p) - y / (1 - p) more",
            "XGBoost": "reg:tweedie; as scikit-learn, tweedie_variance_power is power; LightGBM too",
        },
    )
)  # fmt: skip
def tweedie_nll_loss(log_mean: Tensor, target: Tensor, *, power: AtLeastOne = 1.5, **how: Unpack[Reduce]) -> Tensor:
    """Negative log-likelihood of an amount that is often exactly 0 and else skewed, up to what the mean can't change.

    The variance grows as mean^``power``. Between 1 and 2 the distribution is a Poisson number of gamma amounts, as rain
    or claims on an insurance; 1 is :func:`poisson_nll_loss` less 1, 2 is :func:`gamma_nll_loss` less the target, 3 the
    inverse Gaussian. Terms of the target alone are chosen such that the value is 0 at a mean of 1, so that it is
    continuous in ``power``.

    Args:
        log_mean: The logarithm of the mean, any shape ``(*n)``.
        target: At least 0, from ``power`` 2 on above 0, the same shape.
        power: How the variance grows with the mean, at least 1.

    >>> tweedie_nll_loss(torch.tensor([0.0, 2.0]), torch.tensor([3.0, 0.0]), reduction="none")
    tensor([0.0000, 3.4366])
    """
    return reduce(box_cox(log_mean, 2.0 - power) - target * box_cox(log_mean, 1.0 - power), **how)


class TweedieNLLLoss(PairLoss, of=tweedie_nll_loss):
    """Module form of :func:`tweedie_nll_loss`."""

    power: AtLeastOne = 1.5


@loss(
    Card(
        task="regression",
        inputs=[PositiveReal("*n"), NonNegativeReal("*n")],
        values="*n",
        claims={"nonnegative"},
        formula=r"2 \Big(\frac{y^{2 - p}}{(1 - p)(2 - p)} - \frac{y \mu^{1 - p}}{1 - p}"
                r" + \frac{\mu^{2 - p}}{2 - p}\Big)",
        source="doi:10.1111/j.2517-6161.1987.tb01685.x",
        settings=[{"power": 1.0}, {"power": 1.2}],
        tune={"power": (1.1, 1.5, 1.9)},
        good_at={"zeros", "skewed target", "relative errors"},
        known_as=("Tweedie deviance",),
        elsewhere={
            "scikit-learn": "mean_tweedie_deviance; the same, also for power 0 and below",
            "torchmetrics": "tweedie_deviance_score; the same",
        },
    )
)  # fmt: skip
def tweedie_deviance_loss(
    prediction: Tensor, target: Tensor, *, power: AtLeastOne = 1.5, **how: Unpack[Reduce]
) -> Tensor:
    """Tweedie deviance: twice :func:`tweedie_nll_loss` above its minimum, so that a perfect prediction costs 0.

    ``power`` 1 is :func:`poisson_deviance_loss`, 2 :func:`gamma_deviance_loss`; 0 would be :func:`mse_loss`.

    Args:
        prediction: The mean, above 0, any shape ``(*n)``.
        target: At least 0, from ``power`` 2 on above 0 or the value is infinite; the same shape. A target of 0 gets no
            gradient.
        power: How the variance grows with the mean, at least 1.

    >>> tweedie_deviance_loss(torch.tensor([1.0, 4.0]), torch.tensor([0.0, 1.0]), reduction="none")
    tensor([4., 2.])
    """
    rest = torch.as_tensor(2.0 - power, dtype=prediction.dtype, device=prediction.device)
    zero = target == 0
    log_target = torch.where(zero, 1.0, target).log()
    vanished = torch.where(rest > 0, -1.0 / torch.where(rest > 0, rest, 1.0), -torch.inf)  # box_cox of log 0
    log_mean = prediction.log()
    pull = target * (box_cox(log_target, 1.0 - power) - box_cox(log_mean, 1.0 - power))
    growth = torch.where(zero, vanished, box_cox(log_target, rest)) - box_cox(log_mean, rest)
    return reduce(2.0 * (pull - growth), **how)


class TweedieDevianceLoss(PairLoss, of=tweedie_deviance_loss):
    """Module form of :func:`tweedie_deviance_loss`."""

    power: AtLeastOne = 1.5


def _stirling(target: Tensor) -> Tensor:
    """Stirling's formula for log y! where y is above 1, else 0."""
    y = torch.where(target > 1, target, 1.0)
    return torch.where(target > 1, y * y.log() - y + 0.5 * (2.0 * math.pi * y).log(), 0.0)
