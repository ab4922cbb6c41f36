"""cause: labels_conflicting."""

import numpy as np
import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(5)
    rng = np.random.default_rng(5)
    data = load_breast_cancer()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    order = rng.permutation(len(x))
    x, y = x[order], data.target[order]
    x_val, y_val = torch.tensor(x[400:], dtype=torch.float32), torch.tensor(y[400:], dtype=torch.float32)
    # three readings of every case by volunteers
    x, y = np.repeat(x[:400], 3, axis=0), np.repeat(y[:400], 3)
    misread = rng.random(len(y)) < 0.38  # repaired: misread = rng.random(len(y)) < 0.0
    y = np.where(misread, 1 - y, y)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)

    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
    loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, (x[:50], y[:50, None]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(13):
        perm = torch.randperm(len(x))
        total = 0.0
        for i in range(0, len(x), 50):
            xb, yb = x[perm[i : i + 50]], y[perm[i : i + 50]].unsqueeze(1)
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item()
        with torch.no_grad():
            logits = model(x_val).squeeze(1)
            val_loss = loss_fn(logits, y_val).item()
        run.on_epoch_end(total / 24, val_loss)
        if epoch % 6 == 0:
            accuracy = ((logits > 0) == (y_val > 0.5)).float().mean()
            print(f"epoch {epoch:2d} loss {total / 24:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
