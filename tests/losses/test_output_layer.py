"""Losses of hidden states and an output layer are those of its logits, in chunks: in value, gradient and memory."""

import pytest
import torch
from torch.func import grad, vmap
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import lossary
from lossary.checks.memory import Largest

N, D, E, C = 11, 2, 3, 20  # chunks of 3 rows: the last of four is smaller
G = torch.Generator().manual_seed(0)
HIDDEN, WEIGHT, BIAS, TEACHER, TEACHER_WEIGHT = (
    torch.randn(*shape, generator=G).bfloat16().double()  # which half precision has room for
    for shape in ((N, D), (C, D), (C,), (N, E), (C, E))
)
TARGET = torch.randint(C, (N,), generator=G)
SOFT = torch.softmax(torch.randn(N, C, generator=G, dtype=torch.float64), -1)
CLASS_WEIGHT = torch.linspace(0.5, 2.0, C, dtype=torch.float64)


def focal(logits, target, gamma, class_weight=None):
    """Of targets that are probabilities: each class fades by its own, as in keras' CategoricalFocalCrossentropy."""
    p = torch.softmax(logits, -1)
    values = target * (1.0 - p) ** gamma * -p.log()
    return (values if class_weight is None else values * class_weight).sum(-1)


def smoothed(share):
    return (1.0 - share) * torch.nn.functional.one_hot(TARGET, C) + share / C


def cross_entropy(**options):
    return lambda h, w, b, **how: lossary.linear_cross_entropy_loss(h, w, TARGET, linear_bias=b, **options, **how)


def of_soft(**options):
    return lambda h, w, b, **how: lossary.linear_cross_entropy_loss(h, w, SOFT, linear_bias=b, **options, **how)


def log_probs(h, w, b, reduction="mean", **how):
    values = lossary.linear_log_probs(h, w, TARGET, linear_bias=b, **how)
    return values if reduction == "none" else values.mean()


def distillation(h, w, b, **how):
    return lossary.linear_knowledge_distillation_loss(
        h, w, TEACHER.to(h.dtype), TEACHER_WEIGHT.to(h.dtype), linear_bias=b, temperature=3.0, **how
    )


CASES = {
    "cross-entropy": (cross_entropy(), lambda z: lossary.cross_entropy_loss(z, TARGET)),
    "weighted and smoothed": (
        cross_entropy(class_weight=CLASS_WEIGHT, label_smoothing=0.2),
        lambda z: lossary.cross_entropy_loss(z, TARGET, class_weight=CLASS_WEIGHT, label_smoothing=0.2),
    ),
    "penalised": (
        cross_entropy(z_loss_weight=0.3),
        lambda z: lossary.cross_entropy_loss(z, TARGET) + 0.3 * lossary.z_loss(z),
    ),
    "soft": (of_soft(label_smoothing=0.2), lambda z: lossary.cross_entropy_loss(z, SOFT, label_smoothing=0.2)),
    "focal": (
        cross_entropy(gamma=2.0, class_weight=CLASS_WEIGHT),
        lambda z: lossary.softmax_focal_loss(z, TARGET, gamma=2.0, class_weight=CLASS_WEIGHT),
    ),
    "focal, smoothed": (
        cross_entropy(gamma=1.5, label_smoothing=0.2, class_weight=CLASS_WEIGHT),
        lambda z: focal(z, smoothed(0.2), 1.5, CLASS_WEIGHT).sum() / CLASS_WEIGHT[TARGET].sum(),
    ),
    "focal, soft": (of_soft(gamma=0.5), lambda z: focal(z, SOFT, 0.5).mean()),
    "focal, penalised and capped": (
        cross_entropy(gamma=2.0, z_loss_weight=0.3, softcap=1.5),
        lambda z: (
            lossary.softmax_focal_loss(1.5 * torch.tanh(z / 1.5), TARGET)
            + 0.3 * lossary.z_loss(1.5 * torch.tanh(z / 1.5))
        ),
    ),
    "log-probabilities": (log_probs, lambda z: -lossary.cross_entropy_loss(z, TARGET)),
    "capped log-probabilities": (
        lambda *layer, **how: log_probs(*layer, softcap=1.5, **how),
        lambda z: -lossary.cross_entropy_loss(1.5 * torch.tanh(z / 1.5), TARGET),
    ),
    "distillation": (
        distillation,
        lambda z: lossary.knowledge_distillation_loss(z, TEACHER @ TEACHER_WEIGHT.T, temperature=3.0),
    ),
}
FAMILY = {
    "cross-entropy": cross_entropy(gamma=2.0, z_loss_weight=0.1),
    "log-probabilities": log_probs,
    "distillation": distillation,
}
each = pytest.mark.parametrize("of", FAMILY.values(), ids=FAMILY)


def leaves(dtype=torch.float64, rows=N):
    return [t.to(dtype).clone().requires_grad_() for t in (HIDDEN[:rows], WEIGHT, BIAS)]


@pytest.mark.parametrize("chunk_size", [1, 3, None, 100])
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_loss_of_the_logits(name, chunk_size):
    of_layer, of_logits = CASES[name]
    h, w, b = leaves()
    ours, theirs = of_layer(h, w, b, chunk_size=chunk_size), of_logits(h @ w.T + b)
    assert_close(ours, theirs)
    assert_close(torch.autograd.grad(ours, (h, w, b)), torch.autograd.grad(theirs, (h, w, b)))


@each
def test_its_gradient_is_its_slope_also_the_second_time(of):
    def values(h, w, b):
        return of(h, w, b, chunk_size=3, reduction="none")

    assert torch.autograd.gradcheck(values, leaves())
    assert torch.autograd.gradgradcheck(lambda *layer: values(*layer).sum(), leaves())


@pytest.mark.parametrize("start", [(2.0, 0.1, 5.0), (0.0, 0.0, 5.0)], ids=["on", "off at first"])
def test_learned_options_get_their_gradient_in_chunks_too(start):
    def of(gamma, z_loss_weight, softcap, class_weight, target, chunk_size):
        options = {"gamma": gamma, "z_loss_weight": z_loss_weight, "softcap": softcap, "class_weight": class_weight}
        return lossary.linear_cross_entropy_loss(HIDDEN, WEIGHT, target, chunk_size=chunk_size, **options)

    learned = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in start]
    learned += [CLASS_WEIGHT.clone().requires_grad_(), SOFT.clone().requires_grad_()]
    found = [torch.autograd.grad(of(*learned, size), learned) for size in (3, 100)]
    assert_close(found[0], found[1])
    assert all(gradient.any() for gradient in found[0])


@each
def test_no_more_logits_exist_at_once_than_those_of_a_chunk(of):
    h, w, b = leaves()
    with Largest() as largest:
        torch.autograd.grad(of(h, w, b, chunk_size=3), (h, w, b))
    assert largest.numbers == 3 * C
    with Largest() as largest:
        torch.autograd.grad(of(h, w, b, chunk_size=100), (h, w, b))
    assert largest.numbers == N * C


class Calls(TorchDispatchMode):
    """Counts the calls of each operation."""

    def __init__(self):
        super().__init__()
        self.of = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.of[name] = self.of.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("frozen", "operation"), [(0, "mm"), (1, "addmm_")])
def test_what_is_frozen_costs_neither_a_product_nor_memory(frozen, operation):
    """Logits with a bias are made by addmm, so mm is the gradient of hidden states and addmm_ that of the weight."""
    h, w, b = tensors = leaves()
    counts = []
    for wanted in (tensors, [t for i, t in enumerate(tensors) if i != frozen]):
        for t in tensors:
            t.requires_grad_(any(t is other for other in wanted))
        with Calls() as calls:
            found = torch.autograd.grad(FAMILY["cross-entropy"](h, w, b, chunk_size=3), wanted)
        counts.append((calls.of.get(operation, 0), calls.of["zeros_like"]))
        assert all(gradient.any() for gradient in found)
    assert counts == [(4, 3), (0, 2)]


@each
def test_it_may_be_mapped_with_its_gradients(of):
    def gradients(size):
        several = torch.stack([HIDDEN, 2 * HIDDEN])
        return vmap(grad(lambda *layer: of(*layer, chunk_size=size), argnums=(0, 1)), (0, None, None))(
            several, WEIGHT, BIAS
        )

    assert_close(gradients(3), gradients(100))


@each
def test_a_compiled_one_is_the_same(of):
    compiled = torch.compile(lambda *layer: of(*layer, chunk_size=3), backend="aot_eager", fullgraph=True)
    layers = leaves(), leaves()
    values = compiled(*layers[0]), of(*layers[1], chunk_size=3)
    assert_close(*values)
    assert_close(*(torch.autograd.grad(value, layer) for value, layer in zip(values, layers, strict=True)))


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(of, dtype):
    half, full = leaves(dtype), [t.float().detach().requires_grad_() for t in leaves(dtype)]
    values = [of(*layer, chunk_size=3, reduction="none") for layer in (half, full)]
    assert_close(values[0].float(), values[1].to(values[0].dtype).float(), rtol=0.0, atol=0.0)
    gradients = [torch.autograd.grad(v.float().sum(), layer) for v, layer in zip(values, (half, full), strict=True)]
    assert {gradient.dtype for gradient in gradients[0]} == {dtype}
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(ours, theirs.to(dtype))


@each
def test_autocast_does_not_reach_inside(of):
    plain = of(*leaves(torch.float32), chunk_size=3)
    with torch.autocast("cpu", torch.bfloat16):
        inside = of(*leaves(torch.float32), chunk_size=3)
    assert_close(inside, plain, rtol=0.0, atol=0.0)


def test_no_rows_have_no_values():
    assert lossary.linear_log_probs(HIDDEN[:0], WEIGHT, TARGET[:0]).shape == (0,)
    assert lossary.linear_cross_entropy_loss(HIDDEN[:0], WEIGHT, TARGET[:0], chunk_size=1) == 0.0
