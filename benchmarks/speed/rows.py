"""One value per row of classes: a softmax over each, and products where the classes come from a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import lossary

from .case import Case, Drawn, Function, scaled
from .floors import one_pass, products
from .peers import optax, peer

IGNORED = -100
SMOOTHING = 0.1
TEMPERATURE = 2.0


def _sides(rows: int, classes: int, by: float) -> tuple[int, int]:
    return scaled(rows, by**0.5), scaled(classes, by**0.5, 3)


def _classes(rows: int, classes: int, by: float) -> Drawn:
    n, c = _sides(rows, classes, by)
    return Drawn((2.0 * torch.randn(n, c),), (torch.randint(c, (n,)),))


def _weighted(by: float) -> Drawn:
    (logits,), (target,) = _classes(8192, 1000, by)
    target[::4] = IGNORED
    return Drawn((logits,), (target, torch.rand(logits.shape[1]) + 0.5))


def _two_of_logits(by: float) -> Drawn:
    n, c = _sides(8192, 1000, by)
    return Drawn((torch.randn(n, c),), (2.0 * torch.randn(n, c),))


def _soft(by: float) -> Drawn:
    (logits,), (other,) = _two_of_logits(by)
    return Drawn((logits,), (other.softmax(1),))


def _of_log_probs(drawn: Drawn) -> Drawn:
    return Drawn((drawn.leaves[0].log_softmax(1),), drawn.fixed)


def _linear(by: float) -> Drawn:
    n, d, c = scaled(1024, by**0.5), scaled(512, by**0.5), scaled(32000, by**0.5, 3)
    return Drawn((torch.randn(n, d), torch.randn(c, d) / d**0.5), (torch.randint(c, (n,)),))


def _linear_products(drawn: Drawn) -> list[tuple[int, int, int]]:
    (n, d), c = drawn.leaves[0].shape, len(drawn.leaves[1])
    return [(n, d, c), (n, c, d), (c, n, d)]


def _sequences(by: float) -> Drawn:
    t, c = scaled(256, by**0.5), scaled(32000, by**0.5, 3)
    return Drawn((2.0 * torch.randn(4, t, c),), (torch.randint(c, (4, t)), torch.randn(4)))


def _cross_entropy(x: Tensor, t: Tensor) -> Tensor:
    return -x.log_softmax(1).gather(1, t.unsqueeze(1)).mean()


def _weighted_cross_entropy(x: Tensor, t: Tensor, w: Tensor) -> Tensor:
    kept = (t != IGNORED).to(x.dtype)
    own = t.clamp(min=0)
    log_probs = x.log_softmax(1)
    hit = w[own] * log_probs.gather(1, own.unsqueeze(1)).squeeze(1)
    spread = (w * log_probs).mean(1)
    values = -((1.0 - SMOOTHING) * hit + SMOOTHING * spread) * kept
    return values.sum() / (w[own] * kept).sum()


def _soft_cross_entropy(x: Tensor, t: Tensor) -> Tensor:
    return -(t * x.log_softmax(1)).sum(1).mean()


def _softmax_focal(x: Tensor, t: Tensor) -> Tensor:
    own = x.log_softmax(1).gather(1, t.unsqueeze(1))
    return -((1.0 - own.exp()) ** 2 * own).mean()


def _nll(q: Tensor, t: Tensor) -> Tensor:
    return -q.gather(1, t.unsqueeze(1)).mean()


def _kl(q: Tensor, t: Tensor) -> Tensor:
    return (t * (t.log() - q)).sum(1).mean()


def _distillation(x: Tensor, t: Tensor) -> Tensor:
    student, teacher = (x / TEMPERATURE).log_softmax(1), (t / TEMPERATURE).softmax(1)
    return TEMPERATURE**2 * (teacher * (teacher.log() - student)).sum(1).mean()


def _distillation_of_torch(x: Tensor, t: Tensor) -> Tensor:
    student, teacher = F.log_softmax(x / TEMPERATURE, 1), F.log_softmax(t / TEMPERATURE, 1)
    return TEMPERATURE**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _preference(log_probs: Tensor, reference: Tensor) -> Tensor:
    """DPO of the first two sequences over the last two."""
    gain = log_probs - reference
    return -F.logsigmoid(0.1 * (gain[:2] - gain[2:])).mean()


def _sequence(x: Tensor, t: Tensor, reference: Tensor) -> Tensor:
    return _preference(x.log_softmax(-1).gather(-1, t.unsqueeze(-1)).squeeze(-1).sum(-1), reference)


def _sequence_of_torch(x: Tensor, t: Tensor, reference: Tensor) -> Tensor:
    return _preference(-F.cross_entropy(x.flatten(0, 1), t.flatten(), reduction="none").view_as(t).sum(1), reference)


def _sequence_of_lossary(x: Tensor, t: Tensor, reference: Tensor) -> Tensor:
    log_probs = lossary.sequence_log_probs(x, t)
    return lossary.dpo_loss(log_probs[:2], log_probs[2:], reference[:2], reference[2:], beta=0.1)


def _in_chunks(x: Tensor, w: Tensor, t: Tensor) -> Tensor:
    return F.linear_cross_entropy(x, w, t, options=torch.nn.LinearCrossEntropyOptions())


def _kornia_focal(module: Any) -> Function:
    """Its mean is over the classes too, so it is taken here."""
    loss = module.FocalLoss(alpha=None, gamma=2.0, reduction="none")
    return lambda x, t: loss(x, t).sum(1).mean()


def _case(name: str, size: str, **parts: Any) -> Case:
    parts = {"floor": one_pass, "small": True, **parts}
    return Case(name=name, size=size, group="rows of classes", **parts)


_INTEGER_LABELS = optax(lambda o: lambda x, t: o.softmax_cross_entropy_with_integer_labels(x, t).mean())

CASES: tuple[Case, ...] = (
    _case("cross_entropy", "8192×1000", draw=lambda by: _classes(8192, 1000, by), loss=lossary.cross_entropy_loss,
          eager=_cross_entropy, builtin=F.cross_entropy, peers={"optax": _INTEGER_LABELS}),
    _case("cross_entropy, weighted", "8192×1000, class weights, label smoothing, a quarter ignored", draw=_weighted,
          loss=lambda x, t, w: lossary.cross_entropy_loss(x, t, class_weight=w, label_smoothing=SMOOTHING),
          eager=_weighted_cross_entropy,
          builtin=lambda x, t, w: F.cross_entropy(x, t, weight=w, label_smoothing=SMOOTHING)),
    _case("cross_entropy, soft targets", "8192×1000", draw=_soft, loss=lossary.cross_entropy_loss,
          eager=_soft_cross_entropy, builtin=F.cross_entropy,
          peers={"optax": optax(lambda o: lambda x, t: o.softmax_cross_entropy(x, t).mean())}),
    _case("cross_entropy, vocabulary", "1024×32000", draw=lambda by: _classes(1024, 32000, by),
          loss=lossary.cross_entropy_loss, eager=_cross_entropy, builtin=F.cross_entropy, small=False,
          peers={"optax": _INTEGER_LABELS}),
    _case("softmax_focal", "8192×1000", draw=lambda by: _classes(8192, 1000, by), loss=lossary.softmax_focal_loss,
          eager=_softmax_focal, peers={"kornia": peer("kornia.losses", _kornia_focal)}),
    _case("nll", "8192×1000", draw=lambda by: _of_log_probs(_classes(8192, 1000, by)), loss=lossary.nll_loss,
          eager=_nll, builtin=F.nll_loss),
    _case("kl_div", "8192×1000", draw=lambda by: _of_log_probs(_soft(by)), loss=lossary.kl_div_loss, eager=_kl,
          builtin=lambda q, t: F.kl_div(q, t, reduction="batchmean"),
          peers={"optax": optax(lambda o: lambda q, t: o.kl_divergence(q, t).mean())}),
    _case("knowledge_distillation", "8192×1000", draw=_two_of_logits,
          loss=lambda x, t: lossary.knowledge_distillation_loss(x, t, temperature=TEMPERATURE), eager=_distillation,
          builtin=_distillation_of_torch),
    _case("linear_cross_entropy", "1024×512 by 512×32000", draw=_linear, loss=lossary.linear_cross_entropy_loss,
          eager=lambda x, w, t: _cross_entropy(x @ w.T, t), builtin=F.linear_cross_entropy,
          floor=products(_linear_products), small=False,
          peers={"torch in chunks": peer("torch", lambda _: _in_chunks),
                 "cut-cross-entropy": peer("cut_cross_entropy", lambda c: lambda x, w, t: c.linear_cross_entropy(
                     x, w, t, impl="torch_compile"), compiles=True),
                 "liger-kernel": peer("liger_kernel.transformers.functional", lambda k: lambda x, w, t:
                                      k.liger_fused_linear_cross_entropy(x, w, t))}),
    _case("sequence_log_probs", "4×256×32000, in a DPO loss", draw=_sequences, loss=_sequence_of_lossary,
          eager=_sequence, builtin=_sequence_of_torch, small=False),
)  # fmt: skip
