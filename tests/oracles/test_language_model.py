"""Losses of language models against torch, and values recorded from cut-cross-entropy, transformers and TRL."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

import lossary
from tests.oracles.agreement import agree
from tests.oracles.recording import agree_with_record, origin, recorded

OPTIONS = list(product((None, "weighted"), (-100, 3), (0.0, 0.3), (False, True), ("mean", "sum"), (1, 3, 100)))


def draw(seed, n=7, d=3, c=6):
    g = torch.Generator().manual_seed(seed)
    hidden, weight = (torch.randn(rows, d, generator=g, dtype=torch.float64) for rows in (n, c))
    return 2 * hidden, weight, torch.randint(c, (n,), generator=g), torch.randn(c, generator=g, dtype=torch.float64)


@pytest.mark.parametrize(("weight", "ignored", "smoothing", "biased", "reduction", "chunk_size"), OPTIONS)
def test_linear_cross_entropy(weight, ignored, smoothing, biased, reduction, chunk_size):
    hidden, linear_weight, target, bias = draw(0)
    target[1] = ignored
    class_weight = None if weight is None else torch.linspace(0.5, 2.0, 6, dtype=torch.float64)
    options = {"label_smoothing": smoothing, "ignore_index": ignored, "reduction": reduction}

    def ours(h, w, b):
        mine = {"class_weight": class_weight, "linear_bias": b if biased else None, "chunk_size": chunk_size}
        return lossary.linear_cross_entropy_loss(h, w, target, **mine, **options)

    def theirs(h, w, b):
        return F.linear_cross_entropy(h, w, target, weight=class_weight, linear_bias=b if biased else None, **options)

    if biased:
        agree(ours, theirs, hidden, linear_weight, bias, gradient_in=(0, 1, 2))
    else:
        agree(ours, theirs, hidden, linear_weight, bias, gradient_in=(0, 1))


@pytest.mark.parametrize(("smoothing", "chunk_size"), [(0.0, 2), (0.3, 2), (0.0, 100), (0.3, 100)])
def test_linear_cross_entropy_of_soft_targets(smoothing, chunk_size):
    hidden, weight, _, _ = draw(1)
    target = torch.softmax(torch.randn(7, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64), -1)

    def ours(h, w, t):
        return lossary.linear_cross_entropy_loss(h, w, t, label_smoothing=smoothing, chunk_size=chunk_size)

    def theirs(h, w, t):
        return F.linear_cross_entropy(h, w, t, label_smoothing=smoothing)

    agree(ours, theirs, hidden, weight, target, gradient_in=(0, 1, 2))


@pytest.mark.parametrize("entry", recorded("language_model", "linear_cross_entropy"), ids=origin)
@pytest.mark.parametrize("chunk_size", [2, None])
def test_linear_cross_entropy_with_a_softcap(entry, chunk_size):
    """The peer ends in float32 whatever it is given."""

    def ours(*tensors, softcap):
        return lossary.linear_cross_entropy_loss(*tensors, softcap=softcap, chunk_size=chunk_size)

    agree_with_record(ours, entry, gradient_in=(0, 1), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_linear_cross_entropy_with_a_penalty_adds_the_mean_z_loss(seed):
    hidden, weight, target, _ = draw(seed)

    def ours(h, w):
        return lossary.linear_cross_entropy_loss(h, w, target, z_loss_weight=0.2, chunk_size=2)

    def theirs(h, w):
        logits = h @ w.T
        return F.cross_entropy(logits, target) + 0.2 * (torch.log(logits.exp().sum(-1)) ** 2).mean()

    agree(ours, theirs, hidden, weight, gradient_in=(0, 1))


@pytest.mark.parametrize("entry", recorded("language_model", "z"), ids=origin)
def test_z(entry):
    """Switch Transformers keeps the experts last."""
    agree_with_record(lambda logits: lossary.z_loss(logits.movedim(-1, 1)), entry)


@pytest.mark.parametrize("entry", recorded("language_model", "sequence_log_probs"), ids=origin)
def test_sequence_log_probs(entry):
    def ours(logits, tokens, mask, average):
        return lossary.sequence_log_probs(logits, tokens, mask > 0, average=average).square().sum()

    agree_with_record(ours, entry)
