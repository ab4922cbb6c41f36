"""Contrastive batches and redundancy reduction."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Embedding

from .specimen import Specimen


def similarities(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    return z @ z.T / temperature


def partners(n: int, like: Tensor) -> Tensor:
    return torch.arange(2 * n, device=like.device).roll(n)


def nt_xent_against_itself(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    return F.cross_entropy(similarities(z1, z2, temperature), partners(len(z1), z1))


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    logits = similarities(z1, z2, temperature)
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partners(len(z1), z1))


def nt_xent_as_written(z1: Tensor, z2: Tensor) -> Tensor:
    """The sum of the paper, term by term, at temperature 1."""
    z = [row / row.norm() for row in torch.cat([z1, z2])]
    n = len(z1)
    total = z1.new_zeros(())
    for i in range(2 * n):
        others = torch.stack([z[i] @ z[k] for k in range(2 * n) if k != i])
        total = total + torch.logsumexp(others, 0) - z[i] @ z[(i + n) % (2 * n)]
    return total / (2 * n)


class SupCon(nn.Module):
    def __init__(self, temperature: float = 0.3):
        super().__init__()
        self.temperature = temperature

    def over_anchors(self, log_prob: Tensor, positives: Tensor) -> Tensor:
        return (-(log_prob * positives).sum(1) / positives.sum(1)).mean()

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        z = F.normalize(features, dim=1)
        logits = z @ z.T / self.temperature
        other = 1.0 - torch.eye(len(z), dtype=z.dtype, device=z.device)
        positives = (labels.unsqueeze(0) == labels.unsqueeze(1)).to(z.dtype) * other
        denominator = torch.logsumexp(logits.masked_fill(other == 0, -1e4), dim=1, keepdim=True)
        return self.over_anchors(logits - denominator, positives)


class SupConSkippingSingletons(SupCon):
    def over_anchors(self, log_prob: Tensor, positives: Tensor) -> Tensor:
        count = positives.sum(1)
        losses = -(log_prob * positives).sum(1) / count.clamp(min=1)
        return losses.sum() / (count > 0).sum().clamp(min=1)


def barlow(z1: Tensor, z2: Tensor, lambd: float, correction: int) -> Tensor:
    n, d = z1.shape
    z1 = (z1 - z1.mean(0)) / (z1.var(0, correction=correction) + 1e-8).sqrt()
    z2 = (z2 - z2.mean(0)) / (z2.var(0, correction=correction) + 1e-8).sqrt()
    c = z1.T @ z2 / n
    diagonal = torch.eye(d, dtype=torch.bool, device=c.device)
    return torch.where(diagonal, (c - 1.0).pow(2), lambd * c.pow(2)).sum()


def barlow_with_bessel(z1: Tensor, z2: Tensor, lambd: float = 0.005) -> Tensor:
    return barlow(z1, z2, lambd, correction=1)


def barlow_of_the_batch(z1: Tensor, z2: Tensor, lambd: float = 0.005) -> Tensor:
    return barlow(z1, z2, lambd, correction=0)


def clip_over_rows_twice(image: Tensor, text: Tensor, scale: float = 5.0) -> Tensor:
    logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    match = torch.eye(len(logits), dtype=logits.dtype, device=logits.device)
    of_image = -(match * logits.log_softmax(dim=-1)).sum(1)
    of_text = -(match.T * logits.log_softmax(dim=-1)).sum(0)
    return (of_image + of_text).mean() / 2


def clip_over_rows_and_columns(image: Tensor, text: Tensor, scale: float = 5.0) -> Tensor:
    logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    match = torch.eye(len(logits), dtype=logits.dtype, device=logits.device)
    of_image = -(match * logits.log_softmax(dim=-1)).sum(1)
    of_text = -(match * logits.log_softmax(dim=0)).sum(0)
    return (of_image + of_text).mean() / 2


def in_batch_negatives(queries: Tensor, keys: Tensor, temperature: float = 0.2) -> Tensor:
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    itself = torch.eye(len(q), dtype=torch.bool, device=q.device)
    positive = (q * k).sum(1, keepdim=True)
    negative = (q @ k.T).masked_fill(itself, -1e9)
    return (torch.logsumexp(torch.cat([positive, negative], 1) / temperature, 1) - positive[:, 0] / temperature).mean()


def in_batch_negatives_masked_by_infinity(queries: Tensor, keys: Tensor, temperature: float = 0.2) -> Tensor:
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    itself = torch.eye(len(q), dtype=torch.bool, device=q.device)
    positive = (q * k).sum(1, keepdim=True)
    negative = (q @ k.T).masked_fill(itself, -torch.inf)
    return (torch.logsumexp(torch.cat([positive, negative], 1) / temperature, 1) - positive[:, 0] / temperature).mean()


def ranks() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather_into_constants(x: Tensor) -> Tensor:
    if ranks() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(ranks())]
    dist.all_gather(parts, x.detach().contiguous())
    parts[dist.get_rank()] = x
    return torch.cat(parts)


class Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.n = len(x)
        parts = [torch.empty_like(x) for _ in range(ranks())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad):
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad[ctx.n * dist.get_rank() :][: ctx.n]


def gather(x: Tensor) -> Tensor:
    return x if ranks() == 1 else Gather.apply(x)


def paired(left: Tensor, right: Tensor, scale: float) -> Tensor:
    logits = scale * F.normalize(left, dim=1) @ F.normalize(right, dim=1).T
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def info_nce_gathering_constants(left: Tensor, right: Tensor, scale: float = 4.0) -> Tensor:
    return paired(gather_into_constants(left), gather_into_constants(right), scale)


def info_nce_gathering_gradients(left: Tensor, right: Tensor, scale: float = 4.0) -> Tensor:
    return paired(gather(left), gather(right), scale)


def info_nce_of_scores(positive: Tensor, negative: Tensor) -> Tensor:
    """Align with the positive, spread over the negatives; both shifted by the largest negative."""
    largest = negative.detach().amax(dim=1)
    uniform = (negative - largest).exp().sum(1).clamp(min=1e-30).log()
    return (uniform - (positive - largest)).mean()


def info_nce_of_scores_by_row(positive: Tensor, negative: Tensor) -> Tensor:
    largest = negative.detach().amax(dim=1)
    uniform = (negative - largest.unsqueeze(1)).exp().sum(1).clamp(min=1e-30).log()
    return (uniform - (positive - largest)).mean()


def hadamard(_: torch.Generator) -> tuple[Tensor, Tensor]:
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    z = torch.kron(torch.kron(two, two), two)[:, 1:5]
    return z, z


def square_scores(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(5, generator=g), torch.randn(5, 5, generator=g)


SPECIMENS: list[Specimen] = [
    Specimen(
        name="nt_xent_counts_itself_as_negative", fault="wrong value",
        faulty=nt_xent_against_itself, fixed=nt_xent,
        told={
            "inputs": [Embedding("n d"), Embedding("n d")],
            "claims": {"nonnegative": True, "symmetric": True, "permutation": True, "pure": True, "dtype": True,
                       "equals": [({"temperature": 1.0}, nt_xent_as_written)]},
        },
        seen_in="reports of NT-Xent whose softmax includes the similarity of a row with itself",
    ),
    Specimen(
        name="supcon_class_seen_once", fault="not finite",
        faulty=SupCon, fixed=SupConSkippingSingletons,
        told={
            "example": lambda g: (torch.randn(8, 6, generator=g), torch.randint(0, 3, (8,), generator=g)),
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "pure": True, "dtype": True},
        },
        seen_in="HobbitLong/SupContrast #141",
    ),
    Specimen(
        name="barlow_standardised_by_the_other_variance", fault="not zero at perfect",
        faulty=barlow_with_bessel, fixed=barlow_of_the_batch,
        told={
            "example": lambda g: (torch.randn(8, 4, generator=g), torch.randn(8, 4, generator=g)),
            "perfect": hadamard,
            "claims": {"finite": True, "nonnegative": True, "symmetric": True, "permutation": True,
                       "zero_at_perfect": True, "shift_invariant": True, "differentiable": (0, 1)},
        },
        seen_in="yaohungt/Barlow-Twins-HSIC #6",
    ),
    Specimen(
        name="clip_softmax_over_rows_in_both_directions", fault="asymmetry",
        faulty=clip_over_rows_twice, fixed=clip_over_rows_and_columns,
        told={
            "inputs": [Embedding("n d"), Embedding("n d")],
            "claims": {"finite": True, "nonnegative": True, "symmetric": True, "permutation": True, "pure": True,
                       "compile": True, "device": True},
        },
        seen_in="reports of CLIP losses that take both cross-entropies along the same axis",
    ),
    Specimen(
        name="info_nce_mask_too_large_for_half", fault="dtype",
        faulty=in_batch_negatives, fixed=in_batch_negatives_masked_by_infinity,
        told={
            "example": lambda g: (torch.randn(6, 8, generator=g), torch.randn(6, 8, generator=g)),
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "dtype": True, "half": True,
                       "differentiable": (0, 1)},
        },
        seen_in="facebookresearch/fairseq #3575",
    ),
    Specimen(
        name="info_nce_gathers_without_gradient", fault="distributed",
        faulty=info_nce_gathering_constants, fixed=info_nce_gathering_gradients,
        told={
            "inputs": [Embedding("n d"), Embedding("n d")], "ranks": 2,
            "claims": {"finite": True, "nonnegative": True, "symmetric": True, "permutation": True, "pure": True,
                       "differentiable": (0, 1), "distributed": True},
        },
        seen_in="lightly-ai/lightly #1977 (there of Barlow Twins)",
    ),
    Specimen(
        name="info_nce_row_maximum_taken_from_columns", fault="broadcasting",
        faulty=info_nce_of_scores, fixed=info_nce_of_scores_by_row,
        told={
            "example": square_scores,
            "claims": {"finite": True, "permutation": True, "mean_of_singles": True, "pure": True,
                       "differentiable": (0, 1)},
        },
        seen_in="AdaptiveMotorControlLab/CEBRA #48",
    ),
]  # fmt: skip
