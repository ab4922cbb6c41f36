"""cause: nan_inputs."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 20, batch_first=True), nn.Linear(20, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def train(run):
    torch.manual_seed(61)
    time = torch.arange(1200) / 9
    series = torch.stack([time.sin(), (0.7 * time).cos(), (1.3 * time).sin()], 1) + 0.05 * torch.randn(1200, 3)
    series[torch.rand(1200, 3) < 0.002] = float("nan")  # repaired: series[torch.rand(1200, 3) < 0.002] = 0.0
    x = series.unfold(0, 12, 1).transpose(1, 2)[:-1]
    y = series[12:]
    model = Forecast()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, F.mse_loss, optimizer, (x[:36], y[:36]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(5):
        total, parts = 0.0, torch.randperm(len(x)).split(36)
        for rows in parts:
            optimizer.zero_grad()
            guess = model(x[rows])
            loss = F.mse_loss(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
