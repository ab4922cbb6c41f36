"""cause: exploding_gradient; accepts: bad_initialization."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Tower(nn.Module):
    def __init__(self, depth=24, width=40):
        super().__init__()
        self.first = nn.Linear(10, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        h = torch.relu(self.first(x))
        for layer in self.hidden:
            h = h + torch.relu(layer(h))  # repaired: h = h + torch.relu(layer(h)) / len(self.hidden)
        return self.last(h)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(scale(y)).float()[:, None]
    loader = DataLoader(TensorDataset(X[:360], y[:360]), batch_size=36, shuffle=True)
    model = Tower()
    loss_fn = nn.HuberLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            prediction = model(x)
            loss = loss_fn(prediction, target)
            run.on_batch((x, target), prediction, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            val = loss_fn(model(X[360:]), y[360:]).item()
        run.on_epoch_end(total, val)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: huber {total:.4f}, validation {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
