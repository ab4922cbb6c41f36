"""Records what other libraries make of fixed logits, into ``recorded/noisy_labels.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 optax jax keras pytorch_optimizer
    v/bin/pip install --no-deps timm torchium pytorch-toolbelt catalyst
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_noisy_labels.py
"""

import keras
import torch
from pytorch_optimizer.loss.bi_tempered import bi_tempered_logistic_loss
from record_classification import draw, entry, in_torch, without_init, write

without_init("pytorch_toolbelt", "pytorch_toolbelt.losses", "catalyst", "catalyst.contrib", "catalyst.contrib.losses")

from catalyst.contrib.losses.ce import SymmetricCrossEntropyLoss  # noqa: E402
from pytorch_toolbelt.losses.bitempered_loss import (  # noqa: E402
    bi_tempered_logistic_loss as toolbelt_bi_tempered_logistic_loss,
)

ENOUGH = 500
"""Fixed-point iterations until nothing changes; both libraries' modules make five."""


def bi_tempered(x):
    pair = [x["logits"], x["target"]]
    for t1, t2 in ((0.8, 1.2), (0.5, 4.0), (0.3, 1.0), (1.0, 1.3)):
        yield entry("bi_tempered_logistic", "pytorch_optimizer",
                    "bi_tempered_logistic_loss(logits, target, t1, t2, num_iters=500)", pair,
                    in_torch(lambda z, y, a=t1, b=t2: bi_tempered_logistic_loss(z, y, a, b, num_iters=ENOUGH), *pair),
                    t1=t1, t2=t2)  # fmt: skip
        yield entry("bi_tempered_logistic", "pytorch-toolbelt",
                    "bi_tempered_logistic_loss(logits, target, t1, t2, num_iters=500)", pair,
                    in_torch(lambda z, y, a=t1, b=t2: toolbelt_bi_tempered_logistic_loss(
                        z, y, a, b, num_iters=ENOUGH), *pair), t1=t1, t2=t2)  # fmt: skip
    # Theirs is spread over the three wrong classes: 0.15 of theirs is 0.2 of ours, of four classes.
    yield entry("bi_tempered_logistic", "pytorch_optimizer",
                "bi_tempered_logistic_loss(logits, target, t1, t2, label_smooth=0.15, num_iters=500)", pair,
                in_torch(lambda z, y: bi_tempered_logistic_loss(z, y, 0.8, 1.2, 0.15, ENOUGH), *pair),
                t1=0.8, t2=1.2, label_smoothing=0.2)  # fmt: skip


def bi_tempered_as_they_are(seed):
    """Their own five iterations, of widely spread logits of a hundred classes."""
    x = draw(seed, 1, 100)
    pair = [10.0 * x["logits"], x["target"]]
    yield entry("bi_tempered_logistic_of_five_iterations", "pytorch_optimizer",
                "bi_tempered_logistic_loss(logits, target, t1, t2)", pair,
                in_torch(lambda z, y: bi_tempered_logistic_loss(z, y, 0.8, 2.0), *pair), t1=0.8, t2=2.0)  # fmt: skip


def of_probabilities(x):
    pair = [x["logits"], x["target"]]
    for q in (0.5, 0.7):
        peer = keras.losses.CategoricalGeneralizedCrossEntropy(q)
        yield entry("generalized_cross_entropy", "keras", "CategoricalGeneralizedCrossEntropy(q)(target, softmax)",
                    pair, in_torch(lambda z, y, peer=peer: peer(y, z.softmax(1)), *pair), q=q)  # fmt: skip
    for alpha, beta in ((1.0, 1.0), (0.1, 2.0)):
        peer = SymmetricCrossEntropyLoss(alpha, beta)
        yield entry("symmetric_cross_entropy", "catalyst", "SymmetricCrossEntropyLoss(alpha, beta)(softmax, target)",
                    pair, in_torch(lambda z, y, peer=peer: peer(z.softmax(1), y), *pair),
                    alpha=alpha, beta=beta)  # fmt: skip


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    entries = []
    for seed in range(2):
        x = draw(seed, 5, 4)
        entries += [*bi_tempered(x), *bi_tempered_as_they_are(seed), *of_probabilities(x)]
    write("noisy_labels", entries)
