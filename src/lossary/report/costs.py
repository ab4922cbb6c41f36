"""What a loss costs, in a sentence: for the terminal and for the page of a loss."""

from __future__ import annotations

from lossary.catalogue import Cost

BEYOND = 1e6
"""A curvature of this size says that none bounds it, and its digits say nothing."""


def cost_sentence(cost: Cost) -> str:
    """Time, memory and curvature.

    >>> cost_sentence(Cost(nanoseconds=2.0, time=1.3, memory=2.0, least_curvature=-0.125, most_curvature=1.0))
    'Costs 1.3 times the MSE in time and 2 times its first input in memory; curvature from -0.125 to 1: not convex.'
    """
    spent = f"Costs {cost.time:g} times the MSE in time and {cost.memory:g} times its first input in memory"
    if cost.least_curvature is None or cost.most_curvature is None:
        return f"{spent}; no finite curvature was met."
    if cost.flat:
        return f"{spent}; no curvature: linear, or piecewise linear, in its first input."
    extent = f"curvature from {_size(cost.least_curvature)} to {_size(cost.most_curvature)}"
    return f"{spent}; {extent}: {'not convex' if cost.nonconvex else 'none below 0 was met'}."


def _size(curvature: float) -> str:
    if abs(curvature) > BEYOND:
        return f"beyond {BEYOND if curvature > 0 else -BEYOND:,.0f}"
    return f"{curvature:g}"
