"""cause: detached_graph."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6), nn.Tanh())
        self.classify = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 10))

    def forward(self, x):
        z = self.embed(x)
        self.last_embedding = z.detach()  # for plots
        return self.classify(self.last_embedding)  # repaired: return self.classify(z)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 16).float(), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=50, shuffle=True)
    val_loader = DataLoader(TensorDataset(X[1500:], y[1500:]), batch_size=300)
    model = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, val_loader, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(X[1500:])
            val = loss_fn(output, y[1500:]).item()
        run.on_epoch_end(total, val)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: {total:.3f} {val:.3f} {(output.argmax(1) == y[1500:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
