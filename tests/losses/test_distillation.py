"""What is special to distillation: its temperature, and a teacher that does not learn, of logits or of layers."""

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


def layers():
    """Hidden states and output layers of a student of width 2 and a teacher of width 3, for 20 classes."""
    g = torch.Generator().manual_seed(1)
    shapes = ((11, 2), (20, 2), (11, 3), (20, 3), (20,), (20,))
    return [torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_() for shape in shapes]


def test_of_layers_the_teacher_does_not_learn_either():
    hidden, weight, teacher, teacher_weight, bias, teacher_bias = layers()
    value = lossary.linear_knowledge_distillation_loss(
        hidden, weight, teacher, teacher_weight, linear_bias=bias, teacher_bias=teacher_bias, chunk_size=3
    )
    of_student = torch.autograd.grad(value, (hidden, weight, bias), retain_graph=True)
    assert all(gradient.any() for gradient in of_student)
    of_teacher = torch.autograd.grad(value, (teacher, teacher_weight, teacher_bias), allow_unused=True)
    assert of_teacher == (None, None, None)

    logits = hidden @ weight.T + bias
    teacher_logits = teacher @ teacher_weight.T + teacher_bias
    whole = lossary.knowledge_distillation_loss(logits, teacher_logits)
    assert_close(value, whole)
    assert_close(of_student, torch.autograd.grad(whole, (hidden, weight, bias)))


def test_of_a_student_like_its_teacher_it_is_zero():
    hidden, weight = layers()[:2]
    value = lossary.linear_knowledge_distillation_loss(hidden, weight, hidden, weight, chunk_size=3)
    assert_close(value, torch.zeros_like(value))
    assert not any(g.abs().max() > 1e-12 for g in torch.autograd.grad(value, (hidden, weight)))


def test_masked_rows_of_layers_may_hold_anything():
    hidden, weight, teacher, teacher_weight = layers()[:4]
    mask = torch.arange(11) % 3 > 0
    wanted = lossary.linear_knowledge_distillation_loss(hidden[mask], weight, teacher[mask], teacher_weight)
    rows = [t.detach().masked_fill(~mask.unsqueeze(-1), torch.nan).requires_grad_() for t in (hidden, teacher)]
    value = lossary.linear_knowledge_distillation_loss(
        rows[0], weight, rows[1], teacher_weight, mask=mask, chunk_size=2
    )
    assert_close(value, wanted)
    ours, theirs = (torch.autograd.grad(v, h)[0] for v, h in ((value, rows[0]), (wanted, hidden)))
    assert_close(ours, theirs)
    nothing = lossary.linear_knowledge_distillation_loss(
        rows[0], weight, rows[1], teacher_weight, mask=torch.zeros_like(mask), chunk_size=2
    )
    assert nothing == 0.0
    assert not any(g.any() for g in torch.autograd.grad(nothing, (rows[0], weight)))
