"""Losses of regions against MONAI, kornia and SciPy, and values recorded from segmentation-models-pytorch, keras,
pytorch_optimizer, unified-focal-loss and torchium."""

import numpy as np
import pytest
import torch
from kornia import losses as kornia
from monai import losses as monai
from monai.losses.cldice import soft_skel
from scipy.ndimage import distance_transform_edt
from torch.testing import assert_close

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded

SEEDS = range(3)
PLANE, SPACE = (6, 7), (5, 6, 4)


def draw(seed, *shape, share=0.4):
    """Logits, probabilities and masks of one shape, and indices of the classes."""
    g = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(shape, generator=g, dtype=torch.float64)
    masks = (torch.rand(shape, generator=g) < share).double()
    target = torch.randint(shape[1], (shape[0], *shape[2:]), generator=g)
    return logits, logits.sigmoid(), masks, target


def regions(target):
    return torch.nn.functional.one_hot(target, 3).movedim(-1, 1).double()


def of(loss):
    return pytest.mark.parametrize("entry", recorded("segmentation", loss), ids=origin)


def as_one_image(x):
    """The batch as one sample: ``(n, c, *d)`` as ``(1, c, pixels)``."""
    return x.transpose(0, 1).flatten(1)[None]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [PLANE, SPACE], ids=["2D", "3D"])
class TestDice:
    @pytest.mark.parametrize("area", ["linear", "squared"])
    @pytest.mark.parametrize("smooth", [0.0, 1e-5, 1.0])
    def test_as_monai(self, seed, size, area, smooth):
        _, probs, masks, _ = draw(seed, 2, 3, *size)
        peer = monai.DiceLoss(squared_pred=area == "squared", smooth_nr=smooth, smooth_dr=smooth)
        agree(lambda p, t: lossary.dice_loss(p, t, area=area, smooth=smooth), peer, probs, masks)

    def test_class_weight_as_monai(self, seed, size):
        """Its weights multiply and do not divide; a mean that does divides by theirs."""
        _, probs, masks, _ = draw(seed, 2, 3, *size)
        weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
        peer = monai.DiceLoss(weight=weight, smooth_nr=1.0, smooth_dr=1.0)
        agree(lambda p, t: lossary.dice_loss(p, t, class_weight=weight),
              lambda p, t: peer(p, t) / weight.mean(), probs, masks)  # fmt: skip

    @pytest.mark.parametrize("area", ["linear", "squared"])
    def test_of_the_batch_as_monai(self, seed, size, area):
        _, probs, masks, _ = draw(seed, 2, 3, *size)
        peer = monai.DiceLoss(batch=True, squared_pred=area == "squared", smooth_nr=0.5, smooth_dr=0.5)
        agree(lambda p, t: lossary.batch_dice_loss(p, t, area=area, smooth=0.5), peer, probs, masks)

    def test_jaccard_as_monai(self, seed, size):
        _, probs, masks, _ = draw(seed, 2, 3, *size)
        peer = monai.DiceLoss(jaccard=True, smooth_nr=1.0, smooth_dr=1.0)  # smoothing on twice the areas
        agree(lambda p, t: lossary.jaccard_loss(p, t, smooth=0.5), peer, probs, masks)

    @pytest.mark.parametrize(
        ("weighting", "name"), [("inverse square", "square"), ("inverse", "simple"), ("uniform", "uniform")]
    )
    def test_generalized_as_monai(self, seed, size, weighting, name):
        _, probs, masks, _ = draw(seed, 2, 3, *size)
        masks[0, 1] = 0  # an absent class
        peer = monai.GeneralizedDiceLoss(w_type=name, smooth_nr=0.0, smooth_dr=0.0)
        # It holds the weights in float32.
        agree(lambda p, t: lossary.generalized_dice_loss(p, t, weighting=weighting), peer, probs, masks, rtol=1e-6)

    def test_mcc_as_monai(self, seed, size):
        _, probs, masks, _ = draw(seed, 2, 3, *size)
        agree(lossary.mcc_loss, monai.MCCLoss(smooth_dr=0.0), probs, masks)


@of("batch_dice")
def test_batch_dice(entry):
    agree_with_record(lossary.batch_dice_loss, entry)


@of("jaccard")
def test_jaccard(entry):
    agree_with_record(lossary.jaccard_loss, entry)


@of("batch_mcc")
def test_mcc_of_the_batch(entry):
    agree_with_record(lambda p, t: lossary.mcc_loss(as_one_image(p), as_one_image(t)), entry)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("false_positive", "false_negative"), [(0.3, 0.7), (0.7, 0.3), (0.5, 0.5), (1.0, 1.0)])
class TestTversky:
    def test_as_monai(self, seed, false_positive, false_negative):
        _, probs, masks, _ = draw(seed, 2, 3, *PLANE)
        weights = {"false_positive": false_positive, "false_negative": false_negative}
        peer = monai.TverskyLoss(alpha=false_positive, beta=false_negative, smooth_nr=0.5, smooth_dr=0.5)
        agree(lambda p, t: lossary.tversky_loss(p, t, smooth=0.5, **weights), peer, probs, masks)

    def test_as_kornia(self, seed, false_positive, false_negative):
        """It leaves absent classes out, and smooths below only."""
        logits, _, _, target = draw(seed, 2, 3, *PLANE)
        weights = {"false_positive": false_positive, "false_negative": false_negative}
        agree(lambda z: lossary.tversky_loss(z.softmax(1), regions(target), smooth=0.0, **weights),
              lambda z: kornia.tversky_loss(z, target, false_positive, false_negative, eps=0.0), logits)  # fmt: skip


@of("tversky")
def test_tversky_as_keras_whose_alpha_weighs_misses(entry):
    agree_with_record(lossary.tversky_loss, entry)


@of("tversky_of_softmax")
def test_tversky_as_torchium_whose_alpha_weighs_misses(entry):
    def ours(logits, target, **weights):
        return lossary.tversky_loss(logits.softmax(1), regions(target), **weights)

    # It holds the regions in float32.
    agree_with_record(ours, entry)


@of("batch_tversky")
def test_tversky_of_the_batch(entry):
    agree_with_record(lambda p, t, **weights: lossary.tversky_loss(as_one_image(p), as_one_image(t), **weights), entry)


@of("batch_tversky_of_logits")
def test_tversky_of_the_logits_of_a_batch(entry):
    def ours(logits, target, **weights):
        return lossary.tversky_loss(as_one_image(logits.sigmoid()), as_one_image(target), **weights)

    agree_with_record(ours, entry)


@of("batch_focal_tversky")
def test_focal_tversky_as_unified_focal_loss(entry):
    def ours(probs, target, **options):
        return lossary.focal_tversky_loss(as_one_image(probs), as_one_image(regions(target)), **options)

    agree_with_record(ours, entry)


@of("batch_focal_tversky_of_logits")
def test_focal_tversky_as_pytorch_optimizer(entry):
    def ours(logits, target, **options):
        return lossary.focal_tversky_loss(as_one_image(logits.sigmoid()), as_one_image(target), **options)

    agree_with_record(ours, entry)


@pytest.mark.parametrize("seed", SEEDS)
class TestLovasz:
    def test_hinge_as_kornia(self, seed):
        logits, _, masks, _ = draw(seed, 3, 1, *PLANE)
        masks[1] = 0
        agree(lossary.lovasz_hinge_loss, lambda z, t: kornia.lovasz_hinge_loss(z, t[:, 0]), logits, masks)

    def test_softmax_as_kornia(self, seed):
        logits, _, _, target = draw(seed, 3, 4, *PLANE)
        target[0, target[0] == 2] = 1  # an absent class
        agree(lambda z: lossary.lovasz_softmax_loss(z, target, classes="all"),
              lambda z: kornia.lovasz_softmax_loss(z, target), logits)  # fmt: skip

    def test_softmax_of_classes_present(self, seed):
        """The mean over the classes in the target, image by image."""
        logits, _, _, target = draw(seed, 3, 4, *PLANE)
        target[0, target[0] == 2] = 1

        def peer(z):
            total = torch.zeros((), dtype=z.dtype)
            for scores, labels in zip(z, target, strict=True):
                there = labels.unique()
                weight = torch.zeros(4, dtype=z.dtype)
                weight[there] = 4 / len(there)
                total = total + kornia.lovasz_softmax_loss(scores[None], labels[None], weight) / 3
            return total

        agree(lambda z: lossary.lovasz_softmax_loss(z, target), peer, logits)


SINGLE = {"rtol": 2e-6, "atol": 2e-7}  # recorded in float32


@of("lovasz_hinge")
def test_lovasz_hinge(entry):
    agree_with_record(lossary.lovasz_hinge_loss, entry, **SINGLE)


@of("batch_lovasz_hinge")
def test_lovasz_hinge_of_the_batch(entry):
    agree_with_record(lambda z, t: lossary.lovasz_hinge_loss(as_one_image(z), as_one_image(t)), entry, **SINGLE)


@of("lovasz_softmax")
def test_lovasz_softmax(entry):
    agree_with_record(lossary.lovasz_softmax_loss, entry, **SINGLE)


@of("batch_lovasz_softmax")
def test_lovasz_softmax_of_the_batch(entry):
    agree_with_record(lambda z, t: lossary.lovasz_softmax_loss(as_one_image(z), t.flatten()[None]), entry, **SINGLE)


@pytest.mark.parametrize("seed", SEEDS)
class TestCompounds:
    def test_dice_cross_entropy_as_monai(self, seed):
        logits, _, _, target = draw(seed, 2, 3, *PLANE)
        peer = monai.DiceCELoss(to_onehot_y=True, softmax=True, smooth_nr=1.0, smooth_dr=1.0, lambda_dice=0.5,
                                lambda_ce=2.0)  # fmt: skip
        agree(lambda z: lossary.dice_cross_entropy_loss(z, target, dice_weight=0.5, cross_entropy_weight=2.0),
              lambda z: peer(z, target.unsqueeze(1)), logits)  # fmt: skip

    def test_dice_bce_as_monai(self, seed):
        logits, _, masks, _ = draw(seed, 2, 1, *PLANE)
        peer = monai.DiceCELoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0, lambda_dice=0.5, lambda_ce=2.0)
        agree(lambda z, t: lossary.dice_bce_loss(z, t, dice_weight=0.5, bce_weight=2.0), peer, logits, masks)

    @pytest.mark.parametrize("alpha", [None, 0.25])
    def test_dice_focal_as_monai(self, seed, alpha):
        logits, _, masks, _ = draw(seed, 2, 3, *PLANE)
        peer = monai.DiceFocalLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0, lambda_dice=0.5, lambda_focal=2.0,
                                   gamma=1.5, alpha=alpha)  # fmt: skip
        # Its focal loss is in float32.
        agree(lambda z, t: lossary.dice_focal_loss(z, t, dice_weight=0.5, focal_weight=2.0, gamma=1.5, alpha=alpha),
              peer, logits, masks, rtol=1e-6, atol=1e-7)  # fmt: skip


def blobs(seed, *shape):
    """Masks with structure: random fields, smoothed and cut at their medians."""
    field = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for axis in range(2, len(shape)):
        field = field + field.roll(1, axis) + field.roll(-1, axis)
    return (field > field.flatten(2).median(-1).values.reshape(*shape[:2], *[1] * (len(shape) - 2))).double()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [(9,), (19, 7), (6, 18, 5)], ids=["1D", "2D", "3D"])
def test_distance_transform_as_scipy(seed, size):
    masks = blobs(seed, 2, 3, *size)
    assert all(0 < m.mean() < 1 for m in masks.flatten(0, 1))
    expected = np.stack([distance_transform_edt(m) for m in masks.flatten(0, 1).numpy()])
    assert_close(lossary.distance_transform(masks).flatten(0, 1), torch.from_numpy(expected))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [PLANE, SPACE], ids=["2D", "3D"])
class TestDistances:
    @pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
    def test_hausdorff_as_monai(self, seed, size, alpha):
        _, probs, _, _ = draw(seed, 2, 3, *size)
        peer = monai.HausdorffDTLoss(alpha=alpha, include_background=True)
        # It holds the distances in float32.
        agree(lambda p, t: lossary.hausdorff_dt_loss(p, t, alpha=alpha), peer, probs, blobs(seed, 2, 3, *size))

    def test_log_hausdorff_as_monai(self, seed, size):
        _, probs, _, _ = draw(seed, 2, 3, *size)
        peer = monai.LogHausdorffDTLoss(include_background=True, reduction="none")
        agree(lossary.log_hausdorff_dt_loss, lambda p, t: peer(p, t).mean(), probs, blobs(seed, 2, 3, *size))

    def test_boundary_as_monai(self, seed, size):
        _, probs, _, _ = draw(seed, 2, 3, *size)
        masks = blobs(seed, 2, 3, *size)
        masks[0, 0], masks[0, 1] = 0, 1  # without a boundary
        # It holds the distances in float32.
        agree(lambda p, t: lossary.boundary_loss(p, lossary.signed_distance_map(t)), monai.BoundaryLoss(), probs, masks)

    @pytest.mark.parametrize("iterations", [1, 3])
    def test_soft_skeleton_as_monai(self, seed, size, iterations):
        _, probs, _, _ = draw(seed, 2, 3, *size)
        agree(lambda p: lossary.soft_skeleton(p, iterations=iterations).square().sum(),
              lambda p: soft_skel(p, iterations).square().sum(), probs)  # fmt: skip

    @pytest.mark.parametrize("iterations", [1, 3])
    def test_cl_dice_as_monai(self, seed, size, iterations):
        """It sums over the classes of a sample, so it is given one."""
        _, probs, _, _ = draw(seed, 2, 1, *size)
        peer = monai.SoftclDiceLoss(iterations, smooth_nr=0.5, smooth_dr=0.5, smooth=1e-15)
        agree(lambda p, t: lossary.cl_dice_loss(p, t, iterations=iterations, smooth=0.5), peer, probs,
              blobs(seed, 2, 1, *size))  # fmt: skip

    def test_dice_cl_dice_as_monai(self, seed, size):
        _, probs, _, _ = draw(seed, 2, 1, *size)
        peer = monai.SoftDiceclDiceLoss(3, 0.3, smooth_nr=0.5, smooth_dr=0.5, smooth=1e-15)
        agree(lambda p, t: lossary.dice_cl_dice_loss(p, t, alpha=0.3, smooth=0.5), peer, probs,
              blobs(seed, 2, 1, *size))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_lovasz_hinge_by_its_definition(seed):
    """Equation 5 of the paper, in loops: errors in falling order, each times the growth of the Jaccard loss."""
    logits, _, masks, _ = draw(seed, 1, 1, 4, 4)

    def jaccard(wrong, truth):
        return len(wrong) / len(truth | wrong) if wrong else 0.0

    def by_hand(z, t):
        errors = np.maximum(0.0, 1.0 - z.ravel() * (2 * t.ravel() - 1))
        truth, wrong, total = set(np.flatnonzero(t.ravel()).tolist()), set(), 0.0
        for pixel in np.argsort(-errors).tolist():
            total += errors[pixel] * (jaccard(wrong | {pixel}, truth) - jaccard(wrong, truth))
            wrong = wrong | {pixel}
        return total

    agree(lossary.lovasz_hinge_loss, numerically(by_hand), logits, masks, rtol=1e-6)
