"""A device that is not the default one, without the hardware: tensors that refuse to meet those of the CPU.

A tensor "elsewhere" wraps one of the CPU and claims to be on the meta device. Operations compute with what is inside,
so values can be read as on a GPU; but an operation that mixes it with an ordinary tensor of one or more dimensions
raises, as it would there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any, tree_map

from .memory import load

_DEVICE = torch.device("meta")
_INDEXING = ("aten.index", "aten.index_put", "aten._index_put_impl", "aten._unsafe_index")
"""Operations that take indices from the CPU on any device."""
_STRICT = ("aten.cat", "aten.stack")
"""Operations that do not even take a single number from the CPU."""


class DeviceMismatch(RuntimeError):
    """Tensors of two devices met."""


class Elsewhere(Tensor):
    """A tensor that says it is on another device."""

    content: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        made: Elsewhere = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=_DEVICE, requires_grad=inner.requires_grad,
        )  # fmt: skip
        made.content = inner.detach()
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Elsewhere({self.content})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own stub leaves out that it is a class method
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[Any, Any] | None = None
    ) -> Any:
        return _run(func, args, dict(kwargs or {}))


class ElsewhereMode(TorchDispatchMode):
    """Within it, what is made on the meta device is made elsewhere, with numbers in it."""

    def __init__(self) -> None:
        load()
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _run(func, args, dict(kwargs or {}))


class Constants(TorchFunctionMode):
    """Within it, tensors of given numbers are made elsewhere, too: torch makes them without an operation to see."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor):
            asked = options.pop("device", args[0].device if func is Tensor.new_tensor else None)
            if asked is not None and torch.device(asked).type == _DEVICE.type:
                make = torch.tensor if func is Tensor.new_tensor else func
                given = args[1:] if func is Tensor.new_tensor else args
                if func is Tensor.new_tensor:
                    options.setdefault("dtype", args[0].dtype)
                return elsewhere(make(*tree_map(here, given), **options))
            return func(*args, **options, **({} if asked is None else {"device": asked}))
        if func is Tensor.tolist:  # refused for any subclass, though a GPU's tensor has it
            return here(args[0]).tolist()
        return func(*args, **options)


@contextlib.contextmanager
def another_device() -> Iterator[None]:
    """What is made within it on the device of an :class:`Elsewhere` is made there."""
    with Constants(), ElsewhereMode():
        yield


def elsewhere(value: Any) -> Any:
    """``value`` on the other device, if it is a tensor."""
    return Elsewhere(value) if isinstance(value, Tensor) and not isinstance(value, Elsewhere) else value


def here(value: Any) -> Any:
    return value.content if isinstance(value, Elsewhere) else value


def move_module(module: nn.Module) -> nn.Module:
    """A module with its parameters and buffers elsewhere, as ``module.to(device)`` would: other tensors stay."""
    for part in module.modules():
        for name, parameter in list(part._parameters.items()):
            if parameter is not None:
                part._parameters[name] = nn.Parameter(Elsewhere(parameter.detach()), parameter.requires_grad)
        for name, buffer in list(part._buffers.items()):
            if buffer is not None:
                part._buffers[name] = Elsewhere(buffer)
    return module


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    away = tree_any(lambda t: isinstance(t, Elsewhere), (args, kwargs))
    asked = None if kwargs.get("device") is None else torch.device(kwargs["device"]).type
    name = str(func)
    if asked not in (None, "cpu", _DEVICE.type):
        raise DeviceMismatch(f"it asks for {asked}, whatever its inputs are on")
    if away:
        _refuse_strangers(name, args, kwargs)
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    result = func(*tree_map(here, args), **tree_map(here, kwargs))
    if torch.Tag.inplace_view in func.tags and isinstance(args[0], Elsewhere):
        with torch._C._DisableTorchDispatch():  # the wrapper gets the new shape, too
            func(*args, **kwargs)
    if (away and asked != "cpu") or asked == _DEVICE.type:
        if _in_place(name) or (args and result is here(args[0])):
            return args[0]
        return tree_map(elsewhere, result)
    return result


def _refuse_strangers(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise where a GPU would, given that some of the tensors are elsewhere."""
    if name.startswith("aten.copy_"):
        return
    if name.startswith(_INDEXING):
        indexed, given = args[0], args[2:3]
        if not isinstance(indexed, Elsewhere) and tree_any(lambda t: isinstance(t, Elsewhere), args[1:2]):
            raise DeviceMismatch("a tensor of the CPU is indexed by one of another device")
        if tree_any(lambda t: _size(t) > 0 and isinstance(t, Elsewhere) != isinstance(indexed, Elsewhere), given):
            raise DeviceMismatch(f"{name.removeprefix('aten.')} is given tensors of two devices")
        return
    least = 0 if name.startswith(_STRICT) else 1
    if tree_any(lambda t: _size(t) >= least and not isinstance(t, Elsewhere), (args, kwargs)):
        raise DeviceMismatch(f"{name.removeprefix('aten.')} is given tensors of two devices")
    if _in_place(name) and _size(args[0]) == 0 and not isinstance(args[0], Elsewhere):
        raise DeviceMismatch(f"{name.removeprefix('aten.')} writes to a tensor of the CPU what is on another device")


def _size(t: Any) -> int:
    """How many dimensions a tensor has; -1 for what is none."""
    return t.ndim if isinstance(t, Tensor) else -1


def _in_place(name: str) -> bool:
    """Whether an operation writes to its first argument: ``aten.add_.Tensor`` does."""
    return name.split(".")[1].endswith("_") if name.count(".") else False
