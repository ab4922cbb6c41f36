"""The module form of a loss: a class whose annotated fields are the hyperparameters of its function, and no more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypedDict, cast

from torch import Tensor, nn
from typing_extensions import Unpack, dataclass_transform

from .card import Card
from .combination import Combinable
from .definition import Definition, definition_of
from .errors import LossDefinitionError, LossInputError
from .reduction import Reduction


class Call(TypedDict, total=False):
    """Options of a batch, given to a module at its call; as in :class:`lossary.core.Reduce`."""

    sample_weight: Tensor | None
    mask: Tensor | None
    denominator: Tensor | float | None


@dataclass_transform(kw_only_default=True)
class _TypedFields(nn.Module):
    """Tells type checkers that the annotated fields of a subclass are the keywords of its constructor."""


class Loss(Combinable, _TypedFields):
    """Abstract base of all losses. A subclass is either abstract too or the module ``of`` one function, and final.

    ``sample_weight``, ``mask`` and ``denominator`` belong to a batch and are given at the call; hyperparameters and
    ``reduction`` belong to the loss and are given to the constructor.
    """

    reduction: Reduction = "mean"

    card: ClassVar[Card]
    definition: ClassVar[Definition]
    defaults: ClassVar[Mapping[str, Any]]

    def __init_subclass__(cls, of: Callable[..., Tensor] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if of is None:
            return
        definition = definition_of(of)
        fields = {name: getattr(cls, name, inspect.Parameter.empty) for name in inspect.get_annotations(cls)}
        if fields != definition.hyperparameters:
            takes = dict(definition.hyperparameters)
            raise LossDefinitionError(f"{cls.__name__}: its fields must be {takes} as in {of.__name__}, got {fields}.")
        cls.definition, cls.card, cls.defaults = definition, definition.card, {**fields, "reduction": "mean"}
        definition.module = cls
        for name in fields:
            delattr(cls, name)  # or it would hide the buffer or parameter of that name
        if "__init__" not in cls.__dict__:
            keyword = inspect.Parameter.KEYWORD_ONLY
            signature = inspect.Signature([inspect.Parameter(n, keyword, default=d) for n, d in cls.defaults.items()])
            type.__setattr__(cls, "__signature__", signature)

    def __init__(self, **hyperparameters: Any) -> None:
        super().__init__()
        owner = type(self).__name__
        self.definition.check(owner, hyperparameters)
        if call_time := sorted(hyperparameters.keys() - self.defaults.keys()):
            raise LossInputError(f"{owner}: `{call_time[0]}` must be given at the call, not to the constructor.")
        for name, value in {**self.defaults, **hyperparameters}.items():
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(
        self,
        *tensors: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        options = {name: getattr(self, name) for name in self.defaults}
        if mask is not None:
            options["mask"] = mask
        return self.definition.function(*tensors, sample_weight=sample_weight, denominator=denominator, **options)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.defaults)


class SingleLoss(Loss):
    """Abstract: losses of one tensor."""

    def __call__(self, input: Tensor, /, **call: Unpack[Call]) -> Tensor:
        return cast(Tensor, super().__call__(input, **call))


class PairLoss(Loss):
    """Abstract: losses of an input and a target."""

    def __call__(self, input: Tensor, target: Tensor, /, **call: Unpack[Call]) -> Tensor:
        return cast(Tensor, super().__call__(input, target, **call))


class TripletLoss(Loss):
    """Abstract: losses of three tensors, as of an anchor, a positive and a negative."""

    def __call__(self, first: Tensor, second: Tensor, third: Tensor, /, **call: Unpack[Call]) -> Tensor:
        return cast(Tensor, super().__call__(first, second, third, **call))


class ManyLoss(Loss):
    """Abstract: losses of more tensors than three; the function names them."""

    def __call__(self, *tensors: Tensor, **call: Unpack[Call]) -> Tensor:
        return cast(Tensor, super().__call__(*tensors, **call))
