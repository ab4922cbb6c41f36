"""Holds a loss against values and gradients that a ``record_*.py`` script has written down."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

RECORDED = Path(__file__).parent / "recorded"


def recorded(family: str, loss: str) -> list[dict[str, Any]]:
    """All that was recorded of ``loss``: library, version, call, options, inputs, value, gradients."""
    found = [entry for entry in json.loads((RECORDED / f"{family}.json").read_text()) if entry["loss"] == loss]
    assert found, f"nothing is recorded of {loss}"
    return found


def origin(entry: dict[str, Any]) -> str:
    """Where a recorded value came from, as the name of a test."""
    return " ".join([entry["library"], *(f"{name}={value}" for name, value in entry["options"].items())])


def tensors(entry: dict[str, Any]) -> list[Tensor]:
    """The inputs, floating-point ones as float64."""
    found = [torch.tensor(x) for x in entry["inputs"]]
    return [torch.tensor(x, dtype=torch.float64) if t.is_floating_point() else t
            for x, t in zip(entry["inputs"], found, strict=True)]  # fmt: skip


def agree_with_record(
    ours: Callable[..., Tensor],
    entry: dict[str, Any],
    *,
    gradient_in: Sequence[int] = (0,),
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> None:
    """``ours(*inputs, **options)`` gives the recorded value, and its gradient in the inputs named by position."""
    leaves = [t.requires_grad_(i in gradient_in) for i, t in enumerate(tensors(entry))]
    mine = ours(*leaves, **entry["options"])
    assert_close(mine, torch.tensor(entry["value"], dtype=torch.float64), rtol=rtol, atol=atol)
    for i in gradient_in:
        (gradient,) = torch.autograd.grad(mine, leaves[i], retain_graph=True)
        theirs = torch.tensor(entry["gradients"][i], dtype=torch.float64)
        assert theirs.any(), f"the recorded gradient in input {i} is 0 everywhere"
        assert_close(gradient, theirs, rtol=10 * rtol, atol=10 * atol)
