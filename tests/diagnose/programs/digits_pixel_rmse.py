"""cause: numerical_instability."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def rmse_per_pixel(output, target):
    error = ((output - target) ** 2).mean(dim=0)
    return torch.sqrt(error).mean()  # repaired: return torch.sqrt(error + 1e-8).mean()


class AutoEncoder(nn.Module):
    def __init__(self, inked):
        super().__init__()
        self.register_buffer("inked", inked)
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 12))
        self.decoder = nn.Sequential(nn.ReLU(), nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x)) * self.inked  # pixels that nobody writes on stay white


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X = torch.tensor(load_digits().data).float() / 16
    loader = DataLoader(TensorDataset(X[:1500]), batch_size=50, shuffle=True)
    model = AutoEncoder((X.max(dim=0).values > 0).float())
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, rmse_per_pixel, optimizer, (X[:50], X[:50]))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for (x,) in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = rmse_per_pixel(output, x)
            run.on_batch((x, x), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            val = rmse_per_pixel(model(X[1500:]), X[1500:]).item()
        run.on_epoch_end(total, val)
        if epoch % 3 == 0:
            print(f"epoch {epoch}: {total:.4f}, val {val:.4f}, mean image {X.std(0).mean():.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
