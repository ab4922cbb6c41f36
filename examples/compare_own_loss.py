"""Is a loss of one's own better than the usual ones? The result as an object, without a report."""

import torch

import lossary
from lossary.comparison import Plan


def fourth_root_loss(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Any callable of a model's outputs and the targets takes part; its gradient is its own business."""
    return ((prediction - target) ** 2 + 1e-3).pow(0.25).mean()


result = lossary.compare(
    "diabetes",
    losses=["mse", lossary.HuberLoss(delta=0.5), fourth_root_loss],
    metric="mae",
    plan=Plan(repeats=1, folds=3, budget=4, epochs=30),
)
print(result.verdict.headline)
for entry in result.entries:
    score = entry.scores["mae"]
    print(f"{entry.label:20} MAE {score.mean:5.1f}  ({score.low:.1f} to {score.high:.1f})")
