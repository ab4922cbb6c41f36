"""cause: numerical_instability."""

import torch
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class Normal(nn.Module):
    """A mean and a variance for each input."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 32), nn.Tanh())
        self.mean, self.spread = nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        raw = self.spread(h)
        variance = torch.relu(raw + 0.6)  # repaired: variance = nn.functional.softplus(raw) + 1e-3
        return self.mean(h), variance


def surprise(output, y):
    mean, variance = output
    return (variance.log() / 2 + (y - mean) ** 2 / (2 * variance)).mean()


def train(run):
    torch.manual_seed(76)
    x = 4 * torch.rand(1000, 1) - 2
    y = x.sin() + (0.02 + 0.1 * x.abs()) * torch.randn(1000, 1)
    model = Normal()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, surprise, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(14):
        total = 0.0
        for rows in torch.randperm(1000).split(40):
            optimizer.zero_grad()
            output = model(x[rows])
            loss = surprise(output, y[rows])
            run.on_batch((x[rows], y[rows]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 25
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
