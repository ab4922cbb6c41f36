"""Losses for imbalance against fvcore, kornia, MONAI and balanced-loss, values recorded from optax, keras, timm,
segmentation-models-pytorch, torchium, imbalanced-losses, pytorch-toolbelt, catalyst, nnU-Net, pytorch_optimizer and
mmdet, and loops of our own where nobody has the loss."""

import warnings

import numpy as np
import pytest
import torch
from balanced_loss import Loss as BalancedLoss
from kornia.losses import binary_focal_loss_with_logits
from kornia.losses import focal_loss as kornia_focal_loss
from monai.losses import FocalLoss
from torch.nn import functional as F

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

with warnings.catch_warnings():
    # It compiles with torch.jit.script when it is imported.
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    from fvcore.nn import sigmoid_focal_loss as fvcore_sigmoid_focal_loss

SEEDS = range(3)

THE_SAME = [
    entry
    for loss in ("sigmoid_focal", "poly1_sigmoid_focal", "asymmetric", "asymmetric_single_label", "ohem_cross_entropy",
                 "class_balanced_cross_entropy", "ldam")
    for entry in recorded("imbalance", loss)
]  # fmt: skip


def draw(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


def one_hot(target, logits):
    return F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(logits.dtype)


@pytest.mark.parametrize("entry", THE_SAME, ids=lambda entry: f"{entry['loss']} {origin(entry)}")
def test_as_recorded(entry):
    loss = getattr(lossary, f"{entry['loss']}_loss")

    def ours(*inputs, **options):
        if options.get("class_weight") is not None:
            options["class_weight"] = torch.tensor(options["class_weight"])
        return loss(*inputs, **options)

    # timm, keras and the margins of pytorch_optimizer are float32 inside: hence the absolute tolerance.
    agree_with_record(ours, entry, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 0.7), (0.0, None), (3.0, None)])
class TestSigmoidFocal:
    def test_as_fvcore(self, seed, gamma, alpha):
        logits, target = draw(seed, 6, 3)
        theirs = {"alpha": -1 if alpha is None else alpha, "gamma": gamma, "reduction": "mean"}
        agree(
            lambda z, y: lossary.sigmoid_focal_loss(z, y, gamma=gamma, alpha=alpha),
            lambda z, y: fvcore_sigmoid_focal_loss(z, y, **theirs),
            logits,
            one_hot(target, logits),
        )

    def test_as_kornia(self, seed, gamma, alpha):
        logits, target = draw(seed, 6, 3, 4, 4)
        agree(
            lambda z, y: lossary.sigmoid_focal_loss(z, y, gamma=gamma, alpha=alpha),
            lambda z, y: binary_focal_loss_with_logits(z, y, alpha, gamma, "mean"),
            logits,
            one_hot(target, logits),
        )


class TestSigmoidFocalElsewhere:
    @pytest.mark.parametrize("entry", recorded("imbalance", "sigmoid_focal_elsewhere"), ids=origin)
    def test_pytorch_optimizer_multiplies_both_labels_by_alpha(self, entry):
        agree_with_record(lambda z, y: 0.25 * lossary.sigmoid_focal_loss(z, y, alpha=None), entry)

    def test_monai_in_float32(self):
        logits, target = draw(0, 6, 3)
        target = one_hot(target, logits)
        theirs = FocalLoss(alpha=0.25)(logits, target)
        assert theirs.dtype == torch.float32
        assert theirs.item() == pytest.approx(lossary.sigmoid_focal_loss(logits, target).item(), rel=1e-6)


def one_per_class(logits, target, alpha):
    """Focal loss of each class against the rest."""
    return lossary.sigmoid_focal_loss(logits, one_hot(target, logits), alpha=alpha)


def faded_binary_cross_entropies(logits, target):
    right = one_hot(target, logits)
    fading = (right - logits.softmax(1)).square()
    return (fading * F.binary_cross_entropy_with_logits(logits, right, reduction="none")).sum(1).mean()


def over_the_classes(logits, target, first=1.0, others=1.0):
    """A mean over samples and classes, where only one class of a sample has a value."""
    weight = torch.full(logits.shape[1:2], others, dtype=logits.dtype)
    weight[0] = first
    total = lossary.softmax_focal_loss(logits, target, class_weight=weight, reduction="sum")
    return total / logits.numel()


SOFTMAX_FOCAL = {
    ("keras", "CategoricalFocalCrossentropy(alpha=1, gamma=2)"): lossary.softmax_focal_loss,
    ("segmentation-models-pytorch", "softmax_focal_loss_with_logits(gamma=2)"): lossary.softmax_focal_loss,
    ("torchium", "FocalLoss(gamma=2)"): lossary.softmax_focal_loss,
    ("imbalanced-losses", "SoftmaxFocalLoss(gamma=2)"): lossary.softmax_focal_loss,
    # One alpha for every class by default, which only scales.
    ("keras", "CategoricalFocalCrossentropy(gamma=2)"): lambda z, y: 0.25 * lossary.softmax_focal_loss(z, y),
    # The mean is over the classes too.
    ("kornia", "FocalLoss(alpha=None, gamma=2, reduction='mean')"): over_the_classes,
    ("monai", "FocalLoss(to_onehot_y=True, gamma=2, use_softmax=True)"): over_the_classes,
    # And alpha weighs the first class by 1 - alpha and all others by alpha.
    ("kornia", "FocalLoss(alpha=0.25, gamma=2, reduction='mean')"): lambda z, y: over_the_classes(z, y, 0.75, 0.25),
    # Not a softmax: the mean of one binary focal loss per class.
    ("segmentation-models-pytorch", "FocalLoss('multiclass', gamma=2)"): lambda z, y: one_per_class(z, y, None),
    # The sum of them, with alpha = 0.25, and of images a scrambled one: it does not move the classes last.
    ("catalyst", "FocalLossMultiClass()"): lambda z, y: (
        z.shape[1] * one_per_class(z.reshape(-1, z.shape[1]), y.flatten(), 0.25)
    ),
    # A sum of binary cross-entropies that fade by the softmax.
    ("pytorch-toolbelt", "softmax_focal_loss_with_logits(gamma=2)"): faded_binary_cross_entropies,
}
"""What each library makes of the same call, gamma 2 and no weights, written with ours."""


def name(entry):
    return f"{entry['library']} {entry['call']}"


class TestSoftmaxFocal:
    @pytest.mark.parametrize(
        "entry", recorded("imbalance", "softmax_focal"), ids=lambda e: f"{e['library']} {e['call']}"
    )
    def test_each_library(self, entry):
        ours = SOFTMAX_FOCAL[entry["library"], entry["call"]]
        agree_with_record(ours, entry, rtol=1e-6, atol=1e-7)

    def test_seven_values_are_in_the_wild(self):
        """Four libraries agree with the paper's formula; the others are the six values beside it."""
        entries = recorded("imbalance", "softmax_focal")[: len(SOFTMAX_FOCAL)]
        assert {(e["library"], e["call"]) for e in entries} == set(SOFTMAX_FOCAL)
        values = {(e["library"], e["call"]): round(e["value"], 6) for e in entries}
        assert sorted(set(values.values())) == [0.142978, 0.325124, 0.433499, 0.46564, 1.031861, 1.300497, 1.309635]
        ours = lossary.softmax_focal_loss(*tensors(entries[0]))
        same = [library for (library, _), value in values.items() if value == round(ours.item(), 6)]
        assert sorted(same) == ["imbalanced-losses", "keras", "segmentation-models-pytorch", "torchium"]

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("gamma", [0.0, 1.5])
    def test_weights_and_ignored_targets_as_kornia(self, seed, gamma):
        """Its class weights do not enter the denominator, which is the number of all logits."""
        logits, target = draw(seed, 2, 3, 4, 4)
        target[0, 0] = -100
        weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
        how = {"class_weight": weight, "denominator": float(logits.numel())}
        agree(
            lambda z, y: lossary.softmax_focal_loss(z, y, gamma=gamma, **how),
            lambda z, y: kornia_focal_loss(z, y, None, gamma, "mean", weight, -100),
            logits,
            target,
        )

    @pytest.mark.parametrize("seed", SEEDS)
    def test_weights_as_monai(self, seed):
        """Its alpha, one number per class, does not enter the denominator either. It computes in float32."""
        logits, target = draw(seed, 6, 3)
        weight = torch.tensor([0.5, 1.0, 2.0])
        peer = FocalLoss(to_onehot_y=True, gamma=2.0, alpha=weight.tolist(), use_softmax=True)
        agree(
            lambda z, y: lossary.softmax_focal_loss(z, y, class_weight=weight, denominator=float(logits.numel())),
            lambda z, y: peer(z, y.unsqueeze(1)),
            logits,
            target,
            rtol=1e-5,
            atol=1e-7,
        )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("fraction", "threshold"), [(0.3, None), (0.1, 0.4), (1.0, None)])
def test_ohem_as_a_loop(seed, fraction, threshold):
    """nnU-Net's has no threshold and no class weights."""
    weights = [0.5, 1.0, 2.0]

    def loop(z, y):
        samples = []
        for scores, k in zip(z, y, strict=True):
            if k == -100:
                continue
            samples.append((np.log(np.exp(scores).sum()) - scores[k], weights[k]))
        samples.sort(reverse=True)
        number = max(1, round(fraction * len(samples)))
        kept = [s for i, s in enumerate(samples) if i < number or (threshold and np.exp(-s[0]) < threshold)]
        return sum(w * nll for nll, w in kept) / sum(w for _, w in kept)

    logits, target = draw(seed, 12, 3)
    target[:2] = -100
    how = {"fraction": fraction, "threshold": threshold, "class_weight": torch.tensor(weights)}
    agree(lambda z, y: lossary.ohem_cross_entropy_loss(z, y, **how), numerically(loop), logits, target)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("beta", [0.9, 0.999])
def test_class_balanced_as_balanced_loss(seed, beta):
    """It holds its weights in float32."""
    counts = [500, 60, 7]
    peer = BalancedLoss("cross_entropy", beta, samples_per_class=counts, class_balanced=True)
    agree(
        lambda z, y: lossary.class_balanced_cross_entropy_loss(z, y, torch.tensor(counts), beta=beta),
        lambda z, y: peer(z.float(), y),
        *draw(seed, 6, 3),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
class TestLogitAdjustment:
    def test_as_a_loop(self, seed, tau):
        prior = np.array([0.7, 0.25, 0.05])

        def loop(z, y):
            total = 0.0
            for scores, k in zip(z, y, strict=True):
                weighed = [prior[j] ** tau * np.exp(scores[j]) for j in range(3)]
                total -= np.log(weighed[k] / sum(weighed))
            return total / len(y)

        agree(
            lambda z, y: lossary.logit_adjusted_cross_entropy_loss(z, y, torch.tensor(prior), tau=tau),
            numerically(loop),
            *draw(seed, 6, 3),
        )

    def test_is_pairwise_margins(self, seed, tau):
        """Equation 11 of the paper: log(1 + sum over the others of (prior ratio)^tau e^(score difference))."""
        prior = np.array([0.7, 0.25, 0.05])

        def loop(z, y):
            sums = [
                sum((prior[j] / prior[k]) ** tau * np.exp(scores[j] - scores[k]) for j in range(3) if j != k)
                for scores, k in zip(z, y, strict=True)
            ]
            return np.log1p(sums).mean()

        agree(
            lambda z, y: lossary.logit_adjusted_cross_entropy_loss(z, y, torch.tensor(prior), tau=tau),
            numerically(loop),
            *draw(seed, 6, 3),
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_probability_corrected_softmax_leaves_out_the_targets_prior(seed):
    """PC-softmax, -log(e^z_y / sum of prior e^z): the gradient of ours at tau 1, the value larger by log prior."""
    prior = np.array([0.7, 0.25, 0.05])

    def loop(z, y):
        return np.mean([np.log((prior * np.exp(s)).sum()) - s[k] for s, k in zip(z, y, strict=True)])

    def corrected(z, y):
        p = torch.tensor(prior)
        return lossary.logit_adjusted_cross_entropy_loss(z, y, p) + p.log()[y].mean()

    agree(corrected, numerically(loop), *draw(seed, 6, 3))


@pytest.mark.parametrize("seed", SEEDS)
def test_balanced_softmax_as_a_loop(seed):
    counts = np.array([500.0, 60.0, 7.0])

    def loop(z, y):
        total = 0.0
        for scores, k in zip(z, y, strict=True):
            total -= np.log(counts[k] * np.exp(scores[k]) / sum(counts[j] * np.exp(scores[j]) for j in range(3)))
        return total / len(y)

    agree(lambda z, y: lossary.balanced_softmax_loss(z, y, torch.tensor(counts)), numerically(loop), *draw(seed, 6, 3))


@pytest.mark.parametrize("entry", recorded("imbalance", "seesaw"), ids=origin)
def test_seesaw_as_mmdet(entry):
    def ours(logits, target, counts, **options):
        return lossary.seesaw_loss(logits, target, counts, logits.detach().softmax(1), **options)

    agree_with_record(ours, entry)
