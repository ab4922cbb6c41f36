"""Watching a script from outside: which module is the model, which function the loss, and what goes into them."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from .hooks import Patches
from .watch import Run

LOSSES = (
    "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss",
    "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "gaussian_nll_loss", "cosine_embedding_loss",
    "triplet_margin_loss", "margin_ranking_loss", "hinge_embedding_loss", "soft_margin_loss", "ctc_loss",
    "multi_margin_loss", "multilabel_soft_margin_loss", "multilabel_margin_loss",
)  # fmt: skip
_LISTENED = 64
"""Batches through which every module call is listened to."""


class Discovery:
    """Turns what an unknown script does into the events of a :class:`Run`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._patches = Patches()
        self._handles: list[Any] = []
        self._depth = 0
        self._roots: dict[int, nn.Module] = {}
        self._call: tuple[nn.Module, tuple[Any, ...], Any] | None = None
        self._optimizers: list[torch.optim.Optimizer] = []
        self._loss_call: tuple[str, tuple[Any, ...], dict[str, Any], Tensor] | None = None
        self._batch: Any = None
        self._loader: Any = None
        self._train_loader: Any = None
        self._train_losses, self._val_losses = _Mean(), _Mean()
        self._made: dict[int, nn.Module] = {}
        self._roles: dict[int, str] = {}
        self._started = False
        self._delivered = False
        self._told: Callable[[], Tensor | None] = lambda: None
        self._inside = False

    def install(self) -> None:
        """Begin."""
        patches = self._patches
        patches.after(torch.optim.Optimizer, "__init__", lambda r, a, k: self._optimizers.append(a[0]))
        patches.before(torch.Tensor, "backward", lambda a, k: self._backward(a[0]))
        patches.before(torch.autograd, "backward", lambda a, k: self._backward(a[0] if a else k.get("tensors")))
        patches.after(_BaseDataLoaderIter, "__next__", self._drawn)
        patches.after(DataLoader, "__iter__", lambda r, a, k: self._pass_begins(a[0]))
        for name in LOSSES:
            patches.after(F, name, functools.partial(self._loss_computed, name))
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
            register_optimizer_step_pre_hook(self._step),
        ]

    def remove(self) -> None:
        """Leave everything as it was; what was not yet told is."""
        if self._started:
            self._epoch_ends()
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._patches.undo()

    # ---- what is seen

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        self._depth += 1

    def _leave(self, module: nn.Module, arguments: Any, out: Any) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._depth or not torch.is_grad_enabled() or next(module.parameters(), None) is None:
            return
        if not self._started:
            self._roots.setdefault(id(module), module)
            self._play(module, arguments, out)
        self._call = (module, arguments, out)

    def _play(self, module: nn.Module, arguments: Any, out: Any) -> None:
        """Note which module judges what another one makes."""
        if arguments and isinstance(arguments[0], Tensor) and arguments[0].data_ptr() in self._made:
            maker = self._made[arguments[0].data_ptr()]
            if maker is not module:
                self._roles = {id(maker): "generator", id(module): "discriminator"}
        if isinstance(out, Tensor):
            self._made[out.data_ptr()] = module

    def _drawn(self, result: Any, arguments: Any, keywords: Any) -> None:
        if torch.is_grad_enabled():
            self._batch = result

    def _pass_begins(self, loader: Any) -> None:
        self._loader = loader
        if self._started and loader is self._train_loader:
            self._epoch_ends()

    def _epoch_ends(self) -> None:
        train, val = self._train_losses.value(), self._val_losses.value()
        self._train_losses, self._val_losses = _Mean(), _Mean()
        if train is not None or val is not None:
            self.run.on_epoch_end(train, val)

    def _loss_computed(self, name: str, result: Any, arguments: Any, keywords: Any) -> None:
        if not isinstance(result, Tensor) or self._inside:
            return
        if not torch.is_grad_enabled():
            if self._started and result.numel() == 1:
                self._val_losses.add(result)
            return
        if self._val_losses.count and self._train_loader is None:
            self._epoch_ends()
        self._loss_call = (name, arguments, keywords, result)
        self._delivered = False

    def _backward(self, loss: Any) -> None:
        if isinstance(loss, (list, tuple)):
            loss = loss[0] if len(loss) == 1 else None
        if isinstance(loss, Tensor) and loss.numel() == 1 and self._told() is not loss:
            self._deliver(loss)

    def _step(self, optimizer: torch.optim.Optimizer, arguments: Any, keywords: Any) -> None:
        if self._loss_call is not None and not self._delivered:
            self._deliver(self._loss_call[3])  # a step, and no backward before it
        self._delivered = False
        self._loss_call = None

    # ---- what is made of it

    def _deliver(self, loss: Tensor) -> None:
        self._delivered, self._told = True, weakref.ref(loss)
        output, target = self._fed()
        if not self._started:
            if not any(p.requires_grad for root in self._roots.values() for p in root.parameters()):
                return
            self._start()
        elif self._depth_of_listening_is_over():
            self._forget_modules()
        inputs = self._call[1] if self._call is not None else ()
        x = inputs[0] if inputs else self._batch[0] if isinstance(self._batch, (tuple, list)) and self._batch else None
        if target is None and isinstance(self._batch, (tuple, list)) and len(self._batch) > 1:
            target = self._batch[-1]
        if output is None and self._call is not None:
            output = self._call[2]
        self._train_losses.add(loss)
        self._inside = True
        self.run.on_batch((x, target) if target is not None else x, output, loss)
        self._inside = False

    def _fed(self) -> tuple[Any, Any]:
        """What the last known loss was computed of."""
        if self._loss_call is None:
            return None, None
        name, arguments, keywords, _ = self._loss_call
        output = arguments[0] if arguments else keywords.get("input", keywords.get("log_input"))
        if name in ("triplet_margin_loss", "cosine_embedding_loss", "margin_ranking_loss", "ctc_loss"):
            return output, None
        return output, arguments[1] if len(arguments) > 1 else keywords.get("target")

    def _start(self) -> None:
        self._started = True
        roots = [root for root in self._roots.values() if any(p.requires_grad for p in root.parameters())]
        model = roots[0] if len(roots) == 1 else nn.ModuleDict(self._named(roots))
        loss_fn = None
        if self._loss_call is not None:
            name, arguments, keywords, _ = self._loss_call
            rest = {k: v for k, v in keywords.items() if k not in ("input", "target")}
            loss_fn = functools.partial(getattr(F, name), **rest)
            loss_fn.__name__ = name  # type: ignore[attr-defined]
        used = [o for o in self._optimizers if o.param_groups]
        self._train_loader = self._loader if self._batch is not None else None
        self._inside = True
        self.run.on_start(model, loss_fn, used, self._batch)
        self.run.on_context(self._train_loader, None, None)
        self._inside = False
        if self._call is not None:  # its first call was before it was known
            module, arguments, out = self._call
            self.run.module_called(module, arguments, {}, out)

    def _named(self, modules: list[nn.Module]) -> dict[str, nn.Module]:
        """Modules by their part in a game, or by the script's variables that hold them."""
        variables = vars(sys.modules["__main__"])
        out: dict[str, nn.Module] = {}
        for number, module in enumerate(modules):
            name = next((k for k, v in variables.items() if v is module), f"model_{number}")
            if len(self._optimizers) > 1:
                name = self._roles.get(id(module), name)
            out[name.replace(".", "_")] = module
        return out

    def _depth_of_listening_is_over(self) -> bool:
        return len(self._handles) == 3 and len(self.run.record.moments) >= _LISTENED

    def _forget_modules(self) -> None:
        """From here on only sampled steps are looked into, by the run itself."""
        for handle in self._handles[:2]:
            handle.remove()
        self._handles = self._handles[2:]
        self._call = None


class _Mean:
    """Of losses, without waiting for the device until it is read."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | float = 0.0

    def add(self, loss: Tensor) -> None:
        self._sum, self.count = self._sum + loss.detach().reshape(()), self.count + 1

    def value(self) -> float | None:
        return float(self._sum) / self.count if self.count else None
