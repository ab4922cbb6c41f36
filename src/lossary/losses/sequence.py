"""Losses between sequences whose alignment is not known."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, ClassIndex, Length, LogSimplex, LossInputError, ManyLoss, Reduce, Within, loss, reduce
from lossary.kernels.sequences import Alignments

__all__ = ["CTCLoss", "ctc_loss"]


class Label(ClassIndex):
    """The number of a class other than the first, which is the blank by default."""

    def draw(
        self, shape: tuple[int, ...], sizes: Mapping[str, tuple[int, ...]], generator: torch.Generator, wide: bool
    ) -> Tensor:
        return torch.randint(1, sizes[self.of][0], shape, generator=generator)

    def edges(self, sizes: Mapping[str, tuple[int, ...]], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: edge.clamp(min=1) for name, edge in super().edges(sizes, generator).items()}


@loss(
    Card(
        task=("sequence labelling", "speech recognition"),
        inputs=[LogSimplex("t n c | t c | t n c"), Label("n s | s | s"), Length("n |  | n", of="t"),
                Length("n |  | n", of="s")],
        values="n |  | n",
        claims={"nonnegative", "bounded_gradient", "smooth"},
        formula=r"-\log \sum_{\pi \in B^{-1}(y)} \prod_{t=1}^T q_t(\pi_t)",
        source="doi:10.1145/1143844.1143891, eq. 3 and 5 to 8",
        sizes={"t": (5,)},
        good_at={"alignment"},
        bad_at={"speed"},
        known_as=("CTC", "connectionist temporal classification"),
        elsewhere={
            "torch": 'CTCLoss: "mean" divides each value by its target length first; zero_infinity is False; its'
                     " gradient in log_probs is that in the logits, which is the same through a log_softmax",
            "optax": "ctc_loss: logits (n, t, c) and paddings instead of lengths",
            "keras": "CTC: logits (n, t, c), targets padded with 0",
        },
    ),
    kernel=Alignments(),
)  # fmt: skip
def ctc_loss(
    log_probs: Tensor,
    target: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: Annotated[int, Within(0, whole=True)] = 0,
    zero_infinity: bool = True,
    **how: Unpack[Reduce],
) -> Tensor:
    """Negative log-likelihood of a sequence of labels, summed over all its alignments to a longer input.

    Between labels the model may emit blanks, and repeat a label; two equal labels in a row need a blank between them. A
    target that cannot be aligned, because the input is shorter than its labels and their needed blanks, has the
    probability 0: it counts with a value of 0, or an infinite one if ``zero_infinity`` is False, as it is in
    ``torch.nn`` by default. Its gradient is 0 either way, where that of ``torch.nn`` is NaN.

    The mean is that of the sequences. ``torch.nn`` divides each value by its target's length before the mean, so that
    one label more in a short target costs more than in a long one; ``sample_weight=1 / target_lengths.clamp(min=1),
    denominator=len(target_lengths)`` gives that here. The recursion runs step by step over the time, in plain
    differentiable operations; its gradient is the derivative in ``log_probs``, and can be differentiated again.

    Args:
        log_probs: Logarithms of the class probabilities at each time, time first: ``(t, n, c)``, or ``(t, c)`` for one
            sequence.
        target: Labels other than the blank, ``(n, s)``, where anything may follow the end of a sequence, or ``(s,)``
            with all sequences one after the other.
        input_lengths: How many times of each input count, at least 1, ``(n,)``.
        target_lengths: How many labels each target has, ``(n,)``.
        blank: Class that stands for no label.
        zero_infinity: Whether a target that cannot be aligned counts as 0.

    >>> log_probs = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()  # "a" as aa, -a or a-: 3 of 4 paths
    >>> ctc_loss(log_probs, torch.tensor([1]), torch.tensor(2), torch.tensor(1))
    tensor(0.2877)
    """
    if len(log_probs) == 0:
        raise LossInputError("ctc_loss: `log_probs` must have at least one time, got none.")
    classes = log_probs.shape[-1]
    if blank >= classes:
        raise LossInputError(f"ctc_loss: `blank` must be below {classes}, the number of classes, got {blank}.")
    single = log_probs.ndim == 2
    if single:
        log_probs, target = log_probs.unsqueeze(1), target.unsqueeze(0)
        input_lengths, target_lengths = input_lengths.unsqueeze(0), target_lengths.unsqueeze(0)
    elif target.ndim == 1:
        target = _in_rows(target, target_lengths, min(len(target), len(log_probs)))
    path = _with_blanks(target, target_lengths, blank)
    log_likelihood = _sum_over_paths(log_probs, path, blank, input_lengths, target_lengths)
    impossible = log_likelihood < 0.5 * _NEVER
    values = torch.where(impossible, 0.0 if zero_infinity else torch.inf, -log_likelihood)
    return reduce(values.squeeze(0) if single else values, **how)


class CTCLoss(ManyLoss, of=ctc_loss):
    """Module form of :func:`ctc_loss`."""

    blank: Annotated[int, Within(0, whole=True)] = 0
    zero_infinity: bool = True


_NEVER = -1e30
"""Logarithm of a probability of 0; finite, so that no gradient divides infinity by infinity."""


def _in_rows(labels: Tensor, lengths: Tensor, most: int) -> Tensor:
    """Labels that stand one after the other as ``(n, most)``; what follows the end of a row is arbitrary."""
    at = (lengths.cumsum(0) - lengths).unsqueeze(1) + torch.arange(most, device=labels.device)
    return labels[at.clamp(max=max(0, len(labels) - 1))] if len(labels) else labels.new_zeros(at.shape)


def _with_blanks(target: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """Targets with a blank before, between and after the labels, and nothing but blanks after the end."""
    counted = torch.arange(target.shape[1], device=target.device) < lengths.unsqueeze(1)
    labels = torch.where(counted, target, blank)
    pairs = torch.stack((torch.full_like(labels, blank), labels), -1).flatten(1)
    return F.pad(pairs, (0, 1), value=blank)


def _sum_over_paths(
    log_probs: Tensor, path: Tensor, blank: int, input_lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """Log-likelihood of each target: the forward recursion of the paper, in the log domain."""
    first, *others = log_probs.gather(2, path.expand(len(log_probs), -1, -1)).clamp(min=_NEVER).unbind(0)
    place = torch.arange(path.shape[1], device=path.device)
    # A blank may be skipped between two different labels.
    skips = (path != blank) & (path != F.pad(path[:, :-2], (2, 0), value=blank)[:, : path.shape[1]])
    alpha = torch.where(place < 2, first, _NEVER)
    for t, emitted in enumerate(others, start=1):
        from_last = F.pad(alpha[:, :-1], (1, 0), value=_NEVER)
        from_before = torch.where(skips, F.pad(alpha[:, :-2], (2, 0), value=_NEVER)[:, : path.shape[1]], _NEVER)
        reached = torch.logsumexp(torch.stack((alpha, from_last, from_before)), 0) + emitted
        alpha = torch.where((t < input_lengths).unsqueeze(1), reached.clamp(min=_NEVER), alpha)
    last = 2 * target_lengths.unsqueeze(1)
    ends = (place == last) | (place == last - 1)
    return torch.logsumexp(torch.where(ends, alpha, _NEVER), 1)
