"""Compositions that the literature trains with, ready to use: detection, segmentation, style transfer.

Each is a few lines over :class:`MultitaskLoss` or the arithmetic of losses, so its terms have names, are logged in
``last``, and take other weights, schedules or aggregations. Copy one to change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lossary.core import LossInputError
from lossary.core.combination import Combination, Weight
from lossary.losses.classification import CrossEntropyLoss
from lossary.losses.detection import GIoULoss
from lossary.losses.image import ContentLoss, GramStyleLoss, PerceptualLoss, TotalVariationLoss
from lossary.losses.imbalance import SigmoidFocalLoss
from lossary.losses.regression import L1Loss, MSELoss, SmoothL1Loss
from lossary.losses.segmentation import DiceLoss

from .objective import MultitaskLoss


def retinanet_loss(*, alpha: float = 0.25, gamma: float = 2.0, box: float = 1.0, beta: float = 1.0) -> MultitaskLoss:
    """Focal loss of all anchors, and smooth L1 of the offsets of those that have an object; both over their number.

    Lin et al., arXiv:1708.02002, sec. 4.1: alpha 0.25 and gamma 2 did best, the two parts are added unweighted, and the
    focal loss is summed over all anchors and divided by the number of those that have an object, as :func:`per_object`
    says at the call.

    Outputs and targets:

    - ``"classes"``: log-odds ``(n, a, c)`` of c classes at a anchors; 0 or 1, the same shape;
    - ``"boxes"``: offsets ``(n, a, 4)`` of the boxes from the anchors; those of the objects, the same shape, anything
      at anchors without one.

    Args:
        alpha: Weight of label 1 in the focal loss.
        gamma: How fast the focal loss fades where the class is clear.
        box: Weight of the boxes.
        beta: Error at which smooth L1 goes from square to absolute; 1 in Fast R-CNN (arXiv:1504.08083, eq. 3), which
            the paper refers to.

    >>> loss = retinanet_loss()
    >>> positive = torch.tensor([[True, False, False]])
    >>> outputs = {"classes": torch.zeros(1, 3, 1), "boxes": torch.full((1, 3, 4), 2.0)}
    >>> targets = {"classes": positive[..., None].float(), "boxes": torch.zeros(1, 3, 4)}
    >>> loss(outputs, targets, options=per_object(positive))  # (0.25 + 2 * 0.75) * 0.5^2 log 2, and 4 * 1.5
    tensor(6.3033)
    """
    tasks = {"classes": SigmoidFocalLoss(alpha=alpha, gamma=gamma), "boxes": SmoothL1Loss(beta=beta)}
    return MultitaskLoss(tasks, {"boxes": box})


def detr_loss(classes: int, *, box: float = 5.0, giou: float = 2.0, no_object: float = 0.1) -> MultitaskLoss:
    """Cross-entropy of all queries, and L1 and GIoU of the boxes of those that were matched to an object.

    Carion et al., arXiv:2005.12872: eq. 2 and sec. 3.1: the class "no object" counts a tenth; L1 weighs 5 and GIoU 2
    (appendix A.4). The matching, which the paper makes by the Hungarian algorithm, is yours: give the
    target of each query. Boxes count over the number of objects: ``options=per_object(matched, everywhere=(),
    at_objects=("boxes", "giou"))``.

    Outputs and targets:

    - ``"classes"``: logits ``(n, classes + 1, q)`` of q queries, the last class "no object"; class indices ``(n, q)``;
    - ``"boxes"``: centre, width and height ``(n, q, 4)``, relative to the image; the same of the matched objects;
    - ``"giou"``: the same boxes as corners, both times.

    Args:
        classes: How many classes there are besides "no object".
        box: Weight of the L1 loss of boxes.
        giou: Weight of the GIoU loss of boxes.
        no_object: What a query without an object counts in the cross-entropy, whose mean is over these weights.

    Raises:
        LossInputError: if ``classes`` is below 1.

    >>> loss, matched = detr_loss(1), torch.tensor([[True, False]])
    >>> corners = torch.tensor([[[0.0, 0.0, 1.0, 1.0]] * 2])
    >>> outputs = {"classes": torch.zeros(1, 2, 2), "boxes": torch.full((1, 2, 4), 0.5), "giou": corners}
    >>> targets = {"classes": torch.tensor([[0, 1]]), "boxes": torch.full((1, 2, 4), 0.6), "giou": corners}
    >>> options = per_object(matched, everywhere=(), at_objects=("boxes", "giou"))
    >>> loss(outputs, targets, options=options)  # log 2, 5 * 4 * 0.1, and 0
    tensor(2.6931)
    """
    if classes < 1:
        raise LossInputError(f"detr_loss: `classes` must be at least 1, got {classes!r}.")
    weight = torch.ones(classes + 1)
    weight[-1] = no_object
    tasks = {"classes": CrossEntropyLoss(class_weight=weight), "boxes": L1Loss(), "giou": GIoULoss()}
    return MultitaskLoss(tasks, {"boxes": box, "giou": giou})


def deformable_detr_loss(*, focal: float = 2.0, box: float = 5.0, giou: float = 2.0) -> MultitaskLoss:
    """As :func:`detr_loss`, with the focal loss of each class in place of the cross-entropy with a class for nothing.

    Zhu et al., arXiv:2010.04159, sec. 5: focal loss with a weight of 2, alpha 0.25 and gamma 2 as in RetinaNet; boxes
    as in DETR. All count over the number of objects: ``options=per_object(matched, at_objects=("boxes", "giou"))``.

    Outputs and targets: ``"classes"`` are log-odds ``(n, q, c)`` and 0 or 1 of the same shape, none for "no object";
    ``"boxes"`` and ``"giou"`` as for :func:`detr_loss`.

    Args:
        focal: Weight of the focal loss.
        box: Weight of the L1 loss of boxes.
        giou: Weight of the GIoU loss of boxes.

    >>> list(deformable_detr_loss().losses)
    ['classes', 'boxes', 'giou']
    """
    tasks = {"classes": SigmoidFocalLoss(), "boxes": L1Loss(), "giou": GIoULoss()}
    return MultitaskLoss(tasks, {"classes": focal, "boxes": box, "giou": giou})


def per_object(
    positive: Tensor,
    *,
    everywhere: Sequence[str] = ("classes",),
    at_objects: Sequence[str] = ("boxes",),
    denominator: Tensor | float | None = None,
) -> Mapping[str, Mapping[str, Tensor | float]]:
    """``options`` under which all terms of a detector count over the number of objects, and boxes only where one is.

    A plain mean would divide each term by another number: the classes by all anchors, of which a thousandth may have an
    object, the boxes by those that have. What stands at anchors without an object may be anything, even NaN.

    Args:
        positive: True where there is an object, ``(n, a)``.
        everywhere: Tasks that count at all anchors.
        at_objects: Tasks that count where there is an object.
        denominator: The number of objects, where it is not that of this batch: in data parallelism or gradient
            accumulation that of the whole, so that the parts add up. 1 where there is no object.

    Raises:
        LossInputError: if ``positive`` is not boolean.

    >>> per_object(torch.tensor([[True, False]]))["boxes"]
    {'mask': tensor([[ True, False]]), 'denominator': tensor(1.)}
    """
    if positive.dtype != torch.bool:
        raise LossInputError(f"per_object: `positive` must be boolean, True where an object is, got {positive.dtype}.")
    total = positive.sum().clamp(min=1).float() if denominator is None else denominator
    counted: dict[str, Mapping[str, Tensor | float]] = {name: {"denominator": total} for name in everywhere}
    return counted | {name: {"mask": positive, "denominator": total} for name in at_objects}


def segmentation_loss(
    *,
    cross_entropy: Weight = 1.0,
    dice: Weight = 1.0,
    class_weight: Tensor | None = None,
    ignore_index: int = -100,
    smooth: float = 1.0,
) -> Combination:
    """Cross-entropy for a gradient at every pixel, plus Dice for small regions: nnU-Net's loss with named terms.

    Isensee et al., arXiv:1809.10486, which adds the two unweighted. Dice sees the probabilities and the one-hot target
    of what cross-entropy is given, and what is ignored for the one is ignored for the other. Where neither terms nor
    schedules matter, ``DiceCrossEntropyLoss`` is the same in one loss.

    Takes logits ``(n, c, *d)`` and class indices ``(n, *d)``.

    Args:
        cross_entropy: Weight of the cross-entropy: a number, or a callable of the step.
        dice: Weight of Dice, likewise: ``Ramp(0.0, 1.0, steps=1000)`` lets it in slowly, as its gradient says little
            before anything is found.
        class_weight: One weight per class, ``(c,)``, in the cross-entropy.
        ignore_index: Pixels with this target do not count.
        smooth: Added above and below the fraction of Dice, in pixels.

    >>> loss = segmentation_loss()
    >>> loss(torch.zeros(1, 2, 2), torch.tensor([[0, 1]]))  # log 2 and 1/3
    tensor(1.0265)
    >>> {name: round(float(term.value), 4) for name, term in loss.last.items()}
    {'cross_entropy': 0.6931, 'dice': 0.3333}
    """
    pixels = CrossEntropyLoss(class_weight=class_weight, ignore_index=ignore_index)
    return cross_entropy * pixels + dice * DiceLoss(smooth=smooth)


def gatys_loss(
    content: nn.Module,
    style: nn.Module,
    *,
    content_weight: float = 1.0,
    style_weight: float = 1e3,
    variation_weight: float = 0.0,
    layer_weights: Sequence[float] | None = (0.2,) * 5,
) -> MultitaskLoss:
    """Style transfer on the pixels of one image: content of one picture, style of another.

    Gatys, Ecker and Bethge, arXiv:1508.06576, eq. 7: content by eq. 1 at conv4_2 of VGG-19, style by eq. 4 and 5 at
    conv1_1 to conv5_1 with a fifth each; content over style weighs 1e-3 or 1e-4. Total variation is not in the paper;
    a weight above 0 smooths.

    All outputs are the image, ``(n, 3, h, w)``; the targets are the pictures of that size, and none for the variation:

        targets = {"content": photo, "style": painting, "variation": ()}
        loss(dict.fromkeys(targets, image), targets).backward()

    Args:
        content: Gives the features whose content counts: a network up to that layer. It is frozen.
        style: Gives the features whose style counts, layer by layer, likewise.
        content_weight: Alpha.
        style_weight: Beta.
        variation_weight: Of the sum over all neighbouring pixels.
        layer_weights: What each layer of the style counts; ``None`` for 1 each.

    >>> network = nn.Conv2d(3, 4, 3)
    >>> image, photo, painting = torch.rand(3, 1, 3, 8, 8)
    >>> loss = gatys_loss(network, network, layer_weights=None)
    >>> targets = {"content": photo, "style": painting, "variation": ()}
    >>> total = loss(dict.fromkeys(targets, image), targets)
    >>> list(loss.last.losses)
    ['content', 'style', 'variation']
    """
    tasks = {
        "content": PerceptualLoss(content, ContentLoss()),
        "style": PerceptualLoss(style, GramStyleLoss(), layer_weights=layer_weights),
        "variation": TotalVariationLoss(),
    }
    return MultitaskLoss(tasks, _three(content_weight, style_weight, variation_weight))


def johnson_loss(
    content: nn.Module,
    style: nn.Module,
    *,
    content_weight: float = 1.0,
    style_weight: float = 5.0,
    variation_weight: float = 1e-6,
    layer_weights: Sequence[float] | None = None,
) -> MultitaskLoss:
    """Style transfer by a network that makes the image: :func:`gatys_loss` with means for sums, and total variation.

    Johnson, Alahi and Fei-Fei, arXiv:1603.08155, eq. 5: features by their mean squared error (eq. 2, at relu3_3 of
    VGG-16), style by Gram matrices over all elements (eq. 4, at relu1_2, relu2_2, relu3_3 and relu4_3), which is four
    times :class:`~lossary.GramStyleLoss`. The paper gives the weight of the variation, 1e-6 to 1e-4, chosen by style;
    those of content and style, 1 and 5, are the defaults of its authors' code and depend on the network's scale.

    Outputs and targets as for :func:`gatys_loss`.

    Args:
        content: Gives the features whose content counts: a network up to that layer. It is frozen.
        style: Gives the features whose style counts, layer by layer, likewise.
        content_weight: Of the mean squared error of features.
        style_weight: Of the squared distance of Gram matrices.
        variation_weight: Of the sum over all neighbouring pixels.
        layer_weights: What each layer of the style counts; ``None`` for 1 each.

    >>> network = nn.Conv2d(3, 4, 3)
    >>> image = torch.full((1, 3, 8, 8), 0.5)
    >>> targets = {"content": image, "style": image, "variation": ()}
    >>> johnson_loss(network, network)(dict.fromkeys(targets, image), targets)
    tensor(0.)
    """
    tasks = {
        "content": PerceptualLoss(content, MSELoss()),
        "style": PerceptualLoss(style, GramStyleLoss(), layer_weights=layer_weights),
        "variation": TotalVariationLoss(),
    }
    return MultitaskLoss(tasks, _three(content_weight, 4.0 * style_weight, variation_weight))


def _three(content: float, style: float, variation: float) -> dict[str, Weight]:
    return {"content": content, "style": style, "variation": variation}
