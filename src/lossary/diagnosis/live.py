"""Findings while the run goes on: a line for each cause as soon as it is sure."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from .causes import CAUSES, Evidence
from .record import Record
from .result import Suspicion
from .run import ranked
from .seen import Seen

Sink = Callable[[str], None]

_SURE = 0.9
_FIRST, _FACTOR = 4, 4
"""Batches after which it looks for the first time, and how many times as many until the next."""


class Live:
    """Asks the rules that can be told live at batches 4, 16, 64, 256, ...; few enough to cost nothing.

    Args:
        sink: Takes each line; by default it is printed to standard error.

    >>> import torch
    >>> from lossary.diagnosis import Run
    >>> model = torch.nn.Linear(3, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> run, live = Run(probes=False), Live(print)
    >>> run.on_start(model, torch.nn.functional.mse_loss, optimizer)
    >>> for step in range(8):
    ...     x = torch.randn(16, 3)
    ...     loss = torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
    ...     run.on_batch((x, x.sum(1, keepdim=True)), model(x), loss)
    ...     loss.backward()
    ...     live(run.record)
    lossary: the optimizer never steps (missing_step, 98% sure at batch 4): 4 losses went backward, and no optimizer \
took a step. Change: optimizer.step()  # after loss.backward()
    >>> run.on_end()
    """

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = _print if sink is None else sink
        self._next = _FIRST
        self._told: set[str] = set()

    def due(self, batches: int) -> bool:
        """Whether it is time to look after that many batches."""
        return batches >= self._next

    def __call__(self, record: Record) -> None:
        """Look, if it is time, and tell what has become sure; ask between two batches, when losses are settled.

        Args:
            record: What was seen so far.
        """
        batches = len(record.moments)
        if not self.due(batches):
            return
        while self._next <= batches:
            self._next *= _FACTOR
        for suspicion in self._sure(record):
            self._told.add(suspicion.cause)
            self._sink(line(suspicion, batches))

    def _sure(self, record: Record) -> list[Suspicion]:
        """What is sure, was not told, and is no consequence of what was."""
        seen = Seen(record, probes=False)
        found: dict[str, Evidence] = {}
        with torch.random.fork_rng(devices=[]):
            for cause in CAUSES.values():
                evidence = cause.rule(seen) if cause.live else None
                if evidence is not None and evidence.sure >= _SURE:
                    found[cause.name] = evidence
        explained = {name for told in self._told for name in CAUSES[told].explains}
        return [s for s in ranked(found) if s.cause not in self._told | explained]


def line(suspicion: Suspicion, batches: int) -> str:
    """A finding as one line.

    Args:
        suspicion: What was found.
        batches: After how many batches.
    """
    remedy = "; ".join(filter(None, map(str.strip, suspicion.remedy.splitlines())))
    return (
        f"lossary: {suspicion.title} ({suspicion.cause}, {suspicion.sure:.0%} sure at batch {batches}): "
        f"{suspicion.words} Change: {remedy}"
    )


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
