"""The learned optimizer and its meta-training, held against loops written out by hand."""

import copy
import io
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lossary.adapt.learned_optimizer import LearnedOptimizer, UpdateRule, preprocess
from lossary.adapt.meta_training import Stretch, meta_train
from lossary.adapt.optimizer_comparison import compare_optimizers, tune_rate
from lossary.adapt.problems import Problems, trajectories
from lossary.core import LossInputError


def rule_of(seed=0, **settings):
    torch.manual_seed(seed)
    return UpdateRule(**{"hidden": 5, **settings})


def parabolas(generator, count=6):
    """Losses of two coordinates with curvatures 1 and 3, whose values wander with the step."""
    start = {"x": torch.randn(count, 2, generator=generator), "y": torch.randn(count, generator=generator)}
    curvature = torch.tensor([1.0, 3.0])
    return Problems(
        parameters=start,
        loss=lambda p, step: (curvature * p["x"] ** 2).sum(1) + (p["y"] - 0.1 * step) ** 2,
    )


def problems(seed=0, count=6):
    return parabolas(torch.Generator().manual_seed(seed), count)


def take(optimizer, parameters, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        sum((p.float() ** 2).sum() for p in parameters).backward()
        optimizer.step()


def test_preprocessing_is_that_of_the_paper():
    """arXiv:1606.04474, appendix A, by Python's own functions; the parts meet at |g| = exp(-p)."""
    gradient = [3.0, -2e-4, 1e-5, -1e-9, 0.0]
    expected = [(math.log(3) / 10, 1), (math.log(2e-4) / 10, -1), (-1, math.e**10 * 1e-5), (-1, -(math.e**10) * 1e-9)]
    assert_close(preprocess(torch.tensor(gradient), 10.0), torch.tensor([*expected, (-1, 0)], dtype=torch.float32))


def test_steps_are_those_of_a_loop_over_the_rule():
    rule, p, q = rule_of(), nn.Parameter(torch.tensor([[1.0, -2.0]])), nn.Parameter(torch.tensor(3.0))
    optimizer = LearnedOptimizer([{"params": [p]}, {"params": [q], "lr": 0.5}], rule)
    by_hand, state = torch.tensor([1.0, -2.0, 3.0]), rule.start(3)
    rates = torch.tensor([1.0, 1.0, 0.5])
    for _ in range(4):
        take(optimizer, [p, q], 1)
        with torch.no_grad():
            update, state = rule(2 * by_hand, state)
        by_hand = by_hand + rates * update
    assert_close(torch.cat([p.detach().flatten(), q.detach().flatten()]), by_hand)
    assert optimizer.state[p]["step"] == 4


def test_the_rule_is_an_lstm():
    """The same weights in torch.nn.LSTM give the same updates."""
    rule = rule_of(p=None, scale=0.5)
    lstm = nn.LSTM(1, 5, 2)
    for k, cell in enumerate(rule.cells):
        lstm.load_state_dict({f"{n}_l{k}": w for n, w in cell.state_dict().items()}, strict=False)
    gradients, state, updates = torch.randn(7, 3), rule.start(3), []
    for gradient in gradients:
        update, state = rule(gradient, state)
        updates.append(update)
    assert_close(torch.stack(updates), 0.5 * rule.output(lstm(gradients.unsqueeze(2))[0]).squeeze(2))


def test_coordinates_do_not_see_each_other():
    rule, gradient = rule_of(), torch.tensor([0.3, -5.0, 1e-7])
    together, _ = rule(gradient, rule.start(3))
    alone = torch.cat([rule(g[None], rule.start(1))[0] for g in gradient])
    assert_close(together, alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_resuming_from_a_state_dict_is_exact(dtype):
    rule, p = rule_of(), nn.Parameter(torch.randn(4).to(dtype))
    optimizer = LearnedOptimizer([p], rule)
    take(optimizer, [p], 3)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    q = nn.Parameter(p.detach().clone())
    resumed = LearnedOptimizer([q], rule)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    take(optimizer, [p], 3)
    take(resumed, [q], 3)
    assert torch.equal(p, q)
    for ours, theirs in zip(optimizer.state[p]["memory"], resumed.state[q]["memory"], strict=True):
        assert torch.equal(ours, theirs) and ours.dtype == torch.float32
    assert resumed.state[q]["step"] == 6


def test_a_copy_goes_its_own_way():
    p = nn.Parameter(torch.ones(2))
    optimizer = LearnedOptimizer([p], rule_of())
    take(optimizer, [p], 2)
    twin_p, twin = copy.deepcopy((p, optimizer))
    before = p.detach().clone()
    take(twin, [twin_p], 2)
    assert torch.equal(p, before) and not torch.equal(twin_p, before)
    assert twin.rule is not optimizer.rule and twin.state[twin_p]["step"] == 4
    take(optimizer, [p], 2)
    assert torch.equal(p, twin_p)


def test_parameters_without_a_gradient_are_skipped():
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = LearnedOptimizer([p, q], rule_of())
    take(optimizer, [p], 1)
    assert torch.equal(q, torch.ones(2)) and q not in optimizer.state and not torch.equal(p, torch.ones(2))


def test_schedulers_and_closures_work():
    p = nn.Parameter(torch.ones(2))
    optimizer = LearnedOptimizer([p], rule_of())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.0)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss.detach()

    assert float(optimizer.step(closure)) == 2.0
    scheduler.step()
    at = p.detach().clone()
    optimizer.step(closure)
    assert torch.equal(p, at)


def test_a_rule_comes_back_from_its_file(tmp_path):
    rule = rule_of(layers=3, p=None, scale=0.25)
    rule.save(tmp_path / "rule.pt")
    back = UpdateRule.load(tmp_path / "rule.pt")
    gradient = torch.randn(4)
    assert torch.equal(back(gradient, back.start(4))[0], rule(gradient, rule.start(4))[0])
    assert back.settings == rule.settings


def meta_gradient(rule, stretches):
    rule.zero_grad()
    stretch = Stretch.of(problems(), rule)
    total = 0.0
    for steps in stretches:
        means, stretch = stretch.unrolled(rule, steps)
        means.sum().backward()
        total += float(means.detach().sum())
    return total, torch.cat([p.grad.flatten() for p in rule.parameters()])


def by_hand(rule, steps):
    """The sum of losses after each step with nothing cut but the gradient that the rule sees (eq. 3 and sec. 2)."""
    rule.zero_grad()
    drawn = problems()
    at = torch.cat([drawn.parameters["x"].flatten(), drawn.parameters["y"]])
    state, total = rule.start(18), 0.0
    for step in range(steps):
        x, y = at[:12].detach().reshape(6, 2), at[12:].detach()
        gradient = torch.cat([(2 * torch.tensor([1.0, 3.0]) * x).flatten(), 2 * (y - 0.1 * step)])
        update, state = rule(gradient, state)
        at = at + update
        total = total + drawn.loss({"x": at[:12].reshape(6, 2), "y": at[12:]}, step + 1).mean()
    total.backward()
    return float(total.detach()), torch.cat([p.grad.flatten() for p in rule.parameters()])


def test_without_a_cut_the_meta_gradient_is_that_of_full_backpropagation():
    rule = rule_of(p=None, scale=1.0)  # large updates and raw gradients: second derivatives would show
    loss, gradient = meta_gradient(rule, [6])
    expected_loss, expected = by_hand(rule, 6)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_a_cut_leaves_the_losses_and_changes_the_gradient():
    rule = rule_of()
    loss, gradient = meta_gradient(rule, [3, 3])
    whole_loss, whole = meta_gradient(rule, [6])
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    assert (gradient - whole).norm() > 0.01 * whole.norm()


def test_meta_training_learns_repeats_and_keeps_the_best():
    def train(seed):
        rule = rule_of(1)
        return rule, meta_train(rule, parabolas, horizon=10, unroll=5, steps=40, validate_every=20, lr=0.02, seed=seed)

    rule, course = train(3)
    assert set(course.validation) == {0, 20, 40}
    assert course.validation[course.best_step] == min(course.validation.values())
    assert course.validation[course.best_step] < 0.5 * course.validation[0]
    kept = problems(3)  # the first draw of the seed
    final = trajectories(kept, lambda p: LearnedOptimizer(p, rule), 10)[-1].mean()
    assert float(final) == pytest.approx(course.validation[course.best_step])
    again = train(3)[1]
    assert (again.losses, again.validation) == (course.losses, course.validation)
    assert train(4)[1].losses != course.losses
    assert course.to_dict()["horizon"] == 10


def test_the_best_weights_are_kept_where_the_last_are_worse():
    """Validated by minus the loss, with the loss's gradient: the better a rule descends, the worse it is taken for."""
    drawn = problems(5)

    def opposite(parameters, step):
        loss = drawn.loss(parameters, step)
        return loss - 2 * loss.detach()

    rule = rule_of(1)
    before, how = copy.deepcopy(rule.state_dict()), {"horizon": 10, "unroll": 5, "steps": 40, "lr": 0.02, "seed": 3}
    against = Problems(parameters=drawn.parameters, loss=opposite)
    course = meta_train(rule, parabolas, validation=against, validate_every=20, **how)
    assert course.best_step == 0 and course.validation[0] < course.validation[40] - 1
    assert all(torch.equal(weight, before[name]) for name, weight in rule.state_dict().items())


def test_progress_is_told():
    told = []
    meta_train(rule_of(), parabolas, horizon=2, unroll=2, steps=3, on_progress=lambda *how: told.append(how[:2]))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_diverges_is_left_out_and_counted():
    def explosive(generator):
        start = {"x": torch.full((2, 1), 1e30)}
        return Problems(parameters=start, loss=lambda p, step: (p["x"] ** 2).sum(1))

    rule = rule_of()
    before = copy.deepcopy(rule.state_dict())
    course = meta_train(rule, explosive, horizon=2, unroll=1, steps=4, validation=problems())
    assert course.diverged == 4 and course.best_step == 0
    assert all(torch.equal(w, before[name]) for name, w in rule.state_dict().items())


def test_stacked_problems_are_those_problems():
    """An optimizer that treats coordinates apart does on the stack what it does on each problem alone."""
    for make in (lambda p: torch.optim.Adam(p, lr=0.1), lambda p: LearnedOptimizer(p, rule_of())):
        drawn = problems()
        together = trajectories(drawn, make, 5)
        assert together.shape == (6, 6)
        for k in range(6):
            own = {name: value[k : k + 1] for name, value in drawn.parameters.items()}
            assert_close(trajectories(Problems(parameters=own, loss=drawn.loss), make, 5)[:, 0], together[:, k])


def test_rates_are_tuned_where_the_answer_is_known():
    """SGD on x² shrinks x by |1 - 2 rate| a step: rates 0.4 and 0.6 by 0.2, 0.45 by 0.1, 2 diverges."""
    one = Problems(parameters={"x": torch.tensor([1.0, -2.0])}, loss=lambda p, step: p["x"] ** 2)
    tuned = tune_rate(one, lambda p, rate: torch.optim.SGD(p, lr=rate), [0.4, 0.45, 0.6, 2.0], 3)
    assert tuned.rate == 0.45 and not tuned.at_the_edge
    assert tuned.losses[0.4] == pytest.approx(2.5 * 0.2**6, rel=1e-4)
    scores = compare_optimizers(rule_of(), one, tuning=one, horizon=3, steps=(1, 2), rates=[0.4, 0.45, 0.6])
    sgd = scores[1]
    assert sgd.mean[1] == pytest.approx(0.025, rel=1e-4)  # of 0.01 and 0.04
    assert sgd.error[1] == pytest.approx(0.015, rel=1e-4)  # their standard deviation 0.0212, over the root of 2
    assert sgd.behind[1] == pytest.approx(sgd.mean[1] - scores[0].mean[1])


def sparse():
    table = nn.Embedding(3, 2, sparse=True)
    optimizer = LearnedOptimizer(table.parameters(), rule_of())
    table(torch.tensor([1])).sum().backward()
    optimizer.step()


def other_sizes():
    p = nn.Parameter(torch.ones(1))
    small = LearnedOptimizer([p], rule_of())
    take(small, [p], 1)
    LearnedOptimizer([p], rule_of(hidden=7)).load_state_dict(small.state_dict())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: meta_train(rule_of(), parabolas, horizon=10, unroll=4), "multiple of `unroll` 4, got 10"),
        (lambda: meta_train(rule_of(), parabolas, steps=0), "`steps` must be at least 1, got 0"),
        (lambda: meta_train(rule_of(), parabolas, lr=0.0), "`lr` must be above 0"),
        (lambda: meta_train(rule_of(), parabolas, weights="log"), "`weights` must be one of equal, relative"),
        (lambda: UpdateRule(hidden=0), "`hidden` must be a whole number of at least 1, got 0"),
        (lambda: UpdateRule(scale=0.0), "`scale` must be a number above 0"),
        (lambda: LearnedOptimizer([torch.ones(1)], nn.Linear(1, 1)), "`rule` must be an UpdateRule, got Linear"),
        (lambda: LearnedOptimizer([torch.ones(1, dtype=torch.long)], rule_of()), "floating-point, got torch.int64"),
        (lambda: LearnedOptimizer([torch.ones(1, dtype=torch.cfloat)], rule_of()), "got torch.complex64"),
        (lambda: LearnedOptimizer([torch.ones(1)], rule_of(), lr=-1.0), "`lr` must be a number of at least 0"),
        (sparse, "must be dense, got a sparse one"),
        (other_sizes, "rule of the same sizes"),
        (lambda: Problems(parameters={}, loss=lambda p, s: p["x"]), "at least one tensor"),
        (lambda: Problems(parameters={"x": torch.ones(1, dtype=torch.long)}, loss=lambda p, s: p["x"]), "int64"),
        (lambda: Problems(parameters={"x": torch.ones(1), "y": torch.ones(2)}, loss=len), "one first dimension"),
        (lambda: trajectories(Problems(parameters={"x": torch.ones(3)}, loss=lambda p, s: p["x"].sum()),
                              lambda p: torch.optim.SGD(p), 1), "one number for each of 3 problems, got"),
        (lambda: trajectories(problems(), torch.optim.SGD, -1), "`steps` must be at least 0"),
        (lambda: compare_optimizers(rule_of(), problems(), tuning=problems(), steps=(2, 1)), "must ascend"),
        (lambda: compare_optimizers(rule_of(), problems(count=1), tuning=problems()), "at least 2, got 1"),
        (lambda: tune_rate(problems(), lambda p, rate: torch.optim.SGD(p, lr=rate), [1e30], 3), "is finite"),
    ],
)  # fmt: skip
def test_nonsense_is_one_sentence(call, message):
    with pytest.raises(LossInputError, match=message):
        call()


def test_a_file_that_is_no_rule_is_refused(tmp_path):
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(LossInputError, match="file that `save` wrote"):
        UpdateRule.load(tmp_path / "other.pt")
