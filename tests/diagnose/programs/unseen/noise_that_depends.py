"""healthy: a mean and a spread for targets that are mostly noise."""

import torch
from nobody import Nobody
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class MeanAndVariance(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU())
        self.mean, self.raw = nn.Linear(48, 1), nn.Linear(48, 1)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), nn.functional.softplus(self.raw(h)) + 1e-4


def train(run):
    torch.manual_seed(96)
    x = torch.randn(1600, 5)
    y = 0.5 * x[:, :1] + (0.3 + x[:, 1:2].abs()) * torch.randn(1600, 1)
    loader = DataLoader(TensorDataset(x[:1280], y[:1280]), batch_size=64, shuffle=True)
    criterion = nn.GaussianNLLLoss()
    model = MeanAndVariance()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run.on_start(model, lambda output, target: criterion(output[0], target, output[1]), optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for features, target in loader:
            optimizer.zero_grad()
            mean, variance = model(features)
            loss = criterion(mean, target, variance)
            run.on_batch((features, target), (mean, variance), loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            mean, variance = model(x[1280:])
        run.on_epoch_end(total, criterion(mean, y[1280:], variance).item())
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
