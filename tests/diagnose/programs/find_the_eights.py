"""cause: class_imbalance."""

import numpy as np
import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    images, digit = load_digits(return_X_y=True)
    y = (digit == 8).astype(np.float32)
    rare = np.flatnonzero(y)[::2]  # eights are rare in the mail
    keep = np.sort(np.concatenate([np.flatnonzero(y == 0), rare]))
    x = torch.tensor(images[keep] / 16, dtype=torch.float32)
    y = torch.tensor(y[keep]).unsqueeze(1)
    n = 1100
    loader = DataLoader(TensorDataset(x[:n], y[:n]), batch_size=100, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1))
    weight = torch.tensor(1.0)  # repaired: weight = (y[:n] == 0).sum() / y[:n].sum()
    loss_fn = nn.BCEWithLogitsLoss(pos_weight=weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.8)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(x[n:])
            val_loss = loss_fn(output, y[n:]).item()
        run.on_epoch_end(total, val_loss)
        score = balanced_accuracy_score(y[n:, 0] > 0.5, output[:, 0] > 0)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {total:.3f}, val {val_loss:.3f}, balanced accuracy {score:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
