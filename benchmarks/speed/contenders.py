"""Who computes a case, and whether the result is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from .case import Case, Drawn, Function, Step, differentiated

SAME, CLOSE = 1e-4, 1e-2
"""Relative errors of value and gradient up to which a result is right, and up to which it is imprecise."""

OURS = ("lossary", "kernels off")


@dataclass(frozen=True)
class Contender:
    """One implementation of a case."""

    name: str
    kind: str
    """lossary, kernels off, torch, eager, compiled, or peer."""
    load: Callable[[], Step]
    differs: str = ""
    compiles: bool = False


def contenders(case: Case) -> Iterator[Contender]:
    """All that a case has, whether or not they are installed."""
    yield Contender("lossary", "lossary", lambda: differentiated(case.loss))
    yield Contender("kernels off", "kernels off", lambda: _without_kernels(case.loss))
    builtin = case.builtin
    if builtin is not None:
        yield Contender("torch", "torch", lambda: differentiated(builtin))
    yield Contender("eager", "eager", lambda: differentiated(case.eager))
    yield Contender("torch.compile", "compiled", lambda: _compiled(case.eager), compiles=True)
    for name, peer in case.peers.items():
        yield Contender(name, "peer", peer.load, peer.differs, peer.compiles)


def _without_kernels(function: Function) -> Step:
    enabled = import_module("lossary.kernels").enabled
    step = differentiated(function)

    def plain(drawn: Drawn) -> object:
        with enabled(False):
            return step(drawn)

    return plain


def _compiled(function: Function) -> Step:
    return differentiated(torch.compile(function, dynamic=False))


def loaded(contender: Contender, compile: bool) -> tuple[Step | None, dict[str, Any]]:
    """What runs it, or ``None`` and the reason."""
    if contender.compiles and not compile:
        return None, {"status": "not run", "note": "takes --compile"}
    try:
        return contender.load(), {}
    except ImportError as error:
        return None, {"status": "missing", "note": str(error)}
    except Exception as error:
        return None, failure(error)


def failure(error: Exception) -> dict[str, Any]:
    """What is stored of an error."""
    return {"status": "failed", "note": f"{type(error).__name__}: {error}".strip().split("\n")[0][:200]}


@dataclass(frozen=True)
class Reference:
    """Value and gradients of the plain expression in double precision."""

    value: float
    gradients: tuple[Tensor, ...]


def reference(case: Case, drawn: Drawn) -> Reference:
    """What every contender is held against."""
    fixed = tuple(x.double() if x.is_floating_point() else x for x in drawn.fixed)
    wide = Drawn(tuple(leaf.detach().double().requires_grad_() for leaf in drawn.leaves), fixed)
    value = float(differentiated(case.eager)(wide))  # type: ignore[arg-type]
    return Reference(value, tuple(_gradient(leaf) for leaf in wide.leaves))


def examined(step: Step, drawn: Drawn, true: Reference, differs: str) -> dict[str, Any]:
    """Runs a contender once and says how far its value and gradients are from the reference."""
    try:
        value = float(step(drawn))  # type: ignore[arg-type]
        gradients = [_gradient(leaf) for leaf in drawn.leaves]
    except Exception as error:
        return failure(error)
    off = abs(value - true.value) / max(abs(true.value), 1e-12)
    off_gradient = max(
        float((g.double() - t).norm() / t.norm()) for g, t in zip(gradients, true.gradients, strict=True)
    )
    return {
        "status": _status(off, off_gradient, differs), "note": differs, "value_error": off,
        "gradient_error": off_gradient,
    }  # fmt: skip


def _status(off: float, off_gradient: float, differs: str) -> str:
    if differs:
        return "another definition"
    worst = max(off, off_gradient) if math.isfinite(off) and math.isfinite(off_gradient) else math.inf
    return "same" if worst <= SAME else "imprecise" if worst <= CLOSE else "wrong"


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad
