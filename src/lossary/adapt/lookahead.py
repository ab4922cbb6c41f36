"""The step that an optimizer of PyTorch is about to take, as a differentiable function of the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from lossary.core import LossInputError

_REFUSED = ("maximize", "amsgrad")


def check_optimizer(owner: str, optimizer: Optimizer) -> None:
    """Refuse an optimizer whose step is not written here.

    Raises:
        LossInputError: for another than SGD, Adam and AdamW, and for ``maximize`` and ``amsgrad``.
    """
    if type(optimizer) not in (SGD, Adam, AdamW):
        kind = type(optimizer).__name__
        raise LossInputError(f"{owner}: `optimizer` must be SGD, Adam or AdamW of torch.optim, got {kind}.")
    for group in optimizer.param_groups:
        if asked := [option for option in _REFUSED if group.get(option)]:
            raise LossInputError(f"{owner}: `optimizer` must be without {asked[0]}, got {asked[0]}=True.")


def look_ahead(
    optimizer: Optimizer, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The parameters after the optimizer's next step, in its present state; nothing is changed.

    Args:
        optimizer: One that :func:`check_optimizer` lets pass.
        parameters: Parameters of it, by any names.
        gradients: Theirs, by the same names.

    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> look_ahead(optimizer, {"weight": weight}, {"weight": torch.tensor([2.0])})["weight"].detach()
    tensor([0.8000])
    """
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    rule = _sgd if isinstance(optimizer, SGD) else _adam
    return {name: rule(p, gradients[name], groups[id(p)], optimizer.state.get(p, {})) for name, p in parameters.items()}


def _sgd(parameter: Tensor, gradient: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> Tensor:
    direction = gradient + group["weight_decay"] * parameter
    lr: float = group["lr"]
    momentum: float = group["momentum"]
    if momentum:
        past = state.get("momentum_buffer")
        buffer = direction if past is None else momentum * past + (1.0 - group["dampening"]) * direction
        direction = direction + momentum * buffer if group["nesterov"] else buffer
    after: Tensor = parameter - lr * direction
    return after


def _adam(parameter: Tensor, gradient: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> Tensor:
    lr: float = group["lr"]
    decay: float = group["weight_decay"]
    beta1, beta2 = map(float, group["betas"])
    if group["decoupled_weight_decay"]:
        parameter = parameter * (1.0 - lr * decay)
    else:
        gradient = gradient + decay * parameter
    step = float(state.get("step", 0)) + 1.0
    first = (1.0 - beta1) * gradient + (beta1 * state["exp_avg"] if state else 0.0)
    second = (1.0 - beta2) * gradient.square() + (beta2 * state["exp_avg_sq"] if state else 0.0)
    moved = second > 0  # elsewhere the root has no slope
    root = torch.where(moved, torch.where(moved, second, 1.0).sqrt(), 0.0)
    denominator = root / math.sqrt(1.0 - beta2**step) + float(group["eps"])
    after: Tensor = parameter - lr / (1.0 - beta1**step) * first / denominator
    return after
