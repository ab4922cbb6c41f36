"""Records what other libraries make of fixed predictions and targets, into ``recorded/regression.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 "jax[cpu]" optax rlax keras statsmodels catalyst neuralforecast pytorch-forecasting
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_regression.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import rlax
import torch
from catalyst.contrib.losses.wing import WingLoss
from neuralforecast.losses import pytorch as forecast
from pytorch_forecasting import metrics
from statsmodels.robust import norms

jax.config.update("jax_enable_x64", True)

RECORD = Path(__file__).parent / "recorded" / "regression.json"
LEVELS = (0.1, 0.4, 0.9)
MULTI_QUANTILE = forecast.MQLoss(quantiles=LEVELS).double()
MULTI_QUANTILE_METRIC = metrics.QuantileLoss(quantiles=list(LEVELS))


def in_torch(function, *inputs):
    """Value, and gradient in each input, of a function of torch tensors."""
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    value = function(*leaves)
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    return value.item(), [None if g is None else g.tolist() for g in gradients]


def in_jax(function, *inputs):
    """Value, and gradient in each input, of a function of JAX arrays."""
    arrays = [jnp.asarray(x) for x in inputs]
    value, gradients = jax.value_and_grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    return float(value), [np.asarray(g).tolist() for g in gradients]


def robust(norm):
    """Mean of one of statsmodels' norms of the errors; its ``psi`` is the derivative of its ``rho``."""

    def function(prediction, target):
        error = prediction - target
        gradient = norm.psi(error) / error.size
        return float(norm.rho(error).mean()), [gradient.tolist(), (-gradient).tolist()]

    return function


def entry(loss, library, call, inputs, found, **options):
    value, gradients = found
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [np.asarray(x).tolist() for x in inputs],
        "value": value,
        "gradients": gradients,
    }


def pairs_of_quantiles(q, delta):
    """RLax's loss of two sets of quantiles, with one prediction and one target in each set."""

    def one(x, y):
        return rlax.quantile_regression_loss(x[None], jnp.asarray([q]), y[None], delta, stop_target_gradients=False)

    return lambda x, y: jnp.mean(jax.vmap(one)(x.ravel(), y.ravel()))


def entries():
    for seed in range(2):
        g = np.random.default_rng(seed)
        real = [3.0 * g.normal(size=(4, 3)), g.normal(size=(4, 3))]
        positive = [g.exponential(2.0, size=(4, 3)), g.exponential(2.0, size=(4, 3))]
        vectors = [g.normal(size=(4, 5)), g.normal(size=(4, 5))]
        quantiles = [g.normal(size=(4, 3)), g.normal(size=4)]

        yield entry("mse", "optax", "squared_error", real, in_jax(lambda x, y: optax.squared_error(x, y).mean(), *real))
        yield entry("log_cosh", "optax", "log_cosh", real, in_jax(lambda x, y: optax.log_cosh(x, y).mean(), *real))
        yield entry(
            "log_cosh",
            "keras",
            "losses.LogCosh()",
            real,
            in_torch(lambda x, y: keras.losses.LogCosh()(y, x), *real),
        )
        yield entry(
            "cosine_distance",
            "optax",
            "cosine_distance",
            vectors,
            in_jax(lambda x, y: optax.cosine_distance(x, y).mean(), *vectors),
        )
        yield entry(
            "cosine_distance",
            "keras",
            "1 + losses.CosineSimilarity()",
            vectors,
            in_torch(lambda x, y: 1.0 + keras.losses.CosineSimilarity()(y, x), *vectors),
        )
        yield entry(
            "mape",
            "keras",
            "losses.MeanAbsolutePercentageError() / 100",
            real,
            in_torch(lambda x, y: keras.losses.MeanAbsolutePercentageError()(y, x) / 100.0, *real),
        )
        yield entry(
            "msle",
            "keras",
            "losses.MeanSquaredLogarithmicError()",
            positive,
            in_torch(lambda x, y: keras.losses.MeanSquaredLogarithmicError()(y, x), *positive),
        )
        yield entry(
            "smape",
            "pytorch-forecasting",
            "SMAPE().loss",
            real,
            in_torch(lambda x, y: metrics.SMAPE().loss(x.unsqueeze(-1), y).mean(), *real),
        )
        for width, curvature in ((10.0, 2.0), (1.0, 0.1)):
            peer = WingLoss(width=width, curvature=curvature)
            yield entry(
                "wing",
                "catalyst",
                f"WingLoss({width}, {curvature})",
                real,
                in_torch(peer, *real),
                width=width,
                curvature=curvature,
            )
        for q in (0.2, 0.9):
            yield entry(
                "expectile",
                "rlax",
                f"expectile_loss(expectile={q})",
                real,
                in_jax(lambda x, y, q=q: rlax.expectile_loss(x, y, q).mean(), *real),
                q=q,
            )
            for delta in (0.5, 2.0):
                yield entry(
                    "quantile_huber",
                    "rlax",
                    f"quantile_regression_loss(huber_param={delta})",
                    real,
                    in_jax(pairs_of_quantiles(q, delta), *real),
                    q=q,
                    delta=delta,
                )
                peer = forecast.HuberQLoss(q=q, delta=delta)
                yield entry(
                    "quantile_huber",
                    "neuralforecast",
                    f"HuberQLoss({q}, {delta})",
                    real,
                    in_torch(lambda x, y, peer=peer: peer(y, x), *real),
                    q=q,
                    delta=delta,
                )
        yield entry(
            "multi_quantile",
            "neuralforecast",
            "MQLoss(quantiles=levels) / 3, in float64",
            quantiles,
            in_torch(lambda x, y: MULTI_QUANTILE(y[:, None, None], x[:, None, None, :]) / 3.0, *quantiles),
            levels=LEVELS,
        )
        yield entry(
            "multi_quantile",
            "pytorch-forecasting",
            "QuantileLoss(quantiles=levels).loss / 2",
            quantiles,
            in_torch(lambda x, y: MULTI_QUANTILE_METRIC.loss(x[:, None, :], y[:, None]).mean() / 2.0, *quantiles),
            levels=LEVELS,
        )
        for delta in (4.685, 2.0):
            yield entry(
                "tukey_biweight",
                "statsmodels",
                f"robust.norms.TukeyBiweight({delta})",
                real,
                robust(norms.TukeyBiweight(delta))(*real),
                delta=delta,
            )
            peer = forecast.TukeyLoss(c=delta, normalize=False)
            yield entry(
                "tukey_biweight_of_neuralforecast",
                "neuralforecast",
                f"TukeyLoss({delta}, normalize=False)",
                real,
                in_torch(lambda x, y, peer=peer: peer(y, x), *real),
                delta=delta,
            )


if __name__ == "__main__":
    RECORD.write_text(json.dumps(list(entries()), indent=1) + "\n")
