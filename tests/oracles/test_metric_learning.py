"""Losses of embeddings against torch, pytorch-metric-learning, and values recorded from catalyst, optax and keras."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lossary
from tests.oracles.agreement import agree, numerically
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

SEEDS = range(3)


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def classes(seed, n, c):
    """Labels in which every class has at least two samples."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return (torch.arange(n) % c)[order]


def with_prototypes(build, w):
    """A peer's module as a function of its class vectors, the parameter whose name is ``w``."""

    def theirs(embeddings, target, prototypes):
        module = build(len(prototypes), prototypes.shape[1])
        rows = prototypes if w == "proxies" else prototypes.T
        delattr(module, w)
        setattr(module, w, rows)
        module.cast_types = lambda dtype, device: None  # it would copy the tensor and lose its gradient
        return module(embeddings, target)

    return theirs


@pytest.mark.parametrize("entry", recorded("metric_learning", "contrastive"), ids=origin)
def test_contrastive(entry):
    agree_with_record(lossary.contrastive_loss, entry, gradient_in=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_contrastive_without_the_square_is_that_of_pytorch_metric_learning(seed):
    """It takes d and not d^2, without the factor 1/2, and means positives and negatives apart."""
    x, y = normal(seed, 8, 4), normal(seed + 10, 8, 4)
    target = torch.tensor([1.0, 0.0] * 4, dtype=torch.float64)
    peer = losses.ContrastiveLoss(
        neg_margin=3.0,
        distance=distances.LpDistance(normalize_embeddings=False),
        reducer=reducers.MeanReducer(),
    )
    positives, negatives = torch.arange(0, 8, 2), torch.arange(1, 8, 2)
    indices = (positives, positives, negatives, negatives)
    theirs = peer(x, indices_tuple=indices, ref_emb=y)
    ours = lossary.contrastive_loss(x, y, target, margin=3.0, reduction="none")
    assert_close(theirs, (2 * ours).sqrt().reshape(4, 2).mean(0).sum())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("margin", [0.0, 0.3, -0.5])
def test_cosine_embedding(seed, margin):
    x, y = normal(seed, 7, 4), normal(seed + 10, 7, 4)
    target = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 1.0])
    agree(lambda a, b: lossary.cosine_embedding_loss(a, b, target, margin=margin),
          lambda a, b: F.cosine_embedding_loss(a, b, target, margin=margin), x, y, gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("margin", [1.0, 2.5])
def test_hinge_embedding(seed, margin):
    x = normal(seed, 5, 3).abs()
    target = torch.sign(normal(seed + 10, 5, 3))
    agree(lambda a: lossary.hinge_embedding_loss(a, target, margin=margin),
          lambda a: F.hinge_embedding_loss(a, target, margin=margin), x)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf])
def test_triplet_margin(seed, swap, p):
    x = [normal(seed + i, 7, 4) for i in (0, 10, 20)]
    options = {"margin": 0.7, "p": p, "eps": 1e-3, "swap": swap}
    agree(lambda *t: lossary.triplet_margin_loss(*t, **options), lambda *t: F.triplet_margin_loss(*t, **options),
          *x, gradient_in=(0, 1, 2))  # fmt: skip


@pytest.mark.parametrize("entry", recorded("metric_learning", "triplet_margin"), ids=origin)
def test_triplet_margin_as_optax(entry):
    """Its eps is in the root, ours, as torch's, on the differences: 1e-6 either way."""
    agree_with_record(lossary.triplet_margin_loss, entry, gradient_in=(0, 1, 2), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("euclidean", nn.PairwiseDistance(eps=0.0)),
        ("squared_euclidean", lambda a, b: F.mse_loss(a, b, reduction="none").sum(-1)),
        ("cosine", lambda a, b: 1 - F.cosine_similarity(a, b)),
        (nn.PairwiseDistance(p=1.0), nn.PairwiseDistance(p=1.0)),
    ],
    ids=["euclidean", "squared_euclidean", "cosine", "function"],
)
def test_triplet_margin_with_distance(seed, swap, ours, theirs):
    x = [normal(seed + i, 7, 4) for i in (0, 10, 20)]
    agree(lambda *t: lossary.triplet_margin_with_distance_loss(*t, distance_function=ours, margin=0.7, swap=swap),
          lambda *t: F.triplet_margin_with_distance_loss(*t, distance_function=theirs, margin=0.7, swap=swap),
          *x, gradient_in=(0, 1, 2))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("distance", "theirs"),
    [
        ("euclidean", distances.LpDistance(normalize_embeddings=False)),
        ("squared_euclidean", distances.LpDistance(normalize_embeddings=False, power=2)),
        ("cosine", distances.CosineSimilarity()),
    ],
    ids=["euclidean", "squared_euclidean", "cosine"],
)
@pytest.mark.parametrize("margin", [0.5, None])
def test_batch_hard_triplet(seed, distance, theirs, margin):
    x, target = normal(seed, 9, 4), classes(seed, 9, 3)
    peer = losses.TripletMarginLoss(
        margin=margin or 0.0, smooth_loss=margin is None, distance=theirs, reducer=reducers.MeanReducer()
    )
    mined = miners.BatchHardMiner(distance=theirs)(x, target)
    assert len(mined[0]) == 9
    agree(lambda e: lossary.batch_hard_triplet_loss(e, target, margin=margin, distance=distance),
          lambda e: peer(e, target, mined), x)  # fmt: skip


@pytest.mark.parametrize("entry", recorded("metric_learning", "batch_hard_triplet"), ids=origin)
def test_batch_hard_triplet_as_catalyst(entry):
    agree_with_record(partial(lossary.batch_hard_triplet_loss, distance="squared_euclidean"), entry)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("margin", "scale"), [(0.4, 80.0), (0.25, 5.0)])
def test_circle(seed, margin, scale):
    x, target = normal(seed, 9, 4), classes(seed, 9, 3)
    peer = losses.CircleLoss(m=margin, gamma=scale, reducer=reducers.MeanReducer())
    agree(lambda e: lossary.circle_loss(e, target, margin=margin, scale=scale), lambda e: peer(e, target), x)


@pytest.mark.parametrize("entry", recorded("metric_learning", "circle"), ids=origin)
def test_circle_of_keras_has_the_value_but_differentiates_the_weights(entry):
    """It computes in float32. Its gradient is the slope of the value, which the paper's is not, and is larger."""
    agree_with_record(lossary.circle_loss, entry, gradient_in=(), rtol=1e-6)
    x, target = tensors(entry)
    x.requires_grad_()
    (ours,) = torch.autograd.grad(lossary.circle_loss(x, target, **entry["options"]), x)
    theirs = torch.tensor(entry["gradients"][0], dtype=torch.float64)
    assert 0.55 < ours.norm() / theirs.norm() < 0.75


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mining_margin", [0.1, 0.6, None])
def test_multi_similarity(seed, mining_margin):
    x, target = normal(seed, 9, 4), classes(seed, 9, 3)
    peer = losses.MultiSimilarityLoss(alpha=2.0, beta=10.0, base=0.6)
    miner = None if mining_margin is None else miners.MultiSimilarityMiner(epsilon=mining_margin)
    agree(lambda e: lossary.multi_similarity_loss(
              e, target, alpha=2.0, beta=10.0, threshold=0.6, mining_margin=mining_margin),
          lambda e: peer(e, target, None if miner is None else miner(e, target)), x)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_n_pairs(seed):
    x, y = normal(seed, 6, 4), normal(seed + 10, 6, 4)
    labels = torch.arange(6).repeat(2)
    # Its default normalises the embeddings, which the paper advises against.
    peer = losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False))
    agree(lossary.n_pairs_loss, lambda a, p: peer(torch.cat([a, p]), labels), x, y, gradient_in=(0, 1))


def n_pairs_multilabel(anchor, positive, target):
    total = 0.0
    for i in range(len(anchor)):
        shared = [target[i] @ target[j] for j in range(len(anchor))]
        product = [anchor[i] @ positive[j] for j in range(len(anchor))]
        normaliser = sum(np.exp(s) for s in product)
        total -= sum(w / sum(shared) * np.log(np.exp(s) / normaliser) for w, s in zip(shared, product, strict=True))
    return total / len(anchor)


@pytest.mark.parametrize("seed", SEEDS)
def test_n_pairs_multilabel_as_a_loop(seed):
    x, y = normal(seed, 5, 4), normal(seed + 10, 5, 4)
    target = (normal(seed + 20, 5, 3) > 0).double()
    target[:, 0] = 1.0  # no pair without a label, which has no value
    agree(lambda a, p: lossary.n_pairs_multilabel_loss(a, p, target),
          lambda a, p: numerically(n_pairs_multilabel)(a, p, target), x, y, gradient_in=(0, 1), rtol=1e-5, atol=1e-7,
          )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (1.2, 3.0)])
def test_arcface(seed, margin, scale):
    """Its margin is in degrees, and it continues beyond pi - margin as our default does."""
    x, target, w = normal(seed, 40, 3), classes(seed, 40, 4), normal(seed + 10, 4, 3)
    cosine = F.cosine_similarity(x, w[target])
    assert (cosine < -math.cos(margin)).any(), "no angle is beyond"
    build = lambda c, d: losses.ArcFaceLoss(c, d, margin=math.degrees(margin), scale=scale)  # noqa: E731
    agree(lambda *t: lossary.arcface_loss(t[0], target, t[1], margin=margin, scale=scale),
          lambda *t: with_prototypes(build, "W")(t[0], target, t[1]), x, w, gradient_in=(0, 1))  # fmt: skip


def arcface(embeddings, prototypes, target, margin, scale, easy):
    """The paper's equation 3; with ``easy``, the bare angle from pi / 2 on."""
    total = 0.0
    for x, y in zip(embeddings, target, strict=True):
        angles = [math.acos(x @ w / np.linalg.norm(x) / np.linalg.norm(w)) for w in prototypes]
        if not (easy and angles[y] > math.pi / 2):
            angles[y] += margin
        powers = [math.exp(scale * math.cos(a)) for a in angles]
        total -= math.log(powers[y] / sum(powers))
    return total / len(embeddings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("beyond", ["cosine", "easy"])
def test_arcface_beyond_as_a_loop(seed, beyond):
    x, target, w = normal(seed, 20, 3), classes(seed, 20, 4), normal(seed + 10, 4, 3)
    loop = numerically(lambda e, p: arcface(e, p, target.numpy(), 1.2, 3.0, beyond == "easy"))
    agree(lambda e, p: lossary.arcface_loss(e, target, p, margin=1.2, scale=3.0, beyond=beyond), loop, x, w,
          gradient_in=(0, 1), rtol=1e-5, atol=1e-7)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("margin", "scale"), [(0.35, 64.0), (0.1, 3.0)])
def test_cosface(seed, margin, scale):
    x, target, w = normal(seed, 9, 3), classes(seed, 9, 4), normal(seed + 10, 4, 3)
    build = lambda c, d: losses.CosFaceLoss(c, d, margin=margin, scale=scale)  # noqa: E731
    agree(lambda *t: lossary.cosface_loss(t[0], target, t[1], margin=margin, scale=scale),
          lambda *t: with_prototypes(build, "W")(t[0], target, t[1]), x, w, gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [20.0, 2.0])
def test_normface(seed, scale):
    x, target, w = normal(seed, 9, 3), classes(seed, 9, 4), normal(seed + 10, 4, 3)
    build = lambda c, d: losses.NormalizedSoftmaxLoss(c, d, temperature=1 / scale)  # noqa: E731
    agree(lambda *t: lossary.normface_loss(t[0], target, t[1], scale=scale),
          lambda *t: with_prototypes(build, "W")(t[0], target, t[1]), x, w, gradient_in=(0, 1))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [1.0, 9.0])
def test_proxy_nca_with_the_own_proxy(seed, scale):
    x, target, w = normal(seed, 9, 3), classes(seed, 9, 4), normal(seed + 10, 4, 3)
    build = lambda c, d: losses.ProxyNCALoss(c, d, softmax_scale=scale)  # noqa: E731
    agree(lambda *t: lossary.proxy_nca_loss(t[0], target, t[1], scale=scale, include_own=True),
          lambda *t: with_prototypes(build, "proxies")(t[0], target, t[1]), x, w, gradient_in=(0, 1))  # fmt: skip


def proxy_nca(embeddings, proxies, target, scale):
    """Algorithm 1 of the paper, where the negatives are the other proxies."""
    total = 0.0
    for x, y in zip(embeddings, target, strict=True):
        near = [math.exp(-scale * np.sum((x / np.linalg.norm(x) - p / np.linalg.norm(p)) ** 2)) for p in proxies]
        total -= math.log(near[y] / sum(near[:y] + near[y + 1 :]))
    return total / len(embeddings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [1.0, 9.0])
def test_proxy_nca_as_a_loop(seed, scale):
    x, target, w = normal(seed, 9, 3), classes(seed, 9, 4), normal(seed + 10, 4, 3)
    loop = numerically(lambda e, p: proxy_nca(e, p, target.numpy(), scale))
    agree(lambda e, p: lossary.proxy_nca_loss(e, target, p, scale=scale), loop, x, w,
          gradient_in=(0, 1), rtol=1e-5, atol=1e-7)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("margin", "scale"), [(0.1, 32.0), (0.4, 3.0)])
def test_proxy_anchor(seed, margin, scale):
    x, target, w = normal(seed, 9, 3), classes(seed, 9, 4), normal(seed + 10, 6, 3)  # two proxies without samples
    build = lambda c, d: losses.ProxyAnchorLoss(c, d, margin=margin, alpha=scale)  # noqa: E731
    agree(lambda *t: lossary.proxy_anchor_loss(t[0], target, t[1], margin=margin, scale=scale),
          lambda *t: with_prototypes(build, "proxies")(t[0], target, t[1]), x, w, gradient_in=(0, 1))  # fmt: skip
