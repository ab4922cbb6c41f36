"""Check a loss in a process of its own: a hang, a crash or a hunger for memory costs that process alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from lossary.core import LossError

from .run import CheckReport, stopped

Progress = Callable[[int, int, str], None]
_GRACE = 20.0
"""Seconds beyond the limit before the process is killed: imports, and checks that are just under way."""
_MEMORY = 6 * 2**30
"""Bytes that a loss may take beyond what the process has at its start."""


def check_contained(
    examine: Callable[[Progress], CheckReport], *, name: str, seconds: float, on_progress: Progress
) -> CheckReport:
    """Run ``examine`` in a process of its own and return its report; what kills the process is reported as a finding.

    ``seconds`` is the limit that ``examine`` keeps itself where it can; a while after it the process is killed.
    """
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(examine, sending), daemon=True)
    started = time.monotonic()
    process.start()
    sending.close()
    at = "runs"
    while True:
        left = seconds + _GRACE - (time.monotonic() - started)
        message: tuple[str, Any] | None = None
        hung = left <= 0 or not receiving.poll(left)
        if not hung:
            with contextlib.suppress(EOFError):
                message = receiving.recv()
        if message is None:
            process.kill()
            process.join()
            died = f"the process died ({_death(process.exitcode)})"
            words = f"no answer after {seconds + _GRACE:.0f} s" if hung else died
            return stopped(name, at, words, time.monotonic() - started)
        kind, content = message
        if kind == "progress":
            at = content[2]
            on_progress(*content)
        elif kind == "report":
            process.join()
            assert isinstance(content, CheckReport)
            return content
        else:
            process.join()
            raise content


def _work(examine: Callable[[Progress], CheckReport], sending: Connection) -> None:
    _limit_memory()
    try:
        report = examine(lambda done, total, what: sending.send(("progress", (done, total, what))))
    except LossError as error:
        sending.send(("error", error))
    else:
        sending.send(("report", report))


def _limit_memory() -> None:
    """Make allocations beyond the limit fail here, where that is a finding, and not in the whole machine."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as statm:
        have = int(statm.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = have + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _death(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
