"""Structural similarity by kernel is that by composition."""

import pytest
import torch

import lossary
from lossary.kernels import enabled

from .agreement import assert_agrees, served

LOSS = lossary.ssim_loss


def images(*shape, noise=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(shape, generator=generator)
    return (image + noise * torch.randn(shape, generator=generator)).clamp(0, 1), image


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", [(3, 2, 20, 23), (1, 1, 11, 11), (2, 1, 11, 40), (2, 3, 40), (1, 2, 11)], ids=str)
def test_shapes(shape, reduction):
    assert_agrees(LOSS, images(*shape), reduction=reduction)


@pytest.mark.parametrize(
    "options",
    [
        {"window_size": 1},
        {"window_size": 2, "sigma": 0.5},
        {"window_size": 7, "sigma": 3.0},
        {"k1": 0.1, "k2": 0.2, "data_range": 2.0},
    ],
    ids=str,
)
def test_options(options):
    assert_agrees(LOSS, images(2, 2, 15, 13), reduction="none", **options)


def test_bytes():
    assert_agrees(LOSS, [255 * t for t in images(2, 1, 20, 20)], reduction="none", data_range=255.0)


def test_unlike_images():
    assert_agrees(LOSS, (images(2, 2, 20, 20)[0], images(2, 2, 20, 20, seed=1)[0]), reduction="none")
    image, _ = images(2, 2, 20, 20)
    assert_agrees(LOSS, (image, 1.0 - image), reduction="none")


def test_flat_images():
    """In float32 the composition is off by a thousandth of the value here."""
    nearly = 0.9 + 0.01 * images(2, 1, 20, 20)[0]
    assert_agrees(LOSS, (torch.ones(2, 1, 20, 20), nearly), share=3e-5, reduction="none")
    assert_agrees(LOSS, (torch.zeros(2, 1, 20, 20), torch.ones(2, 1, 20, 20)), reduction="none")


def test_equal_images():
    image, _ = images(2, 3, 30, 30)
    x = image.requires_grad_()
    with enabled(smallest=1):
        value = LOSS(x, image.detach(), reduction="none")
    assert (value == 0).all() and not torch.autograd.grad(value.sum(), x)[0].any()


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_weight_and_mask(reduction):
    x, y = images(4, 2, 14, 14)
    mask, weight = torch.tensor([True, False, True, False]), torch.tensor([0.5, 1.0, 2.0, 0.0])
    x[1], y[3] = float("nan"), float("inf")
    assert_agrees(LOSS, (x, y), reduction=reduction, mask=mask, sample_weight=weight)
    assert_agrees(LOSS, (x, y), reduction=reduction, mask=torch.zeros(4, dtype=torch.bool), sample_weight=weight)


def test_denominator():
    assert_agrees(LOSS, images(3, 1, 14, 14), denominator=7.0)


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [(0, 0), (17, 22)], ids=str)
def test_nan_and_infinity(odd, place):
    """They reach the value, and the gradient as far as a window does: not the other end of the image."""
    x, y = images(2, 1, 40, 40)
    x[0, 0, place[0], place[1]] = odd
    assert_agrees(LOSS, (x, y), reduction="none")


def test_value_alone():
    tensors = images(2, 2, 20, 20)
    with enabled(smallest=1):
        value = LOSS(*tensors)
    assert not value.requires_grad
    torch.testing.assert_close(value, LOSS(*tensors))


def test_left_to_the_composition():
    x, y = images(2, 3, 12, 12)
    assert served(LOSS, (x, y))
    assert not served(LOSS, (x, y.clone().requires_grad_()))
    assert not served(LOSS, (x.double(), y.double()))
    assert not served(LOSS, (x.to(memory_format=torch.channels_last), y))
    assert not served(LOSS, (x, y[:1]))
    assert not served(LOSS, images(1, 1, 12, 12, 12))
    assert not served(LOSS, (x, y), window_size=13)
    assert not served(LOSS, (x, y), sample_weight=torch.ones(2, requires_grad=True))
