"""cause: discriminator_too_strong; accepts: mode_collapse."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def ellipse(count):
    angle = 2 * torch.pi * torch.rand(count)
    return torch.stack([2 * angle.cos(), angle.sin()], 1) + 4 + 0.05 * torch.randn(count, 2)


def train(run):
    torch.manual_seed(80)
    forger = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
    judge = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    model = nn.ModuleDict({"forger": forger, "judge": judge})
    slow, fast = 2e-5, 5e-3  # repaired: slow, fast = 1e-3, 1e-3
    forging = torch.optim.Adam(forger.parameters(), lr=slow, betas=(0.5, 0.99))
    judging = torch.optim.Adam(judge.parameters(), lr=fast, betas=(0.5, 0.99))
    run.on_start(model, None, [forging, judging], (ellipse(64), torch.randn(64, 3)))
    run.on_context(None, None, None)
    for step in range(400):
        real, made = ellipse(64), forger(torch.randn(64, 3))
        said_real, said_made = judge(real), judge(made.detach())
        loss = F.binary_cross_entropy_with_logits(said_real, torch.ones(64, 1))
        loss = loss + F.binary_cross_entropy_with_logits(said_made, torch.zeros(64, 1))
        run.on_batch(real, (said_real, said_made), loss)
        judging.zero_grad()
        loss.backward()
        judging.step()
        said = judge(made)
        fooled = F.binary_cross_entropy_with_logits(said, torch.ones(64, 1))
        run.on_batch(real, said, fooled)
        forging.zero_grad()
        fooled.backward()
        forging.step()
        run.on_step_end(step, step // 100, model, [forging, judging])
        if step % 100 == 99:
            run.on_epoch_end(None, None)
            print(f"step {step}: judge {loss.item():.3f} forger {fooled.item():.3f} at {made.mean(0).tolist()}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
