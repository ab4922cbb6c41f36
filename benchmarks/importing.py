"""What ``import lossary`` costs beside ``import torch``: whole processes in turn, medians and their ratio."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

ROUNDS = 9


def measure() -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"torch": [], "lossary": []}
    for round_ in range(ROUNDS + 1):
        for module, found in seconds.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
            if round_:  # the first warms the disk cache
                found.append(time.perf_counter() - started)
    medians = {module: statistics.median(found) for module, found in seconds.items()}
    ratio = statistics.median(b / a for a, b in zip(seconds["torch"], seconds["lossary"], strict=True))
    summary = (
        f"import lossary takes {ratio:.3f} times import torch ({medians['lossary']:.2f} s and {medians['torch']:.2f} s)"
    )
    return {"summary": summary, "ratio": ratio, "medians": medians, "seconds": seconds}
