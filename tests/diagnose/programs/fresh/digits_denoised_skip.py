"""cause: bad_initialization."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


class Denoiser(nn.Module):
    """An autoencoder whose decoder also sees the encoder's first layer."""

    def __init__(self):
        super().__init__()
        self.outer, self.inner = nn.Linear(64, 48), nn.Linear(48, 16)
        self.widen, self.paint = nn.Linear(16, 48), nn.Linear(96, 64)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(5)  # repaired: parameter.mul_(1)

    def forward(self, x):
        skip = F.relu(self.outer(x))
        wide = F.relu(self.widen(F.relu(self.inner(skip))))
        return self.paint(torch.cat([wide, skip], 1))


def train(run):
    torch.manual_seed(10)
    x = torch.tensor(load_digits().data / 16).float()
    x = x[torch.randperm(len(x))]
    val_noisy = x[1400:] + 0.3 * torch.randn_like(x[1400:])
    model = Denoiser()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, F.mse_loss, optimizer, (x[:35], x[:35]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for rows in torch.randperm(1400).split(35):
            noisy = x[rows] + 0.3 * torch.randn(len(rows), 64)
            optimizer.zero_grad()
            output = model(noisy)
            loss = F.mse_loss(output, x[rows])
            run.on_batch((noisy, x[rows]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        with torch.no_grad():
            val_loss = F.mse_loss(model(val_noisy), x[1400:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch}: mse {total:.4f} val {val_loss:.4f} (variance {x[1400:].var(0).mean():.4f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
