"""Hyperparameters of a loss as parameters: :class:`Learnable`."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lossary.core import Card, Loss, LossInputError, Optional, Within
from lossary.core.combination import Combinable

from .bijections import Bijection
from .probing import hindrance

By = Literal["likelihood", "held_out"]


class Learnable(Combinable, nn.Module):
    r"""A loss some of whose hyperparameters are learned, each through a smooth bijection onto its bounds.

    Which loss a hyperparameter may be learned from is decided by ``by``:

    - ``"likelihood"``: from the training loss. Only where the card says that exp(-value) is a density, or a
      distribution, of the target whatever the hyperparameter (``Card.likelihood``): then it can't fall by anything but
      a better fit. :meth:`forward` has a gradient in the hyperparameters; give ``parameters()`` to the optimizer.
    - ``"held_out"``: from data that the model is not trained on, by :class:`MetaGradient`. :meth:`forward` takes the
      hyperparameters as constants, so that no optimizer of the training loss can move them.

    With ``by="likelihood"`` anything else is refused: Huber's delta would go to 0 and the focal loss's gamma to
    infinity, because the loss is smaller there, whatever the model predicts.

    Args:
        loss: A loss module of lossary; it is copied, with its parameters where it has some (prototypes).
        names: The hyperparameters to learn: numbers, strictly inside their bounds. Each begins at the loss's value.
        by: What they are learned from.

    Raises:
        LossInputError: for a loss that is none of ours, a name that is no bounded number of it, a value at the edge of
            its bounds, a hyperparameter through which the loss is not differentiable, or one that is not to be learned
            ``by`` that.

    >>> import lossary
    >>> loss = Learnable(lossary.GeneralRobustNLLLoss(alpha=1.5), "alpha", "scale")
    >>> loss.values
    {'alpha': 1.5, 'scale': 1.0}
    >>> optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)  # and the model's, in general
    >>> errors = 3.0 * torch.randn(1000, generator=torch.Generator().manual_seed(0))
    >>> for _ in range(200):
    ...     optimizer.zero_grad()
    ...     loss(errors, torch.zeros(1000)).backward()
    ...     _ = optimizer.step()
    >>> 2.0 < loss.values["scale"] < 4.0
    True
    """

    def __init__(self, loss: Loss, *names: str, by: By = "likelihood") -> None:
        super().__init__()
        if not isinstance(loss, Loss) or not hasattr(loss, "definition"):
            raise LossInputError(f"Learnable: `loss` must be a loss module of lossary, got {_kind(loss)}.")
        if by not in get_args(By):
            raise LossInputError(f"Learnable: `by` must be one of {', '.join(map(repr, get_args(By)))}; got {by!r}.")
        if not names or len(set(names)) < len(names):
            raise LossInputError(f"Learnable: `names` must be hyperparameters, each once; got {', '.join(names)!r}.")
        bijections = {name: _bijection(loss, name) for name in names}
        raws = {name: torch.tensor(onto.inverse(getattr(loss, name))) for name, onto in bijections.items()}
        if by == "likelihood":
            _require_likelihood(loss, names)
        for name in names:
            if why := hindrance(loss, name, bijections[name], mixed=by == "held_out"):
                raise LossInputError(f"Learnable: `{name}` of {_kind(loss)} must not be learned: {why}.")
        self.by: By = by
        self.raw = nn.ParameterDict({name: nn.Parameter(raw) for name, raw in raws.items()})
        """What is learned: the hyperparameters before their bijection."""
        self.loss = copy.deepcopy(loss)
        self._bijections = bijections
        for name in names:
            delattr(self.loss, name)  # a buffer, so that `functional_call` can put the tensor in its place
            self.loss.register_buffer(name, torch.tensor(float(getattr(loss, name))), persistent=False)

    @property
    def card(self) -> Card:
        """The card of the loss."""
        return self.loss.card

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters as they are now; reading them waits for the device."""
        return {name: value.item() for name, value in self.hyperparameters().items()}

    def hyperparameters(self) -> dict[str, Tensor]:
        """The same as tensors, with their gradient in ``raw``."""
        return {name: onto(_float32(self.raw[name])) for name, onto in self._bijections.items()}

    def under(self, hyperparameters: Mapping[str, Tensor], *tensors: Tensor, **call: Any) -> Tensor:
        """The loss at other values of the hyperparameters, differentiable in them whatever ``by`` says."""
        return cast(Tensor, functional_call(self.loss, dict(hyperparameters), tensors, call))

    def forward(self, *tensors: Tensor, **call: Any) -> Tensor:
        now = self.hyperparameters()
        if self.by == "held_out":
            now = {name: value.detach() for name, value in now.items()}
        return self.under(now, *tensors, **call)

    def __call__(self, *tensors: Tensor, **call: Any) -> Tensor:
        return cast(Tensor, super().__call__(*tensors, **call))

    def fixed(self) -> Loss:
        """The loss with the hyperparameters as they are now, as plain numbers: for saving, comparing, reporting.

        >>> import lossary
        >>> Learnable(lossary.HuberLoss(delta=0.5), "delta", by="held_out").fixed()
        HuberLoss(delta=0.5, reduction='mean')
        """
        plain = copy.deepcopy(self.loss)
        for name, value in self.values.items():
            delattr(plain, name)
            setattr(plain, name, value)
        return plain

    def extra_repr(self) -> str:
        now = ", ".join(f"{name}={value:g}" for name, value in self.values.items())
        return f"{now}, by={self.by!r}"


def _bijection(loss: Loss, name: str) -> Bijection:
    owner, definition = _kind(loss), loss.definition
    if name not in definition.hyperparameters:
        known = ", ".join(definition.hyperparameters) or "none"
        raise LossInputError(f"Learnable: `names` must be hyperparameters of {owner} ({known}), got {name!r}.")
    constraint = definition.constraints.get(name)
    bounds = constraint.inner if isinstance(constraint, Optional) else constraint
    if not isinstance(bounds, Within) or bounds.whole:
        raise LossInputError(f"Learnable: `{name}` of {owner} must be a real number to be learned; it is {bounds}.")
    value, onto = getattr(loss, name), Bijection.of(bounds)
    number = isinstance(value, (int, float)) and math.isfinite(value)
    if not number or not bounds.low < value < bounds.high:
        where = (
            "a finite number"
            if math.isinf(bounds.low) and math.isinf(bounds.high)
            else f"a number inside ({bounds.low:g}, {bounds.high:g})"
        )
        raise LossInputError(f"Learnable: `{name}` of {owner} must begin at {where}, got {value!r}.")
    return onto


def _require_likelihood(loss: Loss, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in loss.card.likelihood:
            raise LossInputError(
                f'Learnable: `{name}` of {_kind(loss)} must be learned by="held_out", got by="likelihood": the loss '
                f"is no likelihood in it, so the training loss would drive it to where the loss is small instead of "
                f"to where the fit is good."
            )


def _float32(raw: Tensor) -> Tensor:
    """At least in float32: half precision would round most steps away."""
    return raw.float() if raw.dtype in (torch.float16, torch.bfloat16) else raw


def _kind(loss: object) -> str:
    return type(loss).__name__
