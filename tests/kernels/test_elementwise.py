"""Every expression is its loss: the value and the slopes of what the loss is composed of."""

import pytest
import torch

from lossary.catalogue import find
from lossary.checks import cases
from lossary.kernels import Elementwise, enabled

CASES = [
    case
    for definition in find()
    if isinstance(definition.kernel, Elementwise)
    for case in cases(definition)
    if definition.kernel.numbers(case.hyperparameters) is not None
]


def test_there_are_kernels():
    assert len({case.definition.name for case in CASES}) >= 30


@pytest.mark.parametrize("case", CASES, ids=str)
def test_expression_in_float64(case):
    kernel = case.definition.kernel
    for seed in range(3):
        tensors = [t.double().detach() for t in case.inputs(seed, wide=seed == 2)]
        of = [t.requires_grad_(i in kernel.wrt) for i, t in enumerate(tensors)]
        values = case.definition.function(*of, **case.hyperparameters, reduction="none")
        slopes = torch.autograd.grad(values.sum(), [of[i] for i in kernel.wrt])
        with torch.no_grad():
            value, *derivatives = kernel.expression(*tensors, *kernel.numbers(case.hyperparameters))
        torch.testing.assert_close(value, values.detach(), rtol=1e-8, atol=1e-9)
        for slope, derivative in zip(slopes, derivatives, strict=True):
            derivative = torch.as_tensor(derivative, dtype=slope.dtype).expand_as(slope)
            torch.testing.assert_close(derivative, slope, rtol=1e-8, atol=1e-9)


def compared(definition, tensors, wrt, setting, **how):
    """Loss and gradients by the kernel in float32, and by the composition in float64."""
    found = []
    for on, dtype in ((True, torch.float32), (False, torch.float64)):
        of = [t.float().to(dtype).requires_grad_(i in wrt) for i, t in enumerate(tensors)]
        options = {n: v.to(dtype) if n == "sample_weight" else v for n, v in how.items()}
        with enabled(on, smallest=1):
            values = definition.function(*of, **setting, **options)
        assert ("Fused" in type(values.grad_fn).__name__) == on
        upstream = torch.linspace(0.5, 2.0, values.numel(), dtype=dtype).reshape(values.shape)
        found.append([values, *torch.autograd.grad(values, [of[i] for i in wrt], upstream)])
    return zip(*found, strict=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_machine_code(case):
    kernel = case.definition.kernel
    for size in (5000, 21):  # blocks of 2048 and a rest; less than two vectors and a rest
        tensors = [
            domain.draw((size,), case.sizes, torch.Generator().manual_seed(i), False)
            for i, domain in enumerate(case.domains)
        ]
        for fast, exact in compared(case.definition, tensors, kernel.wrt, case.setting):
            assert (fast - exact).abs().max() <= 1e-5 * exact.abs().max()


@pytest.mark.parametrize("name", ["huber_loss", "gaussian_nll_loss", "minimax_discriminator_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_options(name, reduction, weighed, masked):
    (definition,) = (d for d in find() if d.name == name)
    tensors = [torch.rand(600, 5) + 0.1 for _ in definition.inputs]
    how = {"reduction": reduction}
    if weighed:
        how["sample_weight"] = torch.rand(600)
    if masked:
        how["mask"] = torch.rand(600, 5) < 0.7
        for t in tensors:
            t[~how["mask"]] = torch.nan
    for fast, exact in compared(definition, tensors, definition.kernel.wrt, {}, **how):
        torch.testing.assert_close(fast.double(), exact, rtol=1e-5, atol=1e-6)


def test_denominator_and_nothing_to_average():
    (definition,) = (d for d in find() if d.name == "huber_loss")
    tensors = [torch.randn(40), torch.randn(40)]
    for how in (
        {"denominator": 17.0},
        {"denominator": torch.tensor(17.0)},
        {"mask": torch.zeros(40, dtype=torch.bool)},
    ):
        for fast, exact in compared(definition, tensors, (0,), {}, **how):
            torch.testing.assert_close(fast.double(), exact.double(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_left_to_the_composition(bad, reduction):
    (definition,) = (d for d in find() if d.name == "bce_with_logits_loss")
    x, y = torch.randn(100), torch.rand(100)
    x[7] = bad
    found = []
    for on in (True, False):
        with enabled(on, smallest=1):
            leaf = x.clone().requires_grad_()
            value = definition.function(leaf, y, reduction=reduction)
            found.append([value, *torch.autograd.grad(value.sum(), leaf)])
    for fast, exact in zip(*found, strict=True):
        torch.testing.assert_close(fast, exact, rtol=0.0, atol=0.0, equal_nan=True)
