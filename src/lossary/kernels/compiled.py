"""How an expression or a loop becomes machine code.

Importing this module imports numba, which takes most of a second: it is imported when a kernel is first used.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit

from . import single
from .dispatch import CompilationError
from .single import PRIMITIVES, exactly, f4

logger = logging.getLogger("lossary.kernels")

LOOP = {"nsz", "contract", "reassoc", "arcp"}
"""In a loop the sum may run in lanes; NaN and infinity keep their meaning."""


_ARITHMETIC = Path(single.__file__).read_bytes()
"""What every expression is made of: machine code of an older version must not be loaded."""


@functools.cache
def compiled_expression(expression: Callable[..., Any]) -> Any:
    """An expression for numba: its names are those of this module, and its numbers are float32."""
    if expression in PRIMITIVES:
        return PRIMITIVES[expression]
    code = expression.__code__
    code = code.replace(co_consts=tuple(_single(c) for c in code.co_consts))
    names = {n: _translated(expression.__globals__[n]) for n in code.co_names if n in expression.__globals__}
    names["__name__"] = expression.__module__  # what is kept on disk names it
    return exactly(types.FunctionType(code, names, expression.__name__))


def _single(value: Any) -> Any:
    return f4(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _translated(value: Any) -> Any:
    return compiled_expression(value) if isinstance(value, types.FunctionType) else _single(value)


def compiled_loop(loop: Callable[..., Any], name: str, **bodies: Callable[..., Any]) -> Any:
    """A loop around expressions, which take the place of the globals of these names.

    Kept on disk beside the loop's file (or where numba keeps what it may not write there), under a name that changes
    with every expression, so that what is loaded is what is written here.
    """
    digest = hashlib.sha256(_ARITHMETIC)
    for body in bodies.values():
        _add_to(digest, body)
    code = loop.__code__
    names = {**loop.__globals__, **{name: compiled_expression(body) for name, body in bodies.items()}}
    built = types.FunctionType(code, names, f"{name}_{digest.hexdigest()[:12]}", loop.__defaults__)
    built.__qualname__ = built.__name__
    return njit(built, fastmath=LOOP, error_model="numpy", nogil=True, cache=True)


def _add_to(digest: Any, body: Callable[..., Any]) -> None:
    """Add an expression, and those that it calls, to a digest."""
    if body in PRIMITIVES:
        digest.update(body.__name__.encode())
        return
    code = body.__code__
    digest.update(repr((code.co_code, [c for c in code.co_consts if not isinstance(c, str)], code.co_names)).encode())
    for name in code.co_names:
        value = body.__globals__.get(name)
        if isinstance(value, types.FunctionType) and value not in PRIMITIVES:
            _add_to(digest, value)
        elif isinstance(value, (int, float)):
            digest.update(repr(value).encode())


class Loop:
    """A loop around expressions as machine code, one version for each kind of arguments."""

    single = f4

    def __init__(self, loop: Callable[..., Any], name: str, **bodies: Callable[..., Any]) -> None:
        self.name = name
        self._dispatcher = compiled_loop(loop, name, **bodies)

    def __call__(self, *arguments: Any) -> Any:
        known, start = len(self._dispatcher.overloads), time.perf_counter()
        try:
            result = self._dispatcher(*arguments)
        except (numba.errors.NumbaError, RuntimeError) as error:
            raise CompilationError(f"{self.name}: {str(error).strip().splitlines()[0]}") from error
        if len(self._dispatcher.overloads) != known and self._dispatcher.stats.cache_misses:
            _tell(self.name, time.perf_counter() - start)
        return result


_told = False


def _tell(name: str, seconds: float) -> None:
    """Say once in a process what the first call of a kernel cost."""
    global _told
    if not _told:
        _told = True
        logger.warning(
            "lossary compiled the kernel of %s for this machine in %.1f s and keeps it on disk; others follow as they "
            "are used (LOSSARY_KERNELS=0 turns kernels off).",
            name,
            seconds,
        )
