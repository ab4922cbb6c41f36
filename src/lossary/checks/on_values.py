"""Checks of the values of a loss: finite, within bounds, where it is zero, how it answers to changes of its inputs."""

from __future__ import annotations

from torch import Tensor

from .examination import Subject, Violation, check
from .subject import Inputs, LossRaised


@check("runs", tries=("draws",), cause="It fails on ordinary inputs: look at the error first.", always=True, draws=4)
def runs(subject: Subject, x: Inputs) -> Violation | None:
    """Ordinary inputs give a finite number."""
    try:
        result = subject(x)
    except LossRaised as error:
        return Violation(error.words, "a number", f"it raises {error.words}")
    if not bool(result.isfinite().all()):
        return Violation(_worst(result), "a finite number")
    return None


@check(
    "finite", tries=("edges", "wide", "draws"),
    cause="A logarithm, division or root of what may be 0, or an exponential of what may be large: use the stable "
    "form (logsumexp, log_sigmoid, xlogy), or add the epsilon inside.",
    echoes=("runs",),
)  # fmt: skip
def value_is_finite(subject: Subject, x: Inputs) -> Violation | None:
    single = x.to(subject.single)
    try:
        result = subject(single)
    except LossRaised as error:
        return Violation(error.words, "a finite number", f"it raises {error.words}", single)
    return None if bool(result.isfinite().all()) else Violation(_worst(result), "a finite number", inputs=single)


def _worst(result: Tensor) -> Tensor:
    """The first number that is not finite."""
    return result[~result.isfinite()].flatten()[0]
