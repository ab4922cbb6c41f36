"""Finished trials on disk: what is in the ledger is never trained again, and a run that was killed goes on from it.

The file is an SQLite database in write-ahead mode: a process that dies at any moment leaves the transactions that it
committed whole and nothing of the one it was in, and several processes may use the file at once.
"""

from __future__ import annotations

import io
import json
import math
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError

__all__ = ["Ledger", "TrialRecord"]

APPLICATION = 0x4C4F5353  # "LOSS": SQLite's `application_id`, which tells our files from other databases
SCHEMA_VERSION = 1
PATIENCE_SECONDS = 60.0
"""How long to wait for another process that is writing."""
KEYS_PER_QUERY = 500  # below the least limit of variables in a statement, 999

_CREATE = """
CREATE TABLE trials (
    key TEXT PRIMARY KEY,
    trial TEXT NOT NULL,      -- JSON
    validation REAL,          -- NULL for NaN
    epoch INTEGER NOT NULL,
    curve TEXT NOT NULL,      -- JSON; null for NaN, "inf" and "-inf" as strings
    outputs BLOB NOT NULL,    -- a .npy file of float32, compressed by zlib
    seconds REAL NOT NULL,
    diverged INTEGER NOT NULL
)
"""
_COLUMNS = "key, trial, validation, epoch, curve, outputs, seconds, diverged"


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialRecord:
    """One finished trial: what was trained, and what came of it."""

    key: str
    """Hash of everything that decides the outcome."""
    trial: Mapping[str, Any]
    """What was trained, in values that JSON has."""
    validation: float
    """Best selection score, higher is better; ``-inf`` or NaN if there was none."""
    epoch: int
    """Epoch, counted from 1, that gave it and whose weights made the outputs."""
    curve: tuple[float, ...]
    """Selection score after each epoch."""
    outputs: NDArray[np.float32]
    """Raw outputs for the test fold, of any shape."""
    seconds: float
    diverged: bool


class Ledger:
    """The finished trials of one comparison, in a file or, without ``path``, in memory.

    Use it as a context manager, or call :meth:`close`. Raises LossInputError if the file can't be opened for writing,
    isn't a ledger, or was written by a later version of the library.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        try:
            # isolation_level=None: transactions begin and end where this class says.
            self._connection = sqlite3.connect(path or ":memory:", timeout=PATIENCE_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.OperationalError as error:
            raise LossInputError(
                f"Ledger: `path` must be a file that can be opened and written, got {str(path)!r}: {error}."
            ) from error
        except sqlite3.DatabaseError as error:
            raise LossInputError(f"Ledger: `path` must be a ledger of trials, got {str(path)!r}: {error}.") from error

    def get(self, keys: Iterable[str]) -> dict[str, TrialRecord]:
        """The records of those ``keys`` that are finished, in the order of ``keys``."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, TrialRecord] = {}
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            chunk = wanted[start : start + KEYS_PER_QUERY]
            places = ", ".join("?" * len(chunk))
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM trials WHERE key IN ({places})", chunk)
            found.update((row[0], _from_row(row)) for row in rows)
        return {key: found[key] for key in wanted if key in found}

    def add(self, records: Iterable[TrialRecord]) -> None:
        """Write all ``records`` or, if anything fails, none. Of two with the same key the first to be added stays."""
        rows = [_to_row(record) for record in records]
        places = ", ".join("?" * len(_COLUMNS.split(", ")))
        with self._transaction():
            self._connection.executemany(f"INSERT OR IGNORE INTO trials ({_COLUMNS}) VALUES ({places})", rows)

    def records(self) -> Iterator[TrialRecord]:
        """Every record, in the order in which they were added."""
        for row in self._connection.execute(f"SELECT {_COLUMNS} FROM trials ORDER BY rowid"):
            yield _from_row(row)

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM trials").fetchone()[0])

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing. IMMEDIATE takes the write lock at once: waiting for it later could fail midway."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def _prepare(self) -> None:
        """Make the table in a new file; check that any other file is ours."""
        with self._transaction():
            application, version, tables = (
                self._connection.execute(question).fetchone()[0]
                for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            )
            if not (application or version or tables):
                self._connection.execute(_CREATE)
                self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif application != APPLICATION:
                raise LossInputError(
                    f"Ledger: `path` must be a ledger of trials, got {str(self._path)!r}, another program's database."
                )
            elif version > SCHEMA_VERSION:
                raise LossInputError(
                    f"Ledger: `path` must be a ledger of version {SCHEMA_VERSION} at most, got {str(self._path)!r} of "
                    f"version {version}; a later version of lossary wrote it."
                )
        self._write_ahead()
        # In write-ahead mode NORMAL is safe against a killed process; a power cut may cost the last transactions.
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _write_ahead(self) -> None:
        """Switch the file to write-ahead mode, unless it is. SQLite fails here at once where it waits elsewhere."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)


def _to_row(record: TrialRecord) -> tuple[str, str, float, int, str, bytes, float, bool]:
    return (
        record.key,
        json.dumps(record.trial, allow_nan=False),
        float(record.validation),  # a NumPy scalar would be stored as bytes
        int(record.epoch),
        json.dumps([_to_json(value) for value in record.curve], allow_nan=False),
        _pack(record.outputs),
        float(record.seconds),
        bool(record.diverged),
    )


def _from_row(row: Sequence[Any]) -> TrialRecord:
    key, trial, validation, epoch, curve, outputs, seconds, diverged = row
    return TrialRecord(
        key=key,
        trial=json.loads(trial),
        validation=_from_json(validation),
        epoch=epoch,
        curve=tuple(_from_json(value) for value in json.loads(curve)),
        outputs=_unpack(outputs),
        seconds=seconds,
        diverged=bool(diverged),
    )


def _to_json(value: float) -> float | str | None:
    """Strict JSON knows neither NaN nor infinities."""
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(float(value))


def _from_json(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _pack(outputs: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(outputs, dtype=np.float32), allow_pickle=False)
    return zlib.compress(file.getvalue(), level=1)  # higher levels take longer and gain next to nothing on floats


def _unpack(data: bytes) -> NDArray[np.float32]:
    outputs: NDArray[np.float32] = np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False)
    return outputs
