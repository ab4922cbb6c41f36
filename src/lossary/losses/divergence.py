"""Losses between two distributions: of class probabilities, or of clouds of points."""

import math
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import Unpack

from lossary.core import (
    Card,
    Embedding,
    LogSimplex,
    LossInputError,
    OpenFraction,
    PairLoss,
    Positive,
    PositiveInt,
    Reduce,
    Simplex,
    When,
    loss,
    reduce,
)
from lossary.kernels import Element, exp, log, maximum, where
from lossary.kernels.soft import SummedOverClasses

from .clouds import KernelMean, distances, squares

__all__ = [
    "JensenShannonLoss", "KLDivLoss", "MMDLoss", "SinkhornDivergenceLoss",
    "jensen_shannon_loss", "kl_div_loss", "mmd_loss", "sinkhorn_divergence_loss",
]  # fmt: skip


def _kl_div(log_q: Element, target: Element, log_target: Element) -> tuple[Element, Element]:
    p = where(log_target > 0.0, exp(target), target)
    log_p = where(log_target > 0.0, target, log(maximum(target, _TINY)))
    return where(p == 0.0, 0.0, p * (log_p - log_q)), -p


_TINY = torch.finfo(torch.float32).tiny


@loss(
    Card(
        task=("distribution matching", "multi-class classification"),
        inputs=[LogSimplex("n c *d | c"), Simplex("n c *d | c")],
        values="n *d | ",
        claims={When("nonnegative", "not log_target"), When("zero_at_target", "not log_target"), "convex", "smooth",
                "bounded_gradient"},
        formula=r"\sum_k t_k (\log t_k - \log q_k)",
        source="doi:10.1214/aoms/1177729694",
        settings=[{"log_target": True}],
        good_at={"calibrated probabilities", "smooth optimisation"},
        bad_at={"label noise"},
        known_as=("KL divergence", "Kullback-Leibler divergence", "relative entropy", "forward KL", "KLD",
                  "KL divergence (forward; logits/probs)"),
        elsewhere={
            "torch": 'KLDivLoss: "none" gives a value per class and "mean" divides by their number, 1/c of ours; for'
                     ' (n, c) its "batchmean" is our "mean"; 0 log 0 where the prediction is 0 too gives NaN',
            "keras": "KLDivergence: of probabilities, clipped to [1e-7, 1], target first",
            "optax": "kl_divergence: the same, over the last axis",
            "kornia": "kl_div_loss_2d: of probabilities over height and width, one value per channel",
        },
    ),
    kernel=SummedOverClasses(_kl_div),
)  # fmt: skip
def kl_div_loss(log_probs: Tensor, target: Tensor, *, log_target: bool = False, **how: Unpack[Reduce]) -> Tensor:
    """Kullback-Leibler divergence of the prediction from the target: what it costs to code the target by it, in nats.

    One value per distribution, summed over the classes, and "mean" averages these: it is the mean divergence, where
    ``torch.nn`` divides by the number of classes too. A class of probability 0 in the target costs nothing, whatever is
    predicted. A class that the prediction excludes (``-inf``) and the target does not costs infinitely much. The
    gradient in a target probability of 0, in truth infinite, is large and finite.

    Args:
        log_probs: Logarithms of the predicted probabilities, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Probabilities of the classes, the shape of ``log_probs``.
        log_target: Whether ``target`` holds logarithms of probabilities.

    >>> kl_div_loss(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    probs, log_of_probs = (target.exp(), target) if log_target else (target, _log(target))
    absent = probs == 0
    terms = probs * (torch.where(absent, _log(probs), log_of_probs) - torch.where(absent, 0.0, log_probs))
    return reduce(terms.sum(_class_axis(log_probs)), **how)


class KLDivLoss(PairLoss, of=kl_div_loss):
    """Module form of :func:`kl_div_loss`."""

    log_target: bool = False


@loss(
    Card(
        task=("distribution matching", "multi-class classification"),
        inputs=[LogSimplex("n c *d | c"), Simplex("n c *d | c")],
        values="n *d | ",
        claims={"nonnegative", "at_most_one", "zero_at_target", "bounded_gradient", "smooth"},
        formula=r"\beta\, \mathrm{KL}(t \,\|\, m) + (1 - \beta)\, \mathrm{KL}(q \,\|\, m), \quad m = \beta t +"
                r" (1 - \beta) q",
        source="doi:10.1109/18.61115, eq. 4.1",
        settings=[{"beta": 0.1}, {"beta": 0.9}],
        tune={"beta": (0.1, 0.5, 0.9)},
        good_at={"label noise", "smooth optimisation"},
        bad_at={"vanishing gradient"},
        known_as=("Jensen-Shannon", "JSD", "Jensen-Shannon divergence", "generalised Jensen-Shannon",
                  "Jensen-Shannon / generalized JSD"),
        elsewhere={
            "kornia": "js_div_loss_2d: beta=0.5, of probabilities over height and width, one value per channel",
            "torchmetrics": "JensenShannonDivergence: beta=0.5",
            "TRL, Liger": "generalized_jsd_loss, LigerJSD: the same beta, but for 0 and 1, where they are the two KLs",
        },
    )
)  # fmt: skip
def jensen_shannon_loss(
    log_probs: Tensor, target: Tensor, *, beta: OpenFraction = 0.5, **how: Unpack[Reduce]
) -> Tensor:
    """Jensen-Shannon divergence: how far prediction and target lie from their mixture. Bounded, so robust to noise.

    At most the entropy of ``(beta, 1 - beta)``, which is 0.6931 or less. Near 0, ``beta`` makes it ``beta`` times the
    divergence of :func:`kl_div_loss`; near 1, the reverse one times ``1 - beta``. Probabilities of 0 on either side
    cost a finite amount. The gradient in a target probability of 0, in truth infinite, is large and finite.

    Args:
        log_probs: Logarithms of the predicted probabilities, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Probabilities of the classes, the shape of ``log_probs``.
        beta: Share of the target in the mixture, in (0, 1).

    >>> jensen_shannon_loss(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]))
    tensor(0.2158)
    """
    lowest = math.log(torch.finfo(log_probs.dtype).tiny)  # stands for the -inf of a probability of 0
    log_q, log_t = log_probs.clamp(min=lowest), _log(target)
    log_m = torch.logsumexp(torch.stack((math.log(beta) + log_t, math.log1p(-beta) + log_q)), 0)
    terms = beta * target * (log_t - log_m) + (1.0 - beta) * log_q.exp() * (log_q - log_m)
    return reduce(terms.sum(_class_axis(log_probs)), **how)


class JensenShannonLoss(PairLoss, of=jensen_shannon_loss):
    """Module form of :func:`jensen_shannon_loss`."""

    beta: OpenFraction = 0.5


@loss(
    Card(
        task=("distribution matching", "point clouds", "domain adaptation"),
        inputs=[Embedding("n m d | m d"), Embedding("n k d | k d")],
        values="n | ",
        claims={"zero_at_target", "symmetric"},
        formula=r"\mathrm{OT}_\varepsilon(\alpha, \beta) - \tfrac12 \mathrm{OT}_\varepsilon(\alpha, \alpha)"
                r" - \tfrac12 \mathrm{OT}_\varepsilon(\beta, \beta), \quad \varepsilon = \mathrm{blur}^p",
        source="arXiv:1810.08278, eq. 3",
        settings=[{"p": 1, "iterations": 10}, {"blur": 0.5, "iterations": 10}],
        sizes={"m": (3,), "k": (3,), "d": (2,)},
        tune={"blur": (0.01, 0.05, 0.1, 0.5)},
        good_at={"distribution shift", "mode collapse"},
        bad_at={"speed", "memory"},
        known_as=("Sinkhorn divergence", "Sinkhorn", "debiased entropic optimal transport", "Sinkhorn loss"),
        elsewhere={
            "geomloss": 'SamplesLoss("sinkhorn", p, blur): the same up to its own stopping rule (scaling)',
            "POT": "empirical_sinkhorn_divergence: only the transport part, without the entropic one, of the square and"
                   " not its half; cut off at 0",
        },
    )
)  # fmt: skip
def sinkhorn_divergence_loss(
    points: Tensor,
    target: Tensor,
    *,
    p: Literal[1, 2] = 2,
    blur: Positive = 0.05,
    iterations: PositiveInt = 50,
    weight: Tensor | None = None,
    target_weight: Tensor | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    """Optimal transport between two clouds of points, smoothed, less what the smoothing alone would cost.

    Its gradient moves each point towards the points it is matched with. One value per pair of clouds, in units of the
    points to the power ``p``. Differences smaller than ``blur`` are matched softly: as it goes to 0 the loss becomes
    optimal transport, as it grows a distance between means (p = 2). Sinkhorn's iterations run a fixed number of times
    in the log domain, with a smoothing that shrinks from the mean cost to ``blur``, and the gradient goes through all
    of them: memory grows with their number, and the error with the size of the clouds over ``blur``. At the defaults it
    is about 0.5% between Gaussian clouds of variance 1. Two clouds of the same points in the same order give exactly 0;
    before convergence others may give slightly less.

    Args:
        points: Points, ``(n, m, d)`` for n clouds of m points, or ``(m, d)`` for one.
        target: Points to match, ``(n, k, d)`` or ``(k, d)``.
        p: The cost of a move: the distance (1), or half its square (2).
        blur: Distance up to which points are not told apart, in units of the points.
        iterations: How many times the potentials are updated.
        weight: Mass of each point, at least 0, ``(n, m)`` or ``(m,)``; equal if ``None``. Each cloud's mass is brought
            to 1.
        target_weight: Mass of each target point, ``(n, k)`` or ``(k,)``.

    >>> sinkhorn_divergence_loss(torch.zeros(1, 1, 2), torch.tensor([[[3.0, 4.0]]]))  # half of 5 squared
    tensor(12.5000)
    """
    log_a, log_b = _log_mass(weight, points, "weight"), _log_mass(target_weight, target, "target_weight")

    def transport(x: Tensor, y: Tensor, log_a: Tensor, log_b: Tensor | None) -> Tensor:
        cost = squares(x, y) / 2 if p == 2 else distances(x, y)
        return _entropic_transport(cost, log_a, log_b, blur**p, iterations)

    across = transport(points, target, log_a, log_b)
    within = transport(points, points, log_a, None) + transport(target, target, log_b, None)
    return reduce(across - within / 2, **how)


class SinkhornDivergenceLoss(PairLoss, of=sinkhorn_divergence_loss):
    """Module form of :func:`sinkhorn_divergence_loss`; weights given to it hold for every batch."""

    p: Literal[1, 2] = 2
    blur: Positive = 0.05
    iterations: PositiveInt = 50
    weight: Tensor | None = None
    target_weight: Tensor | None = None


@loss(
    Card(
        task=("distribution matching", "domain adaptation", "generative modelling"),
        inputs=[Embedding("n m d | m d"), Embedding("n k d | k d")],
        values="n | ",
        claims={When("nonnegative", "not unbiased"), "symmetric", When("zero_at_target", "not unbiased"),
                When("smooth", "kernel == 'gaussian'"), "bounded_gradient"},
        formula=r"\overline{k(x, x')} + \overline{k(y, y')} - 2\, \overline{k(x, y)}",
        source="Gretton et al., A kernel two-sample test (JMLR 2012), eq. 3 and 5",
        settings=[{"kernel": "laplacian"}, {"unbiased": True}, {"bandwidths": (0.5, 1.0, 2.0)}],
        good_at={"distribution shift", "mode collapse", "smooth optimisation"},
        bad_at={"vanishing gradient"},
        known_as=("MMD", "maximum mean discrepancy", "MK-MMD", "kernel MMD",
                  "Kernel MMD (Gaussian / Laplacian, multi-kernel)"),
        elsewhere={
            "geomloss": 'SamplesLoss("gaussian", blur) and "laplacian": half of ours, biased',
            "scikit-learn": "laplacian_kernel: of the L1 distance; here of the Euclidean one",
            "TLlib": "MultipleKernelMaximumMeanDiscrepancy: kernels are added, here averaged; its bandwidth is the"
                     " mean squared distance of the batch",
        },
    )
)  # fmt: skip
def mmd_loss(
    points: Tensor,
    target: Tensor,
    *,
    kernel: Literal["gaussian", "laplacian"] = "gaussian",
    bandwidths: tuple[Positive, ...] = (1.0,),
    unbiased: bool = False,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Squared maximum mean discrepancy: by how much the means of two clouds differ in the space of a kernel.

    One value per pair of clouds, at most 2. The kernel is the mean over the bandwidths of
    :math:`e^{-\|x - y\|^2 / 2 \sigma^2}` or :math:`e^{-\|x - y\| / \sigma}`. Points much farther apart than every
    bandwidth do not feel each other: give several, around the distances in the data. The biased estimate is never
    negative and 0 for equal clouds; the unbiased one leaves out each point's pair with itself, and may be negative. A
    cloud of one point has no other pair, and its term is 0 there.

    Args:
        points: Points, ``(n, m, d)`` for n clouds of m points, or ``(m, d)`` for one.
        target: Points to match, ``(n, k, d)`` or ``(k, d)``.
        kernel: "gaussian" or "laplacian".
        bandwidths: Length scales of the kernel, above 0, in units of the points.
        unbiased: Whether to leave out each point's pair with itself.

    >>> mmd_loss(torch.zeros(1, 2), torch.ones(1, 2))  # 2 - 2 exp(-2 / 2)
    tensor(1.2642)
    """

    kernel_mean = KernelMean(kernel, bandwidths, unbiased)
    learned = any(isinstance(bandwidth, Tensor) for bandwidth in bandwidths)
    between = kernel_mean.plain if learned else kernel_mean
    return reduce(between(points) + between(target) - 2.0 * between(points, target), **how)


class MMDLoss(PairLoss, of=mmd_loss):
    """Module form of :func:`mmd_loss`."""

    kernel: Literal["gaussian", "laplacian"] = "gaussian"
    bandwidths: tuple[Positive, ...] = (1.0,)
    unbiased: bool = False


def _class_axis(probs: Tensor) -> int:
    return min(1, probs.ndim - 1)


def _log(probs: Tensor) -> Tensor:
    """The logarithm, of 0 a finite one, so that 0 log 0 is 0."""
    return probs.clamp(min=torch.finfo(probs.dtype).tiny).log()


def _log_mass(weight: Tensor | None, points: Tensor, name: str) -> Tensor:
    """Logarithms of the masses of the points of each cloud, which sum to 1."""
    shape = points.shape[:-1]
    if weight is None:
        return points.new_full(shape, -math.log(max(1, shape[-1])))
    if weight.shape != shape:
        wanted, given = tuple(shape), tuple(weight.shape)
        raise LossInputError(f"sinkhorn_divergence_loss: `{name}` must have the shape {wanted}, got {given}.")
    return _log(weight.to(points.dtype) / weight.sum(-1, keepdim=True))


def _entropic_transport(cost: Tensor, log_a: Tensor, log_b: Tensor | None, epsilon: float, iterations: int) -> Tensor:
    """Entropic transport cost by averaged, symmetric updates of both potentials, as in sec. 3 of arXiv:1810.08278.

    ``log_b`` is ``None`` from a cloud to itself, where the two potentials are one.
    """
    start = cost.mean((-2, -1), keepdim=True).clamp(min=epsilon)
    back = cost.mT.contiguous()  # or the sums over columns would be rounded otherwise than those over rows

    def update(potential: Tensor, log_mass: Tensor, cost: Tensor, scale: Tensor) -> Tensor:
        exponent = (log_mass + potential / scale.squeeze(-1)).unsqueeze(-2) - cost / scale
        return -scale.squeeze(-1) * torch.logsumexp(exponent, -1)

    def both(f: Tensor, g: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        if log_b is None:
            f = update(f, log_a, cost, scale)
            return f, f
        return update(g, log_b, cost, scale), update(f, log_a, back, scale)

    f, g = torch.zeros_like(log_a), torch.zeros_like(log_a if log_b is None else log_b)
    for i in range(1, iterations + 1):
        scale = start * (epsilon / start) ** (i / iterations)
        next_f, next_g = both(f, g, scale)
        f, g = (f + next_f) / 2, (g + next_g) / 2
    f, g = both(f, g, torch.full_like(start, epsilon))
    return (log_a.exp() * f).sum(-1) + ((log_a if log_b is None else log_b).exp() * g).sum(-1)
