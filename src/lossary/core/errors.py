"""Every exception of the library. Messages read: owner: `argument` must <what>, got <value>."""

from __future__ import annotations


class LossError(Exception):
    """Base class, so that one ``except`` can catch all of ours."""


class LossInputError(LossError, ValueError):
    """An argument that a loss or a tool cannot take."""


class LossDefinitionError(LossError, TypeError):
    """A loss whose parts disagree; raised at import, never during training."""


class UnknownNameError(LossInputError):
    """A name that nothing here bears; the message suggests the nearest."""
