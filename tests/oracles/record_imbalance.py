"""Records what other libraries make of fixed logits, into ``recorded/imbalance.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 optax jax keras kornia monai pytorch_optimizer
    v/bin/pip install --no-deps timm torchium segmentation-models-pytorch pytorch-toolbelt catalyst nnunetv2 mmdet \\
        imbalanced-losses
    KERAS_BACKEND=torch v/bin/python tests/oracles/record_imbalance.py
"""

import sys
import types

import keras
import numpy as np
import optax
import torch
from kornia.losses import FocalLoss as KorniaFocalLoss
from monai.losses import FocalLoss as MONAIFocalLoss
from pytorch_optimizer.loss import BCEFocalLoss, LDAMLoss
from pytorch_optimizer.loss import FocalLoss as OptimizerFocalLoss
from record_classification import draw, entry, in_jax, in_torch, without_init, write

without_init("segmentation_models_pytorch", "segmentation_models_pytorch.losses", "pytorch_toolbelt",
             "pytorch_toolbelt.losses", "pytorch_toolbelt.utils", "catalyst", "catalyst.metrics",
             "catalyst.metrics.functional", "catalyst.contrib", "catalyst.contrib.losses", "nnunetv2",
             "nnunetv2.training", "nnunetv2.training.loss", "mmdet", "mmdet.models", "mmdet.models.losses")  # fmt: skip
sys.modules["pytorch_toolbelt.utils"].pytorch_toolbelt_deprecated = lambda text: lambda function: function


class Registry:
    """Stands in for mmdet's, which needs mmengine and mmcv."""

    def register_module(self):
        return lambda cls: cls


def stand_in(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


stand_in("mmdet.registry", MODELS=Registry())
stand_in("mmdet.models.losses.accuracy", accuracy=None)
stand_in("mmdet.models.losses.cross_entropy_loss", cross_entropy=None)
stand_in("mmdet.models.losses.utils", weight_reduce_loss=lambda loss, weight, reduction, avg_factor: loss.mean())

from catalyst.metrics.functional import _focal  # noqa: E402

sys.modules["catalyst"].metrics = _focal

from catalyst.contrib.losses.focal import FocalLossMultiClass  # noqa: E402
from imbalanced_losses import SoftmaxFocalLoss  # noqa: E402
from mmdet.models.losses.seesaw_loss import seesaw_ce_loss  # noqa: E402
from nnunetv2.training.loss.robust_ce_loss import TopKLoss  # noqa: E402
from pytorch_toolbelt.losses.functional import softmax_focal_loss_with_logits as toolbelt_softmax_focal  # noqa: E402
from segmentation_models_pytorch.losses._functional import (  # noqa: E402
    softmax_focal_loss_with_logits as smp_softmax_focal,
)
from segmentation_models_pytorch.losses.focal import FocalLoss as SMPFocalLoss  # noqa: E402
from timm.loss.asymmetric_loss import AsymmetricLossMultiLabel, AsymmetricLossSingleLabel  # noqa: E402
from timm.loss.poly_loss import PolyBinaryCrossEntropy  # noqa: E402
from torchium.losses.classification.cross_entropy import ClassBalancedLoss  # noqa: E402
from torchium.losses.classification.cross_entropy import FocalLoss as TorchiumFocalLoss  # noqa: E402


def sigmoid_focal(x):
    labels = [x["logits"], x["labels"]]

    def of_optax(z, y):
        return optax.sigmoid_focal_loss(z, y, alpha=0.25, gamma=2.0).mean()

    yield entry("sigmoid_focal", "optax", "sigmoid_focal_loss(..., alpha=0.25, gamma=2).mean()", labels,
                in_jax(of_optax, *labels), gamma=2.0, alpha=0.25)  # fmt: skip
    for balanced in (True, False):
        peer = keras.losses.BinaryFocalCrossentropy(balanced, from_logits=True)
        yield entry("sigmoid_focal", "keras",
                    f"BinaryFocalCrossentropy(apply_class_balancing={balanced}, from_logits=True)", labels,
                    in_torch(lambda z, y, peer=peer: peer(y, z), *labels),
                    alpha=0.25 if balanced else None)  # fmt: skip
    yield entry("sigmoid_focal", "pytorch_optimizer", "BCEFocalLoss(alpha=0.25, gamma=2)(sigmoid, target)", labels,
                in_torch(lambda z, y: BCEFocalLoss(0.25, 2.0)(z.sigmoid(), y), *labels), alpha=0.25)  # fmt: skip
    yield entry("sigmoid_focal_elsewhere", "pytorch_optimizer", "FocalLoss(alpha=0.25, gamma=2)", labels,
                in_torch(OptimizerFocalLoss(0.25, 2.0), *labels))  # fmt: skip
    for gamma, epsilon, alpha in ((2.0, -1.0, None), (1.5, 2.0, 0.25)):
        yield entry("poly1_sigmoid_focal", "timm", "PolyBinaryCrossEntropy(epsilon, gamma, alpha)", labels,
                    in_torch(PolyBinaryCrossEntropy(epsilon, gamma, alpha), *labels),
                    gamma=gamma, epsilon=epsilon, alpha=alpha)  # fmt: skip


def softmax_focal(x):
    """The same call everywhere: gamma 2, three classes, no weights."""
    pair = [x["logits"], x["target"]]
    classes = x["logits"].shape[1]

    def of_keras(z, y, **options):
        peer = keras.losses.CategoricalFocalCrossentropy(gamma=2.0, from_logits=True, axis=1, **options)
        return peer(torch.nn.functional.one_hot(y, classes).movedim(-1, 1), z)

    peers = {
        ("keras", "CategoricalFocalCrossentropy(alpha=1, gamma=2)"): lambda z, y: of_keras(z, y, alpha=1.0),
        ("keras", "CategoricalFocalCrossentropy(gamma=2)"): of_keras,
        ("segmentation-models-pytorch", "softmax_focal_loss_with_logits(gamma=2)"): smp_softmax_focal,
        ("segmentation-models-pytorch", "FocalLoss('multiclass', gamma=2)"): SMPFocalLoss("multiclass"),
        ("torchium", "FocalLoss(gamma=2)"): TorchiumFocalLoss(),
        ("imbalanced-losses", "SoftmaxFocalLoss(gamma=2)"): SoftmaxFocalLoss(gamma=2.0),
        ("pytorch-toolbelt", "softmax_focal_loss_with_logits(gamma=2)"): toolbelt_softmax_focal,
        ("kornia", "FocalLoss(alpha=None, gamma=2, reduction='mean')"): KorniaFocalLoss(None, 2.0, "mean"),
        ("kornia", "FocalLoss(alpha=0.25, gamma=2, reduction='mean')"): KorniaFocalLoss(0.25, 2.0, "mean"),
        ("monai", "FocalLoss(to_onehot_y=True, gamma=2, use_softmax=True)"): lambda z, y: MONAIFocalLoss(
            to_onehot_y=True, gamma=2.0, use_softmax=True
        )(z, y.unsqueeze(1)),
        ("catalyst", "FocalLossMultiClass()"): FocalLossMultiClass(),
    }
    for (library, call), peer in peers.items():
        yield entry("softmax_focal", library, call, pair, in_torch(peer, *pair))


def asymmetric(x, flat):
    labels, pair = [x["logits"], x["labels"]], [flat["logits"], flat["target"]]
    for negative, positive, margin in ((4.0, 1.0, 0.05), (2.0, 0.0, 0.2), (3.0, 1.5, 0.0)):
        yield entry("asymmetric", "timm", "AsymmetricLossMultiLabel(gamma_neg, gamma_pos, clip, reduction='mean')",
                    labels, in_torch(AsymmetricLossMultiLabel(negative, positive, margin, reduction="mean"), *labels),
                    gamma_negative=negative, gamma_positive=positive, margin=margin)  # fmt: skip
        yield entry("asymmetric_single_label", "timm", "AsymmetricLossSingleLabel(gamma_pos, gamma_neg, eps)", pair,
                    in_torch(AsymmetricLossSingleLabel(positive, negative, margin), *pair),
                    gamma_negative=negative, gamma_positive=positive, label_smoothing=margin)  # fmt: skip


def with_counts(x, flat):
    pair = [flat["logits"], flat["target"]]
    counts = np.array([500.0, 60.0, 7.0])
    inputs = [*pair, counts]
    yield entry("ohem_cross_entropy", "nnunetv2", "TopKLoss(k=20)", [x["logits"], x["target"]],
                in_torch(lambda z, y: TopKLoss(k=20)(z, y.unsqueeze(1)), x["logits"], x["target"]),
                fraction=0.2)  # fmt: skip
    for beta in (0.9, 0.9999):
        yield entry("class_balanced_cross_entropy", "torchium", "ClassBalancedLoss(counts, beta, gamma=0)", inputs,
                    in_torch(lambda z, y, n, b=beta: ClassBalancedLoss(n, b, gamma=0.0)(z, y), *inputs),
                    beta=beta)  # fmt: skip
    for margin, scale, weight in ((0.5, 30.0, None), (0.3, 2.0, [0.5, 1.0, 2.0])):
        given = None if weight is None else torch.tensor(weight, dtype=torch.float64)
        yield entry("ldam", "pytorch_optimizer", "LDAMLoss(counts, max_m, weight, s)", inputs,
                    in_torch(lambda z, y, n, m=margin, s=scale, w=given: LDAMLoss(n.tolist(), m, w, s)(z, y), *inputs),
                    margin=margin, scale=scale, class_weight=weight)  # fmt: skip
    for p, q, eps in ((0.8, 2.0, 0.01), (0.0, 1.0, 0.3), (1.2, 0.0, 0.01)):
        yield entry("seesaw", "mmdet", "seesaw_ce_loss(logits, target, None, counts, 3, p, q, eps)", inputs,
                    in_torch(lambda z, y, n, o=(p, q, eps): seesaw_ce_loss(z, y, None, n, 3, *o), *inputs),
                    p=p, q=q, eps=eps)  # fmt: skip


if __name__ == "__main__":
    entries = []
    for seed in range(2):
        x, flat = draw(seed, 2, 3, 2, 3), draw(seed, 6, 3)
        entries += [*sigmoid_focal(x), *softmax_focal(x), *asymmetric(x, flat), *with_counts(x, flat)]
    write("imbalance", entries)
