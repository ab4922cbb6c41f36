"""Scalars of a run: losses and rates as the loop had them, ratios worked out from the steps it took."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lossary
from lossary.core import LossInputError
from lossary.diagnosis.scalars import to_tensorboard


class Written(dict):
    def add_scalar(self, tag, scalar_value, global_step):
        self[tag, global_step] = scalar_value


def watched(steps=12):
    torch.manual_seed(0)
    model = nn.Linear(4, 2, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    losses, ratios, norms = [], [], []
    with lossary.watch(model, F.mse_loss, optimizer, probes=False) as run:
        for step in range(steps):
            x = torch.randn(8, 4)
            optimizer.zero_grad()
            output = model(x)
            loss = F.mse_loss(output, x[:, :2])
            run.on_batch((x, x[:, :2]), output, loss)
            loss.backward()
            before = model.weight.detach().clone()
            norms.append(float(model.weight.grad.norm()))
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            ratios.append(float((model.weight.detach() - before).norm() / before.norm()))
            run.on_step_end(step, 0, model, optimizer)
        run.on_epoch_end(None, 0.25)
    return run, losses, ratios, norms


def test_scalars_are_those_of_the_loop():
    run, losses, ratios, norms = watched()
    written = Written()
    to_tensorboard(run, written, tag="mine")
    assert [written["mine/loss", i] for i in range(12)] == pytest.approx(losses)
    assert [written["mine/lr", i] for i in range(12)] == pytest.approx([0.1 * 0.9**i for i in range(12)])
    assert written["mine/val_loss", 12] == 0.25
    sampled = [step for tag, step in written if tag == "mine/gradient_norm"]
    assert len(sampled) >= 4
    for i in sampled:
        assert written["mine/update_ratio/weight", i] == pytest.approx(ratios[i], rel=1e-4)
        assert written["mine/gradient_norm", i] == pytest.approx(norms[i], rel=1e-4)
        assert written["mine/gradient/weight", i] == pytest.approx(norms[i] / math.sqrt(8), rel=1e-4)


def test_a_run_that_goes_on_is_refused():
    run = lossary.watch(nn.Linear(2, 1))
    try:
        with pytest.raises(LossInputError, match="to_tensorboard: `run` must have ended"):
            to_tensorboard(run, Written())
    finally:
        run.on_end()
