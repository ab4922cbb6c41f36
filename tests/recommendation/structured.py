"""Structured targets whose nature is known, since they were drawn that way."""

import numpy as np
import torch

ROWS = 240


def features(seed=0):
    return np.random.default_rng(seed).normal(size=(ROWS, 3))


def interval(width=0.5, outliers=0.0):
    """Middles on a line with noise of scale 0.5."""
    rng = np.random.default_rng(1)
    x = features()
    middle = x @ [1.0, 2.0, 0.0] + 0.5 * rng.normal(size=ROWS) + 20.0 * (rng.random(ROWS) < outliers)
    return x, np.stack([middle - width / 2, middle + width / 2], axis=1)


def survival(censoring=0.7):
    """Exponential times with hazard exp(x1), cut off at exponential times with `censoring` times the mean hazard."""
    rng = np.random.default_rng(2)
    x = features()
    time = rng.exponential(np.exp(-x[:, 0]))
    end = rng.exponential(1.0 / max(censoring, 1e-9), ROWS)
    return x, np.stack([np.minimum(time, end), time <= end], axis=1)


def discs(radius=3, images=6, empty=0):
    """One disc in each image of 32 by 32, but for the last ``empty``: class 1."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:32, :32]
    masks = []
    for k in range(images):
        r, c = rng.integers(8, 24, 2)
        masks.append(((rows - r) ** 2 + (columns - c) ** 2 <= radius**2) & (k < images - empty))
    return np.array(masks).astype(np.int64)


def lines(images=4):
    """A line of one pixel across each image: all of it lies at a border."""
    masks = np.zeros((images, 32, 32), dtype=np.int64)
    for k in range(images):
        masks[k, 5 + k, :] = 1
    return masks


def boxes(low=50.0, high=200.0, aspect=1.0):
    rng = np.random.default_rng(4)
    side = np.exp(rng.uniform(np.log(low), np.log(high), 100))
    corner = rng.uniform(0, 300, (100, 2))
    return np.concatenate([corner, corner + np.stack([side * aspect, side / aspect], 1)], axis=1)


def pairs():
    """A tenth of the pairs of the same."""
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 120, 200), rng.integers(120, ROWS, 200)
    return np.stack([first, second, (np.arange(200) < 20).astype(int)], axis=1)


def triplets():
    rng = np.random.default_rng(6)
    return np.stack([rng.integers(0, 80, 100), rng.integers(80, 160, 100), rng.integers(160, ROWS, 100)], axis=1)


def identities(classes):
    return np.arange(ROWS) % classes


def ranked(lists=24, grades=4):
    """Lists of equal length, their numbers and grades."""
    rng = np.random.default_rng(7)
    return rng.integers(0, grades, ROWS), np.arange(ROWS) % lists


def tokens(vocabulary=50, padded=True):
    """Sequences of 3 to 12 tokens from 1 on, padded with 0 to 12."""
    rng = np.random.default_rng(8)
    y = rng.integers(1, vocabulary, (60, 12))
    y[0, 0] = vocabulary - 1
    if padded:
        y[np.arange(12) >= rng.integers(3, 13, 60)[:, None]] = 0
    return y


def model_for(kind, outputs):
    """A small model with the outputs that a recommendation asks for, and a batch of inputs."""
    torch.manual_seed(0)
    if kind == "mask":
        return torch.nn.Conv2d(2, outputs, 3, padding=1), torch.randn(4, 2, 32, 32)
    if kind == "sequences":
        return torch.nn.Sequential(torch.nn.Embedding(64, 8), torch.nn.Linear(8, outputs)), torch.randint(64, (60, 12))
    return torch.nn.Linear(3, outputs), torch.from_numpy(features()).float()
