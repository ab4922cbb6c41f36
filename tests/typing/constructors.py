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

huber, dice = lossary.HuberLoss(), lossary.DiceLoss()
both = 0.5 * huber + dice / 2
assert_type(both, lossary.multitask.Combination)
assert_type(both(x, x, sample_weight=x), torch.Tensor)
assert_type(-huber - dice, lossary.multitask.Combination)
assert_type(huber * lossary.multitask.Ramp(0.0, 1.0, steps=10), lossary.multitask.Combination)
assert_type(lossary.multitask.Lazy(10.0, every=16) * lossary.R1PenaltyLoss(), lossary.multitask.Combination)
assert_type(huber + torch.nn.MSELoss(), lossary.multitask.Combination)
assert_type(both.weights()["huber"], float)
tasks = lossary.multitask.MultitaskLoss({"a": huber, "b": both}, "famo")
assert_type(tasks({"a": x, "b": x}, {"a": x, "b": None}), torch.Tensor)
assert_type(next(lossary.multitask.Alternation(critic=5)), lossary.multitask.Turn)
huber * "2"  # E
huber + 1.0  # E
huber * dice  # E
huber / dice  # E
"2" * huber  # E
lossary.multitask.MultitaskLoss({"a": huber}, "kendall")  # E
lossary.multitask.MultitaskLoss({"a": huber}, aggregation="gradvac")  # E
