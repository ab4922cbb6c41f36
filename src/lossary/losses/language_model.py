"""Losses of language models: over vocabularies so large that their logits should not be stored."""

from contextlib import nullcontext
from typing import Annotated

import torch
from torch import Tensor, nn
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
    Optional,
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

from .imbalance.focal import faded_share
from .output_layer import over_logits

__all__ = [
    "LinearCrossEntropyLoss", "ZLoss", "linear_cross_entropy_loss", "linear_log_probs", "sequence_log_probs", "z_loss",
]  # fmt: skip


@loss(
    Card(
        task=("language modelling", "multi-class classification"),
        inputs=[Real("n d | d"), Real("c d"), ClassIndex("n | ") | Simplex("n c | c")],
        values="n | ",
        claims={"nonnegative", When("convex", "softcap is None and z_loss_weight == 0 and gamma == 0"),
                When("bounded_gradient", "z_loss_weight == 0"), "smooth"},
        formula=r"-w_y (1 - p_y)^\gamma \log p_y + \lambda w_y \Big(\log \sum_k e^{z_k}\Big)^2, \quad"
                r" p = \mathrm{softmax}(z),\ z = s \tanh\big((W h + b) / s\big)",
        source="arXiv:2411.09009; z-loss: arXiv:2204.02311, sec. 5; softcap: arXiv:2408.00118, sec. 2; "
               "gamma: arXiv:1708.02002, eq. 4",
        settings=[{"label_smoothing": 0.1, "class_weight": torch.linspace(0.5, 2.0, 7)},
                  {"z_loss_weight": 0.1, "softcap": 5.0, "linear_bias": torch.linspace(-1.0, 1.0, 7)},
                  {"gamma": 2.0}, {"gamma": 0.5, "label_smoothing": 0.1}],
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
    gamma: NonNegative = 0.0,
    z_loss_weight: NonNegative = 0.0,
    softcap: Positive | None = None,
    chunk_size: PositiveInt | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Cross-entropy of the logits of a linear layer, which are never stored whole: hidden states in, loss out.

    The rows are taken in chunks, forward and, recomputed, backward: the memory beyond the inputs and their gradients is
    that of a few chunks of logits. Value and gradient are those of :func:`lossary.cross_entropy_loss` of
    ``hidden @ linear_weight.T``, to rounding; with ``gamma``, those of :func:`lossary.softmax_focal_loss`. Half
    precision is computed in float32. Inside ``torch.compile`` and ``torch.func``, and for a second derivative, the rows
    are taken at once.

    The mean divides by the total weight of the classes of the targets; where every target is ignored it is 0.

    Args:
        hidden: Hidden states, one row per prediction, ``(n, d)``, or ``(d,)`` for one sample.
        linear_weight: Weight of the output layer, ``(c, d)``, for a vocabulary of ``c``.
        target: Index of the class in [0, c), ``(n,)``, or a probability for each class, ``(n, c)``.
        linear_bias: Bias of the output layer, ``(c,)``.
        class_weight: One weight per class, ``(c,)``; it multiplies the penalty of ``z_loss_weight`` too.
        ignore_index: Rows with this target do not count.
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1].
        gamma: How fast the cross-entropy fades as its class becomes clear; each class by its own probability, where the
            target has several.
        z_loss_weight: Weight of the squared log-partition, see :func:`z_loss`; 1e-4 is usual.
        softcap: Bound of the logits, which are squashed by :math:`s \tanh(z / s)`; 30 is usual.
        chunk_size: Rows per chunk; ``None`` for as many as make the logits of a chunk as large as ``hidden``, and for
            256 (or ``d``, if that is less) at the least.

    >>> linear_cross_entropy_loss(torch.tensor([[2.0]]), torch.tensor([[1.0], [0.0]]), torch.tensor([0]))
    tensor(0.1269)
    """

    def values_of(hidden: Tensor, target: Tensor) -> Tensor:
        return over_logits(
            _cross_entropy,
            hidden,
            linear_weight,
            linear_bias,
            target,
            chunk_size=chunk_size,
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            gamma=gamma,
            z_loss_weight=z_loss_weight,
            softcap=softcap,
        )

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
    gamma: NonNegative = 0.0
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
        gamma: float = 0.0,
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
            gamma=gamma,
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


def _cross_entropy(
    logits: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    label_smoothing: float,
    gamma: float,
    z_loss_weight: float,
    softcap: float | None,
) -> Tensor:
    logits = _capped(logits, softcap)
    if _is_on(gamma):
        values = _focal(logits, target, class_weight, label_smoothing, gamma)
    else:
        values = F.cross_entropy(logits, target, weight=class_weight, label_smoothing=label_smoothing, reduction="none")
    if not _is_on(z_loss_weight):
        return values
    penalty = z_loss_weight * torch.logsumexp(logits, -1) ** 2
    return values + penalty * _weight_of_target(target, class_weight)


def _focal(logits: Tensor, target: Tensor, class_weight: Tensor | None, label_smoothing: float, gamma: float) -> Tensor:
    soft = target.is_floating_point()
    if not soft and not _is_on(label_smoothing):  # the one class that counts is enough
        nll = F.cross_entropy(logits, target, reduction="none")
        return faded_share(nll, gamma) * nll * _weight_of_target(target, class_weight)
    nll = -torch.log_softmax(logits, -1)
    each = faded_share(nll, gamma) * nll * (1.0 if class_weight is None else class_weight)
    own = (target * each).sum(-1) if soft else each.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return (1.0 - label_smoothing) * own + label_smoothing * each.mean(-1)


def _capped(logits: Tensor, softcap: float | None) -> Tensor:
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


def _is_on(hyperparameter: float | Tensor) -> bool:
    """Whether it is above 0; a tensor, which may be learned and is not read, counts as if it were."""
    return isinstance(hyperparameter, Tensor) or hyperparameter > 0


def _weight_of_target(target: Tensor, class_weight: Tensor | None) -> Tensor | float:
    if class_weight is None:
        return 1.0
    return target @ class_weight if target.is_floating_point() else class_weight[target]


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


def linear_log_probs(
    hidden: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    *,
    linear_bias: Tensor | None = None,
    softcap: float | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    """Log-probability of each target under the logits of a linear layer, which are never stored whole.

    Not a loss: it makes, with their gradients, what :func:`lossary.dpo_loss` and the other losses of preferences, or
    :func:`lossary.ppo_clip_loss` and the other losses of policies, take. Those of preferences take one number per
    sequence, as :func:`sequence_log_probs` gives it: the sum of these over the last dimension, or, for an average, that
    over ``mask.sum(-1)``. Memory and second derivatives are those of :func:`linear_cross_entropy_loss`; autocast is
    off inside.

    Args:
        hidden: Hidden states, ``(*n, d)``, aligned with the target: for a model that predicts the next token,
            ``hidden[:, :-1]`` with ``tokens[:, 1:]``.
        linear_weight: Weight of the output layer, ``(c, d)``, for a vocabulary of ``c``.
        target: Index of the token at each place, ``(*n)``.
        mask: True where a token counts, ``(*n)`` or its leading dimensions. Where it is False the result is 0, and
            hidden states may be NaN and targets anything.
        linear_bias: Bias of the output layer, ``(c,)``.
        softcap: Bound of the logits, as in :func:`linear_cross_entropy_loss`.
        chunk_size: Rows per chunk, as there.

    Returns:
        One number per target, ``(*n)``, in float32 or wider.

    Raises:
        LossInputError: if the shapes or types do not fit, or ``softcap`` or ``chunk_size`` is not above 0.

    >>> linear_log_probs(torch.tensor([[2.0]]), torch.tensor([[1.0], [0.0]]), torch.tensor([0]))
    tensor([-0.1269])
    """
    _refuse_what_does_not_fit(hidden, linear_weight, target, linear_bias)
    require(Optional(Within(0.0, above=True)), "linear_log_probs", "softcap", softcap)
    require(Optional(Within(1, whole=True)), "linear_log_probs", "chunk_size", chunk_size)
    counted = None if mask is None else align(mask, target, "mask")
    if counted is not None:
        hidden, target = torch.where(counted.unsqueeze(-1), hidden, 0.0), torch.where(counted, target, 0)
    wide = torch.promote_types(torch.promote_types(hidden.dtype, linear_weight.dtype), torch.float32)
    device = hidden.device.type
    autocast = device != "meta" and torch.is_autocast_enabled(device)
    with torch.autocast(device, enabled=False) if autocast else nullcontext():
        chosen = over_logits(
            _log_prob,
            hidden.to(wide).reshape(-1, hidden.shape[-1]),
            linear_weight.to(wide),
            None if linear_bias is None else linear_bias.to(wide),
            target.reshape(-1),
            chunk_size=chunk_size,
            softcap=softcap,
        ).reshape(target.shape)
    return chosen if counted is None else torch.where(counted, chosen, 0.0)


def _refuse_what_does_not_fit(hidden: Tensor, weight: Tensor, target: Tensor, bias: Tensor | None) -> None:
    fits = hidden.shape[:-1] == target.shape and hidden.ndim == target.ndim + 1
    if not fits or weight.ndim != 2 or weight.shape[1] != hidden.shape[-1]:
        raise LossInputError(
            "linear_log_probs: `hidden` must be (*n, d), `linear_weight` (c, d) and `target` (*n), got "
            f"{tuple(hidden.shape)}, {tuple(weight.shape)} and {tuple(target.shape)}."
        )
    if target.is_floating_point():
        raise LossInputError(f"linear_log_probs: `target` must be indices of tokens, got {target.dtype}.")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise LossInputError(
            f"linear_log_probs: `linear_bias` must be ({len(weight)},), one for each row of `linear_weight`, got "
            f"{tuple(bias.shape)}."
        )


def _log_prob(logits: Tensor, target: Tensor, softcap: float | None) -> Tensor:
    return -F.cross_entropy(_capped(logits, softcap), target, reduction="none")
