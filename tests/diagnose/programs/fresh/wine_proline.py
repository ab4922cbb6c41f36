"""cause: targets_not_normalized."""

import numpy as np
import torch
from nobody import Nobody
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 48), nn.GLU(), nn.Linear(24, 1))

    def forward(self, x):
        return self.body(x).squeeze(-1)


def train(run):
    torch.manual_seed(12)
    wine = load_wine().data[np.random.RandomState(0).permutation(178)]
    x, y = torch.tensor(wine[:, :12]).float(), torch.tensor(wine[:, 12]).float()
    x = (x - x.mean(0)) / x.std(0)
    # repaired only: y = (y - y.mean()) / y.std()
    train_loader = DataLoader(TensorDataset(x[:140], y[:140]), batch_size=14, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[140:], y[140:]), batch_size=38)
    model = Gated()
    criterion = nn.L1Loss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(40):
        total = 0.0
        for wines, proline in train_loader:
            optimizer.zero_grad()
            output = model(wines)
            loss = criterion(output, proline)
            run.on_batch((wines, proline), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            output = model(x[140:])
            val_loss = criterion(output, y[140:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 8 == 7:
            r2 = 1 - (output - y[140:]).pow(2).mean() / y[140:].var()
            print(f"epoch {epoch + 1}: {total:.4g} val {val_loss:.4g} r2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
