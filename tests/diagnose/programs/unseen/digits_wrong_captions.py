"""cause: labels_shuffled."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(54)
    digits = load_digits()
    x, y = torch.tensor(digits.images / 16).float().unsqueeze(1), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x = x[order]
    y = y[torch.randperm(len(y))]  # repaired: y = y[order]
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(256, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, F.cross_entropy, optimizer, (x[:64], y[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        model.train()
        total, parts = 0.0, torch.randperm(1500).split(64)
        for rows in parts:
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        model.eval()
        with torch.no_grad():
            val = F.cross_entropy(model(x[1500:]), y[1500:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
