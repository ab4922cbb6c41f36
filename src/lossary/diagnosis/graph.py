"""What the autograd graph of a loss says: operations after the last layer, what is normalised, which leaves it has."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from torch import Tensor

WITH_WEIGHTS = frozenset({
    "Addmm", "Mm", "Bmm", "Baddbmm", "Addmv", "Mv", "Linear", "Convolution", "MkldnnConvolution", "CudnnConvolution",
    "Embedding", "EmbeddingBag", "MkldnnLinear", "MkldnnRnnLayer", "CudnnRnn", "ConvolutionOverrideable",
})  # fmt: skip
"""Operations that carry a layer's weights."""
LINEAR = frozenset({
    "T", "Transpose", "Permute", "View", "Reshape", "UnsafeView", "Expand", "Squeeze", "Unsqueeze", "Select", "Slice",
    "Alias", "ToCopy", "Clone", "Add", "Sub", "Mul", "Neg", "Sum", "Mean", "Cat", "Stack", "Split", "SplitWithSizes",
    "Unbind", "Index", "Gather", "AvgPool2D", "AdaptiveAvgPool2D", "AvgPool1D", "AsStrided", "Mm", "Addmm", "Bmm",
    "Convolution", "MkldnnConvolution", "Linear", "Embedding", "NativeBatchNorm", "NativeDropout", "FusedDropout",
    "ConstantPadNd", "IndexSelect", "Mv", "Addmv", "AccumulateGrad", "Div", "Copy", "CopySlices", "Detach", "Repeat",
})  # fmt: skip
"""Operations that a linear network may consist of; division and multiplication are by constants there."""
FLAT = frozenset({"Round", "Sign", "Floor", "Ceil", "Trunc", "Heaviside", "Sgn", "FloorDivide"})
"""Operations whose gradient is zero wherever it exists."""
DELICATE = frozenset({
    "Log", "Log2", "Log10", "Log1P", "Sqrt", "Div", "Exp", "Expm1", "Pow", "Acos", "Asin", "Reciprocal", "Rsqrt", "Std",
    "Var", "LinalgVectorNorm", "Norm", "Tan", "Atanh", "Digamma", "Lgamma",
})  # fmt: skip
"""Operations that can make infinities of finite numbers, or of their gradients."""
_SHAPES_ONLY = frozenset({
    "T", "Transpose", "Permute", "View", "Reshape", "UnsafeView", "Expand", "Squeeze", "Unsqueeze", "Select", "Slice",
    "Alias", "ToCopy", "Clone",
})  # fmt: skip
_MOST = 20_000


def bare(name: str) -> str:
    """The operation of a node: ``AddmmBackward0`` is of Addmm.

    >>> bare("LogSoftmaxBackward0")
    'LogSoftmax'
    """
    return name.rsplit("::", 1)[-1].split("Backward")[0]


@dataclass(frozen=True)
class GraphFacts:
    """Facts of one graph, walked from the loss to its leaves."""

    head: tuple[str, ...]
    """Names of the operations between the loss and the last layer with weights, the nearest to the loss first."""
    softmax_dims: tuple[tuple[str, int, int], ...]
    """For each softmax in the head: its name, the dimension it runs over, and how many dimensions there are."""
    normalised_twice: bool
    """Whether a softmax or sigmoid feeds another normalisation in the head."""
    weighted: int
    """How many operations carry weights."""
    nonlinear: int
    """How many operations behind the head are nonlinear."""
    flat: tuple[str, ...]
    delicate: tuple[str, ...]
    """Operations in the head that can make infinities of finite numbers."""
    leaves: frozenset[int]
    """Identities of the tensors in which gradients accumulate."""
    differences: tuple[int, ...]
    """Shape of what is squared, or of which the size is taken, in the head; empty where nothing is."""
    whole: bool
    """False where the walk was cut short."""


def facts_of(loss: Tensor) -> GraphFacts | None:
    """Walk the graph of a loss; ``None`` for a loss without one."""
    if loss.grad_fn is None:
        return None
    head: list[str] = []
    dims: list[tuple[str, int, int]] = []
    flat: list[str] = []
    leaves: set[int] = set()
    differences: tuple[int, ...] = ()
    twice, weighted, nonlinear, count = False, 0, 0, 0
    queue: deque[tuple[Any, bool, bool]] = deque([(loss.grad_fn, True, False)])
    seen: set[Any] = set()
    while queue and count < _MOST:
        node, in_head, below_normalisation = queue.popleft()
        if node in seen:
            continue
        seen.add(node)
        count += 1
        name = bare(node.name())
        if name.endswith("AccumulateGrad"):
            leaves.add(id(node.variable))
            continue
        if name in WITH_WEIGHTS and any(each.endswith("AccumulateGrad") for each in _near(node)):
            weighted += 1
            in_head = False
        if in_head:
            head.append(name)
            normalises = name in ("Softmax", "LogSoftmax", "BinaryCrossEntropyWithLogits", "LogSigmoid")
            squashes = name in ("Softmax", "Sigmoid")
            twice = twice or (below_normalisation and squashes)
            if name in ("Pow", "Abs") and not differences:
                differences = _shape_of(node)
            if name in ("Softmax", "LogSoftmax"):
                dims.append((name, _dim_of(node), _ndim_of(node)))
            below_normalisation = normalises or (below_normalisation and _keeps(node, name))
        elif name not in LINEAR:
            nonlinear += 1
        if name in FLAT:
            flat.append(name)
        queue.extend((child, in_head, below_normalisation) for child, _ in node.next_functions if child is not None)
    return GraphFacts(
        head=tuple(head),
        softmax_dims=tuple(dims),
        normalised_twice=twice,
        weighted=weighted,
        nonlinear=nonlinear,
        flat=tuple(flat),
        delicate=tuple(name for name in head if name in DELICATE),
        leaves=frozenset(leaves),
        differences=differences,
        whole=count < _MOST,
    )


def _keeps(node: Any, name: str) -> bool:
    """Whether what comes out of a node is what went in, in another shape, scaled, shifted or cut: not where two things
    that were both computed are joined, as weights and what they weigh."""
    parts = sum(child is not None for child, _ in node.next_functions)
    return parts == 1 and (name in _SHAPES_ONLY or name in ("Mul", "Div", "Add", "Sub", "Clamp"))


def last_operation(output: Tensor) -> str:
    """Name of the operation that made a tensor, past those that only reshape it."""
    node = output.grad_fn
    while node is not None:
        name = bare(node.name())
        children = [child for child, _ in node.next_functions if child is not None]
        if name not in _SHAPES_ONLY or not children:
            return name
        node = children[0]
    return ""


def _near(node: Any) -> list[str]:
    """Names of what feeds a node, past transposes and casts of weights."""
    out = []
    for child, _ in node.next_functions:
        steps = 0
        while child is not None and steps < 3 and bare(child.name()) in _SHAPES_ONLY:
            child = child.next_functions[0][0] if child.next_functions else None
            steps += 1
        if child is not None:
            out.append(bare(child.name()))
    return out


def _dim_of(node: Any) -> int:
    dim = int(getattr(node, "_saved_dim", -1))
    return dim - 2**64 if dim > 2**63 else dim  # a negative number, saved as unsigned


def _shape_of(node: Any) -> tuple[int, ...]:
    try:
        return tuple(node._saved_self.shape)
    except (AttributeError, RuntimeError):  # freed by backward
        return ()


def _ndim_of(node: Any) -> int:
    try:
        return int(node._saved_result.ndim)
    except (AttributeError, RuntimeError):  # freed by backward
        return 0
