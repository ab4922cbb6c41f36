"""What people do with a loss beyond a number and a gradient: with a kernel it is as without."""

import copy
import gc
import threading
import weakref

import pytest
import torch
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

from lossary.catalogue import find
from lossary.checks import cases
from lossary.kernels import enabled


class Fused:
    """A loss in the first of its settings that its kernel serves, as a function of its first input."""

    def __init__(self, case):
        self.case = case
        self.inputs = [t.contiguous() for t in case.inputs(0, dtype=torch.float32)]

    def __call__(self, x, **how):
        return self.case(x, *self.inputs[1:], **how)

    def leaf(self):
        return self.inputs[0].clone().requires_grad_()

    def composed(self, x, **how):
        with enabled(False):
            return self(x, **how)

    def __str__(self):
        return str(self.case)


def with_kernel():
    for definition in find():
        if definition.kernel is None:
            continue
        with enabled(smallest=1):
            for case in cases(definition):
                loss = Fused(case)
                if "Fused" in type(loss(loss.leaf()).grad_fn).__name__:
                    yield loss
                    break
            else:
                raise AssertionError(f"{definition.name}: its kernel serves none of its cases")


LOSSES = list(with_kernel())
ONE_OF_EACH = list({type(loss.case.definition.kernel): loss for loss in LOSSES}.values())


@pytest.fixture(autouse=True)
def forced():
    with enabled(smallest=1):
        yield


@pytest.fixture(params=LOSSES, ids=str)
def loss(request):
    return request.param


def gradient(function, x, **options):
    return torch.autograd.grad(function(x), x, **options)[0]


def close(found, expected):
    scale = float(expected.abs().max()) or 1.0
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5 * scale)


def summed(found, terms):
    """A sum is as exact as its terms, which may cancel."""
    torch.testing.assert_close(found, terms.sum(), rtol=0.0, atol=2e-5 * float(terms.abs().sum()) + 1e-30)


def test_gradient(loss):
    close(gradient(loss, loss.leaf()), gradient(loss.composed, loss.leaf()))


def test_gradient_of_the_gradient(loss):
    def penalty(function):
        x = loss.leaf()
        (gradient(function, x, create_graph=True) ** 2).sum().backward()
        return x.grad

    assert_or_both_refuse(lambda: penalty(loss), lambda: penalty(loss.composed))


def assert_or_both_refuse(found, expected):
    """Some losses have a constant gradient, which can't be differentiated again either way."""
    try:
        wanted = expected()
    except RuntimeError:
        with pytest.raises(RuntimeError):
            found()
        return
    close(found(), wanted)


def test_twice_through_a_retained_graph(loss):
    x = loss.leaf()
    value = loss(x)
    value.backward(retain_graph=True)
    once = x.grad.clone()
    value.backward()
    close(x.grad, 2 * once)


def test_scaled_loss(loss):
    x = loss.leaf()
    (loss(x) * 1024.0).backward()
    close(x.grad, 1024.0 * gradient(loss.composed, loss.leaf()))


def test_loss_of_what_was_computed(loss):
    found = []
    for function in (loss, loss.composed):
        x, w = loss.leaf(), torch.ones((), requires_grad=True)
        function(x * w).backward()
        found.append((x.grad, w.grad))
    (of_x, of_w), (exact_of_x, _) = found
    close(of_x, exact_of_x)
    summed(of_w, exact_of_x * loss.inputs[0])


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")
def test_function_transforms(loss):
    x = loss.inputs[0]
    exact = gradient(loss.composed, loss.leaf())
    close(torch.func.grad(loss)(x), exact)
    direction = torch.ones_like(x)
    summed(torch.func.jvp(loss, (x,), (direction,))[1], exact)
    several = torch.func.vmap(torch.func.grad(loss))(torch.stack([x, x]))
    close(several[1], exact)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # by torch itself, when it first differentiates forward
def test_forward_mode(loss):
    x = loss.inputs[0]
    with forward_ad.dual_level():
        value = loss(forward_ad.make_dual(x, torch.ones_like(x)))
        summed(forward_ad.unpack_dual(value).tangent, gradient(loss.composed, loss.leaf()))


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=str)
def test_without_gradient(one):
    with torch.no_grad():
        value = one(one.leaf())
    assert not value.requires_grad
    close(value, one.composed(one.inputs[0]))
    with torch.inference_mode():
        close(one(one.inputs[0]).clone(), value)


def test_an_edit_of_the_input_is_noticed(loss):
    x = loss.leaf()
    z = x * 1.0
    value = loss(z)
    z.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def test_inputs_are_not_written_on(loss):
    before = copy.deepcopy(loss.inputs)
    loss(loss.leaf()).backward()
    for t, was in zip(loss.inputs, before, strict=True):
        assert torch.equal(t, was)


def test_no_reference_cycle(loss):
    value = loss(loss.leaf())
    node = weakref.ref(value.grad_fn)
    gc.collect()
    gc.disable()
    try:
        del value
        assert node() is None
    finally:
        gc.enable()


def test_checkpoint(loss):
    x = loss.leaf()
    checkpoint(loss, x, use_reentrant=False).backward()
    close(x.grad, gradient(loss.composed, loss.leaf()))


def test_threads(loss):
    exact, found = gradient(loss.composed, loss.leaf()), []
    threads = [threading.Thread(target=lambda: found.append(gradient(loss, loss.leaf()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for fast in found:
        close(fast, exact)


def test_several_gradients_at_once(loss):
    x = loss.leaf()
    value = loss(x)
    (many,) = torch.autograd.grad(value, x, torch.tensor([1.0, 3.0]), is_grads_batched=True)
    exact = gradient(loss.composed, loss.leaf())
    close(many, torch.stack([exact, 3.0 * exact]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(loss, dtype):
    """Computed in float32: the only error is that of the inputs and of the result."""
    half = [t.to(dtype) if t.is_floating_point() else t for t in loss.inputs]
    x = half[0].requires_grad_()
    value = loss.case(*half)
    assert value.dtype == dtype
    value.backward()
    wide = x.detach().float().requires_grad_()
    with enabled(False):
        exact = loss.case(wide, *(t.float() if t.dtype == dtype else t for t in half[1:]))
    exact.backward()
    torch.testing.assert_close(value.float(), exact, rtol=2 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).tiny)
    assert x.grad.dtype == dtype
    torch.testing.assert_close(
        x.grad.float(), wide.grad.to(dtype).float(), rtol=0.02, atol=0.02 * float(wide.grad.abs().max())
    )


def test_autocast(loss):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss.case(*(t.bfloat16() if t.is_floating_point() else t for t in loss.inputs))
    assert value.dtype == torch.float32


def test_hessian(loss):
    if loss.inputs[0].numel() > 100:
        pytest.skip("as many gradients as elements, and no other way through the seam than above")
    x = loss.inputs[0]
    assert_or_both_refuse(
        lambda: torch.autograd.functional.hessian(loss, x), lambda: torch.autograd.functional.hessian(loss.composed, x)
    )


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=str)
def test_compiled_and_exported(one):
    torch._dynamo.reset()
    x = one.leaf()
    torch.compile(one, fullgraph=True, backend="aot_eager")(x).backward()
    close(x.grad, gradient(one.composed, one.leaf()))

    class Model(torch.nn.Module):
        def forward(self, x):
            return one(x)

    exported = torch.export.export(Model(), (one.inputs[0],)).module()
    close(exported(one.inputs[0]), one.composed(one.inputs[0]))


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=str)
def test_gradgradcheck(one):
    """In float64, where the composition is taken."""
    x = one.inputs[0].double().requires_grad_()
    others = [t.double() if t.is_floating_point() else t for t in one.inputs[1:]]
    assert torch.autograd.gradgradcheck(lambda x: one.case(x, *others), x)


def test_off_and_on():
    one = LOSSES[0]
    with enabled(False):
        assert "Fused" not in type(one(one.leaf()).grad_fn).__name__
    assert "Fused" in type(one(one.leaf()).grad_fn).__name__
