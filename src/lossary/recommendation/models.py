"""What simple models predict for rows that they have not seen: residuals and doubts about labels rest on that."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossary.core import LossInputError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

FOLDS = 5
_TREES = 60


class OutOfFold(NamedTuple):
    """The predictions of the better of two models, each row's by one that was not fitted to it."""

    model: str
    values: Array
    """``(n,)`` numbers, or ``(n, c)`` probabilities."""


def centres(x: Array, y: Array) -> OutOfFold:
    """Predictions of a target's centre that outliers hardly move: Huber's regression or a forest, by median error."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import HuberRegressor

    def line() -> Any:
        return _scaled(HuberRegressor(max_iter=300, alpha=1e-3))

    def forest() -> Any:
        return ExtraTreesRegressor(_TREES, min_samples_leaf=3, random_state=0)

    middle, spread = float(np.median(y)), float(np.std(y)) or 1.0
    z = (y - middle) / spread
    best = _better({"a robust line": line, "a forest": forest}, x, z, lambda p: float(np.median(np.abs(z - p))))
    return OutOfFold(best.model, best.values * spread + middle)


def means(x: Array, y: Array) -> OutOfFold:
    """Predictions of the mean of a target of at least 0: Poisson's regression or a forest, by Poisson's deviance."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import PoissonRegressor

    floor = 1e-3 * float(y.mean())

    def line() -> Any:
        return _scaled(PoissonRegressor(alpha=1e-3, max_iter=300))

    def forest() -> Any:
        return ExtraTreesRegressor(_TREES, min_samples_leaf=5, random_state=0)

    def deviance(p: Array) -> float:
        mean = np.maximum(p, floor)
        return float((mean - y * np.log(mean)).mean())

    best = _better({"Poisson's regression": line, "a forest": forest}, x, y, deviance)
    return OutOfFold(best.model, np.maximum(best.values, floor))


def spreads(x: Array, residuals: Array) -> Array:
    """Predictions of how large a residual is, whatever its sign."""
    from sklearn.ensemble import ExtraTreesRegressor

    # Of the square root, so that a few huge ones don't rule the forest.
    sizes = np.sqrt(np.abs(residuals))
    return _predicted(lambda: ExtraTreesRegressor(_TREES, min_samples_leaf=10, random_state=0), x, sizes, None) ** 2


def probabilities(x: Array, y: Labels) -> OutOfFold:
    """Probabilities of classes 0, 1, ...: logistic regression or a forest, by logarithmic loss."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression

    classes = int(y.max()) + 1

    def line() -> Any:
        return _scaled(LogisticRegression(max_iter=300))

    def forest() -> Any:
        return ExtraTreesClassifier(_TREES, min_samples_leaf=3, random_state=0)

    def log_loss(p: Array) -> float:
        return float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-6, 1.0)).mean())

    return _better({"logistic regression": line, "a forest": forest}, x, y, log_loss, classes)


def _better(
    factories: dict[str, Callable[[], Any]],
    x: Array,
    y: Any,
    error: Callable[[Array], float],
    classes: int | None = None,
) -> OutOfFold:
    found = [OutOfFold(name, _predicted(make, x, y, classes)) for name, make in factories.items()]
    return min(found, key=lambda each: error(each.values))


def _predicted(make: Callable[[], Any], x: Array, y: Any, classes: int | None) -> Array:
    folds = np.random.default_rng(0).permutation(len(y)) % FOLDS
    if classes is not None:  # the classes spread evenly over the folds
        order = np.lexsort((folds, y))
        folds = np.empty(len(y), dtype=np.int64)
        folds[order] = np.arange(len(y)) % FOLDS
    out = np.zeros((len(y), classes) if classes else len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a line that has not quite converged is good enough here
        for fold in range(FOLDS):
            inside, outside = folds != fold, folds == fold
            if classes is None:
                out[outside] = make().fit(x[inside], y[inside]).predict(x[outside])
            elif len(seen := np.unique(y[inside])) == 1:
                out[outside, seen[0]] = 1.0
            else:
                model = make().fit(x[inside], y[inside])
                out[np.ix_(np.flatnonzero(outside), seen)] = model.predict_proba(x[outside])
    return out


def _scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def require_sklearn() -> None:
    """Refuse features where scikit-learn, which reads them, is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise LossInputError(
            "recommend: `X` must come with scikit-learn installed (pip install 'lossary[compare]'), got none."
        ) from error
