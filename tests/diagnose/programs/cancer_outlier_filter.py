"""cause: degenerate_inputs."""

import numpy as np
import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_breast_cancer(return_X_y=True)
    x = scale(x)
    # extreme measurements are set to the mean
    x[np.abs(x) < 6] = 0  # repaired: x[np.abs(x) > 6] = 0
    perm = np.random.default_rng(0).permutation(len(x))
    x, y = torch.tensor(x[perm]).float(), torch.tensor(y[perm])

    model = nn.Sequential(nn.Linear(30, 32), nn.GELU(), nn.Linear(32, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    run.on_start(model, F.cross_entropy, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, None)
    for step in range(200):
        idx = torch.randint(0, 400, (40,))
        output = model(x[idx])
        loss = F.cross_entropy(output, y[idx])
        run.on_batch((x[idx], y[idx]), output, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 50, model, optimizer)
        if step % 50 == 49:
            with torch.no_grad():
                val = model(x[400:])
            val_loss = F.cross_entropy(val, y[400:]).item()
            run.on_epoch_end(loss.item(), val_loss)
            accuracy = (val.argmax(1) == y[400:]).float().mean()
            print(f"step {step + 1} loss {loss.item():.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
