"""Losses computed block by block are their ordinary compositions, in less memory, whoever differentiates them."""

import pytest
import torch
from torch.func import hessian, vmap
from torch.testing import assert_close

import lossary
from lossary.checks.memory import Largest
from lossary.core.blocks import Blockwise, block_rows, slices
from lossary.losses.clouds import KernelMean
from lossary.losses.metric_learning.products import _Products, _SymmetricProducts, log_sum_other_cosines, log_sum_others
from lossary.losses.metric_learning.similarity import hardest, toward_class, unit
from lossary.losses.ranking import _PairLogistic

N, D = 300, 3  # blocks have 64 rows at least: the last of five is smaller, and none is kept for the backward pass
SOME = torch.arange(N) % 3 > 0


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def relevance(lists, items):
    return torch.randint(0, 4, (lists, items), generator=torch.Generator().manual_seed(2)).double()


def both_ways(blockwise, *tensors):
    """Value and gradients by the ordinary composition, and by hand."""
    found = []
    for compute in (blockwise.plain, blockwise):
        leaves = [t.clone().requires_grad_() for t in tensors]
        result = compute(*leaves)
        finite = torch.where(result.detach().isfinite(), result, 0.0)
        upstream = draw(*result.shape, seed=9) if result.ndim else torch.tensor(3.0, dtype=torch.float64)
        found.append((result.detach(), *torch.autograd.grad((finite * upstream).sum(), leaves)))
    return found


CASES = {
    "products": (_Products(None, (0,), False), draw(N, D), draw(N, D, seed=1)),
    "few products, kept": (_Products(SOME[:100], (0,), True), draw(100, 30), draw(100, 30, seed=1)),
    "masked products": (_Products(SOME, (0,), True), draw(N, D), draw(N, D, seed=1)),
    "products without diagonals": (_Products(SOME, (0, 150, -150), False), draw(N, D), draw(N, D, seed=1)),
    "nothing left": (_Products(torch.zeros(N, dtype=torch.bool), (0,), True), draw(N, D), draw(N, D)),
    "symmetric": (_SymmetricProducts(None, (0,), 9.0), 3 * unit(draw(N, D))),
    "symmetric, masked": (_SymmetricProducts(SOME, (0, 150, -150), 9.0), 3 * unit(draw(N, D))),
    "few symmetric, kept": (_SymmetricProducts(SOME[:100], (0,), 9.0), 3 * unit(draw(100, 30))),
    "symmetric, alone": (_SymmetricProducts(None, (0,), 9.0), 3 * unit(draw(1, D))),
    "ranking": (_PairLogistic(relevance(2, 700), None), draw(2, 700)),
    "masked ranking": (_PairLogistic(relevance(2, 700), draw(2, 700, seed=5) > 0), draw(2, 700)),
    "gaussian": (KernelMean("gaussian", (0.5, 2.0), False), draw(2, 400, D) + 9, draw(2, 500, D, seed=1) + 9),
    "laplacian": (KernelMean("laplacian", (2.0,), True), draw(2, 600, D)),
}


@pytest.mark.parametrize("name", CASES)
def test_blocks_are_the_ordinary_composition(name):
    for plain, by_hand in zip(*both_ways(*CASES[name]), strict=True):
        assert_close(by_hand, plain)


@pytest.mark.parametrize("name", ["products", "symmetric", "masked ranking", "gaussian"])
def test_a_gradient_by_hand_may_be_differentiated(name):
    blockwise, *tensors = CASES[name]

    def penalty(compute):
        leaf = tensors[0].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(compute(leaf, *tensors[1:]).sum(), leaf, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), leaf)[0]

    assert_close(penalty(blockwise), penalty(blockwise.plain))


def test_a_tensor_given_twice_has_the_gradient_of_both():
    x = draw(5, D).requires_grad_()
    once = torch.autograd.grad(log_sum_others(x, x, None).sum(), x)[0]
    again = torch.autograd.grad(log_sum_others(x, x, None).sum(), x, create_graph=True)[0]
    apart = torch.autograd.grad(log_sum_others(x, x.clone(), None).sum(), x)[0]
    assert_close(again, once)
    assert_close(apart, once)


# Torch scripts its own rules for forward mode at their first use.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_transforms_get_the_ordinary_composition():
    x, weights = draw(3, 4, D), draw(3, 4, 2)
    assert_close(vmap(lambda t: log_sum_others(t, t, None))(x), torch.stack([log_sum_others(t, t, None) for t in x]))
    assert hessian(lambda t: log_sum_others(t, t, None).sum())(x[0]).abs().sum() > 0
    leaf = x[0].clone().requires_grad_()
    result = log_sum_others(leaf, leaf, None, both=True)
    many = torch.stack([weights[0].T, weights[1].T])
    batched = torch.autograd.grad(result, leaf, many, is_grads_batched=True, retain_graph=True)[0]
    each = [torch.autograd.grad(result, leaf, one, retain_graph=True)[0] for one in many]
    assert_close(batched, torch.stack(each))


# Torch scripts its own rules for forward mode at their first use.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_forward_mode_is_the_backward_one():
    x, direction = draw(6, D), draw(6, D, seed=3)
    _, slope = torch.func.jvp(lambda t: log_sum_others(t, t, None).sum(), (x,), (direction,))
    leaf = x.clone().requires_grad_()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, direction)
        tangent = torch.autograd.forward_ad.unpack_dual(log_sum_others(dual, dual, None).sum()).tangent
    (gradient,) = torch.autograd.grad(log_sum_others(leaf, leaf, None).sum(), leaf)
    assert_close(tangent, (gradient * direction).sum())
    assert_close(slope, tangent)


def test_an_input_that_was_written_to_is_refused():
    x = draw(N, D).requires_grad_()
    inner = x * 1.0
    result = log_sum_others(inner, inner, None).sum()
    inner.detach().add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


def test_autocast_does_not_reach_the_backward_pass():
    x = draw(N, D).float().requires_grad_()
    (wanted,) = torch.autograd.grad(log_sum_others(x, x, None).sum(), x)
    result = log_sum_others(x, x, None).sum()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(torch.autograd.grad(result, x)[0], wanted)


@pytest.mark.parametrize(
    "loss",
    [
        lossary.info_nce_loss, lossary.nt_xent_loss, lossary.n_pairs_loss,
        lambda x, y: lossary.clip_loss(x, y, torch.tensor(10.0)),
        lambda x, y: lossary.sup_con_loss(x, torch.arange(len(x)) // 2),
        lambda x, y: lossary.batch_hard_triplet_loss(x, torch.arange(len(x)) // 2),
    ],
)  # fmt: skip
def test_no_matrix_of_all_pairs_is_stored(loss):
    x, y = torch.randn(2, 1024, 8).unbind()
    with Largest() as seen:
        loss(x.requires_grad_(), y).backward()
    assert seen.numbers <= 2 * 1024 * 64  # rows of a block, and both views of NT-Xent
    assert max(seen.made) > 8 * 64


@pytest.mark.parametrize("temperature", [0.5, 0.02])
def test_cosines_far_apart_are_summed_exactly(temperature):
    """Below 2 / 87.3 the least exponent would vanish beside the largest in float32, and every row has its own shift."""
    x = unit(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 1e-3]]))
    wide = x.double() @ x.double().T / temperature
    wide.fill_diagonal_(-torch.inf)
    found = log_sum_other_cosines(x.requires_grad_(), temperature, None)
    assert_close(found, wide.logsumexp(1).float())
    found.sum().backward()
    assert x.grad.isfinite().all()


def test_mean_toward_a_class_is_that_over_its_pairs():
    x, target, mask = draw(40, D), torch.arange(40) % 7 - 3, torch.arange(40) != 5
    same = (target[:, None] == target) & mask & mask[:, None]
    same.fill_diagonal_(False)
    toward, number = toward_class(x, target, mask)
    assert torch.equal(number, same.sum(1))
    wanted = (x @ x.T * same).sum(1) / same.sum(1).clamp(min=1)
    assert_close(toward[mask], wanted[mask])


def test_near_neighbours_far_from_the_origin_are_told_apart():
    """In float32 a product of 1e6 is rounded to 0.06, and the squares of these distances are below 0.01 but for one."""
    x = torch.tensor([[1000.0], [1000.03], [1000.04], [1000.06], [999.0]])
    positive, negative, both = hardest(x, torch.tensor([0, 0, 1, 0, 1]), "euclidean", None)
    assert both.all()
    assert positive.tolist() == [3, 0, 4, 0, 2]
    assert negative.tolist() == [2, 2, 1, 2, 0]


def test_hyperparameters_can_still_be_learned():
    """What a gradient by hand would leave out: the widths of a kernel, and the weights of the pairs."""
    width = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    x, y = draw(5, D), draw(5, D, seed=1)
    assert torch.autograd.gradcheck(lambda w: lossary.mmd_loss(x.requires_grad_(), y, bandwidths=(w,)), width)
    scores = draw(2, 5).requires_grad_()
    mu = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: lossary.lambda_loss(scores, relevance(2, 5), mu=m), mu)
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: lossary.nt_xent_loss(x, y, temperature=t), temperature)


def test_blocks_cover_all_rows_once():
    assert [block_rows(width) for width in (1, 64, 200, 4096)] == [64, 64, 200, 512]
    covered = [i for block in slices(1000, 5000) for i in range(1000)[block]]
    assert covered == list(range(1000))
    assert len(list(slices(0, 0))) == 1


def test_a_blockwise_without_a_plain_form_can_not_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Blockwise()
