"""One training: what identifies it, and what it is trained on."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import lossary
from lossary.core import LossInputError

from .candidates import Candidate
from .plan import ModelFactory, Plan
from .splits import Split

if TYPE_CHECKING:
    from .data import Dataset
    from .preparation import Prepared

_TRAINING_CODE = ("core", "losses", "comparison")
"""Parts of the package that a trained figure depends on; a change in them makes old trials another experiment's."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One loss with one setting and one learning rate, on one split."""

    candidate: Candidate
    setting: Mapping[str, float]
    learning_rate: float
    split: int
    """Position in :attr:`Problem.splits`."""

    def spec(self, problem: Problem) -> dict[str, Any]:
        """All that the outcome depends on, as plain data."""
        split, plan = problem.splits[self.split], problem.plan
        return {
            **self.candidate.identity(),
            "setting": dict(self.setting),
            "learning_rate": self.learning_rate,
            "split": split.name,
            "rows": problem.rows[self.split],
            "data": problem.fingerprint,
            "task": problem.task,
            "metric": problem.metric,
            "model": problem.model_identity,
            "plan": {
                name: value
                for name, value in plan.to_dict().items()
                # Which other trials there are makes no difference to this one; which splits there are does.
                if name not in ("budget", "learning_rates", "repeats")
            },
            "batches": [problem.batch_size, problem.steps],
            "code": code_version(),
        }

    def key(self, problem: Problem) -> str:
        text = json.dumps(self.spec(problem), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


class Problem:
    """What all trials of a comparison share: the data of every split as tensors, the model, and the plan."""

    def __init__(
        self,
        dataset: Dataset,
        splits: Sequence[Split],
        prepared: Sequence[Prepared],
        plan: Plan,
        metric: str,
        model: ModelFactory | None,
    ) -> None:
        self.task, self.metric, self.plan = dataset.task, metric, plan
        self.fingerprint, self.outputs = dataset.fingerprint, dataset.outputs
        self.splits = tuple(splits)
        self.dtype = torch.float64 if plan.double else torch.float32
        self.features = [torch.as_tensor(p.features, dtype=self.dtype) for p in prepared]
        self.targets = [self._target(p.target) for p in prepared]
        self.centre = torch.tensor([p.centre for p in prepared], dtype=self.dtype)
        self.scale = torch.tensor([p.scale for p in prepared], dtype=self.dtype)
        self.rows = [_digest(split) for split in splits]
        fewest = min(len(split.train) for split in splits)
        self.batch_size = min(plan.batch_size, fewest)
        self.steps = fewest // self.batch_size
        """Batches in an epoch: the same for every trial, so that one epoch is the same number of updates."""
        self._factory: ModelFactory = functools.partial(mlp, hidden=plan.hidden) if model is None else model
        self.model_identity = f"mlp {list(plan.hidden)}" if model is None else _identity_of(model)

    def _target(self, target: np.ndarray[Any, Any]) -> Tensor:
        tensor = torch.as_tensor(target)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    @property
    def inputs(self) -> int:
        return self.features[0].shape[1]

    def seed(self, split: int) -> int:
        """A seed for one split, the same for every loss."""
        s = self.splits[split]
        digest = hashlib.sha256(f"{self.plan.seed} {s.repeat} {s.fold}".encode()).digest()
        return int.from_bytes(digest[:7], "big")

    def width(self, candidate: Candidate) -> int:
        """How many outputs a loss needs of the model."""
        return candidate.feed_for(self.task).width(self.outputs)

    def model(self, split: int, outputs: int | None = None) -> nn.Module:
        """A new model with the initial weights of this split; of the usual number of outputs where none is given.

        Of models that differ in the number of outputs all layers but the last begin alike.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed(split))
            model = self._factory(self.inputs, self.outputs if outputs is None else outputs)
        if not isinstance(model, nn.Module):
            raise LossInputError(f"compare: `model` must return a torch.nn.Module, got {type(model).__name__}.")
        return model.to(self.dtype)

    def raw(self, outputs: Tensor) -> Tensor:
        """Outputs of the model with the last dimension dropped where there is one output."""
        return outputs.squeeze(-1) if outputs.shape[-1] == 1 else outputs

    def batches(self, split: int) -> Callable[[], Tensor]:
        """Row numbers of the batches of the next epoch, ``(steps, batch_size)``, each time it is called."""
        generator = torch.Generator().manual_seed(self.seed(split))
        rows = torch.as_tensor(self.splits[split].train)

        def epoch() -> Tensor:
            order = rows[torch.randperm(len(rows), generator=generator)]
            return order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)

        return epoch

    def weights(self, trial: Trial) -> dict[str, Tensor]:
        """The hyperparameters of a trial that are computed from its training part."""
        train = torch.as_tensor(self.splits[trial.split].train)
        found = trial.candidate.weights(self.targets[trial.split][train], self.outputs)
        return {name: weight.to(self.dtype) for name, weight in found.items()}

    def scores(self, raw: Tensor, trial: Trial) -> Tensor:
        """Predictions in units of the target for regression, logits of the classes or labels otherwise."""
        read = trial.candidate.feed_for(self.task).read
        return read(raw, self.centre[trial.split], self.scale[trial.split])

    def truth(self, target: Tensor, split: int) -> Tensor:
        """The target as it was before it was standardised."""
        return target * self.scale[split] + self.centre[split] if self.task == "regression" else target

    def check_model(self, outputs: int | None = None) -> None:
        """Refuse a model that can't take the features or does not give the outputs, as many as usual unless told.

        Raises:
            LossInputError: with what was given and what is needed.
        """
        outputs = self.outputs if outputs is None else outputs
        rows = self.features[0][: min(4, len(self.features[0]))]
        model = self.model(0, outputs)
        try:
            with torch.no_grad():
                given = model(rows)
        except Exception as error:
            raise LossInputError(
                f"compare: `model` must take a tensor of shape {tuple(rows.shape)}; "
                f"it raised {type(error).__name__}: {error}"
            ) from error
        wanted = (len(rows), outputs)
        if tuple(given.shape) != wanted:
            raise LossInputError(f"compare: `model` must return the shape {wanted}, got {tuple(given.shape)}.")


def _digest(split: Split) -> str:
    """A fingerprint of which rows are in which part."""
    digest = hashlib.sha256()
    for part in (split.train, split.validation, split.test):
        digest.update(np.ascontiguousarray(part, dtype=np.int64).tobytes() + b"|")
    return digest.hexdigest()[:16]


def mlp(inputs: int, outputs: int, hidden: Sequence[int] = (64, 64)) -> nn.Sequential:
    """A multi-layer perceptron with ReLU: the model of a comparison where none is given."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


@functools.cache
def code_version() -> str:
    """A digest of the code that trained figures depend on, with the version of torch."""
    root = Path(lossary.__file__).parent
    digest = hashlib.sha256(torch.__version__.encode())
    for part in _TRAINING_CODE:
        for path in sorted((root / part).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _identity_of(model: ModelFactory) -> str:
    """The name of a model factory and a digest of the file that it is written in."""
    name = f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', repr(model))}"
    try:
        file = inspect.getsourcefile(model)
    except TypeError:
        file = None
    source = Path(file).read_bytes() if file and Path(file).exists() else name.encode()
    return f"{name} {hashlib.sha256(source).hexdigest()[:16]}"
