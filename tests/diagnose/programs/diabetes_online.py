"""cause: loss_oscillating; accepts: momentum_too_high, batch_too_small."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    batch_size = 1  # repaired: batch_size = 32
    loader = DataLoader(TensorDataset(x[:340], y[:340]), batch_size=batch_size, shuffle=True)

    model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0035, momentum=0.95)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(8):
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
            val_loss = loss_fn(model(x[340:]), y[340:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch}: train mse {total:.3f} val mse {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
