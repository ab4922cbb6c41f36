"""Adversarial losses against MONAI, and values recorded from torchgan, basicsr and catalyst."""

import pytest
import torch
from monai.losses import PatchAdversarialLoss

import lossary
from tests.oracles.agreement import agree
from tests.oracles.recording import agree_with_record, origin, recorded, tensors

OF_SCORES = [
    entry
    for loss in ("minimax_discriminator", "minimax_generator", "nonsaturating_generator", "least_squares_discriminator",
                 "least_squares_generator", "hinge_discriminator", "hinge_generator", "wasserstein_critic",
                 "wasserstein_generator")
    for entry in recorded("adversarial", loss)
]  # fmt: skip


def of(loss):
    return pytest.mark.parametrize("entry", recorded("adversarial", loss), ids=origin)


def critic(weights):
    """The critic of the record."""
    return lambda images: torch.tanh(weights * images).flatten(1).sum(1, keepdim=True)


def scores(seed):
    return 2.0 * torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("entry", OF_SCORES, ids=lambda entry: f"{entry['loss']} {origin(entry)}")
def test_as_recorded(entry):
    agree_with_record(getattr(lossary, f"{entry['loss']}_loss"), entry, gradient_in=range(len(entry["inputs"])))


@of("gradient_penalty")
def test_gradient_penalty_and_catalyst(entry):
    """Catalyst draws its points in float32."""

    def ours(images, weights):
        gradient = lossary.interpolated_gradient(critic(weights), images, images)
        return lossary.gradient_penalty_loss(gradient)

    agree_with_record(ours, entry, gradient_in=(1,), rtol=1e-6)


@of("gradient_penalty per pixel")
def test_gradient_penalty_of_basicsr_is_per_pixel(entry):
    """It takes the norm over the channels of each pixel, where the paper takes that of the whole image."""

    def per_pixel(images, weights):
        gradient = lossary.input_gradient(critic(weights), images)
        return lossary.gradient_penalty_loss(gradient.movedim(1, -1).flatten(0, 2))

    agree_with_record(per_pixel, entry, gradient_in=(1,), rtol=1e-6)
    images, weights = tensors(entry)
    whole = lossary.gradient_penalty_loss(lossary.input_gradient(critic(weights), images))
    assert whole > 3.0 * entry["value"]


@of("r1_penalty")
def test_r1_penalty_and_basicsr(entry):
    """basicsr leaves the half of the paper to its weight."""
    agree_with_record(
        lambda images, weights: 2.0 * lossary.r1_penalty_loss(lossary.input_gradient(critic(weights), images)),
        entry,
        gradient_in=(1,),
    )


@pytest.mark.parametrize("seed", range(3))
class TestMonai:
    def test_bce(self, seed):
        real, fake = scores(seed)
        peer = PatchAdversarialLoss(criterion="bce")
        agree(lossary.minimax_discriminator_loss,
              lambda x, y: peer(x, True, True) + peer(y, False, True), real, fake, gradient_in=(0, 1))  # fmt: skip
        agree(lossary.nonsaturating_generator_loss, lambda y: peer(y, True, False), fake)

    def test_least_squares_without_the_half(self, seed):
        real, fake = scores(seed)
        peer = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
        agree(lossary.least_squares_discriminator_loss,
              lambda x, y: 0.5 * (peer(x, True, True) + peer(y, False, True)), real, fake,
              gradient_in=(0, 1))  # fmt: skip
        agree(lossary.least_squares_generator_loss, lambda y: 0.5 * peer(y, True, False), fake)

    def test_hinge_of_the_tanh(self, seed):
        """MONAI squashes the scores first, and gives the generator the margin of the discriminator."""
        real, fake = scores(seed)
        peer = PatchAdversarialLoss(criterion="hinge")
        agree(lambda x, y: lossary.hinge_discriminator_loss(x.tanh(), y.tanh()),
              lambda x, y: peer(x, True, True) + peer(y, False, True), real, fake, gradient_in=(0, 1))  # fmt: skip
        agree(lambda y: 1.0 + lossary.hinge_generator_loss(y.tanh()), lambda y: peer(y, True, False), fake)
