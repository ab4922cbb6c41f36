"""The costs of losses: curvatures are known in closed form, memory and time are counted in the right units."""

import math

import pytest
import torch
from benchmarks.costs import BATCH, CURVED, ELEMENTS, LARGE, best, curvature, drawn, sizes, step_of, timed
from benchmarks.speed.measuring import Memory

import lossary
from benchmarks import costs
from lossary.catalogue import get
from lossary.checks.cases import Case, cases


def case_of(name):
    return next(cases(get(name)))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("mse", 2, 2),  # (x - y)²
        ("l1", 0, 0),
        ("bce_with_logits", 0, 1 / 4),  # p (1 - p)
        ("cauchy", -1 / 8, 1),  # (1 - u) / (1 + u)² with u = r² has its minimum of -1/8 at u = 3
        ("geman_mcclure", -1 / 4, 1),  # (1 - 3 u) / (1 + u)³ with u = r² has its minimum of -1/4 at u = 1
        ("welsch", -2 * math.exp(-3 / 2), 1),  # (1 - u) exp(-u/2) with u = r² has its minimum at u = 3
        ("cross_entropy", 0, 1 / 2),  # diag(p) - p pᵀ, whose greatest eigenvalue is 1/2 at p = (1/2, 1/2, 0)
        ("dpo", 0, 0.1**2 / 4),  # of the logistic loss of 0.1 x
        ("contrastive", 0, 1),  # ½ d², of embeddings of the same
    ],
)
def test_curvatures_are_those_of_the_formula(name, least, most):
    found = curvature(case_of(name))
    assert found == pytest.approx((least, most), rel=2e-3, abs=1e-4)
    assert found.least == 0 or least != 0  # rounding errors of softmax are no curvature


@pytest.mark.parametrize("name", ["rmse", "cox_partial_likelihood"])
def test_samples_that_interact_have_one_hessian(name):
    """Against torch.autograd.functional.hessian of the loss itself, over the same draws."""
    case = case_of(name)
    of = sizes(case, {}, CURVED, case.sizes["n"][0])
    found = []
    for seed in range(2 * costs.DRAWS):
        generator = torch.Generator().manual_seed(seed)
        x, *others = (d.sample(of, generator, wide=seed % 2 == 1) for d in case.domains)

        def total(x, others=others):
            return case(x, *others, reduction="none").sum()

        hessian = torch.autograd.functional.hessian(total, x)
        found.append(torch.linalg.eigvalsh(hessian.reshape(x.numel(), -1)))
    found = torch.cat(found)
    assert curvature(case) == pytest.approx((float(found.min()), float(found.max())), abs=1e-8)


def test_what_is_not_finite_is_left_out(monkeypatch):
    """A square root: no number where the difference is below 0, and of negative curvature where it is above."""
    case = case_of("mse")

    def call(self, x, target, **how):
        return (x - target).sqrt()

    monkeypatch.setattr(Case, "__call__", call)
    least, most = curvature(case)
    assert math.isfinite(least) and least < most < 0
    monkeypatch.setattr(Case, "__call__", lambda self, x, target, **how: (x * math.nan).square())
    assert all(map(math.isnan, curvature(case)))


@pytest.mark.parametrize("definition", lossary.find(), ids=lambda d: d.name)
def test_sizes_are_those_that_were_asked_for(definition):
    """The first input has 2e5 to 1e6 elements, or a batch is compared with itself; no tensor is drawn for that."""
    case = next(cases(definition))
    inner = {**LARGE, **costs.BY_LOSS.get(definition.name, {})}
    for batch in (None, BATCH):
        of = sizes(case, inner, ELEMENTS, batch)
        shape = [n for name in case.domains[0].pattern() for n in ((int(name),) if name.isdigit() else of[name])]
        assert BATCH in shape if batch else 2e5 <= math.prod(shape) <= 1e6
    assert set(costs.BY_LOSS) <= {d.name for d in lossary.find()}


def test_all_but_the_target_get_a_gradient(monkeypatch):
    monkeypatch.setattr(costs, "ELEMENTS", 2**10)  # too few for kernels, which would be compiled
    for name, wanted in (("huber", 1), ("triplet_margin", 3), ("cross_entropy", 1), ("gaussian_nll", 2)):
        inputs, leaves = drawn(case_of(name))
        assert len(leaves) == wanted and leaves[0] is inputs[0] and inputs[0].dtype == torch.float32
        step_of(case_of(name), inputs, leaves)()
        assert all(leaf.grad is not None for leaf in leaves)


def test_time_is_per_element_and_in_times_of_the_squared_error_of_as_many(monkeypatch):
    """Where the loss takes 6 ms and the squared error 2 ms."""
    compared = []
    monkeypatch.setattr(costs, "best", lambda steps: [6e-3, 2e-3])
    monkeypatch.setattr(costs, "step_of", lambda function, inputs, leaves: compared.append((function, inputs)))
    monkeypatch.setattr(costs, "ELEMENTS", 2**10)
    case = case_of("cross_entropy")
    assert timed(case) == pytest.approx((6e6 / 1020, 3))  # 102 samples of 10 classes
    assert [function for function, _ in compared] == [case, lossary.mse_loss]
    assert [inputs[0].numel() for _, inputs in compared] == [1020, 1020]


def test_the_best_of_each_step_is_kept(monkeypatch):
    """On a clock that jumps by what a step says it takes: 3, 2 and then 4 ms; the other always 1 ms."""
    clock, calls = [0.0], [0]

    def varying():
        calls[0] += 1
        clock[0] += (3e-3, 2e-3, 4e-3)[calls[0] % 3]

    def steady():
        clock[0] += 1e-3

    monkeypatch.setattr(costs.time, "process_time", lambda: clock[0])
    monkeypatch.setattr(costs, "SAMPLE", 1e-6)  # one step each
    assert best([varying, steady]) == pytest.approx([2e-3, 1e-3])


def test_memory_is_per_byte_of_the_first_input():
    class Counter:
        def of(self, step, cleared):
            cleared()
            step()
            return Memory(peak=4 * 2**18 * 3, kept=0)

    assert costs.memory(case_of("mse"), Counter()) == 3


def test_three_digits_and_nothing_for_what_is_no_number():
    assert costs._digits(0.123456) == 0.123 and costs._digits(2.5e23) == 2.5e23
    assert costs._digits(math.nan) is None and costs._digits(math.inf) is None
