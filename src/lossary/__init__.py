"""Everything about a loss function, for PyTorch.

Every loss is here twice, as a function and as a module: :func:`lossary.huber_loss`, :class:`lossary.HuberLoss`.
:func:`find` and :func:`get` look losses up, :func:`recommend` says which fits some data, :func:`compare` which did best
on them, :func:`check` whether any loss keeps its word, and :func:`watch` why one does not fall.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .catalogue import find as find
from .catalogue import get as get
from .losses import *
from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import adapt as adapt
    from . import balance as balance
    from . import diagnosis as diagnosis
    from . import multitask as multitask
    from . import testing as testing
    from .checks import check as check
    from .comparison import compare as compare
    from .diagnosis import watch as watch
    from .recommendation import recommend as recommend

_TOOLS = {"check": "checks", "compare": "comparison", "recommend": "recommendation", "watch": "diagnosis"}
"""The tools and their packages, imported at first use: who takes a loss from here pays for no more than losses."""


_MODULES = ("adapt", "balance", "diagnosis", "multitask", "testing")
"""Modules that are reached as attributes, likewise."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _TOOLS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    tool = getattr(import_module(f"{__name__}.{_TOOLS[name]}"), name)
    globals()[name] = tool
    return tool


def __dir__() -> list[str]:
    return sorted({*globals(), *_TOOLS, *_MODULES})
