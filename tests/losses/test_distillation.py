"""What is special to distillation: its temperature, and a teacher that does not learn."""

import torch
from torch.testing import assert_close

import lossary


def draw():
    return torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_at_high_temperature_it_matches_centred_logits():
    z, teacher = draw()
    error = (z - z.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    value = lossary.knowledge_distillation_loss(z, teacher, temperature=1e4)
    assert_close(value, 0.5 * error.square().mean(1).mean(), rtol=1e-3, atol=0.0)


def test_the_teacher_does_not_learn():
    z, teacher = (x.requires_grad_() for x in draw().unbind(0))
    value = lossary.knowledge_distillation_loss(z, teacher)
    assert torch.autograd.grad(value, teacher, allow_unused=True)[0] is None
    assert torch.autograd.grad(lossary.knowledge_distillation_loss(z, teacher), z)[0].any()


def test_it_is_a_divergence_times_the_square_of_the_temperature():
    z, teacher = draw()
    divergence = lossary.kl_div_loss((z / 3).log_softmax(1), (teacher / 3).softmax(1))
    assert_close(lossary.knowledge_distillation_loss(z, teacher, temperature=3.0), 9.0 * divergence)
