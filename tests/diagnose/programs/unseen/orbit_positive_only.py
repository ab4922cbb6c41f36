"""cause: output_range_mismatch."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Next(nn.Module):
    """The next point of an orbit, from four."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 16, 4)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        point = self.head(F.gelu(self.conv(x)).squeeze(2))
        return F.softplus(point)  # repaired: return point


def train(run):
    torch.manual_seed(77)
    angle = 6.3 * torch.rand(1200, 1) + 0.5 * torch.arange(5)
    radius = 0.5 + torch.rand(1200, 1)
    path = torch.stack([radius * angle.cos(), radius * angle.sin()], 1) + 0.02 * torch.randn(1200, 2, 5)
    x, y = path[:, :, :4], path[:, :, 4]
    model = Next()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, F.mse_loss, optimizer, (x[:40], y[:40]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(1200).split(40):
            optimizer.zero_grad()
            guess = model(x[rows])
            loss = F.mse_loss(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
