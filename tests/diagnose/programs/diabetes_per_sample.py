"""cause: detached_graph; raises: RuntimeError."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def weighted_mse(prediction, target):
    """Patients with a fast progression count double."""
    errors = (prediction - target).detach() ** 2  # repaired: errors = (prediction - target) ** 2
    weights = 1.0 + (target > 1).float()
    return (weights * errors).sum() / weights.sum()


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(scale(y)).float()[:, None]
    loader = DataLoader(TensorDataset(X[:350], y[:350]), batch_size=25, shuffle=True)
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, weighted_mse, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            prediction = model(x)
            loss = weighted_mse(prediction, target)
            run.on_batch((x, target), prediction, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            val = weighted_mse(model(X[350:]), y[350:]).item()
        run.on_epoch_end(total, val)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: {total:.3f}, held back {val:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
