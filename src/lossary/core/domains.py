"""What one input of a loss may be. The one place that knows its shape, its values, its edges, and how to draw it.

Shapes are written as in jaxtyping: ``"n c *d"`` is a batch of ``n``, ``c`` classes, then any number of dimensions. The
same name has the same size in every input of a loss; a number is that size. Several shapes that go together are
separated by ``|``: logits ``"n c *d | c"`` with a target ``"n *d | "`` are a batch or one sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Sizes = Mapping[str, tuple[int, ...]]


def fits(pattern: Sequence[str], shape: Sequence[int], sizes: dict[str, tuple[int, ...]]) -> bool:
    """Whether ``shape`` fits ``pattern``, recording in ``sizes`` what each name stands for."""
    starred = any(name.startswith("*") for name in pattern)
    spare = len(shape) - len(pattern)  # how many dimensions more than names; the starred name takes them
    if (spare != 0 and not starred) or spare < -1:
        return False
    start = 0
    for name in pattern:
        stop = start + (1 + spare if name.startswith("*") else 1)
        size = tuple(shape[start:stop])
        start = stop
        if size != ((int(name),) if name.isdigit() else sizes.setdefault(name, size)):
            return False
    return True


def alternatives(shapes: str) -> tuple[tuple[str, ...], ...]:
    """The names in each of the shapes that ``|`` separates."""
    return tuple(tuple(shape.split()) for shape in shapes.split("|"))


def shape_of(pattern: Sequence[str], sizes: Sizes) -> tuple[int, ...]:
    """The concrete shape of ``pattern`` where each name has its size."""
    return tuple(n for name in pattern for n in ((int(name),) if name.isdigit() else sizes[name]))


@dataclass(frozen=True)
class Domain:
    """Base of the domains; ``shape`` is the pattern of this input.

    ``constant`` marks an input that no gradient flows into, by the definition of the loss.
    """

    shape: str
    constant: bool = False
    patterns: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)
    """The names in each alternative of the shape."""

    neutral: ClassVar[float] = 0.0
    """A value at which every loss on this domain is finite and smooth; stands in for masked elements."""
    floating: ClassVar[bool] = True
    """Whether the loss computes with it: such inputs are brought to one floating-point type."""
    filled: ClassVar[bool] = True
    """Whether what is masked is filled with ``neutral``."""
    differentiable: ClassVar[bool] = True
    """Whether it varies continuously, so that a gradient means something."""
    extremes: ClassVar[tuple[float, ...]] = (0.0, 1e4, -1e4)
    """Values at the edge of the domain, where formulas tend to break."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", alternatives(self.shape))

    def pattern(self, alternative: int = 0) -> tuple[str, ...]:
        return self.patterns[min(alternative, len(self.patterns) - 1)]

    def __or__(self, other: Domain) -> Either:
        return Either(self.shape, options=(self, other))

    @property
    def has_gradient(self) -> bool:
        return self.differentiable and not self.constant

    def sample(self, sizes: Sizes, generator: torch.Generator, *, wide: bool = False, alternative: int = 0) -> Tensor:
        """Draw an example in float64; ``wide`` mixes magnitudes from 1e-3 to 1e3, where claims tend to break."""
        return self.draw(shape_of(self.pattern(alternative), sizes), sizes, generator, wide)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return _normal(shape, generator, wide)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        """Examples at the exact edges of the domain, by name."""
        shape = shape_of(self.pattern(), sizes)
        values = torch.tensor(self.extremes, dtype=torch.float64)
        mixed = values[torch.randint(len(values), shape, generator=generator)]
        return {**{f"all {value:g}": torch.full(shape, value, dtype=torch.float64) for value in self.extremes},
                "mixed edges": mixed}  # fmt: skip

    def axis(self, name: str) -> int:
        """Where ``name`` stands in the shape, counted from the end if a starred name comes before it."""
        pattern = self.pattern()
        at = pattern.index(name)
        return at - len(pattern) if any(part.startswith("*") for part in pattern[:at]) else at


@dataclass(frozen=True)
class Either(Domain):
    """One of several domains, told apart by type (integer or floating point) and then by shape."""

    options: tuple[Domain, ...] = ()

    def __or__(self, other: Domain) -> Either:
        return Either(self.shape, options=(*self.options, other))


@dataclass(frozen=True)
class Real(Domain):
    """Any number between ``low`` and ``high``."""

    low: float = -math.inf
    high: float = math.inf

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return _normal(shape, generator, wide).clamp(self.low, self.high)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {name: x.clamp(self.low, self.high) for name, x in super().edges(sizes, generator).items()}


class Logit(Real):
    """A log-odds or a score before the sigmoid or softmax: any number."""


class Score(Real):
    """A score that ranks: any number, larger is better."""


class Embedding(Real):
    """A vector; its last dimension is the feature."""

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        same = self.sample(sizes, generator)[:1].expand(shape_of(self.pattern(), sizes)).clone()
        return {**super().edges(sizes, generator), "identical vectors": same}


class PositiveReal(Domain):
    """A number above 0: a scale, a variance, a rate, a time."""

    neutral = 1.0
    extremes = (1e-6, 1.0, 1e4)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        x = _normal(shape, generator, wide=False)
        return torch.exp(2.0 * x) if wide else torch.exp(0.5 * x)


class NonNegativeReal(PositiveReal):
    """A number of at least 0: an amount, a time since, an absolute value."""

    neutral = 1.0
    extremes = (0.0, 1.0, 1e4)


class Count(Domain):
    """A whole number of at least 0, as a float."""

    neutral = 1.0
    differentiable = False
    extremes = (0.0, 1.0, 1e3)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(100 if wide else 6, shape, generator=generator).to(torch.float64)


class Probability(Domain):
    """A number in [0, 1]."""

    neutral = 0.5
    extremes = (0.0, 0.5, 1.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.sigmoid(_normal(shape, generator, wide)).clamp(1e-12, 1 - 1e-12)


class Simplex(Domain):
    """Probabilities of the classes: at least 0, and summing to 1 over ``c``."""

    neutral = 0.5  # need not sum to 1: what is masked is only kept finite
    extremes = (0.0, 1.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.softmax(_normal(shape, generator, wide), self._class_axis(shape))

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = self.sample(sizes, generator)
        axis = self._class_axis(tuple(drawn.shape))
        uniform = torch.full_like(drawn, 1.0 / drawn.shape[axis])
        certain = torch.zeros_like(drawn).scatter(axis, drawn.argmax(axis, keepdim=True), 1.0)
        return {"uniform": uniform, "certain": certain}

    def _class_axis(self, shape: tuple[int, ...]) -> int:
        """Where the classes are: at ``c``, or where the pattern has none of that name, the second dimension."""
        if len(shape) == 1:
            return 0
        return self.axis("c") if "c" in self.pattern() else 1


class LogSimplex(Simplex):
    """Logarithms of the probabilities of the classes."""

    neutral = -0.7

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.log_softmax(_normal(shape, generator, wide), self._class_axis(shape))

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = self.sample(sizes, generator)
        peaked = torch.log_softmax(1e4 * drawn, self._class_axis(tuple(drawn.shape)))
        return {"uniform": Simplex(self.shape).edges(sizes, generator)["uniform"].log(), "nearly certain": peaked}


class LogProbability(Domain):
    """The logarithm of one probability or density, as of an action or a sequence."""

    neutral = -1.0
    extremes = (0.0, -1.0, -1e3)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return -_normal(shape, generator, wide).abs()


class Binary(Domain):
    """0 or 1."""

    differentiable = False
    extremes = (0.0, 1.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(2, shape, generator=generator).to(torch.float64)


class Sign(Domain):
    """-1 or 1."""

    neutral = 1.0
    differentiable = False
    extremes = (-1.0, 1.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(2, shape, generator=generator).to(torch.float64) * 2 - 1


@dataclass(frozen=True)
class ClassIndex(Domain):
    """The number of a class, an integer of at least 0 and below the size of ``of``."""

    of: str = "c"

    floating: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(shape_of((self.of,), sizes)[0], shape, generator=generator)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        shape = shape_of(self.pattern(), sizes)
        last = shape_of((self.of,), sizes)[0] - 1
        return {"only the first class": torch.zeros(shape, dtype=torch.long),
                "only the last class": torch.full(shape, last)}  # fmt: skip


@dataclass(frozen=True)
class Length(Domain):
    """How many of the first elements along ``of`` count, an integer of at least 1."""

    of: str = "t"

    filled: ClassVar[bool] = False  # where sequences stand one after the other, a masked one still takes its place
    floating: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(1, shape_of((self.of,), sizes)[0] + 1, shape, generator=generator)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        shape = shape_of(self.pattern(), sizes)
        full = shape_of((self.of,), sizes)[0]
        return {"length 1": torch.ones(shape, dtype=torch.long), "full length": torch.full(shape, full)}


class Relevance(Count):
    """A grade of relevance, a whole number of at least 0, as a float; larger is more relevant."""

    neutral = 0.0
    extremes = (0.0, 1.0, 4.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.randint(5, shape, generator=generator).to(torch.float64)


class Box(Domain):
    """Corners (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2 in the last dimension."""

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        corner = _normal((*shape[:-1], 2), generator, wide)
        size = _normal((*shape[:-1], 2), generator, wide).abs() + 0.1
        return torch.cat([corner, corner + size], dim=-1)

    def edges(self, sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        ordinary = self.sample(sizes, generator)
        return {"all one point": torch.zeros_like(ordinary), "no height": ordinary[..., [0, 1, 2, 1]],
                "far away": ordinary + 1e4, "huge": ordinary * 1e4}  # fmt: skip


class Image(Domain):
    """Intensities in [0, 1]."""

    neutral = 0.5
    extremes = (0.0, 0.5, 1.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)


class Waveform(Domain):
    """Samples of a sound in [-1, 1]."""

    extremes = (0.0, 1.0, -1.0)

    def draw(self, shape: tuple[int, ...], sizes: Sizes, generator: torch.Generator, wide: bool) -> Tensor:
        return torch.tanh(0.5 * _normal(shape, generator, wide=False))


def perfect_prediction(of: Domain, target_domain: Domain, target: Tensor, sizes: Sizes) -> Tensor | None:
    """What a perfect model would output for ``target``, or ``None`` where the two domains don't say it."""
    if type(of) is type(target_domain) or (isinstance(of, Probability) and isinstance(target_domain, Binary)):
        return target
    if isinstance(target_domain, Simplex) and isinstance(of, LogSimplex):
        return target.clamp(min=1e-300).log()
    if isinstance(target_domain, Binary) and isinstance(of, Logit):
        return (2 * target - 1) * 100.0
    if isinstance(target_domain, Sign) and isinstance(of, (Real, Score)):
        return target * 100.0
    if isinstance(target_domain, ClassIndex) and isinstance(of, (Logit, LogSimplex, Simplex)):
        classes = target_domain.of
        if classes not in of.pattern():
            return None
        axis = of.axis(classes)
        hot = one_hot(target.long(), shape_of((classes,), sizes)[0]).movedim(-1, axis).to(torch.float64)
        if isinstance(of, LogSimplex):
            return torch.log_softmax(100.0 * hot, axis)
        return hot if isinstance(of, Simplex) else 100.0 * hot
    return None


def _normal(shape: tuple[int, ...], generator: torch.Generator, wide: bool) -> Tensor:
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if wide:
        x = x * 10 ** (6 * torch.rand(shape, generator=generator, dtype=torch.float64) - 3)
    return x
