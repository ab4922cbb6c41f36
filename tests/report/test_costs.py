"""Costs in words."""

import pytest

from lossary.catalogue import Cost
from lossary.report.costs import cost_sentence


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (0.0, 0.25, "curvature from 0 to 0.25: none below 0 was met."),
        (-0.125, 1.0, "curvature from -0.125 to 1: not convex."),
        (0.0, 0.0, "no curvature: linear, or piecewise linear, in its first input."),
        (None, None, "no finite curvature was met."),
        (-2e9, 3e7, "curvature from beyond -1,000,000 to beyond 1,000,000: not convex."),
    ],
)
def test_curvature_in_words(least, most, words):
    said = cost_sentence(Cost(nanoseconds=1.0, time=1.25, memory=3.0, least_curvature=least, most_curvature=most))
    assert said == f"Costs 1.25 times the MSE in time and 3 times its first input in memory; {words}"
