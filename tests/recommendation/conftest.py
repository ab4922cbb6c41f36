"""Data whose nature is known, since it was drawn that way."""

import numpy as np
import pytest

N = 800


def draw(kind, seed=0):
    """Features, and a target with one trouble."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 4))
    line = x @ [1.0, 2.0, 0.0, 0.5]
    noise = rng.normal(size=N)
    mean = np.exp(0.4 * line)
    labels = (line > 0).astype(int)
    targets = {
        "normal": lambda: line + noise,
        "outliers": lambda: line + noise + 30.0 * (rng.random(N) < 0.05),
        "heavy tails": lambda: line + rng.standard_t(2, size=N),
        "exponential": lambda: line + rng.exponential(size=N),
        "varying noise": lambda: line + noise * np.exp(x[:, 0]),
        "relative": lambda: mean * rng.gamma(4.0, 0.25, size=N),
        "share": lambda: 1.0 / (1.0 + np.exp(-line - 0.3 * noise)),
        "poisson": lambda: rng.poisson(mean),
        "negative binomial": lambda: rng.negative_binomial(1, 1.0 / (1.0 + mean)),  # variance mean + mean²
        "zero-inflated counts": lambda: rng.poisson(3.0 * mean) * (rng.random(N) < 0.6),
        "zero-inflated": lambda: mean * (rng.random(N) < 0.7),
        "clean labels": lambda: labels,
        "noisy labels": lambda: labels ^ (rng.random(N) < 0.2),
        "rare class": lambda: (line > 4.0).astype(int),
        "three classes": lambda: np.digitize(line, [-1.0, 1.0]),
        "long tail": lambda: np.digitize(line, [1.0, 4.0]),
        "labels": lambda: np.stack([labels, (x[:, 0] > 1.5).astype(int)], axis=1),
    }
    return x, targets[kind]()


@pytest.fixture(scope="session")
def recommended():
    """The recommendation for drawn data, computed once."""
    from lossary.recommendation import recommend

    kept = {}

    def of(kind, task=None):
        if (kind, task) not in kept:
            kept[kind, task] = recommend(*draw(kind), task=task)
        return kept[kind, task]

    return of
