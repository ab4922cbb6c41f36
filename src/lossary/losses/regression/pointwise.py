"""Losses that look at one error at a time, of any sign and size, and at directions of vectors."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, Embedding, NonNegative, PairLoss, Positive, Real, Reduce, When, loss, reduce
from lossary.kernels import Element, Elementwise, absolute, expm1, log1p, log1p_unit, minimum, sign, sqrt, where
from lossary.kernels.vectors import Vectors
from lossary.losses.metric_learning.similarity import cosine

__all__ = [
    "CharbonnierLoss", "CosineDistanceLoss", "HuberLoss", "L1Loss", "LogCoshLoss", "MSELoss", "PseudoHuberLoss",
    "SmoothL1Loss",
    "charbonnier_loss", "cosine_distance_loss", "huber_loss", "l1_loss", "log_cosh_loss", "mse_loss",
    "pseudo_huber_loss", "smooth_l1_loss",
]  # fmt: skip


def _squared(x: Element, y: Element) -> tuple[Element, ...]:
    error = x - y
    return error * error, 2.0 * error


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone", "smooth"},
        formula=r"(x - y)^2",
        source="Gauss, Theoria motus (1809), art. 179",
        good_at={"smooth optimisation", "speed", "large errors"},
        bad_at={"outliers", "heavy tails"},
        known_as=("MSE", "mean squared error", "L2", "squared error"),
        elsewhere={
            "scikit-learn": "HalfSquaredError; half of it",
            "optax": "squared_error; the same, and l2_loss is half of it",
        },
    ),
    kernel=Elementwise(_squared),
)  # fmt: skip
def mse_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Squared error. Its minimiser is the mean, so one outlier can move it without bound.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return reduce((prediction - target) ** 2, **how)


class MSELoss(PairLoss, of=mse_loss):
    """Module form of :func:`mse_loss`."""


def _absolute(x: Element, y: Element) -> tuple[Element, ...]:
    return absolute(x - y), sign(x - y)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient"},
        formula=r"|x - y|",
        source="Laplace, Mémoire sur la probabilité des causes (1774)",
        good_at={"outliers", "heavy tails", "speed"},
        bad_at={"smooth optimisation", "small errors"},
        known_as=("MAE", "mean absolute error", "L1", "absolute error"),
    ),
    kernel=Elementwise(_absolute),
)  # fmt: skip
def l1_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error. Its minimiser is the median; every error pulls with the same force, however far it is.

    The gradient at an error of 0, where the loss has a kink, is 0.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """
    return reduce((prediction - target).abs(), **how)


class L1Loss(PairLoss, of=l1_loss):
    """Module form of :func:`l1_loss`."""


def _huber(x: Element, y: Element, delta: Element) -> tuple[Element, ...]:
    error = x - y
    small = minimum(absolute(error), delta)
    return 0.5 * small * small + delta * (absolute(error) - small), small * sign(error)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", "smooth"},
        formula=r"\begin{cases} \tfrac12 (x - y)^2 & |x - y| \le \delta \\"
                r" \delta\,(|x - y| - \tfrac12 \delta) & \text{otherwise} \end{cases}",
        source="doi:10.1214/aoms/1177703732",
        settings=[{"delta": 0.1}],
        tune={"delta": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("Huber",),
        elsewhere={"scikit-learn": "HuberLoss; the same, but gradient boosting sets delta to a quantile of the errors"},
    ),
    kernel=Elementwise(_huber),
)  # fmt: skip
def huber_loss(prediction: Tensor, target: Tensor, *, delta: Positive = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Quadratic up to ``delta``, linear beyond: an outlier pulls with a force of at most ``delta``.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        delta: The error at which the square becomes a line, in units of the target.

    >>> huber_loss(torch.tensor([0.0, 3.0]), torch.zeros(2), reduction="none")
    tensor([0.0000, 2.5000])
    """
    error = (prediction - target).abs()
    small = error.clamp(max=delta)
    return reduce(0.5 * small**2 + delta * (error - small), **how)


class HuberLoss(PairLoss, of=huber_loss):
    """Module form of :func:`huber_loss`."""

    delta: Positive = 1.0


def _smooth_l1(x: Element, y: Element, beta: Element) -> tuple[Element, ...]:
    error = x - y
    size = absolute(error)
    near = size < beta
    return where(near, 0.5 * error * error / beta, size - 0.5 * beta), where(near, error / beta, sign(error))


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", When("smooth", "beta > 0")},
        formula=r"\begin{cases} (x - y)^2 / (2\beta) & |x - y| < \beta \\ |x - y| - \tfrac12 \beta & \text{otherwise}"
                r" \end{cases}",
        source="arXiv:1504.08083, eq. 3",
        settings=[{"beta": 0.1}, {"beta": 0.0}],
        tune={"beta": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("smooth L1", "Huber / beta", "smooth L1 (Huber/beta)"),
    ),
    kernel=Elementwise(_smooth_l1),
)  # fmt: skip
def smooth_l1_loss(prediction: Tensor, target: Tensor, *, beta: NonNegative = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error with a rounded tip: :func:`huber_loss` over its ``delta``, so that the slope far away is 1.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        beta: The error at which the square becomes a line, in units of the target; 0 gives :func:`l1_loss`.

    >>> smooth_l1_loss(torch.tensor([0.0, 3.0]), torch.zeros(2), beta=2.0, reduction="none")
    tensor([0., 2.])
    """
    return reduce(F.smooth_l1_loss(prediction, target, beta=beta, reduction="none"), **how)


class SmoothL1Loss(PairLoss, of=smooth_l1_loss):
    """Module form of :func:`smooth_l1_loss`."""

    beta: NonNegative = 1.0


def _log_cosh(x: Element, y: Element) -> tuple[Element, ...]:
    size = absolute(x - y)
    fading = expm1(-2.0 * size)  # in which cosh^2 = 1 + sinh^2 and tanh are exact, however small the error
    near = 0.5 * log1p(fading * fading / (4.0 + 4.0 * fading))
    far = size + log1p_unit(1.0 + fading) - 0.6931471805599453
    return where(size < 1.0, near, far), sign(x - y) * -fading / (2.0 + fading)


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", "smooth"},
        formula=r"\log \cosh (x - y)",
        source="arXiv:2208.04564, eq. 3",
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("log-cosh",),
        elsewhere={"auraloss": "LogCoshLoss; infinite from an error of 90 in float32"},
    ),
    kernel=Elementwise(_log_cosh),
)  # fmt: skip
def log_cosh_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    r"""Half the squared error near 0, the absolute error less :math:`\log 2` far away, and smooth in every derivative.

    Computed as :math:`\tfrac12 \log(1 + \sinh^2 r)` up to 1, which keeps small errors exact. From there on its rise is
    added, :math:`b + \log \frac{1 + e^{-2 - 2b}}{1 + e^{-2}}` at :math:`|r| = 1 + b`, which does not overflow.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.

    >>> log_cosh_loss(torch.tensor([0.0, 1000.0]), torch.zeros(2), reduction="none")
    tensor([  0.0000, 999.3068])
    """
    error = (prediction - target).abs()
    near = error.clamp(max=1.0)
    beyond = error - near
    far = beyond + torch.log1p(torch.expm1(-2.0 * beyond) / (1.0 + math.exp(2.0)))
    return reduce(0.5 * torch.log1p(torch.sinh(near) ** 2) + far, **how)


class LogCoshLoss(PairLoss, of=log_cosh_loss):
    """Module form of :func:`log_cosh_loss`."""


def _charbonnier(x: Element, y: Element, eps: Element) -> tuple[Element, ...]:
    error = x - y
    value = sqrt(error * error + eps * eps)
    return value, error / value


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "positive_off_target", "symmetric", "convex", "monotone", "bounded_gradient", "smooth"},
        formula=r"\sqrt{(x - y)^2 + \epsilon^2}",
        source="doi:10.1109/ICIP.1994.413553; in this form arXiv:1704.03915",
        settings=[{"eps": 0.1}],
        good_at={"outliers", "heavy tails", "smooth optimisation", "perceptual quality"},
        known_as=("Charbonnier", "L1-Charbonnier"),
        elsewhere={
            "kornia": "CharbonnierLoss; pseudo_huber_loss at delta=1, so eps is 1 and the value at the target is 0",
            "BasicSR": "CharbonnierLoss; its eps is the square of eps here",
        },
    ),
    kernel=Elementwise(_charbonnier),
)  # fmt: skip
def charbonnier_loss(prediction: Tensor, target: Tensor, *, eps: Positive = 1e-3, **how: Unpack[Reduce]) -> Tensor:
    """Absolute error made smooth: it deviates by at most ``eps``, which is also its value at a perfect prediction.

    :func:`pseudo_huber_loss` is the same curve moved to 0 and scaled so that its curvature is 1 there.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        eps: The error around which the line becomes a parabola, in units of the target.

    >>> charbonnier_loss(torch.tensor([0.0, 3.0]), torch.zeros(2), eps=4.0, reduction="none")
    tensor([4., 5.])
    """
    return reduce(((prediction - target) ** 2 + eps**2).sqrt(), **how)


class CharbonnierLoss(PairLoss, of=charbonnier_loss):
    """Module form of :func:`charbonnier_loss`."""

    eps: Positive = 1e-3


def _pseudo_huber(x: Element, y: Element, delta: Element) -> tuple[Element, ...]:
    error = x - y
    root = sqrt(1.0 + error * error / (delta * delta))
    return error * error / (1.0 + root), error / root


@loss(
    Card(
        task="regression",
        inputs=[Real("*n"), Real("*n")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "positive_off_target", "symmetric", "convex", "monotone",
                "bounded_gradient", "smooth"},
        formula=r"\delta^2 \Big(\sqrt{1 + (x - y)^2 / \delta^2} - 1\Big)",
        source="doi:10.1109/ICIP.1994.413553, half of its hypersurface potential; arXiv:1701.03077, eq. 3",
        settings=[{"delta": 0.1}],
        tune={"delta": (0.1, 0.5, 1.0, 2.0)},
        good_at={"outliers", "heavy tails", "smooth optimisation"},
        known_as=("pseudo-Huber", "Charbonnier / pseudo-Huber", "L1-L2"),
        elsewhere={
            "kornia": "CharbonnierLoss; delta is 1",
            "XGBoost": "reg:pseudohubererror; delta is huber_slope",
        },
    ),
    kernel=Elementwise(_pseudo_huber),
)  # fmt: skip
def pseudo_huber_loss(prediction: Tensor, target: Tensor, *, delta: Positive = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """Huber loss without its seam: half the squared error near 0, a line of slope ``delta`` far away.

    Args:
        prediction: Any shape ``(*n)``.
        target: The same shape.
        delta: The error around which the parabola becomes a line, in units of the target.

    >>> pseudo_huber_loss(torch.tensor([0.0, 3.0]), torch.zeros(2), delta=4.0, reduction="none")
    tensor([0., 4.])
    """
    square = (prediction - target) ** 2
    # Not as a difference of two nearly equal numbers, which would lose small errors.
    return reduce(square / (1.0 + (1.0 + square / delta**2).sqrt()), **how)


class PseudoHuberLoss(PairLoss, of=pseudo_huber_loss):
    """Module form of :func:`pseudo_huber_loss`."""

    delta: Positive = 1.0


def _one_less(cosine: Element, _: Element) -> tuple[Element, Element]:
    return 1.0 - cosine, -1.0


@loss(
    Card(
        task="vector regression",
        inputs=[Embedding("*n d"), Embedding("*n d")],
        values="*n",
        claims={"nonnegative", "symmetric", "scale_invariant"},
        formula=r"1 - \frac{\langle x, y \rangle}{\|x\|\, \|y\|}",
        source="Salton and McGill, Introduction to Modern Information Retrieval (1983), sec. 4.1",
        good_at={"alignment"},
        bad_at={"large errors"},
        known_as=("cosine distance", "cosine similarity", "cosine similarity / distance"),
        elsewhere={
            "keras": "CosineSimilarity; the cosine with its sign changed, so 1 less",
            "optax": "cosine_distance; the same",
            "sentence-transformers": "CosineSimilarityLoss is something else: the squared error of a cosine",
        },
    ),
    kernel=Vectors(_one_less, of="direction"),
)  # fmt: skip
def cosine_distance_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """One less the cosine of the angle between two vectors, from 0 to 2: only their direction counts.

    A zero vector has no direction: its cosine with any vector counts as 0, and its gradient is 0.

    Args:
        prediction: Vectors ``(*n, d)``.
        target: The same shape.

    >>> cosine_distance_loss(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
    ...                      reduction="none")
    tensor([0.4000, 0.0000])
    """
    return reduce(1.0 - cosine(prediction, target), **how)


class CosineDistanceLoss(PairLoss, of=cosine_distance_loss):
    """Module form of :func:`cosine_distance_loss`."""
