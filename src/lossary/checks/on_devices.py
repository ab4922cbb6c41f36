"""The check of devices: a loss must make what it makes where its inputs are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .elsewhere import DeviceMismatch, another_device, elsewhere, here, move_module
from .examination import NotApplicable, Subject, Violation, check
from .subject import Inputs

_CUDA = ("not compiled with CUDA", "No CUDA GPUs", "Found no NVIDIA driver")
_NUMPY = ("can't convert", "numpy()", "Cannot convert", ".numpy")


@check(
    "device",
    tries=("draws",),
    draws=2,
    echoes=("runs",),
    cause="A tensor is made inside without device=, kept as a plain attribute instead of a buffer, or sent through "
    "numpy or .cuda(): make it with zeros_like, new_tensor or device=prediction.device.",
)
def works_on_another_device(subject: Subject, x: Inputs) -> Violation | None:
    """On a device that is not the default one nothing of the CPU is mixed in."""
    keywords = {name: _moved(value) for name, value in x.keywords.items()}
    single = x.to(torch.float32)
    built = subject.callee.built(keywords, torch.float32)
    try:
        with another_device():
            if isinstance(built, nn.Module):
                move_module(built)
            leaves = [
                elsewhere(t.detach().clone()).requires_grad_(i in subject.differentiable) if _real(t) else elsewhere(t)
                for i, t in enumerate(single.tensors)
            ]
            result = built(*leaves)
            if isinstance(result, Tensor) and result.requires_grad:
                result.sum().backward()  # type: ignore[no-untyped-call]
    except DeviceMismatch as error:
        return Violation(str(error), "one device throughout", f"on another device it raises: {error}", x)
    except Exception as error:
        text = str(error)
        if any(words in text for words in _CUDA):
            return Violation(
                text[:80], "one device throughout", f"it asks for CUDA whatever its inputs are on: {text[:80]}", x
            )
        if any(words in text for words in _NUMPY) and "numpy" in text:
            return Violation(text[:80], "one device throughout", f"on another device it raises: {text[:80]}", x)
        raise NotApplicable(f"another device can't be imitated for it: {type(error).__name__}: {text[:80]}") from None
    if isinstance(result, Tensor) and here(result) is result:
        return Violation("cpu", "one device throughout", "its result is on the CPU, wherever its inputs are", x)
    return None


def _real(t: Any) -> bool:
    return isinstance(t, Tensor) and t.is_floating_point()


def _moved(value: Any) -> Any:
    return elsewhere(value.float() if value.is_floating_point() else value) if isinstance(value, Tensor) else value
