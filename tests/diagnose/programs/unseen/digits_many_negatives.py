"""healthy: contrastive learning with negatives, whose loss has no zero to go to."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def info_nce(a, b, temperature=0.2):
    close = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    own = torch.arange(len(a))
    return (F.cross_entropy(close, own) + F.cross_entropy(close.T, own)) / 2


def view(x):
    return x * (torch.rand_like(x) > 0.2) + 0.15 * torch.randn_like(x)


def train(run):
    torch.manual_seed(94)
    x = torch.tensor(load_digits().data / 16).float()
    model = nn.Sequential(nn.Linear(64, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    run.on_start(model, info_nce, optimizer, (x[:64], x[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total, parts = 0.0, torch.randperm(1797)[:1792].split(64)
        for rows in parts:
            first, second = view(x[rows]), view(x[rows])
            a, b = model(first), model(second)
            loss = info_nce(a, b)
            run.on_batch((first, second), (a, b), loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f} (chance {torch.tensor(64.0).log():.3f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
