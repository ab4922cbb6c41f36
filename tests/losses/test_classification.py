"""Classification losses: drop-ins for torch.nn in every option, and what is special about each."""

import math

import pytest
import torch
from tests.oracles.agreement import agree
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lossary

REDUCTIONS = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
CLASS_WEIGHT = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
SHAPES = pytest.mark.parametrize("shape", [(3,), (6, 3), (4, 3, 2, 5)], ids=str)


def draw(*shape):
    """Logits, and classes of which the last is ignored where there are several."""
    generator = torch.Generator().manual_seed(0)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(3, shape[:-1] if len(shape) == 1 else (shape[0], *shape[2:]), generator=generator)


def binary(*shape):
    generator = torch.Generator().manual_seed(1)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    target = torch.rand(shape, generator=generator, dtype=torch.float64)
    return logits, target, 0.5 + torch.rand(shape, generator=generator, dtype=torch.float64)


def weighing(function, value):
    """A scalar of every element, so that "none" too is compared in value and gradient."""
    return lambda *tensors: (function(*tensors) * value).sum()


def agree_in_all(ours, theirs, *inputs):
    """In shape, in value and in gradient, also where there is no reduction."""
    mine, reference = ours(*inputs), theirs(*inputs)
    assert mine.shape == reference.shape
    pull = torch.rand(reference.shape, generator=torch.Generator().manual_seed(2), dtype=reference.dtype)
    agree(weighing(ours, pull), weighing(theirs, pull), *inputs, rtol=1e-12, atol=1e-14)


def denominator(reduction, number):
    """torch's BCE divides by the number of elements, whatever they weigh."""
    return {"denominator": float(number)} if reduction == "mean" else {}


@REDUCTIONS
class TestAsTorch:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_bce(self, reduction, weighted):
        logits, target, weight = binary(4, 3)
        peer = nn.BCELoss(weight if weighted else None, reduction=reduction)
        module = lossary.BCELoss(reduction=reduction)
        how = {"sample_weight": weight, **denominator(reduction, 12)} if weighted else {}
        agree_in_all(lambda p, y: module(p, y, **how), peer, logits.sigmoid(), target)

    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("pos_weight", [None, CLASS_WEIGHT])
    def test_bce_with_logits(self, reduction, weighted, pos_weight):
        logits, target, weight = binary(4, 3)
        peer = nn.BCEWithLogitsLoss(weight if weighted else None, reduction=reduction, pos_weight=pos_weight)
        module = lossary.BCEWithLogitsLoss(reduction=reduction, pos_weight=pos_weight)
        how = {"sample_weight": weight, **denominator(reduction, 12)} if weighted else {}
        agree_in_all(lambda z, y: module(z, y, **how), peer, logits, target)

    @SHAPES
    @pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
    @pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
    @pytest.mark.parametrize("ignore_index", [-100, 1])
    def test_cross_entropy(self, reduction, shape, weight, label_smoothing, ignore_index):
        logits, target = draw(*shape)
        if target.ndim == 0:
            target = torch.tensor(2)  # so that it is not the ignored one
        peer = nn.CrossEntropyLoss(weight, None, ignore_index, None, reduction, label_smoothing)
        ours = lossary.CrossEntropyLoss(
            class_weight=weight, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction
        )
        agree_in_all(ours, peer, logits, target)

    @SHAPES
    @pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
    @pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
    def test_cross_entropy_of_probabilities(self, reduction, shape, weight, label_smoothing):
        logits, _ = draw(*shape)
        target = logits.flip(0).softmax(min(1, logits.ndim - 1))
        peer = nn.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=label_smoothing)
        ours = lossary.CrossEntropyLoss(class_weight=weight, label_smoothing=label_smoothing, reduction=reduction)
        agree_in_all(ours, peer, logits, target)

    @SHAPES
    @pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
    @pytest.mark.parametrize("ignore_index", [-100, 1])
    def test_nll(self, reduction, shape, weight, ignore_index):
        logits, target = draw(*shape)
        if target.ndim == 0:
            target = torch.tensor(2)
        peer = nn.NLLLoss(weight, ignore_index=ignore_index, reduction=reduction)
        ours = lossary.NLLLoss(class_weight=weight, ignore_index=ignore_index, reduction=reduction)
        agree_in_all(ours, peer, logits.log_softmax(min(1, logits.ndim - 1)), target)

    @pytest.mark.parametrize("shape", [(3,), (6, 3)], ids=str)
    @pytest.mark.parametrize("p", [1, 2])
    @pytest.mark.parametrize("margin", [1.0, 0.3, 0.0])
    @pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
    def test_multi_margin(self, reduction, shape, p, margin, weight):
        logits, target = draw(*shape)
        ours = lossary.MultiMarginLoss(p=p, margin=margin, class_weight=weight, reduction=reduction)
        agree_in_all(ours, nn.MultiMarginLoss(p, margin, weight, reduction=reduction), logits, target)

    def test_soft_margin(self, reduction):
        logits, target, _ = binary(4, 3)
        peer = nn.SoftMarginLoss(reduction=reduction)
        agree_in_all(lossary.SoftMarginLoss(reduction=reduction), peer, logits, 2.0 * target.round() - 1.0)

    @pytest.mark.parametrize(
        "target", [[2, 0, -1], [[2, 0, -1], [-1, 0, 1], [0, 1, 2], [1, 1, -1], [1, -1, 0]]], ids=["one", "batch"]
    )
    def test_multi_label_margin(self, reduction, target):
        """The batch has no label, all of them, one given twice, and one after the -1."""
        target = torch.tensor(target)
        logits, _ = draw(*target.shape)
        agree_in_all(
            lossary.MultiLabelMarginLoss(reduction=reduction),
            nn.MultiLabelMarginLoss(reduction=reduction),
            logits,
            target,
        )

    @pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
    def test_multi_label_soft_margin(self, reduction, weight):
        logits, target, _ = binary(4, 3)
        peer = nn.MultiLabelSoftMarginLoss(weight, reduction=reduction)
        ours = lossary.MultiLabelSoftMarginLoss(class_weight=weight, reduction=reduction)
        agree_in_all(ours, peer, logits, target)


class TestWhereTorchErrs:
    @pytest.mark.parametrize("loss", [lossary.cross_entropy_loss, lossary.nll_loss])
    def test_everything_ignored_is_0(self, loss):
        target = torch.full((2,), -100)
        assert F.cross_entropy(torch.zeros(2, 3), target).isnan()
        assert loss(torch.zeros(2, 3), target) == 0

    def test_soft_margin_does_not_overflow(self):
        x, y = torch.tensor([-1000.0]), torch.tensor([1.0])
        assert F.soft_margin_loss(x, y) == math.inf
        assert lossary.soft_margin_loss(x, y) == 1000


def test_soft_margin_is_bce_of_signs():
    logits, target, _ = binary(4, 3)
    target = target.round()
    assert_close(lossary.soft_margin_loss(logits, 2 * target - 1), lossary.bce_with_logits_loss(logits, target))


def test_bce_smoothing_is_a_softer_target():
    x = torch.tensor([0.3, -2.0])
    soft = torch.tensor([0.9, 0.1])  # halfway from 1 and 0 to one half, times 0.2
    assert_close(
        lossary.bce_with_logits_loss(x, torch.tensor([1.0, 0.0]), label_smoothing=0.2),
        F.binary_cross_entropy_with_logits(x, soft),
    )


class TestPoly1:
    def test_at_0_is_cross_entropy(self):
        logits, target = draw(6, 3)
        assert_close(
            lossary.poly1_cross_entropy_loss(logits, target, epsilon=0.0), lossary.cross_entropy_loss(logits, target)
        )
        x, y, _ = binary(4, 3)
        assert_close(lossary.poly1_bce_with_logits_loss(x, y, epsilon=0.0), lossary.bce_with_logits_loss(x, y))

    def test_at_minus_1_starts_with_the_square(self):
        """-log p - (1 - p) is (1 - p)^2 / 2 and smaller terms; at p = 0.99 that is 0.00005 to 1%."""
        logits = torch.tensor([[math.log(99.0), 0.0]], dtype=torch.float64)
        assert lossary.poly1_cross_entropy_loss(logits, torch.tensor([0]), epsilon=-1.0) == pytest.approx(
            5e-5, rel=0.01
        )

    def test_below_minus_1_is_refused(self):
        with pytest.raises(lossary.core.LossInputError, match="`epsilon` must be a number of at least -1"):
            lossary.poly1_cross_entropy_loss(*draw(6, 3), epsilon=-1.5)


class TestHinges:
    def test_no_margin_is_the_perceptron(self):
        values = lossary.hinge_loss(torch.tensor([0.5, -0.5]), torch.ones(2), margin=0.0, reduction="none")
        assert values.tolist() == [0.0, 0.5]

    def test_gradient_at_the_kink_is_0(self):
        x = torch.tensor([1.0], requires_grad=True)
        lossary.hinge_loss(x, torch.ones(1)).backward()
        assert x.grad.item() == 0

    def test_of_two_classes_both_are_the_hinge_of_the_difference(self):
        logits = torch.tensor([[0.5, 0.25]])
        assert lossary.multiclass_hinge_loss(logits, torch.tensor([1])) == 1.25
        assert lossary.multi_margin_loss(logits, torch.tensor([1])) == 0.625  # over both classes

    def test_equal_rivals_share_the_gradient(self):
        x = torch.zeros(1, 3, requires_grad=True)
        lossary.multiclass_hinge_loss(x, torch.tensor([0])).backward()
        assert x.grad.tolist() == [[-1.0, 0.5, 0.5]]

    def test_one_class_costs_nothing(self):
        for loss in (lossary.multiclass_hinge_loss, lossary.multi_margin_loss):
            assert loss(torch.zeros(2, 1), torch.zeros(2, dtype=torch.long)) == 0

    def test_ignored_samples_drop_out_of_the_mean(self):
        logits = torch.tensor([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0]])
        assert_close(lossary.multi_margin_loss(logits, torch.tensor([0, -100])), torch.tensor(2 / 3))

    def test_the_mean_is_weighted_but_for_torchs(self):
        """Equal logits lack 1 of each rival: 1, and 2 / 3 over the three classes."""
        logits, target, weight = torch.zeros(2, 3), torch.tensor([0, 2]), CLASS_WEIGHT.float()
        assert_close(lossary.multiclass_hinge_loss(logits, target, class_weight=weight), torch.tensor(1.0))
        assert_close(
            lossary.multi_margin_loss(logits, target, class_weight=weight), torch.tensor((0.5 + 2.0) / 2 * 2 / 3)
        )


def test_multi_label_margin_takes_lists_or_labels():
    logits, _ = draw(3, 3)
    lists = torch.tensor([[2, 0, -1], [-1, -1, -1], [1, 0, 2]])
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    by_lists = lossary.multi_label_margin_loss(logits, lists, reduction="none")
    assert_close(by_lists, lossary.multi_label_margin_loss(logits, labels, reduction="none"))
    assert by_lists[1:].tolist() == [0.0, 0.0]  # no label, and no other label


class TestSparsemax:
    def test_is_0_from_a_lead_of_1(self):
        values = lossary.sparsemax_loss(torch.tensor([[1.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 0]), reduction="none")
        assert values.tolist() == [0.0, 0.0625]  # (1 - 0.5)^2 / 4

    def test_gradient_is_the_projection_less_the_target(self):
        x = torch.tensor([[0.5, 0.0, -2.0]], requires_grad=True)
        lossary.sparsemax_loss(x, torch.tensor([1])).backward()
        assert x.grad.tolist() == [[0.75, 0.25 - 1.0, 0.0]]

    def test_curvature_is_that_of_the_kept_classes(self):
        """Among the two classes kept, a projection: 1/2 on the diagonal and -1/2 off it."""
        x = torch.tensor([[0.5, 0.0, -2.0]])
        hessian = torch.autograd.functional.hessian(lambda z: lossary.sparsemax_loss(z, torch.tensor([1])), x)
        assert hessian.reshape(3, 3).tolist() == [[0.5, -0.5, 0.0], [-0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]

    def test_large_logits_do_not_cancel(self):
        x = torch.tensor([[0.5, 0.0]]) + 4096.0
        assert lossary.sparsemax_loss(x, torch.tensor([0])) == 0.0625

    def test_equal_logits(self):
        """Every class gets 1/4: the half sum of squares 1/8 less the square's share, 1/2 - 1/8."""
        assert lossary.sparsemax_loss(torch.zeros(1, 4), torch.tensor([0])) == 0.375
