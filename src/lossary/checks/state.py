"""What a call may leave behind beside its answer: global settings, random state, and what it remembers."""

from __future__ import annotations

import contextlib
import copy
import dis
import functools
import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn

_HELPERS = 3
"""How many functions deep it is followed what a loss calls of its own module."""


def global_state() -> dict[str, Any]:
    """What of torch, numpy and Python a loss should leave alone, by name."""
    return {
        "torch's random state": torch.default_generator.get_state().numpy().tobytes(),
        "numpy's random state": repr(np.random.get_state()),
        "Python's random state": random.getstate(),
        "the default dtype": torch.get_default_dtype(),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "the number of threads": torch.get_num_threads(),
        "anomaly detection": torch.is_anomaly_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }


@contextlib.contextmanager
def state_kept() -> Iterator[None]:
    """After it all is as it was before, whatever was set or drawn within."""
    drawn = torch.default_generator.get_state(), np.random.get_state(), random.getstate()
    dtype, threads, recorded = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    anomaly, deterministic = torch.is_anomaly_enabled(), torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.default_generator.set_state(drawn[0])
        np.random.set_state(drawn[1])
        random.setstate(drawn[2])
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(recorded)
        torch.autograd.set_detect_anomaly(anomaly)
        torch.use_deterministic_algorithms(deterministic)


def set_state(seed: int, *, unusual: bool = False) -> None:
    """Set the settings to their defaults, or each to its ``unusual`` other value, and seed all generators."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    torch.set_default_dtype(torch.float64 if unusual else torch.float32)
    torch.set_grad_enabled(not unusual)
    torch.autograd.set_detect_anomaly(unusual, check_nan=False)
    torch.use_deterministic_algorithms(unusual)


@dataclass(frozen=True)
class Place:
    """Where a loss may remember something beyond its own object: a container, or the global variable ``name``."""

    holder: Any
    name: str | None = None

    @contextlib.contextmanager
    def emptied(self) -> Iterator[Callable[[], bool]]:
        """Within it there is nothing in it; gives whether something was put there since."""
        if self.name is not None:
            kept = self.holder[self.name]
            self.holder[self.name] = None
            try:
                yield lambda: self.holder[self.name] is not None
            finally:
                self.holder[self.name] = kept
            return
        kept = copy.copy(self.holder)
        self.holder.clear()
        try:
            yield lambda: len(self.holder) > 0
        finally:
            self.holder.clear()
            (self.holder.extend if isinstance(self.holder, list) else self.holder.update)(kept)


def places(loss: Any) -> list[Place]:
    """Where ``loss`` may remember: defaults, globals and closures of its functions, attributes of its class."""
    found: dict[tuple[int, str | None], Place] = {}
    while isinstance(loss, functools.partial):
        loss = loss.func
    functions: list[Any] = [loss]
    if not isinstance(loss, FunctionType):
        if not isinstance(loss, nn.Module) and not inspect.isclass(loss):  # no copy is made of other objects
            _enter(found, list(getattr(loss, "__dict__", {}).values()))
        for kind in (loss if inspect.isclass(loss) else type(loss)).__mro__:
            if kind is not object and not kind.__module__.startswith("torch"):
                _enter(found, [v for n, v in vars(kind).items() if not n.startswith("__")])
                functions += vars(kind).values()
    for function in functions:
        _follow(found, function, _HELPERS, set())
    return list(found.values())


def _follow(found: dict[tuple[int, str | None], Place], function: Any, depth: int, seen: set[int]) -> None:
    function = inspect.unwrap(function) if callable(function) else function
    if not isinstance(function, FunctionType) or id(function) in seen or not depth:
        return
    seen.add(id(function))
    cells: list[Any] = []
    with contextlib.suppress(ValueError):  # of a variable that has no value yet
        cells = list(inspect.getclosurevars(function).nonlocals.values())
    _enter(found, [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *cells])
    _enter(found, [function.__dict__])
    for code in _codes(function.__code__):
        known = [function.__globals__[n] for n in code.co_names if n in function.__globals__]
        _enter(found, known)
        for step in dis.get_instructions(code):
            if step.opname == "STORE_GLOBAL" and step.argval in function.__globals__:
                place = Place(function.__globals__, step.argval)
                found.setdefault((id(place.holder), place.name), place)
        for helper in [*known, *cells]:
            if getattr(helper, "__module__", None) == function.__module__ and not isinstance(helper, nn.Module):
                _follow(found, helper, depth - 1, seen)


def _enter(found: dict[tuple[int, str | None], Place], values: list[Any]) -> None:
    for value in values:
        if isinstance(value, (dict, list, set)):
            found.setdefault((id(value), None), Place(value))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those that are made within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
