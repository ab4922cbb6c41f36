"""A loss by its kernel held against what it is composed of, in float64."""

import torch

from lossary.core import definition_of
from lossary.kernels import enabled
from lossary.kernels.dispatch import Work

SHARE = 1e-5
"""Of the largest value or slope: what rounding in float32 may change."""


def run(loss, tensors, wrt, **options):
    """The loss and its gradients, and a seed that gives each value of an unreduced loss another weight."""
    of = [t.detach().clone().requires_grad_(i in wrt) for i, t in enumerate(tensors)]
    value = loss(*of, **options)
    seed = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view(value.shape)
    return value.detach(), torch.autograd.grad((value * seed).sum(), [of[i] for i in wrt])


def assert_agrees(loss, tensors, wrt=(0,), share=SHARE, **options):
    """The kernel serves this call, writes on no input, and gives the value and the gradients of the composition."""
    before = [t.clone() for t in tensors]
    with enabled(True, smallest=1):
        assert served(loss, tensors, **options)
        value, gradients = run(loss, tensors, wrt, **options)
    for t, b in zip(tensors, before, strict=True):
        assert torch.equal(t.nan_to_num(), b.nan_to_num())
    wide = [t.double() if t.is_floating_point() else t for t in tensors]
    options = {
        k: v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for k, v in options.items()
    }
    with enabled(False):
        expected, slopes = run(loss, wide, wrt, **options)
    for found, right in [(value, expected), *zip(gradients, slopes, strict=True)]:
        size = right[right.isfinite()].abs().max().item() if right.isfinite().any() else 0.0
        torch.testing.assert_close(found.double(), right, rtol=share, atol=share * max(size, 1e-3), equal_nan=True)


def served(loss, tensors, **options):
    """Whether the kernel takes this call."""
    return isinstance(definition_of(loss).kernel.plan(tensors, options), Work)
