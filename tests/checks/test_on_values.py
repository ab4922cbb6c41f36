"""Checks of values and of changes: what each finds, and what is right and looks as if it were not."""

import functools

import pytest
import torch
import torch.nn.functional as F

import lossary
from lossary.core import (
    Binary,
    Box,
    ClassIndex,
    Embedding,
    Logit,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Sign,
    Simplex,
)

REAL = [Real("n d"), Real("n d")]
PROBS = [Probability("n"), Binary("n")]
MASKS = [Probability("n h w"), Binary("n h w")]
LOGITS = [Logit("n"), Binary("n")]
CLASSES = [Logit("n c"), ClassIndex("n")]
PAIR = [Embedding("n d"), Embedding("n d")]


def refuted(loss, inputs, claims, **told):
    """Names of the checks that a loss does not survive."""
    return {f.subject for f in lossary.check(loss, inputs=inputs, claims=claims, **told).refuted}


def reduced(values, reduction):
    return values if reduction == "none" else values.sum() if reduction == "sum" else values.mean()


def of(formula, reduction="mean"):
    """The loss of a formula for its values, with the option ``reduction``."""

    def loss(input, target, reduction=reduction):
        return reduced(formula(input, target), reduction)

    return loss


def naive_bce(p, t):
    return -(t * p.log() + (1 - t) * (1 - p).log())


def eps_bce(p, t):
    return -(t * (p + 1e-6).log() + (1 - t) * (1 - p + 1e-6).log())


def naive_softmax(x, t):
    return -(x.exp() / x.exp().sum(1, keepdim=True)).log().gather(1, t[:, None]).mean()


def dice(p, t, top=1.0, bottom=1.0):
    both, each = (p * t).sum((1, 2)), p.sum((1, 2)) + t.sum((1, 2))
    return (1 - (2 * both + top) / (each + bottom)).mean()


def some_raise(x, y):
    if len(x) < 2:
        raise ValueError("takes at least two samples")
    return (x - y).square().mean()


def variance(x, y):
    """Not a number for one sample, as what it estimates needs two."""
    return (x.var(0) - y.var(0)).square().mean()


def cosine(x, y):
    return 1 - F.cosine_similarity(x, y)


def pearson(x, y):
    return 1 - F.cosine_similarity(x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True))


def welsch(x, y):
    return 1 - torch.exp(-0.5 * (x - y).square())


def broken_huber(x, y):
    d = (x - y).abs()
    return torch.where(d < 1, 0.5 * d**2, d - 1)


def masked_mean(x, y, mask):
    return ((x - y).square() * mask).sum() / mask.sum()


def info_nce(a, b):
    return F.cross_entropy(a @ b.T, torch.arange(len(a)))


def hinge_critic(real, fake):
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def dip(x, y):
    """Below 0 only around a mean that no draw has."""
    return (x.mean() - 5).square() - 0.2


def iou(a, b, of=lambda both, a, b: a + b - both):
    sizes = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    areas = ((t[:, 2:] - t[:, :2]).prod(1) for t in (a, b))
    both = sizes.prod(1)
    return (1 - both / of(both, *areas)).mean()


def smoothed(x, t):
    return F.cross_entropy(x, t, label_smoothing=0.2)


FAULTY = [
    # loss, inputs, claims, the check that finds it
    ("nothing", lambda x, y: (y - y.detach() + y).square().mean(), REAL, {}, "value_depends_on_the_prediction"),
    ("constant", lambda x, y: x.sum() * 0 + 1, REAL, {}, "value_depends_on_the_prediction"),
    ("raises", lambda x, y: x @ y, REAL, {}, "runs"),
    ("number", lambda x, y: float((x - y).square().mean()), REAL, {}, "runs"),
    ("log 0", of(naive_bce), PROBS, {"finite"}, "value_is_finite"),
    ("exp", naive_softmax, CLASSES, {"finite"}, "value_is_finite"),
    ("unstable", lambda x, t: (x.clamp(min=0) - x * t + (-x).exp().log1p()).mean(), LOGITS, {"finite"},
     "value_is_finite"),
    ("squeezed", lambda x, t: F.nll_loss(x.squeeze().log_softmax(1), t), CLASSES, {"finite"}, "value_is_finite"),
    ("cosine of 0", lambda x, y: 1 - ((x * y).sum(1) / x.norm(dim=1) / y.norm(dim=1)).mean(), PAIR, {"finite"},
     "value_is_finite"),
    ("none alone", lambda x, y, reduction="mean": reduced(torch.log(x / y), reduction) if reduction == "none"
     else torch.log(x / y).nan_to_num(0.0, 0.0, 0.0).mean(), [NonNegativeReal("n"), NonNegativeReal("n")],
     {"finite"}, "value_is_finite"),
    ("negative", of(lambda x, y: x - y), REAL, {"nonnegative"}, "value_is_nonnegative"),
    ("sign", lambda x, t: F.cross_entropy(x, t).neg(), CLASSES, {"nonnegative"}, "value_is_nonnegative"),
    ("not normalised", lambda p, q: (q * (q / p).log()).mean(), [PositiveReal("n"), PositiveReal("n")],
     {"nonnegative"}, "value_is_nonnegative"),
    ("dip", dip, REAL, {"nonnegative"}, "value_stays_nonnegative_downhill"),
    ("summed", lambda x, y: cosine(x, y).sum(), PAIR, {"bounded": (0, 2)}, "value_is_bounded"),
    ("dice of logits", lambda x, t: dice(x, t), [Logit("n h w"), Binary("n h w")], {"bounded": (0, 1)},
     "value_is_bounded"),
    ("rise", lambda x, y: 1.2 / (1 + dip(x, y).square()), REAL, {"bounded": (0, 1.1)}, "value_stays_bounded_uphill"),
    ("smoothing below", lambda p, t: dice(p, t, 0.0), MASKS, {"zero_at_perfect"}, "zero_at_a_perfect_prediction"),
    ("smoothing labels", smoothed, CLASSES, {"zero_at_perfect"}, "zero_at_a_perfect_prediction"),
    ("shifted sum", of(lambda x, y: (x - y).square() + 1e-3, "mean"), REAL, {"zero_at_perfect"},
     "zero_at_a_perfect_prediction"),
    ("iou of the smaller", functools.partial(iou, of=lambda both, a, b: a + b), [Box("n 4"), Box("n 4")],
     {"zero_at_perfect"}, "zero_at_a_perfect_prediction"),
    ("empty", lambda p, t: dice(p, t, 0.0, 1e-7), MASKS, {"zero_at_perfect"},
     "zero_at_a_perfect_prediction_of_any_target"),
    ("blind", of(lambda x, y: F.relu((x - y).abs() - 9)), REAL, {"positive_off_target"}, "positive_off_target"),
    ("last dropped", lambda x, y: (x - y)[:-1].abs().mean(), REAL, {"positive_off_target"},
     "positive_where_one_sample_is_off"),
    ("downwards", lambda x, y: -(x - y).square().mean(), REAL, {"best_at_perfect"}, "best_at_perfect"),
    ("opposite labels", lambda x, t: F.binary_cross_entropy_with_logits(-x, t), LOGITS, {"best_at_perfect"},
     "best_at_perfect"),
    ("other optimum", of(lambda x, y: (x - 0.5 * y).square()), REAL, {"best_at_perfect"}, "best_at_perfect"),
    ("one normalised", lambda a, b: (F.normalize(a) * b).sum(1).mean(), PAIR, {"symmetric"},
     "arguments_may_change_places"),
    ("bounded", of(welsch), REAL, {"convex"}, "lies_below_its_chords"),
    ("root", lambda x, y: (x - y).abs().sqrt().mean(), REAL, {"convex"}, "lies_below_its_chords"),
    ("jump down", lambda x, y: broken_huber(x, y).mean(), REAL, {"monotone"}, "does_not_fall_along_a_line"),
    ("waves", of(lambda x, y: 1 - torch.cos(x - y)), REAL, {"monotone"}, "does_not_fall_along_a_line"),
    ("far away", of(lambda x, y: torch.where((x - y).abs() > 50, 0.0, (x - y).abs())), REAL, {"monotone"},
     "does_not_fall_along_a_line"),
    ("not normalised a", lambda a, b: -(a * F.normalize(b)).sum(1).mean(), PAIR, {"scale_invariant"}, "may_be_scaled"),
    ("large epsilon", lambda a, b: 1 - ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 0.1)).mean(), PAIR,
     {"scale_invariant"}, "may_be_scaled"),
    ("not centred", of(cosine), PAIR, {"shift_invariant"}, "may_be_shifted"),
    ("positions", lambda x, y: ((x - y).square().mean(1) * torch.arange(1, len(x) + 1)).mean(), REAL,
     {"permutation"}, "samples_may_be_reordered"),
    ("first as anchor", lambda x, y, reduction="mean": reduced((x - y[:1]).square().mean(1), reduction), REAL,
     {"permutation"}, "samples_may_be_reordered"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "inputs", "claims", "found"), [row[1:] for row in FAULTY], ids=[row[0] for row in FAULTY]
)
def test_found(loss, inputs, claims, found):
    assert found in refuted(loss, inputs, claims)


RIGHT = [
    ("eps bce", of(eps_bce), PROBS, {"finite", "nonnegative", "zero_at_perfect", "best_at_perfect", "monotone"}),
    ("torch bce", F.binary_cross_entropy, PROBS, {"finite", "nonnegative", "zero_at_perfect", "convex", "monotone"}),
    ("bce with logits", F.binary_cross_entropy_with_logits, LOGITS,
     {"finite", "nonnegative", "zero_at_perfect", "convex", "monotone", "best_at_perfect", "permutation"}),
    ("cross entropy", F.cross_entropy, CLASSES,
     {"finite", "nonnegative", "zero_at_perfect", "convex", "monotone", "best_at_perfect", "shift_invariant"}),
    ("nll", F.nll_loss, [LogSimplex("n c"), ClassIndex("n")], {"nonnegative", "monotone", "best_at_perfect"}),
    ("smoothed", smoothed, CLASSES, {"finite", "nonnegative", "best_at_perfect", "convex", "shift_invariant"}),
    ("kl", functools.partial(F.kl_div, reduction="batchmean"), [LogSimplex("n c"), Simplex("n c")],
     {"finite", "nonnegative", "zero_at_perfect", "best_at_perfect", "monotone", "permutation"}),
    ("mse", F.mse_loss, REAL, {"finite", "nonnegative", "zero_at_perfect", "positive_off_target", "best_at_perfect",
     "symmetric", "convex", "monotone", "shift_invariant", "permutation"}),
    ("l1", F.l1_loss, REAL, {"finite", "zero_at_perfect", "positive_off_target", "convex", "monotone", "symmetric"}),
    ("smooth l1", F.smooth_l1_loss, REAL, {"finite", "zero_at_perfect", "convex", "monotone", "symmetric"}),
    ("poisson", F.poisson_nll_loss, [Real("n", low=-5, high=5), NonNegativeReal("n")], {"finite", "convex"}),
    ("distance", lambda a, b: F.pairwise_distance(a, b).mean(), PAIR,
     {"finite", "nonnegative", "zero_at_perfect", "symmetric", "convex", "monotone"}),
    ("cosine", of(cosine), PAIR, {"finite", "nonnegative", "zero_at_perfect", "symmetric", "scale_invariant",
     "monotone", "permutation", "best_at_perfect"}),
    ("pearson", of(pearson), REAL, {"finite", "zero_at_perfect", "scale_invariant", "shift_invariant", "symmetric"}),
    ("welsch", of(welsch), REAL, {"finite", "nonnegative", "zero_at_perfect", "monotone", "positive_off_target"}),
    ("dice", dice, MASKS, {"finite", "nonnegative", "zero_at_perfect", "best_at_perfect", "monotone", "symmetric"}),
    ("iou", iou, [Box("n 4"), Box("n 4")], {"nonnegative", "zero_at_perfect", "best_at_perfect",
     "scale_invariant", "shift_invariant", "symmetric"}),
    ("triplet", F.triplet_margin_loss, [Embedding("n d")] * 3, {"finite", "nonnegative", "permutation"}),
    ("info nce", info_nce, PAIR, {"finite", "nonnegative", "permutation", "convex"}),
    ("refuses one sample", some_raise, REAL, {"finite", "nonnegative", "zero_at_perfect"}),
    ("needs two samples", variance, REAL, {"finite", "nonnegative", "zero_at_perfect", "shift_invariant"}),
    ("quantile", of(lambda x, y: torch.maximum(0.9 * (y - x), -0.1 * (y - x))), REAL,
     {"finite", "nonnegative", "zero_at_perfect", "convex", "monotone", "best_at_perfect", "shift_invariant"}),
    ("values only", lambda x, y: (x - y).square(), REAL, {"finite", "nonnegative", "convex", "permutation"}),
    ("batch second", lambda x, y: (x - y).square().mean(-1), [Real("t n d"), Real("t n d")],
     {"nonnegative", "zero_at_perfect", "permutation", "convex", "monotone"}),
    ("all pairs", lambda a, b: torch.cdist(a, b), PAIR, {"nonnegative", "permutation", "symmetric"}),
    ("hinge", lambda x, t: F.relu(1 - x * t).mean(), [Logit("n"), Sign("n")],
     {"finite", "nonnegative", "zero_at_perfect", "convex", "monotone", "best_at_perfect"}),
    ("float32 inside", lambda a, b: (a.float().square().sum(1) + b.float().square().sum(1)
     - 2 * (a.float() * b.float()).sum(1)).mean(), REAL, {"nonnegative", "zero_at_perfect", "symmetric", "convex"}),
    ("log error", of(lambda x, y: (torch.log1p(x) - torch.log1p(y)).square()),
     [NonNegativeReal("n"), NonNegativeReal("n")], {"finite", "nonnegative", "zero_at_perfect", "best_at_perfect"}),
    ("cosine triplet", lambda a, p, n: F.relu(cosine(a, p) - cosine(a, n) + 0.2).mean(), [Embedding("n d")] * 3,
     {"finite", "nonnegative", "scale_invariant"}),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "inputs", "claims"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_nothing_right_is_refuted(loss, inputs, claims):
    report = lossary.check(loss, inputs=inputs, claims=claims)
    assert not report.refuted, [(f.subject, f.reason, f.evidence) for f in report.refuted]


def test_what_another_claim_is_about_is_left_to_it():
    mask = {"finite": True, "mask": {"arg": 2, "of": [0, 1]}}
    assert "value_is_finite" not in refuted(masked_mean, [*REAL, Binary("n d")], mask)
    assert "value_is_finite" in refuted(masked_mean, [*REAL, Binary("n d")], {"finite"})


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (hinge_critic, [Real("n"), Real("n")]),
        (F.margin_ranking_loss, [Real("n"), Real("n"), Sign("n")]),
        (lambda x, t: F.cosine_embedding_loss(x[:, :2], x[:, 2:], t), [Real("n 4"), Sign("n")]),
        (smoothed, CLASSES),
        (lambda x, t: x.logsumexp(1).square().mean() * 1e-2 + F.cross_entropy(x, t), CLASSES),
        (of(lambda x, t: (torch.sigmoid(x) - t).square()), LOGITS),
    ],
)
def test_what_is_assumed_of_the_best_prediction_is_little(loss, inputs):
    report = lossary.check(loss, inputs=inputs)
    assert "best_at_perfect" not in {f.subject for f in report.refuted}, [f.reason for f in report.refuted]


def test_what_is_assumed_of_the_best_prediction_is_enough():
    for loss, inputs in (
        (lambda input, target: -F.mse_loss(input, target), REAL),
        (lambda input, target: (input - target).mean(), REAL),
        (lambda x, t: F.cross_entropy(-x, t), CLASSES),
        (lambda x, t: F.binary_cross_entropy_with_logits(x, 1 - t), LOGITS),
    ):
        assert "best_at_perfect" in {f.subject for f in lossary.check(loss, inputs=inputs).refuted}


def test_a_perfect_prediction_that_was_told_counts():
    def squares(generator):
        x = torch.randn(5, generator=generator)
        return x.square(), x

    right, wrong = (lambda x, y: (x - y.square()).abs().mean()), (lambda x, y: (x - y).abs().mean())
    claims = {"zero_at_perfect", "best_at_perfect", "monotone"}
    told = {"inputs": [Real("n"), Real("n")], "claims": claims, "perfect": squares}
    assert not refuted(right, **told)
    assert {"zero_at_a_perfect_prediction", "best_at_perfect", "does_not_fall_along_a_line"} <= refuted(wrong, **told)


def test_faults_of_one_setting_are_found():
    def loss(input, target, power=2.0):
        return (input - target).abs().pow(power).mean() - (0.5 if power > 2.5 else 0)

    told = {"inputs": REAL, "claims": {"nonnegative", "zero_at_perfect"}}
    assert not refuted(loss, **told)
    assert "zero_at_a_perfect_prediction" in refuted(loss, **told, params={"power": (1.0, 3.0)})
