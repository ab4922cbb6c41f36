"""cause: momentum_too_high; accepts: loss_oscillating, lr_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(43)
    x = torch.tensor(load_digits().images / 8 - 1).float().unsqueeze(1)[torch.randperm(1797)]
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.SiLU(),
        nn.ConvTranspose2d(12, 8, 2, stride=2), nn.SiLU(), nn.ConvTranspose2d(8, 1, 2, stride=2),
    )  # fmt: skip
    momentum = 0.999  # repaired: momentum = 0.9
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    run.on_start(model, nn.MSELoss(), optimizer, (x[:32], x[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total, parts = 0.0, torch.randperm(1500).split(32)
        for rows in parts:
            optimizer.zero_grad()
            rebuilt = model(x[rows])
            loss = F.mse_loss(rebuilt, x[rows])
            run.on_batch((x[rows], x[rows]), rebuilt, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        with torch.no_grad():
            val = F.mse_loss(model(x[1500:]), x[1500:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
