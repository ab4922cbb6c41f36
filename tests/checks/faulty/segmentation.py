"""Overlap of masks, whole or class by class."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, ClassIndex, Logit, Probability

from .specimen import Specimen


class Dice(nn.Module):
    def ratio(self, overlap: Tensor, total: Tensor) -> Tensor:
        return 2.0 * overlap / total

    def forward(self, pred: Tensor, mask: Tensor) -> Tensor:
        if pred.shape != mask.shape:
            raise ValueError(f"prediction {tuple(pred.shape)} and mask {tuple(mask.shape)} do not fit")
        wide = torch.promote_types(pred.dtype, torch.float32)
        a, b = pred.to(wide).flatten(1), mask.to(wide).flatten(1)
        return (1.0 - self.ratio((a * b).sum(1), a.sum(1) + b.sum(1))).mean().to(pred.dtype)


class DiceSmoothed(Dice):
    def ratio(self, overlap: Tensor, total: Tensor) -> Tensor:
        return (2.0 * overlap + 1.0) / (total + 1.0)


def dice_denominator(pred: Tensor, mask: Tensor, smooth: float = 1.0) -> Tensor:
    pred, mask = pred.flatten(1), mask.flatten(1)
    overlap = (pred * mask).sum(dim=1)
    union = pred.square().sum(dim=1) + mask.square().sum(dim=1) + smooth
    return (1.0 - 2.0 * overlap / union).mean()


def dice_both(pred: Tensor, mask: Tensor, smooth: float = 1.0) -> Tensor:
    pred, mask = pred.flatten(1), mask.flatten(1)
    overlap = (pred * mask).sum(dim=1)
    union = pred.square().sum(dim=1) + mask.square().sum(dim=1) + smooth
    return (1.0 - (2.0 * overlap + smooth) / union).mean()


class SoftDice(nn.Module):
    def __init__(self, smooth: float = 1.0):
        super().__init__()
        self.smooth = smooth

    def overlap(self, pred: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return (pred * mask).sum(), pred.sum() + mask.sum()

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        overlap, total = self.overlap(torch.sigmoid(logits), mask)
        return (1.0 - (2.0 * overlap + self.smooth) / (total + self.smooth)).mean()


class SoftDiceOfEach(SoftDice):
    def overlap(self, pred: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        pred, mask = pred.flatten(1), mask.flatten(1)
        return (pred * mask).sum(dim=1), pred.sum(dim=1) + mask.sum(dim=1)


def jaccard(pred: Tensor, mask: Tensor, smooth: float = 1.0) -> Tensor:
    overlap = (pred * mask).sum(dim=(1, 2))
    union = pred.sum(dim=(1, 2)) + mask.sum(dim=(1, 2)) - overlap
    return (1.0 - (overlap + smooth) / (union + smooth)).mean()


def jaccard_summed_wide(pred: Tensor, mask: Tensor, smooth: float = 1.0) -> Tensor:
    wide = torch.promote_types(pred.dtype, torch.float32)
    return jaccard(pred.to(wide), mask.to(wide), smooth).to(pred.dtype)


def generalized_dice(logits: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    pred = torch.softmax(logits, dim=1).flatten(2)
    hot = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(pred.dtype).flatten(2)
    weight = 1.0 / hot.sum(-1).square()
    overlap = (weight * (pred * hot).sum(-1)).sum(1)
    return (1.0 - (2.0 * overlap + eps) / ((weight * (pred + hot).sum(-1)).sum(1) + eps)).mean()


def generalized_dice_of_present(logits: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    pred = torch.softmax(logits, dim=1).flatten(2)
    hot = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(pred.dtype).flatten(2)
    volume = hot.sum(-1)
    weight = torch.where(volume > 0, 1.0 / volume.clamp(min=1.0).square(), 0.0)
    overlap = (weight * (pred * hot).sum(-1)).sum(1)
    return (1.0 - (2.0 * overlap + eps) / ((weight * (pred + hot).sum(-1)).sum(1) + eps)).mean()


class ForegroundDice(nn.Module):
    def __init__(self, threshold: float = 0.5):
        super().__init__()
        self.threshold = threshold

    def foreground(self, logits: Tensor) -> Tensor:
        return (torch.sigmoid(logits) > self.threshold).to(logits.dtype).requires_grad_()

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        if logits.shape != mask.shape:
            raise ValueError(f"logits {tuple(logits.shape)} and mask {tuple(mask.shape)} do not fit")
        wide = torch.promote_types(logits.dtype, torch.float32)
        pred, mask = self.foreground(logits.to(wide)).flatten(1), mask.to(wide).flatten(1)
        overlap = (pred * mask).sum(dim=1)
        return (1.0 - (2.0 * overlap + 1.0) / (pred.sum(dim=1) + mask.sum(dim=1) + 1.0)).mean().to(logits.dtype)


class ForegroundSoftDice(ForegroundDice):
    def foreground(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)


def tversky(pred: Tensor, mask: Tensor, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1.0) -> Tensor:
    pred, mask = pred.flatten(1), mask.flatten(1)
    hit = (pred * mask).sum(1)
    false_positive = (mask * (1 - pred)).sum(1)
    false_negative = ((1 - mask) * pred).sum(1)
    return (1.0 - (hit + smooth) / (hit + alpha * false_positive + beta * false_negative + smooth)).mean()


def tversky_named_right(
    pred: Tensor, mask: Tensor, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1.0
) -> Tensor:
    pred, mask = pred.flatten(1), mask.flatten(1)
    hit = (pred * mask).sum(1)
    false_positive = ((1 - mask) * pred).sum(1)
    false_negative = (mask * (1 - pred)).sum(1)
    return (1.0 - (hit + smooth) / (hit + alpha * false_positive + beta * false_negative + smooth)).mean()


def precision_loss(pred: Tensor, mask: Tensor) -> Tensor:
    pred, mask = pred.flatten(1), mask.flatten(1)
    hit = (pred * mask).sum(1)
    return (1.0 - (hit + 1.0) / (hit + ((1 - mask) * pred).sum(1) + 1.0)).mean()


def jaccard_slope(sorted_labels: Tensor) -> Tensor:
    total = sorted_labels.sum()
    overlap = total - sorted_labels.cumsum(0)
    union = total + (1.0 - sorted_labels).cumsum(0)
    loss = 1.0 - overlap / union
    return torch.diff(loss, prepend=torch.zeros_like(loss[:1]))


def lovasz_hinge(logits: Tensor, labels: Tensor) -> Tensor:
    errors, _ = (1.0 - logits * (2.0 * labels - 1.0)).sort(descending=True)
    return torch.dot(F.relu(errors), jaccard_slope(labels))


def lovasz_hinge_sorted(logits: Tensor, labels: Tensor) -> Tensor:
    errors, order = (1.0 - logits * (2.0 * labels - 1.0)).sort(descending=True)
    return torch.dot(F.relu(errors), jaccard_slope(labels[order]))


class LovaszSoftmax(nn.Module):
    def __init__(self, ignore_index: int = 255):
        super().__init__()
        self.ignore_index = ignore_index

    def over_classes(self, losses: list[Tensor], logits: Tensor) -> Tensor:
        return torch.stack(losses).mean()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        pred = torch.softmax(logits, dim=1).movedim(1, -1)[target != self.ignore_index]
        target = target[target != self.ignore_index]
        losses = []
        for present in target.unique().tolist():
            hot = (target == present).to(pred.dtype)
            errors, order = (hot - pred[:, present]).abs().sort(descending=True)
            losses.append(torch.dot(errors, jaccard_slope(hot[order])))
        return self.over_classes(losses, logits)


class LovaszSoftmaxOfNothing(LovaszSoftmax):
    def over_classes(self, losses: list[Tensor], logits: Tensor) -> Tensor:
        return torch.stack(losses).mean() if losses else logits.sum() * 0.0


def pixel_entropy(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    losses = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")
    return losses.mean()


def pixel_entropy_of_labelled(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    losses = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")
    return losses.sum() / (target != ignore_index).sum().clamp(min=1)


class BoundaryF1(nn.Module):
    """Overlap of the boundaries, which are where the eroded mask differs from the mask."""

    def boundary(self, mask: Tensor) -> Tensor:
        eroded = -F.max_pool2d(-mask.unsqueeze(1), kernel_size=3, stride=1, padding=1)
        return (mask - eroded.squeeze(1)).flatten(1)

    def forward(self, pred: Tensor, mask: Tensor) -> Tensor:
        if pred.shape != mask.shape:
            raise ValueError(f"prediction {tuple(pred.shape)} and mask {tuple(mask.shape)} do not fit")
        a, b = self.boundary(pred), self.boundary(mask.to(pred.dtype))
        return ((2.0 * (a * b).sum(1) + 1.0) / (a.square().sum(1) + b.square().sum(1) + 1.0)).mean()


class BoundaryF1Loss(BoundaryF1):
    def forward(self, pred: Tensor, mask: Tensor) -> Tensor:
        return 1.0 - super().forward(pred, mask)


def masks(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.rand(4, 6, 6, generator=generator), (torch.rand(4, 6, 6, generator=generator) > 0.5).to(torch.float32)


def scored_masks(generator: Generator) -> tuple[Tensor, Tensor]:
    logits, mask = masks(generator)
    size = torch.tensor([0.9, 0.5, 0.2, 0.05]).view(4, 1, 1)  # large and small objects in one batch
    return 4.0 * logits - 2.0, mask * (torch.rand(4, 6, 6, generator=generator) < size)


def maps(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 5, 4, 4, generator=generator), torch.randint(5, (2, 4, 4), generator=generator)


SPECIMENS = [
    Specimen(
        name="dice_of_empty_masks",
        fault="not finite",
        faulty=Dice,
        fixed=DiceSmoothed,
        told=dict(inputs=[Probability("n h w"), Binary("n h w")], task="segmentation"),
        seen_in="neuronets/nobrainer issue 8; nasa/delta pull request 115",
    ),
    Specimen(
        name="dice_smooth_in_denominator_only",
        fault="not zero at perfect",
        faulty=dice_denominator,
        fixed=dice_both,
        told=dict(
            inputs=[Probability("n h w"), Binary("n h w")],
            claims={
                "finite": True, "bounded": (0.0, 1.0), "zero_at_perfect": True, "symmetric": True,
                "mean_of_singles": True, "per_sample": True, "compile": True,
            },
        ),
        seen_in="aim-uofa/AdelaiDet issue 610; open-mmlab/mmocr pull request 408",
    ),
    Specimen(
        name="dice_of_whole_batch",
        fault="batch coupling",
        faulty=SoftDice,
        fixed=SoftDiceOfEach,
        told=dict(
            example=scored_masks,
            claims={
                "finite": True, "bounded": (0.0, 1.0), "zero_at_perfect": True, "permutation": True,
                "mean_of_singles": True, "per_sample": True, "pure": True,
            },
        ),
        seen_in="BloodAxe/pytorch-toolbelt issue 99; ivadomed/ivadomed issue 910",
    ),
    Specimen(
        name="jaccard_sums_overflow_half",
        fault="not finite",
        faulty=jaccard,
        fixed=jaccard_summed_wide,
        told=dict(
            inputs=[Probability("n h w"), Binary("n h w")],
            claims={
                "finite": True, "bounded": (0.0, 1.0), "zero_at_perfect": True, "symmetric": True, "half": True,
                "dtype": True, "mean_of_singles": True,
            },
        ),
        seen_in="qubvel-org/segmentation_models.pytorch issue 463",
    ),
    Specimen(
        name="generalized_dice_absent_class",
        fault="not finite",
        faulty=generalized_dice,
        fixed=generalized_dice_of_present,
        told=dict(
            example=maps,
            claims=dict.fromkeys(
                ("finite", "nonnegative", "permutation", "per_sample", "mean_of_singles", "shift_invariant"), True
            ),
        ),
        seen_in="inverse squared volumes of classes that an image lacks, in generalized Dice losses",
    ),
    Specimen(
        name="dice_of_thresholded_prediction",
        fault="wrong gradient",
        faulty=ForegroundDice,
        fixed=ForegroundSoftDice,
        told=dict(example=scored_masks, task="segmentation"),
        seen_in="losses of thresholded or argmax masks, through which nothing trains",
    ),
    Specimen(
        name="tversky_penalties_swapped",
        fault="wrong value",
        faulty=tversky,
        fixed=tversky_named_right,
        told=dict(
            inputs=[Probability("n t *d"), Binary("n t *d")],
            claims={
                "finite": True, "bounded": (0.0, 1.0), "zero_at_perfect": True, "per_sample": True, "replicate": True,
                "equals": [({"alpha": 1.0, "beta": 0.0}, precision_loss)],
            },
            params={"alpha": (0.1, 0.9)},
        ),
        seen_in="FluxML/Flux.jl issue 1993; keras-team/keras pull request 23333",
    ),
    Specimen(
        name="lovasz_labels_left_unsorted",
        fault="wrong value",
        faulty=lovasz_hinge,
        fixed=lovasz_hinge_sorted,
        told=dict(
            inputs=[Logit("n"), Binary("n")],
            claims={
                "finite": True, "convex": True, "nonnegative": True, "zero_at_perfect": True, "permutation": True,
                "monotone": True, "differentiable": (0,),
            },
        ),
        seen_in="BloodAxe/pytorch-toolbelt pull request 62",
    ),
    Specimen(
        name="lovasz_of_void_pixels",
        fault="all ignored",
        faulty=LovaszSoftmax,
        fixed=LovaszSoftmaxOfNothing,
        told=dict(
            example=maps,
            claims={
                "finite": True, "bounded": (0.0, 1.0), "ignore_index": 255, "all_ignored": "zero",
                "zero_at_perfect": True, "permutation": True, "shift_invariant": True,
            },
        ),
        seen_in="bermanmaxim/LovaszSoftmax pull request 14; ChenHongruixuan/ChangeMamba issue 26",
    ),
    Specimen(
        name="pixel_entropy_averages_void",
        fault="wrong reduction",
        faulty=pixel_entropy,
        fixed=pixel_entropy_of_labelled,
        told=dict(
            inputs=[Logit("n c *d"), ClassIndex("n *d")],
            claims={
                "finite": True, "nonnegative": True, "zero_at_perfect": True, "ignore_index": 255, "convex": True,
                "all_ignored": "zero", "permutation": True, "dtype": True,
            },
        ),
        seen_in="open-mmlab/mmsegmentation pull requests 578 and 1409",
    ),
    Specimen(
        name="boundary_f1_returned_as_score",
        fault="sign",
        faulty=BoundaryF1,
        fixed=BoundaryF1Loss,
        told=dict(
            example=masks,
            claims={
                "finite": True, "bounded": (0.0, 1.0), "zero_at_perfect": True, "symmetric": True, "device": True,
                "mean_of_singles": True, "strict_shape": True,
            },
        ),
        seen_in="scores minimised as losses, as the generalized Dice of ivadomed/ivadomed pull request 257 was",
    ),
]  # fmt: skip
