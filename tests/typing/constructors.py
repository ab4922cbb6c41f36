"""Read by mypy and pyright, never run: lines marked E must be errors, all others must not."""

from typing import assert_type

import torch

import lossary

x = torch.zeros(3)
assert_type(lossary.HuberLoss(delta=2.0, reduction="sum")(x, x, sample_weight=x), torch.Tensor)
assert_type(lossary.huber_loss(x, x, delta=2.0, sample_weight=x, mask=x > 0, reduction="none"), torch.Tensor)
assert_type(lossary.HuberLoss().delta, float)
lossary.CrossEntropyLoss(label_smoothing=0.1, class_weight=x)
lossary.HuberLoss(detla=2.0)  # E
lossary.HuberLoss(delta="2")  # E
lossary.HuberLoss(reduction="avg")  # E
lossary.HuberLoss()(x)  # E
lossary.huber_loss(x, x, detla=2.0)  # E
lossary.huber_loss(x, x, reduction="avg")  # E
lossary.huber_loss(x, x, weight=x)  # E
lossary.CrossEntropyLoss(class_weight=[1.0])  # E
lossary.compare("iris", folds=3)  # E
