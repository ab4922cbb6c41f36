"""Four snippets that everyone copies, and what the checker says of them."""

import torch
import torch.nn.functional as F
from torch import nn

import lossary
from lossary.core import Binary, ClassIndex, Logit, Probability, Real


def focal_loss(logits, target, alpha=0.25, gamma=2.0):
    """Scalar alpha: it scales the loss, and so the learning rate, and balances nothing. And at gamma below 1 the
    gradient is NaN where the class is certain."""
    entropy = F.cross_entropy(logits, target, reduction="none")
    return (alpha * (1 - torch.exp(-entropy)) ** gamma * entropy).mean()


def dice_loss(probs, target, eps=1e-7):
    """Sums over the whole batch: one image's mistakes hide in another's area."""
    hit = (probs * target).sum()
    return 1 - 2 * hit / (probs.sum() + target.sum() + eps)


class WeightedSum(nn.Module):
    """Learned weights of tasks without the logarithm that keeps them from falling to 0: below 0 it goes on for ever."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(-torch.ones(2))

    def forward(self, input, target):
        losses = torch.stack([F.mse_loss(input, target), F.l1_loss(input, target)])
        return (self.weights * losses).sum()


def double_softmax(logits, target):
    """Probabilities where logits are expected: confident mistakes cost next to nothing."""
    return F.cross_entropy(torch.softmax(logits, dim=1), target)


SNIPPETS = [
    (focal_loss, {
        "inputs": [Logit("n c"), ClassIndex("n")], "claims": {"finite", "nonnegative", "differentiable"},
        "params": {"gamma": (0.5, 5.0)},
    }),
    (dice_loss, {
        "inputs": [Probability("n *d"), Binary("n *d")],
        "claims": {"finite", "nonnegative", "zero_at_perfect", "mean_of_singles"},
    }),
    (WeightedSum, {"inputs": [Real("n"), Real("n")], "claims": {"nonnegative", "differentiable"}}),
    (double_softmax, {"inputs": [Logit("n c"), ClassIndex("n")], "claims": {"finite", "zero_at_perfect"}}),
]  # fmt: skip

for loss, told in SNIPPETS:
    report = lossary.check(loss, **told)
    print(f"{loss.__name__}: {'nothing refuted' if report.holds else 'refuted'}")
    for finding in report.refuted:
        if finding.echo_of is None:
            print(f"  {finding.claim}: {finding.reason}")
