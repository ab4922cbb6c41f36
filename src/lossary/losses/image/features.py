"""Losses of what a network sees in images, or in anything else."""

import math
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from lossary.core import Card, Loss, LossInputError, NonNegativeReal, PairLoss, Real, Reduce, Reduction, loss, reduce

__all__ = [
    "ContentLoss", "GramStyleLoss", "LPIPSLoss", "PerceptualLoss",
    "content_loss", "gram_style_loss", "lpips_loss",
]  # fmt: skip

_FEATURES = "n c h w | n c t h w | n c t | n c"
"""Of images, volumes or films, and signals, and features without a place."""


@loss(
    Card(
        task="style transfer",
        inputs=[Real(_FEATURES), Real(_FEATURES)],
        values="n",
        claims={"nonnegative", "zero_at_target", "symmetric", "convex", "monotone", "smooth"},
        formula=r"\tfrac12 \sum_{i,j} (F_{ij} - P_{ij})^2",
        source="arXiv:1508.06576, eq. 1",
        good_at={"perceptual quality"},
        bad_at={"outliers"},
        known_as=("content loss", "VGG content loss", "VGG perceptual / content loss", "feature reconstruction loss"),
        elsewhere={"Johnson 2016": "divides by the size of the features (arXiv:1603.08155, eq. 2): use MSELoss"},
    )
)  # fmt: skip
def content_loss(features: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Half the squared distance of what a layer of a network sees in two images. See :class:`PerceptualLoss`.

    Args:
        features: Feature maps of the image, ``(n, c, h, w)``, or with another number of places.
        target: Those of the image whose content is wanted, the same shape.

    >>> content_loss(torch.ones(1, 2, 3), torch.zeros(1, 2, 3))
    tensor(3.)
    """
    return reduce(0.5 * (features - target).square().flatten(1).sum(1), **how)


class ContentLoss(PairLoss, of=content_loss):
    """Module form of :func:`content_loss`."""


@loss(
    Card(
        task="style transfer",
        inputs=[Real(_FEATURES), Real(_FEATURES)],
        values="n",
        claims={"nonnegative", "zero_at_target", "symmetric", "smooth"},
        formula=r"\frac{1}{4 N^2 M^2} \sum_{i,j} \Big(\sum_k F_{ik} F_{jk} - \sum_k P_{ik} P_{jk}\Big)^2",
        source="arXiv:1508.06576, eq. 3 and 4",
        good_at={"perceptual quality"},
        bad_at={"outliers"},
        known_as=("Gram style", "style loss", "Gram style loss", "Gram style loss (and AdaIN)", "Gram matrix loss"),
        elsewhere={
            "Johnson 2016": "divides each Gram matrix by N M: 4 times this value (arXiv:1603.08155, eq. 4)",
            "piq": "StyleLoss; the mean squared difference of Gram matrices divided by nothing",
        },
    )
)  # fmt: skip
def gram_style_loss(features: Tensor, target: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Difference of the correlations between the channels of a layer: the texture of an image, wherever things are.

    The sum over layers (eq. 5) is :class:`PerceptualLoss`. The two images may differ in nothing but content.

    Args:
        features: Feature maps of the image, ``(n, c, h, w)``, or with another number of places: N channels, M places.
        target: Those of the image whose style is wanted, the same shape.

    >>> gram_style_loss(torch.ones(1, 2, 3), torch.zeros(1, 2, 3))  # four times 3 squared, over 4 * 2**2 * 3**2
    tensor(0.2500)
    """
    channels, places = features.shape[1], math.prod(features.shape[2:])
    squared = (_gram(features) - _gram(target)).square().flatten(1).sum(1)
    return reduce(squared / (4.0 * channels**2 * places**2), **how)


class GramStyleLoss(PairLoss, of=gram_style_loss):
    """Module form of :func:`gram_style_loss`."""


@loss(
    Card(
        task="image restoration",
        inputs=[Real(_FEATURES), Real(_FEATURES), NonNegativeReal("c")],
        values="n",
        claims={"nonnegative", "zero_at_target", "symmetric", "bounded_gradient"},
        formula=r"\frac{1}{M} \sum_m \sum_k w_k (\hat F_{km} - \hat P_{km})^2, \quad \hat F_m = F_m / \|F_m\|",
        source="arXiv:1801.03924, eq. 1",
        good_at={"perceptual quality"},
        bad_at={"speed", "memory"},
        known_as=("LPIPS", "learned perceptual image patch similarity"),
        elsewhere={
            "lpips": "LPIPS; owns network and weights, and sums the layers; channel_weight is its lin layers' weight, "
                     "the square of the w of the paper; gradient NaN where all channels are 0",
        },
    )
)  # fmt: skip
def lpips_loss(features: Tensor, target: Tensor, channel_weight: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Distance of the directions of the features of one layer, place by place, with a learned weight per channel.

    The sum over the layers of a network is :class:`PerceptualLoss`. A place without any feature has no direction; it
    counts as the vector 0, without a gradient.

    Args:
        features: Feature maps of the image, ``(n, c, h, w)``, or with another number of places.
        target: Those of the image wanted, the same shape.
        channel_weight: What each channel counts, ``(c,)``: the weights of the linear layer that LPIPS publishes for
            this layer, or ones.

    >>> first, second = torch.tensor([[[3.0], [0.0]]]), torch.tensor([[[0.0], [9.0]]])
    >>> lpips_loss(first, second, torch.tensor([1.0, 0.5]))
    tensor(1.5000)
    """
    weight = channel_weight.reshape(-1, *(1,) * (features.ndim - 2))
    distance = (weight * (_directions(features) - _directions(target)) ** 2).sum(1)
    return reduce(distance.unsqueeze(-1).flatten(1).mean(1), **how)


class LPIPSLoss(Loss, of=lpips_loss):
    """Module form of :func:`lpips_loss` for one layer of a network; it owns the channel weights, which are not trained.

    Give ``PerceptualLoss`` one per layer.
    """

    def __init__(self, channel_weight: Tensor, *, reduction: Reduction = "mean") -> None:
        if channel_weight.ndim != 1:
            raise LossInputError(
                f"LPIPSLoss: `channel_weight` must have the shape (c,), got {tuple(channel_weight.shape)}."
            )
        super().__init__(reduction=reduction)
        self.register_buffer("channel_weight", channel_weight.detach().clone())

    def forward(
        self,
        *tensors: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        weight = self.get_buffer("channel_weight")
        return super().forward(*tensors, weight, sample_weight=sample_weight, mask=mask, denominator=denominator)


class PerceptualLoss(nn.Module):
    """Sum over the layers of a network of how much what they see in the prediction differs from the target.

    The network is yours: a pretrained VGG cut into stages for content, style or LPIPS, the encoder of a codec for
    sound. It is frozen and kept in evaluation mode; gradients flow through it into the prediction, not into the target.

        style = PerceptualLoss(vgg_stages, GramStyleLoss(), layer_weights=[0.2] * 5)       # Gatys, eq. 5
        lpips = PerceptualLoss(vgg_stages, [LPIPSLoss(w) for w in published_weights])       # Zhang, eq. 1

    Args:
        extractor: Returns the features of a batch, as a tensor, a sequence of tensors, or a dictionary of them.
        losses: The loss of the features of a layer and those of the target: one for all layers, or one for each. Any
            loss of two tensors will do, as :class:`ContentLoss`, :class:`GramStyleLoss`, ``L1Loss``.
        layer_weights: What each layer counts; ``None`` for 1 each.

    Raises:
        LossInputError: at the call, if the number of layers is not that of ``losses`` or ``layer_weights``.

    >>> features = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> image = torch.ones(1, 1, 2, 2)
    >>> PerceptualLoss(features, ContentLoss())(image, image)
    tensor(0.)
    """

    def __init__(
        self,
        extractor: nn.Module,
        losses: nn.Module | Sequence[nn.Module],
        *,
        layer_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.extractor = extractor.requires_grad_(False).eval()
        self.shared = isinstance(losses, nn.Module)
        self.losses = nn.ModuleList([losses] if isinstance(losses, nn.Module) else losses)
        self.layer_weights = None if layer_weights is None else tuple(layer_weights)

    def train(self, mode: bool = True) -> Self:
        """Leaves the extractor in evaluation mode."""
        super().train(mode)
        self.extractor.eval()
        return self

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        """The loss of two batches that the extractor takes; the options are those of every loss."""
        features = _layers(self.extractor(prediction))
        with torch.no_grad():
            wanted = _layers(self.extractor(target))
        losses = list(self.losses) * len(features) if self.shared else list(self.losses)
        weights = (1.0,) * len(features) if self.layer_weights is None else self.layer_weights
        for name, given in (("losses", losses), ("layer_weights", weights)):
            if len(given) != len(features):
                raise LossInputError(
                    f"PerceptualLoss: `{name}` must be one per layer, which are {len(features)}, got {len(given)}."
                )
        how = {"sample_weight": sample_weight, "mask": mask, "denominator": denominator}
        layers = zip(weights, losses, features, wanted, strict=True)
        return torch.stack([weight * of_layer(f, t, **how) for weight, of_layer, f, t in layers]).sum(0)


def _layers(features: Tensor | Sequence[Tensor] | Mapping[str, Tensor]) -> list[Tensor]:
    if isinstance(features, Tensor):
        return [features]
    return list(features.values() if isinstance(features, Mapping) else features)


def _gram(features: Tensor) -> Tensor:
    rows = features.unsqueeze(-1).flatten(2)
    return rows @ rows.transpose(1, 2)


def _directions(features: Tensor) -> Tensor:
    """The features of each place, divided by their length; 0 where all are 0."""
    squared = features.square().sum(1, keepdim=True)
    nothing = squared == 0
    return torch.where(nothing, 0.0, features / torch.where(nothing, 1.0, squared).sqrt())
