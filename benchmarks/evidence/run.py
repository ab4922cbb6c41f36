"""Run all cases; what a killed run finished is in the ledger and is not trained again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from lossary.version import __version__

from .sets import ROWS, Case
from .sources import versions
from .store import save
from .trial import PLAN, trial


def run(cases: Sequence[Case], folder: Path, ledger: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Try every case on one core, and store the results after each."""
    torch.set_num_threads(1)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "plan": PLAN.to_dict(),
        "rows": ROWS,
        "versions": {"lossary": __version__, "torch": torch.__version__, **versions()},
    }
    done: list[dict[str, Any]] = []
    for number, case in enumerate(cases, start=1):
        done.append(trial(case, ledger))
        save(done, about, folder)
        tell(f"{number} of {len(cases)}: {case.key}, {len(done[-1]['scores'])} losses, {done[-1]['seconds']:.0f} s")
    return done
