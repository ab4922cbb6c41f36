"""Edges of the losses of images, and the modules that own weights or a network."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError


class Stages(nn.Module):
    """Stands in for a pretrained network: two layers, in whatever form."""

    def __init__(self, form=list):
        super().__init__()
        self.first, self.second, self.form = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 3, 3), form
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        first = self.drop(torch.relu(self.first(x)))
        return self.form((("first", first), ("second", self.second(first))))


def tensors(named):
    return [features for _, features in named]


def images(n=3):
    g = torch.Generator().manual_seed(0)
    return torch.rand(n, 1, 8, 8, generator=g), torch.rand(n, 1, 8, 8, generator=g)


def test_opposite_patterns_have_the_largest_ssim_loss():
    """A pattern and its negative have the similarity -1, as far as the constants let them."""
    wave = torch.sin(torch.arange(40.0) * 2.5).reshape(1, 1, 40)
    assert 1.99 < lossary.ssim_loss(0.5 + 0.5 * wave, 0.5 - 0.5 * wave) < 2.0


def test_where_structure_is_opposed_ms_ssim_is_one_without_a_gradient():
    wave = torch.sin(torch.arange(200.0) * 2.5).reshape(1, 1, 200).requires_grad_()
    value = lossary.ms_ssim_loss(0.5 + 0.5 * wave, 0.5 - 0.5 * wave.detach())
    assert value == 1.0
    assert not torch.autograd.grad(value, wave)[0].any()


def test_ms_ssim_of_one_scale_is_ssim():
    prediction, target = (0.7 * x + 0.3 * images()[1] for x in images())
    one = lossary.ms_ssim_loss(prediction, target, window_size=5, scale_weights=(1.0,))
    assert_close(one, lossary.ssim_loss(prediction, target, window_size=5))


@pytest.mark.parametrize("loss", [lossary.ssim_loss, lossary.ms_ssim_loss])
def test_an_image_smaller_than_the_window_is_refused(loss):
    with pytest.raises(LossInputError, match="`prediction` must have sides of at least"):
        loss(*images())


@pytest.mark.parametrize("weights", [(), (0.5, 0.0)])
def test_scales_have_positive_weights(weights):
    with pytest.raises(LossInputError, match="`scale_weights` must be a tuple, each part a number above 0"):
        lossary.ms_ssim_loss(*images(), scale_weights=weights)


def test_equal_images_reach_the_floor_of_psnr():
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    value = lossary.psnr_loss(x, x.detach(), eps=1e-6)
    assert_close(value, torch.tensor(-60.0))
    assert not torch.autograd.grad(value, x)[0].any()


def test_isotropic_variation_is_the_length_of_both_differences():
    corner = torch.tensor([[[[0.0, 3.0], [4.0, 5.0]]]])
    # At the top left (4, 3), at the top right (2, 0), at the bottom left (0, 1).
    assert_close(lossary.total_variation_loss(corner, isotropic=True), torch.tensor(5.0 + 2.0 + 1.0))


@pytest.mark.parametrize("isotropic", [False, True])
def test_a_flat_image_has_no_variation_and_no_gradient(isotropic):
    x = torch.ones(1, 1, 3, 3, requires_grad=True)
    value = lossary.total_variation_loss(x, isotropic=isotropic)
    assert value == 0 and not torch.autograd.grad(value, x)[0].any()


def test_style_does_not_see_where_things_are():
    features = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    moved = features.flatten(2)[..., torch.randperm(16, generator=torch.Generator().manual_seed(0))].reshape(1, 3, 4, 4)
    assert lossary.gram_style_loss(features, moved) < 1e-20
    assert lossary.content_loss(features, moved) > 1e-3


def test_a_place_without_features_has_no_direction_and_no_gradient():
    features = torch.zeros(1, 2, 1, 1, requires_grad=True)
    value = lossary.lpips_loss(features, torch.tensor([[[[3.0]], [[4.0]]]]), torch.ones(2))
    assert_close(value, torch.tensor(1.0))  # 0.6 squared and 0.8 squared
    assert not torch.autograd.grad(value, features)[0].any()


def test_lpips_module_is_the_function_and_so_are_its_copies():
    weight, features, target = torch.tensor([1.0, 0.5]), torch.rand(3, 2, 4, 4), torch.rand(3, 2, 4, 4)
    original = lossary.LPIPSLoss(weight)
    assert not list(original.parameters())
    for form in (original, pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert torch.equal(form(features, target), lossary.lpips_loss(features, target, weight))
    with pytest.raises(LossInputError, match="`channel_weight` must have the shape"):
        lossary.LPIPSLoss(torch.ones(2, 2))


@pytest.mark.parametrize("form", [tensors, dict])
def test_a_perceptual_loss_is_the_weighted_sum_over_layers(form):
    stages = Stages(form)
    module = lossary.PerceptualLoss(stages, lossary.GramStyleLoss(), layer_weights=(0.2, 0.8))
    prediction, target = images()
    seen, wanted = stages(prediction), stages(target)
    if form is dict:
        seen, wanted = seen.values(), wanted.values()
    first, second = (lossary.gram_style_loss(a, b) for a, b in zip(seen, wanted, strict=True))
    assert_close(module(prediction, target), 0.2 * first + 0.8 * second)


def test_an_extractor_of_one_tensor_will_do():
    module = lossary.PerceptualLoss(nn.Flatten(), lossary.L1Loss())
    prediction, target = images()
    assert_close(module(prediction, target), (prediction - target).abs().mean())


def test_the_extractor_stays_frozen_and_in_evaluation_mode():
    module = lossary.PerceptualLoss(Stages(tensors), lossary.ContentLoss()).train()
    prediction, target = images()
    assert module.training and not module.extractor.training
    assert torch.equal(module(prediction, target), module(prediction, target)), "dropout is at work"
    module(prediction.requires_grad_(), target.requires_grad_()).backward()
    assert prediction.grad.any() and target.grad is None
    assert all(p.grad is None and not p.requires_grad for p in module.parameters())


def test_a_perceptual_loss_weighs_and_masks_samples():
    module = lossary.PerceptualLoss(Stages(tensors), [lossary.ContentLoss(), lossary.L1Loss()])
    prediction, target = images()
    mask = torch.tensor([True, False, True])
    assert_close(module(prediction, target, mask=mask), module(prediction[mask], target[mask]))
    weighted = module(prediction, target, sample_weight=torch.tensor([1.0, 0.0, 1.0]))
    assert_close(weighted, module(prediction[mask], target[mask]))


@pytest.mark.parametrize(("losses", "weights", "name"), [
    ([lossary.L1Loss()], None, "losses"), (lossary.L1Loss(), (1.0,), "layer_weights")
])  # fmt: skip
def test_there_is_one_loss_and_one_weight_per_layer(losses, weights, name):
    module = lossary.PerceptualLoss(Stages(tensors), losses, layer_weights=weights)
    with pytest.raises(LossInputError, match=f"`{name}` must be one per layer, which are 2, got 1"):
        module(*images())
