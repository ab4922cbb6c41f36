"""Losses are recognised from values that torch computes, and from nothing that only looks alike."""

import math

import pytest
import torch
from torch.nn import functional as F

from lossary.diagnosis.recognition import KNOWN, class_layout, of_name, recognise

GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(*shape, generator=GENERATOR)


def classes(*shape, of=5):
    return torch.randint(of, shape, generator=GENERATOR)


def bits(*shape):
    return classes(*shape, of=2).float()


def shares(n=8):
    return normal(n, 5).softmax(1)


CASES = {
    "cross_entropy": (F.cross_entropy, lambda: (normal(8, 5), classes(8))),
    "cross_entropy of images": (F.cross_entropy, lambda: (normal(3, 5, 4, 4), classes(3, 4, 4))),
    "cross_entropy of shares": (F.cross_entropy, lambda: (normal(8, 5), shares())),
    "nll": (F.nll_loss, lambda: (normal(8, 5).log_softmax(1), classes(8))),
    "nll_of_log": (lambda p, y: F.nll_loss(p.log(), y), lambda: (shares(), classes(8))),
    "nll_of_log with an epsilon": (lambda p, y: F.nll_loss((p + 1e-3).log(), y), lambda: (shares(), classes(8))),
    "nll_of_log kept away": (lambda p, y: F.nll_loss(p.clamp(min=1e-3).log(), y),
                             lambda: ((9 * normal(8, 5)).softmax(1), classes(8))),
    "bce_with_logits": (F.binary_cross_entropy_with_logits, lambda: (normal(8, 1), bits(8, 1))),
    "bce_with_logits of labels": (F.binary_cross_entropy_with_logits, lambda: (normal(8, 4), bits(8, 4))),
    "bce_with_logits squeezed": (lambda z, y: F.binary_cross_entropy_with_logits(z.squeeze(1), y),
                                 lambda: (normal(8, 1), bits(8))),
    "bce": (F.binary_cross_entropy, lambda: (normal(8, 1).sigmoid(), bits(8, 1))),
    "bce with an epsilon": (lambda p, y: -(y * (p + 1e-3).log() + (1 - y) * (1 - p + 1e-3).log()).mean(),
                            lambda: (normal(8).sigmoid(), bits(8))),
    "kl_div": (lambda q, p: F.kl_div(q, p, reduction="batchmean"), lambda: (normal(8, 5).log_softmax(1), shares())),
    "kl_div over elements": (lambda q, p: F.kl_div(q, p, reduction="none").mean(),
                             lambda: (normal(8, 5).log_softmax(1), shares())),
    "mse": (F.mse_loss, lambda: (normal(8, 2), 3 * normal(8, 2))),
    "mse squeezed": (lambda o, y: F.mse_loss(o.squeeze(1), y), lambda: (normal(8, 1), 3 * normal(8))),
    "l1": (F.l1_loss, lambda: (normal(8, 2), 3 * normal(8, 2))),
    "smooth_l1": (F.smooth_l1_loss, lambda: (normal(8, 2), 3 * normal(8, 2))),
    "poisson_nll": (F.poisson_nll_loss, lambda: (normal(8, 2), classes(8, 2).float())),
    "rmse": (lambda o, y: F.mse_loss(o, y).sqrt(), lambda: (normal(8, 2), 3 * normal(8, 2))),
    "cosine_distance": (lambda a, b: 1 - F.cosine_similarity(a, b, dim=-1).mean(),
                        lambda: (normal(8, 4), normal(8, 4))),
    "cosine_similarity": (lambda a, b: F.cosine_similarity(a, b, dim=-1).mean(),
                          lambda: (normal(8, 4), normal(8, 4))),
    "mse_broadcast": (lambda o, y: (o - y).pow(2).mean(), lambda: (normal(8, 1), 3 * normal(8))),
    "l1_broadcast": (lambda o, y: (o - y).abs().mean(), lambda: (normal(8, 1), 3 * normal(8))),
    "smooth_l1_broadcast": (lambda o, y: F.smooth_l1_loss(*torch.broadcast_tensors(o, y)),
                            lambda: (normal(8, 1), 3 * normal(8))),
    "bce_with_logits_broadcast": (lambda o, y: F.binary_cross_entropy_with_logits(*torch.broadcast_tensors(o, y)),
                                  lambda: (normal(8, 1), bits(8))),
}  # fmt: skip


def triples(case, factor=1.0, count=4):
    value, draw = CASES[case]
    return [(o, y, factor * float(value(o, y))) for o, y in (draw() for _ in range(count))]


def test_every_known_loss_is_drawn():
    assert {case.partition(" ")[0] for case in CASES} == {known.name for known in KNOWN}


@pytest.mark.parametrize("case", CASES)
def test_a_known_loss_is_recognised(case):
    name = case.partition(" ")[0]
    found = recognise(triples(case), (name,))
    assert found is not None
    assert (found.name, found.factor) == (name, 1.0)


def test_without_a_hint_only_nll_has_a_double():
    """Of log-probabilities cross-entropy has the same values, so that only the graph can tell them apart."""
    doubles = {case: recognise(triples(case)).name for case in CASES}
    assert {case: name for case, name in doubles.items() if name != case.partition(" ")[0]} == {"nll": "cross_entropy"}


@pytest.mark.parametrize("factor", [100.0, 0.01, -1.0, -3.0])
@pytest.mark.parametrize("case", [c for c in CASES if not c.startswith(("cosine", "kl_div"))])
def test_a_multiple_is_told_with_its_factor(case, factor):
    name = case.partition(" ")[0]
    found = recognise(triples(case, factor), (name,))
    assert found is not None and found.name == name
    assert found.factor == pytest.approx(factor, rel=1e-3)


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "l1"])
def test_a_sum_is_told_also_where_the_last_batch_is_smaller(name):
    value, draw = CASES[name]
    drawn = [draw() for _ in range(3)] + [tuple(part[:3] for part in draw())]
    found = recognise([(o, y, float(value(o, y, reduction="sum"))) for o, y in drawn])
    count = (lambda o, y: len(y)) if name == "cross_entropy" else (lambda o, y: o.numel())
    assert found is not None and found.name == name
    assert found.factor == pytest.approx(sum(count(o, y) for o, y in drawn) / 4)


def test_two_values_do_not_make_a_multiple_but_may_be_exact():
    assert recognise(triples("mse", 7.0, count=2)) is None
    assert recognise(triples("mse", count=2)).name == "mse"
    assert recognise(triples("mse", -1.0, count=2)).factor == -1.0


@pytest.mark.parametrize(
    "value",
    [
        lambda o, y: F.huber_loss(o, y, delta=0.3),
        lambda o, y: F.mse_loss(o, y) + 0.1 * o.abs().mean(),
        lambda o, y: (o - y).pow(4).mean(),
    ],
)
def test_what_is_not_known_is_not_recognised(value):
    assert recognise([(o, y, float(value(o, y))) for o, y, _ in triples("mse")]) is None


@pytest.mark.parametrize("smoothing", [0.1, 0.01])
def test_label_smoothing_is_not_taken_for_the_plain_loss(smoothing):
    drawn = triples("cross_entropy")
    assert recognise([(o, y, float(F.cross_entropy(o, y, label_smoothing=smoothing))) for o, y, _ in drawn]) is None


def test_what_is_no_number_or_no_tensor_is_left_out():
    good = triples("mse")
    assert recognise([(None, None, 1.0), (*good[0][:2], math.nan), *good]).name == "mse"
    assert recognise([(None, None, 1.0)]) is None
    assert recognise([]) is None


def test_of_equal_values_the_suggested_loss_is_named():
    zeros = [(torch.zeros(4, 2), torch.zeros(4, 2), 0.0)] * 3
    assert recognise(zeros, ("l1",)).name == "l1"
    assert recognise(zeros, ("mse",)).name == "mse"


@pytest.mark.parametrize(
    ("output", "target", "rows"),
    [
        ((6, 5), (6,), 6), ((6, 5), (6, 1), 6), ((2, 5, 3), (2, 3), 6), ((2, 3, 5), (2, 3), 6),
        ((2, 5, 3, 3), (2, 3, 3), 18),
    ],
)  # fmt: skip
def test_layouts_of_classes(output, target, rows):
    scores, index = normal(*output), classes(*target)
    laid = class_layout(scores, index)
    assert laid is not None
    assert (laid[0].shape, laid[1].shape) == ((rows, 5), (rows,))
    last = tuple(size - 1 for size in target)
    row = scores[last[0], :, *last[1:]] if len(output) > 2 and output[1] == 5 else scores.reshape(-1, 5)[-1]
    assert torch.equal(laid[0][-1], row)
    assert laid[1][-1] == index[last]


@pytest.mark.parametrize(("output", "target"), [((6,), (6,)), ((6, 5), (7,)), ((6, 5), (6, 5))])
def test_what_is_no_layout_of_classes(output, target):
    assert class_layout(normal(*output), classes(*target)) is None


def test_a_name_leads_to_its_loss():
    assert of_name("bce").expects == "probability"
    with pytest.raises(StopIteration):
        of_name("nothing")
