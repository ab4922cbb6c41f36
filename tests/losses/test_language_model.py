"""Linear cross-entropy, its module, and log-probabilities of tokens; test_output_layer.py has the rest."""

import copy
import pickle

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import lossary
from lossary.core import LossInputError

N, D, C = 12, 2, 20


def draw(*leading):
    g = torch.Generator().manual_seed(0)
    hidden = torch.randn(*leading, N, D, generator=g, dtype=torch.float64)
    weight = torch.randn(C, D, generator=g, dtype=torch.float64)
    return hidden, weight, torch.randint(C, (*leading, N), generator=g)


class Largest(TorchDispatchMode):
    """Watches for the largest tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for t in result if isinstance(result, (tuple, list)) else [result]:
            self.size = max(self.size, t.numel() if isinstance(t, torch.Tensor) else 0)
        return result


@pytest.mark.parametrize(("chunk_size", "rows"), [(None, 2), (3, 3), (100, N)])
def test_no_more_logits_exist_at_once_than_those_of_a_chunk(chunk_size, rows):
    """By default a chunk has 2 rows: as wide as the weight, which is more than the hidden states would allow."""
    hidden, weight, target = draw()
    leaves = hidden.requires_grad_(), weight.requires_grad_()
    with Largest() as largest:
        loss = lossary.linear_cross_entropy_loss(hidden, weight, target, chunk_size=chunk_size)
        torch.autograd.grad(loss, leaves)
    assert largest.size == max(rows * C, C * D)


def test_a_frozen_layer_gets_no_gradient():
    hidden, weight, target = draw()
    loss = lossary.linear_cross_entropy_loss(hidden.requires_grad_(), weight, target, chunk_size=3)
    loss.backward()
    assert hidden.grad.any() and weight.grad is None


def test_class_weight_weighs_the_penalty_too():
    """A class of weight 3 is the same as a class of weight 1 whose rows come three times."""
    hidden, weight, _ = draw()
    target = torch.tensor([0, 1])
    class_weight = torch.ones(C, dtype=torch.float64)
    class_weight[1] = 3.0
    weighted = lossary.linear_cross_entropy_loss(
        hidden[:2], weight, target, class_weight=class_weight, z_loss_weight=0.5
    )
    rows = torch.tensor([0, 1, 1, 1])
    assert_close(weighted, lossary.linear_cross_entropy_loss(hidden[rows], weight, target[rows], z_loss_weight=0.5))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_a_focal_loss_of_a_certain_class_is_flat(gamma):
    """The logits of the target are so far ahead that its probability is 1, where (1 - p)^gamma has no slope of use."""
    hidden = torch.tensor([[1e4]] * 5, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], dtype=torch.float64, requires_grad=True)
    target = torch.zeros(5, dtype=torch.long)
    for smoothing, wanted in ((0.0, 0.0), (0.1, 0.05 * 2e4)):  # a twentieth for the class that is 2e4 behind
        loss = lossary.linear_cross_entropy_loss(
            hidden, weight, target, gamma=gamma, label_smoothing=smoothing, chunk_size=2
        )
        assert_close(loss.item(), wanted)
        assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (hidden, weight)))


def test_where_every_target_is_ignored_it_is_zero():
    hidden, weight, target = draw()
    leaves = hidden.requires_grad_(), weight.requires_grad_()
    options = {"gamma": 2.0, "label_smoothing": 0.1, "z_loss_weight": 0.1, "chunk_size": 5}
    loss = lossary.linear_cross_entropy_loss(*leaves, torch.full_like(target, -100), **options)
    assert loss == 0.0
    assert not any(g.any() for g in torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("bias", [False, True])
def test_the_module_is_the_function_and_so_are_its_copies(bias):
    hidden, _, target = draw()
    hidden = hidden.float()
    original = lossary.LinearCrossEntropyLoss(D, C, bias=bias, gamma=1.0, softcap=3.0, chunk_size=5)
    wanted = lossary.linear_cross_entropy_loss(
        hidden, original.linear_weight, target, linear_bias=original.linear_bias, gamma=1.0, softcap=3.0
    )
    loaded = lossary.LinearCrossEntropyLoss(D, C, bias=bias, gamma=1.0, softcap=3.0)
    loaded.load_state_dict(original.state_dict())
    for form in (original, pickle.loads(pickle.dumps(original)), copy.deepcopy(original), loaded):
        assert_close(form(hidden, target), wanted)
    original(hidden, target).backward()
    assert len(list(original.parameters())) == 1 + bias
    assert all(p.grad.any() for p in original.parameters())


def test_the_module_takes_what_the_module_of_torch_takes():
    hidden, _, target = draw()
    weight = torch.linspace(0.5, 2.0, C)
    theirs = torch.nn.LinearCrossEntropyLoss(D, C, bias=True, weight=weight, label_smoothing=0.1)
    ours = lossary.LinearCrossEntropyLoss(D, C, bias=True, class_weight=weight, label_smoothing=0.1)
    ours.load_state_dict(
        {"class_weight": weight, "linear_weight": theirs.linear.weight, "linear_bias": theirs.linear.bias}
    )
    assert_close(ours(hidden.float(), target), theirs(hidden.float(), target))


def test_the_module_has_at_least_one_class():
    with pytest.raises(LossInputError, match="`num_classes` must be a whole number of at least 1, got 0"):
        lossary.LinearCrossEntropyLoss(4, 0)


def test_z_is_zero_for_log_probabilities():
    log_probs = torch.log_softmax(torch.randn(4, 5, dtype=torch.float64), 1)
    assert_close(lossary.z_loss(log_probs), torch.zeros((), dtype=torch.float64))


def test_masked_places_may_hold_anything():
    logits = torch.zeros(2, 3, 4)
    logits[0, 0] = torch.nan
    target = torch.tensor([[-100, 1, 2], [0, 1, 2]])
    mask = torch.tensor([[False, True, True], [False, False, False]])
    values = lossary.sequence_log_probs(logits.requires_grad_(), target, mask, average=True)
    assert_close(values, torch.tensor([0.25, 1.0]).log())  # four tokens alike; none counts
    assert torch.autograd.grad(values.sum(), logits)[0].isfinite().all()


def test_log_probs_of_half_precision_are_summed_in_float32():
    logits, target = torch.zeros(1, 3000, 2, dtype=torch.bfloat16), torch.zeros(1, 3000, dtype=torch.long)
    values = lossary.sequence_log_probs(logits, target)
    assert values.dtype == torch.float32
    assert_close(values, 3000 * torch.tensor([0.5]).log())


def test_logits_must_fit_their_target():
    with pytest.raises(LossInputError, match=r"must be \(n, t, c\)"):
        lossary.sequence_log_probs(torch.zeros(2, 4, 3), torch.zeros(2, 3, dtype=torch.long))


def tokens():
    """Two sequences; two tokens of the second do not count: their hidden states are NaN, their targets no class."""
    hidden, weight, target = draw(2)
    mask = torch.ones_like(target, dtype=torch.bool)
    mask[1, :2] = False
    return hidden.masked_fill(~mask.unsqueeze(-1), torch.nan), weight, target.masked_fill(~mask, -100), mask


def test_log_probs_of_tokens_sum_to_that_of_their_sequence():
    hidden, weight, target, mask = tokens()
    found = []
    for chunked in (True, False):
        leaves = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        if chunked:
            log_probs = lossary.linear_log_probs(*leaves, target, mask, chunk_size=5)
            assert log_probs.shape == target.shape and not log_probs[~mask].any()
            log_probs = log_probs.sum(-1)
        else:
            log_probs = lossary.sequence_log_probs(leaves[0] @ leaves[1].T, target, mask)
        loss = lossary.dpo_loss(log_probs[:1], log_probs[1:], torch.zeros(1), torch.zeros(1))
        gradient, of_weight = torch.autograd.grad(loss, leaves)
        found.append((log_probs, loss, gradient))
        if chunked:
            assert of_weight.isfinite().all() and of_weight.any()
    assert_close(found[0][:2], found[1][:2])
    # By way of the logits a masked NaN becomes 0 times NaN in the product with the layer: not so by way of the chunks.
    assert_close(found[0][2][mask], found[1][2][mask])
    assert not found[0][2][~mask].any()


def test_log_probs_take_a_mask_of_whole_sequences():
    hidden, weight, target = draw(2)
    whole = lossary.linear_log_probs(hidden, weight, target, torch.tensor([True, False]))
    assert_close(whole[0], lossary.linear_log_probs(hidden[0], weight, target[0]))
    assert not whole[1].any()


def test_log_probs_of_one_token():
    hidden, weight, target = draw()
    single = lossary.linear_log_probs(hidden[0], weight, target[0])
    assert_close(single, (hidden[0] @ weight.T).log_softmax(-1)[target[0]])


WRONG = {
    "width": (
        {"linear_weight": torch.zeros(C, D + 1)},
        r"`hidden` must be \(\*n, d\), .* got \(12, 2\), \(20, 3\) and",
    ),
    "rows": ({"target": torch.zeros(N + 1, dtype=torch.long)}, r"and \(13,\)"),
    "probabilities": ({"target": torch.zeros(N)}, "`target` must be indices of tokens, got torch.float32"),
    "bias": ({"linear_bias": torch.zeros(D)}, r"`linear_bias` must be \(20,\).* got \(2,\)"),
    "mask": ({"mask": torch.ones(N)}, "`mask` must be boolean"),
    "softcap": ({"softcap": 0.0}, "`softcap` must be a number above 0, or None, got 0.0"),
    "chunk_size": ({"chunk_size": 0}, "`chunk_size` must be a whole number of at least 1, or None, got 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_log_probs_refuse_what_does_not_fit(name):
    wrong, message = WRONG[name]
    right = {"hidden": torch.zeros(N, D), "linear_weight": torch.zeros(C, D), "target": torch.zeros(N, dtype=int)}
    with pytest.raises(LossInputError, match=message):
        lossary.linear_log_probs(**{**right, **wrong})
