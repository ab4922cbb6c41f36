"""One value per number: traffic of memory, and for some an exponential or two."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

import lossary

from .case import Case, Drawn, Function, Peer, scaled
from .floors import one_pass
from .peers import optax, peer

SIZES = (4_000_000, 10_000_000)
"""Below and above the 32 MiB from which the allocator of Linux gives memory back at once."""


def _numbers(n: int) -> Drawn:
    return Drawn((torch.randn(n),), (torch.randn(n),))


def _labels(n: int) -> Drawn:
    return Drawn((torch.randn(n),), ((torch.rand(n) > 0.7).float(),))


def _probabilities(n: int) -> Drawn:
    return Drawn((torch.rand(n) * 0.96 + 0.02,), ((torch.rand(n) > 0.7).float(),))


def _signs(n: int) -> Drawn:
    return Drawn((torch.randn(n),), (torch.where(torch.rand(n) > 0.7, 1.0, -1.0),))


def _counts(n: int) -> Drawn:
    return Drawn((torch.randn(n) * 0.5,), (torch.poisson(torch.full((n,), 2.0)),))


def _spread(n: int) -> Drawn:
    return Drawn((torch.randn(n), torch.rand(n) + 0.1), (torch.randn(n),))


def _mse(x: Tensor, t: Tensor) -> Tensor:
    return ((x - t) ** 2).mean()


def _l1(x: Tensor, t: Tensor) -> Tensor:
    return (x - t).abs().mean()


def _huber(x: Tensor, t: Tensor) -> Tensor:
    size = (x - t).abs()
    return torch.where(size < 1.0, 0.5 * size**2, size - 0.5).mean()


def _quantile(x: Tensor, t: Tensor) -> Tensor:
    short = t - x
    return torch.maximum(0.9 * short, -0.1 * short).mean()


def _log_cosh(x: Tensor, t: Tensor) -> Tensor:
    error = x - t
    return (error + F.softplus(-2.0 * error) - torch.log(torch.tensor(2.0, dtype=x.dtype))).mean()


def _bce_with_logits(x: Tensor, t: Tensor) -> Tensor:
    return (x.clamp(min=0.0) - x * t + torch.log1p(torch.exp(-x.abs()))).mean()


def _bce(p: Tensor, t: Tensor) -> Tensor:
    return -(t * p.log() + (1.0 - t) * (1.0 - p).log()).mean()


def _sigmoid_focal(x: Tensor, t: Tensor) -> Tensor:
    p = torch.sigmoid(x)
    entropy = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    weight = 0.25 * t + 0.75 * (1.0 - t)
    return (weight * (1.0 - (p * t + (1.0 - p) * (1.0 - t))) ** 2 * entropy).mean()


def _hinge(x: Tensor, t: Tensor) -> Tensor:
    return (1.0 - t * x).clamp(min=0.0).mean()


def _soft_margin(x: Tensor, t: Tensor) -> Tensor:
    return torch.log1p(torch.exp(-t * x)).mean()


def _poisson(x: Tensor, t: Tensor) -> Tensor:
    return (x.exp() - t * x).mean()


def _gaussian(x: Tensor, v: Tensor, t: Tensor) -> Tensor:
    v = v.clamp(min=1e-6)
    return (0.5 * (v.log() + (x - t) ** 2 / v)).mean()


def _case(
    name: str,
    draw: Callable[[int], Drawn],
    loss: Function,
    eager: Function,
    builtin: Function | None = None,
    peers: dict[str, Peer] | None = None,
) -> tuple[Case, ...]:
    """The loss at each size; the second is not timed on small inputs again."""
    return tuple(
        Case(
            name=f"{name}@{n:.0e}".replace("e+0", "e"),
            group="element-wise",
            size=f"{n:,}",
            draw=lambda by, n=n: draw(scaled(n, by)),  # type: ignore[misc]
            loss=loss,
            eager=eager,
            builtin=builtin,
            peers=peers or {},
            floor=one_pass,
            small=n == SIZES[0],
        )
        for n in SIZES
    )


def _as_image(loss: Function) -> Function:
    """A loss for images, on all numbers as one line of one channel."""
    return lambda x, t: loss(x.view(1, 1, -1), t.view(1, 1, -1))


CASES: tuple[Case, ...] = (
    *_case("mse", _numbers, lossary.mse_loss, _mse, F.mse_loss,
           {"optax": optax(lambda o: lambda x, t: o.squared_error(x, t).mean())}),
    *_case("l1", _numbers, lossary.l1_loss, _l1, F.l1_loss),
    *_case("smooth_l1", _numbers, lossary.smooth_l1_loss, _huber, F.smooth_l1_loss),
    *_case("huber", _numbers, lossary.huber_loss, _huber, F.huber_loss,
           {"optax": optax(lambda o: lambda x, t: o.huber_loss(x, t).mean())}),
    *_case("quantile", _numbers, lambda x, t: lossary.quantile_loss(x, t, q=0.9), _quantile),
    *_case("log_cosh", _numbers, lossary.log_cosh_loss, _log_cosh,
           None, {"optax": optax(lambda o: lambda x, t: o.log_cosh(x, t).mean())}),
    *_case("bce_with_logits", _labels, lossary.bce_with_logits_loss, _bce_with_logits,
           F.binary_cross_entropy_with_logits,
           {"optax": optax(lambda o: lambda x, t: o.sigmoid_binary_cross_entropy(x, t).mean())}),
    *_case("bce", _probabilities, lossary.bce_loss, _bce, F.binary_cross_entropy),
    *_case("sigmoid_focal", _labels, lossary.sigmoid_focal_loss, _sigmoid_focal, None,
           {"fvcore": peer("fvcore.nn", lambda f: lambda x, t: f.sigmoid_focal_loss(x, t, 0.25, 2.0, "mean")),
            "kornia": peer("kornia.losses", lambda k: _as_image(k.BinaryFocalLossWithLogits(0.25, 2.0, "mean"))),
            "monai": peer("monai.losses", lambda m: _as_image(m.FocalLoss(gamma=2.0, alpha=0.25))),
            "optax": optax(lambda o: lambda x, t: o.sigmoid_focal_loss(x, t, alpha=0.25, gamma=2.0).mean())}),
    *_case("hinge", _signs, lossary.hinge_loss, _hinge, None,
           {"optax": optax(lambda o: lambda x, t: o.hinge_loss(x, t).mean())}),
    *_case("soft_margin", _signs, lossary.soft_margin_loss, _soft_margin, F.soft_margin_loss),
    *_case("poisson_nll", _counts, lossary.poisson_nll_loss, _poisson, F.poisson_nll_loss),
    *_case("gaussian_nll", _spread, lambda x, v, t: lossary.gaussian_nll_loss(x, t, v), _gaussian,
           lambda x, v, t: F.gaussian_nll_loss(x, t, v)),
)  # fmt: skip
