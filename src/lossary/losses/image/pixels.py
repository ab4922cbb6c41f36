"""Losses of the pixels of images."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    Fraction,
    Image,
    LossInputError,
    PairLoss,
    Positive,
    PositiveInt,
    Real,
    Reduce,
    SingleLoss,
    loss,
    reduce,
)
from lossary.kernels.windows import StructuralSimilarity

from ..regression import l1_loss

__all__ = [
    "MSSSIML1Loss", "MSSSIMLoss", "PSNRLoss", "SSIMLoss", "TotalVariationLoss",
    "ms_ssim_l1_loss", "ms_ssim_loss", "psnr_loss", "ssim_loss", "total_variation_loss",
]  # fmt: skip

_SHAPES = "n c h w | n c t h w | n c t"
"""Images, volumes or films, and signals."""

_SIGNALS = "n c t | n c h w | n c t h w"
"""As ``_SHAPES``, signals first: the laws are tested on them, where images would have to be large."""

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Wang 2003, section 3.2."""


@loss(
    Card(
        task="image restoration",
        inputs=[Image(_SHAPES), Image(_SHAPES)],
        values="n",
        claims={"nonnegative", "zero_at_target", "symmetric", "smooth"},
        formula=r"1 - \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}"
                r"{(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}, \quad C_i = (k_i L)^2",
        source="doi:10.1109/TIP.2003.819861, eq. 13",
        settings=[{"window_size": 3, "sigma": 0.8, "data_range": 2.0, "k1": 0.02, "k2": 0.1}],
        sizes={"n": (2,), "c": (1,), "h": (16,), "w": (17,)},
        good_at={"perceptual quality"},
        bad_at={"small errors", "speed"},
        known_as=("SSIM", "SSIM loss", "SSIM loss (2D / 3D)", "structural similarity", "DSSIM"),
        elsewhere={
            "pytorch-msssim": "1 - ssim; the same value; its data_range is 255 by default",
            "MONAI": "SSIMLoss; the same value, in float32",
            "torchmetrics": "pads the images, and takes data_range from the data unless told",
            "kornia": "SSIMLoss; pads the images, and halves: (1 - SSIM) / 2",
        },
    ),
    kernel=StructuralSimilarity(lambda size, sigma: _gaussian(size, sigma, torch.empty(0, dtype=torch.float64))),
)  # fmt: skip
def ssim_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    data_range: Positive = 1.0,
    window_size: PositiveInt = 11,
    sigma: Positive = 1.5,
    k1: Positive = 0.01,
    k2: Positive = 0.03,
    **how: Unpack[Reduce],
) -> Tensor:
    """One less the structural similarity: whether local means, contrasts and patterns are alike.

    Compares through a Gaussian window in every place where it fits whole ("valid"), in images, volumes or signals, and
    averages over places and channels. From 0 for equal images up to 2 for opposite ones.

    Args:
        prediction: Intensities, ``(n, c, h, w)``, ``(n, c, t, h, w)`` or ``(n, c, t)``, each side at least
            ``window_size``.
        target: The same shape.
        data_range: Largest intensity less the smallest possible one: 1, or 255 for bytes.
        window_size: Side of the window.
        sigma: Standard deviation of the window, in pixels.
        k1: Keeps the comparison of means steady where they are near 0, as a share of ``data_range``.
        k2: The same for variances.

    Raises:
        LossInputError: if an image is smaller than the window.

    >>> image = torch.ones(1, 1, 16, 16)
    >>> round(ssim_loss(image, 0.5 * image).item(), 4)  # 1 - (2 * 0.5 + 1e-4) / (1 + 0.25 + 1e-4)
    0.2
    """
    _check_size("ssim_loss", prediction, window_size)
    window = _gaussian(window_size, sigma, prediction)
    similarity, _ = _similarity(prediction, target, window, (k1 * data_range) ** 2, (k2 * data_range) ** 2)
    return reduce(1.0 - similarity.mean(-1), **how)


class SSIMLoss(PairLoss, of=ssim_loss):
    """Module form of :func:`ssim_loss`."""

    data_range: Positive = 1.0
    window_size: PositiveInt = 11
    sigma: Positive = 1.5
    k1: Positive = 0.01
    k2: Positive = 0.03


@loss(
    Card(
        task="image restoration",
        inputs=[Image(_SIGNALS), Image(_SIGNALS)],
        values="n",
        claims={"nonnegative", "at_most_one", "zero_at_target", "symmetric"},
        formula=r"1 - l_M^{w_M} \prod_{j=1}^M cs_j^{w_j}",
        source="doi:10.1109/ACSSC.2003.1292216, eq. 7",
        settings=[{"window_size": 5, "sigma": 1.0, "scale_weights": (0.3, 0.7)}],
        sizes={"n": (2,), "c": (1,), "t": (256,)},
        good_at={"perceptual quality", "multi-scale structure"},
        bad_at={"small errors", "speed"},
        known_as=("MS-SSIM", "multi-scale SSIM"),
        elsewhere={
            "pytorch-msssim": "1 - ms_ssim; the same value where sides are even at every scale, else it pads with "
                              "zeros; its data_range is 255 by default",
            "torchmetrics": 'pads the images; normalize="relu" is what is done here',
            "kornia": "MS_SSIMLoss; Gaussians of growing width in place of smaller images, and L1 added",
        },
    )
)  # fmt: skip
def ms_ssim_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    data_range: Positive = 1.0,
    window_size: PositiveInt = 11,
    sigma: Positive = 1.5,
    k1: Positive = 0.01,
    k2: Positive = 0.03,
    scale_weights: tuple[Positive, ...] = _SCALE_WEIGHTS,
    **how: Unpack[Reduce],
) -> Tensor:
    """One less the structural similarity over several scales, each half the size of the one before.

    Contrast and structure count at every scale, brightness at the last. A channel in which some scale has a negative
    mean similarity counts as 1, without a gradient: the powers are not defined there. Pixels left over when an odd side
    is halved are dropped.

    Args:
        prediction: Intensities, ``(n, c, h, w)``, ``(n, c, t, h, w)`` or ``(n, c, t)``, with sides that are at least
            ``window_size`` at the last scale: 176 by default.
        target: The same shape.
        data_range: Largest intensity less the smallest possible one: 1, or 255 for bytes.
        window_size: Side of the window.
        sigma: Standard deviation of the window, in pixels.
        k1: Keeps the comparison of means steady where they are near 0, as a share of ``data_range``.
        k2: The same for variances.
        scale_weights: Exponent of each scale, the finest first; fewer scales for smaller images.

    Raises:
        LossInputError: if an image is too small for the scales.

    >>> image = torch.ones(1, 1, 176, 176)
    >>> round(ms_ssim_loss(image, 0.5 * image).item(), 4)  # 1 - 0.8**0.1333: only the brightness differs
    0.0293
    """
    _check_size("ms_ssim_loss", prediction, window_size * 2 ** (len(scale_weights) - 1))
    window = _gaussian(window_size, sigma, prediction)
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[prediction.ndim - 3]
    product: Tensor | float = 1.0
    for scale, weight in enumerate(scale_weights):
        if scale:
            prediction, target = pool(prediction, 2), pool(target, 2)
        similarity, structure = _similarity(prediction, target, window, (k1 * data_range) ** 2, (k2 * data_range) ** 2)
        last = scale == len(scale_weights) - 1
        product = product * _positive_power(similarity if last else structure, weight)
    assert isinstance(product, Tensor)
    return reduce(1.0 - product.mean(-1), **how)


class MSSSIMLoss(PairLoss, of=ms_ssim_loss):
    """Module form of :func:`ms_ssim_loss`."""

    data_range: Positive = 1.0
    window_size: PositiveInt = 11
    sigma: Positive = 1.5
    k1: Positive = 0.01
    k2: Positive = 0.03
    scale_weights: tuple[Positive, ...] = _SCALE_WEIGHTS


@loss(
    Card(
        task="image restoration",
        inputs=[Image(_SIGNALS), Image(_SIGNALS)],
        values="n",
        claims={"nonnegative", "zero_at_target", "symmetric"},
        formula=r"\alpha\,\text{MS-SSIM loss} + (1 - \alpha)\,\frac{\overline{|x - y|}}{L}",
        source="arXiv:1511.08861, eq. 14",
        settings=[{"alpha": 0.5, "data_range": 2.0, "scale_weights": (0.3, 0.7)}],
        sizes={"n": (2,), "c": (1,), "t": (176,)},
        tune={"alpha": (0.5, 0.84)},
        good_at={"perceptual quality", "multi-scale structure", "small errors"},
        bad_at={"speed"},
        known_as=("MS-SSIM+L1", "MS-SSIM (and MS-SSIM+L1)", "mix loss"),
        elsewhere={
            "kornia": "MS_SSIMLoss; alpha is 0.025, the whole is multiplied by 200, the absolute error is smoothed by "
                      "the widest Gaussian, and scales are Gaussians of growing width in place of smaller images",
        },
    )
)  # fmt: skip
def ms_ssim_l1_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    alpha: Fraction = 0.84,
    data_range: Positive = 1.0,
    scale_weights: tuple[Positive, ...] = _SCALE_WEIGHTS,
    **how: Unpack[Reduce],
) -> Tensor:
    """Mean of :func:`ms_ssim_loss`, which keeps contrast, and the absolute error, which keeps colour and brightness.

    The paper smooths the absolute error by a Gaussian before it takes the mean, which changes the mean at the border of
    an image only; here it is plain.

    Args:
        prediction: Intensities, as :func:`ms_ssim_loss` takes them.
        target: The same shape.
        alpha: Share of the structural similarity.
        data_range: Largest intensity less the smallest possible one; the absolute error is divided by it.
        scale_weights: Exponent of each scale of the structural similarity, the finest first.

    Raises:
        LossInputError: if an image is too small for the scales.

    >>> image = torch.ones(1, 1, 176, 176)
    >>> round(ms_ssim_l1_loss(image, 0.5 * image).item(), 4)  # 0.84 * 0.0293 + 0.16 * 0.5
    0.1046
    """
    structure = ms_ssim_loss(prediction, target, data_range=data_range, scale_weights=scale_weights, reduction="none")
    error = l1_loss(prediction, target, reduction="none").flatten(1).mean(1) / data_range
    return reduce(alpha * structure + (1.0 - alpha) * error, **how)


class MSSSIML1Loss(PairLoss, of=ms_ssim_l1_loss):
    """Module form of :func:`ms_ssim_l1_loss`."""

    alpha: Fraction = 0.84
    data_range: Positive = 1.0
    scale_weights: tuple[Positive, ...] = _SCALE_WEIGHTS


@loss(
    Card(
        task="image restoration",
        inputs=[Image(_SHAPES), Image(_SHAPES)],
        values="n",
        claims={"symmetric", "monotone", "smooth"},
        formula=r"10 \log_{10} \Big(\frac{\overline{(x - y)^2}}{L^2} + \epsilon\Big)",
        source="Huynh-Thu & Ghanbari, doi:10.1049/el:20080522",
        settings=[{"data_range": 2.0, "eps": 1e-4}],
        good_at={"small errors"},
        bad_at={"perceptual quality", "large errors"},
        known_as=("PSNR", "PSNR loss", "peak signal-to-noise ratio"),
        elsewhere={
            "kornia": "PSNRLoss; without eps, so that equal images give minus infinity and a gradient of NaN; "
                      "the mean squared error is that of the batch",
            "torchmetrics": "peak_signal_noise_ratio; of the batch unless dim is given",
        },
    )
)  # fmt: skip
def psnr_loss(
    prediction: Tensor, target: Tensor, *, data_range: Positive = 1.0, eps: Positive = 1e-8, **how: Unpack[Reduce]
) -> Tensor:
    """Negative peak signal-to-noise ratio of each image, in decibels: the logarithm of its mean squared error.

    Every halving of the error of an image gains the same, so good images count as much as bad ones.

    Args:
        prediction: Intensities, ``(n, c, h, w)``, ``(n, c, t, h, w)`` or ``(n, c, t)``.
        target: The same shape.
        data_range: Largest intensity less the smallest possible one: 1, or 255 for bytes.
        eps: Bounds the gain: equal images reach ``10 * log10(eps)``, -80 decibels by default.

    >>> psnr_loss(torch.full((1, 1, 2, 2), 0.6), torch.full((1, 1, 2, 2), 0.5))
    tensor(-20.0000)
    """
    error = ((prediction - target) / data_range).square().flatten(1).mean(1)
    return reduce(10.0 * torch.log10(error + eps), **how)


class PSNRLoss(PairLoss, of=psnr_loss):
    """Module form of :func:`psnr_loss`."""

    data_range: Positive = 1.0
    eps: Positive = 1e-8


@loss(
    Card(
        task="image restoration",
        inputs=[Real(_SHAPES)],
        values="n",
        claims={"nonnegative", "convex", "bounded_gradient", "shift_invariant"},
        formula=r"\sum_{i,j} |x_{i+1,j} - x_{i,j}| + |x_{i,j+1} - x_{i,j}|",
        source="doi:10.1016/0167-2789(92)90242-F, eq. 2.4",
        settings=[{"isotropic": True}],
        good_at={"outliers"},
        bad_at={"small errors"},
        known_as=("TV", "total variation"),
        elsewhere={
            "kornia": 'total_variation with reduction="sum"; the same value; with "mean" divides by the pixels',
            "torchmetrics": "total_variation; the same sum, added over the batch",
            "piq": 'total_variation; norm_type="l1" is the same sum, the default "l2" the root of all squares',
        },
    )
)  # fmt: skip
def total_variation_loss(image: Tensor, *, isotropic: bool = False, **how: Unpack[Reduce]) -> Tensor:
    """Sum of the differences between neighbouring pixels: it smooths noise and spares edges.

    It needs no target; added to another loss with a small weight, which has to suit the number of pixels. Where a
    pixel equals its neighbours the gradient is 0.

    Args:
        image: Any real numbers, ``(n, c, h, w)``, ``(n, c, t, h, w)`` or ``(n, c, t)``.
        isotropic: Whether the differences of a pixel in all directions count as one vector, by its length, as in the
            paper, in place of the sum of their absolute values.

    >>> total_variation_loss(torch.tensor([[[[0.0, 3.0], [4.0, 4.0]]]]))  # 3 + 0 + 4 + 1
    tensor(8.)
    """
    axes = range(2, image.ndim)
    if not isotropic:
        total = image.new_zeros(image.shape[0])
        for axis in axes:
            total = total + image.diff(dim=axis).abs().flatten(1).sum(1)
        return reduce(total, **how)
    squares = torch.zeros_like(image)
    for axis in axes:  # the last pixel of each line has no neighbour ahead
        step = torch.cat([image.diff(dim=axis), torch.zeros_like(image.narrow(axis, 0, 1))], axis)
        squares = squares + step**2
    flat = squares == 0
    length = torch.where(flat, 0.0, torch.where(flat, 1.0, squares).sqrt())
    return reduce(length.flatten(1).sum(1), **how)


class TotalVariationLoss(SingleLoss, of=total_variation_loss):
    """Module form of :func:`total_variation_loss`."""

    isotropic: bool = False


def _check_size(owner: str, image: Tensor, least: int) -> None:
    if min(image.shape[2:]) < least:
        raise LossInputError(
            f"{owner}: `prediction` must have sides of at least {least}, got {tuple(image.shape)}; "
            "a smaller window or fewer scales take smaller images."
        )


def _gaussian(size: int, sigma: float, like: Tensor) -> Tensor:
    """Weights of a Gaussian window along one dimension, summing to 1."""
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    weights = torch.exp(-(offset**2) / (2 * sigma**2))
    return weights / weights.sum()


def _blur(images: Tensor, window: Tensor) -> Tensor:
    """Weighted mean through the window, one dimension after another, where it fits whole; ``(n, c, ...)``."""
    dimensions = images.ndim - 2
    convolve: Callable[[Tensor, Tensor], Tensor] = (F.conv1d, F.conv2d, F.conv3d)[dimensions - 1]
    blurred = images.flatten(0, 1).unsqueeze(1)
    for axis in range(dimensions):
        blurred = convolve(blurred, window.reshape(1, 1, *(-1 if i == axis else 1 for i in range(dimensions))))
    return blurred.reshape(*images.shape[:2], *blurred.shape[2:])


def _similarity(x: Tensor, y: Tensor, window: Tensor, c1: float, c2: float) -> tuple[Tensor, Tensor]:
    """Structural similarity, and its part without brightness, averaged over the places of each channel, ``(n, c)``."""
    maps = _blur(torch.cat([x, y, x * x, y * y, x * y], 1), window)
    mean_x, mean_y, square_x, square_y, product = torch.split(maps, x.shape[1], 1)
    squares, both = mean_x**2 + mean_y**2, mean_x * mean_y
    structure = (2 * (product - both) + c2) / (square_x + square_y - squares + c2)
    similarity = (2 * both + c1) / (squares + c1) * structure
    return similarity.flatten(2).mean(2), structure.flatten(2).mean(2)


def _positive_power(x: Tensor, exponent: float) -> Tensor:
    """``x ** exponent``, and 0 with a zero gradient where ``x`` is not positive."""
    positive = x > torch.finfo(x.dtype).eps ** 2  # below, the slope would overflow
    return torch.where(positive, torch.where(positive, x, 1.0) ** exponent, 0.0)
