"""What is special in the losses of embeddings: torch's own, singular points, lonely anchors, prototypes."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def signs(seed, *shape):
    return torch.where(normal(seed, *shape) > 0, 1.0, -1.0)


def manhattan(a, b):
    return (a - b).abs().sum(-1)


def gradient(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x), x)[0]


class TestAsTorch:
    """Same class name, same order, same defaults, same value, for a batch and for one sample."""

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    @pytest.mark.parametrize("options", [{}, {"margin": 0.3}, {"margin": -0.3}])
    @pytest.mark.parametrize("batch", [(5,), ()])
    def test_cosine_embedding(self, batch, options, reduction):
        x = (normal(0, *batch, 4), normal(1, *batch, 4), signs(2, *batch))
        ours = lossary.CosineEmbeddingLoss(**options, reduction=reduction)
        assert_close(ours(*x), nn.CosineEmbeddingLoss(**options, reduction=reduction)(*x))

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    @pytest.mark.parametrize("options", [{}, {"margin": 2.5}])
    @pytest.mark.parametrize("shape", [(5, 3), (5,), ()])
    def test_hinge_embedding(self, shape, options, reduction):
        x = (normal(0, *shape).abs(), signs(2, *shape))
        ours = lossary.HingeEmbeddingLoss(**options, reduction=reduction)
        assert_close(ours(*x), nn.HingeEmbeddingLoss(**options, reduction=reduction)(*x))

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    @pytest.mark.parametrize(
        "options", [{}, {"margin": 0.3}, {"p": 1.0}, {"p": 3.5}, {"eps": 0.1}, {"swap": True}, {"p": 2}]
    )
    @pytest.mark.parametrize("batch", [(5,), ()])
    def test_triplet_margin(self, batch, options, reduction):
        x = [normal(i, *batch, 4) for i in range(3)]
        ours = lossary.TripletMarginLoss(**options, reduction=reduction)
        assert_close(ours(*x), nn.TripletMarginLoss(**options, reduction=reduction)(*x))

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    @pytest.mark.parametrize("options", [{}, {"margin": 0.3}, {"swap": True}, {"distance_function": manhattan}])
    def test_triplet_margin_with_distance(self, options, reduction):
        x = [normal(i, 5, 4) for i in range(3)]
        ours = lossary.TripletMarginWithDistanceLoss(**options, reduction=reduction)
        theirs = nn.TripletMarginWithDistanceLoss(**options, reduction=reduction)
        assert_close(ours(*x), theirs(*x), rtol=0, atol=1e-5)  # torch adds 1e-6 to each difference


class TestSingularPoints:
    def test_a_zero_vector_has_a_cosine_of_0_and_no_gradient(self):
        zero, y = torch.zeros(1, 3), torch.ones(1, 3)
        for sign, value in ((1.0, 1.0), (-1.0, 0.0)):
            target = torch.tensor([sign])
            assert lossary.cosine_embedding_loss(zero, y, target) == value
            assert not gradient(lambda x, t=target: lossary.cosine_embedding_loss(x, y, t, margin=-0.5), zero).any()

    def test_equal_vectors_of_a_different_pair(self):
        """The loss is margin^2 / 2; which way is apart is undefined."""
        x = torch.ones(1, 3)
        push = lambda a: lossary.contrastive_loss(a, x, torch.zeros(1), margin=2.0)  # noqa: E731
        assert push(x) == 2.0
        assert not gradient(push, x).any()

    @pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
    def test_a_triplet_of_equal_vectors(self, distance):
        x = torch.ones(1, 3)
        pull = lambda a: lossary.triplet_margin_with_distance_loss(a, x, x, distance_function=distance)  # noqa: E731
        assert_close(pull(x), torch.tensor(1.0))
        assert_close(gradient(pull, x), torch.zeros(1, 3))

    def test_nan_is_not_taken_for_zero(self):
        """Comparisons with NaN are false: a guard written the wrong way round would make a diverged model look well."""
        bad = normal(0, 6, 4)
        bad[2, 1] = torch.nan
        target, prototypes = torch.tensor([0, 0, 0, 1, 1, 1]), normal(1, 2, 4)
        for function in (
            lossary.batch_hard_triplet_loss, lossary.circle_loss, lossary.multi_similarity_loss, lossary.sup_con_loss,
        ):  # fmt: skip
            assert function(bad, target).isnan(), function.__name__
        for function in (
            lossary.arcface_loss, lossary.cosface_loss, lossary.normface_loss, lossary.proxy_nca_loss,
            lossary.proxy_anchor_loss,
        ):  # fmt: skip
            assert function(bad, target, prototypes).isnan(), function.__name__
        assert lossary.cosine_embedding_loss(bad, bad, torch.ones(6)).isnan()
        assert lossary.contrastive_loss(bad, bad, torch.zeros(6)).isnan()


class TestBatches:
    def test_an_anchor_without_a_triplet_does_not_count(self):
        """The third has no positive; 0.2 + 1 - 4 and 0.2 + 1 - 3 are below 0."""
        x, target = torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([7, 7, -1])
        assert lossary.batch_hard_triplet_loss(x, target) == 0.0
        soft = lossary.batch_hard_triplet_loss(x, target, margin=None)
        assert_close(soft, (F.softplus(torch.tensor(-3.0)) + F.softplus(torch.tensor(-2.0))) / 2)

    @pytest.mark.parametrize(
        "function", [lossary.batch_hard_triplet_loss, lossary.circle_loss, lossary.sup_con_loss]
    )  # fmt: skip
    @pytest.mark.parametrize("target", [[0, 1, 2, 3], [5]], ids=["all different", "one sample"])
    def test_without_any_positive_the_loss_is_0(self, function, target):
        x, target = normal(0, len(target), 3), torch.tensor(target)
        assert function(x, target) == 0
        assert not gradient(lambda e: function(e, target), x).any()

    @pytest.mark.parametrize("function", [lossary.batch_hard_triplet_loss, lossary.circle_loss])
    def test_without_any_negative_the_loss_is_0(self, function):
        x, target = normal(0, 4, 3), torch.zeros(4, dtype=torch.long)
        assert function(x, target) == 0
        assert not gradient(lambda e: function(e, target), x).any()

    def test_near_neighbours_far_from_the_origin_are_told_apart(self):
        """The distances are 1 and 2 at 10000 from the origin, in float32: of inner products nothing would be left."""
        x = 1e4 + torch.tensor([[0.0], [1.0], [2.0]])
        value = lossary.batch_hard_triplet_loss(x, torch.tensor([0, 0, 1]), margin=3.0, reduction="none")
        assert_close(value, torch.tensor([3.0 + 1.0 - 2.0, 3.0 + 1.0 - 1.0, 0.0]))

    def test_the_weights_of_circle_are_constants(self):
        """d/ds softplus(a_p (D_p - s)) at s = cos = 0.6, m = 0.5, without negatives' part: by hand, eq. 5 and 6."""
        x = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]], dtype=torch.float64)
        value = lossary.circle_loss(x, torch.tensor([0, 0, 1]), margin=0.5, scale=1.0, reduction="none")[0]
        # s_p = 0.6: -(1.5 - 0.6) * (0.6 - 0.5); s_n = 0: (0 + 0.5) * (0 - 0.5)
        assert_close(value, torch.tensor(math.log1p(math.exp(-0.09 - 0.25)), dtype=torch.float64))
        slope = gradient(
            lambda e: lossary.circle_loss(e, torch.tensor([0, 0, 1]), margin=0.5, scale=1.0, reduction="none")[0], x
        )[0, 1]
        # Turning the anchor moves s_p by 0.8 and s_n by -1: sigmoid * (-0.9 * 0.8 + 0.5 * -1)
        expected = (-0.9 * 0.8 - 0.5) / (1 + math.exp(0.34))
        assert_close(slope, torch.tensor(expected, dtype=torch.float64))

    def test_one_hot_labels_make_n_pairs(self):
        x, y = normal(0, 5, 3), normal(1, 5, 3)
        one_hot = torch.eye(5, dtype=torch.float64)
        assert_close(lossary.n_pairs_multilabel_loss(x, y, one_hot), lossary.n_pairs_loss(x, y))

    def test_a_pair_without_labels_is_only_a_negative(self):
        x, y = normal(0, 3, 3), normal(1, 3, 3)
        labels = torch.eye(3, dtype=torch.float64)
        labels[2] = 0.0
        values = lossary.n_pairs_loss(x, y, reduction="none")
        assert_close(lossary.n_pairs_multilabel_loss(x, y, labels, reduction="none")[:2], values[:2])
        assert_close(lossary.n_pairs_multilabel_loss(x, y, labels), values[:2].mean())


class TestArcFace:
    W = torch.eye(3)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize(
        ("side", "beyond", "own"),
        [
            (1.0, "shifted", math.cos(0.5)),
            (1.0, "easy", math.cos(0.5)),
            (-1.0, "cosine", -math.cos(0.5)),
            (-1.0, "shifted", -1 - 0.5 * math.sin(0.5)),
            (-1.0, "easy", -1.0),
        ],
    )
    def test_at_the_ends(self, side, beyond, own, dtype):
        """At an angle of 0 or pi: the other two cosines are 0."""
        x = side * self.W[:1].to(dtype)
        value = lambda e: lossary.arcface_loss(  # noqa: E731
            e, torch.tensor([0]), self.W.to(dtype), scale=4.0, beyond=beyond
        )
        expected = math.log((math.exp(4 * own) + 2) / math.exp(4 * own))
        assert_close(value(x), torch.tensor(expected, dtype=dtype))
        assert gradient(value, x).isfinite().all()

    @pytest.mark.parametrize("angle", [1e-4, 1e-3, 0.1, 3.1, math.pi - 1e-3])
    def test_near_the_ends_in_float32(self, angle):
        """Value and slope in the angle keep their digits; by arc cosine half are lost at 1e-3 and all at 1e-4."""
        x = torch.tensor([[math.cos(angle), math.sin(angle), 0.0]], dtype=torch.float64)
        target = torch.tensor([0])

        def loss(e):
            return lossary.arcface_loss(e, target, self.W.to(e.dtype), scale=4.0, beyond="cosine")

        theta = torch.tensor(angle, dtype=torch.float64, requires_grad=True)
        logits = 4.0 * torch.stack([torch.cos(theta + 0.5), torch.sin(theta), torch.zeros_like(theta)])
        exact = F.cross_entropy(logits[None], target)
        assert_close(loss(x.float()).double(), exact, rtol=2e-6, atol=0.0)
        along = torch.tensor([[-math.sin(angle), math.cos(angle), 0.0]], dtype=torch.float64)
        slope = (gradient(loss, x.float()).double() * along).sum()
        assert_close(slope, torch.autograd.grad(exact, theta)[0], rtol=1e-3, atol=0.0)

    @pytest.mark.parametrize(("beyond", "rising"), [("shifted", True), ("cosine", False), ("easy", False)])
    def test_which_continuation_is_monotone(self, beyond, rising):
        """The third coordinate holds the other cosines at 0 while the angle grows from 0 to pi."""
        angle = torch.linspace(0, math.pi, 200, dtype=torch.float64)
        x = torch.stack([angle.cos(), angle * 0, angle * 0, angle.sin()], 1)
        w = torch.eye(4, dtype=torch.float64)[:3]
        target = torch.zeros(200, dtype=torch.long)
        values = lossary.arcface_loss(x, target, w, margin=0.5, scale=4.0, beyond=beyond, reduction="none")
        assert bool((values.diff() > 0).all()) is rising

    def test_without_a_margin_it_is_the_normalised_softmax(self):
        x, target, w = normal(0, 9, 4), torch.arange(9) % 3, normal(1, 3, 4)
        plain = lossary.normface_loss(x, target, w, scale=5.0)
        assert_close(lossary.arcface_loss(x, target, w, margin=0.0, scale=5.0), plain)
        assert_close(lossary.cosface_loss(x, target, w, margin=0.0, scale=5.0), plain)


def test_proxy_nca_needs_another_proxy():
    x, target, w = normal(0, 2, 3), torch.zeros(2, dtype=torch.long), normal(1, 1, 3)
    with pytest.raises(LossInputError, match="`prototypes` must have at least 2 rows, got 1"):
        lossary.proxy_nca_loss(x, target, w)
    assert lossary.proxy_nca_loss(x, target, w, include_own=True) == 0


def test_distances_by_name_or_function():
    x = [normal(i, 2, 3) for i in range(3)]
    wanted = "one of 'euclidean', 'squared_euclidean', 'cosine', or a function, got 'manhattan'"
    with pytest.raises(LossInputError, match=wanted):
        lossary.triplet_margin_with_distance_loss(*x, distance_function="manhattan")
    module = lossary.TripletMarginWithDistanceLoss(distance_function=manhattan)
    assert pickle.loads(pickle.dumps(module))(*x) == module(*x)


PROTOTYPED = [
    (lossary.ArcFaceLoss, {"margin": 0.3, "scale": 5.0, "beyond": "easy", "class_weight": torch.tensor([1.0, 2, 3])}),
    (lossary.CosFaceLoss, {"margin": 0.3, "scale": 5.0, "class_weight": torch.tensor([1.0, 2.0, 3.0])}),
    (lossary.NormFaceLoss, {"scale": 5.0, "class_weight": torch.tensor([1.0, 2.0, 3.0])}),
    (lossary.ProxyNCALoss, {"scale": 5.0, "include_own": True, "class_weight": torch.tensor([1.0, 2.0, 3.0])}),
    (lossary.ProxyAnchorLoss, {"margin": 0.3, "scale": 5.0, "ignore_index": 1}),
]


@pytest.mark.parametrize(("module", "options"), PROTOTYPED, ids=lambda part: getattr(part, "__name__", ""))
class TestPrototypes:
    X, TARGET = normal(3, 7, 4, dtype=torch.float32), torch.arange(7) % 3

    def test_it_is_its_function_at_its_prototypes(self, module, options):
        loss = module(3, 4, **options)
        assert loss.prototypes.shape == (3, 4)
        function = module.definition.function
        assert torch.equal(loss(self.X, self.TARGET), function(self.X, self.TARGET, loss.prototypes, **options))
        assert torch.equal(module(3, 4)(self.X, self.TARGET) * 0, torch.zeros(()))  # defaults are finite

    def test_defaults_are_those_of_the_function(self, module, options):
        loss = module(3, 4)
        for name, default in module.definition.hyperparameters.items():
            assert getattr(loss, name) == default

    def test_options_of_a_batch(self, module, options):
        loss = module(3, 4, **options, reduction="sum")
        mask = torch.arange(7) < 5
        assert_close(loss(self.X, self.TARGET, mask=mask), loss(self.X[:5], self.TARGET[:5]))
        assert_close(loss(self.X, self.TARGET, sample_weight=torch.tensor(2.0)), 2 * loss(self.X, self.TARGET))

    def test_its_prototypes_are_learned(self, module, options):
        torch.manual_seed(0)
        loss = module(3, 4, **options)
        optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
        before = loss(self.X, self.TARGET)
        before.backward()
        optimizer.step()
        assert loss(self.X, self.TARGET) < before
        assert [name for name, _ in loss.named_parameters()] == ["prototypes"]

    def test_it_is_saved_and_copied(self, module, options):
        loss = module(3, 4, **options)
        expected = loss(self.X, self.TARGET)
        for copied in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
            assert torch.equal(copied(self.X, self.TARGET), expected)
        restored = module(3, 4, **options)
        restored.load_state_dict(loss.state_dict())
        assert torch.equal(restored(self.X, self.TARGET), expected)

    def test_half_precision_and_compilation(self, module, options):
        loss = module(3, 4, **options)
        compiled = torch.compile(loss, fullgraph=True, backend="eager")
        assert_close(compiled(self.X, self.TARGET), loss(self.X, self.TARGET))
        assert loss.half()(self.X.half(), self.TARGET).dtype == torch.float16

    def test_it_says_what_it_is(self, module, options):
        assert repr(module(3, 4)).startswith(f"{module.__name__}(num_classes=3, embedding_dim=4, ")

    def test_bad_arguments_are_refused(self, module, options):
        with pytest.raises(LossInputError, match="`num_classes` must be a whole number of at least 1, got 0"):
            module(0, 4)
        with pytest.raises(LossInputError, match="`embedding_dim`"):
            module(3, 4.0)
        with pytest.raises(LossInputError, match="`scale` must be a number above 0, got -1"):
            module(3, 4, scale=-1)
        with pytest.raises(LossInputError, match=r"prototypes \(c d\)"):
            module(3, 5)(self.X, self.TARGET)
