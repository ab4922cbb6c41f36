"""Convex surrogates of the Jaccard index: its Lovász extension at the errors of the pixels."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Binary, Card, ClassIndex, ClassWeight, Logit, PairLoss, Weighted, loss, reduce

from .areas import any_pixel, flat

__all__ = ["LovaszHingeLoss", "LovaszSoftmaxLoss", "lovasz_hinge_loss", "lovasz_softmax_loss"]


def counted_pixels(target: Tensor, mask: Tensor | None, ignore_index: int) -> Tensor:
    """Where an index of a class counts: not ignored, and not masked."""
    counted = target != ignore_index
    return counted if mask is None else counted & mask


def one_hot(target: Tensor, classes: int) -> Tensor:
    """Indices ``(n, *d)`` as booleans ``(n, c, *d)``; an index out of range is in no class."""
    names = torch.arange(classes, device=target.device)
    return target.unsqueeze(1) == names.reshape(-1, *[1] * (target.ndim - 1))


def _jaccard_extension(errors: Tensor, foreground: Tensor) -> Tensor:
    """The Lovász extension of the Jaccard loss at ``errors`` of at least 0, over the last dimension.

    Pixel by pixel in the order of falling errors, each error is weighed by what its pixel, once wrong, adds to the
    Jaccard loss. That increment is written out, for the difference of two nearly equal ratios would be mostly rounding
    on a large image.
    """
    errors, order = errors.sort(dim=-1, descending=True)
    hit = foreground.gather(-1, order)
    area = hit.sum(-1, keepdim=True)
    kept = area - hit.cumsum(-1)  # counted in integers: exact however many pixels
    union = area + (~hit).cumsum(-1)
    before = union - 1
    missed = 1 / union.to(errors.dtype)
    excess = kept / (union * before.clamp(min=1)).to(errors.dtype)
    excess = torch.where(before == 0, 1.0, excess)  # nothing to find: the first false alarm loses all
    return (errors * torch.where(hit, missed, excess)).sum(-1)


@loss(
    Card(
        task="segmentation",
        inputs=[Logit("n c *d"), Binary("n c *d")],
        values="n c",
        mask="n c *d",
        claims={"nonnegative", "zero_at_target", "convex", "monotone", "bounded_gradient", "permutation_invariant"},
        formula=r"\overline{\Delta_J}\big(\max(0, 1 - z_i (2 t_i - 1))_i\big)",
        source="arXiv:1705.08790, section 3.1 and algorithm 1",
        good_at={"region overlap", "class imbalance", "small regions"},
        bad_at={"calibrated probabilities", "boundary accuracy", "smooth optimisation", "speed"},
        known_as=("Lovász hinge", "Lovasz hinge", "binary Lovász"),
        elsewhere={
            "kornia": "LovaszHingeLoss; logits (n, 1, h, w) with a target (n, h, w); per image, as here",
            "segmentation-models-pytorch": 'LovaszLoss("binary"); the batch as one image unless per_image=True',
            "pytorch-toolbelt": "BinaryLovaszLoss; the batch as one image unless per_image=True",
            "pytorch_optimizer": "LovaszHingeLoss(per_image=True)",
        },
    )
)  # fmt: skip
def lovasz_hinge_loss(logits: Tensor, target: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """Hinge errors of the pixels, weighed so that the sum follows the Jaccard loss; one value per sample and class.

    Convex and piecewise linear in the logits. A class with no pixel in the target costs its largest error. For the
    batch as one image, pass ``logits.transpose(0, 1).flatten(1)[None]`` and the target likewise.

    Args:
        logits: Log-odds of each class at each pixel, ``(n, c, *d)``; c is 1 for foreground against background.
        target: 0 or 1, the same shape.
        mask: True at the pixels that count, ``(n, c, *d)`` or its leading dimensions.

    >>> lovasz_hinge_loss(torch.tensor([[[-1.0, 2.0, -2.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]]))  # error 2, half of it
    tensor(1.)
    """
    signs = 2 * target - 1
    errors, foreground = F.relu(1 - logits * signs), target > 0.5
    if mask is not None:
        # An error of 0 comes after all that matter, and weighs nothing.
        errors, foreground = torch.where(mask, errors, 0.0), foreground & mask
    return reduce(_jaccard_extension(flat(errors), flat(foreground)), mask=any_pixel(mask), **how)


class LovaszHingeLoss(PairLoss, of=lovasz_hinge_loss):
    """Module form of :func:`lovasz_hinge_loss`."""


@loss(
    Card(
        task="segmentation",
        inputs=[Logit("n c *d"), ClassIndex("n *d")],
        values="n",
        mask="n *d",
        claims={"nonnegative", "at_most_one", "zero_at_target", "shift_invariant", "permutation_invariant"},
        formula=r"\frac{1}{|C|} \sum_{c \in C} \overline{\Delta_{J_c}}\big((|[y_i = c] - p_{ci}|)_i\big),"
                r" \quad p = \mathrm{softmax}(z)",
        source="arXiv:1705.08790, section 3.2 and algorithm 1",
        settings=[{"classes": "all"}, {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        good_at={"region overlap", "class imbalance", "small regions", "rare classes"},
        bad_at={"calibrated probabilities", "boundary accuracy", "speed"},
        known_as=("Lovász softmax", "Lovasz softmax", "Lovász-Softmax"),
        elsewhere={
            "kornia": 'LovaszSoftmaxLoss; classes="all"; takes logits; weight multiplies, and does not divide',
            "segmentation-models-pytorch": 'LovaszLoss("multiclass"); the batch as one image unless per_image=True',
            "pytorch-toolbelt": "LovaszLoss; takes probabilities; the batch as one image unless per_image=True",
        },
    )
)  # fmt: skip
def lovasz_softmax_loss(
    logits: Tensor,
    target: Tensor,
    *,
    classes: Literal["present", "all"] = "present",
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Errors of the softmax, weighed so that their sum follows the Jaccard loss of each class; one value per sample.

    For the batch as one image, as the authors trained on Pascal VOC, pass ``logits.transpose(0, 1).flatten(1)[None]``
    and ``target.flatten()[None]``.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``.
        target: Index of the class in [0, c), ``(n, *d)``.
        classes: Whether a sample's mean runs over the classes "present" in its target, or over "all"; an absent class
            then costs its largest probability.
        class_weight: What each class weighs in that mean, ``(c,)``.
        ignore_index: Pixels with this target do not count.
        mask: True at the pixels that count, ``(n, *d)`` or its leading dimensions.

    >>> lovasz_softmax_loss(torch.tensor([[[0.0, 9.0], [0.0, -9.0]]]), torch.tensor([[0, 0]]))  # 0.5, of 2 pixels
    tensor(0.2500)
    """
    counted = counted_pixels(target, mask, ignore_index).unsqueeze(1)
    probs = torch.where(counted, logits, 0.0).softmax(1)
    foreground = one_hot(target, logits.shape[1]) & counted
    errors = torch.where(foreground, 1 - probs, torch.where(counted, probs, 0.0))
    values = _jaccard_extension(flat(errors), flat(foreground))
    weight = torch.ones_like(values) if class_weight is None else class_weight.expand_as(values)
    if classes == "present":
        weight = torch.where(flat(foreground).any(-1), weight, 0.0)
    total = weight.sum(1)
    values = (values * weight).sum(1) / torch.where(total == 0, 1.0, total)
    return reduce(values, mask=flat(counted).any(-1).squeeze(1), **how)


class LovaszSoftmaxLoss(PairLoss, of=lovasz_softmax_loss):
    """Module form of :func:`lovasz_softmax_loss`."""

    classes: Literal["present", "all"] = "present"
    class_weight: ClassWeight | None = None
    ignore_index: int = -100
