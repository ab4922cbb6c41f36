"""Losses of other libraries under the checks: ``python -m tests.checks.peers [LIBRARY ...]`` prints what is refuted.

What it found, and what of that was confirmed by hand, stands in ``docs/peers-checked.md``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn

import lossary
from lossary.core import (
    Binary,
    ClassIndex,
    Count,
    Domain,
    Embedding,
    Image,
    Logit,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Score,
    Sign,
    Simplex,
)

Entry = tuple[Callable[..., Any], Sequence[Domain], dict[str, Any]]

EVERY = dict.fromkeys(("finite", "pure", "dtype", "half", "device"), True)
SINGLE = dict.fromkeys(("permutation", "per_sample", "replicate"), True)
REDUCED = {"reductions": ("none", "mean", "sum"), "reject_reduction": True}


def torch_losses() -> Iterator[Entry]:
    common = {**EVERY, **SINGLE, **REDUCED, "strict_shape": True, "compile": True, "vmap": True}
    good = {**common, "nonnegative": True, "convex": True}
    real, labels = [Real("n d"), Real("n d")], Binary("n d")
    classes = {"ignore_index": -100, "class_weight": "weight", "weight_scale": "invariant", "mean_over": "weight"}
    for loss in (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss):
        yield loss, real, {**good, "zero_at_perfect": True, "monotone": True, "mean_over": "elements"}
    yield nn.BCELoss, [Probability("n d"), labels], {**good, "zero_at_perfect": True, "domain_check": True}
    yield nn.BCEWithLogitsLoss, [Logit("n d"), labels], {**good, "monotone": True}
    yield (
        nn.CrossEntropyLoss,
        [Logit("n c"), ClassIndex("n")],
        {**good, **classes, "all_ignored": "zero", "empty": "zero"},
    )
    yield nn.NLLLoss, [LogSimplex("n c"), ClassIndex("n")], {**common, **classes, "domain_check": True}
    yield nn.KLDivLoss, [LogSimplex("n c"), Simplex("n c")], {**common, "mean_over": "elements"}
    yield nn.PoissonNLLLoss, [Real("n", low=-10, high=10), Count("n")], common
    yield nn.GaussianNLLLoss, [Real("n"), Real("n"), PositiveReal("n")], common
    yield nn.HingeEmbeddingLoss, [NonNegativeReal("n"), Sign("n")], good
    yield nn.MarginRankingLoss, [Score("n"), Score("n"), Sign("n")], good
    yield nn.TripletMarginLoss, [Embedding("n d")] * 3, {**common, "nonnegative": True, "mean_over": "batch"}
    yield nn.CosineEmbeddingLoss, [Embedding("n d"), Embedding("n d"), Sign("n")], {**common, "scale_invariant": True}
    yield nn.MultiLabelSoftMarginLoss, [Logit("n c"), Binary("n c")], good
    yield nn.SoftMarginLoss, [Real("n"), Sign("n")], good
    yield nn.MultiMarginLoss, [Logit("n c"), ClassIndex("n")], good


def kornia_losses() -> Iterator[Entry]:
    from kornia import losses

    maps = [Logit("n c h w"), ClassIndex("n h w")]
    images = [Image("n c h w"), Image("n c h w")]
    yield losses.dice_loss, maps, {**EVERY, "bounded": (0.0, 1.0), "mean_of_singles": True}
    yield losses.FocalLoss(alpha=0.5), maps, {**EVERY, **SINGLE, "nonnegative": True}
    yield losses.TverskyLoss(alpha=0.3, beta=0.7), maps, {**EVERY, "bounded": (0.0, 1.0)}
    yield losses.lovasz_softmax_loss, maps, {**EVERY, "nonnegative": True}
    yield losses.binary_focal_loss_with_logits, [Logit("n c h w"), Binary("n c h w")], {**EVERY, "nonnegative": True}
    for loss in (losses.charbonnier_loss, losses.welsch_loss, losses.cauchy_loss, losses.geman_mcclure_loss):
        yield (
            loss,
            [Real("n d"), Real("n d")],
            {**EVERY, **SINGLE, **REDUCED, "nonnegative": True, "zero_at_perfect": True},
        )
    yield losses.total_variation, [Image("n c h w")], {**EVERY, "nonnegative": True}
    yield losses.PSNRLoss(max_val=1.0), images, {**EVERY, "symmetric": True}
    yield (
        losses.js_div_loss_2d,
        [Simplex("n c h w"), Simplex("n c h w")],
        {**EVERY, "nonnegative": True, "symmetric": True},
    )


def monai_losses() -> Iterator[Entry]:
    from monai import losses

    maps = [Probability("n c h w"), Binary("n c h w")]
    logits = [Logit("n c h w"), Binary("n c h w")]
    common = {**EVERY, "reject_reduction": True, "nonnegative": True, "strict_shape": True}
    for loss in (losses.DiceLoss, losses.GeneralizedDiceLoss, losses.TverskyLoss):
        yield loss, maps, {**common, "zero_at_perfect": True, "bounded": (0.0, 1.0)}
    yield losses.FocalLoss, logits, common
    yield losses.DiceFocalLoss(sigmoid=True), logits, common
    yield (
        losses.SSIMLoss(spatial_dims=2),
        [Image("n c h w"), Image("n c h w")],
        {**EVERY, "zero_at_perfect": True, "symmetric": True},
    )


def metric_learning_losses() -> Iterator[Entry]:
    from pytorch_metric_learning import losses

    labelled = [Embedding("n d"), ClassIndex("n", of="k")]
    for loss in (
        losses.TripletMarginLoss, losses.ContrastiveLoss, losses.MultiSimilarityLoss, losses.NTXentLoss,
        losses.CircleLoss, losses.SupConLoss,
    ):  # fmt: skip
        yield loss, labelled, {**EVERY, "nonnegative": True, "permutation": True}


LIBRARIES = {
    "torch": torch_losses,
    "kornia": kornia_losses,
    "monai": monai_losses,
    "pytorch-metric-learning": metric_learning_losses,
}


def main(names: Sequence[str]) -> None:
    warnings.simplefilter("ignore")
    for library in names or LIBRARIES:
        for loss, domains, claims in LIBRARIES[library]():
            sizes = {"h": (32,), "w": (32,)} if "SSIM" in str(loss) else {}
            report = lossary.check(loss, inputs=domains, claims=claims, sizes=sizes)
            print(f"{library} {report.loss}: {'nothing refuted' if report.holds else ''}", flush=True)
            for finding in report.refuted:
                if finding.echo_of is None:
                    print(f"    {finding.claim}: {finding.reason} (at {finding.evidence['at']})")


if __name__ == "__main__":
    main(sys.argv[1:])
