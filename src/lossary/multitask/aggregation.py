"""Gradients of several tasks made one, through torchjd; and which parameters several tasks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from lossary.core import LossInputError

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator

AggregationName = Literal["pcgrad", "mgda", "cagrad", "nash_mtl", "aligned_mtl", "upgrad"]
"""PCGrad (arXiv:2001.06782), MGDA (arXiv:1810.04650), CAGrad (arXiv:2110.14048), Nash-MTL (arXiv:2202.01017),
Aligned-MTL (arXiv:2305.19000), UPGrad (arXiv:2406.16232). Those that work on products of gradients lose a task whose
gradient is some thousand times smaller than another's to rounding in float32: weigh by "initial" first."""


def aggregator(name: AggregationName, tasks: int) -> Aggregator:
    """The aggregator of that name with its usual settings; for others, give an instance of torchjd's own class.

    Raises:
        LossInputError: for another name, or if a package that it needs is not installed.
    """
    if name not in get_args(AggregationName):
        known = ", ".join(get_args(AggregationName))
        raise LossInputError(f"MultitaskLoss: `aggregation` must be one of {known}, or of torchjd; got {name!r}.")
    try:
        from torchjd import aggregation as of
    except ImportError as error:
        raise LossInputError("MultitaskLoss: `aggregation` needs torchjd; pip install 'lossary[multitask]'.") from error
    make: dict[AggregationName, Callable[[], Aggregator]] = {
        "pcgrad": of.PCGrad,
        "mgda": of.MGDA,
        "cagrad": lambda: of.CAGrad(c=0.5),
        "nash_mtl": lambda: of.NashMTL(n_tasks=tasks),
        "aligned_mtl": of.AlignedMTL,
        "upgrad": of.UPGrad,
    }
    try:
        return make[name]()
    except ImportError as error:
        raise LossInputError(f"MultitaskLoss: `aggregation` {name!r} needs more packages: {error}") from error


def leaves(losses: Iterable[Tensor]) -> list[list[Tensor]]:
    """For each loss the leaves of its graph, which its backward pass would reach, in the order of their first visit."""
    found = []
    for loss in losses:
        seen: set[object] = set()
        own: dict[Tensor, None] = {}
        stack = [loss.grad_fn]
        if loss.grad_fn is None and loss.requires_grad:
            own[loss] = None
        while stack:
            node = stack.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            variable = getattr(node, "variable", None)
            if isinstance(variable, Tensor):
                own[variable] = None
            stack += [parent for parent, _ in node.next_functions]
        found.append(list(own))
    return found


def shared_leaves(losses: Sequence[Tensor], *, apart: Iterable[Tensor] = ()) -> tuple[Tensor, ...]:
    """The leaves that more than one loss depends on, without those in ``apart``."""
    times: dict[Tensor, int] = {}
    for own in leaves(losses):
        for leaf in own:
            times[leaf] = times.get(leaf, 0) + 1
    without = set(apart)
    return tuple(leaf for leaf, count in times.items() if count > 1 and leaf not in without)


def backward(rows: Sequence[Tensor], shared: Sequence[Tensor], aggregate: Aggregator) -> Tensor | None:
    """Add to ``.grad``: of ``shared`` the aggregate of the rows' gradients, of other leaves the gradient of their sum.

    Returns what the aggregator multiplied each row's gradient by, where it works by weights.
    """
    from torchjd.autojac import backward as jacobians
    from torchjd.autojac import jac_to_grad

    chosen = set(shared)
    others = {leaf: None for own in leaves(rows) for leaf in own if leaf not in chosen}
    # One row at a time: torchjd's other way is vmap, which fails behind compiled models and recurrent layers.
    jacobians(list(rows), inputs=list(shared), retain_graph=bool(others), parallel_chunk_size=1)
    weights = jac_to_grad(list(shared), aggregate)
    if others:
        torch.autograd.backward(torch.stack(list(rows)).sum(), inputs=list(others))
    return weights
