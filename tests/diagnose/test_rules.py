"""What rules must not mistake for a fault, and what they go by instead of names, thresholds and the clock."""

import time
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossary.diagnosis import Run, watching
from lossary.diagnosis.batches import averaged
from lossary.diagnosis.causes import CAUSES
from lossary.diagnosis.graph import facts_of
from lossary.diagnosis.measuring import depends_on_mode
from lossary.diagnosis.replay import Change
from lossary.diagnosis.seen import Seen


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def by_optimizer(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def trained(model, draw, *, steps=60, optimizer=None, step=by_optimizer, loss_fn=F.mse_loss, seconds=60.0):
    """A run of so many steps on batches that are drawn."""
    run = Run(seconds=seconds)
    run.on_start(model, loss_fn, optimizer)
    for number in range(steps):
        batch = draw(number)
        output = model(batch[0])
        loss = loss_fn(output, batch[1])
        run.on_batch(batch, output, loss)
        step(optimizer, loss)
        run.on_step_end(number, 0, model, optimizer)
    run.on_end()
    return run


def names(run):
    return [suspicion.cause for suspicion in run.diagnose().causes]


def evidence(name, run):
    return CAUSES[name].rule(Seen(run.record))


def sums(number, rows=32):
    x = torch.randn(rows, 6)
    return x, x.sum(1, keepdim=True)


# ---- the loop


@pytest.mark.parametrize("moves", [True, False])
def test_steps_taken_by_hand_are_steps(moves):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))

    def by_hand(_, loss):
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient * moves

    run = trained(model, sums, step=by_hand)
    assert names(run)[:1] == ([] if moves else ["missing_step"])


@pytest.mark.parametrize(
    ("module", "depends"),
    [
        (nn.Dropout(0.0), False),
        (nn.Dropout(0.1), True),
        (nn.BatchNorm1d(3), True),
        (nn.LayerNorm(3), False),
        (nn.GRU(3, 3, num_layers=2, dropout=0.2), True),
        (nn.MultiheadAttention(4, 2), False),
        (nn.MultiheadAttention(4, 2, dropout=0.2), True),
    ],
)
def test_what_does_something_else_in_training(module, depends):
    assert depends_on_mode(module) is depends


# ---- the network


@pytest.mark.parametrize(("waist", "named"), [(2, False), (16, True)])
def test_a_linear_map_through_a_narrow_waist_may_be_meant(waist, named):
    model = nn.Sequential(nn.Linear(6, waist), nn.Linear(waist, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run = trained(model, lambda number: 2 * (torch.randn(32, 6),), optimizer=optimizer)
    assert ("missing_nonlinearity" in names(run)) is named


@pytest.mark.parametrize(("mean", "dead"), [(-4.0, True), (0.0, False)])
def test_a_layer_that_passes_nothing_is_named_though_the_loss_falls(mean, dead):
    """The loss halves by the last layer's bias alone; half of it could be the trivial one as far as is known."""
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    nn.init.constant_(model[0].bias, mean * 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)

    def quartic(output, y):
        return (output - y - 2).pow(4).mean()

    run = trained(model, sums, optimizer=optimizer, loss_fn=quartic, steps=120)
    found = evidence("dead_relu", run)
    assert (found is not None) is dead
    assert not dead or found.figures["dead"] == 1.0


# ---- the data


@pytest.mark.parametrize(("varies", "accused"), [("samples", False), ("steps", True)])
def test_time_may_come_first_where_the_second_dimension_is_that_of_samples(varies, accused):
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(1, 8), nn.Linear(8, 1)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    def draw(number):
        size = 20 if number % 4 else 7  # the last batch of an epoch is smaller
        x = torch.randn(*((12, size, 1) if varies == "samples" else (size, 12, 1)))
        return x, x.cumsum(0 if varies == "samples" else 1) / 4

    model = Running()
    run = trained(model, draw, optimizer=torch.optim.Adam(model.parameters(), lr=0.01), steps=40)
    assert (evidence("layout_scrambled", run) is not None) is accused


# ---- the loss


def test_a_gates_softmax_is_not_normalised_twice():
    x, y = torch.randn(6, 4), torch.arange(6) % 3
    gate, expert = nn.Linear(4, 2), nn.Linear(4, 6)
    mixed = (gate(x).softmax(1).unsqueeze(2) * expert(x).reshape(6, 2, 3)).sum(1)
    assert not facts_of(F.cross_entropy(mixed, y)).normalised_twice
    for change in (lambda p: 5 * p, lambda p: p.clamp(1e-6, 1), lambda p: p.unsqueeze(0).squeeze(0) + 1e-6):
        assert facts_of(F.cross_entropy(change(expert(x).softmax(1)), y)).normalised_twice


@pytest.mark.parametrize("outputs", ["numbers", "vectors"])
def test_outputs_that_are_told_what_to_say_do_not_collapse(outputs):
    """The same alike outputs: held against targets they are an answer, held against each other a collapse."""
    model = nn.Linear(6, 4)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)

    def quartic(output, y):
        return (output - y).pow(4).mean()

    run = Run()
    run.on_start(model, quartic if outputs == "numbers" else None, optimizer)
    for number in range(20):
        x, y = torch.randn(16, 6), torch.randn(16, 4)
        output = model(x)
        loss = quartic(output, y) if outputs == "numbers" else torch.pdist(output + 0.01 * x[:, :4]).mean()
        run.on_batch((x, y), output, loss)
        by_optimizer(optimizer, loss)
        run.on_step_end(number, 0, model, optimizer)
    run.on_end()
    assert (evidence("contrastive_collapse", run) is None) is (outputs == "numbers")


@pytest.mark.parametrize(("lost", "named"), [(0.05, False), (0.6, True)])
def test_overfitting_is_measured_by_what_was_gained(lost, named):
    """The validation loss fell from 1 to 0.1 and rises again; 0.05 is half of its lowest and little of the gain."""
    model = nn.Linear(6, 1)

    def cubic(output, y):
        return (output - y).abs().pow(3).mean()

    run = Run(probes=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, cubic, optimizer)
    val = [1.0, 0.4, 0.1, 0.1 + lost / 2, 0.1 + lost, 0.1 + lost]
    for epoch, value in enumerate(val):
        for number in range(10):
            x, _ = sums(number)
            output = model(x)
            loss = cubic(output, x.sum(1, keepdim=True)) * 0 + output.sum() * 0 + 1.0 / (1 + 10 * epoch + number)
            run.on_batch((x, x[:, :1]), output, loss)
            by_optimizer(optimizer, loss)
            run.on_step_end(number, epoch, model, optimizer)
        run.on_epoch_end(1.0 / (5 + 10 * epoch), value)
    run.on_end()
    assert (evidence("overfitting", run) is not None) is named


# ---- games


def test_parts_of_a_game_are_known_by_what_they_do():
    forger, judge = nn.Linear(2, 3), nn.Linear(3, 1)
    model = nn.ModuleDict({"judge": judge, "forger": forger})
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.0) for part in (judge, forger)]
    nn.init.zeros_(forger.weight)
    run = Run()
    run.on_start(model, None, optimizers)
    for number in range(40):
        real, made = torch.randn(16, 3), forger(torch.randn(16, 2))
        of_judge = F.softplus(-judge(real)).mean() + F.softplus(judge(made.detach())).mean()
        run.on_batch(real, None, of_judge)
        by_optimizer(optimizers[0], of_judge)
        of_forger = F.softplus(-judge(made)).mean()
        run.on_batch(real, None, of_forger)
        by_optimizer(optimizers[1], of_forger)
        run.on_step_end(number, 0, model, optimizers)
    run.on_end()
    found = evidence("mode_collapse", run)
    assert found is not None and found.figures["diversity"] == 0.0


# ---- trials and the clock


def test_the_mean_row_stands_for_each():
    x = torch.arange(6.0).reshape(3, 2)
    found = averaged({"a": [x], "kinds": torch.tensor([1, 2]), "word": "b"})
    assert found["a"][0].tolist() == [[2.0, 3.0]] * 3
    assert found["kinds"].tolist() == [1, 2] and found["word"] == "b"


def test_there_are_trials_of_a_run_whose_loss_is_soon_no_number():
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 1))
    run = trained(model, sums, optimizer=torch.optim.SGD(model.parameters(), lr=1e18), steps=12)
    assert not torch.tensor([moment.loss for moment in run.record.moments[2:]]).isfinite().any()
    replay = Seen(run.record).replay
    assert replay is not None
    assert replay() == float("inf") and replay("slower", Change(lr=1e-20)) < replay.untrained
    assert replay("clipped", Change(clip=1e-20)) < float("inf")


def test_the_loss_may_take_the_whole_batch():
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = Run()

    def loss_of(output, batch):
        return (output - batch["x"].sum(1, keepdim=True)).pow(4).mean()

    run.on_start(model, loss_of, optimizer)
    for number in range(12):
        batch = {"x": torch.randn(8, 6)}
        output = model(batch["x"])
        loss = loss_of(output, batch)
        run.on_batch(batch, output, loss)
        by_optimizer(optimizer, loss)
        run.on_step_end(number, 0, model, optimizer)
    run.on_end()
    assert Seen(run.record).replay is not None


def test_between_sampled_steps_the_system_is_not_asked_for_the_time(monkeypatch):
    asked, ask = [], time.thread_time
    monkeypatch.setattr(time, "thread_time", lambda: asked.append(1) or ask())
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    run = trained(model, sums, optimizer=optimizer, steps=600)
    sampled = sum(moment.sampled for moment in run.record.moments)
    assert sampled < 60
    assert len(asked) < 20 * sampled + 20, "about nine times at a sampled step, once where one is due or put off"


def test_gradients_of_the_other_part_of_a_game_may_lie_about():
    """Two steps of the critic for each of the generator: the generator's own gradients wait through both."""
    torch.manual_seed(0)
    maker, critic = nn.Linear(2, 3), nn.Linear(3, 1)
    model = nn.ModuleList([maker, critic])
    makes, judges = (torch.optim.SGD(part.parameters(), lr=0.01) for part in (maker, critic))
    run = Run()
    run.on_start(model, None, [makes, judges])
    for number in range(30):
        for _ in range(2):
            loss = critic(maker(torch.randn(8, 2)).detach()).mean() - critic(torch.randn(8, 3)).mean()
            run.on_batch(torch.randn(8, 3), None, loss)
            by_optimizer(judges, loss)
        loss = -critic(maker(torch.randn(8, 2))).mean()
        run.on_batch(torch.randn(8, 3), None, loss)
        by_optimizer(makes, loss)
        run.on_step_end(number, 0, model, [makes, judges])
    run.on_end()
    assert evidence("gradients_never_zeroed", run) is None


def test_every_part_of_a_run_is_sampled_whatever_it_takes(monkeypatch):
    monkeypatch.setattr(watching, "_FREE", -1e9)
    model = nn.Linear(6, 1)
    run = trained(model, sums, optimizer=torch.optim.SGD(model.parameters(), lr=0.01), steps=600)
    numbers = [moment.number for moment in run.record.moments if moment.sampled]
    assert len(numbers) < 40 and max(numbers) >= 400
    assert all(after <= 1.7 * max(before, 12) for before, after in pairwise(numbers))
