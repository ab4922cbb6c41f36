"""Losses of a softmax by kernel are those by composition."""

import pytest
import torch

import lossary
from lossary.core import definition_of

from .agreement import assert_agrees, run, served

NAN, INF = float("nan"), float("inf")
CROSS_ENTROPY, NLL = lossary.cross_entropy_loss, lossary.nll_loss
KD, KL = lossary.knowledge_distillation_loss, lossary.kl_div_loss
LIKELIHOODS = [
    CROSS_ENTROPY, lossary.softmax_focal_loss, lossary.poly1_cross_entropy_loss,
    lossary.generalized_cross_entropy_loss, lossary.symmetric_cross_entropy_loss,
]  # fmt: skip
SHAPES = [(300, 5), (30, 200), (3, 7, 20, 30)]
"""Places turned to lie side by side, rows, and an image."""
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
each_indexed = pytest.mark.parametrize("loss", [*LIKELIHOODS, NLL], ids=lambda f: f.__name__)
each_soft = pytest.mark.parametrize("loss", [CROSS_ENTROPY, KD, KL], ids=lambda f: f.__name__)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def axis(shape):
    return min(1, len(shape) - 1)


def indexed(loss, shape, spread=3.0):
    """Scores and the index of a class."""
    scores = torch.randn(shape, generator=random()) * spread
    target = torch.randint(0, shape[axis(shape)], without_classes(shape), generator=random(1))
    return [scores.log_softmax(axis(shape)) if loss is NLL else scores, target]


def soft(loss, shape, spread=3.0):
    """Scores and a distribution."""
    scores, target = (torch.randn(shape, generator=random(seed)) * spread for seed in (0, 1))
    if loss is KD:
        return [scores, target]
    return [scores.log_softmax(axis(shape)) if loss is KL else scores, target.softmax(axis(shape))]


def without_classes(shape):
    return (*shape[:1], *shape[2:]) if len(shape) > 1 else ()


def weight_and_mask(shape):
    """A weight for each sample, and a mask for each value."""
    return torch.rand(shape[0], generator=random(2)), torch.rand(without_classes(shape), generator=random(3)) < 0.6


def spoilt(tensors, mask, shape):
    """NaN and infinity, and classes that there are not, where nothing counts."""
    for t, odd in zip(tensors, (NAN, INF), strict=True):
        if t.is_floating_point():
            t.masked_fill_(~mask.unsqueeze(axis(shape)), odd)
        else:
            t[~mask] = 10**6
    return tensors


@each_indexed
@each_shape
def test_indices(loss, shape):
    assert_agrees(loss, indexed(loss, shape))


@each_soft
@each_shape
def test_distributions(loss, shape):
    assert_agrees(loss, soft(loss, shape))


@pytest.mark.parametrize(
    "loss", [lossary.softmax_focal_loss, lossary.poly1_cross_entropy_loss], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("spread", [0.01, 30.0])
def test_hyperparameters(loss, spread):
    for value in (0.0, 0.5, 3.0, -1.0):
        name = "gamma" if loss is lossary.softmax_focal_loss else "epsilon"
        if value >= 0.0 or name == "epsilon":
            assert_agrees(loss, indexed(loss, (300, 5), spread), **{name: value})


@pytest.mark.parametrize("loss", LIKELIHOODS, ids=lambda f: f.__name__)
def test_expression(loss):
    """The slope of each is that of its value, and the value the loss of a class of that likelihood."""
    kernel = definition_of(loss).kernel
    names = kernel.expression.__code__.co_varnames[1 : kernel.expression.__code__.co_argcount]
    nll = torch.tensor([1e-6, 0.01, 0.7, 3.0, 20.0], dtype=torch.float64, requires_grad=True)
    value, slope = kernel.expression(nll, *(kernel.defaults[name] for name in names))
    (expected,) = torch.autograd.grad(value.sum(), nll)
    torch.testing.assert_close(torch.as_tensor(slope, dtype=torch.float64).expand(5), expected, rtol=1e-9, atol=1e-12)
    logits = torch.stack([torch.zeros_like(nll), torch.log(torch.expm1(nll))], 1).detach()
    with lossary.kernels.enabled(False):
        of_logits = loss(logits, torch.zeros(5, dtype=torch.long), reduction="none")
    torch.testing.assert_close(value.detach(), of_logits, rtol=1e-9, atol=1e-15)


@each_shape
@pytest.mark.parametrize("loss", [CROSS_ENTROPY, NLL], ids=lambda f: f.__name__)
def test_weight_and_mask_of_indices(loss, shape):
    weight, mask = weight_and_mask(shape)
    tensors = spoilt(indexed(loss, shape), mask, shape)
    assert_agrees(loss, tensors, reduction="none", sample_weight=weight, mask=mask)
    assert_agrees(loss, tensors, reduction="none", sample_weight=weight, mask=torch.zeros_like(mask))


@each_shape
@each_soft
def test_weight_and_mask_of_distributions(loss, shape):
    weight, mask = weight_and_mask(shape)
    tensors = spoilt(soft(loss, shape), mask, shape)
    assert_agrees(loss, tensors, reduction="none", sample_weight=weight, mask=mask)
    assert_agrees(loss, tensors, reduction="none", sample_weight=weight, mask=torch.zeros_like(mask))


@each_shape
def test_denominators(shape):
    """What is ignored does not count, and a class counts as much as it weighs."""
    scores, target = indexed(CROSS_ENTROPY, shape)
    class_weight = torch.rand(shape[1], generator=random(4)) + 0.5
    target[target == 1] = 255
    scores.masked_fill_((target == 255).unsqueeze(1), NAN)
    for how in ({}, {"reduction": "sum"}, {"denominator": 7.0}, {"denominator": torch.tensor(7.0)}):
        assert_agrees(CROSS_ENTROPY, (scores, target), ignore_index=255, class_weight=class_weight, **how)
        assert_agrees(NLL, (scores, target), ignore_index=255, class_weight=class_weight, **how)
    assert_agrees(CROSS_ENTROPY, (scores, torch.full_like(target, 255)), ignore_index=255, class_weight=class_weight)
    assert_agrees(CROSS_ENTROPY, (scores, target), ignore_index=255, class_weight=0.0 * class_weight)


@each_shape
@pytest.mark.parametrize("target", [indexed, soft])
def test_smoothing(shape, target):
    class_weight = torch.rand(shape[1], generator=random(4)) + 0.5
    for smoothing in (0.1, 1.0):
        for weight in (torch.ones(shape[1]), class_weight):
            how = {"class_weight": weight, "label_smoothing": smoothing, "reduction": "none"}
            assert_agrees(CROSS_ENTROPY, target(CROSS_ENTROPY, shape), **how)


@pytest.mark.parametrize("shape", [(9,), (1, 1), (1, 2), (1, 49), (2, 2049), (600, 3), (2, 300, 3), (1, 2, 1)], ids=str)
def test_shapes(shape):
    for loss in (CROSS_ENTROPY, NLL):
        assert_agrees(loss, indexed(loss, shape))
    for loss in (CROSS_ENTROPY, KD, KL):
        assert_agrees(loss, soft(loss, shape))


@each_shape
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_scale(shape, scale):
    for loss in LIKELIHOODS[:2]:
        assert_agrees(loss, indexed(loss, shape, scale))
    for loss in (CROSS_ENTROPY, KL):
        assert_agrees(loss, soft(loss, shape, scale))
    assert_agrees(KD, soft(KD, shape, max(scale, 1.0)))  # the divergence of equals is below rounding


@each_shape
def test_all_but_certain(shape):
    """Likelihoods near 1 keep their digits, which float32 has not where 1 - p is computed from p."""
    scores, target = indexed(CROSS_ENTROPY, shape, 0.1)
    right = torch.zeros_like(scores).scatter_(1, target.unsqueeze(1), 1.0)
    assert_agrees(CROSS_ENTROPY, (scores + 25.0 * right, target), share=3e-5)
    assert_agrees(CROSS_ENTROPY, (scores + 25.0 * right, right), share=3e-5)


@each_shape
def test_classes_that_are_excluded(shape):
    """Logits of minus infinity have no probability and no slope."""
    scores, target = indexed(CROSS_ENTROPY, shape)
    scores[:, 0] = -INF
    target.clamp_(min=1)
    for loss in LIKELIHOODS:
        assert_agrees(loss, (scores, target))
    assert_agrees(CROSS_ENTROPY, (scores, torch.zeros_like(target)))
    log_q, p = soft(KL, shape)
    log_q[:, 1], p[:, 1] = -INF, 0.0
    assert_agrees(KL, (log_q, p))
    assert_agrees(KL, (log_q, p.log()), log_target=True)


@each_shape
def test_nan_and_infinity(shape):
    """They reach the values and slopes of their own distribution, as in the composition, and no other."""
    for place, odd in ((0, NAN), (1, NAN), (1, INF)):
        scores, target = indexed(CROSS_ENTROPY, shape)
        scores[0, place], target[0] = odd, 0
        for loss in (CROSS_ENTROPY, NLL):
            assert_agrees(loss, (scores, target), reduction="sum")
        for loss in (KD, KL):
            scores, target = soft(loss, shape)
            scores[0, place] = odd
            assert_agrees(loss, (scores, target), reduction="sum")
            assert_agrees(loss, (target, scores), reduction="sum")


def test_value_alone():
    scores, target = indexed(CROSS_ENTROPY, (30, 200))
    with lossary.kernels.enabled(smallest=1):
        value = CROSS_ENTROPY(scores, target)
    torch.testing.assert_close(value, torch.nn.functional.cross_entropy(scores, target))


def test_teacher_is_a_constant():
    scores, teacher = soft(KD, (30, 5))
    with lossary.kernels.enabled(smallest=1):
        KD(scores.requires_grad_(), teacher.requires_grad_()).backward()
    assert scores.grad is not None
    assert teacher.grad is None


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, NLL], ids=lambda f: f.__name__)
@pytest.mark.parametrize("wrong", [-1, 5])
def test_index_of_no_class(loss, wrong):
    scores, target = indexed(loss, (300, 5))
    target[7] = wrong
    for how in ({}, {"reduction": "none"}):
        with lossary.kernels.enabled(smallest=1), pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
            loss(scores, target, **how)


def test_index_that_torch_ignores():
    """With another ``ignore_index``, -100 is what the composition makes of it."""
    scores, target = indexed(CROSS_ENTROPY, (300, 5))
    target[7] = -100
    with lossary.kernels.enabled(smallest=1):
        found, _ = run(CROSS_ENTROPY, (scores, target), (0,), ignore_index=255)
    with lossary.kernels.enabled(False):
        expected, _ = run(CROSS_ENTROPY, (scores, target), (0,), ignore_index=255)
    assert torch.equal(found, expected)


@each_indexed
def test_indices_left_to_the_composition(loss):
    scores, target = indexed(loss, (30, 5))
    assert served(loss, (scores, target))
    for refused in (
        (scores.double(), target), (scores.T.contiguous().T, target), (scores, target.int()), (scores, target[:4]),
        (scores.new_zeros(0, 5), target[:0]), (torch.zeros(2, 5000, 3), torch.zeros(2, 3, dtype=torch.long)),
    ):  # fmt: skip
        assert not served(loss, refused)
    for how in (
        {"sample_weight": torch.ones(30, requires_grad=True)}, {"class_weight": torch.ones(5, requires_grad=True)},
        {"class_weight": torch.ones(4)}, {"reduction": "sum", "denominator": 2.0}, {"denominator": 0.0},
    ):  # fmt: skip
        assert not served(loss, (scores, target), **how)


@each_soft
def test_distributions_left_to_the_composition(loss):
    scores, target = soft(loss, (30, 5))
    assert served(loss, (scores, target))
    for refused in ((scores, target.double()), (scores, target.T.contiguous().T), (scores[:4], target)):
        assert not served(loss, refused)
    assert served(loss, (scores, target.requires_grad_())) == (loss is KD)


def test_hyperparameters_left_to_the_composition():
    learned = torch.tensor(0.5, requires_grad=True)
    assert not served(lossary.softmax_focal_loss, indexed(CROSS_ENTROPY, (30, 5)), gamma=learned)
    assert not served(KD, soft(KD, (30, 5)), temperature=learned)
    assert not served(CROSS_ENTROPY, soft(CROSS_ENTROPY, (30, 5)), label_smoothing=learned)
