"""Holds a loss against an implementation that was not written here, in value and in gradient."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.testing import assert_close


def agree(
    ours: Callable[..., Tensor],
    theirs: Callable[..., Tensor],
    *inputs: Tensor,
    gradient_in: Sequence[int] = (0,),
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> None:
    """Both functions of ``inputs`` give one value, and one gradient in the inputs named by position.

    ``theirs`` may be written in NumPy (see :func:`numerically`); it then takes part with finite differences.
    """
    leaves = [t.detach().clone().requires_grad_(i in gradient_in) for i, t in enumerate(inputs)]
    wanted = [leaves[i] for i in gradient_in]
    mine, reference = ours(*leaves), theirs(*leaves)
    assert_close(mine, reference.to(mine.dtype), rtol=rtol, atol=atol)
    for i, a, b in zip(
        gradient_in, torch.autograd.grad(mine, wanted), torch.autograd.grad(reference, wanted), strict=True
    ):
        assert a.any() or not b.any(), f"our gradient in input {i} is 0 everywhere"
        assert_close(a, b, rtol=10 * rtol, atol=10 * atol, msg=lambda text, i=i: f"gradient in input {i}: {text}")


def numerically(function: Callable[..., float], *, step: float = 1e-6) -> Callable[..., Tensor]:
    """A function of NumPy arrays as a differentiable function of float64 tensors, by central differences."""

    class Numeric(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return torch.tensor(float(function(*(t.detach().numpy() for t in tensors))), dtype=torch.float64)

        @staticmethod
        def backward(ctx, upstream):
            gradients = []
            for i, t in enumerate(ctx.saved_tensors):
                if not ctx.needs_input_grad[i]:
                    gradients.append(None)
                    continue
                arrays = [s.detach().numpy().copy() for s in ctx.saved_tensors]
                slopes = torch.zeros_like(t)
                for at in range(t.numel()):
                    flat = arrays[i].reshape(-1)
                    middle = flat[at]
                    flat[at] = middle + step
                    above = float(function(*arrays))
                    flat[at] = middle - step
                    below = float(function(*arrays))
                    flat[at] = middle
                    slopes.view(-1)[at] = (above - below) / (2 * step)
                gradients.append(upstream * slopes)
            return tuple(gradients)

    return Numeric.apply
