"""The collection that diagnosis is measured on: faulty training programs with repaired twins, and healthy look-alikes.

A program is one file of ``programs/``, on which the rules were made, or of a folder in it: ``held_out/``, ``fresh/``
and ``unseen/`` were each written before the rules were put to them once, and rules were mended by them since. Its
docstring's first line says what is wrong::

    cause: lr_too_high; accepts: loss_oscillating.      names that are equally right
    cause: target_shape_broadcast; raises: RuntimeError.      the program dies of its fault
    healthy: warm-up with a small batch

The file runs as it is, which is its faulty version. In the repaired twin a line that ends in ``# repaired: CODE`` is
CODE at the same indentation, nothing where CODE is empty, and a line ``# repaired only: CODE`` is CODE. Neither
version shows these comments or the docstring when it runs; line numbers stay. Each file stands by itself, as a script
does, so files that differ in one fault only repeat each other.

``python -m tests.diagnose.collection [--held-out | --fresh | --unseen] [--only NAME] [--verify]`` lists the programs;
``--verify`` runs both versions of each and prints their losses and the last line that each printed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import random
import re
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent / "programs"
HELD_OUT = FOLDER / "held_out"
FRESH = FOLDER / "fresh"
UNSEEN = FOLDER / "unseen"
sys.path.append(str(FOLDER))  # the programs say `from nobody import Nobody`

from nobody import Nobody  # noqa: E402

_REPLACED = re.compile(r"^(\s*)(.*?)\s*#\s*repaired:\s*(.*?)\s*$")
_ADDED = re.compile(r"^(\s*)#\s*repaired only:\s*(.*?)\s*$")
_FIELDS = ("cause", "accepts", "raises")


@dataclass(frozen=True)
class Program:
    """One program of the collection.

    Attributes:
        path: Its file.
        causes: What is wrong with it: the right name, then names that are equally right. None for a healthy program.
        healthy: For a healthy program, what it could be mistaken for.
        raises: The exception that its fault ends in, where it does.
    """

    path: Path
    causes: tuple[str, ...] = ()
    healthy: str | None = None
    raises: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    def source(self, *, repaired: bool = False) -> str:
        """The text of one of its versions, without what gives the fault away."""
        return version(self.path.read_text(encoding="utf-8"), repaired=repaired)


@dataclass
class Outcome:
    """What running a version came to.

    Attributes:
        printed: What it printed.
        seconds: What it took of a processor, its imports included.
        error: The exception that ended it.
        trace: Where that was raised.
    """

    printed: str
    seconds: float
    error: Exception | None = None
    trace: str = ""


@dataclass
class Losses(Nobody):
    """An observer that notes the loss of every batch."""

    values: list[float] = field(default_factory=list)

    def on_batch(self, batch: Any, output: Any, loss: Any) -> None:
        """A loss was computed."""
        self.values.append(float(loss))

    def ends(self) -> str:
        """The mean over the first and the last tenth of the batches."""
        tenth = max(1, len(self.values) // 10)
        return f"{np.mean(self.values[:tenth]):.4g} -> {np.mean(self.values[-tenth:]):.4g}" if self.values else "none"


def version(text: str, *, repaired: bool) -> str:
    """The faulty or the repaired version of a program's text, without its docstring; line numbers stay.

    Args:
        text: The file's text.
        repaired: Which version.

    >>> print(version("step(0.1)  # repaired: step(0.01)", repaired=True))
    step(0.01)
    """
    lines = text.splitlines()
    first = ast.parse(text).body[:1]
    if ast.get_docstring(ast.parse(text)) is not None:
        for number in range(first[0].lineno - 1, first[0].end_lineno or 0):
            lines[number] = ""
    return "\n".join(_line(line, repaired=repaired) for line in lines)


def _line(line: str, *, repaired: bool) -> str:
    if added := _ADDED.match(line):
        indentation, code = added.groups()
        return f"{indentation}{code}" if repaired else ""
    if replaced := _REPLACED.match(line):
        indentation, fault, code = replaced.groups()
        kept = code if repaired else fault
        return f"{indentation}{kept}" if kept else ""
    return line


def read(path: Path) -> Program:
    """A program, from its file.

    Args:
        path: The file.

    Raises:
        ValueError: if the docstring's first line is not of the form above.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = docstring.partition("\n")[0].strip().removesuffix(".")
    if line.startswith("healthy:"):
        return Program(path, healthy=line.removeprefix("healthy:").strip())
    told: dict[str, str] = {}
    for part in line.split(";"):
        key, colon, value = part.strip().partition(":")
        if key not in _FIELDS or not colon or not value.strip() or key in told:
            raise ValueError(f"{path.name}: the docstring must begin `cause: NAME` or `healthy: WHAT`, got {line!r}.")
        told[key] = value.strip()
    if "cause" not in told:
        raise ValueError(f"{path.name}: the docstring must name a cause, got {line!r}.")
    accepted = [name.strip() for name in told.get("accepts", "").split(",") if name.strip()]
    return Program(path, causes=(told["cause"], *accepted), raises=told.get("raises"))


def programs(folder: Path = FOLDER, *, only: str | None = None) -> list[Program]:
    """The programs of one part of the collection, by name.

    Args:
        folder: ``HELD_OUT``, ``FRESH`` or ``UNSEEN``, rather than the part that the rules were made on.
        only: Text that the name must contain.
    """
    paths = sorted(folder.glob("*.py"))
    return [read(path) for path in paths if path.stem != "nobody" and (only is None or only in path.stem)]


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Options that choose the part, as ``folder``.

    Args:
        parser: Of a command about the collection.
    """
    parser.set_defaults(folder=FOLDER)
    for name, folder in (("--held-out", HELD_OUT), ("--fresh", FRESH), ("--unseen", UNSEEN)):
        parser.add_argument(name, dest="folder", action="store_const", const=folder, help=f"the part in {folder.name}/")


def run(program: Program, observer: Any, *, repaired: bool = False) -> Outcome:
    """Run one version of a program in this process under an observer.

    Args:
        program: Which.
        observer: What its ``train`` is called with.
        repaired: The repaired twin.
    """
    module = ModuleType(program.name)
    module.__file__ = str(program.path)
    printed = io.StringIO()
    started = time.process_time()
    outcome = Outcome("", 0.0)
    with _world(), contextlib.redirect_stdout(printed):
        try:
            exec(compile(program.source(repaired=repaired), str(program.path), "exec"), module.__dict__)
            module.train(observer)
        except Exception as error:
            outcome.error, outcome.trace = error, traceback.format_exc()
    outcome.printed, outcome.seconds = printed.getvalue(), time.process_time() - started
    return outcome


@contextlib.contextmanager
def _world() -> Iterator[None]:
    """What a program may set for its process, put back after it; its warnings are not ours."""
    threads, dtype, grad = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    drawn, drawn_by_numpy, drawn_by_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.autograd.set_detect_anomaly(False)
        random.setstate(drawn)
        np.random.set_state(drawn_by_numpy)
        torch.set_rng_state(drawn_by_torch)


def verify(program: Program) -> list[str]:
    """Run every version and say in lines what came of it.

    Args:
        program: Which.
    """
    lines = []
    for repaired in (False, True) if program.causes else (False,):
        losses = Losses()
        outcome = run(program, losses, repaired=repaired)
        label = "healthy" if program.healthy else "repaired" if repaired else "faulty"
        last = outcome.printed.strip().rpartition("\n")[2]
        died = f" | {type(outcome.error).__name__}: {str(outcome.error).partition(chr(10))[0]}" if outcome.error else ""
        lines.append(f"  {label:8} {outcome.seconds:5.2f} s  loss {losses.ends()} | {last}{died}")
    return lines


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.diagnose.collection", description=__doc__.partition("\n")[0])
    add_parts(parser)
    parser.add_argument("--only", help="text that the program's name must contain")
    parser.add_argument("--verify", action="store_true", help="run both versions and print their losses")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for program in programs(options.folder, only=options.only):
        ends = f" (raises {program.raises})" if program.raises else ""
        print(f"{program.name}: {', '.join(program.causes) or 'healthy: ' + str(program.healthy)}{ends}", flush=True)
        for line in verify(program) if options.verify else ():
            print(line, flush=True)


if __name__ == "__main__":
    main()
