"""cause: numerical_instability."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class MeanAndVariance(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 32), nn.ReLU())
        self.mean = nn.Linear(32, 1)
        self.spread = nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        variance = F.relu(self.spread(h))  # repaired: variance = F.softplus(self.spread(h)) + 1e-3
        return torch.cat([self.mean(h), variance], dim=1)


def gaussian_nll(output, target):
    mean, variance = output[:, 0], output[:, 1]
    return (0.5 * torch.log(variance) + 0.5 * (target - mean) ** 2 / variance).mean()


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(scale(y)).float()
    loader = DataLoader(TensorDataset(X[:352], y[:352]), batch_size=32, shuffle=True)
    model = MeanAndVariance()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, gaussian_nll, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = gaussian_nll(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(X[352:])
        run.on_epoch_end(total, gaussian_nll(output, y[352:]).item())
        if epoch % 5 == 4:
            rmse = (output[:, 0] - y[352:]).square().mean().sqrt()
            print(f"epoch {epoch + 1}: nll {total:.3f}, rmse {rmse:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
