"""Losses of language models: over vocabularies so large that their logits should not be stored."""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.func import vjp
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    ClassIndex,
    ClassWeight,
    Fits,
    Fraction,
    Logit,
    Loss,
    LossInputError,
    NonNegative,
    Positive,
    PositiveInt,
    Real,
    Reduce,
    Reduction,
    Simplex,
    SingleLoss,
    When,
    Within,
    align,
    loss,
    reduce,
    reduce_classes,
    require,
)

__all__ = ["LinearCrossEntropyLoss", "ZLoss", "linear_cross_entropy_loss", "sequence_log_probs", "z_loss"]

_OfRows = Callable[[Tensor, Tensor, "Tensor | None", Tensor], Tensor]
"""The values of some rows: of hidden states, weight, bias, target."""


@loss(
    Card(
        task=("language modelling", "multi-class classification"),
        inputs=[Real("n d | d"), Real("c d"), ClassIndex("n | ") | Simplex("n c | c")],
        values="n | ",
        claims={"nonnegative", When("convex", "softcap is None and z_loss_weight == 0"),
                When("bounded_gradient", "z_loss_weight == 0"), "smooth"},
        formula=r"-w_y \log \mathrm{softmax}(z)_y + \lambda \Big(\log \sum_k e^{z_k}\Big)^2, \quad"
                r" z = s \tanh\big((W h + b) / s\big)",
        source="arXiv:2411.09009; z-loss: arXiv:2204.02311, sec. 5; softcap: arXiv:2408.00118, sec. 2",
        settings=[{"label_smoothing": 0.1, "class_weight": torch.linspace(0.5, 2.0, 7)},
                  {"z_loss_weight": 0.1, "softcap": 5.0, "linear_bias": torch.linspace(-1.0, 1.0, 7)}],
        sizes={"d": (2,), "c": (7,)},  # a vocabulary wider than the hidden states, so that rows are taken in parts
        tune={"label_smoothing": (0.0, 0.1), "z_loss_weight": (0.0, 1e-4)},
        good_at={"memory", "many classes", "calibrated probabilities"},
        bad_at={"label noise", "class imbalance", "overconfidence"},
        known_as=("fused linear cross-entropy", "cut cross-entropy", "CCE", "fused / cut linear cross-entropy",
                  "chunked cross-entropy", "chunked-output cross-entropy"),
        elsewhere={
            "torch": "nn.LinearCrossEntropyLoss; the same arguments but for weight, which is class_weight here; "
                     "its chunks (options=) cannot be differentiated twice, mapped or compiled",
            "Liger": "LigerFusedLinearCrossEntropyLoss; z_loss_weight is lse_square_scale; GPU only",
            "cut-cross-entropy": "linear_cross_entropy(e, c, targets); drops gradients below rounding; GPU",
        },
    )
)  # fmt: skip
def linear_cross_entropy_loss(
    hidden: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Annotated[Tensor, Fits("c")] | None = None,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    label_smoothing: Fraction = 0.0,
    z_loss_weight: NonNegative = 0.0,
    softcap: Positive | None = None,
    chunk_size: PositiveInt | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Cross-entropy of the logits of a linear layer, which are never stored whole: hidden states in, loss out.

    The rows are taken in chunks, forward and, recomputed, backward: the memory beyond the inputs is that of one chunk
    of logits. Value and gradient are those of :func:`lossary.cross_entropy_loss` of ``hidden @ linear_weight.T``, to
    rounding. Half precision is computed in float32. Inside ``torch.compile`` the rows are taken at once. It may be
    differentiated twice, though in reverse mode only.

    The mean divides by the total weight of the classes of the targets; where every target is ignored it is 0.

    Args:
        hidden: Hidden states, one row per prediction, ``(n, d)``, or ``(d,)`` for one sample.
        linear_weight: Weight of the output layer, ``(c, d)``, for a vocabulary of ``c``.
        target: Index of the class in [0, c), ``(n,)``, or a probability for each class, ``(n, c)``.
        linear_bias: Bias of the output layer, ``(c,)``.
        class_weight: One weight per class, ``(c,)``; it multiplies the penalty of ``z_loss_weight`` too.
        ignore_index: Rows with this target do not count.
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1].
        z_loss_weight: Weight of the squared log-partition, see :func:`z_loss`; 1e-4 is usual.
        softcap: Bound of the logits, which are squashed by :math:`s \tanh(z / s)`; 30 is usual.
        chunk_size: Rows per chunk; ``None`` for as many as make the logits of a chunk as large as ``hidden``, and for
            256 (or ``d``, if that is less) at the least.

    >>> linear_cross_entropy_loss(torch.tensor([[2.0]]), torch.tensor([[1.0], [0.0]]), torch.tensor([0]))
    tensor(0.1269)
    """
    penalised = isinstance(z_loss_weight, Tensor) or z_loss_weight > 0

    def of_rows(hidden: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Tensor:
        logits = F.linear(hidden, weight, bias)
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        values = F.cross_entropy(logits, target, weight=class_weight, label_smoothing=label_smoothing, reduction="none")
        if not penalised:
            return values
        penalty = z_loss_weight * torch.logsumexp(logits, -1) ** 2
        return values + penalty * _weight_of_target(target, class_weight)

    def values_of(hidden: Tensor, target: Tensor) -> Tensor:
        rows = _chunk_rows(hidden, linear_weight) if chunk_size is None else chunk_size
        if hidden.ndim == 1 or len(hidden) <= rows or torch.compiler.is_compiling():
            return of_rows(hidden, linear_weight, linear_bias, target)
        values: Tensor = _InChunks.apply(  # type: ignore[no-untyped-call]
            hidden, linear_weight, linear_bias, target, of_rows, rows
        )
        return values

    if target.is_floating_point():
        return reduce(values_of(hidden, target), **how)
    return reduce_classes(values_of, hidden, target, class_weight=class_weight, ignore_index=ignore_index, **how)


class LinearCrossEntropyLoss(Loss, of=linear_cross_entropy_loss):
    """Module form of :func:`linear_cross_entropy_loss`; it owns the output layer, as torch's does.

    Where the model has an output layer already, or shares its weight with the embedding, call the function.
    """

    linear_bias: Annotated[Tensor, Fits("c")] | None = None
    class_weight: ClassWeight | None = None
    ignore_index: int = -100
    label_smoothing: Fraction = 0.0
    z_loss_weight: NonNegative = 0.0
    softcap: Positive | None = None
    chunk_size: PositiveInt | None = None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        bias: bool = False,
        class_weight: Tensor | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        z_loss_weight: float = 0.0,
        softcap: float | None = None,
        chunk_size: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        for name, value in (("in_features", in_features), ("num_classes", num_classes)):
            require(Within(1, whole=True), "LinearCrossEntropyLoss", name, value)
        reach = in_features**-0.5  # as nn.Linear begins
        super().__init__(
            linear_bias=nn.Parameter(torch.empty(num_classes).uniform_(-reach, reach)) if bias else None,
            class_weight=class_weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            z_loss_weight=z_loss_weight,
            softcap=softcap,
            chunk_size=chunk_size,
            reduction=reduction,
        )
        self.linear_weight = nn.Parameter(torch.empty(num_classes, in_features).uniform_(-reach, reach))

    def forward(
        self,
        *tensors: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        hidden, target = tensors
        return super().forward(
            hidden, self.linear_weight, target, sample_weight=sample_weight, mask=mask, denominator=denominator
        )


def _chunk_rows(hidden: Tensor, weight: Tensor) -> int:
    """Rows whose logits take about as much memory as all hidden states, but enough to pay for a chunk.

    Each chunk reads the whole weight and adds to the whole of its gradient: ``d`` rows cost as much memory as that, and
    beyond 256 the arithmetic outweighs it.
    """
    classes, features = weight.shape
    alike = -(-hidden.numel() // max(classes, 1))
    return max(1, alike, min(features, 256))


def _weight_of_target(target: Tensor, class_weight: Tensor | None) -> Tensor | float:
    if class_weight is None:
        return 1.0
    return target @ class_weight if target.is_floating_point() else class_weight[target]


_ROWS = (0, 3)
"""Which inputs of ``_InChunks`` have one row per value: hidden states and target."""


class _InChunks(torch.autograd.Function):
    """The values of all rows, computed chunk by chunk; the backward pass computes each chunk again.

    The backward pass is made of differentiable operations, so it may be differentiated, and mapped.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        hidden: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, of_rows: _OfRows, rows: int
    ) -> Tensor:
        chunks = zip(torch.split(hidden, rows), torch.split(target, rows), strict=True)
        return torch.cat([of_rows(h, weight, bias, t) for h, t in chunks])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        hidden, weight, bias, target, ctx.of_rows, ctx.rows = inputs
        ctx.save_for_backward(hidden, weight, bias, target)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = grad_outputs
        hidden, weight, bias, target = ctx.saved_tensors
        wanted = [i for i in range(4) if ctx.needs_input_grad[i]]
        by_row: dict[int, list[Tensor]] = {i: [] for i in wanted if i in _ROWS}
        total: dict[int, Tensor] = {}
        chunks = [torch.split(x, ctx.rows) for x in (hidden, target, upstream)]
        for h, t, u in zip(chunks[0], chunks[1], chunks[2], strict=True):
            inputs = (h, weight, bias, t)

            def of_wanted(*some: Tensor, inputs: tuple[Any, ...] = inputs) -> Tensor:
                given = dict(zip(wanted, some, strict=True))
                values: Tensor = ctx.of_rows(*(given.get(i, x) for i, x in enumerate(inputs)))
                return values

            pull_back = vjp(of_wanted, *(inputs[i] for i in wanted))[1]
            for i, gradient in zip(wanted, pull_back(u), strict=True):
                if i in _ROWS:
                    by_row[i].append(gradient)
                else:
                    total[i] = total[i] + gradient if i in total else gradient
        gradients = {**total, **{i: torch.cat(parts) for i, parts in by_row.items()}}
        return (*(gradients.get(i) for i in range(4)), None, None)


@loss(
    Card(
        task=("language modelling", "multi-class classification"),
        inputs=[Logit("n c *d | c")],
        values="n *d | ",
        claims={"nonnegative", "smooth"},
        formula=r"\Big(\log \sum_k e^{z_k}\Big)^2",
        source="arXiv:2204.02311, sec. 5",
        good_at={"unstable training"},
        known_as=("z-loss", "log-partition penalty", "router z-loss", "MoE router z-loss"),
        elsewhere={
            "cut-cross-entropy": "compute_z_loss of the log-partition; the same mean",
            "ST-MoE": "router z-loss: this, of the logits of the router (arXiv:2202.08906, eq. 5)",
        },
    )
)  # fmt: skip
def z_loss(logits: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Square of the log-partition of the softmax: added with a weight of 1e-4, it keeps logits from drifting away.

    The softmax does not change when one number is added to all logits; this does, and is 0 where they are
    log-probabilities.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.

    >>> z_loss(torch.zeros(1, 2))  # log(2) squared
    tensor(0.4805)
    """
    return reduce(torch.logsumexp(logits, min(1, logits.ndim - 1)) ** 2, **how)


class ZLoss(SingleLoss, of=z_loss):
    """Module form of :func:`z_loss`."""


def sequence_log_probs(logits: Tensor, target: Tensor, mask: Tensor | None = None, *, average: bool = False) -> Tensor:
    """Log-probability of each whole sequence under a language model, as the losses of preferences take it.

    Not a loss. Logits come as language models give them, vocabulary last, and already aligned with the target: for a
    model that predicts the next token, ``sequence_log_probs(logits[:, :-1], tokens[:, 1:], mask[:, 1:])``.

    Args:
        logits: Scores of each token of the vocabulary at each place, ``(n, t, c)``.
        target: Index of the token at each place, ``(n, t)``.
        mask: True where a token belongs to the output, not to prompt or padding, ``(n, t)``. Where it is False, logits
            may be NaN and targets anything.
        average: Whether to divide by the number of tokens, as SimPO and ORPO want.

    Returns:
        One number per sequence, ``(n,)``, in float32 or wider; 0 for a sequence without tokens.

    Raises:
        LossInputError: if the shapes do not fit.

    >>> sequence_log_probs(torch.zeros(1, 3, 2), torch.tensor([[0, 1, 1]]), torch.tensor([[True, True, False]]))
    tensor([-1.3863])
    """
    if logits.ndim != 3 or logits.shape[:2] != target.shape:
        raise LossInputError(
            f"sequence_log_probs: `logits` must be (n, t, c) and `target` (n, t), got {tuple(logits.shape)} and "
            f"{tuple(target.shape)}."
        )
    counted = torch.ones_like(target, dtype=torch.bool) if mask is None else align(mask, target, "mask")
    logits = torch.where(counted.unsqueeze(-1), logits, 0.0)
    log_probs = torch.log_softmax(logits, -1, dtype=torch.promote_types(logits.dtype, torch.float32))
    chosen = log_probs.gather(-1, torch.where(counted, target, 0).unsqueeze(-1)).squeeze(-1)
    total = torch.where(counted, chosen, 0.0).sum(-1)
    return total / counted.sum(-1).clamp(min=1) if average else total
