"""What makes kernels fast, told without a clock: vector instructions, and no memory but the gradient's."""

import platform
import re
import types

import numba
import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from lossary.catalogue import find
from lossary.checks import cases
from lossary.kernels import Elementwise, compiled, enabled

ELEMENTWISE = [definition for definition in find() if isinstance(definition.kernel, Elementwise)]
HARDEST = ["sigmoid_focal_loss", "log_cosh_loss", "gaussian_nll_loss", "smape_loss", "minimax_discriminator_loss"]
"""Those with the longest expressions: a call that is not inlined, or a branch, would keep them in scalar code."""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads the assembly of x86")
@pytest.mark.parametrize("name", HARDEST)
def test_vectorised(name):
    (kernel,) = (definition.kernel for definition in ELEMENTWISE if definition.name == name)
    names = {**kernel._source.__globals__, "body": compiled.compiled_expression(kernel.expression)}
    loop = numba.njit(
        types.FunctionType(kernel._source.__code__, names), fastmath=compiled.LOOP, error_model="numpy", nogil=True
    )
    array = np.full(100, 0.5, np.float32)
    parameters = tuple(np.float32(p) for p in kernel.numbers(kernel.defaults))
    loop(*[array] * (kernel.inputs + len(kernel.wrt)), None, None, None, np.float32(1.0), parameters, 0, 100)
    (assembly,) = loop.inspect_asm().values()
    blocks = re.split(r"\n\.LBB\w+:", assembly)
    hottest = max(blocks, key=lambda block: len(re.findall(r"v(?:f[n]?m\w+|mul|add|sub)ps", block)))
    assert len(re.findall(r"v(?:f[n]?m\w+|mul|add|sub)ps\b.*%[yz]mm", hottest)) >= 5
    assert "call" not in hottest


@pytest.mark.parametrize("definition", ELEMENTWISE, ids=lambda d: d.name)
def test_allocates_the_gradients_and_nothing_else(definition):
    case = next(c for c in cases(definition) if definition.kernel.numbers(c.hyperparameters) is not None)
    size = 300_000
    generator = torch.Generator().manual_seed(0)
    tensors = [domain.draw((size,), case.sizes, generator, False).float() for domain in case.domains]
    wrt = definition.kernel.wrt
    for i in wrt:
        tensors[i].requires_grad_()
    with enabled():
        case(*tensors).backward()  # compiles
        for i in wrt:
            tensors[i].grad = None
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            case(*tensors).backward()
    taken = [event.self_cpu_memory_usage for event in seen.key_averages() if event.self_cpu_memory_usage > 0]
    assert sum(taken) <= len(wrt) * 4 * size + 10_000
    assert sum(taken) >= len(wrt) * 4 * size, "the profiler no longer says what is allocated"


def test_the_composition_allocates_more():
    """The measure would see it."""
    x, y = torch.zeros(300_000, requires_grad=True), torch.ones(300_000)
    (definition,) = (d for d in ELEMENTWISE if d.name == "huber_loss")
    with enabled(False), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        definition.function(x, y).backward()
    taken = [event.self_cpu_memory_usage for event in seen.key_averages() if event.self_cpu_memory_usage > 0]
    assert sum(taken) > 3 * 4 * 300_000
