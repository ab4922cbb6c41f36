"""Checks of scale: memory by the number of samples, and batches that are spread over ranks."""

import pytest
import torch
import torch.distributed as dist
import torch.distributed.nn.functional as gathering
import torch.nn.functional as F

import lossary
from lossary.core import Binary, ClassIndex, Embedding, Image, Logit, Real

REAL = [Real("n d"), Real("n d")]
PAIR = [Embedding("n d"), Embedding("n d")]
IMAGES = [Image("n c h w"), Image("n c h w")]
CLASSES = [Logit("n c"), ClassIndex("n")]
MASKED = [Real("n"), Real("n"), Binary("n", constant=True)]


def of_pairs(x, y):
    each = (x - y).square().mean((1, 2, 3))  # far fewer numbers than the images have
    return (each[:, None] - each).abs().mean() + each.mean()


def chosen(x, y):
    each = (x - y).square()
    return each[each > each.mean()].sum() / each.numel()


def in_blocks(a, b):
    parts = [(block @ b.T).logsumexp(1).sum() for block in a.split(16)]
    return torch.stack(parts).sum() / len(a)


@pytest.mark.parametrize(
    ("loss", "inputs", "holds"),
    [
        (lambda x, y: (x[:, None] - y).square().mean(), REAL, False),
        (lambda a, b: F.cross_entropy(a @ b.T, torch.arange(len(a))), PAIR, False),
        (of_pairs, IMAGES, False),
        (F.mse_loss, IMAGES, True),
        (chosen, REAL, True),
        (in_blocks, PAIR, True),
    ],
)
def test_memory(loss, inputs, holds):
    assert lossary.check(loss, inputs=inputs, claims={"memory": "linear"}).holds is holds


def spread():
    return dist.is_available() and dist.is_initialized()


def over_all(count):
    """A count over all ranks, divided by their number as their mean will be."""
    if not spread():
        return count.clamp(min=1)
    count = count.clone()
    dist.all_reduce(count)
    return count.clamp(min=1) / dist.get_world_size()


def locally_ignoring(x, y, ignore_index=-100):
    return F.cross_entropy(x, y, ignore_index=ignore_index, reduction="sum") / (y != ignore_index).sum().clamp(min=1)


def ignoring(x, y, ignore_index=-100):
    count = (y != ignore_index).sum().to(x.dtype)
    return F.cross_entropy(x, y, ignore_index=ignore_index, reduction="sum") / over_all(count)


def masked(x, y, mask):
    return ((x - y).square() * mask).sum() / over_all(mask.sum())


def waiting(x, y, mask):
    return masked(x, y, mask) if mask[:2].any() else 0 * x.sum()  # then the others wait for its count


def raising(x, y):
    if spread() and dist.get_rank():
        raise RuntimeError("only the first rank can do it")
    return F.mse_loss(x, y)


def contrastive(gather):
    def loss(a, b):
        first = dist.get_rank() * len(a) if spread() else 0
        return F.cross_entropy(a @ gather(b).T, torch.arange(first, first + len(a)))

    return loss


def with_gradient(b):
    return torch.cat(gathering.all_gather(b.contiguous())) if spread() else b


def without_gradient(b):
    if not spread():
        return b
    parts = [torch.zeros_like(b) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, b.contiguous())
    parts[dist.get_rank()] = b
    return torch.cat(parts)


IGNORE = {"ignore_index": -100}
MASK = {"mask": {"arg": 2, "of": [0, 1]}}


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize(
    ("loss", "inputs", "claims", "words"),
    [
        (lambda x, y: F.mse_loss(x, y, reduction="sum"), REAL, {}, "the mean is"),
        (locally_ignoring, CLASSES, IGNORE, "the mean is"),
        (waiting, MASKED, MASK, "waits for another one"),
        (raising, REAL, {}, "only the first rank"),
        (contrastive(without_gradient), PAIR, {}, "the gradient in `b`"),
        (F.mse_loss, REAL, {}, ""),
        (ignoring, CLASSES, IGNORE, ""),
        (masked, MASKED, MASK, ""),
        (contrastive(with_gradient), PAIR, {}, ""),
    ],
)
def test_ranks(loss, inputs, claims, words, ranks):
    report = lossary.check(loss, inputs=inputs, claims={"distributed": True, **claims}, ranks=ranks)
    found = next(f for f in report.findings if f.claim == "distributed")
    assert found.verdict == ("refuted" if words else "survived"), found.reason
    assert words in found.reason
