"""Losses of generative adversarial networks, named by who minimises them: the discriminator (critic) or the generator.

A discriminator gives each sample a score, here always before any sigmoid: a logit, or a number without a meaning of its
own. Real and generated samples are given in equal number; scores may be of patches, ``(n, *d)``.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Card,
    Logit,
    LossInputError,
    NonNegative,
    Number,
    PairLoss,
    Real,
    Reduce,
    Score,
    SingleLoss,
    Weighted,
    When,
    loss,
    masked_sum,
    reduce,
)
from lossary.kernels import Element, Elementwise, logistic, maximum, where

__all__ = [
    "GradientPenaltyLoss", "HingeDiscriminatorLoss", "HingeGeneratorLoss", "LeastSquaresDiscriminatorLoss",
    "LeastSquaresGeneratorLoss", "MinimaxDiscriminatorLoss", "MinimaxGeneratorLoss", "NonsaturatingGeneratorLoss",
    "R1PenaltyLoss", "WassersteinCriticLoss", "WassersteinGeneratorLoss",
    "gradient_penalty_loss", "hinge_discriminator_loss", "hinge_generator_loss", "input_gradient",
    "interpolated_gradient", "least_squares_discriminator_loss", "least_squares_generator_loss",
    "minimax_discriminator_loss", "minimax_generator_loss", "nonsaturating_generator_loss", "r1_penalty_loss",
    "wasserstein_critic_loss", "wasserstein_generator_loss",
]  # fmt: skip


def _minimax(real: Element, fake: Element) -> tuple[Element, ...]:
    of_real, _, missed = logistic(real)
    of_fake, taken, _ = logistic(fake)
    return maximum(-real, 0.0) + of_real + maximum(fake, 0.0) + of_fake, -missed, taken


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Logit("*n"), Logit("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"-\log \sigma(d(x)) - \log\big(1 - \sigma(d(\hat x))\big)",
        source="arXiv:1406.2661, eq. 1",
        good_at={"smooth optimisation"},
        bad_at={"vanishing gradient"},
        known_as=("GAN discriminator", "minimax GAN", "vanilla GAN discriminator", "BCE GAN discriminator"),
        elsewhere={
            "MONAI": 'PatchAdversarialLoss(criterion="bce"): one call for real, one for generated scores; add them',
            "torchgan": "minimax_discriminator_loss: the same",
            "basicsr": 'GANLoss("vanilla"): one call for each',
        },
    ),
    kernel=Elementwise(_minimax, wrt=(0, 1)),
)
def minimax_discriminator_loss(real_logits: Tensor, fake_logits: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What the discriminator of the original GAN minimises: cross-entropy of "real" and "generated".

    The same discriminator serves :func:`minimax_generator_loss` and :func:`nonsaturating_generator_loss`. The cross-
    entropies of a real and a generated sample are added, not averaged.

    Args:
        real_logits: Log-odds that real samples are real, any shape ``(*n)``.
        fake_logits: Log-odds that generated samples are real, the same shape.

    >>> minimax_discriminator_loss(torch.zeros(2), torch.zeros(2))  # 2 log 2
    tensor(1.3863)
    """
    return reduce(F.softplus(-real_logits) + F.softplus(fake_logits), **how)


class MinimaxDiscriminatorLoss(PairLoss, of=minimax_discriminator_loss):
    """Module form of :func:`minimax_discriminator_loss`."""


def _saturating(fake: Element) -> tuple[Element, ...]:
    rest, taken, _ = logistic(fake)
    return -maximum(fake, 0.0) - rest, -taken


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Logit("*n")],
        values="*n",
        claims={"bounded_gradient", "smooth"},
        formula=r"\log\big(1 - \sigma(d(\hat x))\big)",
        source="arXiv:1406.2661, eq. 1",
        bad_at={"vanishing gradient", "unstable training"},
        known_as=("saturating GAN", "saturating GAN generator", "saturating generator", "minimax GAN generator"),
        elsewhere={"torchgan": "minimax_generator_loss(nonsaturating=False): the same"},
    ),
    kernel=Elementwise(_saturating, inputs=1),
)
def minimax_generator_loss(fake_logits: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What the generator minimises in the original game: the logarithm of the chance that it is found out. Saturates.

    Never above 0 and without a lower bound. Where the discriminator sees through the generator, as it does at the
    start, the gradient fades: :func:`nonsaturating_generator_loss` has the same fixed point without that.

    Args:
        fake_logits: Log-odds that generated samples are real, any shape ``(*n)``.

    >>> minimax_generator_loss(torch.zeros(2))  # -log 2
    tensor(-0.6931)
    """
    return reduce(-F.softplus(fake_logits), **how)


class MinimaxGeneratorLoss(SingleLoss, of=minimax_generator_loss):
    """Module form of :func:`minimax_generator_loss`."""


def _nonsaturating(fake: Element) -> tuple[Element, ...]:
    rest, _, seen_through = logistic(fake)
    return maximum(-fake, 0.0) + rest, -seen_through


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Logit("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"-\log \sigma(d(\hat x))",
        source="arXiv:1406.2661, sec. 3",
        good_at={"vanishing gradient", "smooth optimisation"},
        bad_at={"mode collapse"},
        known_as=("non-saturating GAN", "NSGAN", "GAN generator", "Minimax / non-saturating GAN",
                  "vanilla GAN generator"),
        elsewhere={
            "MONAI": 'PatchAdversarialLoss(criterion="bce") with target_is_real=True, for_discriminator=False',
            "torchgan": "minimax_generator_loss(nonsaturating=True), its default: the same",
        },
    ),
    kernel=Elementwise(_nonsaturating, inputs=1),
)  # fmt: skip
def nonsaturating_generator_loss(fake_logits: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What generators minimise in practice: cross-entropy of calling the generated samples real.

    Its gradient is strongest where the discriminator sees through the generator. Goes with
    :func:`minimax_discriminator_loss`.

    Args:
        fake_logits: Log-odds that generated samples are real, any shape ``(*n)``.

    >>> nonsaturating_generator_loss(torch.tensor([0.0, -100.0]), reduction="none")
    tensor([  0.6931, 100.0000])
    """
    return reduce(F.softplus(-fake_logits), **how)


class NonsaturatingGeneratorLoss(SingleLoss, of=nonsaturating_generator_loss):
    """Module form of :func:`nonsaturating_generator_loss`."""


def _least_squares(real: Element, fake: Element, real_label: Element, fake_label: Element) -> tuple[Element, ...]:
    of_real, of_fake = real - real_label, fake - fake_label
    return 0.5 * (of_real * of_real + of_fake * of_fake), of_real, of_fake


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Score("*n"), Score("*n")],
        values="*n",
        claims={"nonnegative", "convex", "smooth"},
        formula=r"\tfrac12 (d(x) - b)^2 + \tfrac12 (d(\hat x) - a)^2",
        source="arXiv:1611.04076, eq. 2",
        settings=[{"real_label": 1.0, "fake_label": -1.0}],
        good_at={"vanishing gradient", "smooth optimisation"},
        bad_at={"large errors"},
        known_as=("LSGAN discriminator", "Least-squares GAN", "LSGAN", "least squares GAN discriminator"),
        elsewhere={
            "MONAI": 'PatchAdversarialLoss(criterion="least_squares"): without the half, and by default of a leaky ReLU'
                     " of the scores; no_activation_leastsq=True omits it",
            "torchgan": "least_squares_discriminator_loss: the same",
            "basicsr": 'GANLoss("lsgan"): one call for each, without the half',
        },
    ),
    kernel=Elementwise(_least_squares, wrt=(0, 1)),
)  # fmt: skip
def least_squares_discriminator_loss(
    real_scores: Tensor,
    fake_scores: Tensor,
    *,
    real_label: Number = 1.0,
    fake_label: Number = 0.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """What the discriminator of LSGAN minimises: half the squared distance of its scores from two labels.

    With the labels 1 and -1, and 0 for the generator, the game minimises Pearson's chi-squared divergence.

    Args:
        real_scores: Scores of real samples, any shape ``(*n)``; no sigmoid.
        fake_scores: Scores of generated samples, the same shape.
        real_label: What the scores of real samples should be; b in the paper.
        fake_label: What the scores of generated samples should be; a in the paper.

    >>> least_squares_discriminator_loss(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), reduction="none")
    tensor([0.0000, 2.5000])
    """
    return reduce(0.5 * ((real_scores - real_label) ** 2 + (fake_scores - fake_label) ** 2), **how)


class LeastSquaresDiscriminatorLoss(PairLoss, of=least_squares_discriminator_loss):
    """Module form of :func:`least_squares_discriminator_loss`."""

    real_label: Number = 1.0
    fake_label: Number = 0.0


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Score("*n")],
        values="*n",
        claims={"nonnegative", "convex", "smooth"},
        formula=r"\tfrac12 (d(\hat x) - c)^2",
        source="arXiv:1611.04076, eq. 2",
        settings=[{"real_label": 0.0}],
        good_at={"vanishing gradient", "smooth optimisation"},
        known_as=("LSGAN generator", "least squares GAN generator"),
        elsewhere={
            "MONAI": 'PatchAdversarialLoss(criterion="least_squares"): without the half',
            "torchgan": "least_squares_generator_loss: the same",
        },
    )
)
def least_squares_generator_loss(fake_scores: Tensor, *, real_label: Number = 1.0, **how: Unpack[Reduce]) -> Tensor:
    """What the generator of LSGAN minimises: half the squared distance of its scores from that of real samples.

    Also samples on the right side of the decision, but far from it, are pulled towards the real ones.

    Args:
        fake_scores: Scores of generated samples, any shape ``(*n)``; no sigmoid.
        real_label: What the generator wants them to be; c in the paper.

    >>> least_squares_generator_loss(torch.tensor([1.0, 3.0]), reduction="none")
    tensor([0., 2.])
    """
    return reduce(0.5 * (fake_scores - real_label) ** 2, **how)


class LeastSquaresGeneratorLoss(SingleLoss, of=least_squares_generator_loss):
    """Module form of :func:`least_squares_generator_loss`."""

    real_label: Number = 1.0


def _hinge(real: Element, fake: Element) -> tuple[Element, ...]:
    of_real, of_fake = 1.0 - real, 1.0 + fake
    value = maximum(of_real, 0.0) + maximum(of_fake, 0.0)
    return value, where(of_real > 0.0, -1.0, 0.0), where(of_fake > 0.0, 1.0, 0.0)


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Score("*n"), Score("*n")],
        values="*n",
        claims={"nonnegative", "convex", "bounded_gradient"},
        formula=r"\max(0, 1 - d(x)) + \max(0, 1 + d(\hat x))",
        source="arXiv:1802.05957, eq. 16",
        good_at={"unstable training", "speed"},
        bad_at={"smooth optimisation"},
        known_as=("hinge GAN discriminator", "Hinge GAN", "geometric GAN", "SAGAN discriminator"),
        elsewhere={
            "MONAI": 'PatchAdversarialLoss(criterion="hinge"): of the tanh of the scores, so that no sample is ever'
                     " beyond the margin",
            "basicsr": 'GANLoss("hinge"): one call for each',
        },
    ),
    kernel=Elementwise(_hinge, wrt=(0, 1)),
)  # fmt: skip
def hinge_discriminator_loss(real_scores: Tensor, fake_scores: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What the discriminator of a hinge GAN minimises: the margins by which samples miss 1 and -1.

    Samples beyond the margin no longer count: the discriminator cannot win by growing its scores. Goes with
    :func:`hinge_generator_loss`.

    Args:
        real_scores: Scores of real samples, any shape ``(*n)``.
        fake_scores: Scores of generated samples, the same shape.

    >>> hinge_discriminator_loss(torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 0.5]), reduction="none")
    tensor([0.0000, 2.5000])
    """
    return reduce(torch.relu(1.0 - real_scores) + torch.relu(1.0 + fake_scores), **how)


class HingeDiscriminatorLoss(PairLoss, of=hinge_discriminator_loss):
    """Module form of :func:`hinge_discriminator_loss`."""


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Score("*n")],
        values="*n",
        claims={"convex", "bounded_gradient", "smooth"},
        formula=r"-d(\hat x)",
        source="arXiv:1802.05957, eq. 17",
        good_at={"vanishing gradient", "speed"},
        known_as=("hinge GAN generator", "geometric GAN generator", "SAGAN generator"),
        elsewhere={
            "MONAI": 'PatchAdversarialLoss(criterion="hinge") for a generator: max(0, 1 - tanh d), which is bounded',
            "basicsr": 'GANLoss("hinge") with is_disc=False: the same',
        },
    )
)
def hinge_generator_loss(fake_scores: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What the generator of a hinge GAN minimises: the score, negated, without a margin of its own.

    Args:
        fake_scores: Scores of generated samples, any shape ``(*n)``.

    >>> hinge_generator_loss(torch.tensor([1.0, 3.0]))
    tensor(-2.)
    """
    return reduce(-fake_scores, **how)


class HingeGeneratorLoss(SingleLoss, of=hinge_generator_loss):
    """Module form of :func:`hinge_generator_loss`."""


@loss(
    Card(
        task=("adversarial training", "generative modelling", "distribution matching"),
        inputs=[Score("*n"), Score("*n")],
        values="*n",
        claims={"convex", "bounded_gradient", "smooth"},
        formula=r"d(\hat x) - d(x)",
        source="arXiv:1701.07875, eq. 2",
        good_at={"vanishing gradient", "mode collapse", "speed"},
        bad_at={"unstable training"},
        known_as=("WGAN critic", "WGAN", "Wasserstein GAN", "Wasserstein discriminator", "earth mover's critic"),
        elsewhere={
            "torchgan": "wasserstein_discriminator_loss: the same",
            "basicsr": 'GANLoss("wgan"): one call for each',
        },
    )
)
def wasserstein_critic_loss(real_scores: Tensor, fake_scores: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What the critic of WGAN minimises: how much higher it scores generated samples than real ones.

    Over all critics of slope 1 at most, its least value is minus the Wasserstein distance. It has no lower bound by
    itself: add :func:`gradient_penalty_loss`, or bound the slope of the critic otherwise.

    Args:
        real_scores: Scores of real samples, any shape ``(*n)``.
        fake_scores: Scores of generated samples, the same shape.

    >>> wasserstein_critic_loss(torch.tensor([3.0, 2.0]), torch.tensor([1.0, 0.0]))
    tensor(-2.)
    """
    return reduce(fake_scores - real_scores, **how)


class WassersteinCriticLoss(PairLoss, of=wasserstein_critic_loss):
    """Module form of :func:`wasserstein_critic_loss`."""


@loss(
    Card(
        task=("adversarial training", "generative modelling"),
        inputs=[Score("*n")],
        values="*n",
        claims={"convex", "bounded_gradient", "smooth"},
        formula=r"-d(\hat x)",
        source="arXiv:1701.07875, alg. 1",
        good_at={"vanishing gradient", "speed"},
        known_as=("WGAN generator", "Wasserstein GAN generator"),
        elsewhere={"torchgan": "wasserstein_generator_loss: the same"},
    )
)
def wasserstein_generator_loss(fake_scores: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """What the generator of WGAN minimises: the critic's score of its samples, negated.

    Args:
        fake_scores: Scores of generated samples, any shape ``(*n)``.

    >>> wasserstein_generator_loss(torch.tensor([1.0, 3.0]))
    tensor(-2.)
    """
    return reduce(-fake_scores, **how)


class WassersteinGeneratorLoss(SingleLoss, of=wasserstein_generator_loss):
    """Module form of :func:`wasserstein_generator_loss`."""


@loss(
    Card(
        task=("adversarial training", "regularisation"),
        inputs=[Real("n *d")],
        values="n",
        mask="n *d",
        claims={"nonnegative", When("smooth", "one_sided and target_norm > 0"), When("convex", "one_sided")},
        formula=r"(\|g\|_2 - 1)^2 \text{ or } \max(0, \|g\|_2 - 1)^2",
        source="arXiv:1704.00028, eq. 3 and sec. 4",
        settings=[{"target_norm": 0.5}, {"one_sided": True}],
        good_at={"unstable training", "mode collapse"},
        bad_at={"speed", "memory"},
        known_as=("WGAN-GP", "gradient penalty", "Gradient penalty (WGAN-GP)", "WGAN-LP"),
        elsewhere={
            "catalyst": "GradientPenaltyLoss: the same, drawing the points itself",
            "basicsr": "gradient_penalty_loss: the norm over the channels of each pixel, not over the whole sample",
            "torchgan": "WassersteinGradientPenalty: one norm over the whole batch, not one for each sample",
        },
    )
)  # fmt: skip
def gradient_penalty_loss(
    gradient: Tensor,
    *,
    target_norm: NonNegative = 1.0,
    one_sided: bool = False,
    mask: Tensor | None = None,
    **how: Unpack[Weighted],
) -> Tensor:
    """Keeps the slope of a critic at 1, as the best critic of WGAN has it almost everywhere between the two clouds.

    One value per sample. It is multiplied by 10 in the paper. The gradient comes from :func:`interpolated_gradient`; a
    gradient of exactly 0, whose norm has a kink there, is penalised but not moved.

    Args:
        gradient: The critic's gradient in each sample, ``(n, *d)``, made with ``create_graph=True``.
        target_norm: The slope to keep, in units of the score over those of the samples.
        one_sided: Whether only steeper slopes are penalised.
        mask: True where an element counts, ``(n, *d)``, or ``(n,)`` for whole samples.

    >>> gradient_penalty_loss(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), reduction="none")
    tensor([16.,  1.])
    """
    square = _squared_norms(gradient, mask)
    moves = square > 0
    excess = torch.where(moves, torch.where(moves, square, 1.0).sqrt(), 0.0) - target_norm
    return reduce((torch.relu(excess) if one_sided else excess) ** 2, mask=_counted(mask), **how)


class GradientPenaltyLoss(SingleLoss, of=gradient_penalty_loss):
    """Module form of :func:`gradient_penalty_loss`."""

    target_norm: NonNegative = 1.0
    one_sided: bool = False


@loss(
    Card(
        task=("adversarial training", "regularisation"),
        inputs=[Real("n *d")],
        values="n",
        mask="n *d",
        claims={"nonnegative", "convex", "smooth"},
        formula=r"\tfrac12 \|\nabla d(x)\|_2^2",
        source="arXiv:1801.04406, eq. 9",
        good_at={"unstable training", "smooth optimisation"},
        bad_at={"speed", "memory"},
        known_as=("R1", "R1 gradient penalty", "R1 regularization", "zero-centred gradient penalty"),
        elsewhere={"basicsr": "r1_penalty: without the half, which is in the weight it is used with"},
    )
)
def r1_penalty_loss(gradient: Tensor, *, mask: Tensor | None = None, **how: Unpack[Weighted]) -> Tensor:
    """Flattens a discriminator at the real samples, so that it stays put once the generator has found them.

    One value per sample; multiplied by gamma, 10 in the paper. The gradient comes from
    ``input_gradient(discriminator, real)``; at generated samples instead it is R2.

    Args:
        gradient: The discriminator's gradient in each real sample, ``(n, *d)``, made with ``create_graph=True``.
        mask: True where an element counts, ``(n, *d)``, or ``(n,)`` for whole samples.

    >>> r1_penalty_loss(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), reduction="none")
    tensor([12.5000,  0.0000])
    """
    return reduce(0.5 * _squared_norms(gradient, mask), mask=_counted(mask), **how)


class R1PenaltyLoss(SingleLoss, of=r1_penalty_loss):
    """Module form of :func:`r1_penalty_loss`."""


def input_gradient(critic: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """The gradient of a critic's scores in its samples, which can be differentiated again in the critic's parameters.

    Args:
        critic: Gives each of ``n`` samples one or more scores, independently of the other samples: no batch norm.
        samples: ``(n, *d)``; no gradient flows into them.

    Returns:
        ``(n, *d)``, of the sum of each sample's scores.

    >>> input_gradient(lambda x: (x**2).sum(1), torch.tensor([[1.0, 2.0]])).tolist()
    [[2.0, 4.0]]
    """
    with torch.enable_grad():
        leaf = samples.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(leaf).sum(), leaf, create_graph=True)
    return gradient


def interpolated_gradient(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, generator: torch.Generator | None = None
) -> Tensor:
    """The gradient of a critic at a random point between each real and each generated sample, as WGAN-GP draws them.

    Args:
        critic: As for :func:`input_gradient`.
        real: Real samples, ``(n, *d)``.
        fake: Generated samples, the same shape.
        generator: Where the random numbers come from, on the device of ``real``; torch's own by default.

    Raises:
        LossInputError: if the shapes differ.

    >>> interpolated_gradient(lambda x: 3.0 * x.sum(1), torch.zeros(1, 2), torch.ones(1, 2)).tolist()
    [[3.0, 3.0]]
    """
    if real.shape != fake.shape:
        raise LossInputError(
            f"interpolated_gradient: `fake` must have the shape {tuple(real.shape)} of `real`, got {tuple(fake.shape)}."
        )
    shape = real.shape[:1] + (1,) * (real.ndim - 1)
    share = torch.rand(shape, generator=generator, dtype=real.dtype, device=real.device)
    return input_gradient(critic, torch.lerp(fake, real, share))


def _squared_norms(gradient: Tensor, mask: Tensor | None) -> Tensor:
    return masked_sum(_flat(gradient).square(), None if mask is None else _flat(mask), 1)


def _counted(mask: Tensor | None) -> Tensor | None:
    """Which samples have an element that counts."""
    return None if mask is None else _flat(mask).any(1)


def _flat(x: Tensor) -> Tensor:
    """``(n, *d)`` as ``(n, m)``, also where a sample is one number."""
    return x.unsqueeze(-1).flatten(1)
