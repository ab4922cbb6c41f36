"""Hyperparameters of the training loss from data that the model is not trained on: :class:`MetaGradient`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from lossary.core import LossInputError, Result, Within, require

from .hyperparameters import Learnable
from .linear_systems import conjugate_gradients
from .lookahead import check_optimizer, look_ahead

Method = Literal["unrolled", "implicit"]
Batch: TypeAlias = Sequence[Tensor]
"""The model's input, then what the loss takes after the model's output."""


@dataclass(frozen=True, kw_only=True)
class MetaStep(Result):
    """One step of the hyperparameters."""

    held_out_loss: float
    """At the weights that were judged: after the look-ahead if "unrolled", the present ones if "implicit"."""
    gradient: Mapping[str, float]
    """Of the held-out loss, in the raw numbers before the bijection."""
    values: Mapping[str, float]
    """The hyperparameters after the step."""
    residual: float
    """Relative, of the linear system of "implicit": near 1, the gradient is worth nothing. 0 if "unrolled"."""


class MetaGradient:
    r"""Moves the hyperparameters of a training loss down the gradient of the loss on held-out data.

    The held-out loss :math:`V` depends on them through the weights alone, :math:`\theta`, that the training loss
    :math:`L` leads to. There are two accounts of how:

    - ``"unrolled"``: :math:`dV(\theta')/d\lambda` for the weights :math:`\theta'` after the next step of
      ``optimizer``, in its present state. Cheap, and of use from the first step on, but short-sighted: it favours what
      helps at once, such as larger steps (arXiv:1803.02021). Call :meth:`step` before each training step.
    - ``"implicit"``: at the end of training, where :math:`\partial L / \partial \theta = 0`, the implicit function
      theorem gives :math:`-\frac{\partial V}{\partial\theta} \big[\frac{\partial^2 L}{\partial\theta\,
      \partial\theta^\top}\big]^{-1} \frac{\partial^2 L}{\partial\theta\,\partial\lambda}` (arXiv:1911.02590, sec. 2),
      the inverse by conjugate gradients. It sees the whole training, but holds only where the weights have settled;
      call :meth:`step` every so many training steps, with large batches.

    The training step stays yours: ``optimizer`` is looked at and not moved. Weight decay counts as a part of the
    training loss. What the model keeps in buffers, as batch norm does, is left as it was.

    Args:
        loss: What the model is trained with, ``by="held_out"``.
        model: A module of one input and one output.
        validation_loss: Of output and target, without what is learned: a metric to be minimised, or a loss.
        optimizer: The model's: SGD, Adam or AdamW. It must not hold the hyperparameters.
        method: "unrolled" or "implicit".
        lr: Step size of Adam on the raw hyperparameters.
        damping: "implicit": what is added to the diagonal of the second derivatives.
        iterations: "implicit": of conjugate gradients, each twice a training step, at most.
        tolerance: "implicit": the relative residual at which they stop.

    Raises:
        LossInputError: for a loss that is learned by likelihood, a validation loss that depends on what is learned, an
            optimizer whose step is unknown or which trains something else, or a number out of its bounds.

    >>> import lossary
    >>> x = torch.linspace(-1.0, 1.0, 40).unsqueeze(1)
    >>> y = 2.0 * x + torch.where(torch.arange(40).unsqueeze(1) % 4 == 0, 8.0, 0.0)  # every fourth is an outlier
    >>> model = torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> loss = Learnable(lossary.HuberLoss(delta=5.0), "delta", by="held_out")
    >>> meta = MetaGradient(loss, model, lossary.L1Loss(), optimizer, lr=0.1)
    >>> for _ in range(100):
    ...     step = meta.step((x[::2], y[::2]), (x[1::2], y[1::2]))
    ...     optimizer.zero_grad()
    ...     loss(model(x[::2]), y[::2]).backward()
    ...     _ = optimizer.step()
    >>> step.values["delta"] < 1.0
    True
    """

    def __init__(
        self,
        loss: Learnable,
        model: nn.Module,
        validation_loss: Callable[..., Tensor],
        optimizer: Optimizer,
        *,
        method: Method = "unrolled",
        lr: float = 0.01,
        damping: float = 0.0,
        iterations: int = 100,
        tolerance: float = 1e-6,
    ) -> None:
        if not isinstance(loss, Learnable) or loss.by != "held_out":
            given = repr(loss.by) if isinstance(loss, Learnable) else type(loss).__name__
            raise LossInputError(f'MetaGradient: `loss` must be Learnable with by="held_out", got {given}.')
        _check_validation(loss, validation_loss)
        if method not in get_args(Method):
            known = ", ".join(map(repr, get_args(Method)))
            raise LossInputError(f"MetaGradient: `method` must be one of {known}; got {method!r}.")
        numbers: Mapping[str, tuple[Within, Any]] = {
            "lr": (Within(0.0, above=True), lr),
            "damping": (Within(0.0), damping),
            "iterations": (Within(1, whole=True), iterations),
            "tolerance": (Within(0.0), tolerance),
        }
        for name, (bounds, number) in numbers.items():
            require(bounds, "MetaGradient", name, number)
        check_optimizer("MetaGradient", optimizer)
        self.loss, self.model, self.validation_loss, self.training_optimizer = loss, model, validation_loss, optimizer
        self.method, self.damping, self.iterations, self.tolerance = method, damping, iterations, tolerance
        self.optimizer = torch.optim.Adam(loss.raw.parameters(), lr=lr)
        """Of the hyperparameters; its state dict is all that has to be saved of this object."""
        self._weights()
        if method == "implicit" and any(g.get("decoupled_weight_decay") and g["weight_decay"] for g in self._groups()):
            raise LossInputError(
                'MetaGradient: `optimizer` must not decouple weight decay under method="implicit", as there is no '
                "training loss that it minimises; got AdamW with weight decay."
            )

    def gradient(self, batch: Batch, held_out: Batch) -> dict[str, Tensor]:
        """The gradient of the held-out loss in the raw hyperparameters; nothing is moved.

        Args:
            batch: Of the training data: the model's input, then what the loss takes after the model's output.
            held_out: The same of data that the model is not trained on.

        Raises:
            LossInputError: if the model gives something else than one tensor, or the loss is not reduced to one number;
                under "implicit", if the training loss is not convex around the weights.
        """
        return self._judge(batch, held_out)[0]

    def step(self, batch: Batch, held_out: Batch) -> MetaStep:
        """Move the hyperparameters by one step; see :meth:`gradient`."""
        gradient, value, residual = self._judge(batch, held_out)
        for name, raw in self.loss.raw.items():
            raw.grad = gradient[name]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return MetaStep(
            held_out_loss=value.item(),
            gradient={name: slope.item() for name, slope in gradient.items()},
            values=self.loss.values,
            residual=residual,
        )

    def _judge(self, batch: Batch, held_out: Batch) -> tuple[dict[str, Tensor], Tensor, float]:
        with torch.enable_grad():
            return self._unrolled(batch, held_out) if self.method == "unrolled" else self._implicit(batch, held_out)

    def _unrolled(self, batch: Batch, held_out: Batch) -> tuple[dict[str, Tensor], Tensor, float]:
        weights, raw = self._weights(), dict(self.loss.raw.items())
        slopes = torch.autograd.grad(self._train(weights, batch), list(weights.values()), create_graph=True)
        ahead = look_ahead(self.training_optimizer, weights, dict(zip(weights, slopes, strict=True)))
        value = self._validate(ahead, held_out)
        found = torch.autograd.grad(value, list(raw.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(raw, found, strict=True)), value.detach(), 0.0

    def _implicit(self, batch: Batch, held_out: Batch) -> tuple[dict[str, Tensor], Tensor, float]:
        weights, raw = self._weights(), dict(self.loss.raw.items())
        leaves = list(weights.values())
        value = self._validate(weights, held_out)
        pull = _flat(torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True))
        slope = _flat(torch.autograd.grad(self._train(weights, batch), leaves, create_graph=True))
        decay = torch.cat([leaf.new_full((leaf.numel(),), self._decay(leaf)) for leaf in leaves])

        def curvature(vector: Tensor) -> Tensor:
            again = torch.autograd.grad(
                slope, leaves, vector, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            return _flat(again) + (decay + self.damping) * vector

        solved, residual = conjugate_gradients(curvature, pull, iterations=self.iterations, tolerance=self.tolerance)
        found = torch.autograd.grad(slope, list(raw.values()), -solved, allow_unused=True, materialize_grads=True)
        return dict(zip(raw, found, strict=True)), value.detach(), residual

    def _train(self, weights: Mapping[str, Tensor], batch: Batch) -> Tensor:
        own = {name.removeprefix("loss."): w for name, w in weights.items() if name.startswith("loss.")}
        output = self._output(weights, batch)
        value = self.loss.under({**self.loss.hyperparameters(), **own}, output, *batch[1:])
        return _one_number("loss", value)

    def _validate(self, weights: Mapping[str, Tensor], held_out: Batch) -> Tensor:
        return _one_number("validation_loss", self.validation_loss(self._output(weights, held_out), *held_out[1:]))

    def _output(self, weights: Mapping[str, Tensor], batch: Batch) -> Tensor:
        own = {name.removeprefix("model."): w for name, w in weights.items() if name.startswith("model.")}
        kept = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        output = functional_call(self.model, {**kept, **own}, (batch[0],))
        if not isinstance(output, Tensor):
            kind = type(output).__name__
            raise LossInputError(f"MetaGradient: `model` must give one tensor, got {kind}.")
        return output

    def _weights(self) -> dict[str, Tensor]:
        """What the optimizer trains, by name."""
        known = {f"model.{name}": p for name, p in self.model.named_parameters()}
        known |= {f"loss.{name}": p for name, p in self.loss.loss.named_parameters()}
        trained = {id(p) for group in self._groups() for p in group["params"]}
        if trained & {id(raw) for raw in self.loss.raw.values()}:
            raise LossInputError(
                "MetaGradient: `optimizer` must not hold the hyperparameters, which it would train by the training "
                "loss; give it the parameters of the model."
            )
        found = {name: cast(Tensor, p) for name, p in known.items() if id(p) in trained and p.requires_grad}
        if not found or len(trained - {id(p) for p in known.values()}):
            raise LossInputError(
                "MetaGradient: `optimizer` must hold parameters of the model, and no others than its and the loss's."
            )
        return found

    def _groups(self) -> Sequence[Mapping[str, Any]]:
        return self.training_optimizer.param_groups

    def _decay(self, parameter: Tensor) -> float:
        return next(
            float(group["weight_decay"]) for group in self._groups() if any(p is parameter for p in group["params"])
        )


def _check_validation(loss: Learnable, validation_loss: object) -> None:
    if not callable(validation_loss):
        kind = type(validation_loss).__name__
        raise LossInputError(f"MetaGradient: `validation_loss` must be a loss of output and target, got {kind}.")
    parts = list(validation_loss.modules()) if isinstance(validation_loss, nn.Module) else []
    if loss.loss in parts or any(isinstance(part, Learnable) for part in parts):
        raise LossInputError(
            "MetaGradient: `validation_loss` must not depend on the hyperparameters that it judges, or they would make "
            "it small instead of the model good; got a loss that is learned."
        )


def _one_number(argument: str, value: Tensor) -> Tensor:
    if value.ndim:
        shape = tuple(value.shape)
        raise LossInputError(f"MetaGradient: `{argument}` must give one number, got shape {shape}.")
    return value


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return parameters_to_vector(tensors)
