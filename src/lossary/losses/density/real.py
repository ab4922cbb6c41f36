"""Likelihoods of a real target: a location and a scale for each value."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, Fraction, NonNegative, Positive, PositiveReal, Real, Reduce, TripletLoss, loss, reduce
from lossary.kernels import Element, Elementwise, absolute, log, maximum, sign

from .log_gamma import log_rising_ratio

__all__ = [
    "BetaNLLLoss", "GaussianNLLLoss", "LaplaceNLLLoss", "StudentTNLLLoss", "UncertainSmoothL1Loss",
    "beta_nll_loss", "gaussian_nll_loss", "laplace_nll_loss", "student_t_nll_loss", "uncertain_smooth_l1_loss",
]  # fmt: skip


def _gaussian_nll(x: Element, y: Element, var: Element, eps: Element, constant: Element) -> tuple[Element, ...]:
    error, held = x - y, maximum(var, eps)
    square = error * error / held
    return 0.5 * (log(held) + square) + constant, error / held, 0.5 * (1.0 - square) / held


def _with_constant(full: bool, eps: float) -> tuple[float, ...]:
    return eps, 0.5 * math.log(2.0 * math.pi) if full else 0.0


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n"), PositiveReal("*n")],
        values="*n",
        claims={"symmetric", "convex", "monotone", "smooth"},
        formula=r"\tfrac12 \Big(\log v + \frac{(y - \mu)^2}{v}\Big)",
        source="doi:10.1109/ICNN.1994.374138",
        settings=[{"full": True}, {"eps": 0.1}],
        good_at={"heteroscedastic noise", "intervals"},
        bad_at={"outliers", "heavy tails", "unstable training"},
        known_as=("Gaussian NLL", "normal NLL", "heteroscedastic regression"),
        elsewhere={
            "torch": "GaussianNLLLoss; the same, but it broadcasts the target, and the variance where a size is 1",
            "scoringrules": "logs_normal; takes the standard deviation, and has the constant",
        },
    ),
    kernel=Elementwise(_gaussian_nll, inputs=3, wrt=(0, 2), parameters=_with_constant),
)  # fmt: skip
def gaussian_nll_loss(
    prediction: Tensor,
    target: Tensor,
    var: Tensor,
    *,
    full: bool = False,
    eps: Positive = 1e-6,
    **how: Unpack[Reduce],
) -> Tensor:
    """Negative log-likelihood of a normal distribution whose mean and variance are both predicted.

    Equal to ``torch.nn``'s, but shapes must be the same: a variance shared by several values has to be expanded. Where
    the fit is poor the variance grows and with it the pull on the mean fades; :func:`beta_nll_loss` mends that.

    Args:
        prediction: The mean, any shape ``(*n)``.
        target: The same shape.
        var: The variance, above 0, the same shape, in squared units of the target.
        full: Whether to add the constant log(2 pi) / 2.
        eps: A smaller variance is taken for this one; its gradient is as if it were this one, so that it can recover.

    >>> gaussian_nll_loss(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]), reduction="none")
    tensor([0.5000, 1.1931])
    """
    constant = 0.5 * math.log(2.0 * math.pi) if full else 0.0
    return reduce(_gaussian(prediction, target, _held(var, eps)) + constant, **how)


class GaussianNLLLoss(TripletLoss, of=gaussian_nll_loss):
    """Module form of :func:`gaussian_nll_loss`."""

    full: bool = False
    eps: Positive = 1e-6


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n"), PositiveReal("*n")],
        values="*n",
        claims={"symmetric", "convex", "monotone", "smooth"},
        formula=r"\lfloor v^\beta \rfloor \cdot \tfrac12 \Big(\log v + \frac{(y - \mu)^2}{v}\Big),"
                r" \quad \lfloor\cdot\rfloor \text{ held constant}",
        source="arXiv:2203.09168, sec. 4",
        settings=[{"beta": 0.0}, {"beta": 1.0}],
        stops_gradient=True,
        tune={"beta": (0.0, 0.5, 1.0)},
        good_at={"heteroscedastic noise", "unstable training"},
        bad_at={"outliers", "heavy tails"},
        known_as=("beta-NLL",),
        elsewhere={"torch-uncertainty": "BetaNLL; the same"},
    )
)  # fmt: skip
def beta_nll_loss(
    prediction: Tensor,
    target: Tensor,
    var: Tensor,
    *,
    beta: Fraction = 0.5,
    eps: Positive = 1e-6,
    **how: Unpack[Reduce],
) -> Tensor:
    """:func:`gaussian_nll_loss` times a power of the variance, so that a large variance no longer hides a bad mean.

    The power is held constant in the gradient, which is therefore not the slope of the value. In the mean, ``beta`` 0
    gives the gradient of the likelihood and 1 that of half the squared error.

    Args:
        prediction: The mean, any shape ``(*n)``.
        target: The same shape.
        var: The variance, above 0, the same shape, in squared units of the target.
        beta: The power of the variance, in [0, 1].
        eps: A smaller variance is taken for this one, as in :func:`gaussian_nll_loss`.

    >>> beta_nll_loss(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]), reduction="none")
    tensor([0.5000, 2.3863])
    """
    held = _held(var, eps)
    return reduce(held.detach() ** beta * _gaussian(prediction, target, held), **how)


class BetaNLLLoss(TripletLoss, of=beta_nll_loss):
    """Module form of :func:`beta_nll_loss`."""

    beta: Fraction = 0.5
    eps: Positive = 1e-6


def _laplace_nll(x: Element, y: Element, scale: Element) -> tuple[Element, ...]:
    share = absolute(x - y) / scale
    return log(2.0 * scale) + share, sign(x - y) / scale, (1.0 - share) / scale


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n"), PositiveReal("*n")],
        values="*n",
        claims={"symmetric", "convex", "monotone", "bounded_gradient"},
        formula=r"\log (2 b) + \frac{|y - \mu|}{b}",
        source="Laplace, Mémoire sur la probabilité des causes (1774); of a network's two outputs arXiv:1703.04977",
        good_at={"heteroscedastic noise", "intervals", "outliers", "heavy tails"},
        bad_at={"smooth optimisation"},
        known_as=("Laplace NLL", "uncertain L1", "Laplacian aleatoric uncertainty"),
        elsewhere={
            "mmdet3d": "UncertainL1Loss; takes log b, and lacks log 2",
            "scoringrules": "logs_laplace; the same",
        },
    ),
    kernel=Elementwise(_laplace_nll, inputs=3, wrt=(0, 2)),
)  # fmt: skip
def laplace_nll_loss(prediction: Tensor, target: Tensor, scale: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Negative log-likelihood of a Laplace distribution: :func:`l1_loss` with a scale of its own for each value.

    Args:
        prediction: The location, which is the median, any shape ``(*n)``.
        target: The same shape.
        scale: The mean absolute deviation, above 0, the same shape, in units of the target.

    >>> laplace_nll_loss(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]), reduction="none")
    tensor([2., 4.])
    """
    return reduce((2.0 * scale).log() + (prediction - target).abs() / scale, **how)


class LaplaceNLLLoss(TripletLoss, of=laplace_nll_loss):
    """Module form of :func:`laplace_nll_loss`."""


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n"), PositiveReal("*n")],
        values="*n",
        claims={"symmetric", "convex", "monotone", "bounded_gradient"},
        formula=r"\log b + \frac1b \begin{cases} (y - \mu)^2 / (2\beta) & |y - \mu| < \beta \\"
                r" |y - \mu| - \tfrac12 \beta & \text{otherwise} \end{cases}",
        source="mmdet3d, UncertainSmoothL1Loss, after arXiv:1703.04977",
        settings=[{"beta": 0.1}, {"beta": 0.0}],
        good_at={"heteroscedastic noise", "outliers", "heavy tails", "smooth optimisation"},
        known_as=("uncertain smooth L1", "uncertain smooth-L1"),
        elsewhere={"mmdet3d": "UncertainSmoothL1Loss; takes log b, which it calls sigma, and weighs it by alpha"},
    )
)  # fmt: skip
def uncertain_smooth_l1_loss(
    prediction: Tensor, target: Tensor, scale: Tensor, *, beta: NonNegative = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    """:func:`smooth_l1_loss` with a scale of its own for each value: the Laplace likelihood with a rounded tip.

    It is not the likelihood of a normalised density, except for ``beta`` 0, where it is :func:`laplace_nll_loss` less
    log 2.

    Args:
        prediction: The location, any shape ``(*n)``.
        target: The same shape.
        scale: How uncertain the prediction is, above 0, the same shape, in units of the target.
        beta: The error at which the square becomes a line, in units of the target.

    >>> uncertain_smooth_l1_loss(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.ones(2), reduction="none")
    tensor([0.5000, 1.5000])
    """
    return reduce(scale.log() + F.smooth_l1_loss(prediction, target, beta=beta, reduction="none") / scale, **how)


class UncertainSmoothL1Loss(TripletLoss, of=uncertain_smooth_l1_loss):
    """Module form of :func:`uncertain_smooth_l1_loss`."""

    beta: NonNegative = 1.0


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n"), PositiveReal("*n")],
        values="*n",
        claims={"symmetric", "monotone", "bounded_gradient", "redescending"},
        formula=r"\log s + \tfrac12 \log (\nu \pi) + \log \frac{\Gamma(\frac{\nu}{2})}{\Gamma(\frac{\nu + 1}{2})}"
                r" + \tfrac{\nu + 1}{2} \log\Big(1 + \frac{(y - \mu)^2}{\nu s^2}\Big)",
        source="doi:10.2307/2290063",
        settings=[{"df": 1.0}, {"df": 30.0}],
        tune={"df": (2.0, 4.0, 10.0)},
        likelihood={"df"},
        good_at={"heteroscedastic noise", "intervals", "outliers", "heavy tails"},
        known_as=("Student-t NLL", "Student's t", "t NLL"),
        elsewhere={
            "scoringrules": "logs_t; the same",
            "GluonTS": "StudentTOutput; predicts the degrees of freedom too",
        },
    )
)  # fmt: skip
def student_t_nll_loss(
    prediction: Tensor, target: Tensor, scale: Tensor, *, df: Positive = 4.0, **how: Unpack[Reduce]
) -> Tensor:
    """Negative log-likelihood of Student's t distribution: as the normal near by, but far errors hardly pull.

    ``df`` 1 is the Cauchy distribution, and for a large ``df`` it nears the normal one. It may be learned as a tensor.

    Args:
        prediction: The location, any shape ``(*n)``.
        target: The same shape.
        scale: The scale, above 0, the same shape, in units of the target; the standard deviation is this times
            sqrt(df / (df - 2)).
        df: Degrees of freedom: the fewer, the less a far error counts.

    >>> student_t_nll_loss(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.ones(2), df=1.0, reduction="none")
    tensor([1.1447, 1.8379])
    """
    nu = torch.as_tensor(df, dtype=scale.dtype, device=scale.device)
    normaliser = 0.5 * math.log(2.0 * math.pi) - log_rising_ratio(0.5 * nu, torch.full_like(nu, 0.5))
    z = (prediction - target) / scale
    return reduce(scale.log() + normaliser + 0.5 * (nu + 1.0) * torch.log1p(z**2 / nu), **how)


class StudentTNLLLoss(TripletLoss, of=student_t_nll_loss):
    """Module form of :func:`student_t_nll_loss`."""

    df: Positive = 4.0


def _gaussian(mean: Tensor, target: Tensor, var: Tensor) -> Tensor:
    return 0.5 * (var.log() + (mean - target) ** 2 / var)


def _held(var: Tensor, eps: float) -> Tensor:
    """``var`` held at ``eps`` or above in value but not in gradient: a clamp would stop one below it for good."""
    return var + (var.clamp(min=eps) - var).detach()
