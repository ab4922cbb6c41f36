"""Losses that teach a model by the outputs of another."""

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import Card, Logit, PairLoss, Positive, Reduce, loss, reduce

__all__ = ["KnowledgeDistillationLoss", "knowledge_distillation_loss"]


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
    )
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
    student = torch.log_softmax(logits / temperature, axis)
    teacher = torch.log_softmax(teacher_logits.detach() / temperature, axis)
    return reduce(temperature**2 * (teacher.exp() * (teacher - student)).sum(axis), **how)


class KnowledgeDistillationLoss(PairLoss, of=knowledge_distillation_loss):
    """Module form of :func:`knowledge_distillation_loss`."""

    temperature: Positive = 4.0
