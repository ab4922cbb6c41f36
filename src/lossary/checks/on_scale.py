"""Checks of scale: how memory grows with the batch, and whether the parts of a batch on several ranks add up."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from .examination import NotApplicable, Subject, Violation, check
from .memory import Largest
from .scenarios import batch_of, ignored
from .subject import Inputs, LossRaised

_SAMPLES = (32, 64, 128)
_SECONDS = 20.0
"""For all ranks to find each other."""
_WAIT = 2.0
"""For an answer about a few numbers; a rank that takes longer waits for one that never comes."""
_NO_ANSWER = {"raised": "it waits for another one for ever"}
_WHOLE = "the loss of the whole batch"


@check(
    "memory",
    tries=("once",),
    settings=False,
    echoes=("runs",),
    cause="An intermediate of all pairs of samples: of (n, n), or of (n, n, d) by broadcasting.",
)
def memory_grows_with_the_samples(subject: Subject, x: Inputs) -> Violation | None:
    """Twice the samples take about twice the memory, and not four times, in any operation."""
    batch_of(subject, x)
    seen = []
    for samples in _SAMPLES:
        resized = subject.sampler.resize(x, samples)
        assert resized is not None
        with Largest() as modes:
            subject.gradients(resized.to(subject.dtype))
        seen.append(modes)
    largest = [modes.numbers for modes in seen]
    if len({len(modes.made) for modes in seen}) == 1:  # the same operations, one by one: a small one counts, too
        steps = [sizes for sizes in zip(*(modes.made for modes in seen), strict=True) if _steep(sizes)]
        largest = list(max(steps, default=largest, key=lambda sizes: sizes[-1]))
    if _steep(largest):
        words = f"an intermediate has {largest} numbers for {list(_SAMPLES)} samples"
        return Violation(largest[-1], "growth in proportion to the samples", words)
    return None


def _steep(sizes: Sequence[int]) -> bool:
    """Whether sizes grow faster than in proportion, and not only by a number of entries that happen to be chosen."""
    return sizes[-1] > 3.0 * sizes[-2] and sizes[-2] > 2.5 * sizes[-3] and sizes[-1] > 0.2 * _SAMPLES[-1] ** 2


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
    size = max(3, -(-n // ranks))
    resized = subject.sampler.resize(x, ranks * size)
    assert resized is not None
    whole = resized.to(subject.dtype)
    for case in [whole, *_uneven(subject, whole)]:
        found = _apart(subject, case, ranks, size)
        if found is not None:
            return found
    return None


def _apart(subject: Subject, whole: Inputs, ranks: int, size: int) -> Violation | None:
    value, gradients = subject(whole), subject.gradients(whole)
    parts = _on_ranks(subject, whole, ranks, size)
    for rank, part in enumerate(parts):
        if "raised" in part:
            subject(_part(subject, whole, rank, size))  # what it can't take alone says nothing of ranks
            return Violation(part["raised"], _WHOLE, f"on rank {rank} of {ranks} {part['raised']}", whole)
    mean = torch.stack([part["value"] for part in parts]).mean(0)
    if mean.shape == value.shape and not subject.same(mean, value.detach(), rtol=1e-5, atol=1e-6):
        words = f"over {ranks} ranks the mean is {float(mean.sum()):.6g}, of the whole batch {float(value.sum()):.6g}"
        return Violation(mean, _WHOLE, words, whole)
    for k, (position, wanted) in enumerate(zip(subject.differentiable, gradients, strict=True)):
        axis = subject.sampler.axes[position]
        own = [part["gradients"][k] for part in parts]
        if wanted is None:
            continue
        like = wanted if axis is None else _part(subject, whole, 0, size).tensors[position]
        own = [torch.zeros_like(like) if g is None else g for g in own]
        joined = torch.stack(own).mean(0) if axis is None else torch.cat(own, axis) / ranks
        if not subject.same(joined, wanted, rtol=1e-4, atol=1e-6):
            words = f"over {ranks} ranks the gradient in argument {position} is not that of the whole batch"
            return Violation(joined, "the gradient of the whole batch", words, whole)
    return None


def _uneven(subject: Subject, whole: Inputs) -> Iterator[Inputs]:
    """Batches of which some samples don't count, all of them on the first rank."""
    with contextlib.suppress(NotApplicable):
        if "ignore_index" in subject.contract:
            yield ignored(subject, whole, [0, 1])
    at = subject.contract.position("mask")
    axis = subject.sampler.axes[at] if isinstance(at, int) else None
    if isinstance(at, int) and axis is not None:
        mask = torch.ones_like(whole.tensors[at])
        mask.narrow(axis, 0, 2).zero_()
        yield whole.replace(at, mask)


def _part(subject: Subject, x: Inputs, rank: int, size: int) -> Inputs:
    return subject.sampler.select(x, range(rank * size, (rank + 1) * size))


def _on_ranks(subject: Subject, x: Inputs, ranks: int, size: int) -> list[dict[str, Any]]:
    """What each rank makes of its own part, in processes of their own with a real process group."""
    context: Any = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
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
            if not all(receive.poll(_SECONDS) and receive.recv() == "ready" for receive, _ in pipes):
                raise NotApplicable("the ranks don't find each other")
            return [pickle.loads(receive.recv_bytes()) if receive.poll(_WAIT) else _NO_ANSWER for receive, _ in pipes]
        except EOFError:
            raise NotApplicable("a rank died") from None
        finally:
            for worker in workers:
                worker.kill()
                worker.join()


def _work(subject: Subject, x: Inputs, rank: int, ranks: int, size: int, folder: Path, sending: Any) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    own = _part(subject, x, rank, size)
    torch.distributed.barrier()  # until then some rank may not have begun
    sending.send("ready")
    try:
        answer = {"value": subject(own).detach(), "gradients": subject.gradients(own)}
    except LossRaised as error:
        answer = {"raised": f"it raises {error.words}"}
    sending.send_bytes(pickle.dumps(answer))  # itself, and not as a handle on what this process holds
    time.sleep(_WAIT)  # a rank that left would make the others raise; it is killed once all have answered
