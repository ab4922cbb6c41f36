"""A loss under examination: how to build it, how to call it, and what it may be called with."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lossary.core import LossInputError

from .limits import OutOfTime


class LossRaised(Exception):
    """The loss raised instead of answering; ``__cause__`` is what it raised."""

    @property
    def words(self) -> str:
        error = self.__cause__
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"


@dataclass(frozen=True)
class Inputs:
    """What one call is made with. ``keywords`` are hyperparameters and options; ``origin`` says where it came from."""

    tensors: tuple[Any, ...]
    origin: str
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def with_tensors(self, tensors: Sequence[Any], origin: str | None = None) -> Inputs:
        return Inputs(tuple(tensors), self.origin if origin is None else origin, self.keywords)

    def replace(self, position: int, tensor: Any) -> Inputs:
        return self.with_tensors([*self.tensors[:position], tensor, *self.tensors[position + 1 :]])

    def under(self, keywords: Mapping[str, Any]) -> Inputs:
        """The same with further keywords."""
        return Inputs(self.tensors, self.origin, {**self.keywords, **keywords})

    def to(self, dtype: torch.dtype) -> Inputs:
        """With all floating-point tensors in ``dtype``, keywords too."""
        keywords = {name: _to(value, dtype) for name, value in self.keywords.items()}
        return Inputs(tuple(_to(t, dtype) for t in self.tensors), self.origin, keywords)


class Callee:
    """A loss or a factory of one, called in one way: ``callee(tensors, **keywords)``.

    Each call builds a factory anew (or copies a module), so that no state goes from one call to the next, and runs with
    the same random numbers. Keywords go to the factory where it takes them, else to the call.
    """

    def __init__(self, loss: Callable[..., Any], *, factory: bool) -> None:
        self.loss, self.factory = loss, factory
        self.name = name_of(loss)
        self.printed = ""
        self.began: tuple[float, float] | None = None
        """When the call that is under way began: by the clock, and by the time that this thread has computed."""
        self._building = _keywords(loss) if factory else {}
        with seeded():
            built = self._build({})
        self._calling = _keywords(built.forward if isinstance(built, nn.Module) else built)
        self.arguments = [name for name, p in self._calling.items() if p.kind is not p.KEYWORD_ONLY]

    @classmethod
    def of(cls, loss: Callable[..., Any], example: Sequence[Any]) -> Callee:
        """Find out by a call whether ``loss`` takes the tensors itself or makes what takes them.

        Raises:
            LossInputError: if it does neither.
        """
        if not callable(loss):
            raise LossInputError(f"check: `loss` must be callable, got {loss!r}.")
        if inspect.isclass(loss):
            return cls._factory(loss)
        if isinstance(loss, nn.Module):
            return cls(loss, factory=False)
        try:
            with seeded(), contextlib.redirect_stdout(io.StringIO()):
                answer = loss(*example)
        except Exception as error:
            if isinstance(error, TypeError) and not _required(loss):
                with contextlib.suppress(LossInputError):
                    return cls._factory(loss)
            return cls(loss, factory=False)
        return cls._factory(loss) if callable(answer) and not isinstance(answer, Tensor) else cls(loss, factory=False)

    @classmethod
    def _factory(cls, loss: Callable[..., Any]) -> Callee:
        try:
            with seeded(), contextlib.redirect_stdout(io.StringIO()):
                made = loss()
        except Exception as error:
            raise LossInputError(
                f"check: {name_of(loss)}() must give a loss without arguments, got {error!r}."
            ) from error
        if not callable(made):
            raise LossInputError(f"check: what {name_of(loss)}() gives must be callable, got {made!r}.")
        return cls(loss, factory=True)

    def accepts(self, keyword: str) -> bool:
        """Whether it has an option of that name, in its construction or at its call."""
        return keyword in self._building or keyword in self._calling or self._any_keyword()

    def default(self, keyword: str) -> Any:
        """The default of an option, or ``inspect.Parameter.empty``."""
        parameter = self._building.get(keyword) or self._calling.get(keyword)
        return inspect.Parameter.empty if parameter is None else parameter.default

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that have a default, with their defaults."""
        both = {**self._calling, **self._building}
        return {name: p.default for name, p in both.items() if p.default is not p.empty}

    def built(self, keywords: Mapping[str, Any] | None = None, dtype: torch.dtype | None = None) -> Callable[..., Any]:
        """The callable that takes the tensors, with ``keywords`` set: for those who trace or map it."""
        building, calling = self._split(keywords or {})
        loss = self._build(building)
        if isinstance(loss, nn.Module) and dtype is not None:
            loss = loss.to(dtype)
        if not calling:
            return loss
        return lambda *tensors: loss(*tensors, **calling)

    def __call__(self, tensors: Sequence[Any], **keywords: Any) -> Tensor:
        """The loss of ``tensors``. Raises :class:`LossRaised` for whatever it raises, also if it gives no tensor."""
        printed = io.StringIO()
        self.began = time.monotonic(), time.thread_time()
        try:
            with seeded(), contextlib.redirect_stdout(printed):
                answer = self.built(keywords, _dtype(tensors))(*tensors)
        except OutOfTime:
            raise
        except Exception as error:
            raise LossRaised from error
        finally:
            self.printed += printed.getvalue()
        self.began = None
        if not isinstance(answer, Tensor):
            try:
                raise TypeError(f"it must return a tensor, got {type(answer).__name__}")
            except TypeError as error:
                raise LossRaised from error
        return answer

    def _build(self, keywords: Mapping[str, Any]) -> Callable[..., Any]:
        if self.factory:
            made: Callable[..., Any] = self.loss(**keywords)
            return made
        return copy.deepcopy(self.loss) if isinstance(self.loss, nn.Module) else self.loss

    def _split(self, keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if not self.factory:
            return {}, dict(keywords)
        whole = any(p.kind is p.VAR_KEYWORD for p in _parameters(self.loss).values())
        building = {n: v for n, v in keywords.items() if n in self._building or (whole and n not in self._calling)}
        return building, {n: v for n, v in keywords.items() if n not in building}

    def _any_keyword(self) -> bool:
        return any(p.kind is p.VAR_KEYWORD for p in _parameters(self.loss).values())


def name_of(loss: Any) -> str:
    """What to call a loss: by its own name, a partial by that of its function, an object by that of its class."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    return str(getattr(loss, "__name__", type(loss).__name__))


def _parameters(call: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):  # builtins may have none
        return {}


def _keywords(call: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in _parameters(call).items() if p.kind not in kinds}


def _required(call: Callable[..., Any]) -> list[str]:
    return [n for n, p in _keywords(call).items() if p.default is p.empty]


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Within it the same random numbers come every time; after it those that would have come anyway."""
    generator = torch.default_generator  # torch.manual_seed would look for every kind of device, each time
    state = generator.get_state()
    generator.manual_seed(0)
    try:
        yield
    finally:
        generator.set_state(state)


def _dtype(tensors: Sequence[Any]) -> torch.dtype | None:
    return next((t.dtype for t in tensors if isinstance(t, Tensor) and t.is_floating_point()), None)


def _to(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value
