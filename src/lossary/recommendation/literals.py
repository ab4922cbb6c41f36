"""Values as Python code."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def literal(value: Any) -> str:
    """A number, text or tensor as it is written in code.

    >>> import torch
    >>> literal(torch.tensor([0.5, 2.0])), literal(torch.tensor(3.0)), literal("a")
    ('torch.tensor([0.5, 2])', 'torch.tensor(3)', "'a'")
    """
    if isinstance(value, Tensor):
        if value.ndim == 0:
            return f"torch.tensor({float(value):.6g})"
        return f"torch.tensor([{', '.join(f'{v:.6g}' for v in value.tolist())}])"
    return repr(value)
