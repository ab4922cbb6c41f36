"""The imitation of another device: what would fail on a GPU fails, and what would work works."""

import pytest
import torch

import lossary
from lossary.core import ClassIndex, Logit, Real

TABLE = torch.tensor([1.0, 2.0, 3.0])


class Buffered(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", TABLE.clone())

    def forward(self, logits, target):
        return torch.nn.functional.cross_entropy(logits, target, weight=self.table)


class Attribute(Buffered):
    def __init__(self):
        super().__init__()
        self.plain = TABLE.clone()

    def forward(self, logits, target):
        return torch.nn.functional.cross_entropy(logits, target, weight=self.plain)


def gathers(logits, target):
    return logits.logsumexp(1).sub(logits[torch.arange(len(target)), target]).mean()  # the CPU may index


def made_like(logits, target):
    weight = torch.tensor([1.0, 2.0, 3.0], device=logits.device, dtype=logits.dtype)
    scale = logits.new_tensor([2.0, 1.0, 0.5]) + torch.zeros(3, device=logits.device, dtype=logits.dtype)
    return (logits.log_softmax(1) * weight * scale).sum(1).gather(0, target).mean()


def reads_values(logits, target):
    return logits.square().mean() if logits.max().item() > 0 else logits.square().mean() * 2


def made_here(logits, target):
    return (logits * torch.ones(3, dtype=logits.dtype)).logsumexp(1).mean()


def through_numpy(logits, target):
    return logits.square().mean() * float(logits.detach().numpy().max() > 0)


def asks_for_cuda(logits, target):
    return (logits.square() * torch.ones(3).cuda()).mean()


def scalar_of_the_cpu(logits, target):
    return (logits.square() * torch.tensor(2.0)).mean()


@pytest.mark.parametrize("loss", [Buffered, gathers, made_like, reads_values, scalar_of_the_cpu])
def test_what_works_on_a_gpu_works(loss):
    report = lossary.check(loss, inputs=[Logit("n c"), ClassIndex("n")], claims={"device"})
    found = next(f for f in report.findings if f.claim == "device")
    assert found.verdict == "survived", found.reason


@pytest.mark.parametrize("loss", [Attribute, made_here, through_numpy])
def test_what_fails_on_a_gpu_is_refuted(loss):
    report = lossary.check(loss, inputs=[Logit("n c"), ClassIndex("n")], claims={"device"})
    assert [f.claim for f in report.refuted] == ["device"], report.refuted


@pytest.mark.skipif(torch.cuda.is_available(), reason="there it runs")
def test_a_loss_that_asks_for_cuda_fails_without():
    assert not lossary.check(asks_for_cuda, inputs=[Real("n c"), ClassIndex("n")], claims={"device"}).holds
