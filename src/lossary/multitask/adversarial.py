"""What keeps a generator and a discriminator in balance: the weight of the game, and how often its penalty is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lossary.core import LossInputError
from lossary.core.combination import Weight, weigh

from .adaptive import gradient_norm
from .weighting import Batch, Weighting

PAPER_DELTA = 1e-6
"""The delta of arXiv:2012.09841, eq. 7. Its authors' code has 1e-4."""
LIMIT = 1e4
"""Where the authors' code stops the ratio; the paper does not say."""


def gradient_ratio(
    reference: Tensor,
    loss: Tensor,
    at: Tensor | Sequence[Tensor],
    *,
    delta: float = PAPER_DELTA,
    limit: float = LIMIT,
) -> Tensor:
    r"""The weight at which the gradient of ``loss`` is as long as that of ``reference``, a constant to the gradient.

    VQGAN's adaptive weight (Esser, Rombach and Ommer, arXiv:2012.09841, eq. 7):
    :math:`\|\nabla_L L_\mathrm{rec}\| / (\|\nabla_L L_\mathrm{GAN}\| + \delta)`, with the gradients at the last layer L
    of the decoder. Costs a backward pass to ``at`` for each of the two losses; nothing is added to ``.grad``.

        weight = gradient_ratio(reconstruction, adversarial, decoder.last.weight)
        (reconstruction + 0.8 * weight * adversarial).backward()

    Args:
        reference: The loss that sets the measure, one number: in VQGAN the reconstruction.
        loss: The loss that is weighed, one number: in VQGAN that of the generator.
        at: The parameters in which the gradients are measured; both losses must depend on them.
        delta: Added below the fraction.
        limit: What the ratio is held below.

    Raises:
        LossInputError: if the delta is below 0, the limit not above 0, or there is nothing to measure at.

    >>> layer = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> gradient_ratio((3.0 * layer).sum(), (0.5 * layer).sum(), layer, delta=0.0)
    tensor(6.)
    """
    _check("gradient_ratio", delta, limit)
    tensors = (at,) if isinstance(at, Tensor) else tuple(at)
    if not tensors:
        raise LossInputError("gradient_ratio: `at` must hold at least one parameter, got none.")
    ratio = gradient_norm(reference, tensors) / (gradient_norm(loss, tensors) + delta)
    return ratio.nan_to_num(nan=1.0).clamp(max=limit)  # 0 / 0: neither loss moves the layer


class AdaptiveWeight(Weighting):
    r"""Every task at the weight at which its gradient is as long as that of one of them: VQGAN's adaptive weight.

    The weight of ``reference`` is 1, that of any other task its ``factor`` times :func:`gradient_ratio`. The gradients
    are those in the parameters given as ``shared`` at the call, in VQGAN the last layer of the decoder; where none are
    given, those in all that the tasks share, at the cost of a longer backward pass. In evaluation, and where the
    reference is missing in the batch, the last ratios hold; 1 before the first.

        loss = MultitaskLoss(
            {"pixels": L1Loss(), "game": NonsaturatingGeneratorLoss()},
            AdaptiveWeight("pixels", {"game": Ramp(0.0, 0.8, steps=1, after=10_000)}),
        )
        outputs = {"pixels": fake, "game": discriminator(fake)}
        loss(outputs, {"pixels": real, "game": ()}, shared=[decoder.last.weight]).backward()

    Args:
        reference: The task whose gradient is the measure.
        factor: What the ratio of a task is multiplied by: a number, or a callable of the step; 1 where not given. The
            published VQGANs have 0.8, and 0 until the discriminator is let in.
        delta: Added below the fraction: 1e-6 in the paper, 1e-4 in its authors' code.
        limit: What the ratio is held below, as in the authors' code.

    Raises:
        LossInputError: for a task that does not exist, a delta below 0, or a limit not above 0.
    """

    needs_shared = True

    def __init__(
        self,
        reference: str,
        factor: dict[str, Weight] | None = None,
        *,
        delta: float = PAPER_DELTA,
        limit: float = LIMIT,
    ) -> None:
        super().__init__()
        _check("AdaptiveWeight", delta, limit)
        self.reference, self.factor = reference, dict(factor or {})
        self.delta, self.limit = delta, limit

    def prepare(self) -> None:
        self._check_tasks("reference", {self.reference: None})
        self._check_tasks("factor", self.factor)
        self._factors(0)
        self.ratio: Tensor
        self.register_buffer("ratio", torch.ones(len(self.tasks)))

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        if batch.update and len(batch.losses) > 1:
            self._measure(batch)
        factors = self.ratio.new_tensor(self._factors(batch.step))
        return (factors * self.ratio)[batch.index].to(batch.losses.dtype), None

    def _factors(self, step: int) -> list[float]:
        return [weigh("AdaptiveWeight", task, self.factor.get(task, 1.0), step) for task in self.tasks]

    def _measure(self, batch: Batch) -> None:
        here = batch.index.tolist()
        if (position := self.tasks.index(self.reference)) not in here:
            return
        measure = batch.parts[here.index(position)]
        for i, loss in zip(here, batch.parts, strict=True):
            if i != position:
                self.ratio[i] = gradient_ratio(measure, loss, batch.shared, delta=self.delta, limit=self.limit)


@dataclass(frozen=True)
class Lazy:
    r"""A weight that is due every k-th step only, and k times as large then: lazy regularisation.

    Karras et al., arXiv:1912.04958 (StyleGAN2), sec. 3.1 and appendix B: a penalty on gradients is dear and changes
    slowly; at every 16th step in place of each it costs little and does as much. It is a callable of the step, so
    the weight of a term can be one; in a loop, ask :meth:`due` first, as the point is not to compute the gradient that
    the penalty needs:

        r1 = Lazy(10.0, every=16)
        loss = discriminator_loss(...)
        if r1.due(step):
            loss = loss + r1(step) * r1_penalty_loss(input_gradient(discriminator, real))

    Args:
        weight: The weight that the penalty would have at every step: 10 for R1 (gamma in arXiv:1801.04406) and for
            the gradient penalty of WGAN-GP (lambda in arXiv:1704.00028).
        every: k; 16 for R1 in StyleGAN2.

    Raises:
        LossInputError: for a weight that is no finite number, or ``every`` below 1.

    >>> [Lazy(10.0, every=4)(step) for step in range(6)]
    [40.0, 0.0, 0.0, 0.0, 40.0, 0.0]
    """

    weight: float
    every: int = 16

    def __post_init__(self) -> None:
        weigh("Lazy", "the penalty", self.weight, 0)
        if self.every < 1:
            raise LossInputError(f"Lazy: `every` must be at least 1, got {self.every!r}.")

    def due(self, step: int) -> bool:
        """Whether the penalty counts at this step."""
        return step % self.every == 0

    def __call__(self, step: int) -> float:
        return self.weight * self.every if self.due(step) else 0.0

    def adam(self, lr: float, betas: tuple[float, float]) -> dict[str, float | tuple[float, float]]:
        """Adam's settings where the penalty takes an optimizer step of its own: keywords for ``torch.optim.Adam``.

        The optimizer then makes k + 1 steps where it would make k, so its rate is multiplied by c = k / (k + 1) and its
        betas are raised to the power of c (appendix B). Where the penalty is added to the loss of the same step, as
        above, nothing is to be changed.

        >>> Lazy(10.0, every=1).adam(lr=0.002, betas=(0.0, 0.81))
        {'lr': 0.001, 'betas': (0.0, 0.9)}
        """
        c = self.every / (self.every + 1)
        return {"lr": lr * c, "betas": (betas[0] ** c, betas[1] ** c)}


def _check(owner: str, delta: float, limit: float) -> None:
    if not delta >= 0:
        raise LossInputError(f"{owner}: `delta` must be at least 0, got {delta!r}.")
    if not limit > 0:
        raise LossInputError(f"{owner}: `limit` must be above 0, got {limit!r}.")
