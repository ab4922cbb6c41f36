"""Losses that predict from one view of a sample what is made of another, which is held constant."""

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    Embedding,
    Logit,
    Loss,
    PairLoss,
    Positive,
    PositiveInt,
    Real,
    Reduce,
    Reduction,
    Score,
    Weighted,
    Within,
    loss,
    reduce,
)
from lossary.core.constraints import require
from lossary.core.module import Call
from lossary.kernels import Element
from lossary.kernels.vectors import Vectors

from ..metric_learning.similarity import cosine

__all__ = [
    "DINOLoss", "NegativeCosineLoss", "SwAVLoss", "dino_loss", "negative_cosine_loss", "swav_loss",
]  # fmt: skip


def _negative(cosine: Element, _: Element) -> tuple[Element, Element]:
    return -cosine, -1.0


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Embedding("*n d"), Embedding("*n d", constant=True)],
        values="*n",
        claims={"scale_invariant"},
        formula=r"-\cos(p, \mathrm{sg}(z))",
        source="arXiv:2011.10566, eq. 1 and 3",
        good_at={"small batches", "memory"},
        bad_at={"mode collapse"},
        known_as=("negative cosine", "negative cosine (BYOL / SimSiam)", "BYOL", "SimSiam"),
        elsewhere={
            "lightly": "NegativeCosineSimilarity; the same, without stopping the gradient of the target",
            "BYOL": "2 - 2 cos, which is 2 more than twice this (arXiv:2006.07733, eq. 2)",
        },
    ),
    kernel=Vectors(_negative, of="direction", wrt=(0,)),
)
def negative_cosine_loss(prediction: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Turns the prediction from one view to the direction of the other view's embedding, which gets no gradient.

    From -1 at one direction to 1 at the opposite one; 0 with a zero vector, which gets no gradient either. For the
    symmetric loss of both papers, take the mean of both directions.

    Args:
        prediction: What the predictor makes of one view, ``(*n, d)``.
        target: The embedding of the other view, the same shape; held constant.

    >>> negative_cosine_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor(-0.6000)
    """
    return reduce(-cosine(prediction, target.detach()), **how)


class NegativeCosineLoss(PairLoss, of=negative_cosine_loss):
    """Module form of :func:`negative_cosine_loss`."""


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Score("n k"), Score("n k", constant=True)],
        values="n",
        samples="interacting",
        claims={"nonnegative", "convex", "smooth", "bounded_gradient", "shift_invariant", "permutation_invariant"},
        formula=r"-\sum_k q_k \log \frac{e^{s_k / \tau}}{\sum_l e^{s_l / \tau}},\quad"
                r" q = \mathrm{Sinkhorn}\big(e^{s' / \varepsilon}\big)",
        source="arXiv:2006.09882, eq. 2 and 3",
        settings=[{"temperature": 0.5, "sinkhorn_epsilon": 0.2, "sinkhorn_iterations": 1}],
        tune={"temperature": (0.1, 0.2), "sinkhorn_epsilon": (0.03, 0.05)},
        good_at={"mode collapse", "memory"},
        bad_at={"small batches"},
        known_as=("SwAV", "swapped prediction"),
        elsewhere={
            "lightly": "SwaVLoss; takes lists of views and averages over their pairs; its Sinkhorn overflows in float32"
            " from scores of 4.5 on",
        },
    )
)  # fmt: skip
def swav_loss(
    scores: Tensor,
    target: Tensor,
    *,
    temperature: Positive = 0.1,
    sinkhorn_epsilon: Positive = 0.05,
    sinkhorn_iterations: PositiveInt = 3,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Predicts from one view of a sample to which prototypes its other view is assigned.

    The assignment spreads the batch evenly over the prototypes, by a fixed number of Sinkhorn iterations, and is held
    constant. The scores are the cosines of the embeddings with the prototypes, which are a layer of the model. For the
    loss of the paper, add the loss with the two views swapped.

    Args:
        scores: Scores of one view against each prototype, ``(n, k)``.
        target: Scores of the other view, the same shape; held constant.
        temperature: What ``scores`` are divided by before the softmax.
        sinkhorn_epsilon: What ``target`` is divided by; the smaller it is, the harder the assignment.
        sinkhorn_iterations: How often prototypes and then samples are brought to equal shares.
        mask: True where a sample takes part, ``(n,)``.

    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> swav_loss(x, 1000 * x, temperature=1.0)  # each to a prototype of its own: log(1 + exp(0 - 1))
    tensor(0.3133)
    """
    assignment = _sinkhorn(target.detach() / sinkhorn_epsilon, sinkhorn_iterations, mask)
    return reduce(-(assignment * F.log_softmax(scores / temperature, 1)).sum(1), mask=mask, **how)


class SwAVLoss(PairLoss, of=swav_loss):
    """Module form of :func:`swav_loss`."""

    temperature: Positive = 0.1
    sinkhorn_epsilon: Positive = 0.05
    sinkhorn_iterations: PositiveInt = 3


@loss(
    Card(
        task="self-supervised learning",
        inputs=[Logit("n k"), Logit("n k", constant=True), Real("k", constant=True)],
        values="n",
        claims={"nonnegative", "convex", "smooth", "bounded_gradient", "shift_invariant"},
        formula=r"-\sum_k t_k \log \frac{e^{z_k / \tau_s}}{\sum_l e^{z_l / \tau_s}},\quad"
                r" t = \mathrm{softmax}\Big(\frac{z' - c}{\tau_t}\Big)",
        source="arXiv:2104.14294, eq. 1, 2 and 4",
        settings=[{"temperature": 0.5, "teacher_temperature": 0.2}],
        tune={"teacher_temperature": (0.04, 0.07)},
        good_at={"mode collapse", "memory", "small batches"},
        known_as=("DINO", "self-distillation with no labels"),
        elsewhere={
            "lightly": "DINOLoss(output_dim, teacher_temp, student_temp); takes lists of views, averages over the pairs"
            " of different views, and moves its centre at every call",
        },
    )
)  # fmt: skip
def dino_loss(
    logits: Tensor,
    target: Tensor,
    center: Tensor,
    *,
    temperature: Positive = 0.1,
    teacher_temperature: Positive = 0.04,
    **how: Unpack[Reduce],
) -> Tensor:
    """Cross-entropy of a student's view with a teacher's other view, which is centred and sharpened.

    Of one view each: the paper adds it up over the pairs of different views, and its authors' code takes the mean.

    Args:
        logits: What the student makes of one view, ``(n, k)``.
        target: What the teacher makes of another view, the same shape; held constant.
        center: The running mean of what the teacher makes, ``(k,)``; held constant. :class:`DINOLoss` owns it.
        temperature: What the student's logits are divided by.
        teacher_temperature: What the teacher's are divided by; the lower it is, the sharper they are.

    >>> z, zero = torch.tensor([[1.0, 0.0]]), torch.zeros(2)
    >>> dino_loss(z, 1000 * z, zero, temperature=1.0)  # log(1 + exp(0 - 1))
    tensor(0.3133)
    """
    probs = F.softmax((target.detach() - center.detach()) / teacher_temperature, 1)
    return reduce(-(probs * F.log_softmax(logits / temperature, 1)).sum(1), **how)


class DINOLoss(Loss, of=dino_loss):
    """Module form of :func:`dino_loss`, with its centre: a buffer ``(num_prototypes,)`` that begins at 0.

    The loss leaves the centre alone: call :meth:`update_center` once per step, with the logits of all teacher views.
    """

    temperature: Positive = 0.1
    teacher_temperature: Positive = 0.04

    def __init__(
        self,
        num_prototypes: int,
        *,
        temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        reduction: Reduction = "mean",
    ) -> None:
        require(Within(1, whole=True), "DINOLoss", "num_prototypes", num_prototypes)
        super().__init__(temperature=temperature, teacher_temperature=teacher_temperature, reduction=reduction)
        self.center: Tensor
        self.register_buffer("center", torch.zeros(num_prototypes))

    def forward(self, *tensors: Tensor, **call: Unpack[Call]) -> Tensor:
        return super().forward(*tensors, self.center, **call)

    @torch.no_grad()
    def update_center(self, target: Tensor, *, momentum: float = 0.9) -> None:
        """Move the centre to the mean of ``target``, the teacher's logits ``(*n, num_prototypes)`` (eq. 4).

        ``momentum``, in [0, 1], is what stays of the old centre.
        """
        require(Within(0.0, 1.0), "DINOLoss.update_center", "momentum", momentum)
        mean = target.reshape(-1, len(self.center)).mean(0)
        self.center.lerp_(mean.to(self.center), 1.0 - momentum)


def _sinkhorn(scores: Tensor, iterations: int, mask: Tensor | None) -> Tensor:
    """Assignments of the samples to the prototypes, rows that sum to 1; logarithms, for scores of any size."""
    # Where nothing takes part, all do: the result is dropped, but must be finite.
    here = torch.ones(len(scores), dtype=torch.bool, device=scores.device) if mask is None else mask | ~mask.any()
    for _ in range(iterations):
        scores = scores - torch.where(here.unsqueeze(1), scores, -torch.inf).logsumexp(0)
        scores = scores - scores.logsumexp(1, keepdim=True)
    return scores.exp()
