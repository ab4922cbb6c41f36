"""Laws: what holds for every loss of the catalogue, whatever its card says.

What would hold for anybody's loss is asked by the checks ``on_...``; these are what our contract adds: denominators,
bounds, masks under which even NaN does no harm, modules, documentation.

Each raises ``AssertionError`` (or whatever the loss raises) where it is broken, and returns in words why it does not
apply where it does not.
"""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.testing import assert_close

from lossary.core import ClassIndex, LossInputError, Optional, Real, Within

from .cases import Case

Law = Callable[[Case], str | None]
LAWS: dict[str, Law] = {}


def law(check: Law) -> Law:
    LAWS[check.__name__] = check
    return check


@law
def reductions_agree(case: Case) -> None:
    """ "sum" is the sum of "none", whose shape is the one on the card; "mean" is their mean, over any denominator."""
    x = case.inputs()
    values = case(*x, reduction="none")
    assert values.shape == case.values_shape, (
        f"values have shape {tuple(values.shape)}, the card says {case.values_shape}"
    )
    assert_close(case(*x, reduction="sum"), values.sum())
    assert_close(case(*x, denominator=7.0), values.sum() / 7.0)
    if not _weighs_classes(case):
        assert_close(case(*x), values.mean())


@law
def weight_repeats(case: Case) -> str | None:
    """An integer weight is the same as repeating the sample, and only the proportions of weights matter to the mean."""
    x = case.inputs()
    ones = torch.ones(case.values_shape, dtype=torch.float64)
    assert_close(case(*x, sample_weight=ones), case(*x), msg="weights of 1 change the mean")
    assert_close(case(*x, sample_weight=3 * ones), case(*x), msg="equal weights change the mean")
    assert_close(case(*x, sample_weight=3 * ones, reduction="none"), 3 * case(*x, reduction="none"))
    if not case.independent or not _one_value_per_sample(case):
        return "repeating a sample changes the others where samples interact"
    times = torch.arange(case.samples) % 3
    repeated = _each(case, x, lambda t: t.repeat_interleave(times, dim=0))
    assert_close(case(*x, sample_weight=times), case(*repeated))
    return None


@law
def mask_drops(case: Case) -> str | None:
    """A masked sample might as well not be there, in value and in gradient, even if it is NaN."""
    if not case.mask_is_by_sample:
        return "its mask does not run over samples"
    x = case.inputs()
    mask = torch.ones(case.mask_shape, dtype=torch.bool)
    mask[1] = False
    broken = _each(case, x, torch.clone)
    for t, axis in zip(broken, case.axes, strict=True):
        if axis is not None and t.is_floating_point():
            t.select(axis, 1).fill_(torch.nan)
    leaves = [broken[i].requires_grad_() for i in case.differentiable]
    result = case(*broken, mask=mask)
    assert_close(result, case(*_each(case, x, lambda t: torch.cat([t[:1], t[2:]]))))
    for gradient in torch.autograd.grad(result, leaves):
        assert gradient.isfinite().all(), "a masked NaN reached the gradient"
    return None


@law
def ignored_targets_drop(case: Case) -> str | None:
    """A sample whose target is ``ignore_index`` might as well not be there, even if its scores are NaN."""
    at = case.definition.target
    if "ignore_index" not in case.hyperparameters or not isinstance(case.domains[at], ClassIndex):
        return "it has no ignore_index"
    for ignored in (-100, 255):
        x = case.inputs()
        broken = [t.clone() for t in x]
        broken[0].select(case.axes[0] or 0, 1).fill_(torch.nan)
        broken[at].select(case.axes[at] or 0, 1).fill_(ignored)
        leaf = broken[0].requires_grad_()
        result = _with(case, "ignore_index", ignored)(*broken)
        assert_close(result, case(*_each(case, x, lambda t: torch.cat([t[:1], t[2:]]))))
        assert torch.autograd.grad(result, leaf)[0].isfinite().all(), "an ignored NaN reached the gradient"
        everything = torch.full_like(broken[at], ignored)
        none_left = _with(case, "ignore_index", ignored)(x[0], *x[1:at], everything, *x[at + 1 :])
        assert none_left == 0, f"with every target ignored the mean is {none_left.item()}, not 0"
    return None


@law
def nothing_is_zero(case: Case) -> None:
    """Over an empty batch, and with everything masked, the mean is 0 and its gradient is 0."""
    mask = torch.zeros(case.mask_shape, dtype=torch.bool)
    empty = _each(case, case.inputs(), lambda t: t[:0])
    for what, x, how in (("masked", case.inputs(), {"mask": mask}), ("empty", empty, {})):
        leaves = [x[i].requires_grad_() for i in case.differentiable]
        result = case(*x, **how)
        assert result == 0, f"the mean over an {what} batch is {result.item()}, not 0"
        for gradient in torch.autograd.grad(result, leaves, allow_unused=True):
            assert gradient is None or (gradient == 0).all(), f"the gradient of an {what} batch is not 0"


@law
def parts_add_up(case: Case) -> str | None:
    """With the whole batch's denominator the losses of its parts add up to the loss of the batch."""
    if not case.independent:
        return "samples interact"
    x = case.inputs()
    halves = [_each(case, x, lambda t: t[:2]), _each(case, x, lambda t: t[2:])]
    assert_close(sum(case(*half, denominator=11.0) for half in halves), case(*x, denominator=11.0))
    return None


@law
def gradient_is_right(case: Case) -> str | None:
    """The gradient of each value in each input is the one that finite differences find."""
    if case.definition.card.stops_gradient:
        return "by its definition its gradient is not the slope of its value"
    x = case.inputs()
    assert case.differentiable, "no input is differentiable"
    for i in case.differentiable:

        def of_input(t: Tensor, i: int = i) -> Tensor:
            return case(*x[:i], t, *x[i + 1 :], reduction="none")

        assert torch.autograd.gradcheck(of_input, x[i].clone().requires_grad_())
    return None


@law
def gradient_at_the_optimum_is_sane(case: Case) -> str | None:
    """At a perfect prediction, kink or not, the slope in any direction lies between the two one-sided slopes."""
    best = case.perfect(case.inputs())
    if best is None or 0 not in case.differentiable:
        return "its domains don't say what a perfect prediction is"
    if case.definition.card.stops_gradient:
        return "by its definition its gradient is not the slope of its value"
    if not isinstance(case.domains[0], Real):
        return "its domain ends at the perfect prediction"
    first = best[0].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(case(first, *best[1:]), first)
    assert gradient.isfinite().all(), "the gradient at a perfect prediction is not finite"
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        direction = torch.randn(best[0].shape, generator=generator, dtype=torch.float64)
        h = 1e-6
        here = case(*best)
        ahead = (case(best[0] + h * direction, *best[1:]) - here) / h
        behind = (here - case(best[0] - h * direction, *best[1:])) / h
        low, high = sorted((float(ahead), float(behind)))
        slope = float((gradient * direction).sum())
        slack = 1e-4 * (1 + abs(low) + abs(high))
        assert low - slack <= slope <= high + slack, f"slope {slope:.6g} outside [{low:.6g}, {high:.6g}] at the optimum"
    return None


@law
def constant_inputs_get_no_gradient(case: Case) -> str | None:
    """Nothing flows into an input that the card calls constant."""
    constant = [i for i, d in enumerate(case.domains) if d.constant and d.floating]
    if not constant:
        return "it has no constant input"
    x = case.inputs()
    leaves = [x[i].requires_grad_() for i in (*constant, case.differentiable[0])]
    gradients = torch.autograd.grad(case(*x), leaves, allow_unused=True)[: len(constant)]
    assert all(g is None or not g.any() for g in gradients), (
        "a gradient flows into an input that the card calls constant"
    )
    return None


@law
def module_is_function(case: Case) -> str | None:
    """The module, its pickle and its copy compute the function."""
    x, module = case.inputs(), case.definition.module
    assert module is not None, "it has no module"
    if "__init__" in module.__dict__:
        return "the module owns parameters, and has tests of its own"
    original = module(**case.setting)
    for form in (original, pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert torch.equal(form(*x), case(*x))
    return None


@law
def compiles_whole(case: Case) -> None:
    """``torch.compile`` captures it in one graph and changes nothing, in value and gradient."""
    x = case.inputs()
    torch._dynamo.reset()
    compiled = torch.compile(case.definition.function, fullgraph=True, backend="eager")
    weight = torch.rand(case.values_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.ones(case.mask_shape, dtype=torch.bool)
    leaves = [x[i].requires_grad_() for i in case.differentiable]
    plain = case(*x, sample_weight=weight, mask=mask)
    whole = compiled(*x, **case.setting, sample_weight=weight, mask=mask)
    assert_close(whole, plain)
    for a, b in zip(torch.autograd.grad(whole, leaves), torch.autograd.grad(plain, leaves), strict=True):
        assert_close(a, b)


@law
def maps_over_samples(case: Case) -> str | None:
    """``vmap`` over samples is the loop over samples: values of one sample do not look at the others."""
    if not case.independent:
        return "samples interact"
    x, axes = case.inputs(), case.axes

    def one(*row: Tensor) -> Tensor:
        return case(*(t if axis is None else t.unsqueeze(axis) for t, axis in zip(row, axes, strict=True)))

    rows = [
        [t if axis is None else t.select(axis, i) for t, axis in zip(x, axes, strict=True)] for i in range(case.samples)
    ]
    loop = torch.stack([one(*row) for row in rows])
    assert_close(vmap(one, tuple(axes))(*x), loop)
    if _one_value_per_sample(case) and not _weighs_classes(case):
        assert_close(loop, case(*x, reduction="none").reshape(case.samples, -1).mean(1))
    return None


@law
def shapes_must_fit(case: Case) -> str | None:
    """Inputs whose shapes do not fit are refused, never broadcast."""
    x = case.inputs()
    if sum(axis is not None for axis in case.axes) < 2:
        return "it has one batched input"
    tried = [_each(case, x, lambda t: t[:1])]
    tried.append([t.unsqueeze(-1) for t in x])
    for broken in ([x[0], *tried[0][1:]], [x[0], *tried[1][1:]]):
        try:
            case(*broken)
        except LossInputError as error:
            assert case.definition.name in str(error)
        else:
            raise AssertionError(f"takes shapes {[tuple(t.shape) for t in broken]}, which do not fit")
    return None


@law
def bounds_are_kept(case: Case) -> str | None:
    """A hyperparameter out of its bounds is refused, by a sentence that names it."""
    tried = 0
    for name, constraint in case.definition.constraints.items():
        inner = constraint.inner if isinstance(constraint, Optional) else constraint
        if not isinstance(inner, Within):
            continue
        for bad in (inner.low - 1, inner.high + 1, "1"):
            if bad in (float("inf"), float("-inf")):
                continue
            tried += 1
            try:
                case.definition.function(*case.inputs(), **{**case.setting, name: bad})
            except LossInputError as error:
                assert f"`{name}`" in str(error)
            else:
                raise AssertionError(f"takes {name}={bad!r}, outside {inner}")
    return None if tried else "it has no bounded hyperparameter"


@law
def hyperparameters_matter(case: Case) -> str | None:
    """Every number that can be set changes some value somewhere."""
    candidates = {n: v for n, v in case.hyperparameters.items() if type(v) in (int, float) and n != "ignore_index"}
    if not candidates:
        return "it has no numeric hyperparameter"
    for name, value in candidates.items():
        tried = [type(value)(v) for v in (value * 1.5 + 0.2, value * 0.5, value + 1, value - 1)]
        others = [v for v in tried if _allowed(case, name, v)]
        draws = [case.inputs(seed, wide=seed % 2 == 1) for seed in range(6)]
        draws += [x for _, x in case.edges(dtype=torch.float64)][:40]
        changed = any(
            not torch.equal(case(*x, reduction="none"), _with(case, name, v)(*x, reduction="none"))
            for v in others
            for x in draws
        )
        assert changed, f"`{name}` changes nothing"
    return None


@law
def second_derivative_exists(case: Case) -> None:
    """A gradient can be differentiated again, as gradient penalties and meta-learning do."""
    x = case.inputs()
    leaves = [x[i].requires_grad_() for i in case.differentiable]
    gradients = torch.autograd.grad(case(*x), leaves, create_graph=True)
    total = sum(g.square().sum() for g in gradients)
    assert isinstance(total, Tensor)
    if total.requires_grad:
        second = torch.autograd.grad(total, leaves, allow_unused=True)
        assert all(s is None or s.isfinite().all() for s in second), "a second derivative is not finite"


@law
def autocast_is_float32(case: Case) -> None:
    """Under autocast it computes and returns float32, as torch's own losses do."""
    x = case.inputs(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = case(*x)
        halves = case(*(t.bfloat16() if t.is_floating_point() else t for t in x))
    assert inside.dtype == halves.dtype == torch.float32
    assert torch.equal(inside, case(*x))


@law
def reads_no_values(case: Case) -> None:
    """It runs on the meta device: nothing in it waits for a value, so no GPU is made to synchronise."""
    setting = {name: v.to("meta") if isinstance(v, Tensor) else v for name, v in case.setting.items()}
    result = Case(case.definition, setting, case.option)(*(t.to("meta") for t in case.inputs()))
    assert result.device.type == "meta"


@law
def is_documented(case: Case) -> None:
    """Its docstring opens with a sentence, names every argument, and shows an example."""
    document = inspect.getdoc(case.definition.function) or ""
    assert "." in document.split("\n\n")[0], "the docstring does not open with a sentence"
    for name in (*case.definition.inputs, *case.definition.hyperparameters):
        assert f"{name}:" in document, f"the docstring does not say what `{name}` is"
    assert ">>>" in document, "the docstring has no example"


def _each(case: Case, x: list[Tensor], change: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """The inputs after a change along their samples."""
    return [
        t if axis is None else change(t.movedim(axis, 0)).movedim(0, axis) for t, axis in zip(x, case.axes, strict=True)
    ]


def _one_value_per_sample(case: Case) -> bool:
    return bool(case.values_shape) and case.values_shape[0] == case.samples


def _weighs_classes(case: Case) -> bool:
    """Whether values count by the weight of their class, so that the mean is not their plain mean."""
    return case.hyperparameters.get("class_weight") is not None


def _allowed(case: Case, name: str, value: Any) -> bool:
    constraint = case.definition.constraints.get(name)
    return constraint is None or constraint.allows(value)


def _with(case: Case, name: str, value: Any) -> Case:
    return Case(case.definition, {**case.setting, name: value}, case.option)
