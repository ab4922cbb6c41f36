"""What every loss of the catalogue costs, and how its curvature varies: ``python -m benchmarks costs [--out FILE]``.

Time is the processor time of one forward and backward pass on one thread, the best of several, in turn with the squared
error of as many elements. Memory is the most that such a pass holds at once beyond its inputs, counted at the
allocator by the library that the benchmark of speed is preloaded with: this takes Linux and a C compiler. Curvature is
the least and the greatest eigenvalue of the Hessian of the values in the first input, over usual and wide draws in
double precision. All losses are at their defaults.
"""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import track
from torch import Tensor

import lossary
from lossary import kernels
from lossary.catalogue import find
from lossary.checks.cases import SAMPLES, Case, cases
from lossary.core import Embedding, Score, shape_of

from .speed.measuring import PeakMemory, tracker

FILE = Path(lossary.__file__).with_name("costs.json")
ROOT = Path(__file__).parents[1]

LARGE: Mapping[str, tuple[int, ...]] = {
    "c": (10,), "*d": (64, 64), "d": (128,), "k": (10,), "m": (64,), "l": (32,), "t": (64,), "h": (64,), "w": (64,),
    "s": (10,), "b": (4,), "g": (8,), "e": (128,),
}  # fmt: skip
"""Sizes of what one sample holds, to time with."""
BY_LOSS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "ms_ssim_loss": {"c": (3,), "t": (4096,)}, "ms_ssim_l1_loss": {"c": (3,), "t": (4096,)},
    "ssim_loss": {"c": (3,)}, "psnr_loss": {"c": (3,)}, "total_variation_loss": {"c": (3,)},
    "content_loss": {"c": (64,)}, "gram_style_loss": {"c": (64,)}, "lpips_loss": {"c": (64,)},
    "log_stft_magnitude_loss": {"t": (16384,)}, "spectral_convergence_loss": {"t": (16384,)},
    "multi_resolution_stft_loss": {"t": (16384,)}, "si_sdr_loss": {"t": (16384,)}, "snr_loss": {"t": (16384,)},
    "mmd_loss": {"k": (64,)}, "sinkhorn_divergence_loss": {"k": (64,)}, "linear_cross_entropy_loss": {"c": (1000,)},
    "linear_knowledge_distillation_loss": {"c": (1000,)},
}  # fmt: skip
"""Where these would not be what the loss is used on: colours, features, a second of sound, two clouds, a vocabulary."""
ELEMENTS = 2**18
"""Of the first input, about, in timings."""
BATCH = 512
"""Samples of a loss that compares all with all."""
CURVED = 2**10
"""Elements of the first input, about, where curvature is looked for, unless samples interact."""
ROUNDS, SAMPLE = 5, 0.008
"""Of timings: how many, and seconds of processor time of each at the least."""
DRAWS = 3
"""Usual draws to look for curvature, and as many wide ones."""
ROUNDING = 1e-9
"""An eigenvalue below this, or below this share of its Hessian's largest, is 0."""


class Curvature(NamedTuple):
    """The extreme eigenvalues of the Hessians that were met; NaN where none was finite."""

    least: float
    most: float


def measure(out: Path = FILE) -> dict[str, Any]:
    """Measure all losses and write ``out``, with a progress bar.

    Raises:
        RuntimeError: if memory can't be counted here.
    """
    torch.set_num_threads(1)
    definitions = find()
    times, curvatures = {}, {}
    for d in track(definitions, "time and curvature", transient=True):
        case = next(cases(d))
        times[d.name] = timed(case)
        curvatures[d.name] = curvature(case)
    memory = _memory_of_all()
    found = {
        d.name: {
            "nanoseconds": _digits(times[d.name][0]),
            "time": _digits(times[d.name][1]),
            "memory": _digits(memory[d.name]),
            "least_curvature": _digits(curvatures[d.name].least),
            "most_curvature": _digits(curvatures[d.name].most),
        }
        for d in definitions
    }
    about = {
        "date": date.today().isoformat(),
        "torch": torch.__version__,
        "processor": _processor(),
        "kernels": kernels.status().active,
    }
    out.write_text(json.dumps({"about": about, "losses": found}, indent=1, sort_keys=True) + "\n")
    slow = sorted(found, key=lambda name: times[name][1], reverse=True)[:3]
    worst = ", ".join(f"{name} {found[name]['time']:g}" for name in slow)
    return {"summary": f"{len(found)} losses, written to {out}; slowest, in times of the MSE: {worst}", **found}


def sizes(
    case: Case, inner: Mapping[str, tuple[int, ...]], elements: int, batch: int | None = None
) -> dict[str, tuple[int, ...]]:
    """Sizes such that the first input has about as many elements, unless ``batch`` says how many samples there are.

    Classes are of whole samples, unless the loss is for segmentation or has none.
    """
    first, found = case.domains[0].pattern(), {**case.sizes, **inner}
    if case.definition.card.tasks[0] != "segmentation" and {"c", "k"} & set(first):
        found["*d"] = ()
    one = math.prod(shape_of([name for name in first if name not in SAMPLES], found))
    samples = batch or max(1, round(elements / one))
    return {**found, "n": (samples,), "*n": (samples,)}


def drawn(case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs to time with, and those of them that get a gradient: all that may vary but the target."""
    inner = {**LARGE, **BY_LOSS.get(case.definition.name, {})}
    compared = not case.independent and isinstance(case.domains[0], (Embedding, Score))  # each sample with all others
    of, generator = sizes(case, inner, ELEMENTS, BATCH if compared else None), torch.Generator().manual_seed(0)
    inputs = [Case.cast(domain.sample(of, generator), torch.float32) for domain in case.domains]
    names = case.definition.inputs
    leaves = [inputs[i].requires_grad_() for i in case.differentiable if names[i] != "target"]
    return inputs, leaves


def step_of(function: Callable[..., Tensor], inputs: list[Tensor], leaves: list[Tensor]) -> Callable[[], None]:
    """One forward and one backward pass."""

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        function(*inputs).backward()  # type: ignore[no-untyped-call]

    return step


def timed(case: Case) -> tuple[float, float]:
    """Nanoseconds per element of the first input, and how many times as long as the squared error of as many."""
    inputs, leaves = drawn(case)
    numbers = inputs[0].numel()
    prediction, target = torch.randn(2, numbers, generator=torch.Generator().manual_seed(0))
    prediction.requires_grad_()
    steps = [step_of(case, inputs, leaves), step_of(lossary.mse_loss, [prediction, target], [prediction])]
    own, squared = best(steps)
    return 1e9 * own / numbers, own / squared


def best(steps: list[Callable[[], None]]) -> list[float]:
    """The shortest processor time of each step, in seconds, all taking turns."""
    repeats = []
    for step in steps:
        step()  # compiles, and fills caches
        repeats.append(max(1, math.ceil(SAMPLE / max(_seconds(step, 1), 1e-6))))
    found = [math.inf] * len(steps)
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for i, step in enumerate(steps):
                found[i] = min(found[i], _seconds(step, repeats[i]))
    finally:
        gc.enable()
    return found


def _seconds(step: Callable[[], None], repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - started) / repeats


def curvature(case: Case) -> Curvature:
    """The extreme eigenvalues of the Hessians in the first input: of each sample's values, or of all that interact.

    What is not finite, as at the edge of a domain, is left out. Where the source of a loss holds part of it constant,
    it is the symmetric part of the Jacobian of its gradient.
    """
    of = sizes(case, {}, CURVED, None if case.independent else case.sizes["n"][0])
    least, most = math.inf, -math.inf
    for seed in range(2 * DRAWS):
        generator = torch.Generator().manual_seed(seed)
        x = [Case.cast(d.sample(of, generator, wide=seed % 2 == 1), torch.float64) for d in case.domains]
        for hessian in _hessians(case, x):
            eigenvalues = torch.linalg.eigvalsh(hessian)
            rounding = ROUNDING * eigenvalues.abs().amax(-1, keepdim=True).clamp(min=1.0)
            eigenvalues = torch.where(eigenvalues.abs() <= rounding, 0.0, eigenvalues)
            least, most = min(least, float(eigenvalues.min())), max(most, float(eigenvalues.max()))
    return Curvature(least, most) if least <= most else Curvature(math.nan, math.nan)


def _hessians(case: Case, x: list[Tensor]) -> Iterator[Tensor]:
    """Batches of symmetric matrices, finite ones only: a matrix for each sample, or a single one if they interact."""
    first = x[0].requires_grad_()
    axis = case.axes[0] if case.independent else None
    (gradient,) = torch.autograd.grad(case(*x, reduction="none").sum(), first, create_graph=True)
    by_sample = _rows(gradient, axis)
    if not gradient.requires_grad:
        yield by_sample.new_zeros(1, 1, 1)
        return
    rows = []
    for column in by_sample.unbind(1):
        (row,) = torch.autograd.grad(column.sum(), first, retain_graph=True, materialize_grads=True)
        rows.append(_rows(row, axis))
    hessians = torch.stack(rows, 1)
    hessians = (hessians + hessians.mT) / 2
    finite = hessians[hessians.isfinite().all(-1).all(-1)]
    if len(finite):
        yield finite


def _rows(t: Tensor, axis: int | None) -> Tensor:
    """``(samples, elements of one)``; one row where no axis runs over samples that are independent."""
    return t.reshape(1, -1) if axis is None else t.movedim(axis, 0).reshape(t.shape[axis], -1)


def _memory_of_all() -> dict[str, float]:
    """Peak bytes per byte of the first input of all losses, from a process of its own that counts what it allocates."""
    with tempfile.TemporaryDirectory() as folder:
        library, file = tracker(Path(folder)), Path(folder) / "memory.json"
        if library is None or platform.system() != "Linux":
            raise RuntimeError(
                "costs: memory must be counted on Linux with a C compiler, got neither or one of the two."
            )
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.costs", str(file)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        return dict(json.loads(file.read_text()))


def memory(case: Case, counter: PeakMemory) -> float:
    """The most that a pass holds beyond its inputs, per byte of the first one."""
    inputs, leaves = drawn(case)
    step = step_of(case, inputs, leaves)

    def cleared() -> None:
        for leaf in leaves:
            leaf.grad = None
        kernels.release()  # memory for gradients that is kept must count where it is first taken

    step()  # what is kept from a first call on, tables and compiled code, is no cost of a pass
    return counter.of(step, cleared).peak / (inputs[0].numel() * inputs[0].element_size())


def _digits(value: float) -> float | None:
    """Three significant digits; ``None`` for what is no number."""
    return float(f"{value:.3g}") if math.isfinite(value) else None


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]  # fmt: skip
    return names[0] if names else platform.machine()


def main() -> None:
    """Count the memory of all losses and write it to the file that is named: what runs where the tracker is loaded."""
    torch.set_num_threads(1)
    counter = PeakMemory()
    found = {d.name: memory(next(cases(d)), counter) for d in track(find(), "memory", transient=True)}
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
