"""What torch lets one listen to: steps and zeroings of optimizers, clipping, and outputs of modules."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


class Listener(Protocol):
    """What is told of a run's mechanics."""

    def step_begins(self, optimizer: torch.optim.Optimizer, closure: bool) -> None:
        """Before an optimizer's step."""

    def step_ends(self, optimizer: torch.optim.Optimizer) -> None:
        """After an optimizer's step."""

    def zeroed(self) -> None:
        """Gradients were zeroed through an optimizer or a module."""

    def set_to_evaluation(self) -> None:
        """A module was set to evaluation mode."""

    def dropped(self, share: float) -> None:
        """Dropout took that share of some values in training."""

    def clipped(self, norm: float, most: float) -> None:
        """A gradient of that norm was cut to at most that norm."""

    def module_called(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], out: Any) -> None:
        """A module gave an output; only while modules are listened to."""


class Patches:
    """Functions that are listened to; they do what they did, and can be put back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def after(self, owner: Any, name: str, tell: Callable[[Any, Any, Any], None]) -> None:
        """Call ``tell(result, args, kwargs)`` after each call."""
        self._wrap(owner, name, None, tell)

    def before(self, owner: Any, name: str, tell: Callable[[Any, Any], None]) -> None:
        """Call ``tell(args, kwargs)`` before each call."""
        self._wrap(owner, name, tell, None)

    def undo(self) -> None:
        """Put everything back."""
        for undo in reversed(self._undo):
            undo()
        self._undo = []

    def _wrap(self, owner: Any, name: str, before: Any, after: Any) -> None:
        original = getattr(owner, name)
        listening = True

        @functools.wraps(original)
        def listened(*args: Any, **kwargs: Any) -> Any:
            if not listening:
                return original(*args, **kwargs)
            if before is not None:
                before(args, kwargs)
            result = original(*args, **kwargs)
            if after is not None:
                after(result, args, kwargs)
            return result

        setattr(owner, name, listened)

        def undo() -> None:
            nonlocal listening, before, after
            listening, before, after = False, None, None
            if getattr(owner, name) is listened:  # else somebody has put his own on top since, which calls this one
                setattr(owner, name, original)

        self._undo.append(undo)


class Hooks:
    """Global hooks for one listener, which they don't keep alive: whoever drops it must :meth:`remove` them."""

    def __init__(self, listener: Listener) -> None:
        self._listener: Listener = weakref.proxy(listener)
        self._handles: list[Any] = []
        self._deafen: Callable[[], None] | None = None
        self._patches = Patches()

    def install(self) -> None:
        """Begin to listen to optimizers."""
        listener = self._listener
        self._handles = [
            register_optimizer_step_pre_hook(lambda o, a, k: listener.step_begins(o, _has_closure(a, k))),
            register_optimizer_step_post_hook(lambda o, a, k: listener.step_ends(o)),
        ]
        for owner in (torch.optim.Optimizer, nn.Module):
            self._patches.after(owner, "zero_grad", lambda result, a, k: listener.zeroed())
        self._patches.after(nn.Module, "eval", lambda result, a, k: listener.set_to_evaluation())
        self._patches.before(nn.functional, "dropout", _tell_dropout(listener))
        for clipping in (torch.nn.utils, torch.nn.utils.clip_grad):
            self._patches.after(clipping, "clip_grad_norm_", _tell_clipping(listener))

    def listen_to_modules(self, wanted: bool) -> None:
        """Begin or cease to be told of each module's output; it costs some microseconds a module."""
        if wanted and self._deafen is None:
            listener = self._listener
            self._deafen = after_each_module(lambda *call: listener.module_called(*call))
        elif not wanted and self._deafen is not None:
            self._deafen()
            self._deafen = None

    def remove(self) -> None:
        """Leave everything as it was."""
        self.listen_to_modules(False)
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._patches.undo()


def after_each_module(tell: Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]) -> Callable[[], None]:
    """Call ``tell(module, args, kwargs, out)`` after each module; what is returned ends it."""
    handle = register_module_forward_hook(lambda *call: tell(*call), with_kwargs=True)

    def end() -> None:
        handle.remove()
        # torch's handle leaves this entry behind, and torch.compile would warn of hooks from then on.
        modules._global_forward_hooks_with_kwargs.pop(handle.id, None)

    return end


def _has_closure(args: Any, kwargs: Any) -> bool:
    """Whether a step, whose first argument is the optimizer, was given a closure."""
    return (args[1] if len(args) > 1 else kwargs.get("closure")) is not None


def _tell_dropout(listener: Listener) -> Callable[[Any, Any], None]:
    def tell(args: Any, kwargs: Any) -> None:
        share = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
        if args[2] if len(args) > 2 else kwargs.get("training", True):
            listener.dropped(share)

    return tell


def _tell_clipping(listener: Listener) -> Callable[[Any, Any, Any], None]:
    def tell(result: Any, args: Any, kwargs: Any) -> None:
        most = args[1] if len(args) > 1 else kwargs.get("max_norm", float("inf"))
        listener.clipped(result, most)

    return tell
