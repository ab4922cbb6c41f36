"""From a file or the name of a bundled set to features and target, as they stand there."""

from __future__ import annotations

import csv
import difflib
import gzip
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from lossary.core import LossInputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Sets that come with scikit-learn."""

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".npz")

_UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, csv.Error, zlib.error, zipfile.BadZipFile)
"""What the parsers raise at a file that isn't what its name says; pandas' and Arrow's own are among the ValueErrors."""


class Source(NamedTuple):
    """A data set before anything was done to it; features and target are tables or arrays."""

    name: str
    features: Any
    target: Any


def read_source(source: str | Path, target: str | Sequence[str] | None) -> Source:
    """Read a file, or the bundled set of that name where no such file exists."""
    path = Path(source)
    if path.is_file():
        return _read_file(path, target)
    if str(source) in BUNDLED:
        return _read_bundled(str(source), target)
    if path.is_dir():
        raise LossInputError(f"compare: `data` must be a file or the name of a set, got the folder {str(source)!r}.")
    if path.suffix or len(path.parts) > 1:
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = _nearest(path.name, siblings)
        raise LossInputError(f"compare: `data` must be a file that exists, got {str(source)!r}{hint}.")
    raise UnknownNameError(
        f"compare: `data` must be a file ({', '.join(ENDINGS)}) or one of {', '.join(BUNDLED)}, "
        f"got {str(source)!r}{_nearest(str(source), BUNDLED)}."
    )


def _read_file(path: Path, target: str | Sequence[str] | None) -> Source:
    import pandas as pd

    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise LossInputError(f"compare: `data` must be a file ending in {', '.join(ENDINGS)}, got {path.name!r}.")
    name = path.name[: -len(ending)]
    try:
        if path.stat().st_size == 0:
            raise LossInputError(f"compare: `data` must hold something, got the empty file {path.name!r}.")
        if ending == ".npz":
            return Source(name, *_read_npz(path, target))
        table = pd.read_parquet(path) if ending == ".parquet" else _read_text(path, ending)
    except LossInputError:
        raise
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise LossInputError(f"compare: `data` must be a sound {ending} file, got {path.name!r}: {reason}.") from error
    return Source(name, *_split(table, target, path.name))


def _read_text(path: Path, ending: str) -> pd.DataFrame:
    import pandas as pd

    opener = gzip.open if ending.endswith(".gz") else open
    with cast(IO[str], opener(path, "rt", encoding="utf-8-sig", newline="")) as file:
        line = file.readline()
    separator = "\t" if ending.startswith(".tsv") else max(",;\t|", key=lambda sign: len(_fields(line, sign)))
    _refuse_duplicates(_fields(line, separator), path.name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # it says that fields of long rows were thrown away
        try:
            return pd.read_csv(
                path,
                sep=separator,
                float_precision="round_trip",  # the same numbers as from any other kind of file, to the last bit
                decimal="," if separator == ";" else ".",  # numbers with a point are then text, and read as such later
                encoding="utf-8-sig",
                skipinitialspace=True,
                keep_default_na=False,  # what else means "no value" is decided in one place for every kind of source
                na_values=[""],
                index_col=False,
                low_memory=False,
            )
        except pd.errors.ParserWarning as warning:
            raise LossInputError(
                f"compare: `data` must have no more fields in a row than column names, got {path.name!r}."
            ) from warning


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def _read_npz(path: Path, target: str | Sequence[str] | None) -> tuple[Any, Any]:
    """Arrays ``X`` and ``y``, or the array that ``target`` names and ``X`` or the only other."""
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        y = target or "y"
        if not isinstance(y, str) or y not in names:
            hint = _nearest(str(y), names) if target else "; name the target's with `--target`"
            raise UnknownNameError(
                f"compare: `data` must hold an array {y!r}, got {path.name!r} with {', '.join(names) or 'none'}{hint}."
            )
        others = [name for name in names if name != y]
        if "X" not in others and len(others) != 1:
            raise LossInputError(
                f"compare: `data` must hold the features as 'X' or as its only other array, "
                f"got {path.name!r} with {', '.join(names)}."
            )
        return archive["X" if "X" in others else others[0]], _named(archive[y], y)


def _named(array: np.ndarray[Any, Any], name: str) -> Any:
    import pandas as pd

    return pd.Series(array, name=name) if array.ndim == 1 else array


def _read_bundled(name: str, target: str | Sequence[str] | None) -> Source:
    import pandas as pd
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    table = bunch.frame
    if "target_names" in bunch:
        labels = [str(label) for label in bunch.target_names]
        table["target"] = pd.Categorical.from_codes(table["target"], categories=labels)
    return Source(name, *_split(table, target or "target", name))


def _split(table: pd.DataFrame, target: str | Sequence[str] | None, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the columns of ``target`` from the others; a text names several by commas."""
    table.columns = [str(name) for name in table.columns]
    _refuse_duplicates(table.columns, source)
    if not target:
        raise LossInputError(
            f"compare: `target` must name a column of {source!r}, got none; it has {_listing(table.columns)}."
        )
    if isinstance(target, str):
        names = [target] if target in table.columns else [part.strip() for part in target.split(",")]
    else:
        names = list(target)
    for name in names:
        if name not in table.columns:
            raise UnknownNameError(
                f"compare: `target` must name a column of {source!r}, got {name!r}"
                f"{_nearest(name, table.columns) or f'; it has {_listing(table.columns)}'}."
            )
    names = list(dict.fromkeys(names))
    return table.drop(columns=names), table[names]


def _refuse_duplicates(names: Iterable[str], source: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise LossInputError(f"compare: `data` must have no two columns of one name, got {twice[0]!r} in {source!r}.")


def _nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` without the question mark, or nothing; upper and lower case are the same."""
    spelled = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), spelled, n=1)
    return f"; did you mean {spelled[near[0]]!r}" if near else ""


def _listing(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
