"""Batches of any make: tensors, and tuples, lists and mappings of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def first_tensor(thing: Any) -> Tensor | None:
    """The first tensor in a nest of tuples, lists and mappings."""
    if isinstance(thing, Tensor):
        return thing
    if isinstance(thing, Mapping):
        thing = list(thing.values())
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return next((found for part in thing if (found := first_tensor(part)) is not None), None)
    return None


def size_of(batch: Any) -> int:
    """Samples in a batch; 0 where it can't be told."""
    first = first_tensor(batch)
    return int(first.shape[0]) if first is not None and first.ndim else 0


def elements_of(thing: Any) -> int:
    """Numbers in all tensors of a nest."""
    if isinstance(thing, Tensor):
        return thing.numel()
    if isinstance(thing, Mapping):
        return sum(map(elements_of, thing.values()))
    if isinstance(thing, (list, tuple)):
        return sum(map(elements_of, thing))
    return 0


def copied(thing: Any) -> Any:
    """The same nest with its tensors detached and copied; lists become tuples."""
    if isinstance(thing, Tensor):
        return thing.detach().clone()
    if isinstance(thing, Mapping):
        return {key: copied(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return tuple(copied(part) for part in thing)
    return thing


def averaged(thing: Any) -> Any:
    """The same nest with each row of its tensors of numbers replaced by the mean row."""
    if isinstance(thing, Tensor):
        return thing.mean(0, keepdim=True).expand_as(thing) if thing.ndim and thing.is_floating_point() else thing
    if isinstance(thing, Mapping):
        return {key: averaged(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return tuple(averaged(part) for part in thing)
    return thing


def parts_of(batch: Any) -> tuple[Any, Any]:
    """Inputs and target of what a loader gives."""
    if isinstance(batch, tuple) and len(batch) >= 2:
        return batch[0], batch[-1]
    if isinstance(batch, Mapping):
        named = next((batch[k] for k in ("labels", "label", "target", "targets", "y") if k in batch), None)
        return next((v for k, v in batch.items() if v is not named), None), named
    return (batch if isinstance(batch, Tensor) else None), None
