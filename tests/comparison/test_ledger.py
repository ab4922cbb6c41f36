from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lossary.comparison.ledger import Ledger, TrialRecord
from lossary.core import LossError, LossInputError


def record(key: str, **changes: object) -> TrialRecord:
    fields: dict[str, object] = {
        "key": key,
        "trial": {"loss": "huber", "delta": 1.0, "split": ["repeat 1", 2]},
        "validation": -53.25,
        "epoch": 2,
        "curve": (-60.0, -53.25, -54.0),
        "outputs": np.arange(6, dtype=np.float32).reshape(3, 2) / 7,
        "seconds": 0.125,
        "diverged": False,
    }
    return TrialRecord(**(fields | changes))


def same(one: TrialRecord, other: TrialRecord) -> bool:
    """Equal to the last bit, NaN included."""
    names = ("key", "trial", "epoch", "seconds", "diverged")
    return (
        all(getattr(one, name) == getattr(other, name) for name in names)
        and np.array_equal([one.validation, *one.curve], [other.validation, *other.curve], equal_nan=True)
        and one.outputs.dtype == other.outputs.dtype == np.float32
        and np.array_equal(one.outputs, other.outputs, equal_nan=True)
    )


RECORDS = [
    record("plain"),
    record("diverged", validation=-math.inf, curve=(0.1, math.nan, -math.inf, math.inf), diverged=True),
    record("undefined", validation=math.nan, curve=(), trial={"q": 0.1 + 0.2, "name": "größe", "none": None}),
    record("scalar", outputs=np.float32(math.nan).reshape(())),
    record("empty", outputs=np.zeros((0, 4), np.float32)),
]


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_round_trip(tmp_path, kind):
    with Ledger(tmp_path / "ledger.sqlite" if kind == "file" else None) as ledger:
        ledger.add(RECORDS)
        assert len(ledger) == len(RECORDS)
        assert [found.key for found in ledger.records()] == [made.key for made in RECORDS]
        found = ledger.get(["plain", "unknown", "empty", "plain"])
        assert list(found) == ["plain", "empty"]
        for made, kept in zip(RECORDS, ledger.records(), strict=True):
            assert same(made, kept), made.key


def test_what_was_added_is_there_when_the_file_is_opened_again(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(RECORDS[:2])
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(RECORDS[2:])
        assert all(same(*pair) for pair in zip(RECORDS, ledger.records(), strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite"]  # nothing is left beside it


def test_numbers_from_numpy_come_back_as_numbers():
    with Ledger() as ledger:
        ledger.add([record("a", validation=np.float32(0.5), seconds=np.float64(2.0), epoch=np.int64(3),
                           curve=(np.float32(0.5),), diverged=np.bool_(True))])  # fmt: skip
        (found,) = ledger.records()
    assert (found.validation, found.seconds, found.epoch, found.curve, found.diverged) == (0.5, 2.0, 3, (0.5,), True)


def test_the_first_finished_stays():
    with Ledger() as ledger:
        ledger.add([record("a", seconds=1.0), record("a", seconds=2.0)])
        ledger.add([record("a", seconds=3.0), record("b", seconds=4.0)])
        assert [(found.key, found.seconds) for found in ledger.records()] == [("a", 1.0), ("b", 4.0)]


def test_more_keys_than_a_statement_may_hold():
    keys = [f"key {number}" for number in range(40_000)]  # SQLite's limit is 32766 variables
    with Ledger() as ledger:
        assert ledger.get(keys) == {}
        ledger.add([record(key) for key in keys[::5000]])
        assert list(ledger.get(keys)) == keys[::5000]


def test_a_failed_addition_adds_nothing(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(sqlite3.Error):
            ledger.add([record("good"), record(["no key"])])
        assert len(ledger) == 0
        ledger.add([record("good")])
        assert len(ledger) == 1


# Processes -----------------------------------------------------------------------------------------------------------

PRELUDE = """
import sys, numpy as np
from pathlib import Path
from lossary.comparison.ledger import Ledger, TrialRecord
def record(key, seconds):
    return TrialRecord(key=key, trial={}, validation=0.0, epoch=1, curve=(0.0,), seconds=seconds, diverged=False,
                       outputs=np.random.default_rng(0).normal(size=2000).astype(np.float32))
path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that has imported everything and waits for a line."""
    command: Sequence[str] = [sys.executable, "-W", "error", "-c", PRELUDE + script, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def is_intact(path: Path) -> bool:
    with sqlite3.connect(path) as connection:
        answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return answer == "ok"


def test_two_processes_on_one_new_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite"
    script = """
with Ledger(path) as ledger:
    order = range(100) if sys.argv[2] == "1" else reversed(range(100))
    for number in order:
        ledger.add([record(f"trial {number}", float(sys.argv[2]))])
"""
    writers = [start(script, path, number) for number in (1, 2)]
    for writer in writers:
        go(writer)
    for writer in writers:
        assert writer.communicate()[0] == ""
        assert writer.returncode == 0
    with Ledger(path) as ledger:
        found = list(ledger.records())
    assert {kept.key for kept in found} == {f"trial {number}" for number in range(100)}
    assert len(found) == 100
    assert {kept.seconds for kept in found} <= {1.0, 2.0}
    assert is_intact(path)


def test_a_killed_writer_loses_at_most_what_it_was_writing(tmp_path):
    path = tmp_path / "ledger.sqlite"
    script = """
ledger = Ledger(path)
for batch in range(10_000):
    ledger.add([record(f"{batch} {number}", 0.0) for number in range(20)])
    print(batch, flush=True)
"""
    writer = start(script, path)
    go(writer)
    for expected in range(5):
        assert writer.stdout.readline() == f"{expected}\n"
    os.kill(writer.pid, signal.SIGKILL)
    told = writer.communicate()[0].split()
    assert writer.returncode == -signal.SIGKILL
    promised = 20 * (5 + len(told))
    with Ledger(path) as ledger:
        kept = len(ledger)
        assert kept in (promised, promised + 20)  # the last transaction may have ended before it was told
        ledger.add([record("after the fall")])
        assert len(ledger) == kept + 1
    assert is_intact(path)


def test_a_process_killed_within_a_transaction_leaves_nothing_of_it(tmp_path):
    path = tmp_path / "ledger.sqlite"
    script = """
ledger = Ledger(path)
ledger.add([record("before", 0.0)])
with ledger._transaction():
    ledger._connection.execute("UPDATE trials SET key = 'halfway'")
    print("inside", flush=True)
    sys.stdin.readline()
"""
    writer = start(script, path)
    go(writer)
    assert writer.stdout.readline() == "inside\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    with Ledger(path) as ledger:
        assert [kept.key for kept in ledger.records()] == ["before"]


def test_switching_to_write_ahead_mode_waits_for_a_writer(tmp_path):
    """SQLite itself fails at once here; processes that open a new ledger in the same moment would meet it."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger._connection.execute("PRAGMA journal_mode = DELETE")  # as before the switch
        writer = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)
        writer.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, writer.close)
        timer.start()
        ledger._write_ahead()
        timer.join()
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# Files that are no ledger --------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to have had a header of one hundred bytes if it were one " * 3)
    before = path.read_bytes()
    with pytest.raises(LossInputError, match=r"^Ledger: `path` must be a ledger of trials, got '.*notes.txt': .*\.$"):
        Ledger(path)
    assert path.read_bytes() == before


def test_another_programs_database(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE trials (key TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LossInputError, match=r"^Ledger: `path` must be .* another program's database\.$"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_ledger_of_a_later_version(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 2")
    later.close()
    with pytest.raises(LossInputError, match=r"must be a ledger of version 1 at most, got '.*' of version 2; a later"):
        Ledger(path)


def test_a_place_that_cannot_be_opened(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "ledger.sqlite", tmp_path / "missing" / "ledger.sqlite", tmp_path):
        with pytest.raises(LossError, match=r"^Ledger: `path` must be a file that can be opened and written, got '.*'"):
            Ledger(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="to root no folder is read-only")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(LossInputError, match=r"`path` must be a file that can be opened and written"):
            Ledger(tmp_path / "ledger.sqlite")
    finally:
        tmp_path.chmod(0o700)
