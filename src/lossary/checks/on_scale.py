"""Checks of scale: how memory grows with the batch, and whether the parts of a batch on several ranks add up."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import torch

from .examination import NotApplicable, Subject, Violation, check
from .memory import Largest
from .scenarios import batch_of
from .subject import Inputs, LossRaised

_SAMPLES = (32, 64, 128)
_SECONDS = 20.0
"""For all ranks to answer."""


@check(
    "memory",
    tries=("once",),
    settings=False,
    echoes=("runs",),
    cause="An intermediate of all pairs of samples: of (n, n), or of (n, n, d) by broadcasting.",
)
def memory_grows_with_the_samples(subject: Subject, x: Inputs) -> Violation | None:
    """Twice the samples take about twice the memory, and not four times."""
    batch_of(subject, x)
    largest = []
    for samples in _SAMPLES:
        resized = subject.sampler.resize(x, samples)
        assert resized is not None
        with Largest() as seen:
            subject.gradients(resized.to(subject.dtype))
        largest.append(seen.numbers)
    if largest[-1] > 3.0 * largest[-2] and largest[-2] > 2.5 * largest[-3]:
        words = f"the largest intermediate has {largest} numbers for {list(_SAMPLES)} samples"
        return Violation(largest[-1], "growth in proportion to the samples", words)
    return None


@check(
    "distributed",
    tries=("draws",),
    draws=2,
    settings=False,
    heavy=True,
    least=30.0,  # processes take a while to start on a busy machine
    echoes=("runs",),
    cause="Each rank divides by its own count, or what is gathered from the others carries no gradient.",
)
def ranks_add_up_to_the_batch(subject: Subject, x: Inputs) -> Violation | None:
    """Value and gradient, averaged over ranks as data parallelism does, are those of the whole batch."""
    ranks = subject.ranks or 2
    n = batch_of(subject, x)
    if not torch.distributed.is_available():
        raise NotApplicable("torch was built without distributed")
    size = max(2, -(-n // ranks))
    resized = subject.sampler.resize(x, ranks * size)
    assert resized is not None
    whole = resized.to(subject.dtype)
    value, gradients = subject(whole), subject.gradients(whole)
    parts = _on_ranks(subject, whole, ranks, size)
    mean = torch.stack([part["value"] for part in parts]).mean(0)
    if mean.shape == value.shape and not subject.same(mean, value.detach(), rtol=1e-5, atol=1e-6):
        words = f"over {ranks} ranks the mean is {float(mean.sum()):.6g}, of the whole batch {float(value.sum()):.6g}"
        return Violation(mean, "the loss of the whole batch", words, whole)
    for k, (position, wanted) in enumerate(zip(subject.differentiable, gradients, strict=True)):
        axis = subject.sampler.axes[position]
        own = [part["gradients"][k] for part in parts]
        if wanted is None or axis is None or any(g is None for g in own):
            continue
        joined = torch.cat(own, axis) / ranks
        if not subject.same(joined, wanted, rtol=1e-4, atol=1e-6):
            words = f"over {ranks} ranks the gradient in argument {position} is not that of the whole batch"
            return Violation(joined, "the gradient of the whole batch", words, whole)
    return None


def _on_ranks(subject: Subject, x: Inputs, ranks: int, size: int) -> list[dict[str, Any]]:
    """What each rank makes of its own part, in processes of their own with a real process group."""
    context: Any = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        pipes = [context.Pipe(duplex=False) for _ in range(ranks)]
        workers = [
            context.Process(
                target=_work, args=(subject, x, rank, ranks, size, Path(folder), pipes[rank][1]), daemon=True
            )
            for rank in range(ranks)
        ]
        for worker in workers:
            worker.start()
        try:
            answers = [receive.recv() if receive.poll(_SECONDS) else None for receive, _ in pipes]
        except EOFError:
            answers = [None]
        finally:
            for worker in workers:
                worker.join(1.0)
                worker.kill()
    if any(answer is None for answer in answers):
        raise NotApplicable("a rank gave no answer")
    parts: list[dict[str, Any]] = [answer for answer in answers if answer is not None]
    for part in parts:
        if "raised" in part:
            raise NotApplicable(f"on a rank it raises {part['raised']}")
    return parts


def _work(subject: Subject, x: Inputs, rank: int, ranks: int, size: int, folder: Path, sending: Any) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    own = subject.sampler.select(x, range(rank * size, (rank + 1) * size))
    try:
        answer = {"value": subject(own).detach(), "gradients": subject.gradients(own)}
    except LossRaised as error:
        answer = {"raised": error.words}
    sending.send(answer)
    torch.distributed.destroy_process_group()
