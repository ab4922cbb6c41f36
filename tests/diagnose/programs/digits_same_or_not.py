"""cause: missing_nonlinearity."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def pairs(x, y, count):
    """Two images side by side: do they show the same digit? Half of them do."""
    first = torch.randint(len(x), (count,))
    second = torch.randint(len(x), (count,))
    for i in range(0, count, 2):
        same = (y == y[first[i]]).nonzero()[:, 0]
        second[i] = same[torch.randint(len(same), ())]
    return torch.cat([x[first], x[second]], 1), (y[first] == y[second]).float().unsqueeze(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    keep = y < 3
    x, y = torch.tensor(x[keep] / 16, dtype=torch.float32), torch.tensor(y[keep])
    train_x, train_y = pairs(x[:380], y[:380], 2000)
    val_x, val_y = pairs(x[380:], y[380:], 400)
    loader = DataLoader(TensorDataset(train_x, train_y), batch_size=50, shuffle=True)

    activation = nn.Identity  # repaired: activation = nn.ReLU
    model = nn.Sequential(nn.Linear(128, 64), activation(), nn.Linear(64, 32), activation(), nn.Linear(32, 1))
    loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
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
            output = model(val_x)
            val_loss = loss_fn(output, val_y).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 3 == 0:
            accuracy = ((output > 0) == (val_y > 0.5)).float().mean()
            print(f"epoch {epoch} train {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
