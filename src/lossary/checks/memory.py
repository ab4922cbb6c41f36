"""How much a call takes: how many numbers each of its operations makes."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@functools.cache
def load() -> None:
    """Import what modes of torch import at their first use, where no time limit strikes.

    That takes seconds, and broken off in the middle it would leave modules that are broken until the process ends.
    """
    thread = threading.Thread(target=importlib.import_module, args=("torch._dynamo",))
    thread.start()
    thread.join()


class Largest(TorchDispatchMode):
    """Within it, ``numbers`` is the size of the largest tensor that was made, and ``made`` that of each."""

    def __init__(self) -> None:
        load()
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: list[int] = []

    @property
    def numbers(self) -> int:
        return max(self.made, default=0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for t in tree_leaves(result):
            if isinstance(t, Tensor):
                self.made.append(t.untyped_storage().nbytes() // t.element_size())
        return result
