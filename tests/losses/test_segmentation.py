"""What is special about losses of regions: absent classes, masks, edges, and how they reduce to one another."""

import pytest
import torch
from torch.testing import assert_close

import lossary

REGION_LOSSES = [
    lossary.dice_loss,
    lossary.batch_dice_loss,
    lossary.generalized_dice_loss,
    lossary.jaccard_loss,
    lossary.tversky_loss,
    lossary.focal_tversky_loss,
    lossary.mcc_loss,
]
NAMES = [loss.__name__ for loss in REGION_LOSSES]


def draw(*shape, seed=0):
    """Probabilities and masks."""
    g = torch.Generator().manual_seed(seed)
    probs = torch.rand(shape, generator=g, dtype=torch.float64)
    return probs, (torch.rand(shape, generator=g) < 0.4).double()


def slope(loss, first, *others, **options):
    first = first.clone().requires_grad_()
    return torch.autograd.grad(loss(first, *others, **options), first)[0]


class TestAbsentClasses:
    """8 pixels without a target, of which 2 are predicted in full."""

    probs = torch.tensor([[[1.0, 1, 0, 0, 0, 0, 0, 0]]])
    target = torch.zeros(1, 1, 8)

    @pytest.mark.parametrize(
        ("loss", "smooth", "expected"),
        [
            (lossary.dice_loss, 0.0, 1.0),
            (lossary.dice_loss, 1.0, 2 / 3),  # 1 - 1 / (2 + 1)
            (lossary.batch_dice_loss, 1.0, 2 / 3),
            (lossary.jaccard_loss, 1.0, 2 / 3),
            (lossary.tversky_loss, 1.0, 0.375),  # 1 - 1 / (0.3 * 2 + 1)
            (lossary.generalized_dice_loss, 0.0, 1.0),
            (lossary.generalized_dice_loss, 1.0, 2 / 3),
        ],
    )
    def test_false_alarms_cost(self, loss, smooth, expected):
        assert_close(loss(self.probs, self.target, smooth=smooth), torch.tensor(expected))

    @pytest.mark.parametrize("loss", REGION_LOSSES, ids=NAMES)
    def test_nothing_there_and_nothing_predicted_costs_nothing(self, loss):
        options = {} if loss is lossary.mcc_loss else {"smooth": 0.0}
        nothing = torch.zeros(1, 2, 8)
        assert loss(nothing, nothing, **options) == 0
        assert slope(loss, nothing, nothing, **options).isfinite().all()

    @pytest.mark.parametrize("loss", [lossary.dice_loss, lossary.jaccard_loss, lossary.tversky_loss])
    def test_skipped_they_are_not_in_the_mean(self, loss):
        probs, target = draw(2, 3, 8)
        target[..., 0], target[:, 1] = 1, 0
        present = loss(probs[:, [0, 2]], target[:, [0, 2]])
        assert_close(loss(probs, target, absent="skip"), present)
        assert loss(probs, target) > present
        assert not slope(loss, probs, target, absent="skip")[:, 1].any()

    def test_a_batch_knows_classes_that_a_sample_lacks(self):
        probs, target = draw(2, 2, 8)
        target[..., 0], target[0, 1] = 1, 0
        both = lossary.batch_dice_loss(probs, target, absent="skip", reduction="none")
        assert both.shape == (2,) and (both > 0).all()

    def test_generalized_dice_weighs_them_as_the_smallest_class(self):
        """Areas 4, 1 and none: weights 1/16, 1 and 1. Missed and false: 0, 1 and 1 of 8/16, 1 and 1."""
        target = torch.tensor([[[1.0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]])
        probs = torch.tensor([[[1.0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]]])
        assert_close(lossary.generalized_dice_loss(probs, target), torch.tensor(2 / 2.5))


@pytest.mark.parametrize("loss", REGION_LOSSES, ids=NAMES)
def test_masked_pixels_might_as_well_not_be_there(loss):
    probs, target = draw(2, 3, 10)
    mask = torch.ones(2, 3, 10, dtype=torch.bool)
    mask[..., 6:] = False
    broken = probs.masked_fill(~mask, torch.nan)
    assert_close(loss(broken, target, mask=mask), loss(probs[..., :6], target[..., :6]))
    gradient = slope(loss, broken, target, mask=mask)
    assert_close(gradient[..., :6], slope(loss, probs[..., :6], target[..., :6]))
    assert not gradient[..., 6:].any()


def test_masked_classes_do_not_count_in_the_mean():
    probs, target = draw(2, 3, 10)
    mask = torch.tensor([[True, True, False], [True, True, False]])
    assert_close(lossary.dice_loss(probs, target, mask=mask), lossary.dice_loss(probs[:, :2], target[:, :2]))


def test_weight_0_leaves_the_background_out():
    probs, target = draw(2, 3, 10)
    weight = torch.tensor([0.0, 1.0, 1.0])
    assert_close(lossary.dice_loss(probs, target, class_weight=weight), lossary.dice_loss(probs[:, 1:], target[:, 1:]))


@pytest.mark.parametrize("smooth", [0.0, 1.0])
class TestReductions:
    def test_dice_is_tversky_with_halves(self, smooth):
        probs, target = draw(2, 3, 4, 5)
        halves = lossary.tversky_loss(probs, target, false_positive=0.5, false_negative=0.5, smooth=smooth / 2)
        assert_close(lossary.dice_loss(probs, target, smooth=smooth), halves)

    def test_jaccard_is_tversky_with_ones(self, smooth):
        probs, target = draw(2, 3, 4, 5)
        ones = lossary.tversky_loss(probs, target, false_positive=1.0, false_negative=1.0, smooth=smooth)
        assert_close(lossary.jaccard_loss(probs, target, smooth=smooth), ones)

    def test_jaccard_follows_from_dice(self, smooth):
        probs, target = draw(2, 3, 4, 5)
        dice = lossary.dice_loss(probs, target, smooth=2 * smooth, reduction="none")
        jaccard = lossary.jaccard_loss(probs, target, smooth=smooth, reduction="none")
        assert_close(jaccard, 2 * dice / (1 + dice))

    def test_focal_tversky_with_gamma_1_is_tversky(self, smooth):
        probs, target = draw(2, 3, 4, 5)
        focal = lossary.focal_tversky_loss(probs, target, gamma=1.0, smooth=smooth)
        assert_close(focal, lossary.tversky_loss(probs, target, smooth=smooth))

    def test_of_one_sample_batch_dice_is_dice(self, smooth):
        probs, target = draw(1, 3, 4, 5)
        assert_close(
            lossary.batch_dice_loss(probs, target, smooth=smooth), lossary.dice_loss(probs, target, smooth=smooth)
        )

    def test_of_one_class_generalized_dice_is_dice(self, smooth):
        probs, target = draw(2, 1, 4, 5)
        generalized = lossary.generalized_dice_loss(probs, target, smooth=smooth, reduction="none")
        assert_close(generalized, lossary.dice_loss(probs, target, smooth=smooth, reduction="none").squeeze(1))


def test_without_spatial_dimensions_a_sample_is_one_pixel():
    probs, target = draw(4, 3)
    assert_close(lossary.dice_loss(probs, target), lossary.dice_loss(probs[..., None], target[..., None]))


def test_misses_and_false_alarms_have_each_their_weight():
    one, two = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    weights = {"false_positive": 0.2, "false_negative": 0.8, "smooth": 0.0}
    assert_close(lossary.tversky_loss(one, two, **weights), torch.tensor(0.8 / 1.8))  # a miss
    assert_close(lossary.tversky_loss(two, one, **weights), torch.tensor(0.2 / 1.2))  # a false alarm


def test_squared_areas_put_the_optimum_at_soft_targets():
    soft = torch.tensor([[[0.2, 0.9, 0.5]]])
    assert lossary.dice_loss(soft, soft, area="squared") == 0
    assert not slope(lossary.dice_loss, soft, soft, area="squared").any()
    assert lossary.dice_loss(soft, soft) > 0


@pytest.mark.parametrize("gamma", [1.0, 4 / 3, 3.0])
def test_focal_tversky_has_no_slope_at_a_perfect_region(gamma):
    target = torch.tensor([[[1.0, 1.0, 0.0]]])
    gradient = slope(lossary.focal_tversky_loss, target, target, gamma=gamma)
    assert not gradient.any()
    near = target.clone()
    near[0, 0, 0] -= 1e-6
    assert slope(lossary.focal_tversky_loss, near, target, gamma=gamma)[0, 0, 0] < 0


def test_generalized_dice_does_not_depend_on_the_resolution():
    """The weights of a class of 100,000 pixels are 1e-10; smoothing counts pixels, not weights."""
    coarse, target = draw(1, 2, 32, 32)
    fine = [x.repeat_interleave(16, -1).repeat_interleave(16, -2) for x in (coarse, target)]
    assert_close(lossary.generalized_dice_loss(*fine), lossary.generalized_dice_loss(coarse, target))
    assert_close(lossary.generalized_dice_loss(*(x.float() for x in fine), smooth=1.0).double(),
                 lossary.generalized_dice_loss(*fine), rtol=1e-4, atol=0.0)  # fmt: skip


class TestMCC:
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])

    @pytest.mark.parametrize(
        ("probs", "expected"),
        [
            ([1.0, 1.0, 0.0, 0.0], 0.0),
            ([0.0, 0.0, 1.0, 1.0], 2.0),
            ([1.0, 0.0, 1.0, 0.0], 1.0),
            ([1.0, 0.0, 0.0, 0.0], 1 - 3**-0.5),  # TP 1, TN 2, FN 1: 2 / sqrt(1 * 2 * 2 * 3)
        ],
    )
    def test_values(self, probs, expected):
        assert_close(lossary.mcc_loss(torch.tensor([[probs]]), self.target), torch.tensor(expected))

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_where_it_is_undefined(self, value):
        """Target all of one kind: 1 without a slope, and 0 where the prediction is exactly that."""
        target = torch.full((1, 1, 4), value)
        probs = torch.full((1, 1, 4), 0.5)
        assert lossary.mcc_loss(probs, target) == 1
        assert not slope(lossary.mcc_loss, probs, target).any()
        assert lossary.mcc_loss(target, target) == 0
        assert lossary.mcc_loss(target, 1 - target) == 1

    def test_of_a_large_volume_it_does_not_overflow(self):
        """The four areas multiply to about (2.5e5)^4; on a volume of 1e10 voxels they would to more than 1e38."""
        probs, target = draw(1, 1, 1000, 1000)
        exact = lossary.mcc_loss(probs, target)
        assert_close(lossary.mcc_loss(probs.float(), target.float()).double(), exact, rtol=1e-5, atol=0.0)


class TestLovasz:
    def test_of_hard_logits_it_is_twice_the_jaccard_loss(self):
        """Logits of -1 and 1 have errors of 0 and 2."""
        probs, target = draw(3, 2, 30)
        hard = (probs > 0.5).double()
        expected = 2 * lossary.jaccard_loss(hard, target, smooth=0.0, reduction="none")
        assert_close(lossary.lovasz_hinge_loss(2 * hard - 1, target, reduction="none"), expected)

    def test_of_certain_logits_softmax_is_the_mean_jaccard_loss(self):
        g = torch.Generator().manual_seed(0)
        prediction, target = (torch.randint(3, (2, 40), generator=g) for _ in range(2))
        hot = [torch.nn.functional.one_hot(x, 3).movedim(-1, 1).double() for x in (prediction, target)]
        expected = lossary.jaccard_loss(*hot, smooth=0.0, reduction="none").mean(1)
        assert_close(lossary.lovasz_softmax_loss(1e3 * hot[0], target, reduction="none"), expected)

    def test_a_class_that_is_not_there_costs_its_largest_error(self):
        logits = torch.tensor([[[-3.0, 0.5, -2.0]]])
        assert lossary.lovasz_hinge_loss(logits, torch.zeros(1, 1, 3)) == 1.5

    def test_its_gradient_in_float32_is_that_in_float64(self):
        """Differences of Jaccard losses would lose most digits on 90,000 pixels."""
        probs, target = draw(1, 1, 300, 300)
        logits = (4 * probs - 2).float()
        exact = slope(lossary.lovasz_hinge_loss, logits.double(), target)
        assert_close(slope(lossary.lovasz_hinge_loss, logits, target).double(), exact, rtol=1e-6, atol=0.0)

    def test_masked_pixels_might_as_well_not_be_there(self):
        probs, target = draw(2, 3, 10)
        logits = 4 * probs - 2
        mask = torch.ones(2, 3, 10, dtype=torch.bool)
        mask[..., [1, 4, 5]] = False
        rest = [0, 2, 3, 6, 7, 8, 9]
        broken = logits.masked_fill(~mask, torch.nan)
        loss = lossary.lovasz_hinge_loss
        assert_close(loss(broken, target, mask=mask), loss(logits[..., rest], target[..., rest]))
        assert_close(
            slope(loss, broken, target, mask=mask)[..., rest], slope(loss, logits[..., rest], target[..., rest])
        )

    @pytest.mark.parametrize("classes", ["present", "all"])
    def test_ignored_pixels_might_as_well_not_be_there(self, classes):
        logits = 4 * draw(2, 3, 10)[0]
        target = torch.tensor([[0, 1, 255, 2, 1, 255, 0, 0, 1, 2], [0, 0, 255, 0, 1, 255, 0, 0, 1, 1]])
        rest = [0, 1, 3, 4, 6, 7, 8, 9]
        broken = logits.clone()
        broken[..., [2, 5]] = torch.nan
        loss = lossary.lovasz_softmax_loss
        expected = loss(logits[..., rest], target[..., rest], classes=classes)
        assert_close(loss(broken, target, classes=classes, ignore_index=255), expected)

    def test_class_weight_weighs_the_classes_present(self):
        logits = 4 * draw(1, 3, 10)[0]
        target = torch.tensor([[0, 0, 0, 2, 2, 0, 0, 0, 0, 2]])
        alone = [lossary.lovasz_softmax_loss(logits, target, class_weight=torch.eye(3)[k]) for k in range(3)]
        assert alone[1] == 0
        weighed = lossary.lovasz_softmax_loss(logits, target, class_weight=torch.tensor([1.0, 5.0, 3.0]))
        assert_close(weighed, (alone[0] + 3 * alone[2]) / 4)


class TestCompounds:
    def test_dice_cross_entropy_ignores_pixels(self):
        logits = 4 * draw(2, 3, 10)[0]
        target = torch.tensor([[0, 1, 255, 2, 1, 255, 0, 0, 1, 2], [0, 0, 255, 0, 1, 255, 0, 0, 1, 1]])
        rest = [0, 1, 3, 4, 6, 7, 8, 9]
        broken = logits.clone()
        broken[..., [2, 5]] = torch.nan
        loss = lossary.dice_cross_entropy_loss
        assert_close(loss(broken, target, ignore_index=255), loss(logits[..., rest], target[..., rest]))
        assert slope(loss, broken, target, ignore_index=255).isfinite().all()

    def test_class_weight_weighs_both_terms(self):
        logits = 4 * draw(1, 3, 10)[0]
        target = torch.randint(3, (1, 10), generator=torch.Generator().manual_seed(0))
        weight = torch.tensor([1.0, 2.0, 5.0])
        hot = torch.nn.functional.one_hot(target, 3).movedim(-1, 1).double()
        dice = lossary.dice_loss(logits.softmax(1), hot, class_weight=weight)
        entropy = torch.nn.functional.cross_entropy(logits, target, weight.double())
        assert_close(lossary.dice_cross_entropy_loss(logits, target, class_weight=weight), dice + entropy)

    @pytest.mark.parametrize(
        ("loss", "term"),
        [
            (lossary.dice_bce_loss, lossary.bce_with_logits_loss),
            (lossary.dice_focal_loss, lossary.sigmoid_focal_loss),
        ],
    )
    def test_masked_pixels_do_not_count(self, loss, term):
        probs, target = draw(2, 3, 10)
        logits = 4 * probs - 2
        mask = torch.ones(2, 3, 10, dtype=torch.bool)
        mask[..., 6:] = False
        dice = lossary.dice_loss(logits[..., :6].sigmoid(), target[..., :6])
        expected = dice + term(logits[..., :6], target[..., :6])
        assert_close(loss(logits.masked_fill(~mask, torch.nan), target, mask=mask), expected)


class TestDistances:
    def test_distances_are_euclidean(self):
        region = torch.ones(1, 1, 4, 5)
        region[0, 0, 0, 0] = 0
        expected = torch.tensor([[(i**2 + j**2) ** 0.5 for j in range(5)] for i in range(4)])
        assert_close(lossary.distance_transform(region)[0, 0], expected)

    @pytest.mark.parametrize("value", [0, 1])
    def test_a_region_without_boundary_has_no_distances(self, value):
        region = torch.full((1, 2, 3, 4), value)
        for found in (lossary.distance_transform(region), lossary.signed_distance_map(region)):
            assert found.shape == region.shape and found.dtype == torch.float32 and not found.any()

    def test_each_sample_and_class_is_an_image_of_its_own(self):
        masks = draw(2, 3, 5, 6)[1]
        masks[1, 0] = 0
        together = lossary.signed_distance_map(masks)
        apart = [[lossary.signed_distance_map(masks[i : i + 1, j : j + 1])[0, 0] for j in range(3)] for i in range(2)]
        assert_close(together, torch.stack([torch.stack(row) for row in apart]))

    def test_hausdorff_of_a_far_error_is_its_squared_distance(self):
        """One pixel of 10 is wrong in full, 7 from the target and 1 from the rest of the background."""
        target, probs = torch.zeros(2, 1, 1, 10)
        target[..., 0], probs[..., 0], probs[..., 7] = 1, 1, 1
        expected = torch.tensor((7.0**2 + 1) / 10)
        assert_close(lossary.hausdorff_dt_loss(probs, target), expected)
        assert_close(lossary.log_hausdorff_dt_loss(probs, target), torch.log1p(expected))

    def test_hausdorff_without_any_boundary_is_0(self):
        probs = torch.full((1, 1, 6), 0.3)
        assert lossary.hausdorff_dt_loss(probs, torch.zeros(1, 1, 6)) == 0

    def test_boundary_is_least_at_the_target(self):
        target = torch.zeros(1, 1, 6, 7, dtype=torch.float64)
        target[..., 1:5, 2:6] = 1
        distance = lossary.signed_distance_map(target)
        best = lossary.boundary_loss(target, distance)
        assert best < 0
        for seed in range(5):
            assert lossary.boundary_loss(draw(1, 1, 6, 7, seed=seed)[0], distance) > best

    @pytest.mark.parametrize("loss", [lossary.hausdorff_dt_loss, lossary.log_hausdorff_dt_loss])
    def test_masked_pixels_add_nothing(self, loss):
        target, probs = torch.zeros(2, 1, 1, 10)
        target[..., 0], probs[..., 0], probs[..., 7] = 1, 1, 1
        mask = torch.ones(1, 1, 10, dtype=torch.bool)
        mask[..., 7] = False
        assert loss(probs, target, mask=mask) == 0


class TestCentreLines:
    line = torch.zeros(1, 1, 7, 9)
    line[..., 3, 1:8] = 1

    def test_a_thick_bar_has_the_line_for_a_skeleton(self):
        bar = torch.zeros(1, 1, 7, 9)
        bar[..., 2:5, 0:9] = 1
        expected = torch.zeros(7, 9)
        expected[3, 1:8] = 1  # the ends are eroded where they do not touch the border of the image
        skeleton = lossary.soft_skeleton(bar, iterations=3)[0, 0]
        assert_close(skeleton[:, 1:8], expected[:, 1:8])

    def test_width_costs_dice_and_not_the_lines(self):
        wide = self.line.clone()
        wide[..., 2:5, 1:8] = 1
        assert lossary.dice_loss(wide, self.line) > 0.4
        assert lossary.cl_dice_loss(wide, self.line) < 0.2

    def test_a_gap_costs_the_lines(self):
        broken = self.line.clone()
        broken[..., 4] = 0
        # All of the predicted skeleton is in the target, and 6 of 7 pixels the other way: 1 - 2 (6/7) / (1 + 6/7).
        assert_close(lossary.cl_dice_loss(broken, self.line, smooth=0.0), torch.tensor(1 / 13))

    def test_an_empty_skeleton_lies_in_anything(self):
        nothing = torch.zeros_like(self.line)
        assert lossary.cl_dice_loss(nothing, nothing, smooth=0.0) == 0
        assert lossary.cl_dice_loss(nothing, self.line, smooth=0.0) == 1
        assert slope(lossary.cl_dice_loss, nothing, self.line, smooth=0.0).isfinite().all()

    def test_a_masked_half_does_not_count(self):
        probs, mask = self.line.clone(), torch.ones(1, 1, 7, 9, dtype=torch.bool)
        probs[..., 5:], mask[..., 5:] = torch.nan, False
        assert lossary.cl_dice_loss(probs, self.line, mask=mask) == 0
        assert lossary.dice_cl_dice_loss(probs, self.line, mask=mask) == 0

    @pytest.mark.parametrize(("alpha", "other"), [(0.0, lossary.dice_loss), (1.0, lossary.cl_dice_loss)])
    def test_alpha_goes_from_dice_to_the_lines(self, alpha, other):
        probs, _ = draw(1, 1, 7, 9)
        line = self.line.double()
        assert_close(lossary.dice_cl_dice_loss(probs, line, alpha=alpha), other(probs, line))


def test_sums_of_a_large_half_precision_image_do_not_overflow():
    """90,000 pixels of 1 are more than the largest float16."""
    ones = torch.ones(1, 1, 300, 300, dtype=torch.float16)
    assert lossary.dice_loss(ones, ones) == 0
    assert_close(lossary.dice_loss(ones / 2, ones), torch.tensor(1 / 3, dtype=torch.float16), rtol=1e-3, atol=0.0)
