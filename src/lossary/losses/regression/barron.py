"""Barron's general robust loss without the singularities of its formula, and the integral that makes it a density."""

import torch
from torch import Tensor

from .box_cox import box_cox

_NEAR = 0.1
"""How close to 2 a shape counts as near."""
_NODES = 1024
_FAR = 30.0
"""The integrand is taken from exp(-30) on: below is 1e-13 of the integral."""
_REACH = ((1.0, 40.0), (3.0, 7.0), (10.0, 2.7))
"""Up to which shape the integrand is taken up to the exponential of what; beyond it there is less than 1e-16."""


def general_robust(square: Tensor, alpha: Tensor) -> Tensor:
    r"""Barron's :math:`\rho(x, \alpha, 1)` of ``square``, :math:`x^2`, at a finite ``alpha`` (arXiv:1701.03077, eq. 8).

    It is exact near the shapes where the formula divides by 0, in ``alpha`` too: near 0 as a Box-Cox transform; near
    2 as the half square and what bends it, which elsewhere would be a difference of nearly equal numbers. At 2 its
    gradient in ``alpha``, which has a logarithmic pole there, is the finite one a rounding error below.

    >>> general_robust(torch.tensor([4.0, 4.0, 4.0]), torch.tensor([2.0, 0.0, -2.0]))
    tensor([2.0000, 1.0986, 1.0000])
    """
    below = alpha <= 2.0
    gap = torch.where(below, 2.0 - alpha, alpha - 2.0)
    bend = gap + (torch.finfo(gap.dtype).eps - gap).clamp(min=0.0).detach()
    near = gap < _NEAR
    bend_far = torch.where(near, 1.0, bend)
    far = 0.5 * bend_far * box_cox(torch.log1p(square / bend_far), 0.5 * torch.where(near, 1.0, alpha))
    bend, shape = torch.where(near, bend, 1.0), torch.where(near, alpha, 1.0)
    bent = torch.expm1(torch.where(below, -0.5, 0.5) * bend * torch.log1p(square / bend))
    return torch.where(near, (square + (bend + square) * bent) / shape, far)


def log_partition(alpha: Tensor) -> Tensor:
    r"""Barron's :math:`\log Z(\alpha) = \log \int e^{-\rho(x, \alpha, 1)} dx` for ``alpha`` of at least 0 (eq. 17).

    With x = exp(v) the integrand is analytic in a strip around the real axis and fades at both ends, so that the
    trapezoidal rule in v converges exponentially. It is differentiated as it stands.

    >>> log_partition(torch.tensor(0.0, dtype=torch.float64)).exp() / 2**0.5  # Cauchy's distribution: pi
    tensor(3.1416, dtype=torch.float64)
    """
    reach = torch.full_like(alpha, 1.5)
    for shape, far in reversed(_REACH):
        reach = torch.where(alpha < shape, far, reach)
    step = ((reach + _FAR) / (_NODES - 1)).detach()
    grid = torch.arange(_NODES, dtype=alpha.dtype, device=alpha.device)
    log_x = step * grid - _FAR
    inside = log_x - general_robust(torch.exp(2.0 * log_x), alpha)
    return torch.logsumexp(inside, 0) + (2.0 * step).log()
