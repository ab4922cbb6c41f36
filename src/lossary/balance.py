"""Handling imbalance beside the loss: class weights, positive weights, priors, sample weights and balanced samplers.

Targets are whole numbers of classes of any shape, images of classes included, or 0/1 labels ``(n, c)`` where a sample
may have several. A class without samples counts as if it had one, as in the losses that take counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils.data import Sampler

from lossary.core import LossInputError

Scheme = Literal["inverse", "sqrt", "effective_number", "median_frequency"]
Strategy = Literal["over", "under", "sqrt"]


def class_counts(targets: Tensor, *, classes: int | None = None, ignore_index: int | None = None) -> Tensor:
    """How many samples each class has, ``(c,)`` in float32.

    Args:
        targets: Classes as whole numbers, any shape; or labels 0 and 1, ``(n, c)``, in floating point.
        classes: How many classes there are; the largest that occurs, and one more, where not given.
        ignore_index: A number that is no class.

    Raises:
        LossInputError: if a target is no class, or nothing is left to count.

    >>> class_counts(torch.tensor([0, 0, 2, 0]))
    tensor([3., 0., 1.])
    """
    if targets.is_floating_point():
        _check_labels(targets)
        return targets.sum(0).float()
    kept = targets.flatten() if ignore_index is None else targets[targets != ignore_index].flatten()
    if not kept.numel():
        raise LossInputError(f"balance: `targets` must hold at least one class, got shape {tuple(targets.shape)}.")
    low, high = int(kept.min()), int(kept.max())
    if low < 0 or (classes is not None and high >= classes):
        wanted = "at least 0" if classes is None else f"at least 0 and below {classes}"
        raise LossInputError(f"balance: `targets` must be {wanted}, got {low if low < 0 else high}.")
    return torch.bincount(kept, minlength=classes or 0).float()


def class_weights(
    targets: Tensor,
    *,
    scheme: Scheme = "inverse",
    beta: float = 0.999,
    classes: int | None = None,
    ignore_index: int | None = None,
) -> Tensor:
    """A weight for each class, ``(c,)``, for ``class_weight`` of a loss.

    With counts :math:`n_k` of :math:`n` samples in :math:`c` classes:

    - ``"inverse"``: :math:`n / (c n_k)`, so that all classes together weigh the same (scikit-learn's "balanced");
    - ``"sqrt"``: proportional to :math:`n_k^{-1/2}`, half way to it, with a mean of 1 over the samples;
    - ``"effective_number"``: proportional to :math:`(1 - \\beta) / (1 - \\beta^{n_k})`, summing to :math:`c`
      (Cui et al., Class-Balanced Loss Based on Effective Number of Samples, arXiv:1901.05555, eq. 2 and sec. 4.1);
    - ``"median_frequency"``: the median of the frequencies over the frequency (Eigen and Fergus, arXiv:1411.4734,
      sec. 6.3.2), here over all targets alike.

    Args:
        targets: As for :func:`class_counts`.
        scheme: How rare classes gain.
        beta: For "effective_number", at least 0 and below 1; near 1 it is "inverse", at 0 all classes weigh the same.
        classes: As for :func:`class_counts`.
        ignore_index: As for :func:`class_counts`.

    Raises:
        LossInputError: for a scheme that does not exist, a beta out of bounds, or targets that are no classes.

    >>> class_weights(torch.tensor([0, 0, 0, 1]))
    tensor([0.6667, 2.0000])
    """
    if scheme not in get_args(Scheme):
        raise LossInputError(f"balance: `scheme` must be one of {', '.join(get_args(Scheme))}; got {scheme!r}.")
    if not 0 <= beta < 1:
        raise LossInputError(f"balance: `beta` must be at least 0 and below 1, got {beta!r}.")
    counts = class_counts(targets, classes=classes, ignore_index=ignore_index)
    some, total = counts.clamp(min=1.0), counts.sum().clamp(min=1.0)
    if scheme == "inverse":
        return total / (len(counts) * some)
    if scheme == "sqrt":
        weight = some.rsqrt()
        return weight * total / (weight * counts).sum().clamp(min=1e-12)
    if scheme == "effective_number":
        weight = 1.0 / (torch.full_like(some, 1.0) if beta == 0 else -torch.expm1(some * math.log(beta)))
        return weight * len(counts) / weight.sum()
    return some.quantile(0.5) / some


def pos_weight(targets: Tensor) -> Tensor:
    """Negatives per positive of each label: for ``pos_weight`` of a binary cross-entropy.

    Args:
        targets: Labels 0 and 1, ``(n, c)`` for a weight per label, ``(n,)`` for one number.

    Raises:
        LossInputError: for other numbers than 0 and 1.

    >>> pos_weight(torch.tensor([1, 0, 0, 0]))
    tensor(3.)
    """
    _check_labels(targets)
    positives = targets.sum(0).float()
    return (len(targets) - positives).clamp(min=1.0) / positives.clamp(min=1.0)


def class_prior(targets: Tensor, *, classes: int | None = None, ignore_index: int | None = None) -> Tensor:
    """The share of each class, ``(c,)``.

    >>> class_prior(torch.tensor([0, 0, 0, 1]))
    tensor([0.7500, 0.2500])
    """
    counts = class_counts(targets, classes=classes, ignore_index=ignore_index).clamp(min=1.0)
    return counts / counts.sum()


def adjust_logits(logits: Tensor, prior: Tensor, *, tau: float = 1.0) -> Tensor:
    """Logits for classes that shall count alike, of a model that was trained on imbalanced ones.

    Menon et al., Long-tail learning via logit adjustment, arXiv:2007.07314, eq. 9: subtracts ``tau`` times the
    logarithm of the prior.

    Args:
        logits: Scores of the classes, ``(n, c, *d)``.
        prior: Share of each class in the training data, ``(c,)``, as of :func:`class_prior`.
        tau: How far to go; 1 is the balanced error's optimum for a calibrated model.

    Raises:
        LossInputError: if the prior is not one number above 0 for each class.

    >>> adjust_logits(torch.zeros(1, 2), torch.tensor([0.75, 0.25])).argmax(1)
    tensor([1])
    """
    if logits.ndim < 2 or prior.shape != logits.shape[1:2]:
        wanted = tuple(logits.shape[1:2])
        raise LossInputError(f"balance: `prior` must have the shape {wanted} of the classes, got {tuple(prior.shape)}.")
    if not bool((prior > 0).all()):
        raise LossInputError(f"balance: `prior` must be above 0 for each class, got {prior.tolist()}.")
    return logits - tau * prior.log().reshape(-1, *[1] * (logits.ndim - 2))


def cost_weights(targets: Tensor, costs: Tensor | Sequence[float]) -> Tensor:
    """A weight for each sample by what it costs to get its class wrong, with a mean of 1: for ``sample_weight``.

    Args:
        targets: Classes as whole numbers, ``(n, *d)``.
        costs: What an error on each class costs, ``(c,)``; or ``(c, c)``, where row i says what it costs to take
            class i for each class. The weight of a class is then the sum of its row: the costs of all errors on it
            (Elkan, The Foundations of Cost-Sensitive Learning, 2001, has why no single weight is exact beyond two).

    Raises:
        LossInputError: for costs below 0, or of another shape, or targets that they don't cover.

    >>> cost_weights(torch.tensor([0, 1]), [1.0, 3.0])
    tensor([0.5000, 1.5000])
    """
    table = torch.as_tensor(costs, dtype=torch.float32)
    square = table.ndim == 2 and table.shape[0] == table.shape[1]
    if not (table.ndim == 1 or square) or not bool((table >= 0).all()):
        given = tuple(table.shape)
        raise LossInputError(f"balance: `costs` must be of shape (c,) or (c, c) and at least 0, got shape {given}.")
    each = table.fill_diagonal_(0.0).sum(1) if square else table
    class_counts(targets, classes=len(each))  # refuses what is no class
    weight = each[targets]
    return weight / weight.mean().clamp(min=1e-12)


class BalancedSampler(Sampler[int]):
    """Draws samples so that rare classes are seen more often; for ``DataLoader(dataset, sampler=...)``.

    With strategy ``"over"`` each class is drawn as often as the largest, samples of rare ones again and again;
    with ``"under"`` as often as the smallest, without repeats; with ``"sqrt"`` in proportion to the square root of its
    count, the epoch staying as long as the data. Where a sample has several labels, it counts as of its rarest one.

    Under ``"over"`` each sample of a class is drawn equally often but for one, so that an epoch leaves none out.
    Every epoch is another order: call :meth:`set_epoch` before each, as with torch's ``DistributedSampler``; else the
    sampler counts the epochs itself. With ``num_replicas`` each rank gets its own part of the same draw, all of the
    same length.

    >>> sampler = BalancedSampler(torch.tensor([0, 0, 0, 1]), strategy="over", seed=0)
    >>> len(sampler), sorted(sampler)
    (6, [0, 1, 2, 3, 3, 3])
    """

    def __init__(
        self,
        targets: Tensor | Sequence[Any],
        *,
        strategy: Strategy = "over",
        num_samples: int | None = None,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        """
        Args:
            targets: One class per sample, ``(n,)`` whole numbers; or labels 0 and 1, ``(n, c)``.
            strategy: "over", "under" or "sqrt".
            num_samples: Length of an epoch over all ranks, where not what the strategy implies.
            seed: Of the order; the same on all ranks.
            num_replicas: How many processes share an epoch.
            rank: Which of them this is.

        Raises:
            LossInputError: for targets that are neither, an unknown strategy, or a rank that does not exist.
        """
        if strategy not in get_args(Strategy):
            raise LossInputError(
                f"balance: `strategy` must be one of {', '.join(get_args(Strategy))}; got {strategy!r}."
            )
        if not 0 <= rank < num_replicas:
            raise LossInputError(f"balance: `rank` must be at least 0 and below {num_replicas}, got {rank}.")
        if num_samples is not None and num_samples < 1:
            raise LossInputError(f"balance: `num_samples` must be at least 1, got {num_samples}.")
        groups = _groups(torch.as_tensor(targets))
        self.members = [torch.nonzero(groups == k).flatten() for k in torch.unique(groups)]
        sizes = torch.tensor([len(m) for m in self.members], dtype=torch.float64)
        shares = sizes.sqrt() / sizes.sqrt().sum() if strategy == "sqrt" else torch.full_like(sizes, 1 / len(sizes))
        implied = {"over": sizes.max() * len(sizes), "under": sizes.min() * len(sizes), "sqrt": sizes.sum()}[strategy]
        self.total = num_samples or int(implied)
        self.quotas = _apportion(shares, self.total)
        self.seed, self.num_replicas, self.rank, self.epoch = seed, num_replicas, rank, 0

    def __len__(self) -> int:
        return math.ceil(self.total / self.num_replicas)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is: the same on all ranks."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        self.epoch += 1
        drawn = torch.cat([_again(m, quota, generator) for m, quota in zip(self.members, self.quotas, strict=True)])
        drawn = drawn[torch.randperm(len(drawn), generator=generator)]
        short = len(self) * self.num_replicas - len(drawn)
        drawn = torch.cat([drawn, drawn[:short]])  # so that all ranks take the same number of steps
        return iter(drawn[self.rank :: self.num_replicas].tolist())


def _groups(targets: Tensor) -> Tensor:
    """One class per sample: its own, or the rarest of its labels; samples without a label are a class of their own."""
    if targets.ndim == 1 and not targets.is_floating_point() and len(targets):
        return targets
    if targets.ndim == 2 and len(targets):
        _check_labels(targets)
        labels = targets.bool()
        rarity = torch.where(labels, labels.sum(0), len(targets) + 1)
        return torch.where(labels.any(1), rarity.argmin(1), targets.shape[1])
    raise LossInputError(
        "balance: `targets` must be classes (n,) or labels (n, c) of at least one sample, "
        f"got {targets.dtype} of shape {tuple(targets.shape)}."
    )


def _check_labels(targets: Tensor) -> None:
    if not bool(((targets == 0) | (targets == 1)).all()) or not targets.ndim or not len(targets):
        raise LossInputError(f"balance: `targets` must be labels 0 and 1, got {targets.flatten()[:5].tolist()}...")


def _apportion(shares: Tensor, total: int) -> list[int]:
    """Whole numbers in these shares that add up to ``total``: what is left over goes to the largest remainders."""
    exact = shares * total
    whole = exact.floor().long()
    for k in (exact - whole).argsort(descending=True)[: total - int(whole.sum())]:
        whole[k] += 1
    return whole.tolist()


def _again(members: Tensor, quota: int, generator: torch.Generator) -> Tensor:
    """``quota`` of ``members``, each as often as any other but for one."""
    rounds = math.ceil(quota / len(members))
    orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
    return torch.cat(orders)[:quota] if orders else members[:0]
