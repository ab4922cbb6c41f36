"""The power transform of Box and Cox, without its removable singularity at a power of 0."""

import torch
from torch import Tensor


def box_cox(log_x: Tensor, power: float | Tensor) -> Tensor:
    """``(x^power - 1) / power``, and its limit ``log x`` at 0, from the logarithm of ``x``.

    It is differentiable in ``power`` too, also at 0, so that a power can be learned.

    >>> box_cox(torch.tensor([4.0, 4.0, 4.0]).log(), torch.tensor([1.0, 0.0, -1.0]))
    tensor([3.0000, 1.3863, 0.7500])
    """
    power = torch.as_tensor(power, dtype=log_x.dtype, device=log_x.device)
    t = power * log_x
    near = t.abs() < 3e-4  # where the next term of the series is below the rounding of float64
    series = torch.where(near, log_x, 0.0) * (1.0 + t / 2.0 * (1.0 + t / 3.0 * (1.0 + t / 4.0)))
    return torch.where(near, series, torch.expm1(t) / torch.where(power == 0.0, 1.0, power))
