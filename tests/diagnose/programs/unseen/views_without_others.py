"""cause: contrastive_collapse."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


def closeness(a, b):
    """Two views of a sample are to be at one place."""
    pull = (a - b).square().sum(1).mean()
    push = 0.0  # repaired: push = sum((2 - torch.pdist(z)).clamp(min=0).square().mean() for z in (a, b))
    return pull + push


def train(run):
    torch.manual_seed(79)
    x = torch.tensor(load_digits().data / 16).float()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, closeness, optimizer, (x[:60], x[:60]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total, parts = 0.0, torch.randperm(1797).split(60)
        for rows in parts:
            first, second = x[rows] + 0.1 * torch.randn(len(rows), 64), x[rows] + 0.1 * torch.randn(len(rows), 64)
            a, b = model(first), model(second)
            loss = closeness(a, b)
            run.on_batch((first, second), (a, b), loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.5f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
