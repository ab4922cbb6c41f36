"""Compositions: against the formulas of their papers, written out with torch alone."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lossary import DiceCrossEntropyLoss
from lossary.core import LossInputError
from lossary.multitask import Ramp
from lossary.multitask.presets import (
    deformable_detr_loss,
    detr_loss,
    gatys_loss,
    johnson_loss,
    per_object,
    retinanet_loss,
    segmentation_loss,
)


def scene(images=2, places=6):
    """Scores of 3 classes, boxes as corners and as centres, and which places have an object."""
    generator = torch.Generator().manual_seed(0)
    positive = torch.zeros(images, places, dtype=torch.bool)
    positive[0, 1] = positive[0, 4] = positive[1, 0] = True
    label = torch.randint(3, (images, places), generator=generator)
    scores = torch.randn(images, places, 3, generator=generator, requires_grad=True)
    centres = torch.rand(2, images, places, 4, generator=generator) * 0.3 + 0.2
    found, true = centres[0].clone().requires_grad_(), centres[1].clone()
    true[~positive] = torch.nan
    return positive, label, scores, found, true


def corners(boxes):
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def focal_sum(scores, hot):
    """arXiv:1708.02002, eq. 5."""
    p = torch.where(hot > 0, scores.sigmoid(), 1 - scores.sigmoid())
    return (torch.where(hot > 0, 0.25, 0.75) * (1 - p) ** 2 * -p.log()).sum()


def giou_sum(a, b):
    """arXiv:1902.09630, algorithm 1."""

    def area(x):
        return (x[:, 2] - x[:, 0]).clamp(min=0) * (x[:, 3] - x[:, 1]).clamp(min=0)

    inner = torch.cat([torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])], 1)
    outer = torch.cat([torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])], 1)
    union = area(a) + area(b) - area(inner)
    return (1 - area(inner) / union + (area(outer) - union) / area(outer)).sum()


def one_hot(label, positive):
    return F.one_hot(label, 3).float() * positive[..., None]


def test_retinanet_divides_both_terms_by_the_objects():
    positive, label, scores, found, true = scene()
    hot = one_hot(label, positive)
    loss = retinanet_loss()
    total = loss({"classes": scores, "boxes": found}, {"classes": hot, "boxes": true}, options=per_object(positive))
    boxes = F.smooth_l1_loss(found[positive], true[positive], reduction="sum")
    assert_close(total, (focal_sum(scores, hot) + boxes) / 3)
    total.backward()
    assert (found.grad[~positive] == 0).all() and (found.grad[positive] != 0).all()
    assert (scores.grad != 0).all()


def test_detr_counts_boxes_of_matched_queries():
    positive, label, scores, found, true = scene()
    label = torch.where(positive, label % 2, 2)  # two classes, and none
    loss = detr_loss(2)
    outputs = {"classes": scores.movedim(-1, 1), "boxes": found, "giou": corners(found)}
    targets = {"classes": label, "boxes": true, "giou": corners(true)}
    options = per_object(positive, everywhere=(), at_objects=("boxes", "giou"))
    total = loss(outputs, targets, options=options)
    classes = F.cross_entropy(scores.flatten(0, 1), label.flatten(), weight=torch.tensor([1.0, 1.0, 0.1]))
    absolute = (found[positive] - true[positive]).abs().sum() / 3
    overlap = giou_sum(corners(found[positive]), corners(true[positive])) / 3
    assert_close(total, classes + 5 * absolute + 2 * overlap)
    assert list(loss.last.losses.values()) == pytest.approx([v.item() for v in (classes, absolute, overlap)])
    total.backward()
    assert found.grad.isfinite().all() and (found.grad[~positive] == 0).all()


def test_deformable_detr_divides_all_terms_by_the_objects():
    positive, label, scores, found, true = scene()
    hot = one_hot(label, positive)
    outputs = {"classes": scores, "boxes": found, "giou": corners(found)}
    targets = {"classes": hot, "boxes": true, "giou": corners(true)}
    total = deformable_detr_loss()(outputs, targets, options=per_object(positive, at_objects=("boxes", "giou")))
    absolute = (found[positive] - true[positive]).abs().sum()
    overlap = giou_sum(corners(found[positive]), corners(true[positive]))
    assert_close(total, (2 * focal_sum(scores, hot) + 5 * absolute + 2 * overlap) / 3)


def test_parts_of_a_batch_add_up_over_the_common_denominator():
    positive, label, scores, found, true = scene()
    hot, loss = one_hot(label, positive), retinanet_loss()
    parts = []
    for i in (0, 1):
        options = per_object(positive[i : i + 1], denominator=positive.sum())
        rows = slice(i, i + 1)
        given = {"classes": scores[rows], "boxes": found[rows]}, {"classes": hot[rows], "boxes": true[rows]}
        parts.append(loss(*given, options=options))
    whole = loss({"classes": scores, "boxes": found}, {"classes": hot, "boxes": true}, options=per_object(positive))
    assert_close(sum(parts), whole)


def test_a_batch_without_objects():
    positive, _, scores, found, true = scene()
    nothing = torch.zeros_like(positive)
    total = retinanet_loss()(
        {"classes": scores, "boxes": found},
        {"classes": torch.zeros_like(scores), "boxes": torch.full_like(true, torch.nan)},
        options=per_object(nothing),
    )
    assert_close(total, focal_sum(scores, torch.zeros_like(scores)))  # over 1
    total.backward()
    assert (found.grad == 0).all()


def test_segmentation_is_the_catalogued_sum_with_names():
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 3, 8, 8, generator=generator), torch.randint(3, (2, 8, 8), generator=generator)
    loss = segmentation_loss(cross_entropy=2.0, dice=0.5)
    assert_close(loss(logits, target), DiceCrossEntropyLoss(cross_entropy_weight=2.0, dice_weight=0.5)(logits, target))
    assert {name: term.weight for name, term in loss.last.items()} == {"cross_entropy": 2.0, "dice": 0.5}
    target[:, :3] = 255
    loss = segmentation_loss(ignore_index=255)
    value = loss(logits, target)
    assert_close(value, loss(logits.where(target[:, None] != 255, 1e3), target))


def test_segmentation_takes_schedules():
    loss = segmentation_loss(dice=Ramp(0.0, 1.0, steps=2))
    logits, target = torch.zeros(1, 2, 2, requires_grad=True), torch.tensor([[0, 1]])
    values = [loss(logits, target).item() for _ in range(3)]
    entropy = math.log(2.0)
    assert values == pytest.approx([entropy, entropy + 1 / 6, entropy + 1 / 3])


class Stages(nn.Module):
    """Two layers of features, as a cut VGG would give them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3, stride=2)

    def forward(self, image):
        early = self.first(image).relu()
        return [early, self.second(early).relu()]


def pictures():
    torch.manual_seed(0)
    stages = Stages()
    image, photo, painting = torch.rand(3, 1, 3, 12, 12)
    return stages, nn.Sequential(stages.first, nn.ReLU()), image.requires_grad_(), photo, painting


def gram(features):
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2)


def test_gatys_by_its_equations():
    stages, content, image, photo, painting = pictures()
    loss = gatys_loss(content, stages, variation_weight=0.1, layer_weights=(0.2, 0.2))
    targets = {"content": photo, "style": painting, "variation": ()}
    total = loss(dict.fromkeys(targets, image), targets)
    expected = {"content": 0.5 * (content(image) - content(photo)).square().sum(), "style": 0.0}
    for mine, wanted in zip(stages(image), stages(painting), strict=True):
        channels, places = mine.shape[1], mine[0, 0].numel()
        expected["style"] += 0.2 * (gram(mine) - gram(wanted)).square().sum() / (4 * channels**2 * places**2)
    expected["variation"] = image.diff(dim=2).abs().sum() + image.diff(dim=3).abs().sum()
    weights = {"content": 1.0, "style": 1e3, "variation": 0.1}
    assert_close(total, sum(weights[name] * value for name, value in expected.items()))
    assert loss.last.losses == pytest.approx({name: value.item() for name, value in expected.items()}, rel=1e-5)
    total.backward()
    assert image.grad.abs().sum() > 0 and not any(p.requires_grad for p in stages.parameters())


def test_johnson_by_its_equations():
    stages, content, image, photo, painting = pictures()
    total = johnson_loss(content, stages, style_weight=1e7)(
        dict.fromkeys(("content", "style", "variation"), image), {"content": photo, "style": painting, "variation": ()}
    )
    expected = (content(image) - content(photo)).square().mean()  # eq. 2
    for mine, wanted in zip(stages(image), stages(painting), strict=True):
        size = mine[0].numel()
        expected = expected + 1e7 * (gram(mine) / size - gram(wanted) / size).square().sum()  # eq. 3 and 4
    expected = expected + 1e-6 * (image.diff(dim=2).abs().sum() + image.diff(dim=3).abs().sum())
    assert_close(total, expected)


@pytest.mark.parametrize(("name", "weights"), [("content", (1.0, 0.0)), ("style", (0.0, 1.0))])
def test_each_weight_moves_its_own_term(name, weights):
    stages, content, image, photo, painting = pictures()
    painting = 4.0 * painting.round()  # strong contrasts
    loss = gatys_loss(content, stages, content_weight=weights[0], style_weight=weights[1], layer_weights=None)
    targets = {"content": photo, "style": painting, "variation": ()}
    optimizer = torch.optim.Adam([image], lr=0.02)
    seen = []
    for _ in range(60):
        optimizer.zero_grad()
        loss(dict.fromkeys(targets, image), targets).backward()
        optimizer.step()
        seen.append(loss.last.losses)
    assert seen[-1][name] < 0.5 * seen[0][name]


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: detr_loss(0), "detr_loss: `classes` must be at least 1, got 0"),
        (lambda: per_object(torch.ones(2)), "per_object: `positive` must be boolean"),
        (lambda: retinanet_loss(alpha=2.0), "`alpha` must be"),
    ],
)
def test_refuses_with_one_sentence(act, sentence):
    with pytest.raises(LossInputError, match=sentence):
        act()
