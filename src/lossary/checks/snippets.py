"""A counterexample as code that can be pasted and run."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .examination import Subject, Violation
from .subject import Inputs

_LONG = 160
_MANY = 200
"""Numbers that are still written out; beyond, how to draw them."""


def snippet(subject: Subject, x: Inputs, violation: Violation) -> str:
    """Python that calls the loss with ``x``, and in a comment what comes of it and what should."""
    callee = subject.callee
    names = _names(callee.arguments, len(x.tensors))
    module = getattr(callee.loss, "__module__", None)
    found = [] if module in (None, "__main__", "builtins") else [f"from {module} import {callee.name}"]
    lines = ["import torch", *found, ""]
    slopes = [names[i] for i in subject.differentiable] if "gradient" in violation.words + violation.wanted else []
    for name, t in zip(names, x.tensors, strict=True):
        lines.append(f"{name} = {_code(t)}{'.requires_grad_()' if name in slopes else ''}")
    options = "".join(f", {name}={_code(value)}" for name, value in x.keywords.items())
    arguments = ", ".join(names)
    call = f"{callee.name}({options[2:]})({arguments})" if callee.factory else f"{callee.name}({arguments}{options})"
    if slopes:
        lines += [f"{call}.sum().backward()", f"print({', '.join(f'{name}.grad' for name in slopes)})"]
    else:
        lines.append(f"print({call})")
    return "\n".join([*lines, f"# {x.origin}: {_comment(violation)}"])


def _names(arguments: list[str], count: int) -> list[str]:
    return [arguments[i] if i < len(arguments) else f"x{i}" for i in range(count)]


def _comment(violation: Violation) -> str:
    return " ".join((violation.words or f"wanted {violation.wanted}").split())[:_LONG]


def _code(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    if value.numel() > _MANY:
        return f"torch.{'randn' if value.is_floating_point() else 'zeros'}({tuple(value.shape)})  # as at the seed"
    kind = "" if value.dtype.is_floating_point and str(value.dtype) == "torch.float32" else f", dtype={value.dtype}"
    numbers = str(value.detach().tolist()).replace("nan", "float('nan')").replace("inf", "float('inf')")
    return f"torch.tensor({numbers}{kind})"
