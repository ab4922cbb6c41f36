"""Losses of other libraries, imported where a case asks for them.

A library that cannot be imported is reported as missing. Imports go by name, since no part of the project asks for all
of these to be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from .case import Drawn, Function, Peer, Step, differentiated


def peer(module: str, make: Callable[[Any], Function], differs: str = "", *, compiles: bool = False) -> Peer:
    """The function that ``make`` builds of a module of another library, given the case's tensors."""
    return Peer(lambda: differentiated(make(import_module(module))), differs, compiles)


def optax(make: Callable[[Any], Callable[..., Any]], leaves: int = 1, differs: str = "") -> Peer:
    """A loss of optax, differentiated and compiled by JAX, on the same memory."""

    def load() -> Step:
        losses, jax = import_module("optax").losses, import_module("jax")
        both = jax.jit(jax.value_and_grad(make(losses), argnums=tuple(range(leaves))))

        def step(drawn: Drawn) -> Tensor:
            value, gradients = both(*(_as_jax(jax, x) for x in drawn.all))
            for leaf, gradient in zip(drawn.leaves, jax.block_until_ready(gradients), strict=True):
                leaf.grad = torch.from_dlpack(gradient)
            return torch.from_dlpack(value)

        return step

    return Peer(load, differs)


def _as_jax(jax: Any, x: Tensor) -> Any:
    x = x.detach()
    return jax.numpy.from_dlpack(x if x.is_floating_point() else x.to(torch.int32))


def monai(name: str, **options: Any) -> Peer:
    """A loss of MONAI, of predictions and target as they are."""
    return peer("monai.losses", lambda losses: getattr(losses, name)(**options))
