"""Records what other libraries make of fixed lists, into ``recorded/ranking.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy scikit-learn jax optax rax
    v/bin/pip install --no-deps allrank catalyst
    v/bin/python tests/oracles/record_ranking.py
"""

import functools
import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import rax
import torch

jax.config.update("jax_enable_x64", True)

RECORD = Path(__file__).parent / "recorded" / "ranking.json"
PADDED = -1.0

# Their packages import what training needs; the losses need none of it.
for package in ("allrank", "allrank.data", "allrank.models", "allrank.models.losses", "catalyst", "catalyst.contrib",
                "catalyst.contrib.losses"):  # fmt: skip
    module = types.ModuleType(package)
    module.__path__ = [str(Path(sysconfig.get_path("purelib"), *package.split(".")))]
    sys.modules[package] = module
sys.modules["allrank.models.losses"].DEFAULT_EPS = 1e-10
sys.modules["allrank.data.dataset_loading"] = types.ModuleType("allrank.data.dataset_loading")
sys.modules["allrank.data.dataset_loading"].PADDED_Y_VALUE = PADDED

from allrank.models.losses.approxNDCG import approxNDCGLoss  # noqa: E402
from allrank.models.losses.lambdaLoss import lambdaLoss  # noqa: E402
from allrank.models.losses.listMLE import listMLE  # noqa: E402
from allrank.models.losses.listNet import listNet  # noqa: E402
from allrank.models.losses.rankNet import rankNet  # noqa: E402
from catalyst.contrib.losses.recsys import BPRLoss  # noqa: E402


def draw(seed):
    g = np.random.default_rng(seed)
    lengths = np.array([6, 4, 5])
    target = g.integers(4, size=(3, 6)).astype(float)
    target[:, 0] = 3.0  # something is relevant in each list
    return {
        "scores": g.normal(size=(3, 6)),
        "target": target,
        "order": g.permuted(np.tile(np.arange(6.0), (3, 1)), axis=1),
        "mask": np.arange(6) < lengths[:, None],
    }


def entry(loss, library, call, inputs, outcome, **options):
    """One record: ``options`` are ours, by which the values agree, or nearly; the test says how."""
    value, gradient = outcome
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [np.asarray(x).tolist() for x in inputs],
        "value": float(value),
        "gradients": [np.asarray(gradient).tolist()] + [None] * (len(inputs) - 1),
    }


def in_jax(function, scores, target, mask):
    return jax.value_and_grad(lambda s: function(s, jnp.asarray(target), where=jnp.asarray(mask)))(jnp.asarray(scores))


def in_torch(function, scores, *others):
    leaf = torch.tensor(scores, requires_grad=True)
    value = function(leaf, *(torch.tensor(x) for x in others))
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient.numpy()


def padded(function):
    """An allRank loss of scores, target and mask."""
    return lambda scores, target, mask: function(scores, torch.where(mask, target, PADDED))


def identity(y):
    return y


def weighted(weight, temperature=1.0, **how):
    """rax's pairwise logistic loss with weights per pair, which it multiplies by the length of the list."""
    weight = functools.partial(weight, normalize=True, **how)

    def loss(scores, target, where):
        scores = scores / temperature
        return rax.pairwise_logistic_loss(
            scores, target, where=where, lambdaweight_fn=weight, reduce_fn=jnp.sum
        ) / scores.shape[-1]  # fmt: skip

    return loss


def pairwise(x):
    lists = [x["scores"], x["target"], x["mask"]]
    yield entry("ranknet", "rax", "pairwise_logistic_loss(reduce_fn=sum)", lists,
                in_jax(functools.partial(rax.pairwise_logistic_loss, reduce_fn=jnp.sum), *lists))  # fmt: skip
    yield entry("ranknet of pairs", "rax", "pairwise_logistic_loss()", lists,
                in_jax(rax.pairwise_logistic_loss, *lists))  # fmt: skip
    yield entry("ranknet of pairs", "allrank", "rankNet", lists, in_torch(padded(rankNet), *lists))
    dcg, dcg2 = rax.dcg_lambdaweight, rax.dcg2_lambdaweight
    call = "pairwise_logistic_loss(lambdaweight_fn=dcg_lambdaweight(normalize=True)) / l"
    yield entry("lambdarank", "rax", call, lists, in_jax(weighted(dcg), *lists))
    yield entry("lambdarank", "rax", call + ", topn=3", lists, in_jax(weighted(dcg, topn=3), *lists), k=3)
    yield entry("lambdarank", "rax", call + ", gain_fn=identity", lists,
                in_jax(weighted(dcg, 0.5, gain_fn=identity), *lists), gain="linear", temperature=0.5)  # fmt: skip
    yield entry("lambda", "rax", call.replace("dcg_", "dcg2_"), lists, in_jax(weighted(dcg2), *lists), rho=0.0, mu=1.0)
    for name, scheme, options in (
        ("lambdarank", "lambdaRank_scheme", {}),
        ("lambda", "ndcgLoss2_scheme", {"rho": 0.0, "mu": 1.0}),
        ("lambda", "ndcgLoss2PP_scheme", {}),
    ):
        for log in ("natural", "binary"):
            peer = functools.partial(lambdaLoss, weighing_scheme=scheme, reduction_log=log)
            yield entry(f"{name} in {log} logarithms", "allrank", f"lambdaLoss({scheme}, reduction_log={log})", lists,
                        in_torch(padded(peer), *lists), **options)  # fmt: skip
    peer = functools.partial(lambdaLoss, weighing_scheme="lambdaRank_scheme", reduction_log="natural", k=3)
    yield entry("lambdarank at k", "allrank", "lambdaLoss(lambdaRank_scheme, natural, k=3)", lists,
                in_torch(padded(peer), *lists), k=3)  # fmt: skip


def listwise(x):
    lists, ordered = [x["scores"], x["target"], x["mask"]], [x["scores"], x["order"], x["mask"]]

    def of_softmax(scores, target, where):
        wanted = jax.nn.softmax(jnp.where(where, target, -jnp.inf), axis=-1)
        return rax.softmax_loss(scores, wanted, where=where, reduce_fn=jnp.sum)

    def of_shares(loss):
        return lambda s, y, where: loss(s, y / (y * where).sum(-1, keepdims=True), where=where, reduce_fn=jnp.sum)

    yield entry("listnet", "rax", "softmax_loss(scores, softmax(target))", lists, in_jax(of_softmax, *lists))
    yield entry("listnet", "rax", "softmax_loss(scores, target / sum)", lists,
                in_jax(of_shares(rax.softmax_loss), *lists), normalization="sum")  # fmt: skip
    yield entry("listnet", "optax", "ranking_softmax_loss(scores, target / sum)", lists,
                in_jax(of_shares(optax.losses.ranking_softmax_loss), *lists), normalization="sum")  # fmt: skip
    yield entry("listnet of plain relevance", "rax", "softmax_loss(scores, target)", lists,
                in_jax(functools.partial(rax.softmax_loss, reduce_fn=jnp.sum), *lists))  # fmt: skip
    yield entry("listnet of the mean", "allrank", "listNet", lists, in_torch(padded(listNet), *lists))
    listmle = functools.partial(rax.listmle_loss, reduce_fn=jnp.sum)
    yield entry("listmle", "rax", "listmle_loss", ordered, in_jax(listmle, *ordered))
    yield entry("listmle", "rax", "listmle_loss, with ties", lists, in_jax(listmle, *lists), ties="order")
    yield entry("listmle of the mean", "allrank", "listMLE", ordered, in_torch(padded(listMLE), *ordered))
    for temperature in (1.0, 0.2):
        # What approx_t12n(ndcg_metric, temperature) does, but for its sign; that itself fails beside this jax.
        ranks = functools.partial(rax.utils.approx_ranks, step_fn=lambda x, t=temperature: jax.nn.sigmoid(x / t))
        ndcg = functools.partial(rax.ndcg_metric, rank_fn=ranks, reduce_fn=jnp.sum)
        yield entry("approx_ndcg", "rax", f"ndcg_metric(rank_fn=approx_ranks at {temperature})", lists,
                    in_jax(ndcg, *lists), temperature=temperature)  # fmt: skip
        peer = padded(functools.partial(approxNDCGLoss, alpha=1 / temperature))
        yield entry("approx_ndcg of the mean", "allrank", f"approxNDCGLoss(alpha={1 / temperature})", lists,
                    in_torch(peer, *lists), temperature=temperature)  # fmt: skip


if __name__ == "__main__":
    entries = []
    for seed in range(2):
        x = draw(seed)
        entries += [*pairwise(x), *listwise(x)]
        chosen = [x["scores"], x["order"] - 2.5]
        entries.append(entry("bpr", "catalyst", "BPRLoss()", chosen, in_torch(BPRLoss(), *chosen)))
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text("[" + ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries) + "]\n")
