"""Losses that bound the pull of a far error or let it fade, so that outliers hardly count; and the wing, which raises
the pull of near ones."""

import math
from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Card, NonNegative, PairLoss, Positive, Real, Reduce, When, Within, loss, reduce
from lossary.kernels import Element, Elementwise, absolute, expm1, log1p, minimum, sign, where

from .barron import general_robust, log_partition

__all__ = [
    "CauchyLoss", "GemanMcClureLoss", "GeneralRobustLoss", "GeneralRobustNLLLoss", "TukeyBiweightLoss", "WelschLoss",
    "WingLoss",
    "cauchy_loss", "geman_mcclure_loss", "general_robust_loss", "general_robust_nll_loss", "tukey_biweight_loss",
    "welsch_loss", "wing_loss",
]  # fmt: skip

Shape = Annotated[float, Within(high=math.inf, below=True)]
"""A number, or minus infinity."""


def _tukey(x: Element, y: Element, delta: Element) -> tuple[Element, ...]:
    u = minimum((x - y) / delta * ((x - y) / delta), 1.0)
    return delta * delta / 6.0 * u * (3.0 - 3.0 * u + u * u), (x - y) * (1.0 - u) * (1.0 - u)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "bounded_gradient",
                "redescending", "smooth"},
        formula=r"\frac{\delta^2}{6} \Big(1 - \big(1 - \min(|x - y| / \delta, 1)^2\big)^3\Big)",
        source="doi:10.1080/00401706.1974.10489171",
        settings=[{"delta": 1.0}],
        tune={"delta": (1.0, 2.0, 4.685, 10.0)},
        good_at={"outliers", "heavy tails"},
        bad_at={"vanishing gradient", "large errors"},
        known_as=("Tukey", "biweight", "bisquare", "Tukey biweight"),
        elsewhere={
            "statsmodels": "TukeyBiweight; delta is c",
            "neuralforecast": "TukeyLoss; lacks the 1 less, so that it falls as the error grows up to c",
        },
    ),
    kernel=Elementwise(_tukey),
)  # fmt: skip
def tukey_biweight_loss(
    prediction: Tensor, target: Tensor, *, delta: Positive = 4.685, **how: Unpack[Reduce]
) -> Tensor:
    """Half the squared error near 0, and flat from ``delta`` on: errors beyond it do not pull at all.

    So start near the solution, from another loss or with a large ``delta``: what begins beyond it never learns. At the
    default, a fit to normal errors of unit variance is 95% as efficient as least squares.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        delta: The error from which on the loss is constant, in units of the target.

    >>> tukey_biweight_loss(torch.tensor([0.0, 6.0, 100.0]), torch.zeros(3), delta=6.0, reduction="none")
    tensor([0., 6., 6.])
    """
    u = ((prediction - target) / delta).square().clamp(max=1.0)
    # The cube multiplied out: no difference of nearly equal numbers, so small errors are exact.
    return reduce(delta**2 / 6.0 * u * (3.0 - 3.0 * u + u**2), **how)


class TukeyBiweightLoss(PairLoss, of=tukey_biweight_loss):
    """Module form of :func:`tukey_biweight_loss`."""

    delta: Positive = 4.685


def _cauchy(x: Element, y: Element, scale: Element) -> tuple[Element, ...]:
    error = (x - y) / scale
    half = 0.5 * error * error
    return log1p(half), error / scale / (1.0 + half)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "bounded_gradient",
                "redescending", "smooth"},
        formula=r"\log\Big(1 + \tfrac12 \big(\tfrac{x - y}{c}\big)^2\Big)",
        source="doi:10.1006/cviu.1996.0006; in this scale arXiv:1701.03077, eq. 5",
        settings=[{"scale": 0.1}],
        tune={"scale": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        bad_at={"large errors"},
        known_as=("Cauchy", "Lorentzian", "Cauchy / Lorentzian robust"),
        elsewhere={
            "kornia": "CauchyLoss; scale is 1",
            "statsmodels": "Cauchy(c); c^2 / 2 times the value here at scale c / sqrt(2)",
        },
    ),
    kernel=Elementwise(_cauchy),
)  # fmt: skip
def cauchy_loss(prediction: Tensor, target: Tensor, *, scale: Positive = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Grows as the logarithm of the error: :func:`general_robust_loss` at ``alpha=0``.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        scale: The size of an ordinary error, in units of the target.

    >>> cauchy_loss(torch.tensor([0.0, 2.0]), torch.zeros(2), reduction="none")
    tensor([0.0000, 1.0986])
    """
    return reduce(torch.log1p(0.5 * _square(prediction, target, scale)), **how)


class CauchyLoss(PairLoss, of=cauchy_loss):
    """Module form of :func:`cauchy_loss`."""

    scale: Positive = 1.0


def _geman_mcclure(x: Element, y: Element, scale: Element) -> tuple[Element, ...]:
    error = (x - y) / scale
    square = error * error
    share = 4.0 / (square + 4.0)
    return 2.0 * square / (square + 4.0), error / scale * share * share


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "bounded_gradient",
                "redescending", "smooth"},
        formula=r"\frac{2\, (x - y)^2}{(x - y)^2 + 4 c^2}",
        source="Geman and McClure, Bayesian image analysis (1985); in this scale arXiv:1701.03077, eq. 6",
        settings=[{"scale": 0.1}],
        tune={"scale": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails"},
        bad_at={"vanishing gradient", "large errors"},
        known_as=("Geman-McClure", "Geman-McClure robust"),
        elsewhere={"kornia": "GemanMcclureLoss; scale is 1"},
    ),
    kernel=Elementwise(_geman_mcclure),
)  # fmt: skip
def geman_mcclure_loss(prediction: Tensor, target: Tensor, *, scale: Positive = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Levels off at 2, so that far errors hardly pull: :func:`general_robust_loss` at ``alpha=-2``.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        scale: The size of an ordinary error, in units of the target.

    >>> geman_mcclure_loss(torch.tensor([0.0, 2.0]), torch.zeros(2), reduction="none")
    tensor([0., 1.])
    """
    square = _square(prediction, target, scale)
    return reduce(2.0 * square / (square + 4.0), **how)


class GemanMcClureLoss(PairLoss, of=geman_mcclure_loss):
    """Module form of :func:`geman_mcclure_loss`."""

    scale: Positive = 1.0


def _welsch(x: Element, y: Element, scale: Element) -> tuple[Element, ...]:
    error = (x - y) / scale
    fading = expm1(-0.5 * error * error)
    return -fading, error / scale * (1.0 + fading)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "at_most_one", "zero_at_target", "positive_off_target", "symmetric", "monotone",
                "bounded_gradient", "redescending", "smooth"},
        formula=r"1 - \exp\Big({-\tfrac12} \big(\tfrac{x - y}{c}\big)^2\Big)",
        source="doi:10.1080/03610917808812083; in this scale arXiv:1701.03077, eq. 7",
        settings=[{"scale": 0.1}],
        tune={"scale": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails"},
        bad_at={"vanishing gradient", "large errors"},
        known_as=("Welsch", "Leclerc", "Welsch / Leclerc robust", "correntropy"),
        elsewhere={"kornia": "WelschLoss; scale is 1"},
    ),
    kernel=Elementwise(_welsch),
)  # fmt: skip
def welsch_loss(prediction: Tensor, target: Tensor, *, scale: Positive = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Levels off at 1 as a bell curve does: :func:`general_robust_loss` at ``alpha=-inf``.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        scale: The size of an ordinary error, in units of the target.

    >>> welsch_loss(torch.tensor([0.0, 2.0]), torch.zeros(2), reduction="none")
    tensor([0.0000, 0.8647])
    """
    return reduce(-torch.expm1(-0.5 * _square(prediction, target, scale)), **how)


class WelschLoss(PairLoss, of=welsch_loss):
    """Module form of :func:`welsch_loss`."""

    scale: Positive = 1.0


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "smooth",
                When("convex", "alpha >= 1"), When("bounded_gradient", "alpha <= 1"),
                When("redescending", "alpha < 1")},
        formula=r"\frac{|\alpha - 2|}{\alpha} \Big(\Big(\frac{(x - y)^2 / c^2}{|\alpha - 2|} + 1\Big)^{\alpha / 2} - 1"
                r"\Big)",
        source="arXiv:1701.03077, eq. 8",
        settings=[{"alpha": 2.0}, {"alpha": 1.5, "scale": 0.1}, {"alpha": 0.5}, {"alpha": 0.0}, {"alpha": -2.0}],
        tune={"alpha": (-2.0, 0.0, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("general robust", "Barron"),
        elsewhere={
            "robust_loss_pytorch": "general.lossfun; takes the error, approximate=False is this",
            "kornia": "Charbonnier, Cauchy, Geman-McClure and Welsch losses: alpha 1, 0, -2 and -inf at scale 1",
        },
    )
)  # fmt: skip
def general_robust_loss(
    prediction: Tensor, target: Tensor, *, alpha: Shape = 1.0, scale: Positive = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    r"""A family of robust losses with a knob for how little an outlier counts; all look like half the square near 0.

    ``alpha`` 2 is half the squared error, 1 :func:`pseudo_huber_loss`, 0 :func:`cauchy_loss`, -2
    :func:`geman_mcclure_loss` and minus infinity :func:`welsch_loss`, each of the error over ``scale``. Both
    hyperparameters may be learned as tensors, but not by this loss alone, which is least at the smallest ``alpha`` and
    the largest ``scale``: :func:`general_robust_nll_loss` adds the normaliser of the density that the loss implies.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        alpha: The smaller, the less a far error counts; from minus infinity up.
        scale: The size of an ordinary error, in units of the target.

    >>> general_robust_loss(torch.tensor([0.0, 2.0]), torch.zeros(2), alpha=-2.0, reduction="none")
    tensor([0., 1.])
    """
    square = _square(prediction, target, scale)
    given = torch.as_tensor(alpha, dtype=square.dtype, device=square.device)
    exponential = given == -torch.inf
    values = general_robust(square, torch.where(exponential, 1.0, given))
    return reduce(torch.where(exponential, -torch.expm1(-0.5 * square), values), **how)


class GeneralRobustLoss(PairLoss, of=general_robust_loss):
    """Module form of :func:`general_robust_loss`."""

    alpha: Shape = 1.0
    scale: Positive = 1.0


@loss(
    Card(
        task="probabilistic regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"symmetric", "monotone", "smooth", When("convex", "alpha >= 1"), When("bounded_gradient", "alpha <= 1"),
                When("redescending", "alpha < 1")},
        formula=r"\rho(x - y, \alpha, c) + \log c + \log \int e^{-\rho(t, \alpha, 1)} dt, \quad \rho(x, \alpha, c) ="
                r" \frac{|\alpha - 2|}{\alpha} \Big(\Big(\frac{(x / c)^2}{|\alpha - 2|} + 1\Big)^{\alpha / 2} - 1\Big)",
        source="arXiv:1701.03077, eq. 16 and 17",
        settings=[{"alpha": 0.0, "scale": 0.1}, {"alpha": 0.5}, {"alpha": 2.0}, {"alpha": 3.0, "scale": 2.0}],
        likelihood={"alpha", "scale"},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("general robust NLL", "adaptive robust", "Barron's adaptive loss"),
        elsewhere={
            "robust_loss_pytorch": "Distribution.nllfun; takes the error, and interpolates the integral to 1e-6;"
            " AdaptiveLossFunction learns alpha and scale per dimension",
        },
    )
)  # fmt: skip
def general_robust_nll_loss(
    prediction: Tensor, target: Tensor, *, alpha: NonNegative = 1.0, scale: Positive = 1.0, **how: Unpack[Reduce]
) -> Tensor:
    r"""Negative log-likelihood under the density of :func:`general_robust_loss`: its shape and scale can be learned.

    A heavier tail makes far errors cheap and, as a density has but one unit to spend, near ones dear: so the ``alpha``
    that fits the errors is also the one of the least loss. ``alpha`` 0 is Cauchy's distribution with the scale
    :math:`\sqrt2\, c`, 2 the normal one with the standard deviation c; below 0 there is no density. The integral is
    computed at each call, to 1e-12 in float64, and so is its derivative. In ``alpha`` the gradient has a logarithmic
    pole at 2; what is given there is finite, the one just below.

    Args:
        prediction: The location, which is median and mode, any shape ``(*n)``.
        target: The same shape.
        alpha: The smaller, the heavier the tails; at least 0.
        scale: The size of an ordinary error, in units of the target.

    >>> general_robust_nll_loss(torch.tensor([0.0, 2.0]), torch.zeros(2), alpha=2.0, reduction="none")
    tensor([0.9189, 2.9189])
    """
    square = _square(prediction, target, scale)
    shape = torch.as_tensor(alpha, dtype=square.dtype, device=square.device)
    log_scale = torch.as_tensor(scale, dtype=square.dtype, device=square.device).log()
    return reduce(general_robust(square, shape) + log_scale + log_partition(shape), **how)


class GeneralRobustNLLLoss(PairLoss, of=general_robust_nll_loss):
    """Module form of :func:`general_robust_nll_loss`."""

    alpha: NonNegative = 1.0
    scale: Positive = 1.0


def _wing(x: Element, y: Element, width: Element, curvature: Element) -> tuple[Element, ...]:
    size = absolute(x - y)
    near = minimum(size, width)
    slope = where(size <= width, width / (curvature + near), 1.0)
    return width * log1p(near / curvature) + (size - near), slope * sign(x - y)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "monotone", "bounded_gradient"},
        formula=r"\begin{cases} w \log(1 + |x - y| / \epsilon) & |x - y| < w \\ |x - y| - C & \text{otherwise}"
                r" \end{cases}, \quad C = w - w \log(1 + w / \epsilon)",
        source="arXiv:1711.06753, eq. 5",
        settings=[{"width": 1.0, "curvature": 0.1}],
        good_at={"small errors", "alignment"},
        bad_at={"smooth optimisation"},
        known_as=("wing",),
        elsewhere={"catalyst": "WingLoss; the same, by default width 5 and curvature 0.5"},
    ),
    kernel=Elementwise(_wing),
)  # fmt: skip
def wing_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    width: Positive = 10.0,
    curvature: Positive = 2.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Absolute error whose pull grows as the error shrinks: made to place landmarks to the last pixel.

    The slope rises from 1 / (1 + ``curvature`` / ``width``) at ``width`` to ``width`` / ``curvature`` near 0; the
    gradient at 0, where the loss has a kink, is 0. Beyond ``width`` the slope is 1. The defaults are the paper's, for
    errors in pixels.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        width: The error up to which the loss is a logarithm, in units of the target; the paper's w.
        curvature: How close to 0 the logarithm bends, in units of the target; the paper's epsilon.

    >>> wing_loss(torch.tensor([0.0, 2.0, 12.0]), torch.zeros(3), reduction="none")
    tensor([ 0.0000,  6.9315, 19.9176])
    """
    error = (prediction - target).abs()
    near = error.clamp(max=width)
    return reduce(width * torch.log1p(near / curvature) + (error - near), **how)


class WingLoss(PairLoss, of=wing_loss):
    """Module form of :func:`wing_loss`."""

    width: Positive = 10.0
    curvature: Positive = 2.0


def _square(prediction: Tensor, target: Tensor, scale: float) -> Tensor:
    """Squared error in units of ``scale``."""
    return ((prediction - target) / scale).square()
