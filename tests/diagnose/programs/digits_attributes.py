"""healthy: several labels for each sample, each a binary cross-entropy."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, digit = load_digits(return_X_y=True)
    digit = torch.tensor(digit)
    # is it odd, is it above four, does it hold a loop, is it a nine
    y = torch.stack([digit % 2 == 1, digit > 4, torch.isin(digit, torch.tensor([0, 6, 8, 9])), digit == 9], 1).float()
    x = torch.tensor(x / 16, dtype=torch.float32)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=50, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(12):
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
            output = model(x[1400:])
            val_loss = loss_fn(output, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            right = ((output > 0) == (y[1400:] > 0.5)).float().mean(0)
            print(f"epoch {epoch + 1}: {total:.3f} val {val_loss:.3f} acc {[round(r, 3) for r in right.tolist()]}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
