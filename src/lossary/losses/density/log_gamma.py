"""Differences of log-gamma functions, which floating point loses where the argument is large."""

import torch
from torch import Tensor

_SWITCH = 10.0
"""From here on the series below is exact to the rounding of float64."""
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
"""Coefficients of Stirling's series in odd powers of 1/x (Abramowitz and Stegun, 6.1.41)."""


def log_rising_ratio(x: Tensor, step: Tensor) -> Tensor:
    """``log Gamma(x + step) - log Gamma(x) - step * log x`` for x above 0 and a step of at least 0; 0 as x grows.

    Written out for a large ``x``, the difference would be of two numbers of the size ``x log x``.

    >>> log_rising_ratio(torch.tensor([1.0, 1e8]), torch.tensor([3.0, 3.0]))
    tensor([1.7918e+00, 3.0000e-08])
    """
    large = x >= _SWITCH
    low = torch.where(large, _SWITCH, x)
    high = torch.where(large, x, _SWITCH)
    exact = torch.lgamma(low + step) - torch.lgamma(low) - step * low.log()
    rise = step / high
    series = high * _log1p_excess(rise) + (step - 0.5) * torch.log1p(rise) + _stirling(high + step) - _stirling(high)
    return torch.where(large, series, exact)


def _log1p_excess(u: Tensor) -> Tensor:
    """``log(1 + u) - u`` for u of at least 0, without the cancellation at a small ``u``."""
    small = u < 0.01
    near = torch.where(small, u, 0.0)
    terms = near.new_zeros(())
    for k in range(9, 1, -1):
        terms = (1.0 / k if k % 2 else -1.0 / k) + near * terms
    far = torch.where(small, 1.0, u)
    return torch.where(small, near**2 * terms, torch.log1p(far) - far)


def _stirling(x: Tensor) -> Tensor:
    """``log Gamma(x)`` less ``(x - 1/2) log x - x + log(2 pi) / 2``, for a large ``x``."""
    inverse = 1.0 / x
    total = torch.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        total = coefficient + total * inverse**2
    return total * inverse
