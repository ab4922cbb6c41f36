"""cause: targets_not_normalized."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    # repaired only: y = (y - y.mean()) / y.std()
    train_set, val_set = random_split(TensorDataset(x, y), [342, 100])
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=100)

    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(40):
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
        with torch.no_grad():
            xv, yv = next(iter(val_loader))
            val_loss = loss_fn(model(xv), yv).item()
        run.on_epoch_end(total / 342, val_loss)
        if epoch % 10 == 9:
            print(
                f"epoch {epoch + 1:3d} train {total / 342:.3f} val mse {val_loss:.3f} r2 {1 - val_loss / yv.var():.3f}"
            )
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
