"""What is special about the losses for imbalance: reductions to simpler losses, edges, and the module that counts."""

import copy
import math
import pickle

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError

LOG2 = math.log(2.0)


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    logits = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


def labels_like(logits):
    return torch.randint(2, logits.shape, generator=torch.Generator().manual_seed(1)).to(logits.dtype)


class TestFocal:
    def test_without_fading_is_cross_entropy(self):
        logits, target = draw(6, 3)
        labels = labels_like(logits)
        assert_close(
            lossary.sigmoid_focal_loss(logits, labels, gamma=0.0, alpha=None),
            lossary.bce_with_logits_loss(logits, labels),
        )
        assert_close(lossary.softmax_focal_loss(logits, target, gamma=0.0), lossary.cross_entropy_loss(logits, target))

    def test_of_two_classes_is_that_of_their_difference(self):
        logits, target = draw(6, 2)
        difference = logits[:, 1] - logits[:, 0]
        assert_close(
            lossary.softmax_focal_loss(logits, target),
            lossary.sigmoid_focal_loss(difference, target.to(logits.dtype), alpha=None),
        )

    def test_equal_class_weights_do_not_scale(self):
        logits, target = draw(6, 3)
        halves = torch.full((3,), 0.25)
        assert_close(
            lossary.softmax_focal_loss(logits, target, class_weight=halves), lossary.softmax_focal_loss(logits, target)
        )

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
    @pytest.mark.parametrize("logit", [1e4, -1e4])
    def test_certain_right_and_wrong(self, gamma, logit):
        """Right: 0 with a gradient of 0. Wrong: the cross-entropy itself, with its gradient."""
        z = torch.tensor([[logit, 0.0]], requires_grad=True)
        value = lossary.softmax_focal_loss(z, torch.tensor([0]), gamma=gamma)
        value.backward()
        right = logit > 0
        assert value == (0.0 if right else 1e4)
        assert z.grad.tolist() == [[0.0, 0.0] if right else [-1.0, 1.0]]

    def test_a_label_between_is_a_mixture(self):
        z = torch.tensor([0.3])
        mixed, one, zero = (lossary.sigmoid_focal_loss(z, torch.tensor([y])) for y in (0.25, 1.0, 0.0))
        assert_close(mixed, 0.25 * one + 0.75 * zero)

    def test_poly1_at_0_is_focal(self):
        logits, _ = draw(6, 3)
        labels = labels_like(logits)
        assert_close(
            lossary.poly1_sigmoid_focal_loss(logits, labels, alpha=0.25, epsilon=0.0),
            lossary.sigmoid_focal_loss(logits, labels),
        )

    def test_poly1_without_fading_is_poly1_bce(self):
        logits, _ = draw(6, 3)
        labels = labels_like(logits)
        assert_close(
            lossary.poly1_sigmoid_focal_loss(logits, labels, gamma=0.0, epsilon=2.0),
            lossary.poly1_bce_with_logits_loss(logits, labels, epsilon=2.0),
        )


class TestAsymmetric:
    def test_alike_on_both_sides_is_focal(self):
        logits, _ = draw(6, 3)
        labels = labels_like(logits)
        assert_close(
            lossary.asymmetric_loss(logits, labels, gamma_positive=2.0, gamma_negative=2.0, margin=0.0),
            lossary.sigmoid_focal_loss(logits, labels, alpha=None),
        )

    def test_an_absent_label_below_the_margin_costs_nothing(self):
        z = torch.tensor([math.log(0.04 / 0.96), math.log(0.3 / 0.7)], requires_grad=True)
        values = lossary.asymmetric_loss(z, torch.zeros(2), reduction="none")
        values.sum().backward()
        assert values[0] == 0 and z.grad[0] == 0
        # 0.3 - 0.05 = 0.25, to the fourth power, times -log 0.75
        assert values[1].item() == pytest.approx(0.25**4 * -math.log(0.75), rel=1e-5)

    def test_a_certain_mistake_costs_at_most_the_margins_logarithm(self):
        value = lossary.asymmetric_loss(torch.tensor([1e4]), torch.zeros(1), gamma_negative=0.0)
        assert value.item() == pytest.approx(-math.log(0.05))

    def test_without_margin_it_is_exact_for_any_logit(self):
        value = lossary.asymmetric_loss(torch.tensor([1e4]), torch.zeros(1), gamma_negative=0.0, margin=0.0)
        assert value == 1e4

    def test_single_label_without_fading_is_smoothed_cross_entropy(self):
        logits, target = draw(6, 3)
        ours = lossary.asymmetric_single_label_loss(
            logits, target, gamma_positive=0.0, gamma_negative=0.0, label_smoothing=0.3
        )
        assert_close(ours, lossary.cross_entropy_loss(logits, target, label_smoothing=0.3))


class TestOHEM:
    def test_everything_kept_is_cross_entropy(self):
        logits, target = draw(4, 3, 5)
        weight = torch.tensor([0.5, 1.0, 2.0])
        assert_close(
            lossary.ohem_cross_entropy_loss(logits, target, fraction=1.0, class_weight=weight),
            lossary.cross_entropy_loss(logits, target, class_weight=weight),
        )

    def test_only_the_kept_get_a_gradient(self):
        z = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0], [2.0, 0.0]], requires_grad=True)
        value = lossary.ohem_cross_entropy_loss(z, torch.zeros(4, dtype=torch.long), fraction=0.5)
        value.backward()
        assert value.item() == pytest.approx((LOG2 + math.log(1 + math.exp(-1))) / 2)
        assert z.grad.any(1).tolist() == [True, False, True, False]

    def test_a_share_is_rounded_and_at_least_one(self):
        z = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
        target = torch.zeros(3, dtype=torch.long)
        hardest, second = LOG2, math.log(1 + math.exp(-1))
        assert lossary.ohem_cross_entropy_loss(z, target, fraction=0.01).item() == pytest.approx(hardest)
        assert lossary.ohem_cross_entropy_loss(z, target, fraction=0.6).item() == pytest.approx((hardest + second) / 2)

    def test_the_threshold_keeps_more(self):
        """Probabilities 0.5, 0.95 and 0.73: two are below 0.8."""
        z = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
        target = torch.zeros(3, dtype=torch.long)
        value = lossary.ohem_cross_entropy_loss(z, target, fraction=0.01, threshold=0.8)
        assert value.item() == pytest.approx((LOG2 + math.log(1 + math.exp(-1))) / 2)

    def test_masked_and_ignored_samples_are_not_counted_in_the_share(self):
        z = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0], [torch.nan, 0.0]])
        ours = lossary.ohem_cross_entropy_loss(
            z, torch.tensor([0, -100, 0, 0]), fraction=0.5, mask=torch.tensor([True, True, True, False])
        )
        assert ours.item() == pytest.approx(LOG2)


class TestClassCounts:
    counts = torch.tensor([100.0, 10.0, 1.0])

    def test_equal_counts_are_cross_entropy(self):
        logits, target = draw(6, 3)
        same = torch.full((3,), 7.0)
        expected = lossary.cross_entropy_loss(logits, target)
        assert_close(lossary.class_balanced_cross_entropy_loss(logits, target, same), expected)
        assert_close(lossary.balanced_softmax_loss(logits, target, same), expected)
        assert_close(lossary.seesaw_loss(logits, target, same, logits.softmax(1), q=0.0), expected)
        assert_close(lossary.ldam_loss(logits, target, same, margin=0.0, scale=1.0), expected)

    def test_weights_go_from_equal_to_inverse_counts(self):
        """Values of log 3 times the weight, and the weights add up to 3."""
        logits, target = torch.zeros(3, 3, dtype=torch.float64), torch.arange(3)
        few, many = (
            lossary.class_balanced_cross_entropy_loss(logits, target, self.counts, beta=b, reduction="none")
            / math.log(3.0)
            for b in (1e-9, 1 - 1e-9)
        )
        assert_close(few, torch.ones(3, dtype=torch.float64))
        inverse = 1 / self.counts.double()
        assert_close(many, 3 * inverse / inverse.sum(), rtol=1e-6, atol=0)

    def test_weights_are_exact_in_float32(self):
        """1 - 0.9999^1 has four digits in float32; the weights have seven."""
        args = (torch.zeros(3, 3), torch.arange(3))
        single, double = (
            lossary.class_balanced_cross_entropy_loss(
                args[0].to(t), args[1], self.counts, beta=0.9999, reduction="none"
            )
            for t in (torch.float32, torch.float64)
        )
        assert_close(single.double(), double, rtol=1e-6, atol=0)

    @pytest.mark.parametrize(
        "loss", [lossary.class_balanced_cross_entropy_loss, lossary.ldam_loss, lossary.balanced_softmax_loss]
    )
    def test_no_sample_counts_as_one(self, loss):
        logits, target = draw(6, 3)
        assert_close(loss(logits, target, torch.tensor([100.0, 10.0, 0.0])), loss(logits, target, self.counts))

    def test_margins_fall_with_the_fourth_root(self):
        """100, 10 and 1 samples: margins 0.5 / 100^(1/4), 0.5 / 10^(1/4) and 0.5, of logits all 0."""
        values = lossary.ldam_loss(torch.zeros(3, 3), torch.arange(3), self.counts, scale=2.0, reduction="none")
        margins = [0.5 / 100**0.25, 0.5 / 10**0.25, 0.5]
        assert_close(values, torch.tensor([math.log(1 + 2 * math.exp(2 * m)) for m in margins]))

    def test_balanced_softmax_is_logit_adjustment_by_the_counts(self):
        logits, target = draw(6, 3)
        prior = self.counts / self.counts.sum()
        assert_close(
            lossary.balanced_softmax_loss(logits, target, self.counts),
            lossary.logit_adjusted_cross_entropy_loss(logits, target, prior.double()),
        )

    def test_without_tau_the_prior_does_nothing(self):
        logits, target = draw(6, 3)
        prior = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        assert_close(
            lossary.logit_adjusted_cross_entropy_loss(logits, target, prior, tau=0.0),
            lossary.cross_entropy_loss(logits, target),
        )

    def test_one_count_per_class(self):
        with pytest.raises(LossInputError, match=r"balanced_softmax_loss: expected .* counts \(c\)"):
            lossary.balanced_softmax_loss(*draw(6, 3), torch.ones(4))


class TestSeesaw:
    def test_mitigation_spares_rarer_classes_alone(self):
        """16 samples against 1, p = 0.5: a sample of the common class weighs the rare one by 1/4, not the reverse."""
        logits, counts = torch.zeros(2, 2), torch.tensor([16.0, 1.0])
        values = lossary.seesaw_loss(logits, torch.tensor([0, 1]), counts, logits.softmax(1), p=0.5, reduction="none")
        assert_close(values, torch.tensor([math.log(1.25), LOG2]))

    def test_compensation_punishes_confusion(self):
        """Probabilities 0.25 and 0.75, equal counts, q = 2: the wrong class weighs 3^2, and a right one 1."""
        logits = torch.tensor([[0.0, math.log(3.0)]])
        value = lossary.seesaw_loss(logits, torch.tensor([0]), torch.ones(2), logits.softmax(1))
        assert value.item() == pytest.approx(math.log(1 + 9 * 3))
        value = lossary.seesaw_loss(logits, torch.tensor([1]), torch.ones(2), logits.softmax(1))
        assert value.item() == pytest.approx(math.log(1 + 1 / 3))

    def test_eps_bounds_compensation(self):
        """The target's probability is about 0: taken as 0.1, the wrong class weighs 10^2."""
        logits = torch.tensor([[0.0, 50.0]])
        value = lossary.seesaw_loss(logits, torch.tensor([0]), torch.ones(2), logits.softmax(1), eps=0.1)
        assert value.item() == pytest.approx(50 + math.log(100.0))

    def test_ignored_nan_reaches_nothing(self):
        logits = torch.tensor([[0.0, 0.0], [torch.nan, 0.0]], requires_grad=True)
        value = lossary.seesaw_loss(logits, torch.tensor([0, -100]), torch.ones(2), logits.softmax(1))
        value.backward()
        assert value.item() == pytest.approx(LOG2)
        assert logits.grad.isfinite().all()


class TestSeesawModule:
    def test_it_counts_and_is_the_function(self):
        module = lossary.SeesawLoss(3)
        (logits, first), (_, second) = draw(6, 3), draw(8, 3)
        module(logits, first)
        value = module(draw(8, 3)[0], second)
        counts = torch.bincount(torch.cat([first, second]), minlength=3).float()
        assert torch.equal(module.counts, counts)
        logits = draw(8, 3)[0]
        assert torch.equal(value, lossary.seesaw_loss(logits, second, counts, logits.softmax(1)))

    def test_what_does_not_count_is_not_counted(self):
        module = lossary.SeesawLoss(3)
        mask = torch.tensor([True, True, False, True])
        module(torch.zeros(4, 3), torch.tensor([0, -100, 1, 2]), mask=mask)
        assert module.counts.tolist() == [1.0, 0.0, 1.0]

    def test_evaluation_does_not_count(self):
        module = lossary.SeesawLoss(3).eval()
        module(torch.zeros(2, 3), torch.tensor([0, 1]))
        assert module.counts.tolist() == [0.0, 0.0, 0.0]

    def test_pixels_count_each(self):
        module = lossary.SeesawLoss(3)
        value = module(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long))
        assert module.counts.tolist() == [32.0, 0.0, 0.0]
        # Classes of count 0 are taken to have 1: each weighs 32^-0.8.
        assert value.item() == pytest.approx(math.log(1 + 2 * 32**-0.8), rel=1e-5)

    def test_no_gradient_flows_through_the_factors(self):
        module = lossary.SeesawLoss(3)
        logits, target = draw(6, 3)
        x, y = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        module(x, target).backward()
        lossary.seesaw_loss(y, target, module.counts, logits.softmax(1)).backward()
        assert torch.equal(x.grad, y.grad)

    def test_its_state_survives(self):
        module = lossary.SeesawLoss(3, p=0.5)
        module(torch.zeros(2, 3), torch.tensor([0, 1]))
        restored = lossary.SeesawLoss(3, p=0.5)
        restored.load_state_dict(module.state_dict())
        for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), restored):
            assert torch.equal(other.counts, module.counts) and other.p == 0.5
        copy.deepcopy(module)(torch.zeros(1, 3), torch.tensor([2]))
        assert module.counts.tolist() == [1.0, 1.0, 0.0]

    def test_it_compiles_whole(self):
        module = lossary.SeesawLoss(3)
        torch._dynamo.reset()
        compiled = torch.compile(module, fullgraph=True, backend="eager")
        logits, target = draw(6, 3)
        value = compiled(logits, target)
        assert torch.equal(module.counts, torch.bincount(target, minlength=3).float())
        assert_close(value, module.eval()(logits, target))

    @pytest.mark.parametrize("number", [0, 2.0])
    def test_it_needs_classes(self, number):
        with pytest.raises(LossInputError, match="SeesawLoss: `num_classes` must be a whole number of at least 1"):
            lossary.SeesawLoss(number)
