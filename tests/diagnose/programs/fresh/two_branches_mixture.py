"""healthy: a mixture density network, whose loss goes below zero."""

import math

import torch
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class Mixture(nn.Module):
    """Three normal distributions for a number that may lie on either of two branches."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 9))

    def forward(self, x):
        weight, mean, log_std = self.body(x).chunk(3, 1)
        return weight.log_softmax(1), mean, log_std


def negative_log_likelihood(output, y):
    weight, mean, log_std = output
    z = (y - mean) / log_std.exp()
    return -(weight - z**2 / 2 - log_std - math.log(2 * math.pi) / 2).logsumexp(1).mean()


def branches(count):
    x = 2 * torch.rand(count, 1) - 1
    side = torch.randint(2, (count, 1)) * 2.0 - 1
    return x, side * (0.3 + 0.2 * x) + 0.03 * torch.randn(count, 1)


def train(run):
    torch.manual_seed(23)
    x, y = branches(1000)
    val_x, val_y = branches(400)
    model = Mixture()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    run.on_start(model, negative_log_likelihood, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(24):
        total = 0.0
        for rows in torch.randperm(1000).split(40):
            optimizer.zero_grad()
            output = model(x[rows])
            loss = negative_log_likelihood(output, y[rows])
            run.on_batch((x[rows], y[rows]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 25
        with torch.no_grad():
            val_loss = negative_log_likelihood(model(val_x), val_y).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: nll {total:.3f} val {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
