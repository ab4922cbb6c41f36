"""Distances and kernels between clouds of points, for the losses that compare such clouds."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from lossary.core.blocks import Blockwise, slices


def squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances, ``(..., m, k)``; exact near 0, where the expansion into products is not."""
    return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1)


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Distances, ``(..., m, k)``, with a gradient of 0 between equal points."""
    squared = squares(x, y)
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)


@dataclass(eq=False)
class KernelMean(Blockwise):
    """Mean of the kernel over the pairs of two clouds, or of one with itself; the matrix of pairs a block at a time.

    A cloud has one value, so that its gradient is found along with it, but for a factor.
    """

    kernel: str
    bandwidths: tuple[float, ...]
    unbiased: bool
    """Whether the points of one cloud are not paired with themselves."""

    @override
    def plain(self, *tensors: Tensor) -> Tensor:
        x, y = tensors[0], tensors[-1]
        if self.kernel == "gaussian":
            exponents = [squares(x, y) / (2.0 * bandwidth**2) for bandwidth in self.bandwidths]
        else:
            exponents = [distances(x, y) / bandwidth for bandwidth in self.bandwidths]
        similar = torch.stack([(-exponent).exp() for exponent in exponents]).mean(0)
        if self._drops_itself(tensors):
            itself = torch.eye(x.shape[-2], dtype=torch.bool, device=x.device)
            similar = torch.where(itself, 0.0, similar)
        return similar.sum((-2, -1)) / self._pairs(tensors)

    @override
    def forward(self, tensors: Sequence[Tensor], keep: bool) -> tuple[Tensor, Sequence[Tensor]]:
        # About the middle of the points, where the gradient, a difference of sums, loses the fewest digits.
        middle = tensors[-1].mean(-2, keepdim=True)
        clouds = [t - middle for t in tensors]
        x, y = clouds[0], clouds[-1]
        total, gradients = x.new_zeros(x.shape[:-2]), [torch.zeros_like(t) for t in clouds]
        for rows in slices(x.shape[-2], x.shape[:-2].numel() * y.shape[-2]):
            here = x[..., rows, :]
            similar, slope = self._similar(torch.cdist(here, y, compute_mode="donot_use_mm_for_euclid_dist"))
            if self._drops_itself(tensors):
                similar.diagonal(rows.start, -2, -1).zero_()  # a point has no slope towards itself anyway
            total += similar.sum((-2, -1))
            if keep:
                gradients[0][..., rows, :] += slope.sum(-1, keepdim=True) * here - slope @ y
                gradients[-1] += slope.sum(-2).unsqueeze(-1) * y - slope.mT @ here
        pairs = self._pairs(tensors)
        return total / pairs, [gradient / pairs for gradient in gradients] if keep else ()

    @override
    def backward(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
        return [gradient * upstream[..., None, None] for gradient in kept]

    def _similar(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel, and its slope in the distance, over the distance."""
        similar, slope = torch.zeros_like(distance), torch.zeros_like(distance)
        share = 1.0 / len(self.bandwidths)
        for bandwidth in self.bandwidths:
            if self.kernel == "gaussian":
                each = (distance.square() / (-2.0 * bandwidth**2)).exp_()
                slope.add_(each, alpha=-share / bandwidth**2)
            else:
                each = (distance / -bandwidth).exp_()
                slope.add_(torch.where(distance > 0, each / distance, 0.0), alpha=-share / bandwidth)
            similar.add_(each, alpha=share)
        return similar, slope

    def _drops_itself(self, tensors: Sequence[Tensor]) -> bool:
        return self.unbiased and len(tensors) == 1

    def _pairs(self, tensors: Sequence[Tensor]) -> int:
        m, k = tensors[0].shape[-2], tensors[-1].shape[-2]
        return max(1, m * (m - 1) if self._drops_itself(tensors) else m * k)
