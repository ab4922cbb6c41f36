"""Losses of the hardest samples of a batch alone."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    ClassIndex,
    ClassWeight,
    Fraction,
    Logit,
    PairLoss,
    Weighted,
    When,
    Within,
    loss,
    reduce,
)

__all__ = ["OHEMCrossEntropyLoss", "ohem_cross_entropy_loss"]


@loss(
    Card(
        task=("multi-class classification", "segmentation", "detection"),
        inputs=[Logit("n c *d | c"), ClassIndex("n *d | ")],
        values="",
        mask="n *d | ",
        claims={"nonnegative", "bounded_gradient", "shift_invariant", "permutation_invariant",
                When("convex", "threshold is None and class_weight is None")},
        formula=r"\frac{\sum_{i \in H} w_{y_i} \ell_i}{\sum_{i \in H} w_{y_i}},\quad \ell_i = -\log p_{i, y_i},\quad"
                r" H = \text{the share } \rho \text{ of largest } \ell_i \text{, and all with } p_{i, y_i} < t",
        source="arXiv:1604.03540, section 4; with a threshold, arXiv:1605.06885",
        settings=[{"fraction": 0.7}, {"threshold": 0.5, "fraction": 0.9},
                  {"class_weight": torch.tensor([0.5, 1.0, 2.0])}],
        samples="interacting",
        tune={"fraction": (0.1, 0.25, 0.5)},
        good_at={"class imbalance", "hard examples"},
        bad_at={"label noise", "outliers", "calibrated probabilities", "small batches"},
        known_as=("OHEM", "OHEM / top-k cross-entropy", "top-k cross-entropy", "online hard example mining",
                  "bootstrapped cross-entropy"),
        elsewhere={
            "nnU-Net": "TopKLoss; fraction 0.1, rounded down",
            "CoinCheung/pytorch-loss": "OhemCELoss; score_thresh is `threshold`, and n_min, a 16th by default, is"
            " `fraction` as a number of samples",
            "mmseg": "OHEMPixelSampler; thresh and min_kept, which is a number of samples per image",
        },
    )
)  # fmt: skip
def ohem_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    fraction: Annotated[float, Within(0.0, 1.0, above=True)] = 0.25,
    threshold: Fraction | None = None,
    class_weight: ClassWeight | None = None,
    ignore_index: int = -100,
    **how: Unpack[Weighted],
) -> Tensor:
    """Mean cross-entropy of the hardest samples of the batch: online hard example mining.

    Samples are pixels where the logits have more dimensions, and are chosen over the whole batch. At least one is kept;
    which of equally hard ones are is open.

    Args:
        logits: Scores before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.
        target: Index of the class in [0, c), ``(n, *d)``.
        mask: True where a sample takes part, ``(n, *d)``.
        fraction: Share of the samples that is kept, in (0, 1], rounded to a whole number of them.
        threshold: Samples whose class has a probability below this are kept too.
        class_weight: One weight per class, ``(c,)``; it weighs what is kept and does not enter the choice.
        ignore_index: Samples with this target do not count.

    >>> logits = torch.tensor([[0.0, 0.0], [9.0, 0.0], [8.0, 0.0], [7.0, 0.0]])
    >>> ohem_cross_entropy_loss(logits, torch.zeros(4, dtype=torch.long))  # one of four, log 2
    tensor(0.6931)
    """
    counted = target != ignore_index
    if mask is not None:
        counted = counted & mask
    safe = torch.where(counted, target, 0)
    scores = torch.where(counted.unsqueeze(min(1, target.ndim)), logits, 0.0)
    nll = F.cross_entropy(scores, safe, reduction="none").flatten()
    weight = counted.to(nll.dtype) if class_weight is None else torch.where(counted, class_weight[safe], 0.0)
    hardness = torch.where(counted.flatten(), nll.detach(), -1.0)
    order = hardness.argsort(descending=True, stable=True)
    kept = torch.arange(len(order), device=order.device) < (fraction * counted.sum()).round().clamp(min=1)
    if threshold is not None:
        kept = kept | (torch.exp(-hardness[order]) < threshold)
    weight = torch.where(kept, weight.flatten()[order], 0.0)
    total = weight.sum()
    return reduce((weight * nll[order]).sum() / torch.where(total == 0, 1.0, total), **how)


class OHEMCrossEntropyLoss(PairLoss, of=ohem_cross_entropy_loss):
    """Module form of :func:`ohem_cross_entropy_loss`."""

    fraction: Annotated[float, Within(0.0, 1.0, above=True)] = 0.25
    threshold: Fraction | None = None
    class_weight: ClassWeight | None = None
    ignore_index: int = -100
