"""Losses that teach a model by the outputs of another."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, Fits, Logit, ManyLoss, PairLoss, Positive, PositiveInt, Real, Reduce, loss, reduce
from lossary.kernels.soft import Distillation

from .output_layer import over_logits

__all__ = [
    "KnowledgeDistillationLoss", "LinearKnowledgeDistillationLoss",
    "knowledge_distillation_loss", "linear_knowledge_distillation_loss",
]  # fmt: skip


@loss(
    Card(
        task=("distillation", "multi-class classification"),
        inputs=[Logit("n c *d | c"), Logit("n c *d | c", constant=True)],
        values="n *d | ",
        claims={"nonnegative", "zero_at_target", "convex", "bounded_gradient", "smooth", "shift_invariant"},
        formula=r"T^2\, \mathrm{KL}\big(\mathrm{softmax}(z^t / T) \,\big\|\, \mathrm{softmax}(z / T)\big)",
        source="arXiv:1503.02531, sec. 2",
        settings=[{"temperature": 1.0}],
        tune={"temperature": (1.0, 2.0, 4.0, 8.0)},
        good_at={"smooth optimisation", "label noise", "many classes"},
        known_as=("KD", "Hinton distillation", "temperature-scaled KD", "soft-target distillation", "DistillationLoss",
                  "Temperature-scaled KD (Hinton)"),
        elsewhere={
            "torchdistill": "KDLoss: multiplied by T^2 only together with a hard loss (alpha); alone it is 1 / T^2 of"
                            " ours",
            "torch": "T**2 * F.kl_div(F.log_softmax(z / T, 1), F.softmax(t / T, 1), reduction='batchmean'), for (n, c)",
        },
    ),
    kernel=Distillation(),
)  # fmt: skip
def knowledge_distillation_loss(
    logits: Tensor, teacher_logits: Tensor, *, temperature: Positive = 4.0, **how: Unpack[Reduce]
) -> Tensor:
    """Divergence of a student's softened probabilities from its teacher's.

    The temperature brings out what the teacher thinks of the wrong classes. The factor T^2 keeps the size of the
    gradient as T changes, so that the share of a hard loss added to this one need not be tuned again; as T grows, the
    loss tends to half the squared difference of the centred logits over the number of classes. The teacher is a
    constant: no gradient flows into it.

    Args:
        logits: The student's scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        teacher_logits: The teacher's, the same shape.
        temperature: What both are divided by before the softmax.

    >>> knowledge_distillation_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]]), temperature=1.0)
    tensor(0.3278)
    """
    axis = min(1, logits.ndim - 1)
    return reduce(_softened_divergence(logits, teacher_logits.detach(), temperature, axis), **how)


class KnowledgeDistillationLoss(PairLoss, of=knowledge_distillation_loss):
    """Module form of :func:`knowledge_distillation_loss`."""

    temperature: Positive = 4.0


@loss(
    Card(
        task=("distillation", "language modelling"),
        inputs=[Real("n d | d"), Real("c d"), Real("n e | e", constant=True), Real("c e", constant=True)],
        values="n | ",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"T^2\, \mathrm{KL}\big(\mathrm{softmax}(z^t / T) \,\big\|\, \mathrm{softmax}(z / T)\big), \quad"
                r" z = W h + b,\ z^t = W^t h^t + b^t",
        source="arXiv:1503.02531, sec. 2; in chunks: arXiv:2410.10989",
        settings=[{"temperature": 1.0},
                  {"linear_bias": torch.linspace(-1.0, 1.0, 7), "teacher_bias": torch.linspace(1.0, 0.0, 7)}],
        sizes={"d": (2,), "e": (3,), "c": (7,)},  # a vocabulary wider than the hidden states, as in life
        tune={"temperature": (1.0, 2.0, 4.0, 8.0)},
        good_at={"memory", "smooth optimisation", "label noise", "many classes"},
        known_as=("fused linear distillation", "chunked knowledge distillation"),
        elsewhere={"Liger": "LigerFusedLinearJSD(jsd_beta=0.0); 1 / T^2 of ours; GPU only"},
    )
)  # fmt: skip
def linear_knowledge_distillation_loss(
    hidden: Tensor,
    linear_weight: Tensor,
    teacher_hidden: Tensor,
    teacher_weight: Tensor,
    *,
    temperature: Positive = 4.0,
    linear_bias: Annotated[Tensor, Fits("c")] | None = None,
    teacher_bias: Annotated[Tensor, Fits("c")] | None = None,
    chunk_size: PositiveInt | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    """Divergence of a student's softened probabilities from its teacher's, of vocabularies too large for their logits.

    Value and gradient are those of :func:`knowledge_distillation_loss` of ``hidden @ linear_weight.T`` and
    ``teacher_hidden @ teacher_weight.T``, to rounding. The rows are taken in chunks, as in
    :func:`lossary.linear_cross_entropy_loss`. The teacher is a constant: no gradient flows into it or its layer.

    Args:
        hidden: The student's hidden states, one row per prediction, ``(n, d)``, or ``(d,)`` for one sample.
        linear_weight: Weight of the student's output layer, ``(c, d)``, for a vocabulary of ``c``.
        teacher_hidden: The teacher's hidden states, ``(n, e)``; they may be wider than the student's.
        teacher_weight: Weight of the teacher's output layer, ``(c, e)``, for the same vocabulary.
        temperature: What both logits are divided by before the softmax.
        linear_bias: Bias of the student's output layer, ``(c,)``.
        teacher_bias: Bias of the teacher's output layer, ``(c,)``.
        chunk_size: Rows per chunk; ``None`` as in :func:`lossary.linear_cross_entropy_loss`.

    >>> layer = torch.tensor([[1.0], [0.0]])
    >>> student, teacher = torch.tensor([[0.0]]), torch.tensor([[2.0]])
    >>> linear_knowledge_distillation_loss(student, layer, teacher, layer, temperature=1.0)
    tensor(0.3278)
    """
    values = over_logits(
        _divergence_from_teacher,
        hidden,
        linear_weight,
        linear_bias,
        teacher_hidden.detach(),
        chunk_size=chunk_size,
        teacher_weight=teacher_weight.detach(),
        teacher_bias=None if teacher_bias is None else teacher_bias.detach(),
        temperature=temperature,
    )
    return reduce(values, **how)


class LinearKnowledgeDistillationLoss(ManyLoss, of=linear_knowledge_distillation_loss):
    """Module form of :func:`linear_knowledge_distillation_loss`; both output layers are given at the call."""

    temperature: Positive = 4.0
    linear_bias: Annotated[Tensor, Fits("c")] | None = None
    teacher_bias: Annotated[Tensor, Fits("c")] | None = None
    chunk_size: PositiveInt | None = None


def _divergence_from_teacher(
    logits: Tensor, teacher_hidden: Tensor, teacher_weight: Tensor, teacher_bias: Tensor | None, temperature: float
) -> Tensor:
    return _softened_divergence(logits, F.linear(teacher_hidden, teacher_weight, teacher_bias), temperature, -1)


def _softened_divergence(logits: Tensor, teacher_logits: Tensor, temperature: float, axis: int) -> Tensor:
    student = torch.log_softmax(logits / temperature, axis)
    teacher = torch.log_softmax(teacher_logits / temperature, axis)
    return temperature**2 * (teacher.exp() * (teacher - student)).sum(axis)
