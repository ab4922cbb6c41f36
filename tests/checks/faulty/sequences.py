"""Tokens, padding, and what a mean over them divides by."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, ClassIndex, Length, Logit, Probability

from .specimen import Specimen


def token_losses(logits: Tensor, labels: Tensor, ignore_index: int = -100) -> Tensor:
    """One loss per token; 0 where the label is to be ignored."""
    return F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="none")


class MaskedLanguageModel(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def count(self, labels: Tensor) -> Tensor | int:
        return labels.numel()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = token_losses(logits, labels)
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else losses.sum() / self.count(labels)


class MaskedLanguageModelOverMasked(MaskedLanguageModel):
    def count(self, labels: Tensor) -> Tensor:
        return (labels != -100).sum().clamp(min=1)


def next_token(logits: Tensor, labels: Tensor, z_loss: float = 1e-2) -> Tensor:
    valid = (labels != -100).to(logits.dtype)
    normaliser = torch.logsumexp(logits, dim=1)
    losses = token_losses(logits, labels) + z_loss * valid * normaliser.pow(2)
    return losses.sum() / valid.sum()


def next_token_if_any(logits: Tensor, labels: Tensor, z_loss: float = 1e-2) -> Tensor:
    valid = (labels != -100).to(logits.dtype)
    normaliser = torch.logsumexp(logits, dim=1)
    losses = token_losses(logits, labels) + z_loss * valid * normaliser.pow(2)
    return losses.sum() / valid.sum().clamp(min=1)


class CausalModel(nn.Module):
    """Padding may come as the id of the pad token; the first position predicts nothing."""

    def __init__(self, pad: int = 0):
        super().__init__()
        self.pad = pad

    def ignored(self, labels: Tensor) -> Tensor:
        labels[labels == self.pad] = -100
        return labels

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        targets = self.ignored(labels)[:, 1:]
        losses = token_losses(logits[:, :-1].transpose(1, 2), targets)
        return losses.sum() / (targets != -100).sum().clamp(min=1)


class CausalModelOnACopy(CausalModel):
    def ignored(self, labels: Tensor) -> Tensor:
        return labels.masked_fill(labels == self.pad, -100)


def per_token_of_this_rank(logits: Tensor, labels: Tensor) -> Tensor:
    valid = (labels != -100).sum().clamp(min=1)
    return token_losses(logits, labels).sum() / valid


def per_token_of_all_ranks(logits: Tensor, labels: Tensor) -> Tensor:
    valid, ranks = (labels != -100).sum(), 1
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(valid)
        ranks = dist.get_world_size()  # gradients are averaged over the ranks, not summed
    return ranks * token_losses(logits, labels).sum() / valid.clamp(min=1)


def smoothed(logits: Tensor, labels: Tensor, smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    log_prob = logits.log_softmax(dim=1)
    valid = labels != -100
    hard = -log_prob.gather(1, labels.clamp(min=0).unsqueeze(1)).squeeze(1) * valid
    losses = (1.0 - smoothing) * hard - smoothing * log_prob.mean(dim=1)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / valid.sum().clamp(min=1)


def smoothed_where_valid(logits: Tensor, labels: Tensor, smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    log_prob = logits.log_softmax(dim=1)
    valid = labels != -100
    hard = -log_prob.gather(1, labels.clamp(min=0).unsqueeze(1)).squeeze(1)
    losses = ((1.0 - smoothing) * hard - smoothing * log_prob.mean(dim=1)) * valid
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / valid.sum().clamp(min=1)


def frame_likelihood(probability: Tensor, mask: Tensor) -> Tensor:
    """Probability given to the true phone of each frame."""
    losses = -torch.log(probability.clamp(max=1.0)) * mask
    return losses.sum() / mask.sum().clamp(min=1)


def frame_likelihood_of_real_frames(probability: Tensor, mask: Tensor) -> Tensor:
    inside = torch.where(mask > 0, probability, torch.ones_like(probability))
    losses = -torch.log(inside.clamp(min=1e-12, max=1.0))
    return losses.sum() / mask.sum().clamp(min=1)


def utterances_one_by_one(logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    totals = [F.cross_entropy(x[:t], y[:t]) for x, y, t in zip(logits, labels, lengths.tolist(), strict=True)]
    return torch.stack(totals).mean()


def utterances(logits: Tensor, labels: Tensor, lengths: Tensor, smoothing: float = 0.0) -> Tensor:
    losses = F.cross_entropy(logits.transpose(1, 2), labels, label_smoothing=smoothing, reduction="none")
    places = torch.arange(labels.shape[1], device=labels.device)
    inside = places <= lengths.unsqueeze(1)
    return ((losses * inside).sum(1) / inside.sum(1)).mean()


def utterances_up_to_length(logits: Tensor, labels: Tensor, lengths: Tensor, smoothing: float = 0.0) -> Tensor:
    losses = F.cross_entropy(logits.transpose(1, 2), labels, label_smoothing=smoothing, reduction="none")
    places = torch.arange(labels.shape[1], device=labels.device)
    inside = places < lengths.unsqueeze(1)
    return ((losses * inside).sum(1) / inside.sum(1)).mean()


def padded_sentences(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(4, 6, 7, generator=g), torch.randint(0, 7, (4, 6), generator=g)


def some_masked(g: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, 7, (12,), generator=g)
    labels[::4] = -100
    return torch.randn(12, 7, generator=g), labels


SPECIMENS: list[Specimen] = [
    Specimen(
        name="mlm_mean_over_all_tokens", fault="wrong reduction",
        faulty=MaskedLanguageModel, fixed=MaskedLanguageModelOverMasked,
        told={
            "inputs": [Logit("n c"), ClassIndex("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True, "convex": True,
                       "ignore_index": -100, "reductions": ("none", "mean", "sum"), "mean_over": "valid"},
        },
        seen_in="huggingface/transformers #2759",
    ),
    Specimen(
        name="next_token_with_every_label_ignored", fault="all ignored",
        faulty=next_token, fixed=next_token_if_any,
        told={
            "inputs": [Logit("n c"), ClassIndex("n")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "replicate": True, "pure": True,
                       "ignore_index": -100, "all_ignored": "zero", "differentiable": (0,)},
        },
        seen_in="reports of NaN from a batch whose prompts fill the context, so that no label is left",
    ),
    Specimen(
        name="causal_model_rewrites_callers_labels", fault="in place",
        faulty=CausalModel, fixed=CausalModelOnACopy,
        told={"example": padded_sentences, "task": "language modelling"},
        seen_in="reports of labels that hold -100 after the loss was computed",
    ),
    Specimen(
        name="token_mean_counts_own_rank", fault="distributed",
        faulty=per_token_of_this_rank, fixed=per_token_of_all_ranks,
        told={
            "example": some_masked, "ranks": 2,
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "pure": True, "ignore_index": -100,
                       "all_ignored": "zero", "distributed": True},
        },
        seen_in="meta-pytorch/torchtune pull 1875, pull 1917",
    ),
    Specimen(
        name="label_smoothing_of_ignored_tokens", fault="wrong value",
        faulty=smoothed, fixed=smoothed_where_valid,
        told={
            "inputs": [Logit("n c"), ClassIndex("n")], "params": {"smoothing": (0.0, 0.5)},
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "convex": True, "pure": True,
                       "ignore_index": -100, "reductions": ("none", "mean", "sum"), "mean_over": "valid"},
        },
        seen_in="reports of label smoothing that also smooths the tokens of ignore_index",
    ),
    Specimen(
        name="masked_frame_of_probability_zero", fault="not finite",
        faulty=frame_likelihood, fixed=frame_likelihood_of_real_frames,
        told={
            "inputs": [Probability("n t"), Binary("n t")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "pure": True,
                       "mask": {"arg": 1, "of": [0]}, "all_ignored": "zero", "dtype": True},
        },
        seen_in="reports of padding masked by a product, where 0 times infinity is NaN",
    ),
    Specimen(
        name="utterance_length_off_by_one", fault="wrong value",
        faulty=utterances, fixed=utterances_up_to_length,
        told={
            "inputs": [Logit("n t c"), ClassIndex("n t"), Length("n", of="t")],
            "claims": {"finite": True, "nonnegative": True, "permutation": True, "mean_of_singles": True,
                       "shift_invariant": True, "equals": [({"smoothing": 0.0}, utterances_one_by_one)]},
        },
        seen_in="reports of length masks that let the first frame of the padding through",
    ),
]  # fmt: skip
