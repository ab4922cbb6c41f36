"""A run does not notice that it is watched: the same losses and weights, and nothing left behind."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules import module as hooks_of_modules
from torch.optim import optimizer as hooks_of_optimizers

import lossary
from lossary.core import LossInputError
from lossary.diagnosis import Run

STEPS = 24


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class LastState(nn.Module):
    """Classes from a sequence."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True, num_layers=2, dropout=0.2)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


NETWORKS = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
    "cnn": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(288, 10),
    ),
    "lstm": LastState,
}  # fmt: skip
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "lbfgs": lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=3),
}


def batches(steps=STEPS):
    torch.manual_seed(1)
    return [(torch.randn(16, 8, 8), torch.randint(10, (16,))) for _ in range(steps)]


class Alone:
    """Stands in for a run where nobody watches."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def start(watched, probes, model, optimizer):
    return lossary.watch(model, F.cross_entropy, optimizer, probes=probes, seconds=1.0) if watched else Alone()


def weights(model):
    return torch.cat([value.detach().double().flatten() for value in model.state_dict().values()])


def train(network, optimizer, *, watched, probes=False, accumulate=1, during=None):
    """Losses, then final weights and buffers, then numbers that are drawn afterwards."""
    torch.manual_seed(0)
    model = NETWORKS[network]()
    steps = OPTIMIZERS[optimizer](model.parameters())
    data = batches()
    torch.manual_seed(2)
    run = start(watched, probes, model, steps)
    losses = []
    for number, (x, y) in enumerate(data):

        def closure(x=x, y=y, number=number):
            if number % accumulate == 0:
                steps.zero_grad()
            output = model(x)
            loss = F.cross_entropy(output, y) / accumulate
            run.on_batch((x, y), output, loss)
            loss.backward()
            losses.append(loss.item())
            return loss

        if optimizer == "lbfgs":
            steps.step(closure)
        else:
            closure()
            if (number + 1) % accumulate == 0:
                steps.step()
        run.on_step_end(number, number // 8, model, steps)
        if number % 8 == 7:
            run.on_epoch_end(losses[-1], losses[-1])
        if during is not None and number == STEPS // 2:
            during(model)
    run.on_end()
    if watched:
        run.diagnose()
    return losses, weights(model), torch.rand(4), run


def same(alone, watched):
    assert alone[0] == watched[0]
    assert torch.equal(alone[1], watched[1])
    assert torch.equal(alone[2], watched[2])


@pytest.mark.parametrize("probes", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_losses_and_weights_are_the_same_bits(network, optimizer, probes):
    alone = train(network, optimizer, watched=False)
    watched = train(network, optimizer, watched=True, probes=probes)
    same(alone, watched)
    assert len(watched[3].record.moments) == len(alone[0])
    assert len(watched[3].record.samples) > 4


def test_gradient_accumulation():
    alone = train("cnn", "sgd", watched=False, accumulate=3)
    watched = train("cnn", "sgd", watched=True, accumulate=3)
    same(alone, watched)
    assert watched[3].record.steps == STEPS // 3
    assert "gradients_never_zeroed" not in {s.cause for s in watched[3].diagnose().causes}


def play(*, watched, probes=False):
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(32, 1))
    both = [torch.optim.Adam(part.parameters(), lr=1e-3) for part in (generator, discriminator)]
    model = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
    run = start(watched, probes, model, both)
    losses = []
    for number in range(STEPS):
        real = torch.randn(32, 2) + 2
        fake = generator(torch.randn(32, 4))
        truth = torch.cat([torch.ones(32, 1), torch.zeros(32, 1)])
        both[1].zero_grad()
        output = discriminator(torch.cat([real, fake.detach()]))
        loss = F.binary_cross_entropy_with_logits(output, truth)
        run.on_batch((real, truth), output, loss)
        loss.backward()
        both[1].step()
        both[0].zero_grad()
        output = discriminator(fake)
        own = F.binary_cross_entropy_with_logits(output, truth[:32])
        run.on_batch((real, truth[:32]), output, own)
        own.backward()
        both[0].step()
        losses += [loss.item(), own.item()]
        run.on_step_end(number, 0, model, both)
    run.on_end()
    if watched:
        run.diagnose()
    return losses, weights(model), torch.rand(4), run


@pytest.mark.parametrize("probes", [False, True])
def test_a_game_of_two_optimizers(probes):
    watched = play(watched=True, probes=probes)
    same(play(watched=False), watched)
    assert {moment.optimizer for moment in watched[3].record.moments} == {0, 1}


def own_hooks(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    return [hook for part in model.modules() for kind in kinds for hook in getattr(part, kind).values()]


def test_copies_made_in_the_middle_know_nothing_of_the_watch():
    copies = []

    def during(model):
        copies.append(copy.deepcopy(model))
        copies.append(pickle.loads(pickle.dumps(model)))
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        copies.append(torch.load(file, weights_only=False))

    train("lstm", "adam", watched=True, during=during)
    x = batches(1)[0][0]
    for each in copies:
        assert own_hooks(each) == []
        assert torch.equal(each.eval()(x), copies[0].eval()(x))


def test_a_copy_trained_beside_the_run_is_not_taken_for_the_model():
    def during(model):
        other = copy.deepcopy(model)
        other(batches(1)[0][0])

    watched = train("mlp", "sgd", watched=True, during=during)
    assert len(watched[3].record.moments) == STEPS


def state_of_torch():
    return {
        "zero_grad": torch.optim.Optimizer.__dict__["zero_grad"],
        "module's": nn.Module.__dict__["zero_grad"],
        "clip": (nn.utils.clip_grad_norm_, nn.utils.clip_grad.clip_grad_norm_),
        "forward": list(hooks_of_modules._global_forward_hooks.values()),
        "before": list(hooks_of_optimizers._global_optimizer_pre_hooks.values()),
        "after": list(hooks_of_optimizers._global_optimizer_post_hooks.values()),
    }


def test_nothing_is_left_in_torch():
    before = state_of_torch()
    run = lossary.watch(nn.Linear(2, 1))
    assert state_of_torch() != before
    run.on_end()
    assert state_of_torch() == before
    run.on_end()  # a second time is no harm
    assert state_of_torch() == before


def test_nothing_is_left_in_model_and_optimizer():
    torch.manual_seed(0)
    model = NETWORKS["cnn"]()
    optimizer = torch.optim.Adam(model.parameters())
    before = set(vars(model)), set(vars(optimizer)), set(vars(model[1].weight))
    with lossary.watch(model, F.cross_entropy, optimizer) as run:
        for x, y in batches(6):
            optimizer.zero_grad()
            output = model(x)
            loss = F.cross_entropy(output, y)
            run.on_batch((x, y), output, loss)
            loss.backward()
            optimizer.step()
    assert own_hooks(model) == []
    assert all(parameter._backward_hooks is None for parameter in model.parameters())
    assert not optimizer._optimizer_step_pre_hooks and not optimizer._optimizer_step_post_hooks
    assert before == (set(vars(model)), set(vars(optimizer)), set(vars(model[1].weight)))


def test_two_runs_within_each_other_leave_nothing():
    before = state_of_torch()
    outer, inner = lossary.watch(nn.Linear(2, 1)), lossary.watch(nn.Linear(2, 1))
    inner.on_end()
    outer.on_end()
    assert state_of_torch() == before


def test_a_model_is_free_once_the_run_is():
    model = NETWORKS["mlp"]()
    optimizer = torch.optim.Adam(model.parameters())
    run = lossary.watch(model, F.cross_entropy, optimizer, probes=False)
    for x, y in batches(6):
        optimizer.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output, y)
        run.on_batch((x, y), output, loss)
        loss.backward()
        optimizer.step()
    run.on_end()
    run.diagnose()
    there = weakref.ref(model), weakref.ref(optimizer)
    del model, optimizer, run, output, loss
    gc.collect()
    assert [each() for each in there] == [None, None]


def test_an_exception_of_the_loop_comes_through():
    before = state_of_torch()
    with pytest.raises(ZeroDivisionError), lossary.watch(nn.Linear(2, 1)) as run:
        raise ZeroDivisionError
    assert state_of_torch() == before
    assert isinstance(run.record.error, ZeroDivisionError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((lambda x: x,), "`model` must be a torch.nn.Module, got function"),
        ((nn.Linear(2, 1), None, 0.1), "`optimizer` must be a torch.optim.Optimizer, got float"),
    ],
)
def test_what_can_not_be_watched_is_refused_and_leaves_nothing(arguments, said):
    before = state_of_torch()
    with pytest.raises(LossInputError, match=said):
        lossary.watch(*arguments)
    assert state_of_torch() == before


def test_seconds_must_be_positive():
    with pytest.raises(LossInputError, match="`seconds` must be positive, got 0"):
        Run(seconds=0)


def test_a_run_that_is_dropped_without_its_end_is_forgotten():
    zero_grad, hooks = torch.optim.Optimizer.zero_grad, torch.nn.modules.module._global_forward_hooks
    model = torch.nn.Linear(2, 1)
    run = Run(probes=False)
    run.on_start(model, None, torch.optim.SGD(model.parameters(), lr=0.1))
    assert torch.optim.Optimizer.zero_grad is not zero_grad and hooks
    del run
    gc.collect()
    assert torch.optim.Optimizer.zero_grad is zero_grad and not hooks
