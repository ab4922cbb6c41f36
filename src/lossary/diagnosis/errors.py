"""Causes that an error names: the one that ended the run, or the one that the loss raises on the example."""

from __future__ import annotations

import torch
from torch import Tensor

from .seen import Seen

_MESSAGES = (
    ("all elements of input should be between 0 and 1", "bce_on_logits"),
    ("does not require grad", "detached_graph"),
    ("Expected more than 1 value per channel", "batch_too_small"),
)


def told_by_error(seen: Seen) -> dict[str, str]:
    """Causes that the error which ended the run names, or that the loss raises on the example."""
    out: dict[str, str] = {}
    text = str(seen.record.error) if seen.record.error is not None else ""
    if not text and not seen.moments:
        text = _tried(seen)
    for words, name in _MESSAGES:
        if words in text:
            out[name] = text.splitlines()[0][:160]
    return out


def _tried(seen: Seen) -> str:
    """What the loss says to the untrained model's output for the example."""
    record = seen.record
    example = record.example
    if (
        not (isinstance(example, (tuple, list)) and len(example) >= 2 and callable(record.loss_fn))
        or not record.initial
    ):
        return ""
    with torch.random.fork_rng():
        try:
            loss = record.loss_fn(record.initial(example[0]), example[-1])
            if isinstance(loss, Tensor) and not loss.requires_grad:
                return "the loss does not require grad"
        except Exception as error:
            return str(error)
    return ""
