"""What a loss is tried with: ordinary and wide draws, other batch sizes, exact edges of every argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lossary.core import (
    Binary,
    ClassIndex,
    Domain,
    Either,
    Embedding,
    Length,
    Real,
    Waveform,
    fits,
    perfect_prediction,
    shape_of,
)

from .cases import SIZES
from .subject import Inputs

Drawing = Callable[[torch.Generator], Sequence[Any]]
_BATCH_NAMES = ("n", "*n", "b", "batch", "N", "B", "*batch")
_SPARE_SIZES = (5, 6, 7, 9, 10, 11, 13)
"""For names of dimensions that nobody gave a size: all different, so that none is confused with another."""


class Sampler:
    """Draws all arguments of a loss, from their domains or from an example; float64, or the example's whole numbers.

    ``example`` is a function of a generator, or one tuple. ``domains`` are ``None`` where an argument is not known well
    enough to draw it: it is then taken from the example.
    """

    def __init__(
        self,
        domains: Sequence[Domain | None],
        *,
        example: Drawing | Sequence[Any] | None = None,
        perfect: Drawing | Sequence[Any] | None = None,
        sizes: Mapping[str, tuple[int, ...]] | None = None,
        target: int = 1,
    ) -> None:
        self.domains = [d.options[0] if isinstance(d, Either) else d for d in domains]
        self.example, self._perfect, self.target = example, perfect, target
        self.sizes = {**self._default_sizes(), **(sizes or {})}
        self.whole: dict[int, torch.dtype] = {}
        if example is not None:
            first = self._from_example(0)
            self.sizes.update(self._sizes_of(first))
            self.whole = {
                i: t.dtype for i, t in enumerate(first) if isinstance(t, Tensor) and not t.is_floating_point()
            }
        self.axes = self._axes()

    def _default_sizes(self) -> dict[str, tuple[int, ...]]:
        known = [d for d in self.domains if d is not None]
        names = dict.fromkeys(n for d in known for n in (*d.pattern(), *_counted(d)) if not n.isdigit())
        spare = iter(_SPARE_SIZES)
        return {n: SIZES[n] if n in SIZES else ((4, 3) if n.startswith("*") else (next(spare),)) for n in names}

    def _sizes_of(self, tensors: Sequence[Any]) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for domain, t in zip(self.domains, tensors, strict=True):
            pattern = domain.pattern() if domain is not None else ()
            for name, size in zip(pattern, t.shape if isinstance(t, Tensor) else (), strict=False):
                if not name.startswith("*"):
                    found.setdefault(name, (size,))
        return found

    def _axes(self) -> list[int | None]:
        """Along which dimension each argument runs over the samples; ``None`` where it does not."""
        patterns = [d.pattern() if d is not None else () for d in self.domains]
        name = next((n for n in _BATCH_NAMES for p in patterns if n in p), None)
        if name is None:
            name = patterns[0][0] if patterns and patterns[0] else None
        axes: list[int | None] = [p.index(name) if name in p else None for p in patterns]
        if self.example is not None:  # what has no domain runs over the samples if its first size is their number
            first = self._from_example(0)
            batch = next((first[i].shape[a] for i, a in enumerate(axes) if a is not None), None)
            for i, (domain, t) in enumerate(zip(self.domains, first, strict=True)):
                if domain is None and isinstance(t, Tensor) and t.ndim and t.shape[0] == batch:
                    axes[i] = 0
        return axes

    def is_unbounded(self, i: int) -> bool:
        """Whether argument ``i`` may be any number."""
        domain = self.domains[i]
        return isinstance(domain, Real) and domain.low == -math.inf and domain.high == math.inf

    @property
    def tells_perfect(self) -> bool:
        """Whether it was told what a perfect prediction is."""
        return self._perfect is not None

    def size(self, tensors: Sequence[Any]) -> int | None:
        return next((t.shape[a] for t, a in zip(tensors, self.axes, strict=True) if a is not None), None)

    # ---- draws

    def draw(self, seed: int = 0, *, wide: bool = False, sizes: Mapping[str, tuple[int, ...]] | None = None) -> Inputs:
        """One draw. ``wide`` mixes magnitudes; ``sizes`` overrides sizes of named dimensions (of domains alone)."""
        origin = f"{'wide ' if wide else ''}seed {seed}"
        generator = torch.Generator().manual_seed(seed)
        if self.example is None:
            chosen = {**self.sizes, **(sizes or {})}
            return Inputs(tuple(self._draw(d, i, chosen, generator, wide) for i, d in enumerate(self.domains)), origin)
        tensors = self._from_example(seed)
        if not callable(self.example) and seed:
            fresh = [i for i, d in enumerate(self.domains) if d is not None and self._fits(d, tensors[i])]
        else:
            first = self.domains[0]
            fresh = [0] if wide and isinstance(first, Real) and self._fits(first, tensors[0]) else []
        for i in fresh:
            tensors[i] = self._draw(self.domains[i], i, self.sizes, generator, wide)
        return Inputs(tuple(tensors), origin)

    def like(self, x: Inputs, seed: int, *, wide: bool = False) -> Inputs:
        """A draw in the shapes of ``x``, samples included; of an example, as many samples as ``x`` has."""
        if self.example is None:
            return self.draw(seed, wide=wide, sizes=self.sizes_in(x))
        drawn, samples = self.draw(seed, wide=wide), self.size(x.tensors)
        resized = self.resize(drawn, samples) if samples is not None else None
        return drawn if resized is None else resized

    def sizes_in(self, x: Inputs) -> dict[str, tuple[int, ...]]:
        """What each name of a dimension stands for in ``x``."""
        found: dict[str, tuple[int, ...]] = {}
        for domain, t in zip(self.domains, x.tensors, strict=True):
            if domain is not None and isinstance(t, Tensor):
                fits(domain.pattern(), t.shape, found)
        return found

    def larger(self, seed: int, numbers: int) -> Inputs | None:
        """A draw of one sample with about as many ``numbers``, where its other dimensions can be made longer."""
        first = self.domains[0]
        if first is None or isinstance(first, Embedding) or any(d is None for d in self.domains):
            return None  # vectors are not that long
        batch = first.pattern()[self.axes[0]] if self.axes[0] is not None else None
        names = [n for n in first.pattern() if n not in ("c", batch) and not n.isdigit()]
        counted = {n for d in self.domains if d is not None for n in _counted(d)}
        names = [n for n in names if n not in counted]
        dims = sum(len(self.sizes[n]) for n in names)
        if dims < 2 and not (dims and isinstance(first, Waveform)):
            return None  # images and sounds are large; lists and vectors are not
        side = math.ceil(numbers ** (1 / max(dims, 1)))
        sizes = {n: (side,) * len(self.sizes[n]) for n in names} | ({batch: (1,)} if batch in self.sizes else {})
        generator = torch.Generator().manual_seed(seed)
        chosen = {**self.sizes, **sizes}
        drawn = [self._draw(d, i, chosen, generator, wide=False) for i, d in enumerate(self.domains)]
        return Inputs(tuple(drawn), f"seed {seed}, {side} along {', '.join(names)}")

    @property
    def starred(self) -> list[str]:
        """Names that stand for any number of dimensions beside the samples."""
        patterns = [d.pattern() for d in self.domains if d is not None]
        lead = {p[0] for p in patterns if p}
        return sorted({n for p in patterns for n in p if n.startswith("*")} - lead)

    def _draw(self, domain: Domain | None, i: int, sizes: Mapping[str, Any], generator: Any, wide: bool) -> Any:
        assert domain is not None
        return self._cast(domain.sample(sizes, generator, wide=wide), i)

    def _fits(self, domain: Domain, tensor: Any) -> bool:
        return isinstance(tensor, Tensor) and shape_of(domain.pattern(), self.sizes) == tuple(tensor.shape)

    def _cast(self, t: Tensor, i: int) -> Tensor:
        return t.to(self.whole[i]) if i in self.whole else t

    def _from_example(self, seed: int) -> list[Any]:
        return _tuple(self.example, seed)

    def agrees(self, x: Inputs) -> bool:
        """Whether all arguments that run over the samples have the same number of them."""
        pairs = [(t, a) for t, a in zip(x.tensors, self.axes, strict=True) if a is not None]
        return len({t.shape[a] if t.ndim > a else -1 for t, a in pairs}) == 1

    def resize(self, x: Inputs, samples: int) -> Inputs | None:
        """``x`` with another number of samples, by leaving some out or by drawing more; ``None`` without a batch."""
        have = self.size(x.tensors)
        if have is None:
            return None
        more = 1
        while have < samples:
            x = self.join(x, self.like(x, 1000 + more))
            have = self.size(x.tensors) or samples
            more += 1
        origin = x.origin.split(", resized")[0]
        return self.select(x, range(samples), f"{origin}, resized to {samples} samples")

    def select(self, x: Inputs, rows: Sequence[int], origin: str | None = None) -> Inputs:
        """The samples ``rows`` of ``x``, in that order; one may be there more than once."""
        index = torch.tensor(list(rows), dtype=torch.long)
        return x.with_tensors(
            [t if a is None else t.index_select(a, index) for t, a in zip(x.tensors, self.axes, strict=True)], origin
        )

    def join(self, *parts: Inputs) -> Inputs:
        """Several batches as one."""
        together = zip(*(part.tensors for part in parts), strict=True)
        joined = [t[0] if a is None else torch.cat(t, a) for t, a in zip(together, self.axes, strict=True)]
        return parts[0].with_tensors(joined)

    def perfect(self, seed: int = 0) -> Inputs | None:
        """Inputs with a perfect prediction, as told or as the domains say; ``None`` where neither says what it is."""
        if self._perfect is not None:
            return Inputs(tuple(_tuple(self._perfect, seed)), f"perfect, seed {seed}")
        return self.perfected(self.draw(seed))

    def perfected(self, x: Inputs) -> Inputs | None:
        """``x`` with its target predicted perfectly, where the domains say what that is."""
        if len(self.domains) <= self.target or not self.target:
            return None
        first, target = self.domains[0], self.domains[self.target]
        if first is None or target is None:
            return None
        best = perfect_prediction(first, target, x.tensors[self.target], self.sizes)
        if best is None or best.shape != x.tensors[0].shape:
            return None
        return Inputs((best.to(x.tensors[0].dtype), *x.tensors[1:]), f"perfect, {x.origin}", x.keywords)

    # ---- edges

    def edges(self, limit: int = 200) -> Iterator[Inputs]:
        """The exact edges of each argument, alone and with those of each other one; then what whole batches do."""
        generator = torch.Generator().manual_seed(0)
        ordinary = self.draw(1)
        found = [self._edges_of(i, generator, ordinary.tensors[i]) for i in range(len(self.domains))]
        single = [
            Inputs(ordinary.replace(i, e).tensors, f"edge: argument {i} {word}")
            for i, of in enumerate(found)
            for word, e in of.items()
        ]
        double = [
            Inputs(ordinary.replace(i, e).replace(j, f).tensors, f"edge: argument {i} {word}, argument {j} {other}")
            for i, of in enumerate(found)
            for j in range(i + 1, len(found))
            for word, e in of.items()
            for other, f in found[j].items()
        ]
        yield from [*single, *self._batches(ordinary), *double][:limit]

    def _edges_of(self, i: int, generator: torch.Generator, ordinary: Any) -> dict[str, Any]:
        domain = self.domains[i]
        if domain is None or not isinstance(ordinary, Tensor) or not self._fits(domain, ordinary):
            return {}
        found = {word: self._cast(t, i) for word, t in domain.edges(self.sizes, generator).items()}
        axis = self.axes[i]
        if isinstance(domain, Binary) and ordinary.ndim >= 2:
            absent = ordinary.clone()
            absent.select(1 if axis == 0 else 0, 0).zero_()
            found["first class absent"] = absent
            lone = torch.zeros_like(ordinary)
            lone.view(-1)[0] = 1
            found["a single 1"] = lone
        if isinstance(domain, ClassIndex) and ordinary.numel() > 1:
            lone = torch.zeros_like(ordinary)
            lone.view(-1)[0] = shape_of((domain.of,), self.sizes)[0] - 1
            found["one of another class"] = lone
        return found

    def _batches(self, x: Inputs) -> Iterator[Inputs]:
        """One sample; all samples alike; two alike; the first two arguments equal, and mirror images."""
        n = self.size(x.tensors)
        if n:
            yield self.select(x, [0], "edge: one sample")
            yield self.select(x, [0] * n, "edge: all samples alike")
            if n > 2:
                yield self.select(x, [0, 0, *range(2, n)], "edge: two samples alike")
        if len(x.tensors) > 1 and all(isinstance(t, Tensor) for t in x.tensors[:2]):
            a, b = x.tensors[:2]
            if a.shape == b.shape and a.dtype == b.dtype and type(self.domains[0]) is type(self.domains[1]):
                yield Inputs((a, a.clone(), *x.tensors[2:]), "edge: both equal")
                if isinstance(self.domains[0], Real):
                    yield Inputs((a, -a, *x.tensors[2:]), "edge: mirror images")
        best = self.perfected(x)
        if best is not None:
            yield Inputs(best.tensors, "edge: perfect prediction")


def _counted(domain: Domain) -> tuple[str, ...]:
    """The dimension whose size bounds the numbers of a domain."""
    return (domain.of,) if isinstance(domain, (ClassIndex, Length)) else ()


def _tuple(of: Any, seed: int) -> list[Any]:
    drawn = of(torch.Generator().manual_seed(seed)) if callable(of) else of
    parts = [drawn] if isinstance(drawn, Tensor) else list(drawn)
    return [
        t.detach().clone().to(torch.float64) if isinstance(t, Tensor) and t.is_floating_point() else
        t.clone() if isinstance(t, Tensor) else t
        for t in parts
    ]  # fmt: skip
