"""Which classes a simple model takes for one another more often than mistakes spread by chance would have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

_LUCK = 0.01
"""Chance at which mistakes without any pattern would still join two classes, over all pairs."""
_LIFT = 2.0
_FEWEST = 5


class Confusion(NamedTuple):
    """Groups of classes, and how much of the mistakes they hold."""

    groups: tuple[tuple[int, ...], ...]
    inside: float
    """Share of the mistakes that are between classes of one group."""
    by_chance: float
    """The same, if a mistake fell between two classes in proportion to their sizes."""


def confusion(y: Labels, predicted: Labels, classes: int) -> Confusion:
    """Join classes that are mistaken for each other twice as often as by chance, and by more than luck.

    Chance gives a pair of classes of n and m samples a share of the mistakes in proportion to n m; a binomial test at
    0.01, divided by the number of pairs (Bonferroni), says what is more than that. Groups are the connected components,
    unless one is all there is; as in Godbole, Sarawagi and Chakrabarti 2002, doi:10.1145/775047.775122, where classes
    that are confused are solved together.

    >>> confusion(np.array([0] * 20 + [1] * 20 + [2] * 20), np.array([0] * 12 + [1] * 28 + [2] * 20), 3).groups
    ((0, 1),)
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.stats import binom

    table = np.zeros((classes, classes))
    np.add.at(table, (y, predicted), 1.0)
    first, second = np.triu_indices(classes, k=1)
    mistaken = (table + table.T)[first, second]
    mistakes = int(mistaken.sum())
    sizes = np.bincount(y, minlength=classes).astype(np.float64)
    share = sizes[first] * sizes[second]
    share = share / share.sum()
    if mistakes < _FEWEST:
        return Confusion((), 0.0, 0.0)
    luck = binom.sf(mistaken - 1, mistakes, share)
    joined = (luck < _LUCK / len(share)) & (mistaken >= _LIFT * mistakes * share)
    links = np.zeros((classes, classes))
    links[first[joined], second[joined]] = 1.0
    count, member = connected_components(links, directed=False)
    groups = tuple(tuple(np.flatnonzero(member == g).tolist()) for g in range(count) if (member == g).sum() > 1)
    if count == 1:
        groups = ()
    within = (member[first] == member[second]) & (count > 1)
    return Confusion(groups, float(mistaken[within].sum() / mistakes), float(share[within].sum()))
