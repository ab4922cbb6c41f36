"""cause: labels_shuffled."""

import numpy as np
import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(3)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(x))
    x = x[order]  # repaired: x, y = x[order], y[order]
    x = torch.tensor(x / 16, dtype=torch.float32)
    y = torch.tensor(y)
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=256)

    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(20):
        model.train()
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() * len(xb)
        model.eval()
        with torch.no_grad():
            logits = torch.cat([model(xb) for xb, _ in val_loader])
        val_loss = loss_fn(logits, y[1400:]).item()
        acc = (logits.argmax(1) == y[1400:]).float().mean().item()
        run.on_epoch_end(total / 1400, val_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {total / 1400:.3f} val {val_loss:.3f} acc {acc:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
