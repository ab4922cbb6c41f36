"""Losses of regions by kernel are those by composition."""

import pytest
import torch

import lossary
from lossary.core import LossInputError

from .agreement import assert_agrees, run, served

NAN, INF = float("nan"), float("inf")
OVERLAPS = [
    lossary.dice_loss,
    lossary.batch_dice_loss,
    lossary.generalized_dice_loss,
    lossary.jaccard_loss,
    lossary.tversky_loss,
    lossary.focal_tversky_loss,
    lossary.mcc_loss,
]
LOGITS = [lossary.dice_bce_loss, lossary.dice_focal_loss]
CLASSES = [lossary.dice_cross_entropy_loss]
BY_CLASS = [loss for loss in OVERLAPS if loss not in (lossary.generalized_dice_loss, lossary.mcc_loss)]
LOSSES = [*OVERLAPS, *LOGITS, *CLASSES]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
each_overlap = pytest.mark.parametrize("loss", OVERLAPS, ids=lambda f: f.__name__)


def inputs(loss, *shape, spread=2.0, seed=0):
    """Probabilities or logits and a target, of which two fifths are 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator) * spread
    if loss in CLASSES:
        return logits, torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits.sigmoid() if loss in OVERLAPS else logits, (torch.rand(shape, generator=generator) < 0.4).float()


def pixels(target, seed=1):
    """Half of them."""
    return torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)) < 0.5


def values_shape(loss, n, c):
    if loss is lossary.batch_dice_loss:
        return (c,)
    return (n,) if loss in (lossary.generalized_dice_loss, lossary.dice_cross_entropy_loss) else (n, c)


@each_loss
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_reduction(loss, reduction):
    assert_agrees(loss, inputs(loss, 3, 4, 9, 11), reduction=reduction)


@each_loss
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (5, 3), (3, 1, 40), (2, 3, 2049), (1, 2, 70_000), (2, 2, 3, 5, 7)], ids=str
)
def test_shapes(loss, shape):
    assert_agrees(loss, inputs(loss, *shape))


OPTIONS = [
    (lossary.dice_loss, {"area": "squared"}),
    (lossary.dice_loss, {"area": "squared", "smooth": 0.0, "absent": "skip"}),
    (lossary.batch_dice_loss, {"area": "squared", "reduction": "none"}),
    (lossary.generalized_dice_loss, {"weighting": "inverse", "smooth": 2.0}),
    (lossary.generalized_dice_loss, {"weighting": "uniform"}),
    (lossary.tversky_loss, {"false_positive": 0.0, "false_negative": 1.3, "smooth": 0.0}),
    (lossary.focal_tversky_loss, {"gamma": 0.4}),
    (lossary.dice_bce_loss, {"dice_weight": 0.3, "bce_weight": 2.0, "smooth": 0.0}),
    (lossary.dice_focal_loss, {"gamma": 0.0, "alpha": None}),
    (lossary.dice_focal_loss, {"gamma": 3.5, "alpha": 0.7, "focal_weight": 50.0}),
    (lossary.dice_cross_entropy_loss, {"dice_weight": 0.0}),
    (lossary.dice_cross_entropy_loss, {"cross_entropy_weight": 0.1, "smooth": 0.0, "ignore_index": 1}),
    *[(loss, {"absent": "skip", "smooth": 0.0}) for loss in BY_CLASS],
    *[(loss, {"class_weight": torch.tensor([0.0, 2.0, 0.7])}) for loss in (*BY_CLASS, *CLASSES)],
]


@pytest.mark.parametrize(("loss", "options"), OPTIONS, ids=lambda x: ",".join(x) if isinstance(x, dict) else x.__name__)
def test_options(loss, options):
    first, target = inputs(loss, 2, 3, 50)
    if loss not in CLASSES:
        target[0, 1] = 0.0  # a class that a sample lacks
    assert_agrees(loss, (first, target), **options)


@each_loss
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_masked_pixels(loss, reduction):
    first, target = inputs(loss, 3, 4, 60)
    mask = pixels(target)
    mask[0] = False
    unseen = ~(mask.unsqueeze(1).expand_as(first) if loss in CLASSES else mask)
    first[unseen] = torch.tensor([NAN, INF, -INF]).repeat(first.numel())[: int(unseen.sum())]
    target[~mask] = 99 if loss in CLASSES else NAN
    assert_agrees(loss, (first, target), mask=mask, reduction=reduction)
    assert_agrees(loss, (first, target), mask=torch.zeros_like(mask), reduction=reduction)


@each_loss
def test_masked_samples(loss):
    assert_agrees(loss, inputs(loss, 3, 4, 60), mask=torch.tensor([True, False, True]))


@each_loss
def test_weight_and_denominator(loss):
    tensors = inputs(loss, 3, 4, 60)
    weight = torch.rand(values_shape(loss, 3, 4), generator=torch.Generator().manual_seed(2))
    assert_agrees(loss, tensors, sample_weight=weight)
    assert_agrees(loss, tensors, sample_weight=weight, reduction="none")
    assert_agrees(loss, tensors, denominator=torch.tensor(7.0))


@each_overlap
def test_nothing_there_and_nothing_predicted(loss):
    probs, target = inputs(loss, 3, 4, 60)
    for smooth in ({}, {"smooth": 0.0} if loss is not lossary.mcc_loss else {}):
        assert_agrees(loss, (probs, torch.zeros_like(target)), **smooth)
        assert_agrees(loss, (torch.zeros_like(probs), target), **smooth)
        assert_agrees(loss, (torch.zeros_like(probs), torch.zeros_like(target)), **smooth)
        assert_agrees(loss, (target, target), **smooth)
        assert_agrees(loss, (torch.ones_like(probs), torch.ones_like(target)), **smooth)


@pytest.mark.parametrize("loss", [loss for loss in OVERLAPS if loss is not lossary.mcc_loss], ids=lambda f: f.__name__)
def test_nearly_right(loss):
    """A part in a million is wrong: what is left of 1 after subtraction would be rounding."""
    _, target = inputs(loss, 2, 3, 400)
    noise = 1e-6 * torch.rand(target.shape, generator=torch.Generator().manual_seed(1))
    probs = torch.where(target == 1, 1 - noise, noise)
    assert_agrees(loss, (probs, target), reduction="none")
    assert lossary.dice_loss(probs, target) < 1e-5


@pytest.mark.parametrize("loss", [lossary.dice_loss, lossary.batch_dice_loss], ids=lambda f: f.__name__)
def test_nearly_right_in_squares(loss):
    _, target = inputs(loss, 2, 3, 400)
    probs = (target - 0.001 * pixels(target)).abs()
    assert_agrees(loss, (probs, target), area="squared", reduction="none")


@pytest.mark.parametrize("loss", [*LOGITS, *CLASSES], ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [8.0, 20.0, 1e4])
def test_certain(loss, size):
    """Logits that are sure of the target, and of all but the target."""
    logits, target = inputs(loss, 2, 5, 90)
    there = torch.nn.functional.one_hot(target, 5).movedim(-1, 1).float() if loss in CLASSES else target
    sure = logits + size * (2 * there - 1)
    assert_agrees(loss, (sure, target), reduction="none")
    assert_agrees(loss, (logits - size * (2 * there - 1), target), reduction="none")
    if size == 8.0:
        with lossary.kernels.enabled(smallest=1):
            parts = (
                loss(sure, target, reduction="sum"),
                loss(sure.double(), target.double() if loss in LOGITS else target, reduction="sum"),
            )
        torch.testing.assert_close(parts[0].double(), parts[1], rtol=1e-4, atol=0.0)  # a millionth a pixel


@each_loss
@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_nan_and_infinity(loss, odd):
    """The value is that of the composition; so is which samples and classes have a gradient that is a number."""
    first, target = inputs(loss, 2, 3, 40)
    first[0, 1, 5] = odd
    found, expected = [], []
    for on, into in ((True, found), (False, expected)):
        with lossary.kernels.enabled(on, smallest=1):
            into.extend(run(loss, (first, target), (0,), reduction="none"))
    torch.testing.assert_close(found[0], expected[0], equal_nan=True)
    here, there = (x[1][0].isfinite().flatten(2).all(-1) for x in (found, expected))
    assert torch.equal(here, there)


@pytest.mark.parametrize("loss", [lossary.dice_loss, lossary.dice_bce_loss], ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64])
def test_labels_in_integers(loss, kind):
    first, target = inputs(loss, 2, 3, 40)
    assert_agrees(loss, (first, target.to(kind)))


@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_soft_targets(kind):
    first, target = inputs(lossary.tversky_loss, 2, 3, 40)
    assert_agrees(lossary.tversky_loss, (first, (0.25 + target / 2).to(kind)))


@each_loss
def test_by_threads(loss):
    """One large region is shared among threads."""
    tensors = inputs(loss, 1, 2, 200_000)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert_agrees(loss, tensors)
    finally:
        torch.set_num_threads(before)


@each_loss
def test_value_alone(loss):
    tensors = inputs(loss, 2, 3, 40)
    with lossary.kernels.enabled(smallest=1):
        value = loss(*tensors)
    with lossary.kernels.enabled(False):
        torch.testing.assert_close(value, loss(*tensors))


def test_targets_that_are_no_class():
    """Refused as by torch where they count, wherever in memory they would point to."""
    loss = lossary.dice_cross_entropy_loss
    logits, target = inputs(loss, 2, 3, 40)
    mask = pixels(target)
    target[~mask] = 3
    target[0, ~mask[0]] = -100
    for wrong in (3, -1, 10**12):
        target[1, 7], mask[1, 7] = wrong, True
        for on in (True, False):
            with (
                lossary.kernels.enabled(on, smallest=1),
                pytest.raises(IndexError, match=f"Target {wrong} is out of b"),
            ):
                loss(logits, target, mask=mask)
        mask[1, 7] = False
        assert_agrees(loss, (logits, target), mask=mask)


@each_loss
def test_left_to_the_composition(loss):
    first, target = inputs(loss, 2, 3, 4, 5)
    assert served(loss, (first, target))
    assert not served(loss, (first.double(), target))
    assert not served(loss, (first.transpose(2, 3), target.transpose(-1, -2)))
    assert not served(loss, (first[:1], target))
    weight = torch.ones(values_shape(loss, 2, 3), requires_grad=True)
    assert not served(loss, (first, target), sample_weight=weight)
    if loss in (*BY_CLASS, *CLASSES):
        assert not served(loss, (first, target), class_weight=torch.ones(3, requires_grad=True))
        assert not served(loss, (first, target), class_weight=torch.ones(4))
    if loss in CLASSES:
        assert not served(loss, (first, target.int()))
    else:
        assert not served(loss, (first, target.requires_grad_()))


@each_loss
def test_wrong_options_are_refused_as_ever(loss):
    first, target = inputs(loss, 2, 3, 4, 5)
    for options in (
        {"sample_weight": torch.ones(5)},
        {"mask": torch.ones(7, dtype=torch.bool)},
        {"mask": torch.ones(2)},
    ):
        errors = []
        for on in (True, False):
            with lossary.kernels.enabled(on, smallest=1), pytest.raises(LossInputError) as caught:
                loss(first, target, **options)
            errors.append(str(caught.value))
        assert errors[0] == errors[1]
