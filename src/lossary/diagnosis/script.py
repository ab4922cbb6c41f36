"""``lossary diagnose train.py``: run an unmodified script and watch it."""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType

from lossary.core import LossInputError

from .discovery import Discovery
from .result import Diagnosis
from .watch import Run

_OWN = str(Path(__file__).parent) + os.sep
_INTERRUPTED = 130
"""Exit code of a process that the user interrupted, as a shell gives it."""


def diagnose_script(
    path: str | Path, arguments: Sequence[str] = (), *, probes: bool = True, seconds: float = 10.0
) -> tuple[Diagnosis, int, BaseException | None]:
    """Run a script as ``python path arguments`` would, and diagnose what it trained.

    Args:
        path: The script.
        arguments: Its own arguments.
        probes: See :class:`Run`.
        seconds: See :class:`Run`.

    Returns:
        The diagnosis, the script's exit code, and the exception that ended it, if one did.

    Raises:
        LossInputError: if there is no such file.
    """
    run = Run(probes=probes, seconds=seconds)
    code, error = watch_script(path, arguments, run)
    return run.diagnose(), code, error


def watch_script(path: str | Path, arguments: Sequence[str], run: Run) -> tuple[int, BaseException | None]:
    """Run a script as ``python path arguments`` would, while ``run`` watches what it trains.

    What Python itself would print at its end, a traceback or the words of ``sys.exit("words")``, is printed. An
    interrupt from the keyboard ends the script only.

    Args:
        path: The script.
        arguments: Its own arguments.
        run: What to tell; it has not been started.

    Returns:
        The script's exit code, and the exception that ended it, if one did.

    Raises:
        LossInputError: if there is no such file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     script = Path(folder, "script.py")
    ...     _ = script.write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    ...     watch_script(script, ["--lr", "0.1"], Run())
    ['--lr', '0.1']
    (3, None)
    """
    file = Path(path)
    if not file.is_file():
        raise LossInputError(f"diagnose: `script` must be a Python file, got {str(path)!r}.")
    discovery = Discovery(run)
    before = sys.argv, sys.path[:], sys.modules["__main__"], sys.excepthook
    sys.argv, sys.path[0:1] = [str(path), *arguments], [str(file.resolve().parent)]
    sys.excepthook = sys.__excepthook__
    error: BaseException | None = None
    code = 0
    discovery.install()
    try:
        _execute(os.path.abspath(file))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if code and not isinstance(stop.code, int):
            print(stop.code, file=sys.stderr)
    except BaseException as raised:  # the script's own
        error, code = raised, _INTERRUPTED if isinstance(raised, KeyboardInterrupt) else 1
        _leave_out_watching(raised, set())
        sys.excepthook(type(raised), raised, raised.__traceback__)  # the script may have put its own there
    finally:
        discovery.remove()
        sys.argv, sys.path[:], sys.modules["__main__"], sys.excepthook = before
        run.ended_by(type(error) if error is not None else None, error, None)
    return code, error


@contextmanager
def stdout_as_stderr() -> Iterator[None]:
    """Send what is written to standard output to standard error, also what other processes and libraries in C write."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _execute(file: str) -> None:
    """Run the file as the main module, with the names in it that Python gives one."""
    main = ModuleType("__main__")
    main.__file__, main.__loader__ = file, SourceFileLoader("__main__", file)
    vars(main).update({"__builtins__": builtins, "__cached__": None})
    sys.modules["__main__"] = main
    with io.open_code(file) as source:
        code = compile(source.read(), file, "exec", dont_inherit=True)
    exec(code, vars(main))


def _leave_out_watching(error: BaseException, done: set[int]) -> None:
    """Take the frames of this package out of the traceback, also of the exceptions before it."""
    done.add(id(error))
    frames: list[TracebackType] = []
    trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_OWN):
            frames.append(trace)
        trace = trace.tb_next
    for frame, following in zip(frames, [*frames[1:], None], strict=False):
        frame.tb_next = following
    error.__traceback__ = frames[0] if frames else None
    grouped = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, error.__context__, *grouped):
        if other is not None and id(other) not in done:
            _leave_out_watching(other, done)
