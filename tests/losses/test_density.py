"""What is special about the losses of distributions: limits, edges, and how they relate."""

import dataclasses
import math

import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.checks import LAWS, cases
from lossary.core import Count, LossInputError, PositiveReal, definition_of
from lossary.losses.density.log_gamma import log_rising_ratio


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def slope(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


class TestGaussianNLL:
    def test_a_variance_below_eps_counts_as_eps_and_can_recover(self):
        """At v = eps = 0.01 and an error of 1 the slope is 1 / (2 v) - 1 / (2 v^2) = 50 - 5000."""
        mean, target, var = f64(0.0), f64(1.0), f64(1e-9)
        assert_close(lossary.gaussian_nll_loss(mean, target, var, eps=0.01),
                     lossary.gaussian_nll_loss(mean, target, f64(0.01)))  # fmt: skip
        assert_close(slope(lambda v: lossary.gaussian_nll_loss(mean, target, v, eps=0.01), var), f64(-4950.0))

    @pytest.mark.parametrize("shapes", [((5, 1), (5,), (5, 1)), ((5,), (5, 1), (5,)), ((5, 2), (5, 2), (5, 1))])
    def test_shapes_that_torch_broadcasts_are_refused(self, shapes):
        mean, target, var = (torch.ones(shape) for shape in shapes)
        assert torch.nn.GaussianNLLLoss(reduction="none")(mean, target, var).shape != (5,)
        with pytest.raises(LossInputError, match="gaussian_nll_loss: expected"):
            lossary.gaussian_nll_loss(mean, target, var)


class TestBetaNLL:
    mean, target, var = f64(0.0, 1.0, -2.0), f64(1.0, -1.0, 0.5), f64(0.5, 2.0, 8.0)

    def test_beta_1_moves_the_mean_as_half_the_squared_error_does(self):
        gradient = slope(lambda m: lossary.beta_nll_loss(m, self.target, self.var, beta=1.0), self.mean)
        assert_close(gradient, slope(lambda m: 0.5 * lossary.mse_loss(m, self.target), self.mean))

    def test_beta_0_is_the_likelihood(self):
        x = self.mean, self.target, self.var
        assert_close(lossary.beta_nll_loss(*x, beta=0.0), lossary.gaussian_nll_loss(*x))

    def test_the_weight_does_not_pull_on_the_variance(self):
        """v^beta (1 / v - r^2 / v^2) / 2 for each value."""
        gradient = slope(lambda v: lossary.beta_nll_loss(self.mean, self.target, v, reduction="sum"), self.var)
        square = (self.mean - self.target) ** 2
        assert_close(gradient, 0.5 * self.var**0.5 * (1 / self.var - square / self.var**2))


def test_student_t_nears_the_normal_distribution_as_df_grows():
    mean, target, scale = torch.tensor([0.0, 1.0]), torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.5])
    normal = lossary.gaussian_nll_loss(mean, target, scale**2, full=True, reduction="none")
    assert_close(lossary.student_t_nll_loss(mean, target, scale, df=1e7, reduction="none"), normal)


def test_uncertain_smooth_l1_without_a_tip_is_the_laplace_likelihood_less_log_2():
    x = f64(0.0, 1.0), f64(3.0, 1.0), f64(2.0, 0.5)
    assert_close(lossary.uncertain_smooth_l1_loss(*x, beta=0.0), lossary.laplace_nll_loss(*x) - math.log(2.0))


class TestPoisson:
    @pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
    def test_the_mean_itself_obeys_the_laws(self, law):
        """The card is for the logarithm of the mean; with the mean the domain is another."""
        plain = definition_of(lossary.poisson_nll_loss)
        card = dataclasses.replace(plain.card, inputs=[PositiveReal("*n"), Count("*n")], settings=())
        case = next(cases(dataclasses.replace(plain, card=card)))
        law(dataclasses.replace(case, setting={"log_input": False, "eps": 0.1}))

    def test_a_mean_of_0_is_held_by_eps(self):
        value = lossary.poisson_nll_loss(f64(0.0), f64(2.0), log_input=False)
        assert value.item() == pytest.approx(-2.0 * math.log(1e-8))

    def test_stirlings_formula_is_short_of_the_factorial_by_at_most_a_24th(self):
        y = torch.arange(2.0, 200.0, dtype=torch.float64)
        z = torch.zeros_like(y)
        full = lossary.poisson_nll_loss(z, y, full=True, reduction="none") - 1.0
        short = torch.lgamma(y + 1.0) - full
        assert (short > 0).all() and short.argmax() == 0
        assert short[0].item() == pytest.approx(0.0413, abs=1e-4)  # log 2 - (2 log 2 - 2 + log(4 pi) / 2)

    def test_shapes_that_torch_broadcasts_are_refused(self):
        assert torch.nn.PoissonNLLLoss(reduction="none")(torch.ones(5, 1), torch.ones(5)).shape == (5, 5)
        with pytest.raises(LossInputError, match="poisson_nll_loss: expected"):
            lossary.poisson_nll_loss(torch.ones(5, 1), torch.ones(5))


class TestNegativeBinomial:
    def test_its_probabilities_sum_to_1(self):
        y = torch.arange(0.0, 3000.0, dtype=torch.float64)
        for mean, dispersion in ((3.0, 0.7), (20.0, 0.01), (5.0, 4.0)):
            nll = lossary.negative_binomial_nll_loss(
                torch.full_like(y, mean), y, torch.full_like(y, dispersion), reduction="none"
            )
            assert (-nll).exp().sum().item() == pytest.approx(1.0, abs=1e-9)

    def test_it_nears_the_poisson_likelihood_in_float32(self):
        """Its slope in the dispersion is ((y - m)^2 - y) / -2 there. With log-gamma functions both would be noise."""
        mean, target = torch.tensor([3.0, 3.0, 0.5]), torch.tensor([0.0, 9.0, 1.0])
        tiny = torch.full((3,), 1e-6)
        poisson = mean - target * mean.log() + torch.lgamma(target + 1.0)
        nll = lossary.negative_binomial_nll_loss(mean, target, tiny, reduction="none")
        assert_close(nll, poisson, rtol=1e-5, atol=0.0)
        gradient = slope(lambda a: lossary.negative_binomial_nll_loss(mean, target, a, reduction="sum"), tiny)
        assert_close(gradient, -0.5 * ((target - mean) ** 2 - target), rtol=1e-3, atol=0.0)


DEVIANCES = [
    (lossary.poisson_deviance_loss, lossary.poisson_nll_loss, {}),
    (lossary.gamma_deviance_loss, lossary.gamma_nll_loss, {}),
    *((lossary.tweedie_deviance_loss, lossary.tweedie_nll_loss, {"power": p}) for p in (1.0, 1.3, 1.9, 2.0, 3.0)),
]


@pytest.mark.parametrize(("deviance", "nll", "options"), DEVIANCES, ids=lambda part: getattr(part, "__name__", None))
def test_a_deviance_is_twice_the_likelihood_above_its_minimum(deviance, nll, options):
    mean, target = f64(0.3, 2.0, 50.0, 4.0), f64(1.0, 2.0, 7.0, 0.1)
    above = nll(mean.log(), target, **options, reduction="none") - nll(
        target.log(), target, **options, reduction="none"
    )
    values = deviance(mean, target, **options, reduction="none")
    assert_close(values, 2.0 * above)
    assert values[1].item() == pytest.approx(0.0, abs=1e-14)


class TestTweedie:
    log_mean, target = f64(-1.0, 0.5, 2.0), f64(0.0, 1.0, 5.0)

    def test_powers_1_and_2_are_poisson_and_gamma_but_for_terms_of_the_target(self):
        def at(power):
            return lossary.tweedie_nll_loss(self.log_mean, self.target, power=power, reduction="none")

        poisson, gamma = (
            loss(self.log_mean, self.target, reduction="none")
            for loss in (lossary.poisson_nll_loss, lossary.gamma_nll_loss)
        )
        assert_close(at(1.0), poisson - 1.0)
        assert_close(at(2.0), gamma - self.target)
        assert_close(at(1.0 + 1e-9), poisson - 1.0, rtol=1e-7, atol=1e-7)

    def test_deviances_of_powers_1_and_2_are_those_of_poisson_and_gamma(self):
        mean, positive = self.log_mean.exp(), self.target + 0.5
        assert_close(lossary.tweedie_deviance_loss(mean, self.target, power=1.0),
                     lossary.poisson_deviance_loss(mean, self.target))  # fmt: skip
        assert_close(lossary.tweedie_deviance_loss(mean, positive, power=2.0),
                     lossary.gamma_deviance_loss(mean, positive))  # fmt: skip

    @pytest.mark.parametrize("power", [2.0, 2.5])
    def test_a_target_of_0_is_impossible_from_power_2_on(self, power):
        assert lossary.tweedie_deviance_loss(f64(1.0), f64(0.0), power=power).item() == math.inf

    @pytest.mark.parametrize("power", [1.0, 1.5])
    def test_a_learned_power_has_the_gradient_of_finite_differences(self, power):
        def total(p):
            return lossary.tweedie_deviance_loss(self.log_mean.exp(), self.target, power=p)

        assert torch.autograd.gradcheck(total, (f64(power)[0].requires_grad_(),))


class TestCRPS:
    def test_of_a_point_it_is_the_absolute_error(self):
        x, y = f64(1.0, -2.0), f64(4.0, 1.5)
        error = (x - y).abs()
        assert_close(lossary.gaussian_crps_loss(x, y, f64(1e-9, 1e-9), reduction="none"), error)
        assert_close(lossary.ensemble_crps_loss(x[:, None], y, reduction="none"), error)
        assert_close(lossary.quantile_crps_loss(x[:, None], y, reduction="none"), error)

    def test_the_scales_pull_is_exact_far_away(self):
        """There it is -1 / sqrt(pi); the error over the scale is 1e10."""
        gradient = slope(lambda s: lossary.gaussian_crps_loss(torch.tensor([0.0]), torch.tensor([1e4]), s),
                         torch.tensor([1e-6]))  # fmt: skip
        assert_close(gradient, torch.tensor([-1.0 / math.sqrt(math.pi)]))

    def test_sorted_members_are_quantiles_at_the_middles_of_equal_parts(self):
        members = torch.randn(20, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        target = torch.linspace(-2.0, 2.0, 20, dtype=torch.float64)
        assert_close(lossary.ensemble_crps_loss(members, target, reduction="none"),
                     lossary.quantile_crps_loss(members.sort(-1).values, target, reduction="none"))  # fmt: skip

    def test_the_order_of_members_does_not_matter(self):
        members, target = f64(3.0, 1.0, 2.0)[None], f64(1.7)
        assert_close(lossary.ensemble_crps_loss(members, target), lossary.ensemble_crps_loss(members.flip(-1), target))

    def test_the_fair_one_is_unbiased_and_the_other_is_not(self):
        """About N(0, 1) and a target of 0.5, which the normal distribution scores exactly; 4 members, 200,000 times."""
        members = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(0))
        target = torch.full((200_000,), 0.5)
        exact = lossary.gaussian_crps_loss(torch.zeros(1), target[:1], torch.ones(1)).item()
        assert lossary.ensemble_crps_loss(members, target, fair=True).item() == pytest.approx(exact, abs=3e-3)
        # The biased one is too large by E|X - X'| / (2 m), where E|X - X'| = 2 / sqrt(pi).
        biased = lossary.ensemble_crps_loss(members, target).item()
        assert biased == pytest.approx(exact + 1.0 / (4.0 * math.sqrt(math.pi)), abs=3e-3)

    def test_the_fair_one_of_two_members_is_0_wherever_they_enclose_the_target(self):
        members = f64(1.0, 3.0, -7.0, 2.0).reshape(2, 2)
        assert lossary.ensemble_crps_loss(members, f64(1.9, 1.9), fair=True, reduction="none").tolist() == [0.0, 0.0]

    @pytest.mark.parametrize(("fair", "members", "needed"), [(True, 1, 2), (False, 0, 1)])
    def test_too_few_members_are_refused(self, fair, members, needed):
        message = f"ensemble_crps_loss: `prediction` must have {needed} members or more, got {members}."
        with pytest.raises(LossInputError, match=message):
            lossary.ensemble_crps_loss(torch.zeros(3, members), torch.zeros(3), fair=fair)

    def test_twice_the_quantile_losses(self):
        x, y, levels = torch.randn(3, 2), torch.zeros(3), torch.tensor([0.3, 0.9])
        assert_close(lossary.quantile_crps_loss(x, y, levels=levels),
                     2 * lossary.multi_quantile_loss(x, y, levels=levels))  # fmt: skip


class TestLogRisingRatio:
    def test_a_rising_factorial(self):
        """log (x (x + 1) (x + 2) / x^3)"""
        x = f64(0.1, 1.0, 9.9, 10.1, 1e3)
        wanted = torch.log1p(1 / x) + torch.log1p(2 / x)
        assert_close(log_rising_ratio(x, torch.full_like(x, 3.0)), wanted, rtol=1e-12, atol=1e-15)

    def test_both_branches_agree_at_the_seam(self):
        x, step = f64(10.0 - 1e-12, 10.0), f64(250.0, 250.0)
        low, high = log_rising_ratio(x, step).tolist()
        assert low == pytest.approx(high, rel=1e-13)
        gradient = slope(lambda t: log_rising_ratio(t, step), x)
        assert gradient[0].item() == pytest.approx(gradient[1].item(), rel=1e-11)
