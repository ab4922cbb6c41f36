"""Distillation against torch."""

import pytest
import torch
from torch.nn import functional as F

import lossary
from tests.oracles.agreement import agree


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_knowledge_distillation_and_torch(seed, temperature):
    z, teacher = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def peer(z, teacher):
        student = F.log_softmax(z / temperature, 1)
        return temperature**2 * F.kl_div(student, F.softmax(teacher / temperature, 1), reduction="batchmean")

    agree(lambda *x: lossary.knowledge_distillation_loss(*x, temperature=temperature), peer, z, teacher)
