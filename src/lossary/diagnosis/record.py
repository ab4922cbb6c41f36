"""What was seen of a training run: a series of moments, samples of gradients and activations, some whole batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from .graph import GraphFacts


@dataclass(slots=True)
class Moment:
    """One loss that was computed, and what happened to it until the next one."""

    number: int
    epoch: int
    loss: float
    size: int
    """Samples in the batch; 0 where it can't be told."""
    training: bool
    """Whether the model was in training mode."""
    requires_grad: bool
    output_requires_grad: bool = True
    lr: float = 0.0
    cleared: bool | None = None
    """Whether gradients were gone when backward began; ``None`` where backward was not seen to begin. Once an optimizer
    has stepped on it: whether those of its own parameters were."""
    dirty: frozenset[int] = frozenset()
    """Optimizers of whose parameters some had a gradient then."""
    backward: bool = False
    zeroed_late: bool = False
    """Whether gradients were zeroed between backward and step."""
    sampled: bool = False
    step: int = -1
    """Number of the optimizer's step that used it."""
    optimizer: int = -1
    """Which optimizer stepped on it; -1 for none."""
    empty_step: bool = False
    """Whether that step found no gradient, or only zeros."""
    gone: bool = False
    """Whether that was because there were none, not even zeros."""
    clipped_to: float | None = None
    """The norm to which ``clip_grad_norm_`` cut the gradient, where it did."""
    norm_before_clipping: float | None = None


@dataclass(frozen=True, slots=True)
class LayerNumbers:
    """Root mean squares of one parameter, of its gradient, and of the step that it took."""

    gradient: float
    weight: float
    update: float
    has_gradient: bool = True


@dataclass(frozen=True, slots=True)
class Activation:
    """What came out of one module at one moment."""

    name: str
    kind: str
    spread: float
    """Root mean square."""
    zeros: float
    """Share of exact zeros."""
    dead: float
    """Share of units that are zero for all samples of the batch."""
    saturated: float
    """Share of values within 1% of the ends of the range, for modules that have one."""
    finite: bool


@dataclass(slots=True)
class Sample:
    """Gradients, updates and activations at one sampled step."""

    number: int
    optimizer: int = 0
    layers: dict[str, LayerNumbers] = field(default_factory=dict)
    activations: list[Activation] = field(default_factory=list)
    gradient_norm: float = 0.0
    largest_gradient: float = 0.0
    share_at_largest: float = 0.0
    """Share of gradient entries whose size is the largest one: near 1/n, unless clipped by value."""
    cosine: float | None = None
    """Of this gradient and the one of the step before."""
    finite: bool = True


@dataclass(slots=True)
class Kept:
    """One whole batch, detached and copied."""

    number: int
    arguments: tuple[Any, ...]
    """What the model was called with."""
    keywords: dict[str, Any]
    batch: Any
    target: Any
    output: Any
    loss: float
    training: bool


@dataclass(slots=True)
class Call:
    """What the outermost call of a part of a compound model got and gave, as a generator's and a discriminator's."""

    name: str
    arguments: tuple[Any, ...]
    inputs: Tensor | None
    output: Tensor | None
    number: int


@dataclass(slots=True)
class Epoch:
    """What the loop said at the end of an epoch."""

    number: int
    at: int
    """The moment before which it ended."""
    train_loss: float | None
    val_loss: float | None


@dataclass
class Record:
    """Everything that rules may look at."""

    model: nn.Module | None = None
    initial: nn.Module | None = None
    """A copy from before the first step, where one could be made."""
    loss_fn: Any = None
    optimizers: list[Any] = field(default_factory=list)
    hyperparameters: list[list[dict[str, Any]]] = field(default_factory=list)
    """Of each optimizer, the groups as they were at the start, without their parameters."""
    example: Any = None
    train_loader: Any = None
    val_loader: Any = None
    scheduler: Any = None
    moments: list[Moment] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    graphs: dict[int, GraphFacts] = field(default_factory=dict)
    """Of the losses of the first moments, by the moment's number."""
    last_operations: dict[int, str] = field(default_factory=dict)
    """What made the output of those moments."""
    steps: int = 0
    """Steps that optimizers took."""
    loop_steps: int = 0
    """Steps that the loop said it took."""
    zeroings: int = 0
    evaluations: int = 0
    """How often some module was set to evaluation mode."""
    dropout: float = 0.0
    """The largest share that dropout took in training."""
    called: set[str] = field(default_factory=set)
    """Names of modules that took part in a forward pass."""
    validation_in_training_mode: int = 0
    error: BaseException | None = None
    """What ended the run, if anything did."""
    seconds: float = 0.0
    watching: float = 0.0
    """Share that watching had of the processor's time in the thread that trained."""
