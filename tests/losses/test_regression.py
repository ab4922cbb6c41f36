"""What is special about the losses of a real target: exactness, limits, edges, and how they relate."""

import math

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError
from lossary.losses.regression.box_cox import box_cox


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def slope(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


@pytest.mark.parametrize(
    "loss", [lossary.log_cosh_loss, lossary.pseudo_huber_loss, lossary.tukey_biweight_loss, lossary.cauchy_loss,
             lossary.welsch_loss, lossary.geman_mcclure_loss, lossary.general_robust_loss, lossary.huber_loss],
)  # fmt: skip
def test_small_errors_cost_half_their_square_to_the_last_digit(loss):
    error = torch.tensor([1e-6, 1e-4, -3e-3])
    assert_close(loss(error, torch.zeros(3), reduction="none"), error**2 / 2, rtol=2e-5, atol=0.0)


def test_charbonnier_is_pseudo_huber_moved_and_scaled():
    x, y = torch.linspace(-3.0, 3.0, 13, dtype=torch.float64), torch.zeros(13, dtype=torch.float64)
    moved = lossary.pseudo_huber_loss(x, y, delta=0.5, reduction="none") / 0.5 + 0.5
    assert_close(lossary.charbonnier_loss(x, y, eps=0.5, reduction="none"), moved)


class TestCosineDistance:
    def test_a_zero_vector_is_at_a_right_angle_to_all_and_does_not_pull(self):
        x, y = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
        assert lossary.cosine_distance_loss(x, y, reduction="none").tolist() == [1.0, 1.0]
        assert not slope(lambda t: lossary.cosine_distance_loss(t, y), x).any()

    def test_goes_from_0_to_2(self):
        x = torch.tensor([[3.0, 4.0]] * 3)
        y = torch.tensor([[6.0, 8.0], [-4.0, 3.0], [-3.0, -4.0]])
        assert_close(lossary.cosine_distance_loss(x, y, reduction="none"), torch.tensor([0.0, 1.0, 2.0]))

    def test_one_vector_is_one_value(self):
        assert lossary.cosine_distance_loss(torch.ones(4), torch.ones(4), reduction="none").shape == ()


class TestQuantiles:
    def test_the_minimiser_is_the_quantile(self):
        """Of 0 to 99 the 0.9-quantile is between 89 and 90: 10 are above 89.5."""
        target = torch.arange(100.0)
        at = [lossary.quantile_loss(torch.full((100,), p), target, q=0.9).item() for p in (80.0, 89.5, 95.0)]
        assert at[1] < min(at[0], at[2])
        assert_close(slope(lambda p: lossary.quantile_loss(p.expand(100), target, q=0.9), torch.tensor(89.5)),
                     torch.tensor(0.0))  # fmt: skip

    def test_the_minimiser_is_the_expectile(self):
        """At 2.0 the pulls balance: 0.8 * (3 - 2) from above, 0.2 * (2 - (-2)) from below."""
        target = f64(3.0, -2.0)
        assert slope(lambda p: lossary.expectile_loss(p.expand(2), target, q=0.8), f64(2.0)[0]).abs() < 1e-15

    def test_the_middle_is_half_the_symmetric_loss(self):
        x, y = f64(-2.0, 0.3, 5.0), f64(1.0, 1.0, 1.0)
        assert_close(lossary.quantile_loss(x, y), 0.5 * lossary.l1_loss(x, y))
        assert_close(lossary.expectile_loss(x, y), 0.5 * lossary.mse_loss(x, y))
        assert_close(lossary.quantile_huber_loss(x, y, delta=0.4), 0.5 * lossary.huber_loss(x, y, delta=0.4))

    def test_quantile_huber_lies_between_expectile_and_quantile(self):
        x, y = f64(-2.0, 0.3, 5.0), f64(1.0, 1.0, 1.0)
        wide = lossary.quantile_huber_loss(x, y, q=0.9, delta=1e3)
        narrow = lossary.quantile_huber_loss(x, y, q=0.9, delta=1e-9) / 1e-9
        assert_close(wide, 0.5 * lossary.expectile_loss(x, y, q=0.9))
        assert_close(narrow, lossary.quantile_loss(x, y, q=0.9))

    def test_weights_of_both_signs_are_exact_in_float64(self):
        x, y = f64(2.0, 0.0), f64(1.0, 1.0)
        assert lossary.expectile_loss(x, y, q=0.9, reduction="none").tolist() == [1.0 - 0.9, 0.9]


class TestMultiQuantile:
    def test_is_the_mean_of_quantile_losses(self):
        x, y = torch.arange(6.0).reshape(2, 3), torch.tensor([1.5, 2.5])
        levels = torch.tensor([0.2, 0.5, 0.7])
        parts = [lossary.quantile_loss(x[:, i], y, q=levels[i].item(), reduction="none") for i in range(3)]
        assert_close(lossary.multi_quantile_loss(x, y, levels=levels, reduction="none"), sum(parts) / 3)

    def test_levels_are_the_middles_of_equal_parts_by_default(self):
        x, y = torch.arange(8.0).reshape(2, 4), torch.tensor([1.5, 9.0])
        levels = torch.tensor([0.125, 0.375, 0.625, 0.875])
        assert_close(lossary.multi_quantile_loss(x, y), lossary.multi_quantile_loss(x, y, levels=levels))

    def test_levels_that_are_not_one_per_column_are_refused(self):
        with pytest.raises(LossInputError, match=r"multi_quantile_loss: `levels` must have the shape \(k\)"):
            lossary.multi_quantile_loss(torch.zeros(2, 3), torch.zeros(2), levels=torch.tensor([0.1, 0.9]))

    def test_the_module_moves_its_levels(self):
        module = lossary.MultiQuantileLoss(levels=torch.tensor([0.1, 0.9])).to(torch.float64)
        assert module.levels.dtype == torch.float64 and "levels" in module.state_dict()


class TestRelative:
    def test_mape_of_a_target_of_0_is_the_error_over_eps(self):
        assert lossary.mape_loss(f64(3.0), f64(0.0), eps=0.5).item() == 6.0
        assert lossary.mape_loss(f64(3.0), f64(0.0)).item() == pytest.approx(3e6)

    def test_smape_of_opposite_signs_is_2_and_does_not_pull(self):
        x, y = f64(-1.0, 0.0, 5.0), f64(2.0, 3.0, 0.0)
        assert lossary.smape_loss(x, y, reduction="none").tolist() == [2.0, 2.0, 2.0]
        assert not slope(lambda t: lossary.smape_loss(t, y), f64(-1.0, -2.0, 5.0)).any()

    def test_smape_of_two_zeros_is_0(self):
        assert lossary.smape_loss(f64(0.0), f64(0.0)).item() == 0.0


@pytest.mark.parametrize(("loss", "plain"), [(lossary.rmse_loss, lossary.mse_loss),
                                             (lossary.rmsle_loss, lossary.msle_loss)])  # fmt: skip
class TestRoots:
    def test_is_the_root_of_the_mean(self, loss, plain):
        x, y = f64(1.0, 2.0, 7.0), f64(0.5, 2.0, 3.0)
        assert_close(loss(x, y), plain(x, y).sqrt())

    def test_at_a_perfect_prediction_it_and_its_gradient_are_0(self, loss, plain):
        y = f64(1.0, 2.0)
        assert loss(y, y).item() == 0.0
        assert not slope(lambda t: loss(t, y), y).any()

    def test_what_is_masked_might_as_well_not_be_there(self, loss, plain):
        x, y = f64(1.0, torch.nan, 7.0), f64(0.5, 2.0, 3.0)
        mask = torch.tensor([True, False, True])
        assert_close(loss(x, y, mask=mask), loss(x[mask], y[mask]))
        assert slope(lambda t: loss(t, y, mask=mask), x).isfinite().all()

    def test_nan_is_not_hidden(self, loss, plain):
        assert loss(f64(torch.nan, 1.0), f64(1.0, 1.0)).isnan()


class TestGeneralRobust:
    x = torch.linspace(-6.0, 6.0, 25, dtype=torch.float64)

    def at(self, alpha, **options):
        return lossary.general_robust_loss(self.x, torch.zeros_like(self.x), alpha=alpha, reduction="none", **options)

    @pytest.mark.parametrize(
        ("alpha", "named"), [(0.0, lossary.cauchy_loss), (-2.0, lossary.geman_mcclure_loss),
                             (-torch.inf, lossary.welsch_loss)],
    )  # fmt: skip
    def test_its_named_members(self, alpha, named):
        assert_close(self.at(alpha, scale=0.7), named(self.x, torch.zeros_like(self.x), scale=0.7, reduction="none"))

    def test_at_2_and_1_it_is_half_the_square_and_pseudo_huber(self):
        assert_close(self.at(2.0, scale=0.7), 0.5 * (self.x / 0.7) ** 2)
        named = lossary.pseudo_huber_loss(self.x / 0.7, torch.zeros_like(self.x), reduction="none")
        assert_close(self.at(1.0, scale=0.7), named)

    @pytest.mark.parametrize(("alpha", "near"), [(0.0, 1e-9), (2.0, 2.0 - 1e-9), (-torch.inf, -1e9)])
    def test_it_has_no_jump_where_its_formula_is_singular(self, alpha, near):
        assert_close(self.at(near), self.at(alpha), rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("alpha", [1.3, 1e-4, 0.0, -1e-4, -3.0])
    def test_a_learned_shape_and_scale_have_the_gradient_of_finite_differences(self, alpha):
        def total(a, c):
            return self.at(a, scale=c)

        assert torch.autograd.gradcheck(total, (f64(alpha)[0].requires_grad_(), f64(0.8)[0].requires_grad_()))

    @pytest.mark.parametrize("alpha", [torch.inf, torch.nan])
    def test_an_infinite_or_undefined_shape_is_refused(self, alpha):
        with pytest.raises(LossInputError, match="general_robust_loss: `alpha` must be a number"):
            self.at(alpha)


class TestWing:
    def test_the_line_continues_the_logarithm(self):
        """At w = 10 and curvature 2 both are 10 ln 6."""
        below, above = lossary.wing_loss(f64(10.0 - 1e-9, 10.0 + 1e-9), f64(0.0, 0.0), reduction="none").tolist()
        assert below == pytest.approx(10.0 * math.log(6.0), abs=1e-8)
        assert above == pytest.approx(below, abs=1e-8)

    def test_its_slopes(self):
        """w / (e + r) within, 1 beyond, 0 at the kink."""
        x = f64(0.0, 1e-9, 3.0, 20.0, -20.0)
        assert_close(slope(lambda t: lossary.wing_loss(t, torch.zeros_like(t), reduction="sum"), x),
                     f64(0.0, 5.0, 2.0, 1.0, -1.0))  # fmt: skip


def test_tukey_biweight_is_flat_beyond_delta():
    x = f64(4.0, 5.0, 500.0)
    values = lossary.tukey_biweight_loss(x, torch.zeros_like(x), reduction="none")
    assert_close(values[1:], f64(*[4.685**2 / 6] * 2))
    assert values[0] < values[1]
    gradient = slope(lambda t: lossary.tukey_biweight_loss(t, torch.zeros_like(t)), x)
    assert gradient[0] > 0.0 and not gradient[1:].any()


class TestBoxCox:
    @pytest.mark.parametrize("power", [2.0, 0.5, -1.0])
    def test_as_written(self, power):
        x = f64(0.01, 1.0, 3.0, 50.0)
        assert_close(box_cox(x.log(), power), (x**power - 1.0) / power)

    def test_it_is_continuous_across_the_seam_of_its_series(self):
        """The series ends where |power * log x| is 3e-4; here log x is 1."""
        power = f64(3e-4 * (1 - 1e-9), 3e-4 * (1 + 1e-9))
        series, exact = box_cox(torch.ones(2, dtype=torch.float64), power).tolist()
        assert series == pytest.approx(exact, rel=2e-12)

    def test_its_slope_in_the_power_at_0_is_half_the_square_of_the_logarithm(self):
        assert_close(slope(lambda p: box_cox(f64(3.0), p), f64(0.0)), f64(4.5))
