"""Causes in the mechanics of the loop: what is called, in which order, and what reaches the parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .causes import Evidence, cause
from .measuring import depends_on_mode
from .record import Kept, Record
from .replay import Change
from .seen import Seen

_EVERYTHING = (
    "lr_too_low", "lr_too_high", "early_plateau", "loss_oscillating", "vanishing_gradient", "frozen_parameters",
    "bad_initialization", "labels_shuffled", "inputs_not_normalized", "targets_not_normalized", "overfitting",
    "class_imbalance", "output_range_mismatch", "weight_decay_too_high", "dropout_too_high", "momentum_too_high",
    "exploding_gradient", "batch_too_small", "numerical_instability", "dead_relu", "saturated_activation",
    "gradient_clipped_too_tight", "lr_killed_by_schedule", "loss_scale_wrong", "labels_conflicting",
)  # fmt: skip
"""What can only be told of a loop that works."""


@cause(
    "loop", "backward() is never called",
    remedy="loss.backward()  # before optimizer.step()",
    confirm="every parameter's .grad is None after the step; with the call it is not",
    source="torch.autograd: Tensor.backward",
    explains=(*_EVERYTHING, "parameters_not_in_optimizer", "detached_graph", "missing_step", "gradients_never_zeroed"),
    live=True,
)  # fmt: skip
def missing_backward(seen: Seen) -> Evidence | None:
    """Losses that could be differentiated, steps or turns of the loop, and never a gradient."""
    sampled, record = seen.sampled, seen.record
    if len(sampled) < 3 or not all(m.requires_grad for m in sampled) or any(m.backward for m in sampled):
        return None
    if record.steps == 0 and record.loop_steps == 0:
        return None
    if any(p.grad is not None for o in record.optimizers for g in o.param_groups for p in g["params"]):
        return None
    return Evidence(
        0.98,
        f"{len(seen.moments)} losses were computed and {record.steps} steps taken, and no parameter had a gradient.",
        {"losses": len(seen.moments), "steps": record.steps},
    )


@cause(
    "loop", "the optimizer never steps",
    remedy="optimizer.step()  # after loss.backward()",
    confirm="the parameters are the same bits after an epoch",
    source="torch.optim: taking an optimization step",
    explains=(*_EVERYTHING, "gradients_never_zeroed", "parameters_not_in_optimizer"),
    live=True,
)  # fmt: skip
def missing_step(seen: Seen) -> Evidence | None:
    """Gradients, but no step of any optimizer."""
    record = seen.record
    if record.steps or len(seen.moments) < 3 or not any(m.backward for m in seen.sampled) or _moved(record):
        return None
    return Evidence(
        0.98,
        f"{len(seen.moments)} losses went backward, and no optimizer took a step.",
        {"losses": len(seen.moments), "steps": 0},
    )


def _moved(record: Record) -> bool:
    """Whether parameters have changed, by whatever means: a loop may take its steps by hand."""
    if record.model is None or record.initial is None:
        return False
    pairs = zip(record.model.parameters(), record.initial.parameters(), strict=False)
    return any(not torch.equal(now, before.to(now.device)) for now, before in pairs)


@cause(
    "loop", "gradients are zeroed between backward and step",
    remedy="optimizer.zero_grad()\nloss.backward()\noptimizer.step()  # in this order",
    confirm="in optimizer.step() every .grad is None or zero",
    source="torch.optim: taking an optimization step",
    explains=_EVERYTHING,
    live=True,
)  # fmt: skip
def gradients_zeroed_before_step(seen: Seen) -> Evidence | None:
    """Steps that find no gradient although backward has been."""
    steps = [m for m in seen.sampled if m.optimizer >= 0]
    leaves = set().union(*(g.leaves for g in seen.record.graphs.values())) if seen.record.graphs else set()
    if leaves and not leaves & seen.in_optimizers:
        return None  # its parameters never had a gradient
    late = [m for m in steps if m.empty_step and (m.zeroed_late or (m.backward and m.gone))]
    if len(late) < 3 or len(late) < 0.8 * len(steps):
        return None
    return Evidence(
        0.98,
        f"At {len(late)} of {len(steps)} sampled steps all gradients were gone: zeroed after backward().",
        {"steps": len(steps), "empty": len(late)},
        late[0].number,
    )


@cause(
    "loop", "gradients are never zeroed and pile up",
    remedy="optimizer.zero_grad()  # before each backward(), or after each step()",
    confirm="the norm of the gradient grows from step to step",
    source="torch.optim.Optimizer.zero_grad",
    explains=(*_EVERYTHING, "exploding_gradient", "loss_oscillating"),
    live=True,
)  # fmt: skip
def gradients_never_zeroed(seen: Seen) -> Evidence | None:
    """Backward finds the gradients of the step before."""
    dirty, looked = [], 0
    for before, moment in zip(seen.moments, seen.moments[1:], strict=False):
        if moment.cleared is None or before.optimizer != moment.optimizer or before.step in (-1, moment.step):
            continue
        looked += 1
        dirty += [moment.number] if not moment.cleared else []
    if looked >= 2 and len(dirty) > 0.8 * looked:
        return Evidence(
            0.97,
            f"At {len(dirty)} of {looked} sampled batches backward() began on top of the gradients of earlier steps.",
            {"batches": looked, "piled up": len(dirty)},
            dirty[0],
        )
    return None


@cause(
    "loop", "parameters that the loss depends on are in no optimizer",
    remedy="optimizer = torch.optim.Adam(model.parameters())  # after the last layer is in its place",
    confirm="those parameters are the same bits after an epoch",
    source="torch.optim: constructing an optimizer; torch.nn.ModuleList",
    explains=("frozen_parameters", "lr_too_low", "early_plateau", "bad_initialization", "vanishing_gradient",
              "missing_nonlinearity", "loss_oscillating", "labels_shuffled"),
    live=True,
)  # fmt: skip
def parameters_not_in_optimizer(seen: Seen) -> Evidence | None:
    """Leaves of the loss's graph that no optimizer holds."""
    record, graph = seen.record, seen.graph
    if graph is None or record.model is None or not record.optimizers:
        return None
    if any(not g.whole for g in record.graphs.values()):
        return None
    leaves = set().union(*(g.leaves for g in record.graphs.values()))
    outside = leaves - seen.in_optimizers
    if not outside:
        return None
    sizes = {id(p): (name, p.numel()) for name, p in record.model.named_parameters()}
    named = [sizes[i] for i in outside if i in sizes]
    stray = len(outside) - len(named)  # neither in the model nor in an optimizer: in a plain list, most often
    used = sum(sizes[i][1] for i in leaves if i in sizes)
    share = sum(n for _, n in named) / used if used else 0.0
    idle = sum(p.numel() for o in record.optimizers for g in o.param_groups for p in g["params"] if id(p) not in leaves)
    if not named and not stray:
        return None
    if share < 0.02 and not idle and (not stray or not seen.poor):
        return None
    if not idle and not stray and not seen.poor and share < 0.999:
        return None  # a part is left out, and the loss falls: that may well be meant
    names = ", ".join(sorted(name for name, _ in named)[:3]) + (", ..." if len(named) > 3 else "")
    words = f"{len(outside)} tensors of the loss's graph are in no optimizer"
    words += f" ({names})" if named else f" ({stray} of them not even in model.parameters())"
    if idle:
        words += f", while the optimizer holds {idle} numbers that the loss does not depend on"
    sure = 0.96 if share > 0.5 or idle or (stray and seen.stuck) else 0.85
    return Evidence(sure, words + ".", {"tensors": len(outside), "share": share, "idle": idle})


@cause(
    "loop", "parameters that would have to learn are frozen",
    remedy="for p in model.parameters():\n    p.requires_grad_(True)",
    confirm="unfrozen, the loss falls further in the same steps",
    source="torch: Locally disabling gradient computation",
    explains=("early_plateau", "lr_too_low", "bad_initialization", "loss_oscillating", "labels_shuffled"),
)  # fmt: skip
def frozen_parameters(seen: Seen) -> Evidence | None:
    """Parameters without gradients by request, in a run that does not get far."""
    model = seen.record.model
    if model is None or not list(model.parameters()) or seen.compound:
        return None
    total = sum(p.numel() for p in model.parameters())
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    if frozen / total < 0.05:
        return None
    figures = {"frozen": frozen / total}
    words = f"{frozen / total:.0%} of the parameters have requires_grad=False"
    if frozen == total:
        return Evidence(0.97, words + ": nothing can be trained.", figures)
    if not seen.poor or seen.replay is None:
        return None
    as_it_was = seen.replay()
    freed = _replayed_unfrozen(seen)
    if freed < 0.85 * as_it_was and freed < 0.95 * seen.end:
        words += f"; in a trial with all of them trained the loss reached {freed:.3g} instead of {as_it_was:.3g}"
        return Evidence(0.93, words + ".", {**figures, "frozen loss": as_it_was, "unfrozen loss": freed})
    return None


def _replayed_unfrozen(seen: Seen) -> float:
    assert seen.replay is not None
    return seen.replay("unfrozen", Change(model=_unfreeze, all_parameters=True))


def _unfreeze(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.requires_grad_(True)


@cause(
    "loop", "the graph is cut between the parameters and the loss",
    remedy="# no .detach(), .data, .item(), numpy() or torch.tensor(...) on the way from the model to the loss",
    confirm="loss.grad_fn reaches the layers; their .grad is not None",
    source="torch.autograd mechanics",
    explains=(*_EVERYTHING, "parameters_not_in_optimizer", "missing_backward", "gradients_never_zeroed",
              "gradients_zeroed_before_step", "missing_step"),
    live=True,
)  # fmt: skip
def detached_graph(seen: Seen) -> Evidence | None:
    """Trainable parameters that were used, and that the loss's graph does not reach."""
    found = _cut(seen)
    if found is None or _hard_decision(seen) is not None:
        return None
    return Evidence(0.96, *found)


def _cut(seen: Seen) -> tuple[str, dict[str, float]] | None:
    record = seen.record
    model = record.model
    if model is None or seen.compound or not seen.moments:
        return None
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not trainable:
        return None
    first = [m for m in seen.sampled if m.sampled]
    if first and not any(m.requires_grad for m in first):
        return "The loss has no gradient function, although the model has parameters to train.", {"reached": 0.0}
    graph = seen.graph
    if graph is None:  # a loss that was made to require a gradient, as a leaf
        if first and any(m.backward for m in first):
            return "The loss is a new tensor without a history: backward() ends in it.", {"reached": 0.0}
        return None
    if not graph.whole:
        return None
    leaves = set().union(*(g.leaves for g in record.graphs.values()))
    missed = [name for name, p in trainable if id(p) not in leaves]
    held = [name for name, p in trainable if id(p) not in leaves and id(p) in seen.in_optimizers]
    if not held or (len(missed) < len(trainable) and not _was_called(seen, missed)):
        return None
    reached = 1 - len(missed) / len(trainable)
    names = ", ".join(missed[:3]) + (", ..." if len(missed) > 3 else "")
    return f"Backward does not reach {len(missed)} of {len(trainable)} parameters ({names}).", {"reached": reached}


def _was_called(seen: Seen, names: list[str]) -> bool:
    """Whether the modules of these parameters took part in the forward pass."""
    called = seen.record.called
    return any(name.rpartition(".")[0] in called for name in names)


def _hard_decision(seen: Seen) -> str | None:
    """An operation whose gradient is zero or does not exist, where one is seen."""
    graph = seen.graph
    if graph is not None and graph.flat:
        return graph.flat[0].lower()
    output = seen.output
    if output is None:
        return None
    if not output.is_floating_point():
        return "argmax or a comparison"
    whole = bool((output == output.round()).all()) and output.numel() > 1
    if whole and seen.moments and not seen.moments[0].output_requires_grad:
        return "argmax, round or a comparison"
    if graph is None and seen.record.kept and all(_counts_errors(k) for k in seen.record.kept[:4]):
        return "argmax"
    return None


def _idle(seen: Seen) -> list[str]:
    """Parameters whose gradient was exactly zero whenever it was looked at."""
    samples = seen.samples
    return [
        name
        for name in (samples[0].layers if samples else ())
        if all(s.layers[name].gradient == 0 for s in samples if name in s.layers)
    ]


def _counts_errors(kept: Kept) -> bool:
    """Whether the loss is an error rate, an accuracy, or a distance of predicted classes."""
    output, target = kept.output, kept.target
    if not (isinstance(output, Tensor) and isinstance(target, Tensor)) or output.ndim != 2:
        return False
    guess = output.argmax(1) if output.shape[1] > 1 else (output > 0).long().reshape(-1)
    if guess.numel() != target.numel():
        return False
    away = guess.float() - target.reshape(-1).float()
    wrong = float((away != 0).float().mean())
    rates = (wrong, 1 - wrong, float(away.pow(2).mean()), float(away.abs().mean()))
    return any(abs(abs(kept.loss) - rate) < 1e-5 for rate in rates)


@cause(
    "loop", "an operation without a gradient stands before the loss",
    remedy="# a smooth stand-in: softmax instead of argmax, sigmoid instead of a threshold, no rounding in training",
    confirm="the parameters' gradients are None or all zero",
    source="torch.autograd mechanics: gradients of non-differentiable functions",
    explains=(*_EVERYTHING, "parameters_not_in_optimizer", "missing_backward", "detached_graph", "wrong_loss_for_task",
              "gradients_never_zeroed", "gradients_zeroed_before_step", "missing_step"),
    live=True,
)  # fmt: skip
def non_differentiable_operation(seen: Seen) -> Evidence | None:
    """Rounding, signs, argmax or comparisons between parameters and loss, with gradients missing or zero."""
    culprit = _hard_decision(seen)
    if culprit is None:
        return None
    graph = seen.graph
    if graph is not None and graph.flat:
        if not _idle(seen) and _cut(seen) is None:
            return None  # as in a straight-through estimator, or on a branch beside
    elif _cut(seen) is None:
        return None
    return Evidence(0.96, f"{culprit} is between the parameters and the loss: no gradient passes it.", {})


@cause(
    "loop", "the model is in evaluation mode while it is trained",
    remedy="model.train()  # at the start of each epoch; validation calls model.eval()",
    confirm="model.training is True in every training step",
    source="torch.nn.Module.eval; torch.nn.BatchNorm1d, torch.nn.Dropout",
    explains=("overfitting", "early_plateau", "dropout_too_high", "bad_initialization", "lr_too_high",
              "exploding_gradient"),
    live=True,
)  # fmt: skip
def eval_mode_left_on(seen: Seen) -> Evidence | None:
    """Training steps in evaluation mode of a model whose layers depend on the mode."""
    moments = [m for m in seen.moments if m.requires_grad]
    if not any(map(depends_on_mode, seen.modules)) or len(moments) < 4:
        return None
    frozen = [m for m in seen.modules if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    off = [m for m in moments if not m.training]
    if len(off) < 0.3 * len(moments) or (frozen and len(off) == len(moments)):
        return None
    since = off[0].number
    share = len(off) / len(moments)
    return Evidence(
        0.96,
        f"{share:.0%} of the training batches, from batch {since} on, were in evaluation mode: BatchNorm and Dropout "
        "did nothing of what they do in training.",
        {"share": share},
        since,
    )


@cause(
    "loop", "validation runs in training mode",
    remedy="model.eval()\nwith torch.no_grad(): ...\nmodel.train()",
    confirm="two passes over the same validation data give the same loss",
    source="torch.nn.Module.eval",
)  # fmt: skip
def train_mode_in_validation(seen: Seen) -> Evidence | None:
    """Forward passes without gradients in training mode, of a model whose layers depend on the mode."""
    record = seen.record
    count = record.validation_in_training_mode
    validated = sum(e.val_loss is not None for e in record.epochs)
    if seen.compound or not any(map(depends_on_mode, seen.modules)):
        return None
    if count == 0 and validated >= 2 and record.evaluations == 0 and all(m.training for m in seen.moments):
        return Evidence(0.85, f"{validated} validation losses were computed, and eval() was never called: BatchNorm "
                        "used the statistics of validation batches, Dropout dropped.",
                        {"validations": validated})  # fmt: skip
    if count == 0:
        return None
    return Evidence(
        0.8 if seen.record.epochs else 0.5,
        f"{count} passes without gradients were in training mode: BatchNorm used and changed their statistics, "
        "Dropout dropped.",
        {"passes": count},
    )
