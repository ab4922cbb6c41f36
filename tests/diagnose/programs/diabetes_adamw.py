"""cause: weight_decay_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(4)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    loader = DataLoader(TensorDataset(x[:342], y[:342]), batch_size=38, shuffle=True)

    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    loss_fn = nn.MSELoss()
    decay = 20  # repaired: decay = 0.01
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=decay)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(25):
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
            val_loss = loss_fn(model(x[342:]), y[342:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 6 == 0:
            print(f"epoch {epoch}: train {total:.3f} val {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
