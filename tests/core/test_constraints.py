"""Bounds of hyperparameters: what passes, what is refused, and in which words."""

import pytest
import torch

from lossary.core import (
    AtLeastOne,
    Fits,
    Fraction,
    LossInputError,
    OneOf,
    OpenFraction,
    Optional,
    Positive,
    PositiveInt,
    Within,
)
from lossary.core.constraints import constraints_of, require


@pytest.mark.parametrize(
    ("constraint", "good", "bad", "words"),
    [
        (Within(0.0, above=True), [1, 1e-9], [0, -1, "1", True, float("nan"), None], "a number above 0"),
        (Within(0.0, 1.0), [0, 1, 0.5], [-0.1, 1.1], "a number in \\[0, 1\\]"),
        (Within(0.0, 1.0, above=True, below=True), [0.5], [0.0, 1.0], "a number in \\(0, 1\\)"),
        (Within(1, whole=True), [1, 7], [0, 1.5, True], "a whole number of at least 1"),
        (Within(high=0.0, below=True), [-1], [0], "a number below 0"),
        (OneOf(("a", "b")), ["a"], ["c", None], "one of 'a', 'b'"),
        (OneOf((True, False)), [True], [1, 0, "yes"], "one of True, False"),
        (Optional(Within(0.0)), [None, 0.0], [-1], "of at least 0, or None"),
        (Fits("c"), [torch.ones(2)], [[1.0, 2.0]], "a tensor of shape"),
    ],
)
def test_check(constraint, good, bad, words):
    for value in good:
        require(constraint, "loss", "name", value)
    for value in bad:
        with pytest.raises(LossInputError, match=f"loss: `name` must be .*{words}"):
            require(constraint, "loss", "name", value)


def test_a_learned_hyperparameter_passes_unread():
    assert Within(0.0, above=True).allows(torch.tensor(-1.0, device="meta"))


def test_constraints_are_read_from_annotations():
    def function(
        a: Positive, b: Fraction | None, c: OpenFraction, d: PositiveInt, e: bool, f: AtLeastOne, g: str
    ) -> None: ...

    found = constraints_of(function)
    assert {name: str(bound) for name, bound in found.items()} == {
        "a": "a number above 0",
        "b": "a number in [0, 1], or None",
        "c": "a number in (0, 1)",
        "d": "a whole number of at least 1",
        "e": "one of True, False",
        "f": "a number of at least 1",
    }
