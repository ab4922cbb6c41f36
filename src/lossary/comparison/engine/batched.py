"""All trials at once, as one stacked model.

The parameters of ``t`` models are the rows of one matrix; ``torch.func.vmap`` runs them through one forward pass, one
backward pass gives every model its own gradient (the sum of the losses of the models has it as its rows), and one Adam
step moves all of them, each at its own learning rate. A trial that stops early leaves the stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lossary.comparison.candidates import Objective
from lossary.comparison.feeding import Read
from lossary.comparison.ledger import TrialRecord
from lossary.comparison.metrics import selection_score
from lossary.comparison.trials import Problem, Trial

from .course import Course
from .sequential import record

_STACK_BYTES = 512 * 2**20
"""Parameters, their gradients and Adam's two moments of one stack stay below this, and so do its features."""
_MOST = 256
"""Trials in one stack: more gain no speed, and a killed run loses what was in the stack."""
_BETAS, _EPS = (0.9, 0.999), 1e-8
"""Adam's, as in ``torch.optim.Adam``."""


class BatchedEngine:
    """Trains stacks of trials. Needs a model that draws no random numbers and keeps no running statistics."""

    name = "batched"

    def run(self, problem: Problem, trials: Sequence[Trial], finished: Callable[[list[TrialRecord]], None]) -> None:
        """Train ``trials``; ``finished`` is called with the records of those that stopped, after each epoch."""
        # One call of vmap computes a loss for all its trials in a stack, so that few losses in a stack are fast; but a
        # stack holds the features of every split in it.
        slim = sum(features.nbytes for features in problem.features) <= _STACK_BYTES
        widths = {trial.candidate: problem.width(trial.candidate) for trial in trials}
        for width in sorted(set(widths.values())):  # models of another size can't be stacked
            size = sum(p.numel() for p in problem.model(0, width).parameters()) * problem.dtype.itemsize
            most = max(1, min(_MOST, _STACK_BYTES // (4 * size)))
            ordered = sorted(
                (t for t in trials if widths[t.candidate] == width),
                key=lambda t: (*_group_key(t), t.split) if slim else (t.split, *_group_key(t)),
            )
            stacks = -(-len(ordered) // most)
            for i in range(stacks):
                part = ordered[i * len(ordered) // stacks : (i + 1) * len(ordered) // stacks]
                _Stack(problem, part, width).train(finished)


def why_not_batched(problem: Problem) -> str | None:
    """What keeps the model out of a stack, in words, or ``None``."""
    model = problem.model(0)
    if any(True for _ in model.buffers()):
        return "the model keeps buffers, as batch normalisation does"
    rows = problem.features[0][: min(4, len(problem.features[0]))]
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        with torch.no_grad():
            model.train()(rows)
        if not torch.equal(before, torch.get_rng_state()):
            return "the model draws random numbers, as dropout does"
    return None


@dataclass
class _Group:
    """Trials with one loss and one setting, which stand together in the stack."""

    objective: Objective
    read: Read
    start: int
    stop: int
    weights: dict[str, Tensor]
    """Hyperparameters that are computed from the training part, one row per trial."""


class _Stack:
    """Some trials in training."""

    def __init__(self, problem: Problem, trials: Sequence[Trial], width: int) -> None:
        self.problem = problem
        self.trials = sorted(trials, key=_group_key)
        self.courses = [Course(problem.plan.patience) for _ in self.trials]
        used = sorted({trial.split for trial in trials})
        self.position = {split: i for i, split in enumerate(used)}
        self.batches = [problem.batches(split) for split in used]
        self.features = torch.stack([problem.features[split] for split in used])
        self.targets = torch.stack([problem.targets[split] for split in used])
        self.base = problem.model(used[0], width).to("meta")
        models = [problem.model(split, width) for split in used]
        initial = torch.stack([nn.utils.parameters_to_vector(m.parameters()).detach() for m in models])
        self.parameters = initial[self._places()].clone()
        self.kept = self.parameters.clone()
        self.first, self.second = torch.zeros_like(self.parameters), torch.zeros_like(self.parameters)
        self.updates = 0
        self.place = self._places()
        self.score = selection_score(problem.metric, problem.task)
        self._regroup()

    def train(self, finished: Callable[[list[TrialRecord]], None]) -> None:
        spent = [0.0] * len(self.trials)
        for epoch in range(self.problem.plan.epochs):
            started = time.perf_counter()
            rows = torch.stack([batches() for batches in self.batches])  # (splits, steps, batch)
            for step in range(self.problem.steps):
                self._update(rows[:, step])
            improved = [c.add(score) for c, score in zip(self.courses, self._validate(), strict=True)]
            better = torch.tensor(improved)[:, None]
            self.kept = torch.where(better, self.parameters, self.kept)
            share = (time.perf_counter() - started) / len(self.trials)
            spent = [s + share for s in spent]
            last = epoch + 1 == self.problem.plan.epochs
            stopping = [i for i, course in enumerate(self.courses) if last or course.stopped]
            if stopping:
                finished(list(self._records(stopping, spent)))
                going = [i for i in range(len(self.trials)) if i not in set(stopping)]
                if not going:
                    return
                spent = [spent[i] for i in going]
                self._keep(going)

    def _update(self, rows: Tensor) -> None:
        """One Adam step of every trial, on the rows ``(splits, batch)`` of its split."""
        at = torch.arange(len(rows))[:, None]
        features, target = self.features[at, rows][self.place], self.targets[at, rows][self.place]
        leaf = self.parameters.detach().requires_grad_()
        raw = self._forward(leaf, features)
        total = torch.stack([self._loss(group, raw, target) for group in self.groups]).sum()
        (gradient,) = torch.autograd.grad(total, leaf)
        self.updates += 1
        self.first.lerp_(gradient, 1 - _BETAS[0])
        self.second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        step = self.learning_rates / (1 - _BETAS[0] ** self.updates)
        spread = self.second.sqrt().div_((1 - _BETAS[1] ** self.updates) ** 0.5).add_(_EPS)
        self.parameters.sub_(spread.reciprocal_().mul_(self.first).mul_(step))

    def _loss(self, group: _Group, raw: Tensor, target: Tensor) -> Tensor:
        part = slice(group.start, group.stop)
        losses = vmap(group.objective)(raw[part], target[part], self.centre[part], self.scale[part], group.weights)
        assert isinstance(losses, Tensor)
        return losses.sum()

    def _forward(self, parameters: Tensor, features: Tensor) -> Tensor:
        """Raw outputs of every trial's model on its own features, ``(t, rows)`` or ``(t, rows, outputs)``."""

        def one(values: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.base, values, (x,))  # type: ignore[no-any-return]

        shapes = {name: p.shape for name, p in self.base.named_parameters()}
        parts = torch.split(parameters, [shape.numel() for shape in shapes.values()], dim=1)
        stacked = {
            name: part.reshape(len(parameters), *shape)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }
        return self.problem.raw(vmap(one)(stacked, features))

    @torch.no_grad()
    def _validate(self) -> list[float]:
        """The score of every trial on the validation part of its split."""
        parts = [torch.as_tensor(self.problem.splits[trial.split].validation) for trial in self.trials]
        raw, rows, valid = self._predict(self.parameters, parts)
        target = self.targets[self.place[:, None], rows]
        if self.problem.task == "regression":
            target = target * self.scale[:, None] + self.centre[:, None]
        return [float(score) for score in self.score(target, self._read(raw), valid)]

    def _read(self, raw: Tensor) -> Tensor:
        """What is scored, of every trial."""
        parts = [slice(group.start, group.stop) for group in self.groups]
        return torch.cat([
            group.read(raw[part], self.centre[part, None], self.scale[part, None])
            for group, part in zip(self.groups, parts, strict=True)
        ])  # fmt: skip

    def _predict(self, parameters: Tensor, parts: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs on each trial's own rows, padded to one length; the rows, and which of them are real."""
        longest = max(len(part) for part in parts)
        rows = torch.stack([torch.cat([part, part[:1].expand(longest - len(part))]) for part in parts])
        valid = torch.arange(longest) < torch.tensor([len(part) for part in parts])[:, None]
        return self._forward(parameters, self.features[self.place[:, None], rows]), rows, valid

    @torch.no_grad()
    def _records(self, stopping: list[int], spent: list[float]) -> Iterator[TrialRecord]:
        """Predictions of the kept weights on the test part, and the record, of each trial that stops."""
        whole = self.place
        self.place = whole[stopping]
        parts = [torch.as_tensor(self.problem.splits[self.trials[i].split].test) for i in stopping]
        raw, _, _ = self._predict(self.kept[stopping], parts)
        self.place = whole
        for row, i in enumerate(stopping):
            trial = self.trials[i]
            outputs = self.problem.scores(raw[row, : len(parts[row])], trial)
            yield record(self.problem, trial, self.courses[i], outputs.numpy(), spent[i])

    def _keep(self, going: list[int]) -> None:
        """Drop the trials that stopped."""
        self.trials = [self.trials[i] for i in going]
        self.courses = [self.courses[i] for i in going]
        for name in ("parameters", "kept", "first", "second"):
            setattr(self, name, getattr(self, name)[going])
        self._regroup()

    def _regroup(self) -> None:
        """Recompute what depends on which trials are in the stack."""
        problem, splits = self.problem, [trial.split for trial in self.trials]
        self.place = self._places()
        self.centre, self.scale = problem.centre[splits], problem.scale[splits]
        rates = [trial.learning_rate for trial in self.trials]
        self.learning_rates = torch.tensor(rates, dtype=problem.dtype)[:, None]
        self.groups: list[_Group] = []
        start = 0
        while start < len(self.trials):
            trial, stop = self.trials[start], start
            while stop < len(self.trials) and _group_key(self.trials[stop]) == _group_key(trial):
                stop += 1
            weights = [problem.weights(t) for t in self.trials[start:stop]]
            stacked = {name: torch.stack([w[name] for w in weights]) for name in weights[0]}
            objective = trial.candidate.objective(problem.task, trial.setting)
            read = trial.candidate.feed_for(problem.task).read
            self.groups.append(_Group(objective, read, start, stop, stacked))
            start = stop

    def _places(self) -> Tensor:
        """Where the split of each trial stands among the splits of the stack."""
        return torch.tensor([self.position[trial.split] for trial in self.trials])


def _group_key(trial: Trial) -> tuple[str, str]:
    return trial.candidate.label, str(sorted(trial.setting.items()))
