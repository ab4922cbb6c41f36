"""What a model's outputs mean to each loss: fed and read by the same link, and scored alike."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.catalogue import find, get
from lossary.comparison import Plan
from lossary.comparison.candidates import DEFAULTS, parse
from lossary.comparison.engine import BatchedEngine, SequentialEngine
from lossary.comparison.feeding import constants, feed, misfit, unfit_target
from lossary.comparison.metrics import evaluate, selection_score
from lossary.core import LossInputError

REGRESSION, BINARY, MANY, LABELS, ORDINAL = DEFAULTS
TRAINED = {task: [d for d in find() if misfit(d, task) is None] for task in DEFAULTS}
QUICK = Plan(repeats=1, folds=2, budget=2, epochs=2, hidden=(4,))
COUNTS = torch.tensor([0.0, 0.0, 1.0, 1.0, 3.0, 7.0], dtype=torch.float64)
AMOUNTS = COUNTS + 0.5
SHARES = torch.tensor([0.0, 0.1, 0.1, 0.4, 0.7, 1.0], dtype=torch.float64)


def minimal_at(name, target):
    """What is read of the outputs that make a loss least, the same for all samples."""
    definition, joined = get(name), feed(get(name), REGRESSION)
    centre, scale = target.mean(), target.std(correction=0)
    raw = torch.zeros(joined.width(1), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def outputs():
        return raw.expand(len(target), -1) if len(raw) > 1 else raw.expand(len(target))

    def step():
        optimizer.zero_grad()
        given, wanted, more = joined.prepare(outputs(), (target - centre) / scale, centre, scale)
        value = definition.function(given, wanted, **more)
        value.backward()
        return value

    optimizer.step(step)
    return joined.read(outputs().detach(), centre, scale)[0]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *((name, COUNTS) for name in ("mse", "poisson_nll", "poisson_deviance", "negative_binomial_nll", "tweedie_nll",
                                      "tweedie_deviance", "gaussian_nll")),
        *((name, AMOUNTS) for name in ("gamma_nll", "gamma_deviance", "poisson_nll", "expectile")),
        ("bce_with_logits", SHARES),
    ],
)  # fmt: skip
def test_losses_of_the_mean_find_it(name, target):
    """Whatever the link: outputs are fed and read by the same one. The mean is that of the sample."""
    assert_close(minimal_at(name, target), target.mean(), rtol=1e-4, atol=1e-4)


def test_the_logarithmic_error_finds_the_geometric_mean_of_one_more():
    assert_close(minimal_at("msle", COUNTS), COUNTS.log1p().mean().expm1(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("definition", TRAINED[REGRESSION], ids=lambda d: d.name)
def test_outputs_of_nothing_are_the_mean(definition):
    """So that every loss starts from the same prediction; in single precision, over three orders of magnitude."""
    joined = feed(definition, REGRESSION)
    for centre, scale in ((0.3, 0.2), (40.0, 2.0), (5.0, 900.0)):
        if definition.name == "bce_with_logits_loss" and centre > 1:
            continue
        raw = torch.zeros(3) if joined.width(1) == 1 else torch.zeros(3, joined.width(1))
        read = joined.read(raw, torch.tensor(centre), torch.tensor(scale))
        assert_close(read, torch.full((3,), centre), rtol=1e-4, atol=2e-4 * scale)


@pytest.mark.parametrize("task", DEFAULTS)
def test_every_loss_that_fits_is_trained_the_same_by_both_engines(make_problem, task):
    """All that the catalogue has, of every number of outputs, in one run: value, gradient and readout agree."""
    target = 60 + 10 * torch.randn(4).numpy()  # as the fixture's: real, and above 0
    names = [d.name for d in TRAINED[task] if unfit_target(d, target) is None]
    problem, trials = make_problem(task, losses=names, double=True, epochs=2)
    few = [t for t in trials if t.split < 2 and t.learning_rate == 1e-3 and t.setting == t.candidate.tuned()[0]]
    records = []
    for engine in (BatchedEngine(), SequentialEngine()):
        found = {}
        engine.run(problem, few, lambda batch, found=found: found.update({r.key: r for r in batch}))
        records.append(found)
    together, alone = records
    assert len(together) == 2 * len(names) >= 12
    for key, one in alone.items():
        np.testing.assert_allclose(together[key].outputs, one.outputs, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(together[key].curve, one.curve, rtol=1e-6, atol=1e-8)
        assert one.outputs.shape == together[key].outputs.shape and not one.diverged, one.trial["loss"]


def test_models_of_more_outputs_begin_alike(make_problem):
    problem, _ = make_problem()
    one, two = problem.model(0), problem.model(0, 2)
    assert torch.equal(one[0].weight, two[0].weight) and two[-1].out_features == 2


# Classes -------------------------------------------------------------------------------------------------------------


def test_corn_is_the_likelihood_of_what_is_read():
    """-log of the probability that is read of the true class is the loss itself (arXiv:2111.08851)."""
    raw, target = torch.randn(50, 4, dtype=torch.float64), torch.randint(5, (50,))
    log_probs = feed(get("corn"), ORDINAL).read(raw, *CENTRE)
    assert_close(log_probs.exp().sum(-1), torch.ones(50, dtype=torch.float64))
    expected = lossary.corn_loss(raw, target, reduction="none")
    assert_close(-log_probs.gather(1, target[:, None])[:, 0], expected)


def test_coral_is_read_by_differences():
    above = torch.tensor([[0.9, 0.6, 0.1], [0.5, 0.8, 0.2]])  # the second is out of order: 0.8 counts as 0.5
    probs = feed(get("coral"), ORDINAL).read(torch.logit(above), *CENTRE).exp()
    assert_close(probs, torch.tensor([[0.1, 0.3, 0.5, 0.1], [0.5, 1e-6, 0.3, 0.2]]))


CENTRE = (torch.tensor(0.0), torch.tensor(1.0))


def test_two_outputs_of_a_binary_target_are_one():
    """The softmax of two logits is the sigmoid of their difference."""
    raw, target = torch.randn(9, 2), (torch.arange(9) % 2).float()
    joined = feed(get("cross_entropy"), BINARY)
    assert joined.width(1) == 2
    value = parse("cross_entropy").objective(BINARY, {})(raw, target, *CENTRE, {})
    assert_close(value, lossary.bce_with_logits_loss(joined.read(raw, *CENTRE), target))


@pytest.mark.parametrize("name", ["balanced_softmax", "logit_adjusted_cross_entropy", "ldam", "seesaw"])
def test_counts_and_priors_are_those_of_the_training_part(name):
    target, raw = torch.tensor([0, 0, 0, 1, 2, 2]), torch.randn(6, 3)
    counts = torch.tensor([3.0, 1.0, 2.0])
    weights = parse(name).weights(target, 3)
    more = {"seesaw": {"counts": counts, "probs": raw.softmax(-1)}, "logit_adjusted_cross_entropy": {
        "prior": counts / 6}}.get(name, {"counts": counts})  # fmt: skip
    expected = get(name).function(raw, target, **more)
    assert_close(parse(name).objective(MANY, {})(raw, target, *CENTRE, weights), expected)


def test_other_losses_have_no_constants():
    assert constants(get("negative_binomial_nll"), COUNTS, 1) == constants(get("cross_entropy"), COUNTS, 2) == {}


def test_balanced_weights_of_two_outputs():
    weights = parse("cross_entropy:class_weight=balanced").weights(torch.tensor([1.0, 0.0, 0.0, 0.0]), 1)
    assert_close(weights["class_weight"], torch.tensor([4 / 6, 2.0]))


# Grades --------------------------------------------------------------------------------------------------------------


def test_the_error_in_classes_is_that_of_the_median_class():
    """By hand: medians 1 and 2 for truths 0 and 2, though the first sample's most probable class is 0."""
    probs = np.array([[0.4, 0.35, 0.25], [0.1, 0.3, 0.6]])
    assert evaluate(ORDINAL, [0, 2], np.log(probs))["rank_mae"] == 0.5
    found = selection_score("rank_mae", ORDINAL)(
        torch.tensor([[0, 2]]), torch.tensor(np.log(probs))[None], torch.ones(1, 2, dtype=torch.bool)
    )
    assert found.item() == pytest.approx(-0.5, abs=1e-5)  # but for what breaks ties


def test_grades_need_three_classes():
    with pytest.raises(LossInputError, match="`task` must suit the target 'y', got ordinal classification for 2"):
        lossary.compare(np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2, task="ordinal", plan=QUICK)


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("poisson_nll", np.arange(-1.0, 39.0), "poisson_nll: needs targets of at least 0, got -1"),
        ("gamma_nll", np.arange(40.0), "gamma_nll: needs targets above 0, got 0"),
        ("negative_binomial_nll", np.arange(40.0) / 2, "negative_binomial_nll: needs whole numbers, got 0.5"),
        ("bce_with_logits", np.arange(40.0), "bce_with_logits: needs targets in \\[0, 1\\], got 0 to 39"),
        ("ensemble_crps", np.arange(40.0), "compare can't feed a loss of Real and Real for regression"),
        ("rmse", np.arange(40.0), "one output and one target"),
        ("poisson_nll:log_input=false", np.arange(40.0), "`log_input` must stay True"),
        ("dice", np.arange(40.0), "the task here is regression"),
    ],
)
def test_what_a_target_does_not_allow(name, target, words):
    x = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(LossInputError, match=words):
        lossary.compare(x, target, task="regression", losses=[name, "mse"], plan=QUICK)


def test_poisson_takes_any_amount():
    """It is minimal at the mean of anything from 0 on (doi:10.2307/1913472)."""
    assert unfit_target(get("poisson_nll"), np.array([0.0, 0.5])) is None
    assert unfit_target(get("poisson_deviance"), np.array([0.0, 0.5])) == "needs whole numbers, got 0.5."


def test_a_model_without_the_outputs_is_refused():
    x = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(LossInputError, match="`model` must return the shape \\(4, 2\\), got \\(4, 1\\)"):
        lossary.compare(x, x[:, 0], task="regression", losses=["mse", "gaussian_nll"], plan=QUICK,
                        model=lambda inputs, outputs: torch.nn.Linear(inputs, 1))  # fmt: skip
