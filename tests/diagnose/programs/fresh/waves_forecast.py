"""cause: output_range_mismatch."""

import torch
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class Forecast(nn.Module):
    """The next eight values of a wave from its last sixteen."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 32, batch_first=True)
        self.head = nn.Sequential(nn.Linear(32, 8), nn.Tanh())  # repaired: self.head = nn.Linear(32, 8)

    def forward(self, past):
        _, state = self.gru(past.unsqueeze(2))
        return self.head(state[-1])


def waves(count):
    size, phase = 1 + 2 * torch.rand(count, 1), 6.3 * torch.rand(count, 1)
    wave = size * torch.sin(0.5 * torch.arange(24) + phase) + 0.05 * torch.randn(count, 24)
    return wave[:, :16], wave[:, 16:]


def train(run):
    torch.manual_seed(18)
    past, future = waves(1200)
    model = Forecast()
    criterion = nn.MSELoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
    run.on_start(model, criterion, optimizer, (past[:25], future[:25]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for rows in torch.randperm(1000).split(25):
            optimizer.zero_grad()
            output = model(past[rows])
            loss = criterion(output, future[rows])
            run.on_batch((past[rows], future[rows]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        with torch.no_grad():
            val_loss = criterion(model(past[1000:]), future[1000:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch}: mse {total:.3f} val {val_loss:.3f} (variance {future.var():.3f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
